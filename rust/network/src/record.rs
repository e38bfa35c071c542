//! What was seen while a cell ran, and the questions that can be asked of it.

use std::time::{Duration, Instant};

/// How often a look is taken.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Rates are measured over this time.
const WINDOW: Duration = Duration::from_secs(1);

/// A queue that takes longer than this is not drained.
const DRAINED: Duration = Duration::from_millis(200);

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub at: Instant,
    /// Bytes of media so far that crossed the bad link.
    pub media_bytes: u64,
    /// Datagrams so far that its queue had no room for.
    pub dropped: u64,
    /// How long its queue is.
    pub wait: Duration,
    /// Bits per second that whoever sends into the link believes in.
    pub estimate: Option<u64>,
}

/// Looks in the order in which they were taken.
#[derive(Debug, Default)]
pub struct Record {
    looks: Vec<Look>,
}

impl Record {
    pub fn add(&mut self, look: Look) {
        self.looks.push(look);
    }

    /// Looks from the beginning on, with the rate of media since the one before.
    pub fn story(&self) -> impl Iterator<Item = (Look, u64)> {
        let pairs = self.looks.windows(2);
        pairs.map(|pair| (pair[1], self.rate(pair[0].at, pair[1].at)))
    }

    fn within(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Look> {
        let is_within = move |look: &&Look| look.at >= from && look.at <= until;
        self.looks.iter().filter(is_within)
    }

    /// Bits of media per second between two moments.
    pub fn rate(&self, from: Instant, until: Instant) -> u64 {
        let mut within = self.within(from, until);
        let Some(first) = within.next() else { return 0 };
        let last = within.last().unwrap_or(first);
        let seconds = (last.at - first.at).as_secs_f64();
        if seconds <= 0.0 {
            return 0;
        }
        ((last.media_bytes - first.media_bytes) as f64 * 8.0 / seconds) as u64
    }

    /// The middle of the estimates between two moments.
    pub fn estimate(&self, from: Instant, until: Instant) -> Option<u64> {
        let mut estimates: Vec<_> = self
            .within(from, until)
            .filter_map(|look| look.estimate)
            .collect();
        estimates.sort_unstable();
        estimates.get(estimates.len() / 2).copied()
    }

    /// How long after `from` the link was no longer flooded, for a window at least; `None` if it still was at `until`.
    pub fn calm_after(&self, from: Instant, until: Instant) -> Option<Duration> {
        let looks: Vec<_> = self.within(from, until).collect();
        let is_calm = |begin: &&&Look| {
            let window: Vec<_> = self.within(begin.at, begin.at + WINDOW).collect();
            let drained = window.iter().all(|look| look.wait <= DRAINED);
            let last = window.last().map_or(begin.dropped, |look| look.dropped);
            begin.at + WINDOW <= until && drained && last == begin.dropped
        };
        looks.iter().find(is_calm).map(|look| look.at - from)
    }

    /// How long after `from` media came at this rate or more, for a window; `None` if it did not before `until`.
    pub fn reaches(&self, bits_per_s: u64, from: Instant, until: Instant) -> Option<Duration> {
        let ends = self.within(from + WINDOW, until);
        let mut ends = ends.filter(|look| self.rate(look.at - WINDOW, look.at) >= bits_per_s);
        ends.next().map(|look| look.at - from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(start: Instant, index: u32, bytes: u64, dropped: u64, wait_ms: u64) -> Look {
        Look {
            at: start + LOOK_EVERY * index,
            media_bytes: bytes,
            dropped,
            wait: Duration::from_millis(wait_ms),
            estimate: Some(u64::from(index)),
        }
    }

    #[test]
    fn a_flood_is_over_when_nothing_is_dropped_and_the_queue_is_short() {
        let start = Instant::now();
        let mut record = Record::default();
        for index in 0..40_u32 {
            let wait = if index < 12 { 300 } else { 10 };
            record.add(look(start, index, 0, u64::from(index.min(15)), wait));
        }
        let until = start + Duration::from_secs(4);
        let calm = record.calm_after(start, until);
        assert_eq!(calm, Some(Duration::from_millis(1_500)));
        assert_eq!(
            record.calm_after(start, start + Duration::from_secs(2)),
            None
        );
    }

    #[test]
    fn rates_are_of_what_came_in_between() {
        let start = Instant::now();
        let mut record = Record::default();
        for index in 0..40_u32 {
            let bytes = u64::from(index) * 1_000 + u64::from(index.saturating_sub(20)) * 9_000;
            record.add(look(start, index, bytes, 0, 0));
        }
        assert_eq!(record.rate(start, start + Duration::from_secs(1)), 80_000);
        let until = start + Duration::from_secs(4);
        let reached = record.reaches(700_000, start + Duration::from_secs(1), until);
        assert_eq!(reached, Some(Duration::from_millis(1_900)));
        assert_eq!(record.reaches(900_000, start, until), None);
        assert_eq!(
            record.estimate(start, start + Duration::from_secs(2)),
            Some(10)
        );
    }
}
