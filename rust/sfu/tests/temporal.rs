//! Temporal layers: which packets may be left out, and what leaving them out saves.

use std::time::{Duration, Instant};

use curtaincall_sfu::temporal::{Highest, Place};
use str0m::format::Codec;

/// A payload descriptor of VP8 with everything in it, of a temporal layer.
fn vp8(layer: u8, begins: bool) -> Vec<u8> {
    let first = if begins { 0x90 } else { 0x80 };
    vec![first, 0xe0, 0x80 | 0x12, 0x34, 9, layer << 6 | 0x20, 0, 0]
}

#[test]
fn the_layer_is_read_whatever_is_before_it() {
    let place = |payload: &[u8]| Place::of(Codec::Vp8, payload);
    let expected = |layer, begins| Some(Place { layer, begins });
    assert_eq!(place(&vp8(2, true)), expected(2, true));
    assert_eq!(place(&vp8(1, false)), expected(1, false));
    // A short picture id, and no index of the lowest layer.
    assert_eq!(place(&[0x90, 0xa0, 0x12, 0x40, 0]), expected(1, true));
    // Neither.
    assert_eq!(place(&[0x90, 0x20, 0x80, 0]), expected(2, true));
    // A later partition begins no picture.
    assert_eq!(place(&[0x91, 0x20, 0x80, 0]), expected(2, false));
}

#[test]
fn what_tells_of_no_layer_has_none() {
    for payload in [
        &[][..],
        &[0x10, 0],
        &[0x90],
        &[0x90, 0xc0, 1, 2, 3],
        &[0x90, 0x20],
    ] {
        assert_eq!(Place::of(Codec::Vp8, payload), None, "{payload:?}");
    }
    assert_eq!(Place::of(Codec::H264, &vp8(2, true)), None);
}

#[test]
fn the_highest_layer_is_what_nothing_else_needs() {
    let began = Instant::now();
    let mut highest = Highest::default();
    let pattern = [0, 2, 1, 2];
    let mut left_out = 0;
    for number in 0..120 {
        let now = began + Duration::from_millis(33) * number;
        let layer = pattern[number as usize % pattern.len()];
        let place = Some(Place {
            layer,
            begins: true,
        });
        let is_highest = highest.packet(now, place, 500);
        assert_eq!(is_highest, layer == 2, "{number}");
        left_out += usize::from(is_highest);
    }
    assert_eq!(left_out, 60);
    let now = began + Duration::from_secs(4);
    let rate = highest.rate(now).map(|rate| rate.0);
    assert!(
        rate.is_some_and(|rate| (60_000..80_000).contains(&rate)),
        "{rate:?}"
    );
    // It stops, and with it what can be left out.
    assert_eq!(highest.rate(now + Duration::from_secs(2)), None);
}

#[test]
fn a_stream_without_layers_cannot_be_thinned() {
    let now = Instant::now();
    let mut highest = Highest::default();
    let lowest = Some(Place {
        layer: 0,
        begins: true,
    });
    assert!(!highest.packet(now, lowest, 500));
    assert!(!highest.packet(now, None, 500));
    assert_eq!(highest.rate(now), None);
}
