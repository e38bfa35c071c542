//! The shard core: rooms, and the packets between their seats. Sans-IO: no clock, no socket, no thread.
//!
//! Call [`Shard::handle`] with what happened and when, then [`Shard::poll_output`] until it says how long to wait.
//! Before each send call ask [`Shard::may_send`], and after it tell [`Shard::sent`].

mod choice;
mod commands;
mod delivery;
mod estimate;
mod gate;
mod media;
mod paths;
mod sessions;
mod sight;
mod tracks;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use slotmap::SlotMap;
use str0m::net::DatagramSend;

use crate::command::Command;
use crate::datagrams::Datagram;
use crate::event::{Event, What};
use crate::lease::{Lease, News};
use crate::path::{Path, Wire};
use crate::peer::Drained;
use crate::rewrite::StreamTag;
use crate::room::Room;
use crate::route::Routes;
use crate::seat::{LeaseKey, Seat, SeatKey};
pub use estimate::Chosen;

use crate::timers::{Armed, Timers, Turns};
use crate::units::{LeaseId, RoomId, UserId};

/// A datagram longer than this is none of ours: 1,400 bytes of payload and what RTP, its extensions and SRTP add.
pub const MAX_DATAGRAM: usize = 1_500;

/// Longest RTP payload forwarded: resends and our own extensions must fit str0m's buffer of 2,000 bytes.
pub const MAX_PAYLOAD: usize = 1_400;

/// Timers that come up are handled at most so many at a time, so that packets and commands get their turn.
const MAX_TIMERS_PER_TURN: usize = 256;

/// Packets that so many receive are written to all of them at once but let go only once in [`HOLD`], so that those which
/// come within it share their way: one drive of each session, one send call, one message where lengths are equal.
pub const HOLD_FROM: usize = 16;

/// From one letting go of packets that many receive to the next. The first after a pause leaves at once, and so does every
/// packet in smaller rooms.
pub const HOLD: Duration = Duration::from_millis(2);

/// What a shard is given.
pub enum Input<'a> {
    Packet {
        from: SocketAddr,
        bytes: &'a [u8],
    },
    /// A datagram that came in a frame of a TCP connection.
    Frame {
        from: SocketAddr,
        bytes: &'a [u8],
    },
    /// A TCP connection is gone.
    HungUp {
        from: SocketAddr,
    },
    Command(Command),
    Timeout,
}

/// What a shard gives.
pub enum Output {
    Transmit(Outgoing),
    Event(Event),
    /// Reset the TCP connection with this address, so that nothing of what it holds leaves any more.
    HangUp(SocketAddr),
    /// Nothing more until then, unless something happens.
    Timeout(Option<Instant>),
}

/// A datagram to send, if its gate still lets it.
pub struct Outgoing {
    pub to: SocketAddr,
    pub wire: Wire,
    pub bytes: DatagramSend,
    pub gate: Gate,
    seat: SeatKey,
}

impl Datagram for Outgoing {
    fn to(&self) -> SocketAddr {
        self.to
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a datagram needs in order to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// ICE, DTLS and RTCP: no lease.
    Signalling,
    /// Media: an open lease. `metered` says that it carries the payee's media to the payer.
    Media { lease: LeaseKey, metered: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TimerKey {
    Seat(SeatKey),
    Lease(LeaseKey),
}

/// A lease, where it belongs and whom it meters.
struct Held {
    room: RoomId,
    id: LeaseId,
    lease: Lease,
    payer: Option<UserId>,
    payee: Option<UserId>,
    armed: Armed,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub packets_in: u64,
    pub packets_out: u64,
    pub media_forwarded: u64,
    /// From nobody we know, malformed, too long or too many.
    pub packets_refused: u64,
    /// Media stopped by a lease, on the way in or out.
    pub media_denied: u64,
    pub peers_discarded: u64,
    /// Standstills of pictures that were forwarded, one per subscriber.
    pub freezes: u64,
    /// Pictures that began to be held back because a link would not carry them.
    pub held_back: u64,
}

/// Rooms and everything in them. See the module's documentation.
pub struct Shard {
    now: Instant,
    /// Where clients reach this shard: an answer's candidates.
    candidates: Vec<SocketAddr>,
    rooms: HashMap<RoomId, Room>,
    seats: SlotMap<SeatKey, Seat>,
    leases: SlotMap<LeaseKey, Held>,
    routes: Routes<SeatKey>,
    timers: Timers<TimerKey>,
    turns: Turns,
    touched: Vec<SeatKey>,
    /// Seats whose packets are held, and until when.
    held: Vec<SeatKey>,
    held_until: Option<Instant>,
    /// When held packets were let go last.
    let_go_at: Instant,
    /// When to look again at who speaks and what is shown; `None` while there is no session.
    look_at: Option<Instant>,
    outbox: VecDeque<Outgoing>,
    hang_ups: Vec<SocketAddr>,
    events: VecDeque<Event>,
    next_tag: u64,
    counters: Counters,
    drained: Drained,
    news: Vec<News>,
}

impl Shard {
    /// A shard that clients reach at `candidates` (at least one).
    pub fn new(now: Instant, candidates: Vec<SocketAddr>) -> Self {
        Self {
            now,
            candidates,
            rooms: HashMap::new(),
            seats: SlotMap::with_key(),
            leases: SlotMap::with_key(),
            routes: Routes::default(),
            timers: Timers::default(),
            turns: Turns::new(now),
            touched: Vec::new(),
            held: Vec::new(),
            held_until: None,
            let_go_at: now,
            look_at: None,
            outbox: VecDeque::new(),
            hang_ups: Vec::new(),
            events: VecDeque::new(),
            next_tag: 0,
            counters: Counters::default(),
            drained: Drained::default(),
            news: Vec::new(),
        }
    }

    /// Take in what happened at `now`.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Packet { from, bytes } => self.receive(Path::udp(from), bytes),
            Input::Frame { from, bytes } => self.receive(Path::tcp(from), bytes),
            Input::HungUp { from } => self.lose_path(Path::tcp(from)),
            Input::Command(command) => self.obey(command),
            Input::Timeout => self.elapse(),
        }
    }

    /// Get what there is to do. Drains the peers that were written to, one by one, so that sending starts with the
    /// first.
    pub fn poll_output(&mut self) -> Output {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Output::Event(event);
            }
            if let Some(with) = self.hang_ups.pop() {
                return Output::HangUp(with);
            }
            if let Some(outgoing) = self.outbox.pop_front() {
                return Output::Transmit(outgoing);
            }
            if let Some(key) = self.touched.pop() {
                self.flush_seat(key);
            } else if self.held_until.is_some_and(|until| until <= self.now) {
                self.held_until = None;
                self.let_go_at = self.now;
                self.touched.append(&mut self.held);
            } else {
                let deadlines = [self.timers.next(), self.held_until, self.look_at];
                return Output::Timeout(deadlines.into_iter().flatten().min());
            }
        }
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    pub fn seat_count(&self) -> usize {
        self.seats.len()
    }

    fn elapse(&mut self) {
        self.elapse_timers();
        // Last, as it waits for nobody and nobody for it.
        if self.look_at.is_some_and(|at| at <= self.now) {
            self.look();
        }
    }

    fn elapse_timers(&mut self) {
        for _ in 0..MAX_TIMERS_PER_TURN {
            let Some((key, at)) = self.timers.pop_due(self.now) else {
                return;
            };
            match key {
                TimerKey::Lease(key) => {
                    if self
                        .leases
                        .get_mut(key)
                        .is_some_and(|held| held.armed.fired(at))
                    {
                        self.elapse_lease(key);
                    }
                }
                TimerKey::Seat(key) => {
                    if self
                        .seats
                        .get_mut(key)
                        .is_some_and(|seat| seat.armed.fired(at))
                    {
                        self.turn_to_seat(key);
                    }
                }
            }
        }
    }

    fn emit(&mut self, room: RoomId, what: What) {
        self.events.push_back(Event {
            at: self.now,
            room,
            what,
        });
    }

    fn new_tag(&mut self) -> StreamTag {
        self.next_tag += 1;
        StreamTag(self.next_tag)
    }
}
