//! How long packets wait in the queue before the narrowest link: their way takes longer than it did at its shortest. Pure.
//!
//! Only the fastest of several packets count: jitter delays some of them, a queue delays all. Where packets keep their order
//! in jitter, the slowest of them hold up the others; then even the fastest are seldom as fast as they can be. How far
//! they usually are from that is the *wander* of the link, and no queue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::history::Arrival;

/// The shortest way is the shortest of this long: routes and clocks change.
const MEMORY_SECONDS: u64 = 20;

/// Wander is what is usual in this time. A queue lasts for less: it is seen, and less is sent.
const USUAL: Duration = Duration::from_secs(6);
const MAX_LEVELS: usize = 512;

/// What is usual: so many of a hundred times it was no more than this.
const USUAL_PERCENT: usize = 40;

/// Of so many reports the fastest packet counts: one more for each of these of wander.
const REPORTS: usize = 5;
const WANDER_PER_REPORT: f64 = 0.015;
const FEW_PACKETS: usize = 3;

/// Seconds on the way, up to an offset of the receiver's clock that never changes much.
pub type Transit = f64;

#[derive(Debug)]
pub struct Delay {
    epoch: Instant,
    /// Per second: its number and the shortest way in it.
    shortest: VecDeque<(u64, Transit)>,
    /// Per report: how many packets it told of and the fastest of them.
    reports: VecDeque<(usize, Transit)>,
    /// The fastest of the last packets, report by report.
    levels: VecDeque<(Instant, Transit)>,
    wander: f64,
}

impl Delay {
    pub fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            shortest: VecDeque::new(),
            reports: VecDeque::new(),
            levels: VecDeque::new(),
            wander: 0.0,
        }
    }

    pub fn transit(&self, arrival: &Arrival) -> Transit {
        let sent = arrival.sent_at.saturating_duration_since(self.epoch);
        arrival.arrived.as_secs_f64() - sent.as_secs_f64()
    }

    /// Take in the arrivals of one report.
    pub fn report(&mut self, now: Instant, arrivals: &[Arrival]) {
        let transits = arrivals.iter().map(|arrival| self.transit(arrival));
        let Some(fastest) = transits.reduce(f64::min) else {
            return;
        };
        self.reports.push_back((arrivals.len(), fastest));
        while self.reports.len() > REPORTS {
            self.reports.pop_front();
        }
        let second = now.saturating_duration_since(self.epoch).as_secs();
        match self.shortest.back_mut() {
            Some((newest, shortest)) if *newest == second => *shortest = shortest.min(fastest),
            _ => self.shortest.push_back((second, fastest)),
        }
        let is_old = |(oldest, _): &(u64, Transit)| oldest + MEMORY_SECONDS < second;
        while self.shortest.front().is_some_and(is_old) {
            self.shortest.pop_front();
        }
        self.measure_wander(now);
    }

    fn measure_wander(&mut self, now: Instant) {
        let (Some(fastest), Some(base)) = (self.fastest(), self.base()) else {
            return;
        };
        self.levels.push_back((now, fastest));
        let is_old = |(oldest, _): &(Instant, Transit)| now > *oldest + USUAL;
        while self.levels.len() > MAX_LEVELS || self.levels.front().is_some_and(is_old) {
            self.levels.pop_front();
        }
        let mut above: Vec<f64> = self.levels.iter().map(|(_, level)| level - base).collect();
        let usual = above.len() * USUAL_PERCENT / 100;
        let (_, usual, _) = above.select_nth_unstable_by(usual, f64::total_cmp);
        self.wander = usual.max(0.0);
    }

    /// The shortest way of all.
    pub fn base(&self) -> Option<Transit> {
        let shortest = self.shortest.iter().map(|(_, shortest)| *shortest);
        shortest.reduce(f64::min)
    }

    /// The fastest of the packets last reported.
    pub fn fastest(&self) -> Option<Transit> {
        let reports = 1 + (self.wander / WANDER_PER_REPORT) as usize;
        let mut packets = 0;
        let mut fastest: Option<Transit> = None;
        for (index, (count, transit)) in self.reports.iter().rev().enumerate() {
            packets += count;
            fastest = Some(fastest.map_or(*transit, |so_far| so_far.min(*transit)));
            if index + 1 >= reports && packets >= FEW_PACKETS {
                break;
            }
        }
        fastest
    }

    /// How long even the fastest packets wait.
    pub fn queue(&self) -> Duration {
        match (self.fastest(), self.base()) {
            (Some(fastest), Some(base)) => Duration::from_secs_f64((fastest - base).max(0.0)),
            _ => Duration::ZERO,
        }
    }

    /// How much the fastest packets usually wait without a queue.
    pub fn wander(&self) -> Duration {
        Duration::from_secs_f64(self.wander)
    }

    /// The way has become longer for good: what is measured from now on is its length.
    pub fn rebase(&mut self) {
        self.shortest.clear();
        self.levels.clear();
        if let Some(fastest) = self.fastest() {
            self.shortest.push_back((0, fastest));
        }
    }
}
