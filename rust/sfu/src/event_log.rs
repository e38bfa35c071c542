//! Events of all shards, numbered from 1, kept until they are acknowledged.
//!
//! Levels (the meter, who is on which slot, who speaks, figures) coalesce while nobody has fetched them: only the newest
//! counts. Edges (leases ended, media flowing, transports) are never dropped; when too many wait, the engine takes no
//! new rooms.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::{Event, What};
use crate::system::Wake;
use crate::units::{EventNumber, LeaseId, RoomId, UserId};

/// Events that wait to be fetched or acknowledged before new rooms and seats are refused.
pub const MAX_WAITING: usize = 65_536;

/// What an event is the newest state of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Level {
    Meter(RoomId, LeaseId),
    Tracks(RoomId, UserId),
    Speaker(RoomId, UserId),
    Stats(RoomId, UserId),
    /// A transport is an edge, and becomes a level only when the log is over its bound: flapping must not fill memory.
    Transport(RoomId, UserId),
}

#[derive(Default)]
struct Log {
    /// Not fetched yet: by order of arrival.
    pending: BTreeMap<u64, Event>,
    levels: HashMap<Level, u64>,
    arrivals: u64,
    /// Fetched, not acknowledged.
    kept: BTreeMap<EventNumber, Event>,
    numbered: u64,
}

/// The engine's log of events, shared by its shards and its reader.
pub struct EventLog {
    log: Mutex<Log>,
    wake: Wake,
}

impl EventLog {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            log: Mutex::default(),
            wake: Wake::new()?,
        })
    }

    /// Raised whenever there is something to fetch.
    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    pub fn push(&self, event: Event) {
        self.lock().push(event);
        self.wake.raise();
    }

    /// Up to `limit` events numbered above `after`, in order.
    pub fn fetch(&self, after: EventNumber, limit: usize) -> Vec<(EventNumber, Event)> {
        let mut log = self.lock();
        log.number(limit);
        let above = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        log.kept
            .range(above)
            .take(limit)
            .map(|(number, event)| (*number, event.clone()))
            .collect()
    }

    /// Forget events up to and including `number`.
    pub fn acknowledge(&self, number: EventNumber) {
        let mut log = self.lock();
        log.kept = log.kept.split_off(&EventNumber(number.0.saturating_add(1)));
    }

    pub fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // A panic while the log is held leaves at worst an event out; to stop all events would be worse.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn push(&mut self, event: Event) {
        let place = self.arrivals;
        self.arrivals += 1;
        if let Some(level) = self.level(&event)
            && let Some(older) = self.levels.insert(level, place)
        {
            self.pending.remove(&older);
        }
        self.pending.insert(place, event);
    }

    /// Give numbers to the oldest pending events, so that `limit` more can be fetched.
    fn number(&mut self, limit: usize) {
        for _ in 0..limit {
            let Some((_, event)) = self.pending.pop_first() else {
                break;
            };
            self.numbered += 1;
            self.kept.insert(EventNumber(self.numbered), event);
        }
        let pending = &self.pending;
        self.levels.retain(|_, place| pending.contains_key(place));
    }

    fn level(&self, event: &Event) -> Option<Level> {
        let room = event.room.clone();
        match &event.what {
            What::MeterRead { lease, .. } => Some(Level::Meter(room, lease.clone())),
            What::TracksChanged { user, .. } => Some(Level::Tracks(room, user.clone())),
            What::SpeakerChanged { user, .. } => Some(Level::Speaker(room, user.clone())),
            What::StatsSampled { user, .. } => Some(Level::Stats(room, user.clone())),
            What::TransportChanged { user, .. } if self.is_full() => {
                Some(Level::Transport(room, user.clone()))
            }
            _ => None,
        }
    }

    fn is_full(&self) -> bool {
        self.pending.len() + self.kept.len() >= MAX_WAITING
    }
}
