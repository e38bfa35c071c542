//! How smoothly the pictures of a slot go out: freezes, as far as they can be seen from here. Pure.

use std::time::{Duration, Instant};

/// A picture that stood still for longer was switched off, not frozen.
const OFF: Duration = Duration::from_secs(5);

/// What is counted as a freeze beyond the usual distance of two pictures (W3C WebRTC Statistics, `freezeCount`).
const NOTICED: Duration = Duration::from_millis(150);

/// Pictures after a start before anything is usual.
const PICTURES_TO_KNOW: u32 = 5;

/// The usual distance follows that of new pictures by one part in so many.
const SLOWNESS: u32 = 16;

/// Freezes since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freezes {
    pub count: u64,
    pub length: Duration,
}

/// The pictures of one slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pictures {
    last_at: Option<Instant>,
    seen: u32,
    usual: Duration,
    freezes: Freezes,
}

impl Pictures {
    pub fn freezes(&self) -> Freezes {
        self.freezes
    }

    /// Pictures begin, or begin again after somebody stopped them: how long that was is no freeze.
    pub fn begin(&mut self) {
        self.last_at = None;
    }

    /// A picture went out whole. Returns how long the one before it stood still, if that was noticed.
    pub fn shown(&mut self, now: Instant) -> Option<Duration> {
        let Some(last_at) = self.last_at.replace(now) else {
            self.seen = 0;
            return None;
        };
        let distance = now.saturating_duration_since(last_at);
        let frozen = distance > (self.usual * 3).max(self.usual + NOTICED);
        if self.seen >= PICTURES_TO_KNOW && frozen {
            if distance > OFF {
                return None;
            }
            self.freezes.count += 1;
            self.freezes.length += distance;
            return Some(distance);
        }
        self.usual = if self.seen == 0 {
            distance
        } else {
            (self.usual * (SLOWNESS - 1) + distance) / SLOWNESS
        };
        self.seen = self.seen.saturating_add(1);
        None
    }
}
