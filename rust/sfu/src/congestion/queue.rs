//! What follows from a queue: less is sent than the link carries, until it is gone.

use std::time::{Duration, Instant};

use super::{Congestion, FLOOR, UNHEARD_CUT};

/// A queue this long, and some more where the way wanders, says that too much is sent.
const LONG_QUEUE: Duration = Duration::from_millis(30);
const LONGEST_QUEUE: Duration = Duration::from_millis(200);

/// Where far less is sent than the estimate says, a queue is taken for one when it is as long as this, or grows so much
/// that packets take that many times as long to arrive as to be sent, or this part more of them is lost.
const FAR_LESS: f64 = 0.6;
const VERY_LONG_QUEUE: Duration = Duration::from_millis(250);
const GROWING: f64 = 1.1;
const OVERFLOWING: f64 = 0.05;

/// Of what the link carries so much is used: the rest lets a queue drain and bursts pass.
pub(super) const USED: f64 = 0.93;

/// A queue that is gone after this was a burst: a keyframe takes its time on a narrow link.
const BURST: Duration = Duration::from_millis(400);

/// A queue of a second takes this much more of it.
const DRAINED_PER_SECOND: f64 = 0.7;
const MOST_DRAINED: f64 = 0.4;

/// Between two reductions lies a round trip and this.
const BETWEEN_CUTS: Duration = Duration::from_millis(100);

/// So many reductions in a row without effect mean that the way has become longer.
const CUTS_IN_VAIN: u32 = 6;

/// Reductions in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cuts {
    pub count: u32,
    estimate_before: f64,
    queue_before: Duration,
    /// What the link carried.
    capacity: Option<f64>,
}

impl Congestion {
    pub(super) fn long_queue(&self) -> Duration {
        (LONG_QUEUE + self.delay.wander() * 3 / 2).min(LONGEST_QUEUE)
    }

    /// A queue builds up: send less than the link carries until it is gone.
    pub(super) fn watch_queue(&mut self, now: Instant) {
        let queue = self.delay.queue();
        let long = self.long_queue();
        if queue <= long {
            self.queued_since = None;
            if queue <= long / 2 {
                // It has drained: what the link was seen to carry may be used again.
                let capacity = std::mem::take(&mut self.cuts).capacity;
                let usable = capacity.map_or(0.0, |capacity| capacity * USED);
                self.estimate = self.estimate.max(usable);
            }
            return;
        }
        let since = *self.queued_since.get_or_insert(now);
        let is_certain = now >= since + long || queue > long * 3;
        // A probe makes a queue of its own; its outcome says what that means.
        let waits = self
            .cut_at
            .is_some_and(|at| now < at + self.round_trip + BETWEEN_CUTS);
        if !is_certain || waits || (self.prober.is_probing() && queue < LONGEST_QUEUE * 2) {
            return;
        }
        self.cut(now, queue, now.saturating_duration_since(since));
    }

    fn cut(&mut self, now: Instant, queue: Duration, lasting: Duration) {
        let Some(base) = self.delay.base() else {
            return;
        };
        let waiting = base + queue.as_secs_f64() / 2.0;
        let span = self.delay.wander() * 3;
        let capacity = self.throughput.busy_rate(waiting, span);
        let is_burst = lasting < BURST;
        let Some(rate) = capacity.or(self.throughput.rate().filter(|_| !is_burst)) else {
            return;
        };
        if !self.is_ours(rate, queue) {
            return;
        }
        if self.cuts.count == 0 {
            self.cuts.estimate_before = self.estimate;
            self.cuts.queue_before = queue;
        }
        self.cuts.count += 1;
        if self.cuts.count > CUTS_IN_VAIN && queue * 10 > self.cuts.queue_before * 9 {
            // Nothing drains, however little is sent: the way is longer than it was.
            self.delay.rebase();
            self.estimate = self.estimate.max(self.cuts.estimate_before * UNHEARD_CUT);
            self.cuts = Cuts::default();
            return;
        }
        self.cuts.capacity = capacity
            .map(|rate| self.before_loss(rate))
            .or(self.cuts.capacity);
        let drained = if is_burst {
            0.0
        } else {
            (queue.as_secs_f64() * DRAINED_PER_SECOND).min(MOST_DRAINED)
        };
        self.reduce(now, self.before_loss(rate) * (USED - drained));
    }

    /// Whether a queue comes from what is sent. Where that is far less than the estimate it may be jitter that is not known
    /// yet, unless the queue is very long, grows, or overflows.
    fn is_ours(&self, rate: f64, queue: Duration) -> bool {
        rate > self.estimate * FAR_LESS
            || queue > VERY_LONG_QUEUE
            || self.throughput.stretch().is_some_and(|by| by > GROWING)
            || self.loss.recent() > self.loss.inherent() + OVERFLOWING
    }

    /// Bring the estimate down to `rate`, if it is above it, and put off probing.
    pub(super) fn reduce(&mut self, now: Instant, rate: f64) {
        self.cut_at = Some(now);
        self.is_limited = true;
        self.estimate = self.estimate.min(rate.max(FLOOR));
        self.prober.put_off(now);
    }
}
