//! Which simulcast layer of a track is forwarded: the one with the most bits that is still flowing. Pure.
//! And the order of a track's layers, of which the allocator chooses for each subscriber.

use std::time::{Duration, Instant};

use crate::allocator::{BitRate, Height};

/// A layer without a packet for this long has been switched off by its sender.
const SILENT: Duration = Duration::from_millis(700);

/// Rates are compared over this time.
const WINDOW: Duration = Duration::from_secs(1);

/// What a packet adds to its payload on the way to a subscriber: RTP's header and extensions, SRTP, UDP and IP.
const PACKET_OVERHEAD: usize = 72;

/// Before the first window is over a rate is taken from what came so far, as if it had come in this time at least.
const SHORTEST_WINDOW: Duration = Duration::from_millis(300);

/// A layer must carry this many percent of another's bits to replace it, so that two like ones do not alternate.
const BETTER_PERCENT: u64 = 130;

/// Bytes of a layer in the last whole window.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    started_at: Option<Instant>,
    bytes: u64,
    last_window: Option<u64>,
    /// Bits per second with what the way adds, over the last windows.
    smoothed: Option<u64>,
    packets: u64,
    last_at: Option<Instant>,
}

impl Rate {
    /// A packet came. Returns true when a window was completed, which is when to choose again.
    pub fn packet(&mut self, now: Instant, bytes: usize) -> bool {
        self.last_at = Some(now);
        self.bytes += bytes as u64;
        self.packets += 1;
        let started_at = *self.started_at.get_or_insert(now);
        if now < started_at + WINDOW {
            return false;
        }
        let length = now.saturating_duration_since(started_at);
        let newest = self.carried(length);
        self.smoothed = Some(self.smoothed.map_or(newest, |before| (before + newest) / 2));
        self.last_window = Some(self.bytes);
        self.bytes = 0;
        self.packets = 0;
        self.started_at = Some(now);
        true
    }

    pub fn is_flowing(&self, now: Instant) -> bool {
        self.last_at.is_some_and(|at| now < at + SILENT)
    }

    /// What the layer takes of a subscriber's link.
    pub fn bits_per_second(&self) -> BitRate {
        let so_far = match (self.started_at, self.last_at) {
            (Some(start), Some(last)) => last.saturating_duration_since(start),
            _ => Duration::ZERO,
        };
        BitRate(self.smoothed.unwrap_or_else(|| self.carried(so_far)))
    }

    fn carried(&self, length: Duration) -> u64 {
        let bytes = self.bytes + self.packets * PACKET_OVERHEAD as u64;
        bytes * 8_000 / (length.max(SHORTEST_WINDOW).as_millis() as u64)
    }

    fn bytes_per_window(&self) -> u64 {
        self.last_window.unwrap_or(self.bytes)
    }
}

/// The index of the layer to forward, given the one forwarded now.
pub fn choose(now: Instant, layers: &[Rate], active: Option<usize>) -> Option<usize> {
    let flowing = |index: &usize| layers.get(*index).is_some_and(|rate| rate.is_flowing(now));
    let best = (0..layers.len())
        .filter(flowing)
        .max_by_key(|index| layers[*index].bytes_per_window());
    match active.filter(flowing) {
        None => best.or(active),
        Some(active) => {
            let is_better = |best: usize| {
                layers[best].bytes_per_window() * 100
                    > layers[active].bytes_per_window() * BETTER_PERCENT
            };
            Some(best.filter(|best| is_better(*best)).unwrap_or(active))
        }
    }
}

/// Heights of the rungs that clients send (1280x720, 852x480, 426x240), from the lowest. A sender that is short of
/// bandwidth drops the upper ones first.
const RUNG_HEIGHTS: [Height; 3] = [Height(240), Height(480), Height(720)];

/// The nominal height of the rung at `level` of a simulcast track.
pub fn rung_height(level: usize) -> Height {
    let highest = RUNG_HEIGHTS[RUNG_HEIGHTS.len() - 1];
    RUNG_HEIGHTS.get(level).copied().unwrap_or(highest)
}

/// The indices of the flowing layers from the one with the fewest bits to the one with the most. `before` is their order
/// so far: two change places only if their rates clearly say so.
pub fn ladder(now: Instant, layers: &[Rate], before: &[usize]) -> Vec<usize> {
    let known = before.iter().copied().filter(|index| *index < layers.len());
    let new = (0..layers.len()).filter(|index| !before.contains(index));
    let mut order: Vec<_> = known
        .chain(new)
        .filter(|index| layers[*index].is_flowing(now))
        .collect();
    let clearly_more = |left: usize, right: usize| {
        layers[left].bytes_per_window() * 100 > layers[right].bytes_per_window() * BETTER_PERCENT
    };
    for end in (1..order.len()).rev() {
        for place in 0..end {
            if clearly_more(order[place], order[place + 1]) {
                order.swap(place, place + 1);
            }
        }
    }
    order
}
