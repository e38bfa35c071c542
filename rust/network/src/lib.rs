//! Bad networks: the SFU's core and peers that behave as browsers do, with modelled links between them, on virtual time
//! with a fixed seed; and the same cells with the whole engine over real sockets.

pub mod crowd;
pub mod engine;
pub mod error;
pub mod matrix;
pub mod outcome;
pub mod peer;
pub mod picture;
pub mod publisher;
pub mod record;
pub mod screen;
pub mod server;
pub mod sound;
mod studio;
pub mod trial;
pub mod uplink;
pub mod world;
