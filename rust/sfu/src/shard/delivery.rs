//! The last stretch of a packet's way: to each subscriber, if its lease is open, under the numbers of its stream.

use std::sync::Arc;
use std::time::Instant;

use str0m::media::{MediaKind, Pt};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Vp8Descriptor};

use super::{HOLD_FROM, Shard};
use crate::redundancy::Recent;
use crate::rewrite::{Numbers, PictureIds, StreamTag};
use crate::seat::{Slot, SourceId, Subscriber};

const PICTURE_ID_7_BITS: u16 = 0x7f;

/// A packet on its way to subscribers, with what all of them need to know.
pub(super) struct Arrived {
    pub packet: RtpPacket,
    pub captured_at: Instant,
    pub tag: StreamTag,
    pub numbers: Numbers,
    pub vp8: Option<Vp8Descriptor>,
    /// Begins a keyframe (or is audio).
    pub starts: bool,
    /// Begins a picture of a stream with temporal layers.
    pub begins: bool,
    /// Is of the highest temporal layer.
    pub is_highest: bool,
    /// Is of the layer for whom none was chosen.
    pub is_active: bool,
}

impl Arrived {
    /// The packet as a subscriber is sent it.
    fn write(&self, pt: Pt, payload: Arc<[u8]>, numbers: Numbers) -> RtpWrite {
        let header = &self.packet.header;
        let (seq, timestamp) = (numbers.seq.into(), numbers.timestamp);
        let write = RtpWrite::new(pt, seq, timestamp, self.captured_at, payload)
            .marker(header.marker)
            .ext_vals(ExtensionValues {
                audio_level: header.ext_vals.audio_level,
                voice_activity: header.ext_vals.voice_activity,
                video_orientation: header.ext_vals.video_orientation,
                ..Default::default()
            });
        let patch = self
            .vp8
            .filter(|_| numbers.picture != self.numbers.picture)
            .and_then(|descriptor| patch(&descriptor, numbers.picture));
        match patch {
            Some(patch) => write.vp8_patch(patch),
            None => write,
        }
    }
}

impl Slot {
    /// Whether a packet is of the temporal layer that the subscriber goes without. It does from a picture's start on.
    fn leaves_out(&mut self, arrived: &Arrived) -> bool {
        if self.rewriter.current() != Some(arrived.tag) {
            return false;
        }
        if arrived.begins {
            self.thinned = self.thin;
        }
        let leaves_out = arrived.is_highest && self.thinned;
        if leaves_out {
            self.rewriter.leave_out(arrived.tag, arrived.numbers);
        }
        leaves_out
    }
}

impl Shard {
    pub(super) fn fan_out(&mut self, source: SourceId, arrived: &Arrived) {
        let Some(track) = self.track_mut(source) else {
            return;
        };
        // Taken out for the while, so that the seats can be borrowed; nothing changes subscriptions meanwhile.
        let subscribers = std::mem::take(&mut track.subscribers);
        let mut recent = std::mem::take(&mut track.recent);
        let is_sound = track.kind == MediaKind::Audio;
        let many = subscribers.len() >= HOLD_FROM;
        for subscriber in &subscribers {
            if self.deliver(*subscriber, arrived, &recent).is_none() {
                continue;
            }
            self.counters.media_forwarded += 1;
            if many {
                self.touch_later(subscriber.seat);
            } else {
                self.touch(subscriber.seat);
            }
        }
        if is_sound {
            let packet = &arrived.packet;
            recent.note(packet.header.timestamp, &packet.payload);
        }
        if let Some(track) = self.track_mut(source) {
            track.subscribers = subscribers;
            track.recent = recent;
        }
    }

    /// Write a packet to a subscriber, if its lease is open and the packet fits its stream.
    fn deliver(
        &mut self,
        subscriber: Subscriber,
        arrived: &Arrived,
        recent: &Recent,
    ) -> Option<()> {
        let now = self.now;
        let seat = self
            .seats
            .get_mut(subscriber.seat)
            .filter(|seat| !seat.cut)?;
        if !self.leases.get(seat.lease)?.lease.may_send(now) {
            self.counters.media_denied += 1;
            return None;
        }
        let link = seat.link.as_mut().filter(|link| link.connected)?;
        let redundancy = link.redundancy;
        let is_full = link.full_since.is_some();
        let slot = link.slots.get_mut(subscriber.slot)?;
        if slot.paused.is_some() {
            slot.pictures.begin();
            return None;
        }
        let pt = slot.pt?;
        if slot.leaves_out(arrived) {
            return None;
        }
        let numbers = if slot.rewriter.current() == Some(arrived.tag) {
            slot.rewriter.follow(now, arrived.tag, arrived.numbers)?
        } else if arrived.starts
            && !(is_full && slot.kind.is_video())
            && slot
                .target
                .map_or(arrived.is_active, |tag| tag == arrived.tag)
        {
            slot.rewriter.start(now, arrived.tag, arrived.numbers)
        } else {
            return None;
        };
        let header = &arrived.packet.header;
        let is_whole_picture = header.marker && slot.kind.is_video();
        if is_whole_picture && slot.pictures.shown(now).is_some() {
            self.counters.freezes += 1;
        }
        let write = match slot.redundant.filter(|_| redundancy > 0) {
            Some(redundant) => {
                let said = &arrived.packet.payload;
                let again = recent.wrap(pt, header.timestamp, said, redundancy);
                arrived.write(redundant, again.into(), numbers)
            }
            None => arrived.write(pt, arrived.packet.payload.clone(), numbers),
        };
        let write = write.nackable(slot.kind.is_video());
        let ssrc = slot.ssrc;
        link.peer.write(ssrc, write).ok()
    }
}

/// Rewrite VP8's counters in place; a short picture id stays short.
fn patch(descriptor: &Vp8Descriptor, picture: PictureIds) -> Option<str0m::rtp::Vp8Patch> {
    let build = |picture_id: Option<u16>| {
        let mut builder = descriptor.patch();
        if let Some(id) = picture_id {
            builder = builder.picture_id(id);
        }
        if let Some(index) = picture.tl0_pic_idx {
            builder = builder.tl0_pic_idx(index);
        }
        builder.build().ok()
    };
    build(picture.picture_id).or_else(|| build(picture.picture_id.map(|id| id & PICTURE_ID_7_BITS)))
}
