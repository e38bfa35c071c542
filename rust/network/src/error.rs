//! What stops a run.

use curtaincall_sfu::error::SfuError;

/// A run could not begin or go on: never something that a bad network does.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("the server refuses: {0}")]
    Sfu(#[from] SfuError),
    #[error("a peer's session failed: {0}")]
    Session(#[from] str0m::RtcError),
    #[error("a peer cannot negotiate: {0}")]
    Negotiation(String),
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Usage(String),
    #[error("the command line is wrong: {0}")]
    Arguments(#[from] lexopt::Error),
}
