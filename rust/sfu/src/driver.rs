//! A shard's thread: the sockets, the clock and the mailbox around the core. Thin: every decision is the core's.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::datagrams::{Inbox, Outbox, SEND_BATCH};
use crate::event_log::EventLog;
use crate::mailbox::Mailbox;
use crate::path::Wire;
use crate::shard::{Counters, Input, Outgoing, Output, Shard};
use crate::streams::Streams;
use crate::system::wait;

/// Rooms, seats and offers obeyed before packets get their turn: an offer takes up to a millisecond.
const ORDINARY_BATCH: usize = 8;

/// Longest wait without anything to do.
const IDLE: Duration = Duration::from_secs(1);

/// What outsiders may read of a shard.
pub type Published = std::sync::Mutex<Status>;

/// A shard at a glance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    pub counters: Counters,
    pub calls: Calls,
    pub rooms: usize,
    pub seats: usize,
    /// TCP connections accepted.
    pub connections: u64,
}

/// System calls that moved datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    pub receive: u64,
    pub send: u64,
}

/// What is to leave next, and the way it does.
#[derive(Default)]
struct Sender {
    batch: Vec<Outgoing>,
    outbox: Outbox,
    /// What leaves over TCP connections.
    framed: Vec<Outgoing>,
}

/// Runs one shard until its mailbox is closed.
pub struct Driver {
    pub shard: Shard,
    pub socket: UdpSocket,
    pub streams: Streams,
    pub mailbox: Arc<Mailbox>,
    pub events: Arc<EventLog>,
    pub status: Arc<Published>,
    pub calls: Calls,
}

impl Driver {
    pub fn run(mut self) {
        let mut inbox = Inbox::default();
        let dual = self.socket.local_addr().is_ok_and(|at| at.is_ipv6());
        let mut sender = Sender {
            outbox: Outbox::default().dual(dual),
            ..Default::default()
        };
        let mut published_at = Instant::now();
        let (mut readable, mut streaming) = (true, true);
        loop {
            if self.mailbox.is_closed() {
                return;
            }
            self.obey_urgent();
            self.obey_ordinary();
            self.shard.handle(Instant::now(), Input::Timeout);
            let more = readable && self.receive(&mut inbox);
            if streaming {
                self.streams.serve(&mut self.shard);
            }
            let deadline = self.flush(&mut sender);
            let now = Instant::now();
            if now >= published_at + IDLE {
                published_at = now;
                self.streams.sweep(&self.shard);
                self.publish();
            }
            let timeout = deadline
                .map_or(IDLE, |at| at.saturating_duration_since(now))
                .min(IDLE);
            (readable, streaming) = (true, true);
            if !more && !timeout.is_zero() {
                let watch = self.streams.watch();
                let ready = wait(&self.socket, watch, self.mailbox.wake(), timeout);
                (readable, streaming) = (ready.socket, ready.streams);
                if ready.wake {
                    self.mailbox.wake().lower();
                }
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

    /// Take in what has come, at most a batch of it. Returns whether there may be more.
    fn receive(&mut self, inbox: &mut Inbox) -> bool {
        let more = inbox.fill(&self.socket);
        self.calls.receive += 1;
        let now = Instant::now();
        for (from, bytes) in inbox.iter() {
            self.shard.handle(now, Input::Packet { from, bytes });
        }
        more
    }

    /// Send and report until there is nothing more to do. Returns when there will be.
    fn flush(&mut self, sender: &mut Sender) -> Option<Instant> {
        loop {
            let deadline = loop {
                match self.shard.poll_output() {
                    Output::Timeout(deadline) => break Some(deadline),
                    Output::Event(event) => self.events.push(event),
                    Output::HangUp(with) => self.streams.hang_up(with),
                    Output::Transmit(outgoing) => {
                        let lane = match outgoing.wire {
                            Wire::Udp => &mut sender.batch,
                            Wire::Tcp => &mut sender.framed,
                        };
                        lane.push(outgoing);
                        if lane.len() == SEND_BATCH {
                            break None;
                        }
                    }
                }
            };
            self.send(sender);
            // A connection may turn out to be gone.
            let may_bring_more = !sender.framed.is_empty();
            for outgoing in sender.framed.drain(..) {
                if self.mailbox.is_urgent() {
                    self.obey_urgent();
                }
                self.streams.send(&mut self.shard, outgoing);
            }
            if let Some(deadline) = deadline
                && !may_bring_more
            {
                return deadline;
            }
        }
    }

    /// Send a batch. Its leases are asked right before each call, after whatever stops media has been obeyed.
    fn send(&mut self, sender: &mut Sender) {
        while !sender.batch.is_empty() {
            if self.mailbox.is_urgent() {
                self.obey_urgent();
            }
            let now = Instant::now();
            sender.batch.retain(|outgoing| {
                let may_leave = self.shard.may_send(outgoing, now);
                if !may_leave {
                    self.shard.withheld(outgoing);
                }
                may_leave
            });
            if sender.batch.is_empty() {
                return;
            }
            let sent = sender.outbox.send(&self.socket, &sender.batch);
            self.calls.send += 1;
            let at = Instant::now();
            for (index, outgoing) in sender.batch.drain(..sent.done).enumerate() {
                if index < sent.left {
                    self.shard.sent(&outgoing, at);
                }
            }
        }
    }

    fn publish(&self) {
        if let Ok(mut status) = self.status.lock() {
            *status = Status {
                counters: self.shard.counters(),
                calls: self.calls,
                rooms: self.shard.room_count(),
                seats: self.shard.seat_count(),
                connections: self.streams.accepted(),
            };
        }
    }
}
