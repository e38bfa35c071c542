//! A room, its peers and the links between them, in one thread. Whether time is virtual is the server's business.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use curtaincall_link::{Conditions, Fate, Link};
use curtaincall_sfu::allocator::{Height, Wish};
use curtaincall_sfu::units::UserId;

use crate::error::NetworkError;
use crate::peer::{Peer, Place, Sender};
use crate::publisher::Publisher;
use crate::server::{Datagram, Server};

/// A datagram on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    arrives_at: Instant,
    /// Keeps those that arrive together in order.
    number: u64,
    /// The peer, and whether it is the sender.
    peer: usize,
    is_upward: bool,
    bytes: Vec<u8>,
}

/// What a peer joins with.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    pub publishes: bool,
    /// Pairs of slots.
    pub slots: usize,
    pub up: Conditions,
    pub down: Conditions,
    pub sender: Sender,
}

/// See the module's documentation.
pub struct World<S> {
    pub now: Instant,
    pub began: Instant,
    pub server: S,
    pub peers: Vec<Peer>,
    seed: u64,
    flights: BinaryHeap<Reverse<Flight>>,
    flown: u64,
    sent: Vec<Datagram>,
}

impl<S: Server> World<S> {
    pub fn new(now: Instant, server: S, seed: u64) -> Self {
        // What str0m draws (names of streams, the first numbers of them) is drawn on this thread.
        fastrand::seed(seed);
        Self {
            now,
            began: now,
            server,
            peers: Vec::new(),
            seed,
            flights: BinaryHeap::new(),
            flown: 0,
            sent: Vec::new(),
        }
    }

    /// Let a peer in. Returns its place in `peers`, which is also its number as a publisher.
    pub fn join(&mut self, name: &str, joining: Joining) -> Result<usize, NetworkError> {
        let index = self.peers.len();
        let (address, server) = self.server.open_port()?;
        let seed = self
            .seed
            .wrapping_mul(1_000)
            .wrapping_add(index as u64 * 10);
        let user = UserId::new(name);
        self.server.seat(self.now, &user)?;
        let place = Place {
            user: user.clone(),
            address,
            server,
            uplink: Link::new(self.now, joining.up, seed + 1),
            downlink: Link::new(self.now, joining.down, seed + 2),
            sender: joining.sender,
        };
        let mut peer = Peer::new(place, self.now, self.began)?;
        let publisher = joining
            .publishes
            .then(|| Publisher::new(index as u8, self.now, self.began, seed + 3));
        let (offer, pending) = peer.offer(publisher, joining.slots)?;
        let answer = self.server.offer(self.now, &user, &offer)?;
        peer.answer(pending, &answer)?;
        self.peers.push(peer);
        Ok(index)
    }

    /// Say how large a peer shows another's picture.
    pub fn wish(
        &mut self,
        peer: usize,
        of: usize,
        height: u16,
        priority: u8,
    ) -> Result<(), NetworkError> {
        let (user, of) = (self.peers[peer].user.clone(), self.peers[of].user.clone());
        let wish = Wish {
            max_height: Height(height),
            priority,
        };
        self.server.wish(self.now, &user, &of, wish)
    }

    /// Let time pass.
    pub fn run(&mut self, length: Duration) -> Result<(), NetworkError> {
        let until = self.now + length;
        loop {
            self.take_from_server();
            if self.now >= until {
                return Ok(());
            }
            let flight = self.flights.peek().map(|Reverse(flight)| flight.arrives_at);
            let peers = self.peers.iter().map(Peer::deadline).min();
            let due = [flight, peers, self.server.deadline(), Some(until)];
            let next = due.into_iter().flatten().min().unwrap_or(until);
            self.now = self.now.max(self.server.wait(next));
            self.deliver()?;
            if self.server.deadline().is_some_and(|at| at <= self.now) {
                self.server.elapse(self.now);
            }
            for peer in 0..self.peers.len() {
                if self.peers[peer].deadline() <= self.now {
                    self.peers[peer].elapse(self.now)?;
                    self.drain(peer)?;
                }
            }
        }
    }

    fn take_from_server(&mut self) {
        let mut sent = std::mem::take(&mut self.sent);
        self.server.poll(self.now, &mut sent);
        for (to, bytes) in sent.drain(..) {
            if let Some(peer) = self.peer_at(to) {
                let fate = self.peers[peer].downlink.send(self.now, bytes.len());
                self.fly(fate, peer, false, bytes);
            }
        }
        self.sent = sent;
    }

    fn peer_at(&self, address: SocketAddr) -> Option<usize> {
        self.peers.iter().position(|peer| peer.address == address)
    }

    fn deliver(&mut self) -> Result<(), NetworkError> {
        while let Some(Reverse(flight)) = self.flights.peek()
            && flight.arrives_at <= self.now
        {
            let Some(Reverse(flight)) = self.flights.pop() else {
                break;
            };
            let peer = &mut self.peers[flight.peer];
            if flight.is_upward {
                self.server.receive(self.now, peer.address, &flight.bytes);
            } else {
                peer.receive(self.now, &flight.bytes)?;
                self.drain(flight.peer)?;
            }
        }
        Ok(())
    }

    fn drain(&mut self, index: usize) -> Result<(), NetworkError> {
        while let Some(bytes) = self.peers[index].poll(self.now)? {
            let fate = self.peers[index].uplink.send(self.now, bytes.len());
            self.fly(fate, index, true, bytes);
        }
        Ok(())
    }

    fn fly(&mut self, fate: Fate, peer: usize, is_upward: bool, bytes: Vec<u8>) {
        if let Fate::Arrives(arrives_at) = fate {
            self.flown += 1;
            self.flights.push(Reverse(Flight {
                arrives_at,
                number: self.flown,
                peer,
                is_upward,
                bytes,
            }));
        }
    }
}
