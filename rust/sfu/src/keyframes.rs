//! Keyframes: recognising where one starts, and not asking a publisher for them too often. Pure.

use std::time::{Duration, Instant};

use str0m::format::Codec;
use str0m::rtp::Vp8Descriptor;

/// Requests for one stream are passed on at most this often: a keyframe answers everybody who asked meanwhile.
pub const MIN_INTERVAL: Duration = Duration::from_millis(300);

const H264_IDR: u8 = 5;
const H264_SPS: u8 = 7;
const H264_STAP_A: u8 = 24;
const H264_FU_A: u8 = 28;

/// A publisher's stream as the keyframe requests see it: asked at once, then again at the end of the interval if
/// somebody wanted one meanwhile.
#[derive(Debug, Default)]
pub struct Debounce {
    asked_at: Option<Instant>,
    wanted: bool,
}

impl Debounce {
    /// Somebody wants a keyframe. Returns true if the request is to be sent now.
    pub fn want(&mut self, now: Instant) -> bool {
        if self.asked_at.is_some_and(|at| now < at + MIN_INTERVAL) {
            self.wanted = true;
            return false;
        }
        self.asked_at = Some(now);
        self.wanted = false;
        true
    }

    /// A keyframe started: whoever asked before has been answered.
    pub fn answered(&mut self) {
        self.wanted = false;
    }

    /// When a held back request is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.asked_at
            .filter(|_| self.wanted)
            .map(|at| at + MIN_INTERVAL)
    }

    /// Returns true if a held back request is to be sent now.
    pub fn elapse(&mut self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| now >= at) && self.want(now)
    }
}

/// Whether this RTP payload is the first of a keyframe. Audio can start anywhere.
pub fn starts_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => Vp8Descriptor::parse(payload)
            .is_ok_and(|descriptor| descriptor.starts_keyframe(payload)),
        Codec::H264 => h264_starts_keyframe(payload),
        codec => codec.is_audio(),
    }
}

/// RFC 6184 section 5: a parameter set or an IDR slice, alone, aggregated or as the first fragment.
fn h264_starts_keyframe(payload: &[u8]) -> bool {
    let nal = |byte: u8| byte & 0x1f;
    let starts = |kind: u8| kind == H264_IDR || kind == H264_SPS;
    let Some(first) = payload.first().copied().map(nal) else {
        return false;
    };
    match first {
        H264_STAP_A => {
            let mut rest = &payload[1..];
            while let [high, low, header, ..] = rest {
                if starts(nal(*header)) {
                    return true;
                }
                let size = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(2 + size..).unwrap_or_default();
            }
            false
        }
        H264_FU_A => payload
            .get(1)
            .is_some_and(|header| header & 0x80 != 0 && starts(nal(*header))),
        kind => starts(kind),
    }
}
