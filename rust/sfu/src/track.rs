//! What a user publishes: tracks, and the layers that they come in.

use str0m::format::PayloadParams;
use str0m::media::{MediaKind, Mid, Rid};
use str0m::rtp::Ssrc;

use crate::allocator::Height;
use crate::event::SourceName;
use crate::keyframes::Debounce;
use crate::layers::Rate;
use crate::redundancy::Recent;
use crate::rewrite::StreamTag;
use crate::sdp::Line;
use crate::seat::Subscriber;
use crate::temporal::Highest;

/// A track that the user publishes.
pub struct Track {
    pub mid: Mid,
    pub kind: MediaKind,
    pub name: SourceName,
    /// As seen in packets; before the first, the codec that was negotiated first.
    pub params: Option<PayloadParams>,
    pub layers: Vec<Layer>,
    /// The flowing layers from the lowest to the highest.
    pub ladder: Vec<StreamTag>,
    /// The layer for whom none was chosen yet: forwarded from its next keyframe on.
    pub active: Option<StreamTag>,
    pub subscribers: Vec<Subscriber>,
    /// Of sound: what was said last.
    pub recent: Recent,
}

/// One stream of a track: the only one, or a simulcast layer.
pub struct Layer {
    pub tag: StreamTag,
    pub ssrc: Ssrc,
    pub rid: Option<Rid>,
    pub keyframes: Debounce,
    /// Lines of its pictures, once a keyframe has told them.
    pub height: Option<Height>,
    pub rate: Rate,
    /// Its highest temporal layer.
    pub highest: Highest,
}

impl Track {
    pub fn new(line: &Line, name: SourceName) -> Self {
        Self {
            mid: line.mid,
            kind: line.kind,
            name,
            params: line.codecs.first().copied(),
            layers: Vec::new(),
            ladder: Vec::new(),
            active: None,
            subscribers: Vec::new(),
            recent: Recent::default(),
        }
    }

    /// The layer of this tag; the active one if it is gone or none was chosen.
    pub fn layer_or_active(&mut self, chosen: Option<StreamTag>) -> Option<&mut Layer> {
        let has = |tag: &StreamTag| self.layers.iter().any(|layer| layer.tag == *tag);
        let tag = chosen.filter(has).or(self.active)?;
        self.layers.iter_mut().find(|layer| layer.tag == tag)
    }
}
