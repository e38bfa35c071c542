//! H264 files in Annex B form: a bare stream of NAL units, cut here into pictures.

use std::sync::Arc;

use curtaincall_h264::sps;

use super::annexb::{self, nal};
use super::{Clip, Coding, Frame, MediaError};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Reads a whole Annex B stream. The frame rate is the one that the stream says, else `frames_per_s`.
///
/// # Errors
/// `Malformed` if there are no NAL units, `Unsupported` if it does not begin with a picture that can be decoded alone.
pub fn read(bytes: &[u8], frames_per_s: f64) -> Result<Clip, MediaError> {
    let mut pictures: Vec<Picture> = Vec::new();
    let mut current = Picture::default();
    let mut rate = None;
    for unit in annexb::units(bytes) {
        if current.ends_before(unit) {
            pictures.push(std::mem::take(&mut current));
        }
        if annexb::kind(unit) == nal::SPS && rate.is_none() {
            rate = sps::parse(unit).and_then(|sps| sps.frames_per_s);
        }
        current.add(unit);
    }
    if current.has_slice {
        pictures.push(current);
    }
    if pictures.is_empty() {
        return Err(MediaError::Malformed {
            at: 0,
            what: "no pictures were found",
        });
    }
    let frame_us = 1_000_000.0 / rate.unwrap_or(frames_per_s).clamp(1.0, 240.0);
    // Microseconds of at most MAX_FRAMES frames of at most a second: exact in a float.
    let at_us = |index: usize| (index as f64 * frame_us) as u64;
    let duration_us = at_us(pictures.len());
    let frames = pictures
        .into_iter()
        .enumerate()
        .map(|(index, picture)| Frame {
            at_us: at_us(index),
            keyframe: annexb::keyframe_size(&picture.stream).is_some(),
            data: Arc::from(picture.stream),
        })
        .collect();
    Clip::checked(Coding::H264, frames, duration_us)
}

/// An access unit in the making.
#[derive(Default)]
struct Picture {
    stream: Vec<u8>,
    has_slice: bool,
}

impl Picture {
    fn add(&mut self, unit: &[u8]) {
        self.has_slice |= is_slice(unit);
        self.stream.extend(START_CODE);
        self.stream.extend(unit);
    }

    /// Whether a unit belongs to the next picture (H.264, section 7.4.1.2.3).
    fn ends_before(&self, unit: &[u8]) -> bool {
        let begins = match annexb::kind(unit) {
            nal::SLICE | nal::IDR_SLICE => starts_at_first_block(unit),
            nal::SEI | nal::SPS | nal::PPS | nal::DELIMITER => true,
            _ => false,
        };
        self.has_slice && begins
    }
}

fn is_slice(unit: &[u8]) -> bool {
    matches!(annexb::kind(unit), nal::SLICE | nal::IDR_SLICE)
}

/// `first_mb_in_slice` is 0, which is coded as a single 1 bit.
fn starts_at_first_block(slice: &[u8]) -> bool {
    slice.get(1).is_some_and(|byte| byte & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by libx264: constrained baseline, 320x180, 30 frames a second.
    const X264_320X180: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
    ];

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units
            .iter()
            .flat_map(|unit| [&START_CODE[..], unit].concat())
            .collect()
    }

    const PPS: &[u8] = &[0x68, 0xcb, 0x83];
    const SEI: &[u8] = &[0x06, 0x05, 0x01];
    const IDR: &[u8] = &[0x65, 0x88, 0x84];
    const IDR_SECOND_SLICE: &[u8] = &[0x65, 0x08, 0x84];
    const SLICE: &[u8] = &[0x41, 0x9a, 0x02];

    #[test]
    fn slices_are_gathered_into_pictures_at_the_frame_rate_of_the_stream() {
        let units = [
            X264_320X180,
            PPS,
            SEI,
            IDR,
            IDR_SECOND_SLICE,
            SLICE,
            SLICE,
            X264_320X180,
            PPS,
            IDR,
        ];
        let clip = read(&stream(&units), 15.0).unwrap();
        let times: Vec<u64> = clip.frames.iter().map(|frame| frame.at_us).collect();
        assert_eq!(times, [0, 33_333, 66_666, 100_000]);
        let keys: Vec<bool> = clip.frames.iter().map(|frame| frame.keyframe).collect();
        assert_eq!(keys, [true, false, false, true]);
        assert_eq!(
            annexb::keyframe_size(&clip.frames[0].data),
            Some((320, 180))
        );
    }

    #[test]
    fn a_stream_that_cannot_be_decoded_from_its_beginning_is_an_error() {
        assert!(read(&stream(&[SLICE, SLICE]), 30.0).is_err());
        assert!(read(&stream(&[IDR]), 30.0).is_err());
        assert!(read(&[], 30.0).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 30.0);
        }
    }
}
