//! One clock for everything that is printed: `CLOCK_MONOTONIC` in microseconds.
//!
//! str0m wants `Instant`s, the kernel stamps packets with `CLOCK_REALTIME`; both are converted here.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Microseconds of `CLOCK_MONOTONIC`, the unit of every time this program prints.
pub fn monotonic_us() -> u64 {
    nanoseconds(ClockId::CLOCK_MONOTONIC) / 1_000
}

fn nanoseconds(clock: ClockId) -> u64 {
    // The two clocks used here cannot fail on Linux; a zero would be visible in every figure.
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds * 1_000_000_000 + nanos
    })
}

/// How far `CLOCK_REALTIME` is ahead of `CLOCK_MONOTONIC` just now.
///
/// Both advance at the same rate, so an offset read a little after a packet came is right for that packet, unless
/// somebody set the wall clock in between.
#[derive(Clone, Copy, Debug)]
pub struct RealtimeOffset {
    ahead_ns: i128,
}

impl RealtimeOffset {
    /// Reads both clocks, the monotonic one before and after, and takes the middle.
    pub fn measure() -> Self {
        let before = nanoseconds(ClockId::CLOCK_MONOTONIC);
        let realtime = nanoseconds(ClockId::CLOCK_REALTIME);
        let after = nanoseconds(ClockId::CLOCK_MONOTONIC);
        let monotonic = before + after.saturating_sub(before) / 2;
        Self {
            ahead_ns: i128::from(realtime) - i128::from(monotonic),
        }
    }

    /// Converts a time of `CLOCK_REALTIME` to microseconds of `CLOCK_MONOTONIC`.
    pub fn to_monotonic_us(self, realtime_s: i64, realtime_ns: i64) -> u64 {
        let realtime = i128::from(realtime_s) * 1_000_000_000 + i128::from(realtime_ns);
        u64::try_from((realtime - self.ahead_ns) / 1_000).unwrap_or(0)
    }
}

/// Converts between `Instant` and microseconds: on Linux both are `CLOCK_MONOTONIC`, but `Instant` hides its number.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    instant: Instant,
    us: u64,
}

impl Epoch {
    /// Takes now as the common point of both scales.
    pub fn now() -> Self {
        Self {
            instant: Instant::now(),
            us: monotonic_us(),
        }
    }

    /// The `Instant` of a time in microseconds.
    pub fn instant(self, us: u64) -> Instant {
        if us >= self.us {
            self.instant + Duration::from_micros(us - self.us)
        } else {
            let earlier = Duration::from_micros(self.us - us);
            self.instant.checked_sub(earlier).unwrap_or(self.instant)
        }
    }

    /// The microseconds of an `Instant`.
    pub fn us(self, instant: Instant) -> u64 {
        match instant.checked_duration_since(self.instant) {
            Some(later) => self
                .us
                .saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)),
            None => {
                let earlier = self.instant.duration_since(instant).as_micros();
                self.us
                    .saturating_sub(u64::try_from(earlier).unwrap_or(u64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_time_read_now_is_now_on_the_monotonic_clock() {
        let offset = RealtimeOffset::measure();
        let before = monotonic_us();
        let wall = nanoseconds(ClockId::CLOCK_REALTIME);
        let after = monotonic_us();
        let seconds = i64::try_from(wall / 1_000_000_000).unwrap();
        let converted =
            offset.to_monotonic_us(seconds, i64::try_from(wall % 1_000_000_000).unwrap());
        assert!((before.saturating_sub(1_000)..=after + 1_000).contains(&converted));
    }

    #[test]
    fn instants_and_microseconds_convert_both_ways() {
        let epoch = Epoch::now();
        for us in [epoch.us - 5_000, epoch.us, epoch.us + 7_000_000] {
            assert_eq!(epoch.us(epoch.instant(us)), us);
        }
    }
}
