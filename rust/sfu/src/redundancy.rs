//! Sound that survives loss: what was said last is said again beside what is said now (RED, RFC 2198). Pure.
//!
//! Nothing is asked for again, so it costs no round trip, and it is done for those only whose link loses packets.

use std::collections::VecDeque;
use std::sync::Arc;

use str0m::media::Pt;
use str0m::rtp::{RedDecoder, RedEncoder, RedundantBlock};

/// Packets that are said again at most.
const DEEPEST: usize = 2;

/// From so much loss on one packet is said again, and from so much two.
const LOSSY: f64 = 0.02;
const VERY_LOSSY: f64 = 0.1;

/// Longest packet that is said again: sound at any sensible rate.
const MAX_PAYLOAD: usize = 400;

/// How many packets to say again on a link that loses this part of them.
pub fn depth(loss: f64) -> usize {
    match loss {
        _ if loss >= VERY_LOSSY => 2,
        _ if loss >= LOSSY => 1,
        _ => 0,
    }
}

/// The newest packets of a sound track.
#[derive(Debug, Default)]
pub struct Recent {
    packets: VecDeque<(u32, Arc<[u8]>)>,
}

impl Recent {
    /// Note a packet that was passed on.
    pub fn note(&mut self, timestamp: u32, payload: &Arc<[u8]>) {
        if self.packets.len() > DEEPEST {
            self.packets.pop_front();
        }
        self.packets.push_back((timestamp, Arc::clone(payload)));
    }

    /// The payload with up to `depth` of those before it. `pt` is what the receiver calls the codec.
    pub fn wrap(&self, pt: Pt, timestamp: u32, payload: &[u8], depth: usize) -> Vec<u8> {
        let before = |(then, _): &&(u32, Arc<[u8]>)| timestamp.wrapping_sub(*then) as i32 > 0;
        let mut blocks: Vec<_> = self
            .packets
            .iter()
            .rev()
            .filter(before)
            .filter(|(_, earlier)| earlier.len() <= MAX_PAYLOAD)
            .take(depth)
            .map(|(then, earlier)| RedundantBlock {
                pt: *pt,
                timestamp_offset: timestamp.wrapping_sub(*then),
                payload: earlier.to_vec(),
            })
            .collect();
        blocks.reverse();
        RedEncoder::encode(*pt, payload, &blocks)
    }
}

/// What a publisher says now, out of a payload in which it says again what it said before.
pub fn unwrap(payload: &[u8]) -> Option<&[u8]> {
    let blocks = RedDecoder::decode(payload).ok()?;
    let primary = blocks.into_iter().find(|block| block.is_primary)?;
    Some(primary.payload)
}
