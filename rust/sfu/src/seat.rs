//! A user's place in a room: the session on it, the tracks it publishes and the slots it receives on.

use std::time::{Duration, Instant};

use slotmap::new_key_type;
use str0m::format::{CodecConfig, PayloadParams};
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::rtp::Ssrc;

use crate::allocator::{Height, Why, Wish};
use crate::budget::Budgets;
use crate::capture::CaptureClock;
use crate::congestion::{Allowance, Congestion};
use crate::consent::Consent;
use crate::event::SourceName;
use crate::incumbents::Incumbents;
use crate::keyframes::Debounce;
use crate::peer::{Gone, Peer};
use crate::pictures::Pictures;
use crate::rewrite::{Rewriter, StreamTag};
use crate::route::Known;
use crate::sdp::Line;
use crate::shard::Chosen;
use crate::speaker::Voice;
use crate::stats::Sampler;
use crate::temporal::Highest;
use crate::timers::{Armed, Turns};
use crate::track::{Layer, Track};
use crate::transport_seq::TransportSeqs;
use crate::units::{RoomId, UserId};

new_key_type! {
    /// A seat of a shard.
    pub struct SeatKey;
    /// A lease of a shard.
    pub struct LeaseKey;
}

/// How long a session may be silent before it is dropped. Longer than the 30 s for which a paid session waits.
pub const GRACE: Duration = Duration::from_secs(40);

/// A source of media: a track of a seat, by its m-line. It stays the same when the seat's session is replaced by one
/// that offers alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceId {
    pub seat: SeatKey,
    pub mid: Mid,
}

/// Somebody who receives a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub seat: SeatKey,
    pub slot: usize,
}

pub struct Seat {
    pub room: RoomId,
    pub user: UserId,
    pub lease: LeaseKey,
    pub may_publish: bool,
    /// Cut for good: it takes no session any more.
    pub cut: bool,
    pub link: Option<Link>,
    /// What the user wishes to receive of others' video.
    pub wishes: Vec<(UserId, Wish)>,
    pub armed: Armed,
    /// Has packets written to it that have not been drained.
    pub touched: bool,
}

/// A session on a seat.
pub struct Link {
    pub peer: Peer,
    pub known: Known,
    pub fingerprint: String,
    pub consent: Consent,
    pub capture: CaptureClock,
    pub congestion: Congestion,
    /// For what the layers on the slots were chosen.
    pub chosen: Option<Chosen>,
    /// Since when its queue has been too long to begin anything.
    pub full_since: Option<Instant>,
    /// How many packets of sound are said again with each.
    pub redundancy: usize,
    /// Reports count from here.
    pub epoch: Instant,
    /// DTLS is done and the other side is there: as last reported.
    pub connected: bool,
    pub established: bool,
    pub lost_at: Option<Instant>,
    pub tracks: Vec<Track>,
    pub slots: Vec<Slot>,
    pub budgets: Budgets,
    pub transport_seqs: TransportSeqs,
    pub sight: Sight,
    pub incumbents: Incumbents,
}

/// What is seen and told of a session beyond its media.
#[derive(Default)]
pub struct Sight {
    /// What is heard of the user.
    pub voice: Voice,
    /// Of whom the user was told last that they speak.
    pub speaker_told: Option<SeatKey>,
    pub sampler: Sampler,
    pub stats_told_at: Option<Instant>,
}

/// A recvonly m-line of the user's offer.
pub struct Slot {
    pub mid: Mid,
    pub kind: MediaKind,
    pub ssrc: Ssrc,
    pub codecs: CodecConfig,
    pub source: Option<SourceId>,
    /// The payload type that the source's codec has here.
    pub pt: Option<Pt>,
    /// The one that it has together with what was said before.
    pub redundant: Option<Pt>,
    pub rewriter: Rewriter,
    /// The layer chosen for this subscriber: forwarded from its next keyframe on.
    pub target: Option<StreamTag>,
    /// The highest temporal layer is not wanted; from the next picture on it is left out.
    pub thin: bool,
    pub thinned: bool,
    /// Why nothing is forwarded.
    pub paused: Option<Why>,
    pub pictures: Pictures,
    /// Height and pause as the user was told them last.
    pub told: (Option<Height>, Option<Why>),
    /// Carries the payee's media to the payer.
    pub metered: bool,
}

impl Seat {
    pub fn new(room: RoomId, user: UserId, lease: LeaseKey, may_publish: bool) -> Self {
        let armed = Armed::default();
        Self {
            room,
            user,
            lease,
            may_publish,
            cut: false,
            link: None,
            wishes: Vec::new(),
            armed,
            touched: false,
        }
    }

    pub fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.connected)
    }

    /// When the seat has something to do.
    pub fn deadline(&self, turns: Turns, now: Instant) -> Option<Instant> {
        let link = self.link.as_ref()?;
        let silence = match link.lost_at {
            Some(lost_at) => lost_at + GRACE,
            None => link.consent.deadline(),
        };
        let requests = link
            .tracks
            .iter()
            .flat_map(|track| &track.layers)
            .filter_map(|layer| layer.keyframes.deadline());
        requests
            .chain([silence, turns.round(link.peer.deadline(), now)])
            .chain(link.congestion.deadline())
            .min()
    }
}

impl Link {
    pub fn new(peer: Peer, fingerprint: String, now: Instant) -> Self {
        Self {
            peer,
            known: Known::default(),
            fingerprint,
            consent: Consent::new(now),
            capture: CaptureClock::default(),
            congestion: Congestion::new(now),
            chosen: None,
            full_since: None,
            redundancy: 0,
            epoch: now,
            connected: false,
            established: false,
            lost_at: None,
            tracks: Vec::new(),
            slots: Vec::new(),
            budgets: Budgets::new(now),
            transport_seqs: TransportSeqs::default(),
            sight: Sight::default(),
            incumbents: Incumbents::default(),
        }
    }

    /// Take over what was negotiated. Tracks and slots that stay keep their state.
    pub fn set_lines(&mut self, lines: Vec<Line>) {
        let mut tracks = Vec::new();
        let mut slots = Vec::new();
        let mut videos = 0;
        for line in lines {
            if line.publishes {
                let name = match (line.kind, videos) {
                    (MediaKind::Audio, _) => SourceName::Microphone,
                    (MediaKind::Video, 0) => SourceName::Camera,
                    (MediaKind::Video, _) => SourceName::Screen,
                };
                videos += usize::from(line.kind.is_video());
                tracks.push(
                    self.take_track(&line)
                        .unwrap_or_else(|| Track::new(&line, name)),
                );
            }
            if let Some(ssrc) = line.ssrc {
                let slot = self.take_slot(line.mid).unwrap_or_else(|| {
                    // If the session is gone, driving it says so.
                    let _ = self.peer.reset_stream(ssrc);
                    Slot::new(&line, ssrc)
                });
                slots.push(slot);
            }
        }
        self.tracks = tracks;
        self.slots = slots;
    }

    /// How much may be sent, as far as is known.
    pub fn allowance(&self, now: Instant) -> Allowance {
        if self.peer.is_reported() {
            self.congestion.allowance(now)
        } else {
            Allowance::Unknown
        }
    }

    /// Make room for padding, if what is sent to the slots is reported on.
    pub fn make_padding(&mut self) -> Result<(), Gone> {
        let videos = self.slots.iter().filter(|slot| slot.kind.is_video());
        let lines: Vec<_> = videos
            .map(|slot| (slot.mid, slot.codecs.params().to_vec()))
            .collect();
        self.peer.make_padding(&lines)
    }

    fn take_track(&mut self, line: &Line) -> Option<Track> {
        let index = self.tracks.iter().position(|track| track.mid == line.mid)?;
        Some(self.tracks.swap_remove(index))
    }

    fn take_slot(&mut self, mid: Mid) -> Option<Slot> {
        let index = self.slots.iter().position(|slot| slot.mid == mid)?;
        Some(self.slots.swap_remove(index))
    }

    pub fn track(&self, mid: Mid) -> Option<&Track> {
        self.tracks.iter().find(|track| track.mid == mid)
    }

    pub fn track_mut(&mut self, mid: Mid) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.mid == mid)
    }

    /// The track and the layer in it that a packet of `stream` belongs to; a new layer gets `tag`.
    pub fn place(&mut self, stream: Ssrc, tag: StreamTag) -> Option<(Mid, usize)> {
        for track in &self.tracks {
            if let Some(layer) = track.layers.iter().position(|layer| layer.ssrc == stream) {
                return Some((track.mid, layer));
            }
        }
        let (mid, rid) = self
            .peer
            .with(|rtc| {
                rtc.direct_api()
                    .stream_rx(&stream)
                    .map(|stream| (stream.mid(), stream.rid()))
            })
            .ok()
            .flatten()?;
        let track = self.track_mut(mid)?;
        // A new SSRC for the same layer means that the sender started afresh.
        track.layers.retain(|layer| layer.rid != rid);
        track.layers.push(Layer {
            tag,
            ssrc: stream,
            rid,
            keyframes: Debounce::default(),
            height: None,
            rate: Default::default(),
            highest: Highest::default(),
        });
        Some((mid, track.layers.len() - 1))
    }
}

impl Slot {
    fn new(line: &Line, ssrc: Ssrc) -> Self {
        let clock_rate = if line.kind.is_audio() {
            Frequency::FORTY_EIGHT_KHZ
        } else {
            Frequency::NINETY_KHZ
        };
        Self {
            mid: line.mid,
            kind: line.kind,
            ssrc,
            codecs: CodecConfig::new_from_payload_params(line.codecs.clone()),
            source: None,
            pt: None,
            redundant: None,
            rewriter: Rewriter::new(clock_rate),
            target: None,
            thin: false,
            thinned: false,
            paused: None,
            pictures: Pictures::default(),
            told: (None, None),
            metered: false,
        }
    }

    /// Nothing is forwarded until the next keyframe, and that it stands still until then is meant.
    pub fn stop(&mut self) {
        self.rewriter.stop();
        self.pictures.begin();
    }

    /// The payload type that a codec has on this slot, if it was negotiated.
    pub fn pt_of(&self, params: PayloadParams) -> Option<Pt> {
        self.codecs.match_params(params).map(|params| params.pt())
    }

    /// Take over the payload types that a source's codec has here.
    pub fn set_codec(&mut self, params: Option<PayloadParams>) {
        let here = params.and_then(|params| self.codecs.match_params(params));
        self.pt = here.map(|params| params.pt());
        self.redundant = here.and_then(|params| params.red());
    }
}
