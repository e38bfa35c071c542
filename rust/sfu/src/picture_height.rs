//! How many lines a picture has, read where its keyframe begins. Pure.

use curtaincall_h264::sps;
use str0m::format::Codec;

use crate::allocator::Height;

const H264_SPS: u8 = 7;
const H264_STAP_A: u8 = 24;

/// First bytes of a VP8 keyframe: three of the frame tag, three that are always the same, two of the width and two of
/// the height (RFC 6386 section 9.1).
const VP8_START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// The lines of the picture whose keyframe begins in this RTP payload, if it says so.
pub fn picture_height(codec: Codec, payload: &[u8]) -> Option<Height> {
    match codec {
        Codec::Vp8 => vp8_height(payload),
        Codec::H264 => h264_height(payload),
        _ => None,
    }
    .filter(|height| *height > Height(0))
}

fn vp8_height(payload: &[u8]) -> Option<Height> {
    let header = payload.get(vp8_descriptor_bytes(payload)?..)?;
    let tag = header.first()?;
    if tag & 1 != 0 || header.get(3..6)? != VP8_START_CODE {
        return None;
    }
    let height = u16::from_le_bytes([*header.get(8)?, *header.get(9)?]);
    // The two highest bits ask for scaling.
    Some(Height(height & 0x3fff))
}

/// RFC 7741 section 4.2.
fn vp8_descriptor_bytes(payload: &[u8]) -> Option<usize> {
    const EXTENDED: u8 = 0x80;
    const PICTURE_ID: u8 = 0x80;
    const LONG_PICTURE_ID: u8 = 0x80;
    const LEVEL_INDEX: u8 = 0x40;
    const LAYER_OR_KEY_INDEX: u8 = 0x30;
    if payload.first()? & EXTENDED == 0 {
        return Some(1);
    }
    let fields = *payload.get(1)?;
    let mut bytes = 2;
    if fields & PICTURE_ID != 0 {
        bytes += if payload.get(bytes)? & LONG_PICTURE_ID != 0 {
            2
        } else {
            1
        };
    }
    bytes += usize::from(fields & LEVEL_INDEX != 0);
    bytes += usize::from(fields & LAYER_OR_KEY_INDEX != 0);
    Some(bytes)
}

/// RFC 6184 section 5.7: the parameter set alone, or the first that is aggregated.
fn h264_height(payload: &[u8]) -> Option<Height> {
    let kind = |unit: &[u8]| unit.first().map(|header| header & 0x1f);
    let mut unit = payload;
    let mut rest: &[u8] = &[];
    if kind(payload)? == H264_STAP_A {
        (unit, rest) = next_aggregated(payload.get(1..)?)?;
    }
    while kind(unit)? != H264_SPS {
        (unit, rest) = next_aggregated(rest)?;
    }
    sps::parse(unit).map(|sps| Height(sps.height))
}

fn next_aggregated(units: &[u8]) -> Option<(&[u8], &[u8])> {
    let [high, low, rest @ ..] = units else {
        return None;
    };
    rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))
}
