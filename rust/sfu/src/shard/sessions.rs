//! Sessions on seats: where their datagrams go, whether they are still there, when they are dropped.

use std::time::Duration;

use str0m::media::Mid;
use str0m::net::{Receive, Transmit};
use str0m::rtp::Ssrc;

use super::paths::{Datagram, classify};
use super::{Gate, HOLD, MAX_DATAGRAM, Outgoing, Shard};
use crate::command::Transport;
use crate::consent::Heard;
use crate::error::SfuError;
use crate::event::What;
use crate::path::Path;
use crate::peer::{Drained, Gone, Peer};
use crate::route::local_ufrag;
use crate::sdp::{self, Offer};
use crate::seat::{GRACE, Link, SeatKey};
use crate::speaker::TURN;

/// Sessions are driven by their timers at most this often.
pub(super) const MIN_STEP: Duration = Duration::from_millis(1);

impl Shard {
    pub(super) fn receive(&mut self, from: Path, bytes: &[u8]) {
        self.counters.packets_in += 1;
        if self.route(from, bytes).is_none() {
            self.counters.packets_refused += 1;
        }
    }

    /// Find the seat and hand the datagram to its session. `None` if there is none, or it is not wanted.
    fn route(&mut self, from: Path, bytes: &[u8]) -> Option<()> {
        let datagram = classify(bytes).filter(|_| bytes.len() <= MAX_DATAGRAM)?;
        let bound = self.routes.by_address(from);
        // Of a stranger only a check is looked at, and only one that names a session.
        let key = match datagram {
            // A client that starts anew from the same port is another session's.
            Datagram::Check => local_ufrag(bytes)
                .and_then(|ufrag| self.routes.by_ufrag(ufrag))
                .or(bound)?,
            _ => bound?,
        };
        let now = self.now;
        let local = self.reached_at(from.address);
        let link = self.seats.get_mut(key)?.link.as_mut()?;
        let is_proven = matches!(datagram, Datagram::Rtp(stream) if link.incumbents.has(stream));
        let budget = match datagram {
            Datagram::Check => &mut link.budgets.checks,
            Datagram::Dtls => &mut link.budgets.handshakes,
            Datagram::Rtcp => &mut link.budgets.reports,
            Datagram::Rtp(_) if is_proven => &mut link.budgets.media,
            Datagram::Rtp(_) => &mut link.budgets.unproven,
        };
        if !budget.take(now) {
            return None;
        }
        if matches!(datagram, Datagram::Rtp(_)) {
            let is_forged = !is_proven && link.incumbents.refuse(now, bytes);
            if is_forged || !link.transport_seqs.admit(bytes) {
                return None;
            }
        }
        let receive = Receive::new(from.wire.into(), from.address, local, bytes).ok()?;
        let input = str0m::Input::Receive(now, receive);
        if datagram == Datagram::Check {
            if !link.peer.accepts(&input) {
                return None;
            }
            self.routes.bind_address(key, &mut link.known, from);
            link.consent.heard(now, Heard::Proof);
        } else if datagram == Datagram::Rtcp {
            link.consent.heard(now, Heard::Hint);
        }
        let mut drained = std::mem::take(&mut self.drained);
        let result = link.peer.receive(input, &mut drained);
        if let Datagram::Rtp(stream) = datagram
            && !drained.packets.is_empty()
        {
            link.incumbents.heard(now, stream, bytes);
            link.transport_seqs.count(bytes);
            link.consent.heard(now, Heard::Proof);
        }
        self.settle(key, drained, result);
        Some(())
    }

    /// Send what was written to a seat.
    pub(super) fn flush_seat(&mut self, key: SeatKey) {
        let now = self.now;
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        seat.touched = false;
        let Some(link) = seat.link.as_mut() else {
            return;
        };
        let mut drained = std::mem::take(&mut self.drained);
        let result = link.peer.elapse(now, &mut drained);
        self.settle(key, drained, result);
    }

    /// Mark a seat as written to.
    pub(super) fn touch(&mut self, key: SeatKey) {
        if let Some(seat) = self.seats.get_mut(key)
            && !seat.touched
        {
            seat.touched = true;
            self.touched.push(key);
        }
    }

    /// Mark a seat as written to by somebody whom many receive.
    pub(super) fn touch_later(&mut self, key: SeatKey) {
        if let Some(seat) = self.seats.get_mut(key)
            && !seat.touched
        {
            seat.touched = true;
            self.held.push(key);
            self.held_until
                .get_or_insert(self.now.max(self.let_go_at + HOLD));
        }
    }

    /// Act on what draining a session brought.
    fn settle(&mut self, key: SeatKey, mut drained: Drained, result: Result<(), Gone>) {
        self.post(key, drained.transmits.drain(..));
        self.watch(key, &mut drained);
        if result.is_err() {
            self.discard(key);
        } else {
            self.note_state(key, &drained);
            for packet in drained.packets.drain(..) {
                self.forward(key, packet);
            }
            self.pass_on_wishes(key, &drained.keyframes_wanted);
            self.tell_stats(key, &drained.counted);
            self.arm_seat(key);
        }
        drained.clear();
        self.drained = drained;
    }

    fn pass_on_wishes(&mut self, key: SeatKey, mids: &[Mid]) {
        if mids.is_empty() || !self.is_open(key) {
            return;
        }
        for mid in mids {
            let slots = self
                .seats
                .get(key)
                .and_then(|seat| seat.link.as_ref())
                .map(|link| &link.slots);
            let source = slots
                .and_then(|slots| slots.iter().find(|slot| slot.mid == *mid))
                .and_then(|slot| Some((slot.source?, slot.target)));
            if let Some((source, chosen)) = source {
                self.want_keyframe(source, chosen);
            }
        }
    }

    /// Put datagrams on the way, each with its gate.
    fn post(&mut self, key: SeatKey, transmits: impl Iterator<Item = Transmit>) {
        let Some(seat) = self.seats.get(key) else {
            return;
        };
        let Some(held) = self.leases.get(seat.lease) else {
            return;
        };
        let open = held.lease.is_open(self.now) && !seat.cut;
        let metered = |stream: Ssrc| {
            let link = held.payer.as_ref().and(seat.link.as_ref());
            link.is_some_and(|link| {
                link.slots
                    .iter()
                    .any(|slot| slot.metered && slot.ssrc == stream)
            })
        };
        for transmit in transmits {
            let gate = match classify(&transmit.contents) {
                Some(Datagram::Rtp(_)) if !open => {
                    self.counters.media_denied += 1;
                    continue;
                }
                Some(Datagram::Rtp(stream)) => Gate::Media {
                    lease: seat.lease,
                    metered: metered(stream),
                },
                _ => Gate::Signalling,
            };
            self.outbox.push_back(Outgoing {
                to: transmit.destination,
                wire: transmit.proto.into(),
                bytes: transmit.contents,
                gate,
                seat: key,
            });
        }
    }

    fn note_state(&mut self, key: SeatKey, drained: &Drained) {
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        link.established |= drained.connected;
        if drained.disconnected {
            self.lose(key);
            return;
        }
        let heard = link
            .lost_at
            .is_none_or(|lost_at| link.consent.heard_since(lost_at));
        if link.established && !link.connected && heard && !link.consent.is_lost(self.now) {
            self.find(key);
        }
    }

    /// A timer of a seat came up. Mostly a packet has moved the deadline meanwhile, and with it what was due.
    pub(super) fn turn_to_seat(&mut self, key: SeatKey) {
        let is_due = self
            .seats
            .get(key)
            .and_then(|seat| seat.deadline(self.turns, self.now))
            .is_some_and(|deadline| deadline <= self.now);
        if is_due {
            self.elapse_seat(key);
        } else {
            self.arm_seat(key);
        }
    }

    fn elapse_seat(&mut self, key: SeatKey) {
        let now = self.now;
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        if link.lost_at.is_some_and(|lost_at| now >= lost_at + GRACE) {
            self.discard(key);
            return;
        }
        if link.lost_at.is_none() && link.consent.is_lost(now) {
            self.lose(key);
        }
        self.renew_wishes(key);
        self.pad(key);
        self.flush_seat(key);
    }

    /// The other side fell silent: nothing is sent to it until it is heard again.
    pub(super) fn lose(&mut self, key: SeatKey) {
        let now = self.now;
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let Some(link) = seat.link.as_mut() else {
            return;
        };
        link.lost_at.get_or_insert(now);
        if std::mem::take(&mut link.connected) {
            let (room, user) = (seat.room.clone(), seat.user.clone());
            self.payer_lost(key);
            self.silence_seat(key);
            self.emit(
                room,
                What::TransportChanged {
                    user,
                    connected: false,
                },
            );
        }
    }

    /// The other side is there, or there again.
    fn find(&mut self, key: SeatKey) {
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let Some(link) = seat.link.as_mut() else {
            return;
        };
        link.connected = true;
        link.lost_at = None;
        let (room, user) = (seat.room.clone(), seat.user.clone());
        self.emit(
            room,
            What::TransportChanged {
                user,
                connected: true,
            },
        );
        self.want_keyframes_around(key);
    }

    /// A session is beyond use.
    pub(super) fn discard(&mut self, key: SeatKey) {
        self.counters.peers_discarded += 1;
        self.drop_link(key);
        if let Some(room) = self.seats.get(key).map(|seat| seat.room.clone()) {
            self.reassign(&room);
        }
    }

    /// Take the session off a seat and say so if it was connected.
    pub(super) fn drop_link(&mut self, key: SeatKey) {
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let Some(link) = seat.link.take() else { return };
        let (room, user) = (seat.room.clone(), seat.user.clone());
        self.hang_ups
            .extend(link.known.connections().map(|path| path.address));
        self.routes.forget(key, link.known);
        let was_connected = link.connected;
        link.peer.dispose();
        if was_connected {
            self.payer_lost(key);
            self.emit(
                room,
                What::TransportChanged {
                    user,
                    connected: false,
                },
            );
        }
    }

    /// Put a new session on a seat, in place of the one that may be there.
    pub(super) fn attach(&mut self, key: SeatKey, transport: Transport) {
        self.drop_link(key);
        let now = self.now;
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let link = Link::new(Peer::new(*transport.rtc, now), transport.fingerprint, now);
        seat.link = Some(link);
        self.look_at.get_or_insert(now + TURN);
        self.set_lines(key, transport.lines);
        self.flush_seat(key);
    }

    /// Negotiate an offer of the session that is on the seat: more slots, other tracks, an ICE restart.
    pub(super) fn negotiate_again(
        &mut self,
        key: SeatKey,
        offer: Offer,
    ) -> Result<String, SfuError> {
        let link = self
            .seats
            .get_mut(key)
            .and_then(|seat| seat.link.as_mut())
            .ok_or(SfuError::SeatUnknown)?;
        let negotiated = link.peer.negotiate(|rtc| {
            let answer = offer.accept_again(rtc)?;
            let lines = sdp::lines(rtc, &sdp::mids(&answer));
            Ok((answer, lines))
        });
        match negotiated {
            Ok(Ok((answer, lines))) => {
                self.set_lines(key, lines);
                self.flush_seat(key);
                Ok(answer)
            }
            Ok(Err(refusal)) => Err(refusal),
            Err(Gone) => {
                self.discard(key);
                Err(SfuError::SdpInvalid("the offer broke the session"))
            }
        }
    }
}
