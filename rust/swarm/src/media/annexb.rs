//! H264 Annex B: NAL units between start codes.

/// Types of NAL units that matter here (H.264, table 7-1).
pub mod nal {
    pub const SLICE: u8 = 1;
    pub const IDR_SLICE: u8 = 5;
    pub const SEI: u8 = 6;
    pub const SPS: u8 = 7;
    pub const PPS: u8 = 8;
    pub const DELIMITER: u8 = 9;
}

/// A NAL unit's type.
pub fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// The NAL units of a byte stream, without start codes and trailing zeros; bytes before the first start code are not
/// part of any.
pub fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        let here = rest?;
        let (unit, next) = match find_start_code(here) {
            Some(at) => (&here[..at], Some(&here[at + 3..])),
            None => (here, None),
        };
        rest = next;
        let length = unit
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |at| at + 1);
        Some(&unit[..length])
    })
    .filter(|unit| !unit.is_empty())
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    find_start_code(stream).map(|at| &stream[at + 3..])
}

/// Where `00 00 01` begins.
fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

/// Width and height in pixels of a frame that can be decoded on its own: SPS, PPS and IDR slices, in that order.
pub fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    let mut size = None;
    let mut has_pps = false;
    for unit in units(frame) {
        match kind(unit) {
            nal::SPS => {
                size = curtaincall_h264::sps::parse(unit).map(|sps| (sps.width, sps.height))
            }
            nal::PPS => has_pps = true,
            nal::IDR_SLICE => return size.filter(|_| has_pps),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_lie_between_start_codes_of_either_length() {
        let stream = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4,
        ];
        let found: Vec<&[u8]> = units(&stream).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
    }

    #[test]
    fn a_stream_without_start_codes_has_no_units() {
        assert_eq!(units(&[1, 2, 3]).count(), 0);
        assert_eq!(units(&[]).count(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(0_u8..4, 0..64)) {
            for unit in units(&bytes) {
                prop_assert!(!unit.is_empty());
            }
            let _ = keyframe_size(&bytes);
        }
    }
}
