//! Obeying commands. Each is idempotent, and about something unknown it changes nothing.

use super::{Shard, TimerKey};
use crate::command::{Command, Renegotiated, Transport};
use crate::error::SfuError;
use crate::sdp::Offer;
use crate::seat::{Seat, SeatKey};
use crate::units::{LeaseId, RoomId, UserId};

impl Shard {
    /// Whether what the command is about is known here; if not, an earlier command may still be waiting.
    pub fn knows(&self, command: &Command) -> bool {
        match command {
            Command::Grant { room, lease, .. }
            | Command::Revoke { room, lease }
            | Command::CloseLease { room, lease } => self
                .rooms
                .get(room)
                .is_some_and(|room| room.lease(lease).is_some()),
            Command::CutSeat { room, user } => self
                .rooms
                .get(room)
                .is_some_and(|room| room.seat(user).is_some()),
            _ => true,
        }
    }

    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::OpenRoom { room } => {
                self.rooms.entry(room).or_default();
            }
            Command::CloseRoom { room } => self.close_room(&room),
            Command::OpenLease {
                room,
                lease,
                payer,
                payee,
            } => self.open_lease(room, lease, payer, payee),
            Command::OpenSeat {
                room,
                user,
                lease,
                may_publish,
            } => self.open_seat(room, user, lease, may_publish),
            Command::CloseSeat { room, user } => self.close_seat(&room, &user),
            Command::Subscribe {
                room,
                user,
                of,
                wish,
            } => self.subscribe(&room, &user, of, wish),
            Command::Renegotiate {
                room,
                user,
                offer,
                reply,
            } => {
                // Nobody may be waiting for the answer any more; then it is not needed.
                let _ = reply.send(self.renegotiate(&room, &user, offer));
            }
            Command::Attach {
                room,
                user,
                transport,
                reply,
            } => {
                let _ = reply.send(self.seat_transport(&room, &user, transport));
            }
            Command::Grant {
                room,
                lease,
                received_at,
                terms,
            } => {
                if let Some(key) = self.lease_key(&room, &lease) {
                    self.grant(key, received_at, terms);
                }
            }
            Command::Revoke { room, lease } => {
                if let Some(key) = self.lease_key(&room, &lease) {
                    self.revoke(key);
                }
            }
            Command::CloseLease { room, lease } => {
                if let Some(key) = self.lease_key(&room, &lease) {
                    self.close_lease(key);
                }
            }
            Command::CutSeat { room, user } => self.cut_seat(&room, &user),
            Command::RevokeAll => {
                let keys: Vec<_> = self.leases.keys().collect();
                keys.into_iter().for_each(|key| self.revoke(key));
            }
        }
    }

    fn lease_key(&self, room: &RoomId, lease: &LeaseId) -> Option<crate::seat::LeaseKey> {
        self.rooms.get(room)?.lease(lease)
    }

    fn seat_key(&self, room: &RoomId, user: &UserId) -> Option<SeatKey> {
        self.rooms.get(room)?.seat(user)
    }

    fn open_lease(
        &mut self,
        room: RoomId,
        lease: LeaseId,
        payer: Option<UserId>,
        payee: Option<UserId>,
    ) {
        let Some(key) = self.ensure_lease(&room, lease) else {
            return;
        };
        if let Some(held) = self.leases.get_mut(key)
            && held.payer.is_none()
            && held.payee.is_none()
        {
            held.payer = payer;
            held.payee = payee;
            self.reassign(&room);
        }
    }

    /// The lease, made denied if it was not opened yet: a seat under it waits in the dark.
    fn ensure_lease(&mut self, room: &RoomId, lease: LeaseId) -> Option<crate::seat::LeaseKey> {
        if let Some(key) = self.rooms.get(room)?.lease(&lease) {
            return Some(key);
        }
        let key = self.hold(room.clone(), lease.clone());
        self.rooms.get_mut(room)?.add_lease(lease, key);
        Some(key)
    }

    fn open_seat(&mut self, room: RoomId, user: UserId, lease: LeaseId, may_publish: bool) {
        let Some(lease) = self.ensure_lease(&room, lease) else {
            return;
        };
        if let Some(key) = self.seat_key(&room, &user) {
            self.rebind_seat(key, lease, may_publish);
            self.reassign(&room);
            return;
        }
        let key = self
            .seats
            .insert(Seat::new(room.clone(), user.clone(), lease, may_publish));
        if let Some(room) = self.rooms.get_mut(&room) {
            room.add_seat(user, key);
        }
    }

    fn rebind_seat(&mut self, key: SeatKey, lease: crate::seat::LeaseKey, may_publish: bool) {
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let moved = seat.lease != lease;
        seat.may_publish = may_publish;
        if moved {
            // Media of one lease must not pass under another.
            self.silence_seat(key);
            if let Some(seat) = self.seats.get_mut(key) {
                seat.lease = lease;
            }
            self.want_keyframes_around(key);
        }
    }

    fn close_seat(&mut self, room: &RoomId, user: &UserId) {
        let Some(key) = self.seat_key(room, user) else {
            return;
        };
        self.unseat(key);
        self.seats.remove(key);
        if let Some(room) = self.rooms.get_mut(room) {
            room.remove_seat(user);
        }
        self.reassign(room);
    }

    fn cut_seat(&mut self, room: &RoomId, user: &UserId) {
        let Some(key) = self.seat_key(room, user) else {
            return;
        };
        if let Some(seat) = self.seats.get_mut(key) {
            seat.cut = true;
        }
        self.unseat(key);
        self.reassign(room);
    }

    /// Take the session off a seat, with everything that waits to be sent to it.
    fn unseat(&mut self, key: SeatKey) {
        self.outbox.retain(|outgoing| outgoing.seat != key);
        self.drop_link(key);
    }

    fn close_room(&mut self, id: &RoomId) {
        let Some(room) = self.rooms.get(id) else {
            return;
        };
        let leases: Vec<_> = room.leases().collect();
        let seats: Vec<_> = room.seats().collect();
        for key in leases {
            self.close_lease(key);
            self.leases.remove(key);
        }
        for key in seats {
            self.unseat(key);
            self.seats.remove(key);
        }
        self.rooms.remove(id);
    }

    fn renegotiate(&mut self, room: &RoomId, user: &UserId, offer: Box<Offer>) -> Renegotiated {
        let Some(key) = self.seat_key(room, user) else {
            return Renegotiated::Answer(Err(SfuError::SeatUnknown));
        };
        match self.seats.get(key) {
            Some(seat) if seat.cut => Renegotiated::Answer(Err(SfuError::SeatUnknown)),
            Some(seat)
                if seat
                    .link
                    .as_ref()
                    .is_some_and(|link| link.fingerprint == offer.fingerprint()) =>
            {
                Renegotiated::Answer(self.negotiate_again(key, *offer))
            }
            _ => Renegotiated::NewSession(offer),
        }
    }

    fn seat_transport(
        &mut self,
        room: &RoomId,
        user: &UserId,
        transport: Transport,
    ) -> Result<(), SfuError> {
        let key = self.seat_key(room, user).ok_or(SfuError::SeatUnknown)?;
        if self.seats.get(key).is_none_or(|seat| seat.cut) {
            return Err(SfuError::SeatUnknown);
        }
        self.attach(key, transport);
        Ok(())
    }

    pub(super) fn arm_seat(&mut self, key: SeatKey) {
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        if let Some(deadline) = seat.deadline(self.turns, self.now) {
            // A session that wants to be driven at once was just driven: give others their turn in between.
            let deadline = deadline.max(self.now + super::sessions::MIN_STEP);
            self.timers
                .arm(TimerKey::Seat(key), &mut seat.armed, deadline);
        }
    }
}
