//! A simple sender's view of its uplink: from the reports on what it sent (TWCC) it makes the rate to send at. Pure.
//!
//! While packets take longer and longer there is a queue: the rate falls below what arrives. While there is none it grows,
//! faster where nothing is known of a limit. Loss alone says nothing: a radio loses packets at every rate. This is simpler
//! than what browsers do, and as quick as the reports allow: what a publisher's cell shows is then the server's doing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When even the quickest packet lately took so much longer than the quickest of a longer time, all have waited in a queue.
const QUEUED: Duration = Duration::from_millis(100);

/// Of so long, so that jitter is not taken for a queue.
const LATELY: Duration = Duration::from_millis(200);

/// The quickest is that of so long.
const QUICKEST_OF: Duration = Duration::from_secs(10);

/// What arrives is measured over this time.
const ARRIVED_WITHIN: Duration = Duration::from_millis(400);

/// With a queue, of what arrives; so often at most.
const FALLS_TO: f64 = 0.85;
const FALLS_EVERY: Duration = Duration::from_millis(250);

/// Growth per second where no limit is known, and near the last one for so long after it was met.
const GROWS: f64 = 1.8;
const GROWS_NEAR: f64 = 1.06;
const NEAR: std::ops::Range<f64> = 0.85..1.3;
const REMEMBERED: Duration = Duration::from_secs(4);

/// Not further beyond what arrives than this: more has not been tried.
const TRIED: f64 = 2.0;

const LEAST: f64 = 60_000.0;

/// What may be tried however little arrives.
const FIRST_TRY: f64 = 400_000.0;

/// Packets that nobody has reported on are remembered up to so many.
const MAX_SENT: usize = 4_096;

#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    at: Instant,
    bytes: usize,
}

/// From being sent to arriving, in microseconds. The clocks at both ends have nothing in common, so that only differences
/// mean something.
type Transit = i64;

/// See the module's documentation.
#[derive(Debug)]
pub struct Uplink {
    epoch: Instant,
    rate: f64,
    most: f64,
    sent: VecDeque<Sent>,
    next_number: u64,
    /// The quickest transits, each quicker than all that were seen after it.
    quickest: VecDeque<(Instant, Transit)>,
    /// The quickest of each report, lately.
    lately: VecDeque<(Instant, Transit)>,
    /// What arrived when, on the receiver's clock.
    arrived: VecDeque<(Instant, usize)>,
    grown_at: Instant,
    fell_at: Option<Instant>,
    /// What arrived when there was a queue last.
    limit: Option<(Instant, f64)>,
}

impl Uplink {
    pub fn new(now: Instant, first_bits_per_s: u64, most_bits_per_s: u64) -> Self {
        Self {
            epoch: now,
            rate: first_bits_per_s as f64,
            most: most_bits_per_s as f64,
            sent: VecDeque::new(),
            next_number: 0,
            quickest: VecDeque::new(),
            lately: VecDeque::new(),
            arrived: VecDeque::new(),
            grown_at: now,
            fell_at: None,
            limit: None,
        }
    }

    pub fn bits_per_s(&self) -> u64 {
        self.rate as u64
    }

    /// The number of the next packet, without the wrap.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// A packet with this number left.
    pub fn sent(&mut self, at: Instant, number: u16, bytes: usize) {
        let ahead = number.wrapping_sub(self.next_number as u16);
        let number = self.next_number + u64::from(ahead);
        self.next_number = number + 1;
        self.sent.push_back(Sent { number, at, bytes });
        if self.sent.len() > MAX_SENT {
            self.sent.pop_front();
        }
    }

    /// A report came: numbers of packets, and when they arrived by the receiver's clock.
    pub fn report(&mut self, now: Instant, packets: impl Iterator<Item = (u64, Option<Instant>)>) {
        let mut quickest = None::<Transit>;
        for (number, arrived) in packets {
            let place = self.sent.binary_search_by_key(&number, |sent| sent.number);
            let sent = place.ok().and_then(|place| self.sent.get(place).copied());
            if let (Some(sent), Some(arrived)) = (sent, arrived) {
                let transit = self.since_epoch(arrived) - self.since_epoch(sent.at);
                quickest = Some(quickest.map_or(transit, |so_far| so_far.min(transit)));
                self.arrived.push_back((arrived, sent.bytes));
            }
        }
        let Some(quickest) = quickest else { return };
        self.lately.push_back((now, quickest));
        while self
            .lately
            .front()
            .is_some_and(|(at, _)| *at + LATELY < now)
        {
            self.lately.pop_front();
        }
        let lately = self.lately.iter().map(|(_, transit)| *transit).min();
        let waited = lately.unwrap_or(quickest) - self.note_quickest(now, quickest);
        self.forget_arrivals();
        if waited > QUEUED.as_micros() as Transit {
            self.fall(now);
        } else {
            self.grow(now);
        }
    }

    fn since_epoch(&self, moment: Instant) -> i64 {
        moment.saturating_duration_since(self.epoch).as_micros() as i64
    }

    /// Returns the quickest transit lately.
    fn note_quickest(&mut self, now: Instant, transit: Transit) -> Transit {
        while self
            .quickest
            .back()
            .is_some_and(|(_, slower)| *slower >= transit)
        {
            self.quickest.pop_back();
        }
        self.quickest.push_back((now, transit));
        while self
            .quickest
            .front()
            .is_some_and(|(at, _)| *at + QUICKEST_OF < now)
        {
            self.quickest.pop_front();
        }
        self.quickest
            .front()
            .map_or(transit, |(_, transit)| *transit)
    }

    fn forget_arrivals(&mut self) {
        let newest = self.arrived.iter().map(|(at, _)| *at).max();
        if let Some(from) = newest.and_then(|newest| newest.checked_sub(ARRIVED_WITHIN)) {
            self.arrived.retain(|(at, _)| *at >= from);
        }
    }

    fn arrived_bits_per_s(&self) -> f64 {
        let bytes: usize = self.arrived.iter().map(|(_, bytes)| *bytes).sum();
        bytes as f64 * 8.0 / ARRIVED_WITHIN.as_secs_f64()
    }

    fn fall(&mut self, now: Instant) {
        self.grown_at = now;
        if self.fell_at.is_some_and(|at| now < at + FALLS_EVERY) {
            return;
        }
        self.fell_at = Some(now);
        let arrived = self.arrived_bits_per_s();
        self.limit = Some((now, arrived));
        self.rate = self.rate.min(arrived * FALLS_TO).max(LEAST);
    }

    fn grow(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.grown_at).as_secs_f64();
        self.grown_at = now;
        let remembered = self.limit.filter(|(at, _)| now < *at + REMEMBERED);
        let is_near =
            remembered.is_some_and(|(_, limit)| NEAR.contains(&(self.rate / limit.max(LEAST))));
        let factor = if is_near { GROWS_NEAR } else { GROWS };
        let tried = (self.arrived_bits_per_s() * TRIED)
            .max(self.rate)
            .max(FIRST_TRY);
        self.rate = (self.rate * factor.powf(passed.min(1.0)))
            .min(tried)
            .min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curtaincall_link::{Bottleneck, Conditions, Fate, Link, Percent, Rate};

    type Told = (u64, Option<Instant>);

    /// Send what the uplink says over a link, with a report every 50 ms that takes `delay` back; returns the rate over time.
    fn drive(changes: &[(u64, Conditions)], seconds: u64) -> Vec<u64> {
        let start = Instant::now();
        let mut link = Link::new(start, changes[0].1, 1);
        let mut uplink = Uplink::new(start, 300_000, 5_000_000);
        let mut reports: VecDeque<(Instant, Vec<Told>)> = VecDeque::new();
        let mut pending = Vec::new();
        let (mut number, mut credit, mut rates) = (0_u64, 0.0, Vec::new());
        for step in 0..seconds * 200 {
            let now = start + Duration::from_millis(5 * step);
            for (at, conditions) in changes {
                if *at * 200 == step {
                    link.set(now, *conditions);
                }
            }
            credit += uplink.bits_per_s() as f64 / 8.0 * 0.005;
            while credit > 1_000.0 {
                credit -= 1_000.0;
                uplink.sent(now, number as u16, 1_028);
                let arrived = match link.send(now, 1_000) {
                    Fate::Arrives(at) => Some(at),
                    _ => None,
                };
                pending.push((number, arrived));
                number += 1;
            }
            if step % 10 == 0 {
                let delay = link.conditions().delay;
                let has_arrived = |(_, at): &Told| at.is_none_or(|at| at <= now);
                let (told, kept) = pending.into_iter().partition(has_arrived);
                pending = kept;
                reports.push_back((now + delay, told));
            }
            while reports.front().is_some_and(|(at, _)| *at <= now) {
                let (_, packets) = reports.pop_front().unwrap();
                uplink.report(now, packets.into_iter());
            }
            if step % 200 == 199 {
                rates.push(uplink.bits_per_s());
            }
        }
        rates
    }

    fn link(rate: u64, loss: f64) -> Conditions {
        Conditions {
            delay: Duration::from_millis(50),
            loss: Percent(loss),
            bottleneck: Some(Bottleneck::of(Rate(rate))),
            ..Conditions::default()
        }
    }

    #[test]
    fn it_finds_what_a_link_carries_within_seconds() {
        let rates = drive(&[(0, link(2_000_000, 0.0))], 20);
        assert!(rates[5] > 1_500_000, "{rates:?}");
        let settled = &rates[8..];
        assert!(
            settled
                .iter()
                .all(|rate| (1_300_000..2_700_000).contains(rate)),
            "{rates:?}"
        );
    }

    #[test]
    fn it_falls_at_once_and_grows_again() {
        let (wide, narrow) = (link(4_000_000, 0.0), link(400_000, 0.0));
        let rates = drive(&[(0, wide), (10, narrow), (20, wide)], 30);
        assert!(rates[9] > 2_500_000, "{rates:?}");
        assert!(rates[11] < 500_000, "{rates:?}");
        assert!(rates[25] > 2_500_000, "{rates:?}");
    }

    #[test]
    fn random_loss_does_not_stop_it() {
        let rates = drive(&[(0, link(2_000_000, 20.0))], 20);
        assert!(
            rates[12..].iter().all(|rate| *rate > 1_200_000),
            "{rates:?}"
        );
    }
}
