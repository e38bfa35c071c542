//! Guards str0m against transport-wide sequence numbers from before the first one. Pure.
//!
//! str0m (0.25) extends the 16 bits relative to the newest number it has: one that looks like the past of a number close to
//! zero becomes one close to 2^64, and the next acknowledgement lists everything between the two as missing until memory
//! ends. A single packet of a participant would do. Header extensions are not encrypted, so that such a packet can be seen,
//! and dropped, before the session sees it.

use crate::extensions::extension;

/// A number that is further ahead than this looks like the past (RFC 1982 section 3.2).
const HALF: u32 = 1 << 15;

/// What is known of a session's transport-wide sequence numbers.
#[derive(Debug, Default)]
pub struct TransportSeqs {
    /// The extension's ids: one, unless the client is up to something.
    pub ids: Vec<u8>,
    /// The newest number of the session is not below this one.
    floor: Option<u16>,
    /// The floor is that of a packet which was counted, and not merely of one that was handed over.
    counted: bool,
    /// Nothing looks like the time before the first number any more.
    safe: bool,
}

impl TransportSeqs {
    /// Whether the session may see this RTP packet.
    pub fn admit(&mut self, packet: &[u8]) -> bool {
        if self.safe {
            return true;
        }
        let Some(seq) = self.seq_of(packet) else {
            return true;
        };
        match self.floor {
            Some(floor) if u32::from(seq) >= u32::from(floor) + HALF => false,
            Some(floor) if self.counted || seq >= floor => true,
            _ => {
                self.floor = Some(seq);
                true
            }
        }
    }

    /// The session has taken this RTP packet for authentic.
    pub fn count(&mut self, packet: &[u8]) {
        if self.safe {
            return;
        }
        let Some(seq) = self.seq_of(packet) else {
            return;
        };
        let newest = self.floor.filter(|_| self.counted).unwrap_or(0);
        self.floor = Some(newest.max(seq));
        self.counted = true;
        self.safe = u32::from(seq) >= HALF;
    }

    /// The number that a packet carries.
    pub fn seq_of(&self, packet: &[u8]) -> Option<u16> {
        let value = extension(packet, &self.ids)?;
        Some(u16::from_be_bytes([*value.first()?, *value.get(1)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extensions::FIXED_HEADER;

    const ID: u8 = 3;

    fn packet(seq: u16) -> Vec<u8> {
        let mut bytes = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
        let [high, low] = seq.to_be_bytes();
        bytes.extend([
            0xbe,
            0xde,
            0,
            2,
            0x40,
            b'1',
            (ID << 4) | 1,
            high,
            low,
            0,
            0,
            0,
        ]);
        bytes
    }

    fn seqs() -> TransportSeqs {
        TransportSeqs {
            ids: vec![ID],
            ..Default::default()
        }
    }

    #[test]
    fn a_number_from_before_the_first_is_refused() {
        let mut seqs = seqs();
        assert!(seqs.admit(&packet(5)));
        seqs.count(&packet(5));
        assert!(!seqs.admit(&packet(0xfe00)));
        assert!(seqs.admit(&packet(4)));
        assert!(seqs.admit(&packet(0x8004)));
    }

    #[test]
    fn what_was_handed_over_and_not_counted_is_no_excuse() {
        let mut seqs = seqs();
        assert!(seqs.admit(&packet(0x9000)));
        assert!(seqs.admit(&packet(0x10)));
        assert!(!seqs.admit(&packet(0x9000)));
    }

    #[test]
    fn a_stream_that_goes_on_is_never_refused() {
        for first in [0, 1, 30_000, 60_000, 65_535] {
            let mut seqs = seqs();
            for ahead in 0..200_000_u32 {
                let packet = packet((first + ahead) as u16);
                assert!(seqs.admit(&packet), "{first} and {ahead}");
                seqs.count(&packet);
            }
        }
    }

    #[test]
    fn both_forms_are_read_and_nonsense_is_not() {
        let mut two_bytes = packet(0);
        two_bytes.truncate(FIXED_HEADER);
        two_bytes.extend([0x10, 0, 0, 2, ID, 2, 0x12, 0x34, 0, 0, 0, 0]);
        assert_eq!(seqs().seq_of(&two_bytes), Some(0x1234));
        assert_eq!(seqs().seq_of(&packet(0x4321)), Some(0x4321));
        for length in 0..two_bytes.len() {
            assert_eq!(seqs().seq_of(&two_bytes[..length]), None);
        }
    }
}
