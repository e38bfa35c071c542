//! Which layer of what a subscriber gets.

use super::Shard;
use crate::allocator::{BitRate, Choice, Rung, Stream, Why, Wish, allocate};
use crate::layers::{ladder, rung_height};
use crate::rewrite::StreamTag;
use crate::seat::{SeatKey, SourceId, Track};
use crate::units::{RoomId, UserId};

/// Wishes kept per seat: more than a room has people.
const MAX_WISHES: usize = 256;

impl Shard {
    /// Note what a user wishes to receive of another, who may be yet to come.
    pub(super) fn subscribe(&mut self, room: &RoomId, user: &UserId, of: UserId, wish: Wish) {
        let Some(key) = self.rooms.get(room).and_then(|room| room.seat(user)) else {
            return;
        };
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let known = seat.wishes.iter().position(|(wished, _)| *wished == of);
        match known {
            Some(known) => seat.wishes[known].1 = wish,
            None if seat.wishes.len() < MAX_WISHES => seat.wishes.push((of, wish)),
            None => return,
        }
        self.choose_layers(key, None);
    }

    /// A layer of a track came, went or was measured: put the layers in order, and choose again if that changed. Asks again
    /// for keyframes that somebody still waits for. `starting` is the layer whose keyframe is being forwarded.
    pub(super) fn renew_ladder(&mut self, source: SourceId, starting: Option<StreamTag>) {
        let now = self.now;
        let Some(track) = self.track_mut(source) else {
            return;
        };
        let place = |tag: &StreamTag| track.layers.iter().position(|layer| layer.tag == *tag);
        let before: Vec<_> = track.ladder.iter().filter_map(place).collect();
        let rates: Vec<_> = track.layers.iter().map(|layer| layer.rate).collect();
        let order = ladder(now, &rates, &before);
        let order: Vec<_> = order.iter().map(|index| track.layers[*index].tag).collect();
        let changed = order != track.ladder;
        track.ladder = order;
        let subscribers = track.subscribers.clone();
        for subscriber in subscribers {
            if changed {
                self.choose_layers(subscriber.seat, starting);
            }
            let late = self.slot_mut(subscriber).and_then(|slot| {
                let waits = slot.paused.is_none() && slot.rewriter.current() != slot.target;
                slot.target
                    .filter(|target| waits && Some(*target) != starting)
            });
            if late.is_some() {
                self.want_keyframe(source, late);
            }
        }
    }

    /// Choose the layers of everything on a seat's slots. No limit of its link is known yet, so wishes decide; the lease
    /// gate stands before all of this and needs no choice.
    pub(super) fn choose_layers(&mut self, key: SeatKey, starting: Option<StreamTag>) {
        let Some(link) = self.seats.get(key).and_then(|seat| seat.link.as_ref()) else {
            return;
        };
        let shown: Vec<_> = link
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.kind.is_video())
            .filter_map(|(index, slot)| Some((index, slot.source?, slot.target, slot.metered)))
            .collect();
        let streams: Vec<_> = shown
            .iter()
            .map(|(_, source, target, metered)| self.stream(key, *source, *target, *metered))
            .collect();
        let choices = allocate(None, BitRate::default(), &streams);
        for ((index, source, _, _), choice) in shown.into_iter().zip(choices) {
            let ladder = self.track(source).map(|track| track.ladder.as_slice());
            let (target, paused) = match choice {
                Choice::Rung(rung) => (ladder.and_then(|ladder| ladder.get(rung)).copied(), None),
                Choice::Paused(Why::Bandwidth) => (None, None),
                Choice::Paused(why) => (None, Some(why)),
            };
            self.set_target(key, index, (source, target, paused), starting);
        }
    }

    fn stream(
        &self,
        to: SeatKey,
        source: SourceId,
        target: Option<StreamTag>,
        metered: bool,
    ) -> Stream {
        let from = self.seats.get(source.seat).map(|seat| &seat.user);
        let wish = self.seats.get(to).and_then(|seat| {
            let wish = seat.wishes.iter().find(|(user, _)| Some(user) == from);
            wish.map(|(_, wish)| *wish)
        });
        let track = self.track(source);
        Stream {
            rungs: track.map(rungs).unwrap_or_default(),
            wish: wish.unwrap_or_default(),
            preferred: metered || self.spoke_last(source.seat),
            open: true,
            current: track
                .and_then(|track| track.ladder.iter().position(|tag| Some(*tag) == target)),
        }
    }

    fn set_target(
        &mut self,
        key: SeatKey,
        index: usize,
        (source, target, paused): (SourceId, Option<StreamTag>, Option<Why>),
        starting: Option<StreamTag>,
    ) {
        let connected = self.seats.get(key).is_some_and(|seat| seat.is_connected());
        let subscriber = crate::seat::Subscriber {
            seat: key,
            slot: index,
        };
        let Some(slot) = self.slot_mut(subscriber) else {
            return;
        };
        let goes_on = slot.paused.is_some() && paused.is_none();
        let differs =
            target.is_some() && slot.rewriter.current() != target && slot.target != target;
        slot.target = target;
        slot.paused = paused;
        if paused.is_some() {
            // What comes after the pause begins with a keyframe.
            slot.rewriter.stop();
        }
        let starts_now = target.is_some() && target == starting;
        if connected && (goes_on || differs) && !starts_now {
            self.want_keyframe(source, target);
        }
    }
}

fn rungs(track: &Track) -> Vec<Rung> {
    let rate = |tag: &StreamTag| {
        let layer = track.layers.iter().find(|layer| layer.tag == *tag);
        layer
            .map(|layer| layer.rate.bits_per_second())
            .unwrap_or_default()
    };
    let rung = |(level, tag): (usize, &StreamTag)| Rung {
        height: rung_height(level),
        rate: rate(tag),
    };
    track.ladder.iter().enumerate().map(rung).collect()
}
