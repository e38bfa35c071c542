//! What is fuzzed, as functions of bytes: a run fails by panicking. `dev/fuzz` has libFuzzer drive them, guided by
//! coverage; `tests/corpus.rs` replays what it has found so far.
//!
//! Nothing here is part of the product: a target that cannot go on says where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "failing loudly is what a fuzz target is for"
)]

pub mod offers;
pub mod open_crypto;
pub mod packets;
pub mod pieces;
pub mod rewriter;
mod stage;
mod wire;

/// Between the parts of an input, so that a mutation in one leaves the others whole.
pub const SEPARATOR: &[u8] = b"|~|";

/// Parts of an input that are looked at: an input should take milliseconds.
const MAX_PARTS: usize = 64;

/// The parts of an input.
fn parts(input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = input;
    while parts.len() < MAX_PARTS {
        let found = rest
            .windows(SEPARATOR.len())
            .position(|window| window == SEPARATOR);
        match found {
            Some(at) => {
                parts.push(&rest[..at]);
                rest = &rest[at + SEPARATOR.len()..];
            }
            None => {
                parts.push(rest);
                return parts;
            }
        }
    }
    parts
}
