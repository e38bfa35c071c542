//! Temporal layers: of a stream that has them the highest may be left out, and what remains has fewer pictures a second
//! and is whole. Pure.

use std::time::Instant;

use str0m::format::Codec;

use crate::allocator::BitRate;
use crate::layers::Rate;

/// Where a packet is among the temporal layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub layer: u8,
    /// The first packet of a picture.
    pub begins: bool,
}

impl Place {
    /// Read a payload. `None` if its codec has no temporal layers, or the packet tells of none.
    pub fn of(codec: Codec, payload: &[u8]) -> Option<Self> {
        (codec == Codec::Vp8).then(|| vp8(payload)).flatten()
    }
}

/// RFC 7741 section 4.2: the payload descriptor.
fn vp8(payload: &[u8]) -> Option<Place> {
    const EXTENDED: u8 = 0x80;
    const PICTURE_ID: u8 = 0x80;
    const LONG_PICTURE_ID: u8 = 0x80;
    const TL0_PIC_IDX: u8 = 0x40;
    const LAYER: u8 = 0x20;
    let first = *payload.first()?;
    if first & EXTENDED == 0 {
        return None;
    }
    let fields = *payload.get(1)?;
    if fields & LAYER == 0 {
        return None;
    }
    let mut at = 2;
    if fields & PICTURE_ID != 0 {
        at += if payload.get(at)? & LONG_PICTURE_ID != 0 {
            2
        } else {
            1
        };
    }
    at += usize::from(fields & TL0_PIC_IDX != 0);
    Some(Place {
        layer: payload.get(at)? >> 6,
        // The start of a partition, and of the first.
        begins: first & 0x17 == 0x10,
    })
}

/// The highest temporal layer of a stream, and what it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Highest {
    layer: u8,
    rate: Rate,
}

impl Highest {
    /// Count a packet. Returns whether it belongs to the highest layer, which nothing else needs.
    pub fn packet(&mut self, now: Instant, place: Option<Place>, bytes: usize) -> bool {
        let layer = place.map_or(0, |place| place.layer);
        if layer > self.layer {
            *self = Self {
                layer,
                rate: Rate::default(),
            };
        } else if !self.rate.is_flowing(now) {
            // It was not sent for a while: what is sent now is all there is.
            self.layer = layer;
        }
        let is_highest = layer > 0 && layer == self.layer;
        if is_highest {
            self.rate.packet(now, bytes);
        }
        is_highest
    }

    /// What the highest layer takes, if there is one.
    pub fn rate(&self, now: Instant) -> Option<BitRate> {
        let has_one = self.layer > 0 && self.rate.is_flowing(now);
        has_one.then(|| self.rate.bits_per_second())
    }
}
