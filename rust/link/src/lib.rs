//! One direction of a network path, as a model: which datagrams are lost, and when the others arrive. Pure: time and the
//! seed are passed in, so the same seed and the same datagrams always meet the same fate.
//!
//! A datagram first queues for the bottleneck (if there is one) and is dropped if the queue is full; then the radio may
//! lose it, alone or with everything around it in an outage; the others travel for the delay, the jitter of their
//! moment, and, if they are among the few that take another way, some more.

mod random;
mod words;

use std::time::{Duration, Instant};

pub use random::Random;
pub use words::Unclear;

/// What IPv4 and UDP add to every datagram on the wire.
pub const OVERHEAD_BYTES: usize = 28;

/// Datagrams of the same slot share their jitter: radios and cable modems gather what they send.
const JITTER_SLOT: Duration = Duration::from_millis(20);

/// Datagrams that take another way arrive later by up to so much, and are overtaken meanwhile.
const DETOUR: Duration = Duration::from_millis(30);

/// The longest datagram on paths with an Ethernet's MTU.
const LONG_BYTES: f64 = 1_500.0;

/// Bits per second of the wire, the headers of IP and UDP included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

/// A share in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

/// Moments in which everything is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outages {
    /// From the end of one to the beginning of the next, on average.
    pub every: Duration,
    /// The shortest and the longest.
    pub length: (Duration, Duration),
}

/// The narrowest place of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bottleneck {
    pub rate: Rate,
    /// What waits for it at most; what comes then is dropped.
    pub queue_bytes: usize,
}

/// What a path is like. The default loses nothing and takes no time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    pub delay: Duration,
    /// The most that the delay grows by, from moment to moment. Datagrams stay in order.
    pub jitter: Duration,
    /// Lost one by one, independently.
    pub loss: Percent,
    pub outages: Option<Outages>,
    /// Overtaken by those behind them.
    pub reordered: Percent,
    pub bottleneck: Option<Bottleneck>,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives(Instant),
    /// The queue was full.
    Dropped,
    Lost,
}

/// What a link has carried since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub datagrams: u64,
    /// Of the wire, headers included, whatever became of them after the bottleneck.
    pub bytes: u64,
    pub dropped: u64,
    pub lost: u64,
}

/// One direction of a path. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Link {
    conditions: Conditions,
    random: Random,
    /// What waited for the bottleneck when it was last looked at.
    backlog_bytes: f64,
    looked_at: Instant,
    slot_ends: Instant,
    slot_jitter: Duration,
    last_arrival: Instant,
    outage: Option<(Instant, Instant)>,
    carried: Carried,
}

impl Link {
    pub fn new(now: Instant, conditions: Conditions, seed: u64) -> Self {
        let mut link = Self {
            conditions,
            random: Random::new(seed),
            backlog_bytes: 0.0,
            looked_at: now,
            slot_ends: now,
            slot_jitter: Duration::ZERO,
            last_arrival: now,
            outage: None,
            carried: Carried::default(),
        };
        link.plan_outage(now);
        link
    }

    /// The path changes; what is on its way already stays as it was.
    pub fn set(&mut self, now: Instant, conditions: Conditions) {
        self.drain(now);
        self.conditions = conditions;
        self.slot_ends = now;
        self.plan_outage(now);
    }

    pub fn conditions(&self) -> Conditions {
        self.conditions
    }

    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// How long a datagram that comes now would wait for the bottleneck.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.drain(now);
        match self.conditions.bottleneck {
            Some(bottleneck) => time_for(self.backlog_bytes, bottleneck.rate),
            None => Duration::ZERO,
        }
    }

    /// A datagram of so many bytes (without the headers of IP and UDP) is sent.
    pub fn send(&mut self, now: Instant, bytes: usize) -> Fate {
        let Some(leaves_at) = self.queue(now, bytes + OVERHEAD_BYTES) else {
            self.carried.dropped += 1;
            return Fate::Dropped;
        };
        self.carried.datagrams += 1;
        self.carried.bytes += (bytes + OVERHEAD_BYTES) as u64;
        let out = self.is_out(leaves_at);
        // Drawn in any case, so that an outage does not change what comes after it.
        let unlucky = self.random.happens(self.conditions.loss);
        let detour = self.random.happens(self.conditions.reordered);
        if out || unlucky {
            self.carried.lost += 1;
            return Fate::Lost;
        }
        let travels = self.conditions.delay + self.jitter(leaves_at);
        let arrives_at = (leaves_at + travels).max(self.last_arrival);
        if detour {
            let more = self.random.between(Duration::ZERO, DETOUR);
            return Fate::Arrives(arrives_at + more);
        }
        self.last_arrival = arrives_at;
        Fate::Arrives(arrives_at)
    }

    /// When a datagram has passed the bottleneck; `None` if the queue is full.
    fn queue(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        self.drain(now);
        let Some(bottleneck) = self.conditions.bottleneck else {
            return Some(now);
        };
        // Room for a long datagram, whatever comes: small ones have no better chance, as in a queue that counts packets.
        // There is always room for one.
        let is_full = self.backlog_bytes + LONG_BYTES > bottleneck.queue_bytes as f64;
        if is_full && self.backlog_bytes > 0.0 {
            return None;
        }
        self.backlog_bytes += bytes as f64;
        Some(now + time_for(self.backlog_bytes, bottleneck.rate))
    }

    fn drain(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.looked_at);
        self.looked_at = self.looked_at.max(now);
        self.backlog_bytes = match self.conditions.bottleneck {
            Some(Bottleneck { rate, .. }) => {
                (self.backlog_bytes - passed.as_secs_f64() * rate.0 as f64 / 8.0).max(0.0)
            }
            None => 0.0,
        };
    }

    fn jitter(&mut self, moment: Instant) -> Duration {
        if self.conditions.jitter.is_zero() {
            return Duration::ZERO;
        }
        if moment >= self.slot_ends {
            self.slot_jitter = self.random.between(Duration::ZERO, self.conditions.jitter);
            self.slot_ends = moment + JITTER_SLOT;
        }
        self.slot_jitter
    }

    fn is_out(&mut self, moment: Instant) -> bool {
        while let Some((_, ends)) = self.outage
            && moment >= ends
        {
            self.plan_outage(ends);
        }
        self.outage.is_some_and(|(begins, _)| moment >= begins)
    }

    fn plan_outage(&mut self, after: Instant) {
        self.outage = self.conditions.outages.map(|outages| {
            let begins = after + self.random.around(outages.every);
            let (shortest, longest) = outages.length;
            (begins, begins + self.random.between(shortest, longest))
        });
    }
}

fn time_for(bytes: f64, rate: Rate) -> Duration {
    Duration::from_secs_f64(bytes * 8.0 / (rate.0.max(1) as f64))
}
