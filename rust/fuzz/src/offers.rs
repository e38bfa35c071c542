//! Whatever may be in an offer. Nothing panics, the answer fits the offer, and those who are there already hear each
//! other as before.
//!
//! An input is a row of offers (see [`crate::SEPARATOR`]) for one seat: the first makes its session, the others negotiate
//! again or replace it, as their fingerprint says.

use std::time::Duration;

use crate::parts;
use crate::stage::{HOSTILE, Stage, address};

/// Offers of one input: each may build a session, which takes milliseconds.
const MAX_OFFERS: usize = 4;

pub fn run(input: &[u8]) {
    let mut stage = Stage::new();
    for part in parts(input).into_iter().take(MAX_OFFERS) {
        let Ok(offer) = std::str::from_utf8(part) else {
            continue;
        };
        if let Ok(answer) = stage.answer(HOSTILE, offer) {
            // RFC 3264 section 6: an answer has as many m-lines as the offer.
            assert_eq!(lines_of_media(&answer), lines_of_media(offer), "{answer}");
        }
        stage.check(address(HOSTILE));
        stage.pass(Duration::from_millis(50));
    }
    stage.assert_unharmed();
}

fn lines_of_media(sdp: &str) -> usize {
    sdp.lines().filter(|line| line.starts_with("m=")).count()
}
