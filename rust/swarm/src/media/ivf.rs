//! IVF: the simple container that libvpx writes. VP8 only.

use super::{Clip, Coding, Frame, MediaError, vp8};

const FILE_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 12;

/// Reads a whole IVF file.
///
/// # Errors
/// `Malformed` if a header or a frame is cut short or has impossible values, `Unsupported` if it is not VP8.
pub fn read(bytes: &[u8]) -> Result<Clip, MediaError> {
    let header = bytes
        .get(..FILE_HEADER_BYTES)
        .ok_or(MediaError::Malformed {
            at: 0,
            what: "the file header is cut short",
        })?;
    if &header[..4] != b"DKIF" {
        return Err(MediaError::Malformed {
            at: 0,
            what: "the signature is not DKIF",
        });
    }
    if &header[8..12] != b"VP80" {
        return Err(MediaError::Unsupported("it is not coded in VP8"));
    }
    let header_bytes = usize::from(u16::from_le_bytes([header[6], header[7]]));
    let units_per_s = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
    let unit_scale = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
    if units_per_s == 0 || unit_scale == 0 || header_bytes < FILE_HEADER_BYTES {
        return Err(MediaError::Malformed {
            at: 6,
            what: "the header's length or time base is impossible",
        });
    }
    let unit_us = |units: u64| -> Option<u64> {
        let us = u128::from(units) * u128::from(unit_scale) * 1_000_000 / u128::from(units_per_s);
        u64::try_from(us).ok()
    };
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = header_bytes;
    while at < bytes.len() {
        let frame = read_frame(bytes, at)?;
        at = frame.end;
        let due_us = unit_us(frame.units).ok_or(MediaError::Malformed {
            at,
            what: "a frame's time is impossible",
        })?;
        // libvpx may give a frame that is not shown the time of the one before: they must differ on the wire.
        let earliest_us = frames.last().map_or(0, |last| last.at_us + 1_000);
        frames.push(Frame {
            at_us: due_us.max(earliest_us),
            keyframe: vp8::keyframe_size(frame.data).is_some(),
            data: frame.data.into(),
        });
    }
    let first_us = frames.first().map_or(0, |frame| frame.at_us);
    for frame in &mut frames {
        frame.at_us -= first_us;
    }
    let duration_us = duration_us(&frames);
    Clip::checked(Coding::Vp8, frames, duration_us)
}

struct RawFrame<'a> {
    units: u64,
    data: &'a [u8],
    end: usize,
}

fn read_frame(bytes: &[u8], at: usize) -> Result<RawFrame<'_>, MediaError> {
    let cut_short = MediaError::Malformed {
        at,
        what: "a frame is cut short",
    };
    let Some(header) = bytes.get(at..at.saturating_add(FRAME_HEADER_BYTES)) else {
        return Err(cut_short);
    };
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let mut units = [0; 8];
    units.copy_from_slice(&header[4..12]);
    let begin = at + FRAME_HEADER_BYTES;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| begin.checked_add(length));
    match end.and_then(|end| Some((end, bytes.get(begin..end)?))) {
        Some((end, data)) if !data.is_empty() => Ok(RawFrame {
            units: u64::from_le_bytes(units),
            data,
            end,
        }),
        _ => Err(cut_short),
    }
}

/// The last frame lasts as long as the average of the others.
fn duration_us(frames: &[Frame]) -> u64 {
    const ALONE_US: u64 = 33_333;
    let last_us = frames.last().map_or(0, |frame| frame.at_us);
    match u64::try_from(frames.len()).unwrap_or(1) {
        0 | 1 => ALONE_US,
        count => last_us + (last_us / (count - 1)).max(1),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An IVF file of 30 frames a second with these frames.
    pub fn file(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"DKIF\0\0\x20\0VP80".to_vec();
        bytes.extend(320_u16.to_le_bytes());
        bytes.extend(180_u16.to_le_bytes());
        bytes.extend(30_u32.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(u32::try_from(frames.len()).unwrap().to_le_bytes());
        bytes.extend([0; 4]);
        for (index, frame) in frames.iter().enumerate() {
            bytes.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
            bytes.extend((index as u64).to_le_bytes());
            bytes.extend(frame);
        }
        bytes
    }

    fn key() -> Vec<u8> {
        vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0, 7]
    }

    #[test]
    fn frames_have_their_times_and_keyframes_are_known() {
        let clip = read(&file(&[key(), vec![1, 2, 3], vec![1, 4], key()])).unwrap();
        let times: Vec<u64> = clip.frames.iter().map(|frame| frame.at_us).collect();
        assert_eq!(times, [0, 33_333, 66_666, 100_000]);
        let keys: Vec<bool> = clip.frames.iter().map(|frame| frame.keyframe).collect();
        assert_eq!(keys, [true, false, false, true]);
        assert_eq!(clip.duration_us, 133_333);
    }

    #[test]
    fn a_file_cut_short_is_an_error() {
        let bytes = file(&[key(), vec![1, 2, 3]]);
        for length in [0, 31, 40, bytes.len() - 1] {
            assert!(read(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_file_without_frames_or_beginning_with_an_interframe_is_an_error() {
        assert!(read(&file(&[])).is_err());
        assert!(read(&file(&[vec![1, 2, 3], key()])).is_err());
    }

    proptest! {
        #[test]
        fn any_damage_is_survived(at in 0_usize..120, value: u8) {
            let mut bytes = file(&[key(), vec![1, 2, 3], key()]);
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = read(&bytes);
        }
    }
}
