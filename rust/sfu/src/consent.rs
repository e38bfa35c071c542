//! Is the other side still there? Pure.
//!
//! An ICE-lite agent sends no checks of its own (RFC 7675 leaves consent to the full agent), so silence is all there
//! is to go by. How long a silence means something depends on how talkative the peer was just before it:
//!
//! - A peer that sends media, or receives it and so returns transport feedback, is heard many times a second. Five
//!   packets within a second before the silence make it *talkative*; then 2 s without any packet is a lost network.
//! - Otherwise (everybody muted, audio only) what is left are RTCP reports, up to 5 s apart, and the ICE checks:
//!   2.5 s apart in Chromium, up to 6 s in agents that follow RFC 7675 to the letter. Then it takes 7 s.
//!
//! RTCP cannot be seen to be authentic from outside of str0m, so a forger who knows the addresses could keep a lost
//! peer alive with it. Therefore it only bridges the gap between proofs (checks with a valid integrity attribute, SRTP
//! that decrypts): without one of these the peer is lost after 7 s, whatever else arrives.

use std::time::{Duration, Instant};

/// Silence after which a talkative peer is lost (charging.md: "ICE consent lost for 2 s").
pub const TALKATIVE_SILENCE: Duration = Duration::from_secs(2);

/// Silence after which any peer is lost: longer than the longest interval between checks of RFC 7675 (6 s).
pub const QUIET_SILENCE: Duration = Duration::from_secs(7);

const TALKATIVE_PACKETS: usize = 5;
const TALKATIVE_WITHIN: Duration = Duration::from_secs(1);

/// What was heard, and whether it proves who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An ICE check with valid integrity, or SRTP that decrypts.
    Proof,
    /// RTCP from the peer's address.
    Hint,
}

/// When a peer was last heard.
#[derive(Debug)]
pub struct Consent {
    proven_at: Instant,
    /// The last packets, a ring.
    heard_at: [Instant; TALKATIVE_PACKETS],
    newest: usize,
    packets: u64,
}

impl Consent {
    pub fn new(now: Instant) -> Self {
        Self {
            proven_at: now,
            heard_at: [now; TALKATIVE_PACKETS],
            newest: 0,
            packets: 0,
        }
    }

    pub fn heard(&mut self, now: Instant, what: Heard) {
        if what == Heard::Proof {
            self.proven_at = now;
        }
        self.newest = (self.newest + 1) % TALKATIVE_PACKETS;
        self.heard_at[self.newest] = now;
        self.packets += 1;
    }

    /// Whether anything was heard after a moment.
    pub fn heard_since(&self, moment: Instant) -> bool {
        self.heard_at[self.newest] > moment
    }

    /// When the peer counts as lost if nothing more is heard.
    pub fn deadline(&self) -> Instant {
        let newest = self.heard_at[self.newest];
        let oldest = self.heard_at[(self.newest + 1) % TALKATIVE_PACKETS];
        let talkative = self.packets >= TALKATIVE_PACKETS as u64
            && newest.saturating_duration_since(oldest) <= TALKATIVE_WITHIN;
        let quiet = self.proven_at + QUIET_SILENCE;
        if talkative {
            quiet.min(newest + TALKATIVE_SILENCE)
        } else {
            quiet
        }
    }

    pub fn is_lost(&self, now: Instant) -> bool {
        now >= self.deadline()
    }
}
