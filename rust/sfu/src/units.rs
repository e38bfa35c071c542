//! Newtypes: no bare number or string crosses a boundary of this crate.
//!
//! Moments are `std::time::Instant` and lengths of time `std::time::Duration` everywhere; they become microseconds of
//! CLOCK_MONOTONIC only in [`MonotonicMicros`], on the way out.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(value: &str) -> Self {
                Self(value.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

name!(
    /// A room, unique within an engine.
    RoomId
);
name!(
    /// A user; a user has at most one seat in a room.
    UserId
);
name!(
    /// A lease, unique within its room.
    LeaseId
);

/// Generation of a lease's grants: the first half of a grant's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Order of a grant within its epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantSeq(pub u64);

/// Number of an event: counts up by one per engine, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventNumber(pub u64);

/// Microseconds of CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicMicros(pub u64);

/// Ties `Instant` to CLOCK_MONOTONIC, so that moments mean the same on both sides of the engine.
#[derive(Clone, Copy, Debug)]
pub struct ClockAnchor {
    at: Instant,
    micros: u64,
}

impl ClockAnchor {
    pub fn new(at: Instant, micros: MonotonicMicros) -> Self {
        Self {
            at,
            micros: micros.0,
        }
    }

    /// The moment in microseconds of CLOCK_MONOTONIC.
    pub fn micros(&self, moment: Instant) -> MonotonicMicros {
        let value = match moment.checked_duration_since(self.at) {
            Some(later) => self.micros.saturating_add(whole_micros(later)),
            None => self
                .micros
                .saturating_sub(whole_micros(self.at.saturating_duration_since(moment))),
        };
        MonotonicMicros(value)
    }
}

/// Whole microseconds of a length of time.
pub fn whole_micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
