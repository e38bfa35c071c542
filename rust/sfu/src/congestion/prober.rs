//! When to probe, and how far. Pure.

use std::time::{Duration, Instant};

use super::history::Arrival;
use super::probe::{Outcome, Probe};

/// Probes send so many times the estimate: the first ones, those that follow a success, and those that follow a failure.
const FIRST_FACTOR: f64 = 3.0;
const NEXT_FACTOR: f64 = 2.5;
const CAREFUL_FACTOR: f64 = 1.6;

/// Pauses between probes that found nothing; they grow.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(4),
];

/// So many probes without any of their padding mean that it is not counted.
const UNHEEDED: usize = 3;

/// A probe goes beyond what is wished for by this much, so that the wish is met with certainty.
const BEYOND: f64 = 1.05;

/// While a probe is sent, padding leaves this often.
const PADDING_INTERVAL: Duration = Duration::from_millis(5);

/// A probe that is due but would tell nothing now, or whose report has not come, is looked at again after this.
const NOT_NOW: Duration = Duration::from_millis(50);

/// What a probe of the link is to start from.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub estimate: f64,
    pub desired: f64,
    /// A probe would tell something: reports come, and nothing else is being tried.
    pub may: bool,
    /// The number of the next packet.
    pub next: u64,
    /// The fastest way until now.
    pub reference: Option<f64>,
    pub wander: Duration,
}

#[derive(Debug, Default)]
pub struct Prober {
    probe: Option<Probe>,
    at: Option<Instant>,
    padding_at: Option<Instant>,
    failures: usize,
    successes: usize,
    /// The peer counts no padding: none of several probes' has come. Once some has, the others' was lost.
    heedless: bool,
    unheeded: usize,
    counts_padding: bool,
}

impl Prober {
    pub fn sent(&mut self, now: Instant, number: u64, bytes: u64, is_padding: bool) {
        if let Some(probe) = &mut self.probe {
            probe.sent(now, number, bytes, is_padding);
        }
    }

    pub fn arrived(&mut self, now: Instant, arrival: &Arrival, transit: f64) {
        self.counts_padding |= arrival.is_padding;
        if let Some(probe) = &mut self.probe {
            probe.arrived(now, arrival, transit);
        }
    }

    pub fn missing(&mut self, number: u64) {
        if let Some(probe) = &mut self.probe {
            probe.missing(number);
        }
    }

    /// What a probe has found, once.
    pub fn outcome(
        &mut self,
        now: Instant,
        round_trip: Duration,
        inherent: f64,
    ) -> Option<Outcome> {
        let probe = self.probe.as_ref()?;
        let outcome = probe.outcome(now, round_trip, inherent)?;
        self.probe = None;
        match outcome {
            Outcome::Carried(_) => {
                self.failures = 0;
                self.successes += 1;
                self.at = Some(now);
            }
            Outcome::Limited(_) | Outcome::Unknown => self.put_off(now),
            Outcome::Unheeded => {
                self.unheeded += 1;
                self.heedless = !self.counts_padding && self.unheeded >= UNHEEDED;
                self.put_off(now);
            }
        }
        Some(outcome)
    }

    /// Something else has shown that more cannot be had now.
    pub fn put_off(&mut self, now: Instant) {
        self.at = Some(now + PAUSES[self.failures.min(PAUSES.len() - 1)]);
        self.successes = 0;
        self.failures += 1;
        self.probe = None;
    }

    /// Whatever was found is of the past: begin as at first.
    pub fn start(&mut self, now: Instant) {
        self.at = Some(now);
        self.failures = 0;
    }

    /// Begin a probe if one is due. Returns how many bytes of padding are to leave now.
    pub fn elapse(&mut self, now: Instant, conditions: Conditions) -> u64 {
        if self.probe.is_none() && self.is_due(now) {
            self.begin(now, conditions);
        }
        let Some(probe) = self.probe.as_ref() else {
            return 0;
        };
        let is_sending = probe.is_sending(now);
        let pause = if is_sending {
            PADDING_INTERVAL
        } else {
            NOT_NOW
        };
        self.padding_at = Some(now + pause);
        if is_sending { probe.due(now) } else { 0 }
    }

    fn begin(&mut self, now: Instant, conditions: Conditions) {
        let Conditions {
            estimate, desired, ..
        } = conditions;
        let may = conditions.may && !self.heedless && desired > estimate;
        let Some(reference) = conditions.reference.filter(|_| may) else {
            self.at = Some(now + NOT_NOW);
            return;
        };
        let factor = match (self.failures, self.successes) {
            (0, 0) => FIRST_FACTOR,
            (_, 0) => CAREFUL_FACTOR,
            _ => NEXT_FACTOR,
        };
        let rate = (estimate * factor).min(desired * BEYOND);
        let Conditions { next, wander, .. } = conditions;
        self.probe = Some(Probe::new(now, rate, next, reference, wander));
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| now >= at)
    }

    pub fn is_probing(&self) -> bool {
        self.probe.is_some()
    }

    pub fn is_heedless(&self) -> bool {
        self.heedless
    }

    /// When there is padding to send, or a probe to begin.
    pub fn deadline(&self) -> Option<Instant> {
        if self.probe.is_some() {
            self.padding_at
        } else {
            self.at
        }
    }
}
