//! A link with a queue, and a peer behind it that reports what arrives, on virtual time. The sender sends sound and the
//! highest layer of one picture that the estimate allows, as a subscriber is sent it.
#![allow(dead_code, reason = "each test file uses its part of the harness")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use curtaincall_sfu::allocator::BitRate;
use curtaincall_sfu::congestion::{Allowance, Congestion};
use curtaincall_sfu::peer::Numbered;

/// What all of it takes, with room to spare.
pub const WISHED: f64 = 1_900_000.0;

pub const LAYERS: [f64; 3] = [150_000.0, 450_000.0, 1_500_000.0];
const TICK: Duration = Duration::from_millis(1);
const SLOT: Duration = Duration::from_millis(20);
const REPORTS: Duration = Duration::from_millis(50);
const PACKET: usize = 1_100;
const PADDING: usize = 100;
const OVERHEAD: f64 = 28.0;

/// What the link does to packets.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Bits per second.
    pub rate: f64,
    pub queue: Duration,
    pub delay: Duration,
    pub jitter: Duration,
    pub loss: f64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            rate: 8_000_000.0,
            queue: Duration::from_millis(300),
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            loss: 0.0,
        }
    }
}

/// xorshift64*: the same seed gives the same run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub fn roll(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Numbers of packets, and when each arrived.
type Report = Vec<(u64, Option<Duration>)>;

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub at: Duration,
    pub estimate: f64,
    pub sent: f64,
    /// How long the next packet will wait in the queue.
    pub queue: Duration,
    pub layer: Option<usize>,
}

pub struct Simulation {
    pub now: Instant,
    pub began: Instant,
    pub link: Link,
    pub congestion: Congestion,
    pub moments: Vec<Moment>,
    pub layers: Vec<f64>,
    /// Packets of padding sent so far.
    pub padding: usize,
    pub counts_padding: bool,
    dice: Dice,
    number: u64,
    free_at: Instant,
    /// Packets of the same slot share their jitter, as radios gather what they send; they stay in order.
    slot_ends: Instant,
    slot_jitter: Duration,
    newest: Instant,
    /// Arrival at the peer: number by time.
    flying: VecDeque<(Instant, u64)>,
    seen: BTreeMap<u64, Instant>,
    reported: u64,
    report_at: Instant,
    reports: VecDeque<(Instant, Report)>,
    layer: Option<usize>,
    owed: f64,
    sent_bytes: f64,
    audio_at: Instant,
    frame_at: Instant,
    keyframe: bool,
    deadline: Option<Instant>,
}

impl Simulation {
    pub fn new(link: Link, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            began: now,
            link,
            congestion: Congestion::new(now),
            moments: Vec::new(),
            layers: LAYERS.to_vec(),
            padding: 0,
            counts_padding: true,
            dice: Dice::new(seed),
            number: 0,
            free_at: now,
            slot_ends: now,
            slot_jitter: Duration::ZERO,
            newest: now,
            flying: VecDeque::new(),
            seen: BTreeMap::new(),
            reported: 0,
            report_at: now,
            reports: VecDeque::new(),
            layer: None,
            owed: 0.0,
            sent_bytes: 0.0,
            audio_at: now,
            frame_at: now,
            keyframe: true,
            deadline: None,
        }
    }

    pub fn run(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            self.now += TICK;
            self.arrive();
            self.report();
            self.choose();
            self.send_media();
            if self.deadline.is_none_or(|at| at <= self.now) {
                let padding = self.congestion.elapse(self.now) as usize;
                for _ in 0..padding.div_ceil(PADDING + OVERHEAD as usize).min(64) {
                    self.send(PADDING, true);
                }
                self.deadline = self.congestion.deadline();
            }
            let at = self.now - self.began;
            if at.as_millis().is_multiple_of(100) {
                self.moments.push(Moment {
                    at,
                    estimate: self.estimate(),
                    sent: std::mem::take(&mut self.sent_bytes) * 8.0 * 10.0,
                    queue: self.free_at.saturating_duration_since(self.now),
                    layer: self.layer,
                });
            }
        }
    }

    pub fn estimate(&self) -> f64 {
        match self.congestion.allowance(self.now) {
            Allowance::Measured(rate) | Allowance::AtLeast(rate) => rate.0 as f64,
            Allowance::Unknown => f64::INFINITY,
        }
    }

    fn send(&mut self, bytes: usize, is_padding: bool) {
        let size = bytes as f64 + OVERHEAD;
        self.sent_bytes += size;
        let number = self.number;
        self.number += 1;
        self.congestion.sent(
            self.now,
            Numbered {
                number: number as u16,
                bytes,
                is_padding,
            },
        );
        let waits = self.free_at.saturating_duration_since(self.now);
        self.padding += usize::from(is_padding);
        let lost = self.dice.roll() < self.link.loss || (is_padding && !self.counts_padding);
        if waits > self.link.queue {
            return;
        }
        let takes = Duration::from_secs_f64(size * 8.0 / self.link.rate);
        self.free_at = self.free_at.max(self.now) + takes;
        if lost {
            return;
        }
        if self.free_at >= self.slot_ends {
            self.slot_ends = self.free_at + SLOT;
            self.slot_jitter = self.link.jitter.mul_f64(self.dice.roll());
        }
        let arrives = self.free_at + self.link.delay + self.slot_jitter;
        self.newest = self.newest.max(arrives);
        self.flying.push_back((self.newest, number));
    }

    fn arrive(&mut self) {
        let now = self.now;
        let seen = &mut self.seen;
        self.flying.retain(|(at, number)| {
            if *at <= now {
                seen.insert(*number, *at);
            }
            *at > now
        });
    }

    fn report(&mut self) {
        if self.now >= self.report_at {
            self.report_at = self.now + REPORTS;
            if let Some((newest, _)) = self.seen.last_key_value() {
                let newest = *newest;
                let first = self.seen.first_key_value().map_or(0, |(first, _)| *first);
                let packets = (first.min(self.reported)..=newest)
                    .map(|number| {
                        let arrived = self.seen.get(&number).map(|at| *at - self.began);
                        (number, arrived)
                    })
                    .collect();
                self.seen.clear();
                self.reported = newest + 1;
                if self.dice.roll() >= self.link.loss {
                    self.reports
                        .push_back((self.now + self.link.delay, packets));
                }
            }
        }
        while self.reports.front().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((_, packets)) = self.reports.pop_front() {
                self.congestion.report(self.now, packets.into_iter());
            }
        }
    }

    fn choose(&mut self) {
        let audio = 50.0 * (100.0 + OVERHEAD) * 8.0;
        let most = self.layers.last().copied().unwrap_or(0.0) * 1.05;
        self.congestion
            .desire(BitRate(((most + audio) / 0.85) as u64));
        let estimate = self.estimate();
        let fits = |rate: f64, part: f64| rate * 1.05 + audio <= estimate * part;
        let stays = self.layer.filter(|layer| fits(self.layers[*layer], 1.0));
        let better = self.layers.iter().rposition(|rate| fits(*rate, 0.85));
        let next = stays.max(better);
        if next != self.layer {
            self.keyframe = next.is_some();
            self.layer = next;
        }
    }

    fn send_media(&mut self) {
        if self.now >= self.audio_at {
            self.audio_at += Duration::from_millis(20);
            self.send(100, false);
        }
        if self.now >= self.frame_at {
            self.frame_at += Duration::from_millis(33);
            if let Some(layer) = self.layer {
                let frame = self.layers[layer] / 30.0 / 8.0;
                self.owed += frame * if self.keyframe { 5.0 } else { 1.0 };
                self.keyframe = false;
            }
            while self.owed > 0.0 {
                let bytes = (self.owed as usize).clamp(50, PACKET);
                self.owed -= bytes as f64;
                self.send(bytes, false);
            }
        }
    }

    /// From when on the estimate was at least that, after `since`.
    pub fn reached(&self, since: Duration, least: f64) -> Option<Duration> {
        let reached = |moment: &&Moment| moment.at >= since && moment.estimate >= least;
        self.moments
            .iter()
            .find(reached)
            .map(|moment| moment.at - since)
    }

    pub fn mean_estimate(&self, since: Duration) -> f64 {
        let after = self.moments.iter().filter(|moment| moment.at >= since);
        let estimates: Vec<_> = after.map(|moment| moment.estimate).collect();
        estimates.iter().sum::<f64>() / estimates.len() as f64
    }
}
