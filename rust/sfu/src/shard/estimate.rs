//! What the way to a subscriber carries, and what follows from it: padding for probes, other layers.

use std::time::{Duration, Instant};

use super::Shard;
use crate::allocator::BitRate;
use crate::congestion::{Allowance, DATAGRAM_OVERHEAD};
use crate::peer::{Drained, PADDING_BYTES};
use crate::redundancy;
use crate::seat::{SeatKey, Slot};
use crate::units::{RoomId, UserId};

/// Padding packets per turn: 64 of them fill 8 Mbit/s of five milliseconds, and more is never probed for at once.
const MAX_PADDING_PER_TURN: usize = 64;

/// Layers are chosen again when the estimate has moved by this many percent, at once when it fell.
const FALLEN_PERCENT: u64 = 3;
const RISEN_PERCENT: u64 = 5;
const BETWEEN_RISES: Duration = Duration::from_millis(100);

/// They are chosen again after this in any case: what layers take changes.
const BETWEEN_CHOICES: Duration = Duration::from_millis(500);

/// What gave way to a queue begins again when it is as short as this, and after this in any case.
const SHORT_QUEUE: Duration = Duration::from_millis(80);
const LONGEST_WAIT: Duration = Duration::from_millis(1_500);

/// For what the layers on a seat were chosen.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    pub at: Instant,
    pub allowance: Allowance,
}

impl Shard {
    /// What a user's link is believed to carry, if anything is known of it.
    pub fn estimate(&self, room: &RoomId, user: &UserId) -> Option<BitRate> {
        let seat = self.rooms.get(room)?.seat(user)?;
        let link = self.seats.get(seat)?.link.as_ref()?;
        link.congestion.estimate()
    }

    /// Note what leaves for a seat, and what it reports of what has left.
    pub(super) fn watch(&mut self, key: SeatKey, drained: &mut Drained) {
        let now = self.now;
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        for packet in drained.numbered.drain(..) {
            link.congestion.sent(now, packet);
        }
        if drained.reports.is_empty() {
            return;
        }
        for report in drained.reports.drain(..) {
            let near = link.congestion.next_number();
            let epoch = link.epoch;
            let packets = report.into_iter(epoch, near.into());
            let arrived = |at: Instant| at.saturating_duration_since(epoch);
            link.congestion.report(
                now,
                packets.map(|(number, _, at)| (*number, at.map(arrived))),
            );
        }
        self.begin_again(key);
        self.adapt(key);
    }

    /// What gave way to a queue may begin, once that is gone.
    fn begin_again(&mut self, key: SeatKey) {
        let now = self.now;
        let Some(link) = self.link_mut(key) else {
            return;
        };
        let is_over = link.full_since.is_some_and(|since| {
            link.congestion.queue() <= SHORT_QUEUE || now >= since + LONGEST_WAIT
        });
        if !is_over {
            return;
        }
        link.full_since = None;
        let waits = |slot: &&Slot| {
            slot.kind.is_video() && slot.paused.is_none() && slot.rewriter.current().is_none()
        };
        let waiting: Vec<_> = link
            .slots
            .iter()
            .filter(waits)
            .filter_map(|slot| Some((slot.source?, slot.target)))
            .collect();
        for (source, target) in waiting {
            self.want_keyframe(source, target);
        }
    }

    /// Choose the layers on a seat again, if there is reason to.
    fn adapt(&mut self, key: SeatKey) {
        let now = self.now;
        let Some(link) = self.link_mut(key) else {
            return;
        };
        link.redundancy = redundancy::depth(link.congestion.loss());
        let allowance = link.allowance(now);
        let is_due = link.chosen.is_none_or(|chosen| {
            let since = now.saturating_duration_since(chosen.at);
            let moved = match (chosen.allowance, allowance) {
                (Allowance::Measured(before), Allowance::Measured(after))
                | (Allowance::AtLeast(before), Allowance::AtLeast(after)) => {
                    let fell = after.0 < before.0 - before.0 * FALLEN_PERCENT / 100;
                    let rose = after.0 > before.0 + before.0 * RISEN_PERCENT / 100;
                    fell || (rose && since >= BETWEEN_RISES)
                }
                (before, after) => before != after,
            };
            moved || since >= BETWEEN_CHOICES
        });
        if is_due {
            self.choose_layers(key, None);
        }
    }

    /// Let time pass for a seat's congestion control: queue the padding that is due.
    pub(super) fn pad(&mut self, key: SeatKey) {
        let now = self.now;
        let open = self.is_open(key);
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        let bytes = link.congestion.elapse(now);
        if bytes > 0 && open && link.connected {
            let each = (PADDING_BYTES + DATAGRAM_OVERHEAD) as u64;
            let packets = bytes.div_ceil(each) as usize;
            // If the session is gone, driving it right after this says so.
            let _ = link.peer.pad(now, packets.min(MAX_PADDING_PER_TURN));
        }
        self.begin_again(key);
        self.adapt(key);
    }
}
