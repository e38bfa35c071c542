//! A shard's thread: the socket, the clock and the mailbox around the core. Thin: every decision is the core's.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event_log::EventLog;
use crate::mailbox::Mailbox;
use crate::shard::{Counters, Input, MAX_DATAGRAM, Output, Shard};
use crate::system::wait;

/// Datagrams taken from the socket before commands and timers get their turn.
const RECEIVE_BATCH: usize = 32;

/// Rooms, seats and offers obeyed before packets get their turn: an offer takes up to a millisecond.
const ORDINARY_BATCH: usize = 8;

/// Sends between looks at the urgent lane: a full room's fan-out must not hold up a revocation.
const SENDS_BETWEEN_LOOKS: usize = 32;

/// Longest wait without anything to do.
const IDLE: Duration = Duration::from_secs(1);

/// What outsiders may read of a shard.
pub type Published = std::sync::Mutex<Status>;

/// A shard at a glance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    pub counters: Counters,
    pub rooms: usize,
    pub seats: usize,
}

/// Runs one shard until its mailbox is closed.
pub struct Driver {
    pub shard: Shard,
    pub socket: UdpSocket,
    pub mailbox: Arc<Mailbox>,
    pub events: Arc<EventLog>,
    pub status: Arc<Published>,
}

impl Driver {
    pub fn run(mut self) {
        let mut buffer = [0_u8; MAX_DATAGRAM + 1];
        let mut published_at = Instant::now();
        loop {
            if self.mailbox.is_closed() {
                return;
            }
            self.obey_urgent();
            self.obey_ordinary();
            self.shard.handle(Instant::now(), Input::Timeout);
            self.receive_batch(&mut buffer);
            let deadline = self.flush();
            let now = Instant::now();
            if now >= published_at + IDLE {
                published_at = now;
                self.publish();
            }
            let timeout = deadline
                .map_or(IDLE, |at| at.saturating_duration_since(now))
                .min(IDLE);
            if !timeout.is_zero() && wait(&self.socket, self.mailbox.wake(), timeout).wake {
                self.mailbox.wake().lower();
            }
        }
    }

    fn obey_urgent(&mut self) {
        while let Some(command) = self.mailbox.take_urgent() {
            // It overtook what it is about: let that in first.
            while !self.shard.knows(&command)
                && let Some(earlier) = self.mailbox.take_ordinary()
            {
                self.shard.handle(Instant::now(), Input::Command(earlier));
            }
            self.shard.handle(Instant::now(), Input::Command(command));
        }
    }

    fn obey_ordinary(&mut self) {
        for obeyed in 1.. {
            let Some(command) = self.mailbox.take_ordinary() else {
                return;
            };
            self.shard.handle(Instant::now(), Input::Command(command));
            self.obey_urgent();
            if obeyed == ORDINARY_BATCH {
                self.mailbox.wake().raise();
                return;
            }
        }
    }

    fn receive_batch(&mut self, buffer: &mut [u8]) {
        let now = Instant::now();
        for _ in 0..RECEIVE_BATCH {
            match self.socket.recv_from(buffer) {
                Ok((size, from)) => {
                    let bytes = buffer.get(..size).unwrap_or_default();
                    self.shard.handle(now, Input::Packet { from, bytes });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier send; the next call goes on.
                Err(_) => {}
            }
        }
    }

    /// Send and report until there is nothing more to do. Returns when there will be.
    fn flush(&mut self) -> Option<Instant> {
        let mut sends = 0;
        // The clock after one send is the clock before the next.
        let mut now = Instant::now();
        loop {
            match self.shard.poll_output() {
                Output::Timeout(deadline) => return deadline,
                Output::Event(event) => self.events.push(event),
                Output::Transmit(outgoing) => {
                    if sends % SENDS_BETWEEN_LOOKS == 0 {
                        if self.mailbox.is_urgent() {
                            self.obey_urgent();
                        }
                        now = Instant::now();
                    }
                    sends += 1;
                    if !self.shard.may_send(&outgoing, now) {
                        self.shard.withheld(&outgoing);
                        continue;
                    }
                    let sent = self.socket.send_to(&outgoing.bytes, outgoing.to);
                    now = Instant::now();
                    if sent.is_ok() {
                        self.shard.sent(&outgoing, now);
                    }
                }
            }
        }
    }

    fn publish(&self) {
        if let Ok(mut status) = self.status.lock() {
            *status = Status {
                counters: self.shard.counters(),
                rooms: self.shard.room_count(),
                seats: self.shard.seat_count(),
            };
        }
    }
}
