//! A network as bad as somebody asks for, between a peer's socket and the world. Held back here is what a real network
//! would have under way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use curtaincall_link::{Conditions, Fate, Link};

use crate::clock::Epoch;

/// Both directions of a peer's network. Nothing bad happens in the default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Network {
    pub up: Option<Conditions>,
    pub down: Option<Conditions>,
}

impl Network {
    /// What is asked for, and in the other direction what was before.
    pub fn changed(self, asked: Self) -> Self {
        Self {
            up: asked.up.or(self.up),
            down: asked.down.or(self.down),
        }
    }
}

/// A datagram under way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    pub due_us: u64,
    number: u64,
    pub address: SocketAddr,
    pub bytes: Box<[u8]>,
}

/// One direction.
#[derive(Debug)]
pub struct Way {
    link: Link,
    epoch: Epoch,
    held: BinaryHeap<Reverse<Held>>,
    taken: u64,
}

impl Way {
    pub fn new(conditions: Conditions, epoch: Epoch, now_us: u64, seed: u64) -> Self {
        Self {
            link: Link::new(epoch.instant(now_us), conditions, seed),
            epoch,
            held: BinaryHeap::new(),
            taken: 0,
        }
    }

    /// The network changes; what is under way arrives as it would have.
    pub fn set(&mut self, now_us: u64, conditions: Conditions) {
        self.link.set(self.epoch.instant(now_us), conditions);
    }

    /// A datagram enters: it is held until it arrives, or it is lost.
    pub fn take(&mut self, now_us: u64, address: SocketAddr, bytes: &[u8]) {
        let fate = self.link.send(self.epoch.instant(now_us), bytes.len());
        if let Fate::Arrives(at) = fate {
            self.taken += 1;
            self.held.push(Reverse(Held {
                due_us: self.epoch.us(at),
                number: self.taken,
                address,
                bytes: bytes.into(),
            }));
        }
    }

    /// When the next datagram arrives.
    pub fn due_us(&self) -> Option<u64> {
        self.held.peek().map(|Reverse(held)| held.due_us)
    }

    /// A datagram that has arrived.
    pub fn give(&mut self, now_us: u64) -> Option<Held> {
        self.due_us().filter(|due_us| *due_us <= now_us)?;
        self.held.pop().map(|Reverse(held)| held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_us;

    #[test]
    fn a_datagram_arrives_when_its_delay_is_over() {
        let now_us = monotonic_us();
        let conditions = "delay=20".parse().unwrap();
        let mut way = Way::new(conditions, Epoch::now(), now_us, 1);
        let address = "127.0.0.1:9".parse().unwrap();
        way.take(now_us, address, b"first");
        way.take(now_us + 1_000, address, b"second");
        assert_eq!(way.give(now_us + 19_000).map(|held| held.bytes), None);
        let due_us = way.due_us().unwrap();
        assert!((19_990..20_010).contains(&(due_us - now_us)));
        let first = way.give(due_us).unwrap();
        assert_eq!(&*first.bytes, b"first");
        assert_eq!(way.give(due_us), None);
        assert_eq!(&*way.give(due_us + 1_500).unwrap().bytes, b"second");
    }

    #[test]
    fn what_is_lost_never_arrives() {
        let now_us = monotonic_us();
        let mut way = Way::new("loss=100".parse().unwrap(), Epoch::now(), now_us, 1);
        way.take(now_us, "127.0.0.1:9".parse().unwrap(), b"lost");
        assert_eq!(way.due_us(), None);
    }
}
