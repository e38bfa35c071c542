//! What a peer receives, judged and told as it comes.

use serde_json::{Value, json};
use str0m::media::{MediaData, MediaKind, Mid};

use crate::events::Events;
use crate::report::{FrameKind, Packet, Report, Role};
use crate::signaling::Slot;
use crate::watch::Watch;

/// What became of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// A decoder can show it, or hear it.
    pub usable: bool,
    /// The slot whose sender should be asked for a keyframe.
    pub ask: Option<Mid>,
}

/// Counts packets and frames, and tells of first packets and keyframes.
#[derive(Debug)]
pub struct Reception {
    events: Events,
    report: Report,
    watch: Watch,
}

impl Reception {
    pub fn new(events: Events) -> Self {
        Self {
            events,
            report: Report::default(),
            watch: Watch::default(),
        }
    }

    /// Whose slots are whose from now on.
    pub fn tracks(&mut self, slots: &[Slot]) {
        self.report.tracks(slots);
        self.tell_firsts();
    }

    /// Counts a packet.
    pub fn packet(&mut self, packet: Packet, role: Role) {
        self.report.packet(packet, role);
        self.tell_firsts();
    }

    /// Counts a frame whose last packet came at `at_us`.
    pub fn frame(&mut self, at_us: u64, kind: MediaKind, data: &MediaData) -> Judged {
        let numbers = **data.seq_range.start()..=**data.seq_range.end();
        if kind.is_audio() {
            self.report
                .frame(data.mid, kind, &numbers, FrameKind::Usable);
            return Judged {
                usable: true,
                ask: None,
            };
        }
        let seen = self.watch.see(at_us, data);
        self.report.frame(data.mid, kind, &numbers, seen.kind);
        if let Some(keyframe) = seen.keyframe {
            let fields = json!({
                "from_user": self.report.owner(data.mid),
                "mid": data.mid.to_string(),
                "width": keyframe.width,
                "height": keyframe.height,
                "bytes": data.data.len(),
            });
            self.events.tell_at(at_us, "keyframe", fields);
        }
        Judged {
            usable: seen.kind != FrameKind::Broken,
            ask: seen.ask.then_some(data.mid),
        }
    }

    /// Whose slot this is.
    pub fn owner(&self, mid: Mid) -> Option<&str> {
        self.report.owner(mid)
    }

    /// When the first packet of anybody's picture came.
    pub fn first_video_us(&self) -> Option<u64> {
        self.report.first_video_us()
    }

    /// All figures so far, as in the `summary` event.
    pub fn figures(&self) -> Value {
        self.report.figures()
    }

    fn tell_firsts(&mut self) {
        for first in self.report.firsts() {
            let kind = if first.video { "video" } else { "audio" };
            let fields = json!({"from_user": first.user, "kind": kind});
            self.events
                .tell_at(first.at_us, "first_packet", fields.clone());
            if first.video {
                self.events
                    .tell_at(first.at_us, "first_video_packet", fields);
            }
        }
    }
}
