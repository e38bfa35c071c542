//! What a shard has to say.

use std::time::Instant;

use str0m::media::{MediaKind, Mid};

use crate::allocator::{Height, Why};
use crate::lease::Ended;
use crate::stats::Stats;
use crate::units::{Epoch, LeaseId, RoomId, UserId};
use std::time::Duration;

/// What a source shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceName {
    Microphone,
    Camera,
    Screen,
}

impl SourceName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
            Self::Screen => "screen",
        }
    }
}

/// One slot of a subscriber; `from` is `None` when it carries nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotState {
    pub mid: Mid,
    pub kind: MediaKind,
    pub from: Option<(UserId, SourceName)>,
    /// Lines of the picture that is being forwarded, if they are known.
    pub height: Option<Height>,
    /// Why nothing is forwarded.
    pub paused: Option<Why>,
}

/// An event and where it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub at: Instant,
    pub room: RoomId,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    TracksChanged {
        user: UserId,
        slots: Vec<SlotState>,
    },
    TransportChanged {
        user: UserId,
        connected: bool,
    },
    /// Who speaks, for somebody in the room.
    SpeakerChanged {
        user: UserId,
        speaker: Option<UserId>,
    },
    StatsSampled {
        user: UserId,
        stats: Box<Stats>,
    },
    MediaFlowing {
        lease: LeaseId,
        epoch: Epoch,
    },
    MeterRead {
        lease: LeaseId,
        billable: Duration,
        running: bool,
    },
    LeaseEnded {
        lease: LeaseId,
        ended: Ended,
    },
}
