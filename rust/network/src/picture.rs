//! Pictures as the peers send them: VP8 as far as a server may look (RFC 7741), then what a judge needs to know. The rest
//! is filling, so that sizes are right.

use std::time::Duration;

use curtaincall_link::Random;

/// Pictures per second.
pub const PICTURES_PER_S: u64 = 30;

/// From one picture to the next.
pub const PICTURE_EVERY: Duration = Duration::from_nanos(1_000_000_000 / PICTURES_PER_S);

/// Longest payload of a packet: what browsers send.
const MAX_FRAGMENT_BYTES: usize = 1_150;

const DESCRIPTOR_BYTES: usize = 6;
const FRAME_HEADER_BYTES: usize = 10;
const NOTE_BYTES: usize = 25;
const LEAST_BYTES: usize = DESCRIPTOR_BYTES + FRAME_HEADER_BYTES + NOTE_BYTES;

/// A keyframe is so many times as long as other pictures of the same quality, and never shorter than this share of its
/// layer's best second.
const KEYFRAME_FACTOR: f64 = 6.0;
const LEAST_KEYFRAME_SHARE: f64 = 0.08;

/// Three temporal layers, as browsers send with simulcast: 7.5, 15 and 30 pictures a second. Of four pictures the first
/// is of the lowest, the third of the middle layer; the lowest has 40, the two lower ones 60 % of the bits.
const TEMPORAL_LAYERS: [u8; 4] = [0, 2, 1, 2];
const TEMPORAL_LENGTHS: [f64; 4] = [1.6, 0.8, 0.8, 0.8];

/// Pictures differ in length by up to so much either way.
const UNEVENNESS: f64 = 0.25;

/// What is said in a packet about the picture that it is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub publisher: u8,
    pub layer: u8,
    pub temporal: u8,
    /// Counts the publisher's pictures; the same in all layers.
    pub number: u32,
    /// The picture that must have been decoded before; `None`: a keyframe.
    pub needs: Option<u32>,
    pub captured: Duration,
    pub index: u16,
    pub count: u16,
}

impl Fragment {
    /// Read a payload; `None` if it was not written by [`Encoder`].
    pub fn read(payload: &[u8]) -> Option<Self> {
        if payload.len() < LEAST_BYTES || payload[1] != 0xe0 {
            return None;
        }
        let note = &payload[DESCRIPTOR_BYTES + FRAME_HEADER_BYTES..LEAST_BYTES];
        let u32_at = |at: usize| Some(u32::from_be_bytes(note.get(at..at + 4)?.try_into().ok()?));
        let u16_at = |at: usize| Some(u16::from_be_bytes(note.get(at..at + 2)?.try_into().ok()?));
        let needs = u32_at(7)?;
        let captured: [u8; 8] = note.get(11..19)?.try_into().ok()?;
        Some(Self {
            publisher: note[0],
            layer: note[1],
            temporal: note[2],
            number: u32_at(3)?,
            needs: (needs != u32::MAX).then_some(needs),
            captured: Duration::from_micros(u64::from_be_bytes(captured)),
            index: u16_at(19)?,
            count: u16_at(21)?,
        })
    }

    pub fn is_keyframe(&self) -> bool {
        self.needs.is_none()
    }
}

/// The size of a layer's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

/// One layer's encoder.
#[derive(Debug)]
pub struct Encoder {
    publisher: u8,
    layer: u8,
    size: Size,
    best_bits_per_s: u64,
    random: Random,
    picture_id: u16,
    tl0_pic_idx: u8,
    /// Place in the pattern of temporal layers.
    place: usize,
    /// The last picture of each temporal layer.
    last: [Option<u32>; 3],
    /// What keyframes took beyond their share, to be saved by the pictures after them.
    debt_bytes: f64,
}

impl Encoder {
    pub fn new(publisher: u8, layer: u8, size: Size, best_bits_per_s: u64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            publisher,
            layer,
            size,
            best_bits_per_s,
            picture_id: random.draw() as u16 & 0x7fff,
            tl0_pic_idx: random.draw() as u8,
            random,
            place: 0,
            last: [None; 3],
            debt_bytes: 0.0,
        }
    }

    /// Encode a picture at this rate: the payloads of its packets.
    pub fn encode(
        &mut self,
        number: u32,
        captured: Duration,
        bits_per_s: u64,
        keyframe: bool,
    ) -> Vec<Vec<u8>> {
        let keyframe = keyframe || self.last[0].is_none();
        self.place = if keyframe { 0 } else { (self.place + 1) % 4 };
        let temporal = TEMPORAL_LAYERS[self.place];
        let needs = match self.place {
            _ if keyframe => None,
            3 => self.last[1],
            _ => self.last[0],
        };
        self.last[usize::from(temporal)] = Some(number);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(u8::from(temporal == 0));
        let length = self.length(bits_per_s, keyframe);
        let count = length.div_ceil(MAX_FRAGMENT_BYTES).max(1);
        let each = length.div_ceil(count);
        let write = |index: usize| {
            self.fragment(Fragment {
                publisher: self.publisher,
                layer: self.layer,
                temporal,
                number,
                needs,
                captured,
                index: index as u16,
                count: count as u16,
            })
        };
        let fill = |mut payload: Vec<u8>| {
            payload.resize(LEAST_BYTES.max(each), 0xa5);
            payload
        };
        (0..count).map(write).map(fill).collect()
    }

    /// Bytes of the next picture.
    fn length(&mut self, bits_per_s: u64, keyframe: bool) -> usize {
        let share = bits_per_s as f64 / 8.0 / PICTURES_PER_S as f64;
        let uneven = 1.0 + UNEVENNESS * (2.0 * self.random.fraction() - 1.0);
        let length = if keyframe {
            let least = self.best_bits_per_s as f64 / 8.0 * LEAST_KEYFRAME_SHARE;
            (share * KEYFRAME_FACTOR).max(least)
        } else {
            share * TEMPORAL_LENGTHS[self.place] * uneven - self.debt_bytes.clamp(0.0, share / 2.0)
        };
        let due = share
            * if keyframe {
                1.0
            } else {
                TEMPORAL_LENGTHS[self.place]
            };
        self.debt_bytes = (self.debt_bytes + length - due).max(-share);
        length.max(1.0) as usize
    }

    fn fragment(&self, fragment: Fragment) -> Vec<u8> {
        let starts = fragment.index == 0;
        let id = self.picture_id.to_be_bytes();
        let mut payload = vec![
            0x80 | if starts { 0x10 } else { 0 },
            0xe0,
            0x80 | id[0],
            id[1],
            self.tl0_pic_idx,
            fragment.temporal << 6 | if self.place == 3 { 0 } else { 0x20 },
        ];
        let mut header = [0_u8; FRAME_HEADER_BYTES];
        header[0] = if fragment.is_keyframe() { 0x10 } else { 0x11 };
        if fragment.is_keyframe() {
            header[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
            header[6..8].copy_from_slice(&self.size.width.to_le_bytes());
            header[8..10].copy_from_slice(&self.size.height.to_le_bytes());
        }
        payload.extend(header);
        payload.extend([fragment.publisher, fragment.layer, fragment.temporal]);
        payload.extend(fragment.number.to_be_bytes());
        payload.extend(fragment.needs.unwrap_or(u32::MAX).to_be_bytes());
        payload.extend((fragment.captured.as_micros() as u64).to_be_bytes());
        payload.extend(fragment.index.to_be_bytes());
        payload.extend(fragment.count.to_be_bytes());
        payload.resize(LEAST_BYTES, 0);
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 1_280,
        height: 720,
    };

    #[test]
    fn a_picture_is_read_as_it_was_written() {
        let mut encoder = Encoder::new(3, 2, SIZE, 2_000_000, 1);
        let key = encoder.encode(7, Duration::from_millis(5), 1_000_000, true);
        let next = encoder.encode(8, Duration::from_millis(38), 1_000_000, false);
        let first = Fragment::read(&key[0]).unwrap();
        assert!(first.is_keyframe());
        assert_eq!((first.publisher, first.layer, first.number), (3, 2, 7));
        assert_eq!(usize::from(first.count), key.len());
        let next = Fragment::read(&next[0]).unwrap();
        assert_eq!(next.needs, Some(7));
        assert_eq!(next.captured, Duration::from_millis(38));
    }

    #[test]
    fn what_is_above_can_be_left_out() {
        let mut encoder = Encoder::new(0, 0, SIZE, 2_000_000, 1);
        let read = |payloads: Vec<Vec<u8>>| Fragment::read(&payloads[0]).unwrap();
        let pictures: Vec<_> = (0..9)
            .map(|number| read(encoder.encode(number, Duration::ZERO, 100_000, false)))
            .collect();
        let layers: Vec<_> = pictures.iter().map(|picture| picture.temporal).collect();
        assert_eq!(layers, [0, 2, 1, 2, 0, 2, 1, 2, 0]);
        for picture in &pictures[1..] {
            let needed = &pictures[picture.needs.unwrap() as usize];
            assert!(needed.temporal < picture.temporal || needed.temporal == 0);
        }
    }

    #[test]
    fn a_second_of_pictures_has_the_bits_that_were_asked_for() {
        let mut encoder = Encoder::new(0, 0, SIZE, 2_000_000, 1);
        let mut bytes = 0;
        for number in 0..300 {
            let keyframe = number % 100 == 0;
            let packets = encoder.encode(number, Duration::ZERO, 1_000_000, keyframe);
            assert!(
                packets
                    .iter()
                    .all(|packet| packet.len() <= MAX_FRAGMENT_BYTES)
            );
            bytes += packets.iter().map(Vec::len).sum::<usize>();
        }
        let bits_per_s = bytes as f64 * 8.0 / 10.0;
        assert!(
            (950_000.0..1_050_000.0).contains(&bits_per_s),
            "{bits_per_s}"
        );
    }

    #[test]
    fn what_others_wrote_is_not_read() {
        assert_eq!(Fragment::read(&[]), None);
        assert_eq!(Fragment::read(&[0; 2_000]), None);
    }
}
