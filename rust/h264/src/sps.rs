//! H264 sequence parameter sets: picture size, profile and frame rate (H.264, sections 7.3.2.1.1 and E.1.1).

/// Largest parameter set that is looked at; real ones have some tens of bytes.
const MAX_BYTES: usize = 512;
/// Most cycles of `offset_for_ref_frame`, by the standard.
const MAX_REF_FRAME_CYCLE: u32 = 255;

/// What is read from a sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sps {
    pub width: u16,
    pub height: u16,
    /// Frames per second, if the stream says so.
    pub frames_per_s: Option<f64>,
}

/// Parses a NAL unit of type 7, header byte included. `None` if it is malformed.
pub fn parse(unit: &[u8]) -> Option<Sps> {
    if unit.len() > MAX_BYTES {
        return None;
    }
    let payload = without_emulation_prevention(unit.get(1..)?);
    let mut bits = Bits {
        bytes: &payload,
        at: 0,
    };
    let profile = bits.take(8)?;
    bits.take(16)?; // constraint flags and level
    bits.unsigned()?; // id
    let mut chroma_format = 1;
    let mut separate_planes = false;
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        chroma_format = bits.unsigned()?;
        separate_planes = chroma_format == 3 && bits.flag()?;
        bits.unsigned()?; // luma depth
        bits.unsigned()?; // chroma depth
        bits.flag()?; // lossless transform bypass
        if bits.flag()? {
            skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    bits.unsigned()?; // frame number length
    skip_picture_order(&mut bits)?;
    bits.unsigned()?; // reference frames
    bits.flag()?; // gaps allowed
    let width_blocks = bits.unsigned()?.checked_add(1)?;
    let height_blocks = bits.unsigned()?.checked_add(1)?;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.flag()?; // adaptive frames and fields
    }
    bits.flag()?; // direct 8x8 inference
    let field_factor = if frames_only { 1 } else { 2 };
    let crop = if bits.flag()? {
        [
            bits.unsigned()?,
            bits.unsigned()?,
            bits.unsigned()?,
            bits.unsigned()?,
        ]
    } else {
        [0; 4]
    };
    let (unit_x, unit_y) = match (chroma_format, separate_planes) {
        (1, _) => (2, 2 * field_factor),
        (2, _) => (2, field_factor),
        _ => (1, field_factor),
    };
    let width = cropped(width_blocks.checked_mul(16)?, crop[0], crop[1], unit_x)?;
    let height = cropped(
        height_blocks.checked_mul(16 * field_factor)?,
        crop[2],
        crop[3],
        unit_y,
    )?;
    let frames_per_s = if bits.flag()? {
        frame_rate(&mut bits)
    } else {
        None
    };
    Some(Sps {
        width,
        height,
        frames_per_s,
    })
}

fn cropped(pixels: u32, before: u32, after: u32, unit: u32) -> Option<u16> {
    let crop = before.checked_add(after)?.checked_mul(unit)?;
    let left = pixels.checked_sub(crop)?;
    u16::try_from(left).ok().filter(|&left| left > 0)
}

fn skip_scaling_lists(bits: &mut Bits<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let mut next = 8_i64;
        for _ in 0..if list < 6 { 16 } else { 64 } {
            next = (next + bits.signed()? + 256) % 256;
            if next == 0 {
                break;
            }
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.flag()?;
            bits.signed()?;
            bits.signed()?;
            let cycle = bits.unsigned()?;
            if cycle > MAX_REF_FRAME_CYCLE {
                return None;
            }
            for _ in 0..cycle {
                bits.signed()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Reads the beginning of the usability information (VUI) up to the timing; two ticks make a frame.
fn frame_rate(bits: &mut Bits<'_>) -> Option<f64> {
    const EXTENDED_SAR: u32 = 255;
    if bits.flag()? && bits.take(8)? == EXTENDED_SAR {
        bits.take(32)?;
    }
    if bits.flag()? {
        bits.flag()?; // overscan
    }
    if bits.flag()? {
        bits.take(4)?; // video format and range
        if bits.flag()? {
            bits.take(24)?; // colours
        }
    }
    if bits.flag()? {
        bits.unsigned()?; // chroma location
        bits.unsigned()?;
    }
    if !bits.flag()? {
        return None;
    }
    let units_in_tick = bits.take(32)?;
    let ticks_per_s = bits.take(32)?;
    let rate = f64::from(ticks_per_s) / (2.0 * f64::from(units_in_tick));
    (1.0..=240.0).contains(&rate).then_some(rate)
}

/// Removes the 03 of every 00 00 03.
fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// Exponential-Golomb code.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        ((1_u32 << zeros) - 1).checked_add(rest)
    }

    fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 0 {
            -code / 2
        } else {
            (code + 1) / 2
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by libx264: constrained baseline, 320x180, 30 frames a second.
    const X264_320X180: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
    ];

    #[test]
    fn size_and_frame_rate_are_read() {
        let sps = parse(X264_320X180).unwrap();
        assert_eq!((sps.width, sps.height), (320, 180));
        assert_eq!(sps.frames_per_s, Some(30.0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_damage_is_survived(at in 1_usize..25, value: u8) {
            let mut unit = X264_320X180.to_vec();
            unit[at] = value;
            let _ = parse(&unit);
        }
    }
}
