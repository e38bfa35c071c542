//! Shards on threads, and the one door to them. Safe to call from any thread; only [`Engine::offer`] waits.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use str0m::config::DtlsCert;
use str0m::crypto::from_feature_flags;

use crate::allocator::Wish;
use crate::command::{Command, Renegotiated, Reply, Transport};
use crate::driver::Status;
use crate::error::SfuError;
use crate::event_log::EventLog;
use crate::launch::{Config, ShardHandle, start_shard};
use crate::lease::Terms;
use crate::sdp::{Offer, build_session, lines, mids};
use crate::system::anchor_clock;
use crate::units::{ClockAnchor, LeaseId, RoomId, UserId};

/// Rooms per engine.
const MAX_ROOMS: usize = 100_000;

/// Leases of a room over its life.
const MAX_LEASES_PER_ROOM: usize = 4_096;

/// How long a shard may take to answer an offer before it counts as hanging.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What the door needs to know of a room in order to refuse at once.
struct RoomEntry {
    shard: usize,
    seats: HashSet<UserId>,
    leases: HashSet<LeaseId>,
}

/// An SFU. See the module's documentation.
pub struct Engine {
    shards: Vec<ShardHandle>,
    rooms: Mutex<HashMap<RoomId, RoomEntry>>,
    events: Arc<EventLog>,
    anchor: ClockAnchor,
    certificate: DtlsCert,
    max_seats_per_room: usize,
}

impl Engine {
    /// Bind the ports and start the threads.
    pub fn start(config: &Config) -> Result<Self, SfuError> {
        let unavailable = |what| move |_: std::io::Error| SfuError::Unavailable(what);
        let certificate = from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .ok_or(SfuError::Unavailable("a certificate cannot be made"))?;
        let events = Arc::new(EventLog::new().map_err(unavailable("no eventfd"))?);
        let mut shards = Vec::new();
        for index in 0..config.shards.max(1) {
            shards.push(start_shard(config, index, &events)?);
        }
        Ok(Self {
            shards,
            rooms: Mutex::default(),
            events,
            anchor: anchor_clock(),
            certificate,
            max_seats_per_room: config.max_seats_per_room,
        })
    }

    /// The port of each shard, of UDP and of TCP.
    pub fn ports(&self) -> Vec<u16> {
        self.shards.iter().map(|shard| shard.port).collect()
    }

    pub fn events(&self) -> &EventLog {
        &self.events
    }

    pub fn anchor(&self) -> ClockAnchor {
        self.anchor
    }

    pub fn statuses(&self) -> Vec<Status> {
        let read =
            |shard: &ShardHandle| *shard.status.lock().unwrap_or_else(PoisonError::into_inner);
        self.shards.iter().map(read).collect()
    }

    /// Place a room on the shard with the fewest.
    pub fn open_room(&self, room: RoomId) -> Result<(), SfuError> {
        let mut rooms = self.lock();
        if rooms.contains_key(&room) {
            return Ok(());
        }
        self.refuse_when_full()?;
        if rooms.len() >= MAX_ROOMS {
            return Err(SfuError::Overloaded("too many rooms"));
        }
        let mut loads = vec![0_usize; self.shards.len()];
        for entry in rooms.values() {
            if let Some(load) = loads.get_mut(entry.shard) {
                *load += 1;
            }
        }
        let shard = (0..loads.len())
            .min_by_key(|index| loads[*index])
            .unwrap_or(0);
        self.post(shard, Command::OpenRoom { room: room.clone() })?;
        rooms.insert(
            room,
            RoomEntry {
                shard,
                seats: HashSet::new(),
                leases: HashSet::new(),
            },
        );
        Ok(())
    }

    pub fn close_room(&self, room: RoomId) -> Result<(), SfuError> {
        let mut rooms = self.lock();
        let Some(shard) = rooms.get(&room).map(|entry| entry.shard) else {
            return Ok(());
        };
        self.post(shard, Command::CloseRoom { room: room.clone() })?;
        rooms.remove(&room);
        Ok(())
    }

    pub fn open_lease(
        &self,
        room: RoomId,
        lease: LeaseId,
        payer: Option<UserId>,
        payee: Option<UserId>,
    ) -> Result<(), SfuError> {
        let mut rooms = self.lock();
        let entry = rooms.get_mut(&room).ok_or(SfuError::RoomUnknown)?;
        if !entry.leases.contains(&lease) && entry.leases.len() >= MAX_LEASES_PER_ROOM {
            return Err(SfuError::Overloaded("too many leases in the room"));
        }
        entry.leases.insert(lease.clone());
        self.post(
            entry.shard,
            Command::OpenLease {
                room,
                lease,
                payer,
                payee,
            },
        )
    }

    pub fn open_seat(
        &self,
        room: RoomId,
        user: UserId,
        lease: LeaseId,
        may_publish: bool,
    ) -> Result<(), SfuError> {
        let mut rooms = self.lock();
        let entry = rooms.get_mut(&room).ok_or(SfuError::RoomUnknown)?;
        if !entry.seats.contains(&user) {
            self.refuse_when_full()?;
            if entry.seats.len() >= self.max_seats_per_room {
                return Err(SfuError::Overloaded("the room is full"));
            }
            entry.seats.insert(user.clone());
        }
        entry.leases.insert(lease.clone());
        self.post(
            entry.shard,
            Command::OpenSeat {
                room,
                user,
                lease,
                may_publish,
            },
        )
    }

    pub fn close_seat(&self, room: RoomId, user: UserId) -> Result<(), SfuError> {
        let mut rooms = self.lock();
        let Some(entry) = rooms.get_mut(&room) else {
            return Ok(());
        };
        entry.seats.remove(&user);
        self.post(entry.shard, Command::CloseSeat { room, user })
    }

    /// Say what a user wishes to receive of another.
    pub fn subscribe(
        &self,
        room: RoomId,
        user: UserId,
        of: UserId,
        wish: Wish,
    ) -> Result<(), SfuError> {
        self.post_to_room(room, |room| Command::Subscribe {
            room,
            user,
            of,
            wish,
        })
    }

    /// Extend a lease; its time counts from this call.
    pub fn grant(&self, room: RoomId, lease: LeaseId, terms: Terms) -> Result<(), SfuError> {
        let received_at = Instant::now();
        self.post_to_room(room, |room| Command::Grant {
            room,
            lease,
            received_at,
            terms,
        })
    }

    pub fn revoke(&self, room: RoomId, lease: LeaseId) -> Result<(), SfuError> {
        self.post_to_room(room, |room| Command::Revoke { room, lease })
    }

    pub fn close_lease(&self, room: RoomId, lease: LeaseId) -> Result<(), SfuError> {
        self.post_to_room(room, |room| Command::CloseLease { room, lease })
    }

    pub fn cut_seat(&self, room: RoomId, user: UserId) -> Result<(), SfuError> {
        self.post_to_room(room, |room| Command::CutSeat { room, user })
    }

    /// Answer an offer. Takes milliseconds and waits for the shard: not for a thread that must not wait.
    pub fn offer(&self, room: RoomId, user: UserId, sdp: &str) -> Result<String, SfuError> {
        let shard = {
            let rooms = self.lock();
            let entry = rooms.get(&room).ok_or(SfuError::SeatUnknown)?;
            if !entry.seats.contains(&user) {
                return Err(SfuError::SeatUnknown);
            }
            entry.shard
        };
        let offer = Box::new(Offer::parse(sdp)?);
        let tried = self.ask(shard, |reply| Command::Renegotiate {
            room: room.clone(),
            user: user.clone(),
            offer,
            reply,
        })?;
        let offer = match tried {
            Renegotiated::Answer(answer) => return answer,
            Renegotiated::NewSession(offer) => offer,
        };
        let candidates = self
            .shards
            .get(shard)
            .map(|shard| shard.candidates.clone())
            .unwrap_or_default();
        let mut rtc = build_session(Instant::now(), self.certificate.clone(), &candidates)?;
        let fingerprint = offer.fingerprint().to_owned();
        let answer = offer.accept(&mut rtc)?;
        let lines = lines(&mut rtc, &mids(&answer));
        let transport = Transport {
            rtc: Box::new(rtc),
            lines,
            fingerprint,
        };
        self.ask(shard, |reply| Command::Attach {
            room,
            user,
            transport,
            reply,
        })??;
        Ok(answer)
    }

    /// Stop the threads and close the ports.
    pub fn close(&self) {
        for shard in &self.shards {
            shard.mailbox.close();
        }
        self.shards.iter().for_each(ShardHandle::join);
    }

    fn ask<T>(
        &self,
        shard: usize,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, SfuError> {
        let (reply, answer) = sync_channel(1);
        self.post(shard, command(reply))?;
        answer
            .recv_timeout(ANSWER_WITHIN)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => SfuError::Unavailable("it does not answer"),
                RecvTimeoutError::Disconnected => SfuError::Unavailable("it is closed"),
            })
    }

    fn post_to_room(
        &self,
        room: RoomId,
        command: impl FnOnce(RoomId) -> Command,
    ) -> Result<(), SfuError> {
        // Posted under the lock, so that it stays in order with the room's opening and closing.
        let rooms = self.lock();
        match rooms.get(&room) {
            Some(entry) => self.post(entry.shard, command(room)),
            None => Ok(()),
        }
    }

    fn post(&self, shard: usize, command: Command) -> Result<(), SfuError> {
        self.shards
            .get(shard)
            .ok_or(SfuError::Unavailable("there is no such shard"))?
            .mailbox
            .post(command)
    }

    fn refuse_when_full(&self) -> Result<(), SfuError> {
        if self.events.is_full() {
            return Err(SfuError::Overloaded("nobody fetches its events"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, RoomEntry>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}
