//! Which layer of what a subscriber gets.

use std::time::Instant;

use super::{Chosen, Shard};
use crate::allocator::{self, BitRate, Choice, Rung, Stream, Why, Wish, allocate};
use crate::congestion::Allowance;
use crate::layers::{ladder, rung_height};
use crate::rewrite::StreamTag;
use crate::seat::{SeatKey, SourceId, Subscriber};
use crate::track::Track;
use crate::units::{RoomId, UserId};

/// Wishes kept per seat: more than a room has people.
const MAX_WISHES: usize = 256;

/// When what is sent is so many percent of the estimate, a layer that is to be left is left at once, and not at the next
/// keyframe of the lower one.
const OVERFULL_PERCENT: u64 = 125;

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

    /// Choose the layers of everything on a seat's slots, from its wishes and what its link carries. The lease gate stands
    /// before all of this and needs no choice.
    pub(super) fn choose_layers(&mut self, key: SeatKey, starting: Option<StreamTag>) {
        let now = self.now;
        let Some(link) = self.seats.get(key).and_then(|seat| seat.link.as_ref()) else {
            return;
        };
        let shown: Vec<_> = link
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.kind.is_video())
            .filter_map(|(index, slot)| Some((index, slot.source?)))
            .collect();
        let allowance = link.allowance(now);
        let audio = self.audio_rate(key);
        let streams: Vec<_> = shown
            .iter()
            .map(|(index, source)| self.stream(key, *index, *source))
            .collect();
        let estimate = match allowance {
            Allowance::Unknown => None,
            Allowance::AtLeast(rate) => Some(rate.max(allocator::starting(audio, &streams))),
            Allowance::Measured(rate) => Some(rate),
        };
        let choices = allocate(estimate, audio, &streams);
        let overfull = estimate.is_some_and(|estimate| {
            let running = audio.0 + self.running_rate(key);
            running * 100 > estimate.0 * OVERFULL_PERCENT
        });
        if let Some(link) = self.link_mut(key) {
            link.congestion.desire(allocator::desired(audio, &streams));
            let at = now;
            link.chosen = Some(Chosen { at, allowance });
        }
        for ((index, source), choice) in shown.into_iter().zip(choices) {
            let steps = self.track(source).map(|track| steps(now, track));
            let (step, paused) = match choice {
                Choice::Rung(rung) => (steps.and_then(|steps| steps.get(rung).copied()), None),
                Choice::Paused(why) => (None, Some(why)),
            };
            // Before anything came of a source it is let through.
            let is_silent = self
                .track(source)
                .is_none_or(|track| track.layers.is_empty());
            let paused = paused.filter(|why| !(is_silent && *why == Why::Bandwidth));
            let chosen = Target {
                target: step.and_then(|step| step.tag),
                thin: step.is_some_and(|step| step.thin),
                paused,
                overfull,
            };
            self.set_target(key, index, source, chosen, starting);
        }
    }

    /// What sound takes of a seat's link.
    fn audio_rate(&self, key: SeatKey) -> BitRate {
        let link = self.seats.get(key).and_then(|seat| seat.link.as_ref());
        let slots = link.into_iter().flat_map(|link| &link.slots);
        let sources = slots
            .filter(|slot| slot.kind.is_audio())
            .filter_map(|slot| self.track(slot.source?));
        let layers = sources.flat_map(|track| &track.layers);
        let rates = layers
            .filter(|layer| layer.rate.is_flowing(self.now))
            .map(|layer| layer.rate.bits_per_second().0);
        let plain: u64 = rates.sum();
        let redundancy = link.map_or(0, |link| link.redundancy) as u64;
        BitRate(plain + plain * redundancy / 2)
    }

    /// What the layers that a seat is sent now take of its link.
    fn running_rate(&self, key: SeatKey) -> u64 {
        let link = self.seats.get(key).and_then(|seat| seat.link.as_ref());
        let slots = link.into_iter().flat_map(|link| &link.slots);
        let running = slots
            .filter(|slot| slot.kind.is_video())
            .filter_map(|slot| Some((self.track(slot.source?)?, slot.rewriter.current()?)));
        let rate = |(track, tag): (&Track, StreamTag)| {
            let layer = track.layers.iter().find(|layer| layer.tag == tag)?;
            Some(layer.rate.bits_per_second().0)
        };
        running.filter_map(rate).sum()
    }

    fn stream(&self, to: SeatKey, index: usize, source: SourceId) -> Stream {
        let from = self.seats.get(source.seat).map(|seat| &seat.user);
        let seat = self.seats.get(to);
        let wish = seat.and_then(|seat| {
            let wish = seat.wishes.iter().find(|(user, _)| Some(user) == from);
            wish.map(|(_, wish)| *wish)
        });
        let slot = seat
            .and_then(|seat| seat.link.as_ref())
            .and_then(|link| link.slots.get(index));
        let track = self.track(source);
        let steps = track
            .map(|track| steps(self.now, track))
            .unwrap_or_default();
        let current = slot.filter(|slot| slot.paused.is_none()).and_then(|slot| {
            let is_it = |step: &Step| step.tag == slot.target && step.thin == slot.thin;
            let same_layer = |step: &Step| step.tag == slot.target;
            // If it has become whole, or no longer can be thinned, it is that which it is on.
            let exact = steps.iter().position(is_it);
            exact.or_else(|| steps.iter().rposition(same_layer))
        });
        Stream {
            rungs: steps.iter().map(|step| step.rung).collect(),
            wish: wish.unwrap_or_default(),
            preferred: slot.is_some_and(|slot| slot.metered) || self.spoke_last(source.seat),
            open: true,
            current,
        }
    }

    fn set_target(
        &mut self,
        key: SeatKey,
        index: usize,
        source: SourceId,
        chosen: Target,
        starting: Option<StreamTag>,
    ) {
        let connected = self.seats.get(key).is_some_and(|seat| seat.is_connected());
        let falls = self.falls(key, index, source, chosen.target);
        let subscriber = Subscriber {
            seat: key,
            slot: index,
        };
        let Some(slot) = self.slot_mut(subscriber) else {
            return;
        };
        let Target {
            target,
            thin,
            paused,
            ..
        } = chosen;
        let goes_on = slot.paused.is_some() && paused.is_none();
        let differs =
            target.is_some() && slot.rewriter.current() != target && slot.target != target;
        slot.target = target;
        slot.thin = thin;
        slot.paused = paused;
        let gives_way = falls && chosen.overfull;
        if paused.is_some() || gives_way {
            // What comes after begins with a keyframe.
            slot.rewriter.stop();
        }
        let starts_now = target.is_some() && target == starting;
        if gives_way || paused == Some(Why::Bandwidth) {
            self.give_way(key, index);
        } else if connected && (goes_on || differs) && !starts_now {
            self.want_keyframe(source, target);
        }
    }

    /// A slot carried more than there is room for. What was lost of it is not sent again, and what is to follow waits until
    /// the queue is gone: neither would get by it.
    fn give_way(&mut self, key: SeatKey, index: usize) {
        let now = self.now;
        let Some(link) = self.link_mut(key) else {
            return;
        };
        link.full_since.get_or_insert(now);
        if let Some(slot) = link.slots.get(index) {
            // If the session is gone, driving it says so.
            let _ = link.peer.reset_stream(slot.ssrc);
        }
    }

    /// Whether a slot is sent a higher layer than `target`.
    fn falls(
        &self,
        key: SeatKey,
        index: usize,
        source: SourceId,
        target: Option<StreamTag>,
    ) -> bool {
        let link = self.seats.get(key).and_then(|seat| seat.link.as_ref());
        let current = link
            .and_then(|link| link.slots.get(index))
            .and_then(|slot| slot.rewriter.current());
        let Some(ladder) = self.track(source).map(|track| &track.ladder) else {
            return false;
        };
        let place = |tag: Option<StreamTag>| ladder.iter().position(|known| Some(*known) == tag);
        matches!((place(current), place(target)), (Some(now), Some(then)) if now > then)
    }
}

/// What a slot is to be sent.
#[derive(Clone, Copy, Debug)]
struct Target {
    target: Option<StreamTag>,
    /// Without the highest temporal layer.
    thin: bool,
    paused: Option<Why>,
    /// More is being sent to the seat than its link carries.
    overfull: bool,
}

/// A rung of a track and what it consists of.
#[derive(Clone, Copy, Debug)]
struct Step {
    rung: Rung,
    /// `None`: the only layer there is, which needs no choice.
    tag: Option<StreamTag>,
    thin: bool,
}

/// The rungs of a track from the lowest to the highest. Below the lowest layer is the same without its highest temporal
/// layer, if it has one: a picture that moves less is better than none, and a larger one that moves less is not better than
/// a smaller one.
fn steps(now: Instant, track: &Track) -> Vec<Step> {
    let layer = |tag: &StreamTag| track.layers.iter().find(|layer| layer.tag == *tag);
    let ladder: Vec<_> = track.ladder.iter().filter_map(layer).collect();
    let (layers, is_chosen) = match ladder.as_slice() {
        [] => (track.layers.iter().take(1).collect(), false),
        _ => (ladder, true),
    };
    let mut steps = Vec::new();
    for (level, layer) in layers.into_iter().enumerate() {
        let whole = layer.rate.bits_per_second();
        let tag = is_chosen.then_some(layer.tag);
        let step = |rate: u64, thin| Step {
            rung: Rung {
                height: rung_height(level),
                rate: BitRate(rate),
            },
            tag,
            thin,
        };
        let highest = layer.highest.rate(now).filter(|_| level == 0);
        if let Some(BitRate(highest)) = highest {
            steps.push(step(whole.0.saturating_sub(highest), true));
        }
        steps.push(step(whole.0, false));
    }
    steps
}
