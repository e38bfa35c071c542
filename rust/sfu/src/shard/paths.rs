//! What comes over a path, and what becomes of a session when one is gone.

use std::net::SocketAddr;

use str0m::Candidate;
use str0m::CandidateKind;
use str0m::rtp::Ssrc;

use super::Shard;
use crate::path::Path;
use crate::seat::SeatKey;

/// What a datagram is, by its first bytes (RFC 7983, RFC 5761).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datagram {
    Check,
    Dtls,
    Rtcp,
    Rtp(Ssrc),
}

pub(super) fn classify(bytes: &[u8]) -> Option<Datagram> {
    match (*bytes.first()?, *bytes.get(1)?) {
        (0..=3, _) => Some(Datagram::Check),
        (20..=63, _) => Some(Datagram::Dtls),
        (128..=191, second) if (64..96).contains(&(second & 0x7f)) => Some(Datagram::Rtcp),
        (128..=191, _) => {
            let ssrc: [u8; 4] = bytes.get(8..12)?.try_into().ok()?;
            Some(Datagram::Rtp(u32::from_be_bytes(ssrc).into()))
        }
        _ => None,
    }
}

impl Shard {
    /// Whether a path is some session's: it has sent a check that was accepted.
    pub fn is_bound(&self, path: Path) -> bool {
        self.routes.by_address(path).is_some()
    }

    /// Where somebody reaches us, as sessions know it: one of our candidates, of the same family if there is one.
    pub(super) fn reached_at(&self, from: SocketAddr) -> SocketAddr {
        let mut candidates = self.candidates.iter();
        let of_family = candidates.find(|candidate| candidate.is_ipv4() == from.is_ipv4());
        let reached = of_family.or(self.candidates.first());
        // A shard that nobody can reach has nobody whose datagrams it could mistake.
        reached.copied().unwrap_or(from)
    }

    /// Reset the TCP connections of a seat: what its kernel buffers hold must not leave after a cut. Who may go on later
    /// connects again, as after any loss.
    pub(super) fn hang_up(&mut self, key: SeatKey) {
        let link = self.seats.get(key).and_then(|seat| seat.link.as_ref());
        let connections: Vec<_> = link
            .iter()
            .flat_map(|link| link.known.connections())
            .collect();
        for path in connections {
            self.hang_ups.push(path.address);
            self.lose_path(path);
        }
    }

    /// A connection is gone: nothing more is sent over it, and a session that had no other is lost until it has one.
    pub(super) fn lose_path(&mut self, path: Path) {
        let Some(key) = self.routes.by_address(path) else {
            return;
        };
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        self.routes.lose_address(key, &mut link.known, path);
        let is_lost = !link.known.is_reachable();
        let forgotten = link.peer.with(|rtc| {
            for kind in [CandidateKind::PeerReflexive, CandidateKind::Host] {
                let remote = Candidate::from_parts(
                    String::new(),
                    1,
                    path.wire.into(),
                    0,
                    path.address,
                    kind,
                    None,
                    None,
                    None,
                );
                rtc.direct_api().invalidate_candidate(&remote);
            }
        });
        if forgotten.is_err() {
            self.discard(key);
        } else if is_lost {
            self.lose(key);
        }
    }
}
