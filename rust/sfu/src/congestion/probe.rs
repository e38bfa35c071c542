//! A probe: for a tenth of a second more is sent than the estimate says, filled up with padding, to see what arrives. Pure.
//!
//! Its verdict comes from the fastest of its last packets. If the link carries less than was sent, a queue has built up
//! before them, and how long it is tells how much less. Jitter does not hide that, as it would in the distances between
//! packets.

use std::time::{Duration, Instant};

use super::delay::Transit;
use super::history::Arrival;

/// A probe takes so long, longer where the way wanders.
const SHORTEST: Duration = Duration::from_millis(80);
const LONGEST: Duration = Duration::from_millis(250);
const WANDERS: u32 = 4;

/// Waiting that says nothing: clocks and timers are that coarse.
const NOISE: f64 = 0.004;
const WANDER_NOISE: f64 = 0.7;

/// Loss within so many standard deviations of the link's own is chance.
const DEVIATIONS: f64 = 2.0;

/// Fewer packets tell nothing.
const FEWEST_PACKETS: usize = 5;

/// So much padding is not all lost by chance.
const UNHEEDED: u64 = 8;

/// What counts comes last: by then a queue has built up, if there is to be one.
const TAIL: f64 = 0.6;

/// The link is not full when so much of what was sent arrived as fast as it was sent.
const CLEAR: f64 = 0.9;

/// Packets that were overtaken come within so many times the wander.
const STRAGGLERS: f64 = 2.0;

/// After the last packet was sent its report is waited for so long, beside the way there and back.
const PATIENCE: Duration = Duration::from_millis(350);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// The link carries what was sent, bits per second.
    Carried(f64),
    /// The link carries this much and no more.
    Limited(f64),
    /// Too little is known of what arrived.
    Unknown,
    /// Media arrived, and none of the padding: the receiver does not count it.
    Unheeded,
}

/// A packet as it was sent.
#[derive(Debug)]
struct Sent {
    number: u64,
    /// Seconds since the beginning.
    offset: f64,
    /// Sent until then, with the packet itself.
    bytes: u64,
    /// It was reported not to have come, and has not come since.
    missing: bool,
}

/// A packet that arrived: its place among those sent.
#[derive(Debug)]
struct Sample {
    place: usize,
    transit: Transit,
}

#[derive(Debug)]
pub struct Probe {
    /// Bits per second.
    rate: f64,
    began_at: Instant,
    until: Instant,
    /// The fastest way before it began.
    reference: Transit,
    wander: f64,
    first: u64,
    /// The last number sent within it.
    last: u64,
    last_at: Instant,
    sent: Vec<Sent>,
    padding_sent: u64,
    padding_arrived: u64,
    bytes_sent: u64,
    samples: Vec<Sample>,
    /// When it was reported that a later packet has arrived.
    overtaken_at: Option<Instant>,
}

impl Probe {
    /// Begin. `next` is the number of the next packet, `reference` the fastest way until now.
    pub fn new(now: Instant, rate: f64, next: u64, reference: Transit, wander: Duration) -> Self {
        let length = (wander * WANDERS).clamp(SHORTEST, LONGEST);
        Self {
            rate,
            began_at: now,
            until: now + length,
            reference,
            wander: wander.as_secs_f64(),
            first: next,
            last: next,
            last_at: now,
            sent: Vec::new(),
            padding_sent: 0,
            padding_arrived: 0,
            bytes_sent: 0,
            samples: Vec::new(),
            overtaken_at: None,
        }
    }

    pub fn is_sending(&self, now: Instant) -> bool {
        now < self.until
    }

    /// Bytes that are missing by now to what is to be sent.
    pub fn due(&self, now: Instant) -> u64 {
        let since = now.min(self.until).saturating_duration_since(self.began_at);
        let due = self.rate * since.as_secs_f64() / 8.0;
        (due as u64).saturating_sub(self.bytes_sent)
    }

    /// A packet was sent, of either media or padding.
    pub fn sent(&mut self, now: Instant, number: u64, bytes: u64, is_padding: bool) {
        if self.is_sending(now) {
            self.last = number;
            self.last_at = now;
            self.bytes_sent += bytes;
            let offset = now.saturating_duration_since(self.began_at);
            self.sent.push(Sent {
                number,
                offset: offset.as_secs_f64(),
                bytes: self.bytes_sent,
                missing: false,
            });
            self.padding_sent += u64::from(is_padding);
        }
    }

    pub fn arrived(&mut self, now: Instant, arrival: &Arrival, transit: Transit) {
        if arrival.number > self.last && now >= self.until {
            self.overtaken_at.get_or_insert(now);
        } else if arrival.number >= self.first {
            self.padding_arrived += u64::from(arrival.is_padding);
            let place = self
                .sent
                .binary_search_by_key(&arrival.number, |sent| sent.number);
            if let Ok(place) = place {
                self.sent[place].missing = false;
                let sample = Sample { place, transit };
                self.samples.push(sample);
            }
        }
    }

    /// A packet is reported not to have come so far.
    pub fn missing(&mut self, number: u64) {
        let place = self.sent.binary_search_by_key(&number, |sent| sent.number);
        if let Ok(place) = place
            && !self.samples.iter().any(|sample| sample.place == place)
        {
            self.sent[place].missing = true;
        }
    }

    /// What the probe has found, once that can be said. `inherent` is what the link loses of anything.
    pub fn outcome(&self, now: Instant, round_trip: Duration, inherent: f64) -> Option<Outcome> {
        if self.is_sending(now) {
            return None;
        }
        let late = now > self.last_at + round_trip + PATIENCE;
        let stragglers = Duration::from_secs_f64(self.wander * STRAGGLERS);
        let complete = self.overtaken_at.is_some_and(|at| now >= at + stragglers);
        (complete || late).then(|| self.measure(inherent))
    }

    fn measure(&self, inherent: f64) -> Outcome {
        let length = self.last_at.saturating_duration_since(self.began_at);
        let length = length.as_secs_f64();
        if self.padding_arrived == 0 && self.padding_sent >= UNHEEDED {
            return if self.samples.is_empty() {
                Outcome::Unknown
            } else {
                Outcome::Unheeded
            };
        }
        if self.samples.len() < FEWEST_PACKETS || length <= 0.0 {
            return Outcome::Unknown;
        }
        let noise = NOISE + self.wander * WANDER_NOISE;
        // Had the link been busy since the beginning, this is what it carried until the packet was through.
        let carried = |sample: &Sample| {
            let sent = &self.sent[sample.place];
            let waited = (sample.transit - self.reference - noise).max(0.0);
            let bits = sent.bytes as f64 * 8.0;
            (bits / (sent.offset + waited), bits / sent.offset)
        };
        let best = self
            .samples
            .iter()
            .filter(|sample| self.sent[sample.place].offset >= length * TAIL)
            .map(carried)
            .max_by(|(left, _), (right, _)| left.total_cmp(right));
        let Some((carried, sent)) = best else {
            return Outcome::Unknown;
        };
        let packets = self.sent.len() as f64;
        let chance = inherent.max(0.01) * (1.0 - inherent) / packets;
        let expected = 1.0 - inherent - DEVIATIONS * chance.sqrt();
        // Of what was reported: a report may be lost as well.
        let missing = self.sent.iter().filter(|sent| sent.missing).count() as f64;
        let arrived = self.samples.len() as f64;
        let part = arrived / (arrived + missing) / expected;
        let carried = carried * part.min(1.0);
        if carried >= sent * CLEAR {
            Outcome::Carried(carried)
        } else {
            Outcome::Limited(carried)
        }
    }
}
