//! How much of what comes from one session's addresses is looked at. Pure.
//!
//! Whoever takes part may send anything at any rate, and whoever knows the addresses may forge it. What exceeds a budget
//! costs no more than the look at its first bytes, and the others in the room nothing that they notice. Every kind of
//! datagram has a budget of its own, so that forged ones of one kind do not use up another's.

use std::time::{Duration, Instant};

/// ICE checks: candidate pairs are checked 50 ms apart at the most, and MAX_ADDRESSES of them are bound.
pub const CHECKS_PER_SECOND: u32 = 200;

/// Flights of handshakes, and their repetitions.
pub const HANDSHAKES_PER_SECOND: u32 = 200;

/// RTCP: acknowledgements 20 times a second, and NACKs for every slot of a full room on a bad network.
pub const REPORTS_PER_SECOND: u32 = 2_000;

/// Media: microphone, camera in three sizes and a screen are 600 packets. Each may have to be forwarded to a full room.
pub const MEDIA_PER_SECOND: u32 = 2_000;

/// Media of streams of which nothing has decrypted yet: mapping them comes before authentication in str0m.
pub const UNPROVEN_PER_SECOND: u32 = 500;

/// What is admitted of a session's datagrams.
#[derive(Debug)]
pub struct Budgets {
    pub checks: Bucket,
    pub handshakes: Bucket,
    pub reports: Bucket,
    pub media: Bucket,
    pub unproven: Bucket,
}

impl Budgets {
    pub fn new(now: Instant) -> Self {
        Self {
            checks: Bucket::new(CHECKS_PER_SECOND, now),
            handshakes: Bucket::new(HANDSHAKES_PER_SECOND, now),
            reports: Bucket::new(REPORTS_PER_SECOND, now),
            media: Bucket::new(MEDIA_PER_SECOND, now),
            unproven: Bucket::new(UNPROVEN_PER_SECOND, now),
        }
    }
}

/// A token bucket that holds one second's worth.
#[derive(Debug)]
pub struct Bucket {
    per_second: u32,
    tokens: u32,
    filled_at: Instant,
}

impl Bucket {
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self {
            per_second,
            tokens: per_second,
            filled_at: now,
        }
    }

    pub fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled_at);
        if since >= Duration::from_secs(1) {
            self.tokens = self.per_second;
            self.filled_at = now;
        }
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }
}
