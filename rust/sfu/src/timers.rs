//! Deadlines of many things, most of which move later before they are reached: entries are never moved, only looked
//! at again when they come up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// A heap of deadlines. The owner of a key remembers the earliest entry it has (see [`Armed`]), so there are few more
/// entries than keys.
#[derive(Debug)]
pub struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
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
