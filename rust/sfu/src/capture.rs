//! When a packet was captured, on our clock: what sender reports to subscribers are made from. Pure.
//!
//! Audio and video of a publisher take different times to reach us. If their arrival passed for their capture, lips
//! would drift. The publisher's own sender reports (RFC 3550 section 6.4.1) tie both to its wall clock; one offset per
//! publisher ties that to ours.

use std::time::{Duration, Instant, SystemTime};

use str0m::media::Frequency;

/// Older than this no packet can be: a report that says so is wrong.
const MAX_AGE: Duration = Duration::from_secs(10);

/// What the newest sender report of a stream says, and how far past it a packet is.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub wall_clock: SystemTime,
    pub timestamp: u32,
}

/// A publisher's wall clock, tied to ours.
#[derive(Debug, Default)]
pub struct CaptureClock {
    tie: Option<(Instant, SystemTime)>,
}

impl CaptureClock {
    /// When a packet that came now was captured. Never later than now; now, if the report makes no sense.
    pub fn captured_at(
        &mut self,
        now: Instant,
        report: Report,
        timestamp: u32,
        clock_rate: Frequency,
    ) -> Instant {
        let Some(theirs) = on_their_clock(report, timestamp, clock_rate) else {
            return now;
        };
        let (ours, tied) = *self.tie.get_or_insert((now, theirs));
        let captured = match theirs.duration_since(tied) {
            Ok(later) => ours.checked_add(later),
            Err(earlier) => ours.checked_sub(earlier.duration()),
        };
        match captured {
            Some(captured) if captured > now => {
                // This one took less time than the one the clocks were tied by.
                self.tie = Some((now, theirs));
                now
            }
            Some(captured) if now - captured <= MAX_AGE => captured,
            _ => {
                self.tie = None;
                now
            }
        }
    }
}

fn on_their_clock(report: Report, timestamp: u32, clock_rate: Frequency) -> Option<SystemTime> {
    let ticks = timestamp.wrapping_sub(report.timestamp).cast_signed();
    let length =
        Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(clock_rate.get()));
    if ticks >= 0 {
        report.wall_clock.checked_add(length)
    } else {
        report.wall_clock.checked_sub(length)
    }
}
