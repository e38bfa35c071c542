//! The lease gate: what opens and shuts it, and the meter behind it.

use std::time::Instant;

use super::{Gate, Held, Outgoing, Shard, TimerKey};
use crate::event::What;
use crate::lease::{News, Terms};
use crate::seat::{LeaseKey, SeatKey};
use crate::units::{LeaseId, RoomId};

impl Shard {
    /// Whether a datagram may be handed to the kernel now. Ask right before the call.
    pub fn may_send(&self, outgoing: &Outgoing, now: Instant) -> bool {
        let seated = self.seats.get(outgoing.seat).is_some_and(|seat| !seat.cut);
        match outgoing.gate {
            Gate::Signalling => seated,
            Gate::Media { lease, .. } => {
                let held = self.leases.get(lease).filter(|_| seated);
                held.is_some_and(|held| held.lease.may_send(now))
            }
        }
    }

    /// The send call returned at `at`.
    pub fn sent(&mut self, outgoing: &Outgoing, at: Instant) {
        self.counters.packets_out += 1;
        let Gate::Media {
            lease: key,
            metered,
        } = outgoing.gate
        else {
            return;
        };
        let Some(held) = self.leases.get_mut(key) else {
            return;
        };
        held.lease.sent(at, metered, &mut self.news);
        if metered {
            self.now = self.now.max(at);
            self.tell(key);
            self.arm_lease(key);
        }
    }

    /// A datagram was not sent because its gate had shut.
    pub fn withheld(&mut self, _outgoing: &Outgoing) {
        self.counters.media_denied += 1;
    }

    pub(super) fn is_open(&self, seat: SeatKey) -> bool {
        self.seats
            .get(seat)
            .and_then(|seat| self.leases.get(seat.lease).filter(|_| !seat.cut))
            .is_some_and(|held| held.lease.is_open(self.now))
    }

    pub(super) fn hold(&mut self, room: RoomId, id: LeaseId) -> LeaseKey {
        let armed = Default::default();
        self.leases.insert(Held {
            room,
            id,
            lease: Default::default(),
            payer: None,
            payee: None,
            armed,
        })
    }

    pub(super) fn grant(&mut self, key: LeaseKey, received_at: Instant, terms: Terms) {
        // If it has run out meanwhile, that is said first.
        self.elapse_lease(key);
        let now = self.now;
        let Some(held) = self.leases.get_mut(key) else {
            return;
        };
        let was_open = held.lease.is_open(now);
        if !held.lease.grant(received_at, terms) {
            return;
        }
        held.lease.read(now, &mut self.news);
        let opens = !was_open && held.lease.is_open(now);
        self.tell(key);
        self.elapse_lease(key);
        if opens {
            self.resume(key);
        }
    }

    pub(super) fn revoke(&mut self, key: LeaseKey) {
        let now = self.now;
        if let Some(held) = self.leases.get_mut(key) {
            held.lease.revoke(now, &mut self.news);
            self.tell(key);
        }
    }

    pub(super) fn close_lease(&mut self, key: LeaseKey) {
        let now = self.now;
        if let Some(held) = self.leases.get_mut(key) {
            held.lease.close(now, &mut self.news);
            self.tell(key);
        }
    }

    pub(super) fn elapse_lease(&mut self, key: LeaseKey) {
        let now = self.now;
        if let Some(held) = self.leases.get_mut(key) {
            held.lease.elapse(now, &mut self.news);
            self.tell(key);
            self.arm_lease(key);
        }
    }

    /// The payer's session was lost: nothing of the time until it is back is billed.
    pub(super) fn payer_lost(&mut self, seat: SeatKey) {
        let now = self.now;
        let Some(seat) = self.seats.get(seat) else {
            return;
        };
        let key = seat.lease;
        if let Some(held) = self.leases.get_mut(key)
            && held.payer.as_ref() == Some(&seat.user)
        {
            held.lease.payer_lost(now, &mut self.news);
            self.tell(key);
        }
    }

    fn arm_lease(&mut self, key: LeaseKey) {
        if let Some(held) = self.leases.get_mut(key)
            && let Some(deadline) = held.lease.deadline()
        {
            self.timers
                .arm(TimerKey::Lease(key), &mut held.armed, deadline);
        }
    }

    /// Turn a lease's news into events, and an end into silence.
    fn tell(&mut self, key: LeaseKey) {
        if self.news.is_empty() {
            return;
        }
        let Some(held) = self.leases.get(key) else {
            return;
        };
        let (room, id) = (held.room.clone(), held.id.clone());
        let mut ended = false;
        for news in std::mem::take(&mut self.news) {
            let what = match news {
                News::Flowing(epoch) => What::MediaFlowing {
                    lease: id.clone(),
                    epoch,
                },
                News::Meter { billable, running } => What::MeterRead {
                    lease: id.clone(),
                    billable,
                    running,
                },
                News::Ended(end) => {
                    ended = true;
                    What::LeaseEnded {
                        lease: id.clone(),
                        ended: end,
                    }
                }
            };
            self.emit(room.clone(), what);
        }
        if ended {
            self.silence(&room, key);
        }
    }

    /// A lease has shut: drop what waits to be sent under it, and make its seats' streams forget what they sent.
    fn silence(&mut self, room: &RoomId, key: LeaseKey) {
        self.outbox
            .retain(|outgoing| !matches!(outgoing.gate, Gate::Media { lease, .. } if lease == key));
        for seat in self.seats_under(room, key) {
            self.silence_seat(seat);
            self.hang_up(seat);
        }
    }

    /// Stop the streams to and from a seat. Whatever resumes them starts at a keyframe.
    pub(super) fn silence_seat(&mut self, key: SeatKey) {
        // What was written but not drained goes through the shut gate now, not into a resend cache later.
        self.flush_seat(key);
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        let mut gone = false;
        for slot in &mut link.slots {
            slot.stop();
            gone |= link.peer.reset_stream(slot.ssrc).is_err();
        }
        let subscribers: Vec<_> = link
            .tracks
            .iter()
            .flat_map(|track| track.subscribers.iter().copied())
            .collect();
        for subscriber in subscribers {
            if let Some(slot) = self.slot_mut(subscriber) {
                slot.stop();
            }
        }
        if gone {
            self.discard(key);
        }
    }

    /// A lease has opened: its seats, and what they watch, begin with a keyframe.
    fn resume(&mut self, key: LeaseKey) {
        let Some(held) = self.leases.get(key) else {
            return;
        };
        for seat in self.seats_under(&held.room.clone(), key) {
            self.want_keyframes_around(seat);
        }
    }

    fn seats_under(&self, room: &RoomId, key: LeaseKey) -> Vec<SeatKey> {
        let seats = self
            .rooms
            .get(room)
            .into_iter()
            .flat_map(|room| room.seats());
        seats
            .filter(|seat| self.seats.get(*seat).is_some_and(|seat| seat.lease == key))
            .collect()
    }
}
