//! Sound that is said again: what comes out of the packets that arrive is what was said, though some did not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use curtaincall_sfu::redundancy::{Recent, depth, unwrap};
use str0m::media::Pt;
use str0m::rtp::RedDecoder;

const FRAME: u32 = 960;

fn opus() -> Pt {
    111.into()
}

fn said(number: u32) -> Arc<[u8]> {
    Arc::from(format!("frame {number}").into_bytes())
}

/// Frames as a receiver puts them together that gets only the packets that `arrives` says.
fn heard(count: u32, depth: usize, arrives: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut recent = Recent::default();
    let mut heard = Vec::new();
    // Timestamps pass their end on the way.
    let timestamp = |number: u32| (number * FRAME).wrapping_sub(3 * FRAME);
    for number in 0..count {
        let payload = recent.wrap(opus(), timestamp(number), &said(number), depth);
        recent.note(timestamp(number), &said(number));
        assert_eq!(unwrap(&payload).unwrap(), &*said(number));
        if !arrives(number) {
            continue;
        }
        for block in RedDecoder::decode(&payload).unwrap() {
            let of = number - block.timestamp_offset / FRAME;
            assert_eq!(block.pt, *opus());
            assert_eq!(block.payload, &*said(of));
            if !heard.contains(&of) {
                heard.push(of);
            }
        }
    }
    heard.sort_unstable();
    heard
}

#[test]
fn a_lost_packet_is_said_again_by_the_next() {
    let all: Vec<_> = (0..20).collect();
    assert_eq!(heard(20, 1, |number| number % 2 == 1), all);
    assert_eq!(heard(20, 2, |number| number % 3 == 1 || number == 19), all);
}

#[test]
fn without_loss_nothing_is_said_again() {
    assert_eq!([0.0, 0.01, 0.05, 0.3].map(depth), [0, 0, 1, 2]);
    let payload = Recent::default().wrap(opus(), 5, b"now", 2);
    assert_eq!(payload, b"\x6fnow");
}

#[test]
fn what_comes_late_is_not_said_again_as_if_it_were_new() {
    let mut recent = Recent::default();
    recent.note(2 * FRAME, &said(2));
    let payload = recent.wrap(opus(), FRAME, &said(1), 2);
    assert_eq!(RedDecoder::decode(&payload).unwrap().len(), 1);
}

#[test]
fn rubbish_is_refused() {
    assert_eq!(unwrap(&[]), None);
    assert_eq!(unwrap(&[0xff, 0, 0]), None);
    assert_eq!(unwrap(&[0xef, 0, 3, 0xff, 0x6f, 1]), None);
}
