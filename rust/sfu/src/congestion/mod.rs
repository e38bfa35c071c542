//! Congestion control: how much the way to a peer carries, from what the peer reports of what was sent to it. Pure.
//!
//! The peer reports when each packet arrived (transport-wide congestion control). Three things are read from it: how
//! long packets wait before the narrowest link ([`delay`]), how many are lost ([`loss`]), and how much arrives while the
//! link has no pause ([`throughput`]). What a subscriber is sent comes in steps, as others encode it; so the estimate
//! does not creep up with what is sent, as a sender's own would. It is raised by [`probe`]s, which are sent only while
//! more is wished for than the estimate allows ([`prober`]).

mod delay;
mod history;
mod loss;
mod probe;
mod prober;
mod queue;
mod throughput;

use std::time::{Duration, Instant};

use crate::allocator::BitRate;
use crate::peer::Numbered;
use delay::Delay;
use history::{Arrival, History};
use loss::{Loss, Verdict};
use probe::Outcome;
use prober::{Conditions, Prober};
use queue::{Cuts, USED};
use throughput::Throughput;

/// What IP and UDP add to a datagram. The link carries that too.
pub const DATAGRAM_OVERHEAD: usize = 28;

/// What is assumed of a link of which nothing is known.
const INITIAL: f64 = 300_000.0;

/// No estimate is lower: the poorest link carries sound.
const FLOOR: f64 = 50_000.0;

/// How long a peer may take to prove that it reports, and packets it must have been sent by then.
const SILENCE: Duration = Duration::from_millis(1_500);
const SILENCE_PACKETS: u64 = 30;

/// Nothing is heard of what was sent: less is sent after so long, and again after this.
const UNHEARD: Duration = Duration::from_millis(500);
const UNHEARD_CUT: f64 = 0.7;
const UNHEARD_LEAST: f64 = 0.25;

/// Once reports come again, so much of what was sent before may be sent again.
const UNHEARD_BACK: f64 = 0.6;

/// What arrives is trusted up to what is wished for and this much more.
const BEYOND: f64 = 1.05;

/// What a trial of the loss leaves of the estimate at least.
const MOST_TRIED: f64 = 0.7;

/// No more than this is taken for the link's own loss.
const MOST_LOSS: f64 = 0.4;

/// A single probe that found less than the estimate brings it down to this part of itself at most.
const MOST_CORRECTED: f64 = 0.85;

/// What an estimate grows by in a second when the peer counts no padding.
const GROWTH_PER_SECOND: f64 = 0.08;

/// How much may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// The peer does not report: there is nothing to go by.
    Unknown,
    /// Nothing has shown yet that the link does not carry more: the least of everything may be sent in any case, to be
    /// measured.
    AtLeast(BitRate),
    /// The link carries this, and hardly more.
    Measured(BitRate),
}

/// Watches over what is sent to one peer. See the module's documentation.
#[derive(Debug)]
pub struct Congestion {
    history: History,
    delay: Delay,
    loss: Loss,
    throughput: Throughput,
    estimate: f64,
    desired: f64,
    sending_since: Option<Instant>,
    sent: u64,
    reported_first: Option<Instant>,
    reported_at: Option<Instant>,
    round_trip: Duration,
    queued_since: Option<Instant>,
    cut_at: Option<Instant>,
    cuts: Cuts,
    /// The estimate before a trial of the loss.
    before_trial: f64,
    /// The estimate before reports stayed away.
    before_silence: Option<f64>,
    prober: Prober,
    /// Something has shown that there is a limit.
    is_limited: bool,
    grown_at: Instant,
}

impl Congestion {
    pub fn new(now: Instant) -> Self {
        Self {
            history: History::default(),
            delay: Delay::new(now),
            loss: Loss::new(now),
            throughput: Throughput::default(),
            estimate: INITIAL,
            desired: 0.0,
            sending_since: None,
            sent: 0,
            reported_first: None,
            reported_at: None,
            round_trip: Duration::from_millis(100),
            queued_since: None,
            cut_at: None,
            cuts: Cuts::default(),
            before_trial: INITIAL,
            before_silence: None,
            prober: Prober::default(),
            is_limited: false,
            grown_at: now,
        }
    }

    /// How much may be sent, as far as is known at `now`.
    pub fn allowance(&self, now: Instant) -> Allowance {
        let rate = BitRate(self.estimate as u64);
        let is_silent = self.reported_first.is_none()
            && self.sending_since.is_some_and(|at| now > at + SILENCE)
            && self.sent >= SILENCE_PACKETS;
        match self.is_limited {
            _ if is_silent => Allowance::Unknown,
            true => Allowance::Measured(rate),
            false => Allowance::AtLeast(rate),
        }
    }

    /// Bits per second that all of what is wished for takes.
    pub fn desire(&mut self, desired: BitRate) {
        self.desired = desired.0 as f64;
    }

    /// A packet leaves.
    pub fn sent(&mut self, now: Instant, packet: Numbered) {
        let bytes = packet.bytes + DATAGRAM_OVERHEAD;
        let number = self
            .history
            .sent(now, packet.number, bytes, packet.is_padding);
        self.sent += 1;
        self.sending_since.get_or_insert(now);
        self.prober
            .sent(now, number, bytes as u64, packet.is_padding);
    }

    /// The number that the next packet will have: reports count from near it.
    pub fn next_number(&self) -> u64 {
        self.history.next()
    }

    /// The peer reports on packets: their numbers, and when each arrived by the peer's clock, if it did.
    pub fn report(&mut self, now: Instant, packets: impl Iterator<Item = (u64, Option<Duration>)>) {
        let (history, prober) = (&mut self.history, &mut self.prober);
        let arrivals: Vec<Arrival> = packets
            .filter_map(|(number, arrived)| {
                if arrived.is_none() {
                    prober.missing(number);
                }
                history.report(number, arrived)
            })
            .collect();
        let Some(newest) = arrivals.iter().map(|arrival| arrival.sent_at).max() else {
            return;
        };
        if self.reported_first.is_none() {
            self.reported_first = Some(now);
            self.prober.start(now);
        }
        self.reported_at = Some(now);
        if let Some(before) = self.before_silence.take() {
            // The link was away; it may well be what it was.
            self.estimate = self.estimate.max(before * UNHEARD_BACK);
            self.prober.start(now);
        }
        let round_trip = now.saturating_duration_since(newest);
        self.round_trip = (self.round_trip * 7 + round_trip) / 8;
        self.delay.report(now, &arrivals);
        for arrival in &arrivals {
            let transit = self.delay.transit(arrival);
            self.throughput
                .arrived(arrival.arrived, transit, arrival.bytes);
            self.prober.arrived(now, arrival, transit);
        }
        self.watch_queue(now);
        self.watch_loss(now);
        self.trust_what_arrives();
        self.grow(now);
        self.finish_probe(now);
    }

    fn watch_loss(&mut self, now: Instant) {
        let settled = self.history.settle(now);
        match self.loss.settle(now, settled) {
            Verdict::Steady | Verdict::Congestion => {}
            Verdict::Excess => {
                self.before_trial = self.estimate;
                if let Some(rate) = self.throughput.rate() {
                    self.reduce(now, rate.max(self.estimate * MOST_TRIED));
                }
            }
            Verdict::Innocent => {
                self.estimate = self.estimate.max(self.before_trial);
                self.prober.start(now);
            }
        }
    }

    /// What arrives without waiting is carried, whatever the estimate says.
    fn trust_what_arrives(&mut self) {
        if self.delay.queue() < self.long_queue() / 2
            && !self.loss.is_trying()
            && let Some(rate) = self.throughput.rate()
        {
            let rate = self.before_loss(rate).min(self.desired * BEYOND);
            self.estimate = self.estimate.max(rate);
        }
    }

    /// What was sent of which this much has arrived.
    fn before_loss(&self, rate: f64) -> f64 {
        rate / (1.0 - self.loss.inherent().min(MOST_LOSS))
    }

    /// Without probes more is found out by trying only.
    fn grow(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.grown_at);
        self.grown_at = now;
        let may = self.prober.is_heedless() && self.delay.queue() < self.long_queue() / 2;
        if may && self.prober.is_due(now) && self.desired > self.estimate {
            self.estimate *= 1.0 + GROWTH_PER_SECOND * since.as_secs_f64().min(1.0);
        }
    }

    fn finish_probe(&mut self, now: Instant) {
        let inherent = self.loss.inherent();
        match self.prober.outcome(now, self.round_trip, inherent) {
            Some(Outcome::Carried(rate)) => {
                self.estimate = self.estimate.max(rate);
                // All that is wished for fits: what limit there is is not known any more.
                self.is_limited &= self.estimate < self.desired;
            }
            Some(Outcome::Limited(rate)) => {
                self.is_limited = true;
                let usable = (rate * USED).max(FLOOR);
                self.estimate = usable.max(self.estimate * MOST_CORRECTED);
            }
            Some(Outcome::Unknown | Outcome::Unheeded) | None => {}
        }
    }

    /// Let time pass. Returns how many bytes of padding are to leave now.
    pub fn elapse(&mut self, now: Instant) -> u64 {
        self.finish_probe(now);
        self.watch_silence(now);
        let conditions = Conditions {
            estimate: self.estimate,
            desired: self.desired,
            may: self.may_probe(now),
            next: self.history.next(),
            reference: self.delay.fastest(),
            wander: self.delay.wander(),
        };
        self.prober.elapse(now, conditions)
    }

    /// Reports stay away: what was sent may all be waiting, or be lost.
    fn watch_silence(&mut self, now: Instant) {
        if self.unheard_at().is_some_and(|at| now >= at) {
            let before = *self.before_silence.get_or_insert(self.estimate);
            let rate = self.estimate * UNHEARD_CUT;
            self.reduce(now, rate.max(before * UNHEARD_LEAST));
        }
    }

    /// When less is to be sent, if nothing is heard until then.
    fn unheard_at(&self) -> Option<Instant> {
        let waiting_since = self.history.waiting_since()?;
        let since = waiting_since.max(self.reported_at?);
        let at = since + UNHEARD + self.round_trip * 2;
        Some(self.cut_at.map_or(at, |cut_at| at.max(cut_at + UNHEARD)))
    }

    fn may_probe(&self, now: Instant) -> bool {
        let alive = self
            .reported_at
            .is_some_and(|at| now < at + UNHEARD + self.round_trip);
        alive && self.delay.queue() <= self.long_queue() && !self.loss.is_trying()
    }

    /// When [`Congestion::elapse`] has something to do again.
    pub fn deadline(&self) -> Option<Instant> {
        let probing = self
            .prober
            .deadline()
            .filter(|_| self.prober.is_probing() || self.desired > self.estimate);
        [probing, self.unheard_at()].into_iter().flatten().min()
    }

    pub fn estimate(&self) -> Option<BitRate> {
        self.reported_at.map(|_| BitRate(self.estimate as u64))
    }

    pub fn round_trip(&self) -> Option<Duration> {
        self.reported_at.map(|_| self.round_trip)
    }

    /// How long packets wait before the narrowest link.
    pub fn queue(&self) -> Duration {
        let usual = self.delay.wander();
        self.delay.queue().saturating_sub(usual)
    }

    /// The part of the packets that is lost, of 1: of late, or ever again.
    pub fn loss(&self) -> f64 {
        self.loss.recent().max(self.loss.inherent())
    }
}
