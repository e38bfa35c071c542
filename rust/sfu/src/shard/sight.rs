//! What a shard tells of what it forwards: who speaks, what changed on the slots, figures of each link. None of it is on
//! the packet path, and all of it is told at most a few times a second.

use str0m::media::{MediaKind, Mid};

use super::Shard;
use crate::allocator::BitRate;
use crate::event::What;
use crate::seat::{Link, SeatKey};
use crate::speaker::TURN;
use crate::stats::{Counted, SlotStats, pause};
use crate::units::RoomId;

impl Shard {
    /// Look at every room: who speaks, and what is shown differently. Comes up once in a [`TURN`] while anybody is
    /// connected.
    pub(super) fn look(&mut self) {
        let rooms: Vec<RoomId> = self.rooms.keys().cloned().collect();
        let mut is_used = false;
        for room in rooms {
            is_used |= self.look_at_room(&room);
        }
        self.look_at = is_used.then(|| self.now + TURN);
    }

    /// Returns whether there is a session in it.
    fn look_at_room(&mut self, id: &RoomId) -> bool {
        let seats: Vec<_> = self
            .rooms
            .get(id)
            .into_iter()
            .flat_map(|room| room.seats())
            .filter(|key| self.seats.get(*key).is_some_and(|seat| seat.link.is_some()))
            .collect();
        let heard: Vec<_> = seats
            .iter()
            .filter_map(|key| {
                let link = self.seats.get_mut(*key)?.link.as_mut()?;
                Some((*key, link.sight.voice.turn()))
            })
            .collect();
        let Some(room) = self.rooms.get_mut(id) else {
            return false;
        };
        let before = room.floor.last();
        room.floor.turn(&heard);
        let (speaker, last) = (room.floor.speaker(), room.floor.last());
        for key in &seats {
            if last != before {
                // The speaker comes first where bits are short.
                self.choose_layers(*key, None);
            }
            self.tell_speaker(*key, speaker);
            if self.shows_otherwise(*key) {
                self.tell_tracks(*key);
            }
        }
        !seats.is_empty()
    }

    /// Whether a seat's user is the one who spoke last in the room.
    pub(super) fn spoke_last(&self, key: SeatKey) -> bool {
        self.seats
            .get(key)
            .and_then(|seat| self.rooms.get(&seat.room))
            .is_some_and(|room| room.floor.last() == Some(key))
    }

    /// Tell a user who speaks, if that is news. Whoever may hear nobody is told of nobody.
    fn tell_speaker(&mut self, key: SeatKey, speaker: Option<SeatKey>) {
        let speaker = speaker.filter(|_| self.is_open(key));
        let name = speaker
            .and_then(|speaker| self.seats.get(speaker))
            .map(|seat| seat.user.clone());
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let Some(link) = seat.link.as_mut() else {
            return;
        };
        if link.sight.speaker_told == speaker {
            return;
        }
        link.sight.speaker_told = speaker;
        let (room, user) = (seat.room.clone(), seat.user.clone());
        self.emit(
            room,
            What::SpeakerChanged {
                user,
                speaker: name,
            },
        );
    }

    /// Whether a slot's height or pause is not as its user was told.
    fn shows_otherwise(&self, key: SeatKey) -> bool {
        let link = self.seats.get(key).and_then(|seat| seat.link.as_ref());
        link.is_some_and(|link| {
            let differs = |slot| self.shown(key, slot) != slot.told;
            link.slots.iter().any(differs)
        })
    }

    /// A session has counted: tell of it, unless that was just done. Where there are many, each has its turn.
    pub(super) fn tell_stats(&mut self, key: SeatKey, counted: &[Counted]) {
        if counted.is_empty() {
            return;
        }
        let now = self.now;
        let pause = pause(self.seats.len());
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        if link.sight.stats_told_at.is_some_and(|at| now < at + pause) {
            return;
        }
        let kinds: Vec<_> = kinds(link);
        let kind_of = |mid| {
            kinds
                .iter()
                .find(|(known, _)| *known == mid)
                .map(|(_, kind)| *kind)
        };
        let Some((mut stats, rates)) = link.sight.sampler.take(counted, kind_of) else {
            return;
        };
        stats.estimate = link.congestion.estimate();
        link.sight.stats_told_at = Some(now);
        let Some(seat) = self.seats.get(key) else {
            return;
        };
        stats.slots = self.slot_stats(key, &rates);
        let what = What::StatsSampled {
            user: seat.user.clone(),
            stats: Box::new(stats),
        };
        self.emit(seat.room.clone(), what);
    }

    /// Of the slots that show a picture, or would.
    fn slot_stats(&self, key: SeatKey, rates: &[(Mid, BitRate)]) -> Vec<SlotStats> {
        let link = self.seats.get(key).and_then(|seat| seat.link.as_ref());
        let slots = link.into_iter().flat_map(|link| &link.slots);
        slots
            .filter(|slot| slot.kind == MediaKind::Video && slot.source.is_some())
            .map(|slot| {
                let rate = rates.iter().find(|(mid, _)| *mid == slot.mid);
                SlotStats {
                    mid: slot.mid,
                    height: self.shown(key, slot).0,
                    rate: rate.map(|(_, rate)| *rate).unwrap_or_default(),
                    freezes: slot.pictures.freezes(),
                }
            })
            .collect()
    }
}

fn kinds(link: &Link) -> Vec<(Mid, MediaKind)> {
    let own = link.tracks.iter().map(|track| (track.mid, track.kind));
    own.chain(link.slots.iter().map(|slot| (slot.mid, slot.kind)))
        .collect()
}
