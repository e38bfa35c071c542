//! The way of a media packet: lease of the sender, fan-out, lease of the receiver, rewriting.

use std::time::Instant;

use str0m::format::Codec;
use str0m::media::MediaKind;
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Vp8Descriptor};

use super::{HOLD_FROM, MAX_PAYLOAD, Shard};
use crate::allocator::Height;
use crate::capture::Report;
use crate::keyframes::starts_keyframe;
use crate::layers;
use crate::picture_height::picture_height;
use crate::rewrite::{Numbers, PictureIds, StreamTag};
use crate::seat::{SeatKey, SourceId, Subscriber};
use crate::speaker::Level;

/// A packet on its way to subscribers, with what all of them need to know.
struct Arrived {
    packet: RtpPacket,
    captured_at: Instant,
    tag: StreamTag,
    numbers: Numbers,
    vp8: Option<Vp8Descriptor>,
    /// Begins a keyframe (or is audio).
    starts: bool,
    /// Is of the layer for whom none was chosen.
    is_active: bool,
}

const PICTURE_ID_7_BITS: u16 = 0x7f;

impl Shard {
    /// Pass a packet of a seat on to everybody who has it on a slot.
    ///
    /// The lease is asked here and not before decryption: a session that is denied for minutes would lose count of
    /// the sender's rollovers and could never resume.
    pub(super) fn forward(&mut self, from: SeatKey, packet: RtpPacket) {
        if !self.is_open(from) || packet.payload.len() > MAX_PAYLOAD || packet.payload.is_empty() {
            self.counters.media_denied += 1;
            return;
        }
        let tag = self.new_tag();
        let Some(link) = self
            .seats
            .get_mut(from)
            .filter(|seat| seat.may_publish)
            .and_then(|seat| seat.link.as_mut())
        else {
            return;
        };
        let Some((mid, layer)) = link.place(packet.header.ssrc, tag) else {
            return;
        };
        if let Some(level) = packet.header.ext_vals.audio_level {
            link.sight.voice.heard(Level(level));
        }
        let source = SourceId { seat: from, mid };
        let Some(codec) = self.codec_of(source, &packet) else {
            return;
        };
        let starts = starts_keyframe(codec, &packet.payload);
        let Some((tag, is_active)) = self.note_packet(source, layer, packet.payload.len(), starts)
        else {
            return;
        };
        if starts && let Some(height) = picture_height(codec, &packet.payload) {
            self.note_height(source, tag, height);
        }
        let captured_at = self.captured_at(source, &packet);
        let vp8 = (codec == Codec::Vp8)
            .then(|| Vp8Descriptor::parse(&packet.payload).ok())
            .flatten();
        let numbers = Numbers {
            seq: *packet.seq_no,
            timestamp: packet.header.timestamp,
            picture: PictureIds {
                picture_id: vp8.and_then(|descriptor| descriptor.picture_id()),
                tl0_pic_idx: vp8.and_then(|descriptor| descriptor.tl0_pic_idx()),
            },
        };
        self.fan_out(
            source,
            &Arrived {
                packet,
                captured_at,
                tag,
                numbers,
                vp8,
                starts,
                is_active,
            },
        );
    }

    fn note_height(&mut self, source: SourceId, tag: StreamTag, height: Height) {
        let Some(track) = self.track_mut(source) else {
            return;
        };
        if let Some(layer) = track.layers.iter_mut().find(|layer| layer.tag == tag) {
            layer.height = Some(height);
        }
    }

    /// When a packet was captured, as far as its publisher has told.
    fn captured_at(&mut self, source: SourceId, packet: &RtpPacket) -> Instant {
        let now = self.now;
        let Some(info) = packet.last_sender_info else {
            return now;
        };
        let Some(params) = self.track(source).and_then(|track| track.params) else {
            return now;
        };
        let report = Report {
            wall_clock: info.ntp_time,
            timestamp: info.rtp_time.numer() as u32,
        };
        let link = self
            .seats
            .get_mut(source.seat)
            .and_then(|seat| seat.link.as_mut());
        link.map_or(now, |link| {
            let clock_rate = params.spec().clock_rate;
            link.capture
                .captured_at(now, report, packet.header.timestamp, clock_rate)
        })
    }

    /// The codec of a packet. If the publisher changed it, slots are found anew.
    fn codec_of(&mut self, source: SourceId, packet: &RtpPacket) -> Option<Codec> {
        let link = self.seats.get_mut(source.seat)?.link.as_mut()?;
        let known = link.track(source.mid)?.params;
        if let Some(params) = known
            && params.pt() == packet.header.payload_type
        {
            return Some(params.spec().codec);
        }
        let params = link.peer.payload_params(packet)?;
        link.track_mut(source.mid)?.params = Some(params);
        let room = self.seats.get(source.seat)?.room.clone();
        self.reassign(&room);
        Some(params.spec().codec)
    }

    /// Count a packet for its layer and choose the layer to forward. Returns the layer's tag and whether it is that.
    fn note_packet(
        &mut self,
        source: SourceId,
        layer: usize,
        bytes: usize,
        starts: bool,
    ) -> Option<(StreamTag, bool)> {
        let now = self.now;
        let track = self.track_mut(source)?;
        let noted = track.layers.get_mut(layer)?;
        let tag = noted.tag;
        let is_back = !noted.rate.is_flowing(now);
        let choose_again = noted.rate.packet(now, bytes);
        if starts {
            noted.keyframes.answered();
        }
        let is_layered = track.kind == MediaKind::Video && track.layers.len() > 1;
        let active = track
            .active
            .and_then(|active| track.layers.iter().position(|layer| layer.tag == active));
        if active.is_none() || (choose_again && track.layers.len() > 1) {
            let rates: Vec<_> = track.layers.iter().map(|layer| layer.rate).collect();
            let chosen =
                layers::choose(now, &rates, active).and_then(|index| track.layers.get(index));
            let chosen = chosen.map(|layer| layer.tag);
            if chosen != track.active {
                track.active = chosen;
                if active.is_none() && !(starts && chosen == Some(tag)) {
                    self.want_keyframe(source, None);
                }
            }
        }
        if is_layered && (is_back || choose_again) {
            self.renew_ladder(source, starts.then_some(tag));
        }
        Some((tag, self.track(source)?.active == Some(tag)))
    }

    fn fan_out(&mut self, source: SourceId, arrived: &Arrived) {
        let Some(track) = self.track_mut(source) else {
            return;
        };
        // Taken out for the while, so that the seats can be borrowed; nothing changes subscriptions meanwhile.
        let subscribers = std::mem::take(&mut track.subscribers);
        let many = subscribers.len() >= HOLD_FROM;
        for subscriber in &subscribers {
            if self.deliver(*subscriber, arrived).is_none() {
                continue;
            }
            self.counters.media_forwarded += 1;
            if many {
                self.touch_later(subscriber.seat);
            } else {
                self.touch(subscriber.seat);
            }
        }
        if let Some(track) = self.track_mut(source) {
            track.subscribers = subscribers;
        }
    }

    /// Write a packet to a subscriber, if its lease is open and the packet fits its stream.
    fn deliver(&mut self, subscriber: Subscriber, arrived: &Arrived) -> Option<()> {
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
        let slot = link.slots.get_mut(subscriber.slot)?;
        if slot.paused.is_some() {
            slot.pictures.begin();
            return None;
        }
        let pt = slot.pt?;
        let numbers = if slot.rewriter.current() == Some(arrived.tag) {
            slot.rewriter.follow(now, arrived.tag, arrived.numbers)?
        } else if arrived.starts
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
        let mut write = RtpWrite::new(
            pt,
            numbers.seq.into(),
            numbers.timestamp,
            arrived.captured_at,
            arrived.packet.payload.clone(),
        )
        .marker(header.marker)
        .nackable(slot.kind == MediaKind::Video)
        .ext_vals(ExtensionValues {
            audio_level: header.ext_vals.audio_level,
            voice_activity: header.ext_vals.voice_activity,
            video_orientation: header.ext_vals.video_orientation,
            ..Default::default()
        });
        if numbers.picture != arrived.numbers.picture
            && let Some(patch) = arrived
                .vp8
                .and_then(|descriptor| patch(&descriptor, numbers.picture))
        {
            write = write.vp8_patch(patch);
        }
        let ssrc = slot.ssrc;
        link.peer.write(ssrc, write).ok()
    }

    /// Somebody wants a keyframe of a source (of the layer chosen for it, if one was): ask for one, if it may flow and was
    /// not asked for just now.
    pub(super) fn want_keyframe(&mut self, source: SourceId, chosen: Option<StreamTag>) {
        let now = self.now;
        if !self.is_open(source.seat) {
            return;
        }
        let Some(link) = self
            .seats
            .get_mut(source.seat)
            .and_then(|seat| seat.link.as_mut())
        else {
            return;
        };
        let Some(track) = link
            .track_mut(source.mid)
            .filter(|track| track.kind == MediaKind::Video)
        else {
            return;
        };
        let mid = track.mid;
        let Some(layer) = track.layer_or_active(chosen) else {
            return;
        };
        if layer.keyframes.want(now) {
            let rid = layer.rid;
            let asked = link.peer.request_keyframe(mid, rid);
            self.finish_request(source.seat, asked.is_ok());
        } else {
            self.arm_seat(source.seat);
        }
    }

    fn finish_request(&mut self, key: SeatKey, asked: bool) {
        if asked {
            self.touch(key);
        } else {
            self.discard(key);
        }
    }

    /// Send the keyframe requests that were held back.
    pub(super) fn renew_wishes(&mut self, key: SeatKey) {
        let now = self.now;
        let open = self.is_open(key);
        let Some(link) = self.seats.get_mut(key).and_then(|seat| seat.link.as_mut()) else {
            return;
        };
        for track in &mut link.tracks {
            for layer in &mut track.layers {
                if layer.keyframes.elapse(now) && open {
                    // If the session is gone, driving it right after this says so.
                    let _ = link.peer.request_keyframe(track.mid, layer.rid);
                }
            }
        }
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
