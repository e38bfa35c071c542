//! Watches the pictures of slots as a decoder would: which frames are of use, and when a keyframe has to be asked for.

use std::collections::HashMap;

use str0m::format::{Codec, CodecExtra};
use str0m::media::{MediaData, Mid};

use crate::media::{annexb, vp8};
use crate::report::FrameKind;

/// Keyframes are asked for at most this often, per slot.
const ASK_EVERY_US: u64 = 500_000;

/// A picture that can be decoded on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyframe {
    pub width: u16,
    pub height: u16,
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: FrameKind,
    pub keyframe: Option<Keyframe>,
    /// A keyframe should be asked for now.
    pub ask: bool,
}

/// The state of a decoder of each slot, without a decoder.
#[derive(Debug, Default)]
pub struct Watch {
    slots: HashMap<Mid, Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    decodable: bool,
    asked_us: Option<u64>,
}

impl Watch {
    /// Looks at a frame of video that came at `at_us`.
    pub fn see(&mut self, at_us: u64, data: &MediaData) -> Seen {
        let keyframe = keyframe(data.params.spec().codec, &data.data);
        // A temporal layer that was left out on purpose harms nobody: only packets that are missing do.
        let unbroken = data.contiguous;
        let discardable = matches!(&data.codec_extra, CodecExtra::Vp8(extra) if extra.discardable);
        self.judge(data.mid, at_us, keyframe, unbroken, discardable)
    }

    fn judge(
        &mut self,
        mid: Mid,
        at_us: u64,
        keyframe: Option<Keyframe>,
        unbroken: bool,
        discardable: bool,
    ) -> Seen {
        let slot = self.slots.entry(mid).or_default();
        if keyframe.is_some() {
            slot.decodable = true;
            slot.asked_us = None;
        } else if !unbroken && !discardable {
            slot.decodable = false;
        }
        let ask = !slot.decodable
            && slot
                .asked_us
                .is_none_or(|asked_us| at_us.saturating_sub(asked_us) >= ASK_EVERY_US);
        if ask {
            slot.asked_us = Some(at_us);
        }
        let kind = match (keyframe, slot.decodable) {
            (Some(_), _) => FrameKind::Key,
            (None, true) => FrameKind::Usable,
            (None, false) => FrameKind::Broken,
        };
        Seen {
            kind,
            keyframe,
            ask,
        }
    }
}

fn keyframe(codec: Codec, data: &[u8]) -> Option<Keyframe> {
    let (width, height) = match codec {
        Codec::Vp8 => vp8::keyframe_size(data),
        Codec::H264 => annexb::keyframe_size(data),
        _ => None,
    }?;
    Some(Keyframe { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Option<Keyframe> = Some(Keyframe {
        width: 320,
        height: 180,
    });

    #[test]
    fn frames_are_of_use_from_the_first_keyframe_until_something_is_missing() {
        let mut watch = Watch::default();
        let mid = Mid::from("v");
        let mut kinds = Vec::new();
        for (at_us, keyframe, unbroken) in [
            (0, None, true),
            (1, KEY, true),
            (2, None, true),
            (3, None, false),
            (4, None, true),
            (5, KEY, false),
        ] {
            kinds.push(watch.judge(mid, at_us, keyframe, unbroken, false).kind);
        }
        use FrameKind::{Broken, Key, Usable};
        assert_eq!(kinds, [Broken, Key, Usable, Broken, Broken, Key]);
    }

    #[test]
    fn keyframes_are_asked_for_now_and_then_until_one_comes() {
        let mut watch = Watch::default();
        let mid = Mid::from("v");
        let mut asked = Vec::new();
        for at_us in [0, 100, ASK_EVERY_US, ASK_EVERY_US + 1] {
            asked.push(watch.judge(mid, at_us, None, true, false).ask);
        }
        assert_eq!(asked, [true, false, true, false]);
        assert!(!watch.judge(mid, 3 * ASK_EVERY_US, KEY, true, false).ask);
        assert!(!watch.judge(mid, 5 * ASK_EVERY_US, None, true, false).ask);
    }
}
