//! What fuzzing has found so far stays found: every input of the corpus is run again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::Path;

use curtaincall_fuzz::{offers, packets, pieces, rewriter};

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no corpus in {}", folder.display());
    for input in inputs {
        // Shown if the run fails.
        println!("{}", input.display());
        run(&fs::read(&input).unwrap());
    }
}

#[test]
fn packets_of_the_corpus_harm_nobody() {
    replay("packets", packets::run);
}

#[test]
fn offers_of_the_corpus_harm_nobody() {
    replay("offers", offers::run);
}

#[test]
fn pieces_of_the_corpus_are_read_without_harm() {
    replay("pieces", pieces::run);
}

#[test]
fn numbers_of_the_corpus_are_rewritten_so_that_a_decoder_follows() {
    replay("rewriter", rewriter::run);
}
