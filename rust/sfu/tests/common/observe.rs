//! What a world has seen so far.

use std::time::{Duration, Instant};

use curtaincall_sfu::event::{Event, SlotState, What};
use curtaincall_sfu::lease::{Cause, Ended};
use curtaincall_sfu::shard::Gate;
use curtaincall_sfu::stats::Stats;
use str0m::media::MediaKind;

use super::World;

impl World {
    /// Ends of the lease so far.
    pub fn ends(&self) -> Vec<Ended> {
        let ended = |event: &Event| match &event.what {
            What::LeaseEnded { ended, .. } => Some(*ended),
            _ => None,
        };
        self.events.iter().filter_map(ended).collect()
    }

    pub fn causes(&self) -> Vec<Cause> {
        self.ends().iter().map(|ended| ended.cause).collect()
    }

    /// The newest reading of the meter.
    pub fn meter(&self) -> Option<(Duration, bool)> {
        self.events
            .iter()
            .rev()
            .find_map(|event| match &event.what {
                What::MeterRead {
                    billable, running, ..
                } => Some((*billable, *running)),
                _ => None,
            })
    }

    /// The newest list of a user's slots.
    pub fn slots(&self, name: &str) -> Vec<SlotState> {
        let of_user = |event: &Event| match &event.what {
            What::TracksChanged { user, slots } if user.as_str() == name => Some(slots.clone()),
            _ => None,
        };
        self.events
            .iter()
            .rev()
            .find_map(of_user)
            .unwrap_or_default()
    }

    /// Whose track is on each slot of a kind, in order.
    pub fn seen_by(&self, name: &str, kind: MediaKind) -> Vec<Option<String>> {
        let slots = self
            .slots(name)
            .into_iter()
            .filter(|slot| slot.kind == kind);
        slots
            .map(|slot| slot.from.map(|(user, _)| user.as_str().to_owned()))
            .collect()
    }

    /// Whom a user was told to speak, one after the other.
    pub fn speakers_told(&self, name: &str) -> Vec<Option<String>> {
        let of_user = |event: &Event| match &event.what {
            What::SpeakerChanged { user, speaker } if user.as_str() == name => {
                Some(speaker.as_ref().map(|user| user.as_str().to_owned()))
            }
            _ => None,
        };
        self.events.iter().filter_map(of_user).collect()
    }

    /// The figures of a user's link, one after the other.
    pub fn stats(&self, name: &str) -> Vec<Stats> {
        let of_user = |event: &Event| match &event.what {
            What::StatsSampled { user, stats } if user.as_str() == name => Some((**stats).clone()),
            _ => None,
        };
        self.events.iter().filter_map(of_user).collect()
    }

    pub fn transport_states(&self, name: &str) -> Vec<bool> {
        let of_user = |event: &Event| match &event.what {
            What::TransportChanged { user, connected } if user.as_str() == name => Some(*connected),
            _ => None,
        };
        self.events.iter().filter_map(of_user).collect()
    }

    /// Moments at which media left for a client.
    pub fn media_sent_to(&self, client: usize) -> Vec<Instant> {
        let address = self.clients[client].address;
        let is_media = |gate: &Gate| matches!(gate, Gate::Media { .. });
        self.sent
            .iter()
            .filter(|(_, to, gate)| *to == address && is_media(gate))
            .map(|(at, _, _)| *at)
            .collect()
    }
}
