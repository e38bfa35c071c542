//! Deadlines of many things, most of which move later before they are reached: entries are never moved, only looked
//! at again when they come up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Deadlines that are not urgent come up together once in so long.
pub const TURN: Duration = Duration::from_millis(5);

/// A heap of deadlines. The owner of a key remembers the earliest entry it has (see [`Armed`]), so there are few more
/// entries than keys.
#[derive(Debug)]
pub struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
}

/// The moments at which deadlines of many sessions come up together: reports and acknowledgements are due every 33 or
/// 50 ms, and a thread that wakes for each of them alone spends more on waking than on them.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    epoch: Instant,
}

impl Turns {
    pub fn new(epoch: Instant) -> Self {
        Self { epoch }
    }

    /// The next turn after a deadline, unless the deadline is nearer than a turn is long: then somebody paces packets.
    pub fn round(self, deadline: Instant, now: Instant) -> Instant {
        if deadline <= now + TURN {
            return deadline;
        }
        let since = deadline.saturating_duration_since(self.epoch).as_micros();
        let turn = TURN.as_micros();
        let rest = (turn - since % turn) % turn;
        deadline + Duration::from_micros(rest as u64)
    }
}

/// The earliest entry of one key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Armed(Option<Instant>);

impl<K: Ord + Copy> Default for Timers<K> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Make sure the key comes up at `deadline` or before.
    pub fn arm(&mut self, key: K, armed: &mut Armed, deadline: Instant) {
        if armed.0.is_none_or(|at| deadline < at) {
            armed.0 = Some(deadline);
            self.heap.push(Reverse((deadline, key)));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Take a key whose entry is due. Its owner calls [`Armed::fired`] and arms it again if need be.
    pub fn pop_due(&mut self, now: Instant) -> Option<(K, Instant)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, key))| (key, at))
    }
}

impl Armed {
    /// An entry made for `at` came up. Returns false if an earlier one has already done its work.
    pub fn fired(&mut self, at: Instant) -> bool {
        if self.0 != Some(at) {
            return false;
        }
        self.0 = None;
        true
    }
}
