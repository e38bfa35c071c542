//! Guards the stream of a line against forged ones. Pure.
//!
//! str0m (0.25) gives a line to whatever stream names it, before it knows whether the packet is authentic: after one forged
//! datagram what the real stream sends may be taken for nobody's. So as long as the stream that has a line is heard, no
//! other is let in that names the same line: the same mid, rid and payload type (resends have one of their own).

use std::time::{Duration, Instant};

use str0m::rtp::Ssrc;

use crate::extensions::extension;

/// A stream that was not heard for so long has left its line to whoever comes.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Streams of a session that may be proven: every layer of every track, with its resends, twice over.
const MAX_STREAMS: usize = 48;

/// The ids of the header extensions by which packets name their line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameIds {
    pub mid: Vec<u8>,
    pub rid: Vec<u8>,
}

/// Which line a packet names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    mid: Vec<u8>,
    rid: Vec<u8>,
    payload_type: u8,
}

#[derive(Clone, Debug)]
struct Incumbent {
    stream: Ssrc,
    name: Option<Name>,
    heard_at: Instant,
}

impl NameIds {
    fn name_of(&self, packet: &[u8]) -> Option<Name> {
        Some(Name {
            mid: extension(packet, &self.mid)?.to_vec(),
            rid: extension(packet, &self.rid).unwrap_or_default().to_vec(),
            payload_type: packet.get(1)? & 0x7f,
        })
    }
}

/// The streams of a session of which packets have decrypted, and their lines.
#[derive(Debug, Default)]
pub struct Incumbents {
    pub ids: NameIds,
    streams: Vec<Incumbent>,
}

impl Incumbents {
    /// Whether packets of this stream have decrypted before.
    pub fn has(&self, stream: Ssrc) -> bool {
        self.streams.iter().any(|known| known.stream == stream)
    }

    /// Whether the packet of a stream that nothing is known of names the line of one that is heard.
    pub fn refuse(&self, now: Instant, packet: &[u8]) -> bool {
        let Some(name) = self.ids.name_of(packet) else {
            return false;
        };
        self.streams
            .iter()
            .any(|known| known.name.as_ref() == Some(&name) && now < known.heard_at + PATIENCE)
    }

    /// A packet of the stream has decrypted.
    pub fn heard(&mut self, now: Instant, stream: Ssrc, packet: &[u8]) {
        let mut streams = self.streams.iter_mut();
        if let Some(known) = streams.find(|known| known.stream == stream) {
            known.heard_at = now;
            if known.name.is_none() {
                known.name = self.ids.name_of(packet);
            }
            return;
        }
        if self.streams.len() >= MAX_STREAMS {
            self.streams.remove(0);
        }
        self.streams.push(Incumbent {
            stream,
            name: self.ids.name_of(packet),
            heard_at: now,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MID: u8 = 4;
    const RID: u8 = 10;

    fn packet(mid: u8, rid: u8, payload_type: u8) -> Vec<u8> {
        let mut bytes = vec![0x90, payload_type, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
        bytes.extend([0xbe, 0xde, 0, 1, MID << 4, mid, RID << 4, rid]);
        bytes
    }

    fn incumbents() -> Incumbents {
        Incumbents {
            ids: NameIds {
                mid: vec![MID],
                rid: vec![RID],
            },
            streams: Vec::new(),
        }
    }

    #[test]
    fn a_line_is_its_streams_as_long_as_that_is_heard() {
        let (mut incumbents, now) = (incumbents(), Instant::now());
        let real = packet(b'a', b'h', 96);
        assert!(!incumbents.refuse(now, &real));
        incumbents.heard(now, 1.into(), &real);
        assert!(incumbents.has(1.into()));
        assert!(incumbents.refuse(now + PATIENCE / 2, &real));
        incumbents.heard(now + PATIENCE / 2, 1.into(), &real);
        assert!(incumbents.refuse(now + PATIENCE, &real));
        assert!(!incumbents.refuse(now + 2 * PATIENCE, &real));
    }

    #[test]
    fn layers_resends_and_other_lines_are_let_in() {
        let (mut incumbents, now) = (incumbents(), Instant::now());
        incumbents.heard(now, 1.into(), &packet(b'a', b'h', 96));
        let others = [(b'a', b'l', 96), (b'a', b'h', 97), (b'b', b'h', 96)];
        for (mid, rid, payload_type) in others {
            assert!(!incumbents.refuse(now, &packet(mid, rid, payload_type)));
        }
    }

    #[test]
    fn a_stream_that_named_itself_late_has_its_line_all_the_same() {
        let (mut incumbents, now) = (incumbents(), Instant::now());
        incumbents.heard(now, 1.into(), &[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert!(!incumbents.refuse(now, &packet(b'a', b'h', 96)));
        incumbents.heard(now, 1.into(), &packet(b'a', b'h', 96));
        assert!(incumbents.refuse(now, &packet(b'a', b'h', 96)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut incumbents, now) = (incumbents(), Instant::now());
        for stream in 0..1_000_u32 {
            incumbents.heard(now, stream.into(), &packet(b'a', b'h', 96));
        }
        assert_eq!(incumbents.streams.len(), MAX_STREAMS);
    }
}
