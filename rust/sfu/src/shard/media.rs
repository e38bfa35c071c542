//! The way of a media packet: lease of the sender, fan-out, lease of the receiver, rewriting.

use std::time::Instant;

use str0m::format::Codec;
use str0m::media::MediaKind;
use str0m::rtp::{RtpPacket, Vp8Descriptor};

use super::delivery::Arrived;
use super::{MAX_PAYLOAD, Shard};
use crate::allocator::Height;
use crate::capture::Report;
use crate::keyframes::starts_keyframe;
use crate::layers;
use crate::picture_height::picture_height;
use crate::redundancy;
use crate::rewrite::{Numbers, PictureIds, StreamTag};
use crate::seat::{SeatKey, SourceId};
use crate::speaker::Level;
use crate::temporal::Place;
use crate::track::Track;

impl Shard {
    /// Pass a packet of a seat on to everybody who has it on a slot.
    ///
    /// The lease is asked here and not before decryption: a session that is denied for minutes would lose count of
    /// the sender's rollovers and could never resume.
    pub(super) fn forward(&mut self, from: SeatKey, mut packet: RtpPacket) {
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
        if !plain(link.track(mid), &mut packet) {
            return;
        }
        let source = SourceId { seat: from, mid };
        let Some(codec) = self.codec_of(source, &packet) else {
            return;
        };
        let starts = starts_keyframe(codec, &packet.payload);
        let place = Place::of(codec, &packet.payload);
        let bytes = packet.payload.len();
        let Some((tag, is_active)) = self.note_packet(source, layer, bytes, starts) else {
            return;
        };
        if starts && let Some(height) = picture_height(codec, &packet.payload) {
            self.note_height(source, tag, height);
        }
        let is_highest = self.note_place(source, tag, place, bytes);
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
                begins: place.is_some_and(|place| place.begins),
                is_highest,
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

    /// Count a packet for its temporal layer. Returns whether that is the highest.
    fn note_place(
        &mut self,
        source: SourceId,
        tag: StreamTag,
        place: Option<Place>,
        bytes: usize,
    ) -> bool {
        let now = self.now;
        let layers = self.track_mut(source).map(|track| &mut track.layers);
        let layer = layers.and_then(|layers| layers.iter_mut().find(|layer| layer.tag == tag));
        layer.is_some_and(|layer| layer.highest.packet(now, place, bytes))
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

/// Leave what is said now, of a packet in which a publisher says again what it said before. Returns false if it is malformed.
fn plain(track: Option<&Track>, packet: &mut RtpPacket) -> bool {
    let Some(params) = track.and_then(|track| track.params) else {
        return true;
    };
    if params.red() != Some(packet.header.payload_type) {
        return true;
    }
    let Some(said) = redundancy::unwrap(&packet.payload) else {
        return false;
    };
    packet.payload = said.into();
    packet.header.payload_type = params.pt();
    !packet.payload.is_empty()
}
