//! What a VP8 frame says of itself (RFC 6386, section 9.1).

const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// Frame tag, start code, width and height.
const KEY_HEADER_BYTES: usize = 10;

/// Whether a frame claims to be a keyframe; nothing is said of whether it is complete.
pub fn is_key(frame: &[u8]) -> bool {
    frame.first().is_some_and(|tag| tag & 1 == 0)
}

/// Width and height in pixels of a keyframe whose header is sound; `None` of any other frame.
pub fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    let header = frame.get(..KEY_HEADER_BYTES)?;
    if !is_key(frame) || header[3..6] != START_CODE {
        return None;
    }
    // The first partition must lie within the frame, or a decoder refuses it.
    let tag = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let first_partition = usize::try_from(tag >> 5).ok()?;
    if KEY_HEADER_BYTES.checked_add(first_partition)? > frame.len() {
        return None;
    }
    let width = u16::from_le_bytes([header[6], header[7]]) & 0x3fff;
    let height = u16::from_le_bytes([header[8], header[9]]) & 0x3fff;
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(width: u16, height: u16, partition_bytes: u32) -> Vec<u8> {
        let mut frame = (partition_bytes << 5).to_le_bytes()[..3].to_vec();
        frame.extend(START_CODE);
        frame.extend(width.to_le_bytes());
        frame.extend(height.to_le_bytes());
        frame
    }

    #[test]
    fn a_keyframe_tells_its_size() {
        let mut frame = key(1280, 720, 4);
        frame.extend([1, 2, 3, 4]);
        assert_eq!(keyframe_size(&frame), Some((1280, 720)));
    }

    #[test]
    fn a_keyframe_that_ends_within_its_first_partition_is_none() {
        assert_eq!(keyframe_size(&key(1280, 720, 4)), None);
    }

    #[test]
    fn an_interframe_and_a_wrong_start_code_are_none() {
        let mut interframe = key(640, 480, 0);
        interframe[0] |= 1;
        assert_eq!(keyframe_size(&interframe), None);
        let mut damaged = key(640, 480, 0);
        damaged[4] = 0;
        assert_eq!(keyframe_size(&damaged), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = keyframe_size(&bytes);
        }
    }
}
