//! Every refusal of the engine, with the stable code that `media/ports.py` documents.

use thiserror::Error;

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SfuError {
    #[error("the room is not open here")]
    RoomUnknown,
    #[error("the user has no seat in the room")]
    SeatUnknown,
    #[error("the offer is not acceptable: {0}")]
    SdpInvalid(&'static str),
    #[error("the media engine takes no more: {0}")]
    Overloaded(&'static str),
    #[error("the media engine cannot serve: {0}")]
    Unavailable(&'static str),
}

impl SfuError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RoomUnknown => "room_unknown",
            Self::SeatUnknown => "seat_unknown",
            Self::SdpInvalid(_) => "sdp_invalid",
            Self::Overloaded(_) => "media_overloaded",
            Self::Unavailable(_) => "media_unavailable",
        }
    }
}
