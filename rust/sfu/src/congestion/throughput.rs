//! How much arrives per second: over a while, and while a queue kept the link busy. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::delay::Transit;

/// Arrivals remembered: this long, and never more than so many.
const MEMORY: Duration = Duration::from_millis(600);
const MAX_ARRIVALS: usize = 2_048;

/// The shortest time over which a rate is measured.
const SHORTEST: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
struct Arrived {
    at: Duration,
    transit: Transit,
    bytes: u64,
}

#[derive(Debug, Default)]
pub struct Throughput {
    arrivals: VecDeque<Arrived>,
    bytes: u64,
}

impl Throughput {
    pub fn arrived(&mut self, at: Duration, transit: Transit, bytes: u64) {
        self.arrivals.push_back(Arrived { at, transit, bytes });
        self.bytes += bytes;
        while self.arrivals.len() > MAX_ARRIVALS
            || self
                .arrivals
                .front()
                .is_some_and(|oldest| oldest.at + MEMORY < at)
        {
            if let Some(oldest) = self.arrivals.pop_front() {
                self.bytes -= oldest.bytes;
            }
        }
    }

    /// Bits per second over what is remembered.
    pub fn rate(&self) -> Option<f64> {
        let (oldest, newest) = (self.arrivals.front()?, self.arrivals.back()?);
        rate(self.bytes - oldest.bytes, oldest.at, newest.at, SHORTEST)
    }

    /// How much longer the packets of a while took to arrive than to be sent, as a factor: a queue that grows makes it more
    /// than 1. Measured over what is remembered.
    pub fn stretch(&self) -> Option<f64> {
        let (oldest, newest) = (self.arrivals.front()?, self.arrivals.back()?);
        let arrived = newest.at.checked_sub(oldest.at)?.as_secs_f64();
        let sent = arrived - (newest.transit - oldest.transit);
        (sent > SHORTEST.as_secs_f64()).then(|| arrived / sent)
    }

    /// Bits per second of the last packets that all had to wait, their way being longer than `waiting`: what the link
    /// carries when it has no pause. Measured over `long` at least.
    pub fn busy_rate(&self, waiting: Transit, long: Duration) -> Option<f64> {
        let waits = |arrived: &&Arrived| arrived.transit > waiting;
        let mut busy = self.arrivals.iter().rev().take_while(waits);
        let newest = busy.next()?;
        let mut bytes = newest.bytes;
        let mut oldest = newest;
        for arrived in busy {
            bytes += arrived.bytes;
            oldest = arrived;
        }
        rate(
            bytes - oldest.bytes,
            oldest.at,
            newest.at,
            long.max(SHORTEST),
        )
    }
}

fn rate(bytes: u64, from: Duration, until: Duration, shortest: Duration) -> Option<f64> {
    let length = until
        .checked_sub(from)
        .filter(|length| *length >= shortest)?;
    Some(bytes as f64 * 8.0 / length.as_secs_f64())
}
