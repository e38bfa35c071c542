//! The packet path of Curtaincall: an SFU whose every packet needs a paid lease.
//!
//! [`shard::Shard`] is the core, without a clock, a socket or a thread; [`engine::Engine`] runs shards on threads, each
//! behind one port. Nothing here knows Python.

pub mod allocator;
pub mod budget;
pub mod capture;
pub mod command;
pub mod congestion;
pub mod consent;
pub mod datagrams;
pub mod driver;
pub mod engine;
pub mod error;
pub mod event;
pub mod event_log;
pub mod extensions;
pub mod incumbents;
pub mod keyframes;
pub mod launch;
pub mod layers;
pub mod lease;
pub mod mailbox;
pub mod path;
pub mod peer;
pub mod picture_height;
pub mod pictures;
pub mod redundancy;
pub mod rewrite;
pub mod room;
pub mod route;
pub mod sdp;
pub mod seat;
pub mod shard;
pub mod slots;
pub mod speaker;
pub mod stats;
pub mod streams;
pub mod system;
pub mod temporal;
pub mod timers;
pub mod track;
pub mod transport_seq;
pub mod units;
