//! Who is on whose slots.

use str0m::media::MediaKind;
use str0m::rtp::Extension;

use super::Shard;
use crate::allocator::{Height, Why};
use crate::event::{SlotState, What};
use crate::incumbents::NameIds;
use crate::layers::rung_height;
use crate::sdp::{self, Line};
use crate::seat::{Link, SeatKey, Slot, SourceId, Subscriber};
use crate::slots::{Offered, Place, assign};
use crate::units::RoomId;

impl Shard {
    /// Take over the m-lines of a session and tell the user about its slots.
    pub(super) fn set_lines(&mut self, key: SeatKey, lines: Vec<Line>) {
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let Some(link) = seat.link.as_mut() else {
            return;
        };
        let mids: Vec<_> = lines.iter().map(|line| line.mid).collect();
        link.set_lines(lines);
        // If the session is gone, driving it says so.
        let _ = link.make_padding();
        let negotiated = link.peer.with(|rtc| {
            let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
            let ids = |extension| sdp::extension_ids(rtc, &mids, extension);
            let names = NameIds {
                mid: ids(Extension::RtpMid),
                rid: ids(Extension::RtpStreamId),
            };
            (ufrag, ids(Extension::TransportSequenceNumber), names)
        });
        if let Ok((ufrag, ids, names)) = negotiated {
            self.routes.bind_ufrag(key, &mut link.known, ufrag);
            link.transport_seqs.ids = ids;
            link.incumbents.ids = names;
        }
        let room = seat.room.clone();
        self.reassign(&room);
        self.tell_tracks(key);
    }

    /// Fill free slots and empty those whose source is gone, for everybody in the room.
    pub(super) fn reassign(&mut self, room: &RoomId) {
        let Some(seats) = self
            .rooms
            .get(room)
            .map(|room| room.seats().collect::<Vec<_>>())
        else {
            return;
        };
        let sources: Vec<Offered<SourceId>> = seats
            .iter()
            .flat_map(|seat| self.sources_of(*seat))
            .collect();
        for source in &sources {
            if let Some(track) = self.track_mut(source.source) {
                track.subscribers.clear();
            }
        }
        for seat in seats {
            self.reassign_seat(seat, &sources);
        }
    }

    fn sources_of(&self, key: SeatKey) -> Vec<Offered<SourceId>> {
        let Some(seat) = self
            .seats
            .get(key)
            .filter(|seat| seat.may_publish && !seat.cut)
        else {
            return Vec::new();
        };
        let tracks = seat.link.iter().flat_map(|link| link.tracks.iter());
        tracks
            .map(|track| Offered {
                kind: track.kind,
                source: SourceId {
                    seat: key,
                    mid: track.mid,
                },
            })
            .collect()
    }

    fn reassign_seat(&mut self, key: SeatKey, sources: &[Offered<SourceId>]) {
        let Some(link) = self.seats.get(key).and_then(|seat| seat.link.as_ref()) else {
            return;
        };
        let others: Vec<_> = sources
            .iter()
            .filter(|offer| offer.source.seat != key)
            .copied()
            .collect();
        let mut places: Vec<_> = link
            .slots
            .iter()
            .map(|slot| Place {
                kind: slot.kind,
                source: slot.source,
            })
            .collect();
        let fits = |index: usize, source: SourceId| {
            let params = self.track(source).and_then(|track| track.params);
            params.is_some_and(|params| {
                link.slots
                    .get(index)
                    .is_some_and(|slot| slot.pt_of(params).is_some())
            })
        };
        let changed = assign(&mut places, &others, fits);
        for (slot, place) in places.iter().enumerate() {
            self.set_source(Subscriber { seat: key, slot }, place.source);
        }
        if changed {
            self.choose_layers(key, None);
            self.tell_tracks(key);
        }
    }

    /// Put a source on a slot, or confirm it.
    fn set_source(&mut self, subscriber: Subscriber, source: Option<SourceId>) {
        let metered = source.is_some_and(|source| self.is_metered(subscriber.seat, source.seat));
        let params = source
            .and_then(|source| self.track(source))
            .and_then(|track| track.params);
        let Some(slot) = self.slot_mut(subscriber) else {
            return;
        };
        let is_new = slot.source != source;
        slot.source = source;
        slot.metered = metered;
        slot.set_codec(params);
        if is_new {
            slot.stop();
            slot.target = None;
            slot.paused = None;
        }
        let Some(source) = source else { return };
        if let Some(track) = self.track_mut(source) {
            track.subscribers.push(subscriber);
        }
        // One that comes before the subscriber can receive would only hold up the next.
        if is_new
            && self
                .seats
                .get(subscriber.seat)
                .is_some_and(|seat| seat.is_connected())
        {
            self.want_keyframe(source, None);
        }
    }

    /// Whether what `to` receives of `from` is what the payer pays for.
    fn is_metered(&self, to: SeatKey, from: SeatKey) -> bool {
        let (Some(to), Some(from)) = (self.seats.get(to), self.seats.get(from)) else {
            return false;
        };
        self.leases.get(to.lease).is_some_and(|held| {
            held.payer.as_ref() == Some(&to.user) && held.payee.as_ref() == Some(&from.user)
        })
    }

    /// Tell a user about all slots.
    pub(super) fn tell_tracks(&mut self, key: SeatKey) {
        let Some(seat) = self.seats.get(key) else {
            return;
        };
        let Some(link) = seat.link.as_ref() else {
            return;
        };
        let slots = link.slots.iter().map(|slot| {
            let (height, paused) = self.shown(key, slot);
            SlotState {
                mid: slot.mid,
                kind: slot.kind,
                from: slot.source.and_then(|source| {
                    let user = self.seats.get(source.seat).map(|seat| seat.user.clone())?;
                    Some((user, self.track(source)?.name))
                }),
                height,
                paused,
            }
        });
        let slots: Vec<_> = slots.collect();
        let (room, user) = (seat.room.clone(), seat.user.clone());
        if let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) {
            for (slot, state) in link.slots.iter_mut().zip(&slots) {
                let before = std::mem::replace(&mut slot.told, (state.height, state.paused));
                let held_back = state.paused == Some(Why::Bandwidth);
                self.counters.held_back += u64::from(held_back && before.1 != state.paused);
            }
        }
        self.emit(room, What::TracksChanged { user, slots });
    }

    /// What a slot shows: the lines of its picture, and why it stands still.
    pub(super) fn shown(&self, key: SeatKey, slot: &Slot) -> (Option<Height>, Option<Why>) {
        let Some(source) = slot.source else {
            return (None, None);
        };
        if !self.is_open(key) || !self.is_open(source.seat) {
            return (None, Some(Why::Lease));
        }
        if slot.paused.is_some() {
            return (None, slot.paused);
        }
        let height = slot.rewriter.current().and_then(|tag| {
            let track = self.track(source)?;
            let layer = track.layers.iter().find(|layer| layer.tag == tag)?;
            let nominal = || {
                let level = track.ladder.iter().position(|known| *known == tag)?;
                Some(rung_height(level))
            };
            layer.height.or_else(nominal)
        });
        (height, None)
    }

    pub(super) fn track(&self, source: SourceId) -> Option<&crate::track::Track> {
        self.seats
            .get(source.seat)?
            .link
            .as_ref()?
            .track(source.mid)
    }

    pub(super) fn track_mut(&mut self, source: SourceId) -> Option<&mut crate::track::Track> {
        self.seats
            .get_mut(source.seat)?
            .link
            .as_mut()?
            .track_mut(source.mid)
    }

    pub(super) fn link_mut(&mut self, key: SeatKey) -> Option<&mut Link> {
        self.seats.get_mut(key)?.link.as_mut()
    }

    pub(super) fn slot_mut(&mut self, subscriber: Subscriber) -> Option<&mut Slot> {
        self.seats
            .get_mut(subscriber.seat)?
            .link
            .as_mut()?
            .slots
            .get_mut(subscriber.slot)
    }

    /// Ask for keyframes of everything a seat sends and receives.
    pub(super) fn want_keyframes_around(&mut self, key: SeatKey) {
        let Some(link) = self.seats.get(key).and_then(|seat| seat.link.as_ref()) else {
            return;
        };
        let own = link.tracks.iter().flat_map(|track| {
            let source = SourceId {
                seat: key,
                mid: track.mid,
            };
            track
                .layers
                .iter()
                .map(move |layer| (source, Some(layer.tag)))
        });
        let watched = link
            .slots
            .iter()
            .filter(|slot| slot.kind == MediaKind::Video)
            .filter_map(|slot| Some((slot.source?, slot.target)));
        let wanted: Vec<_> = own.chain(watched).collect();
        wanted
            .into_iter()
            .for_each(|(source, chosen)| self.want_keyframe(source, chosen));
    }
}
