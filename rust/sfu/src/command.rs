//! What a shard is told.

use std::sync::mpsc::SyncSender;
use std::time::Instant;

use str0m::Rtc;

use crate::allocator::Wish;
use crate::error::SfuError;
use crate::lease::Terms;
use crate::sdp::{Line, Offer};
use crate::units::{LeaseId, RoomId, UserId};

/// A session built from an offer, ready to be put on a seat.
pub struct Transport {
    pub rtc: Box<Rtc>,
    pub lines: Vec<Line>,
    pub fingerprint: String,
}

/// What became of an offer that was tried on the running session.
pub enum Renegotiated {
    Answer(Result<String, SfuError>),
    /// The offer comes from another session: build one for it.
    NewSession(Box<Offer>),
}

/// Where the answer to a command goes; nobody may be waiting any more.
pub type Reply<T> = SyncSender<T>;

/// Commands are idempotent; about something unknown they change nothing.
pub enum Command {
    OpenRoom {
        room: RoomId,
    },
    CloseRoom {
        room: RoomId,
    },
    OpenLease {
        room: RoomId,
        lease: LeaseId,
        payer: Option<UserId>,
        payee: Option<UserId>,
    },
    OpenSeat {
        room: RoomId,
        user: UserId,
        lease: LeaseId,
        may_publish: bool,
    },
    CloseSeat {
        room: RoomId,
        user: UserId,
    },
    Subscribe {
        room: RoomId,
        user: UserId,
        of: UserId,
        wish: Wish,
    },
    Renegotiate {
        room: RoomId,
        user: UserId,
        offer: Box<Offer>,
        reply: Reply<Renegotiated>,
    },
    Attach {
        room: RoomId,
        user: UserId,
        transport: Transport,
        reply: Reply<Result<(), SfuError>>,
    },
    Grant {
        room: RoomId,
        lease: LeaseId,
        received_at: Instant,
        terms: Terms,
    },
    Revoke {
        room: RoomId,
        lease: LeaseId,
    },
    CloseLease {
        room: RoomId,
        lease: LeaseId,
    },
    CutSeat {
        room: RoomId,
        user: UserId,
    },
    /// Revoke everything: the urgent lane overflowed, so something that had to stop may have been lost.
    RevokeAll,
}

impl Command {
    /// Whether the command stops or extends media and so goes before all others.
    pub fn is_urgent(&self) -> bool {
        matches!(
            self,
            Self::Grant { .. }
                | Self::Revoke { .. }
                | Self::CloseLease { .. }
                | Self::CutSeat { .. }
                | Self::RevokeAll
        )
    }
}
