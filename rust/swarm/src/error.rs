//! What can go wrong with a peer, in words for the person at the terminal.

use std::path::PathBuf;

use crate::media::MediaError;

/// Why a peer could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    #[error("{0}")]
    Usage(String),
    #[error("{path}: {error}")]
    Media { path: PathBuf, error: MediaError },
    #[error("the network: {0}")]
    Io(#[from] std::io::Error),
    #[error("the system: {0}")]
    System(#[from] nix::Error),
    #[error("signaling: {0}")]
    Signaling(String),
    #[error("signaling refused the connection with HTTP status {status}")]
    Refused { status: u16 },
    #[error("negotiation: {0}")]
    Negotiation(String),
    #[error("REST: {0}")]
    Rest(String),
}

impl From<str0m::RtcError> for SwarmError {
    fn from(error: str0m::RtcError) -> Self {
        Self::Negotiation(error.to_string())
    }
}

impl From<lexopt::Error> for SwarmError {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}
