//! A peer as a browser would be: it publishes, watches, reports what arrives (TWCC, NACK) and adapts what it sends to its
//! uplink. Made of str0m, which must be drained after every change; `Peer` is the only place that touches it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use curtaincall_link::{Link, OVERHEAD_BYTES};
use curtaincall_sfu::units::UserId;
use str0m::bwe::{Bitrate, BweKind};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{
    Direction, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{ExtensionValues, RawPacket, RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::error::NetworkError;
use crate::picture::Fragment;
use crate::publisher::{Due, LAYERS, Publisher, Syllable, most_bits_per_s};
use crate::screen::Screen;
use crate::sound::Sound;
pub use crate::studio::Sender;
use crate::studio::{Estimator, FIRST_ESTIMATE, Studio};

/// 12 bytes of RTP's header, about 16 of its extensions, 16 of SRTP.
pub(crate) const HEADER_BYTES: usize = 44;

/// Loudness in dBov, told with each packet of sound (RFC 6464).
const VOICE: i8 = -25;
const SILENCE: i8 = -127;

/// A session that wants to be driven at once was just driven.
const MIN_STEP: Duration = Duration::from_micros(200);

/// A peer behind its access link.
pub struct Peer {
    pub user: UserId,
    pub address: SocketAddr,
    pub uplink: Link,
    pub downlink: Link,
    /// What it watches, by publisher.
    pub screens: BTreeMap<u8, Screen>,
    pub sounds: BTreeMap<u8, Sound>,
    /// Bytes of video and sound that came for the first time or again, with their headers.
    pub media_bytes: u64,
    server: SocketAddr,
    began: Instant,
    rtc: Rtc,
    deadline: Instant,
    studio: Option<Studio>,
    streams: BTreeMap<u8, Stream>,
    sender: Sender,
}

/// What a publisher's pictures come on.
#[derive(Clone, Copy, Debug)]
struct Stream {
    mid: Mid,
    /// What is sent again comes on this.
    resent: Option<Ssrc>,
    newest: u64,
}

/// Where and how a peer sits.
pub struct Place {
    pub user: UserId,
    pub address: SocketAddr,
    pub server: SocketAddr,
    pub uplink: Link,
    pub downlink: Link,
    pub sender: Sender,
}

impl Peer {
    /// A peer that has not offered anything yet. `began` is where the clock of the captures begins.
    pub fn new(place: Place, now: Instant, began: Instant) -> Result<Self, NetworkError> {
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_bwe((place.sender == Sender::Gcc).then(|| Bitrate::bps(FIRST_ESTIMATE)))
            .enable_raw_packets(true)
            .build(now);
        let candidate = Candidate::host(place.address, "udp")
            .map_err(|error| NetworkError::Negotiation(error.to_string()))?;
        rtc.add_local_candidate(candidate);
        Ok(Self {
            user: place.user,
            address: place.address,
            uplink: place.uplink,
            downlink: place.downlink,
            screens: BTreeMap::new(),
            sounds: BTreeMap::new(),
            media_bytes: 0,
            server: place.server,
            began,
            rtc,
            deadline: now,
            studio: None,
            streams: BTreeMap::new(),
            sender: place.sender,
        })
    }

    /// Offer own tracks (if there is a publisher) and pairs of slots.
    pub fn offer(
        &mut self,
        publisher: Option<Publisher>,
        pairs: usize,
    ) -> Result<(String, SdpPendingOffer), NetworkError> {
        let mut changes = self.rtc.sdp_api();
        let send = Direction::SendOnly;
        if let Some(publisher) = publisher {
            let mut layers = Simulcast::new();
            for layer in LAYERS {
                layers.add_send_layer(SimulcastLayer::new(layer.rid));
            }
            let audio = changes.add_media(MediaKind::Audio, send, None, None, None);
            let video = changes.add_media(MediaKind::Video, send, None, None, Some(layers));
            self.studio = Some(Studio {
                publisher,
                video,
                audio,
                next_seq: HashMap::new(),
                ssrcs: HashSet::new(),
                estimator: self.sender.estimator(self.began),
            });
        }
        for _ in 0..pairs {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                changes.add_media(kind, Direction::RecvOnly, None, None, None);
            }
        }
        let nothing = || NetworkError::Negotiation("there is nothing to offer".to_owned());
        let (offer, pending) = changes.apply().ok_or_else(nothing)?;
        Ok((as_browsers_offer(&offer.to_sdp_string()), pending))
    }

    /// Take the answer.
    pub fn answer(&mut self, pending: SdpPendingOffer, sdp: &str) -> Result<(), NetworkError> {
        let answer = SdpAnswer::from_sdp_string(sdp)
            .map_err(|error| NetworkError::Negotiation(error.to_string()))?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        if self.studio.is_some() && self.sender == Sender::Gcc {
            let desired = Bitrate::bps(most_bits_per_s());
            self.rtc.bwe().set_bitrate(Bitrate::ZERO, desired);
        }
        Ok(())
    }

    /// Camera and microphone.
    pub fn publisher(&self) -> Option<&Publisher> {
        self.studio.as_ref().map(|studio| &studio.publisher)
    }

    pub fn publisher_mut(&mut self) -> Option<&mut Publisher> {
        self.studio.as_mut().map(|studio| &mut studio.publisher)
    }

    pub fn deadline(&self) -> Instant {
        let publishing = self.studio.iter().flat_map(Studio::deadlines);
        let screens = self.screens.values().filter_map(Screen::deadline);
        let own = publishing.chain(screens).min();
        own.map_or(self.deadline, |own| own.min(self.deadline))
    }

    /// A datagram came.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) -> Result<(), NetworkError> {
        // What makes no sense is the network's or the server's doing, and no reason to stop.
        if let Ok(receive) = Receive::new(Protocol::Udp, self.server, self.address, bytes) {
            let _ = self.rtc.handle_input(Input::Receive(now, receive));
        }
        Ok(())
    }

    /// Do what is due: capture, send, ask.
    pub fn elapse(&mut self, now: Instant) -> Result<(), NetworkError> {
        if let Some(mut studio) = self.studio.take() {
            for due in studio.take(now) {
                self.send(&mut studio, now, due);
            }
            self.studio = Some(studio);
        }
        for (publisher, screen) in &mut self.screens {
            if screen.elapse(now)
                && let Some(Stream { mid, .. }) = self.streams.get(publisher)
                && let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(*mid, None)
            {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        Ok(())
    }

    /// The next datagram to be sent.
    pub fn poll(&mut self, now: Instant) -> Result<Option<Vec<u8>>, NetworkError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(deadline) => {
                    self.deadline = deadline.max(now + MIN_STEP);
                    return Ok(None);
                }
                Output::Transmit(transmit) => {
                    self.has_left(&transmit.contents);
                    return Ok(Some(transmit.contents.to_vec()));
                }
                Output::Event(event) => self.note(now, event),
            }
        }
    }

    fn send(&mut self, studio: &mut Studio, now: Instant, due: Due) {
        let (mid, rid) = match due.layer {
            Some(layer) => (
                studio.video,
                LAYERS.get(layer).map(|layer| Rid::from(layer.rid)),
            ),
            None => (studio.audio, None),
        };
        let media = self.rtc.media(mid);
        let Some(pt) = media.and_then(|media| media.remote_pts().first().copied()) else {
            return;
        };
        let seq = studio.next_seq.entry(due.layer).or_insert(1_000);
        *seq += 1;
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, rid) {
            let is_video = due.layer.is_some();
            if is_video && matches!(studio.estimator, Estimator::Gcc) {
                studio.ssrcs.insert(*stream.ssrc());
                studio.publisher.unsent_bytes += due.payload.len() + HEADER_BYTES;
            }
            let loudness = if studio.publisher.speaks {
                VOICE
            } else {
                SILENCE
            };
            let loudness = (!is_video).then_some(loudness);
            let extensions = ExtensionValues {
                audio_level: loudness,
                voice_activity: loudness.map(|level| level > SILENCE),
                ..Default::default()
            };
            let packet = RtpWrite::new(pt, (*seq).into(), due.timestamp, now, due.payload)
                .ext_vals(extensions);
            stream.write_rtp(packet.marker(due.marker).nackable(is_video));
        }
    }

    fn has_left(&mut self, datagram: &[u8]) {
        let ssrc = datagram.get(8..12).and_then(|ssrc| ssrc.try_into().ok());
        if let (Some(studio), Some(ssrc)) = (&mut self.studio, ssrc.map(u32::from_be_bytes))
            && studio.ssrcs.contains(&ssrc)
        {
            let unsent = &mut studio.publisher.unsent_bytes;
            *unsent = unsent.saturating_sub(datagram.len());
        }
    }

    fn note(&mut self, now: Instant, event: Event) {
        match event {
            Event::RtpPacket(packet) => self.watch(now, &packet),
            Event::RawPacket(packet) => self.note_raw(now, *packet),
            Event::KeyframeRequest(request) => {
                if let (Some(rid), Some(studio)) = (request.rid, &mut self.studio) {
                    studio.publisher.keyframe_wanted(&rid);
                }
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                if let Some(studio) = &mut self.studio {
                    studio.publisher.estimate_bits_per_s = estimate.as_u64();
                }
            }
            _ => {}
        }
    }

    fn note_raw(&mut self, now: Instant, packet: RawPacket) {
        let simple = match self.studio.as_mut() {
            Some(Studio {
                estimator: Estimator::Simple { uplink, .. },
                publisher,
                ..
            }) => Some((uplink, publisher)),
            _ => None,
        };
        match (packet, simple) {
            (RawPacket::RtpRx(header, payload), _) => {
                self.watch_resent(now, *header.ssrc, &payload);
            }
            (RawPacket::RtpTx(header, bytes), Some((uplink, _))) => {
                if let Some(number) = header.ext_vals.transport_cc {
                    uplink.sent(now, number, bytes.len() + OVERHEAD_BYTES);
                }
            }
            (RawPacket::RtcpRx(Rtcp::Twcc(report)), Some((uplink, publisher))) => {
                let packets = report.into_iter(self.began, uplink.next_number().into());
                uplink.report(now, packets.map(|(number, _, at)| (*number, at)));
                publisher.estimate_bits_per_s = uplink.bits_per_s();
            }
            _ => {}
        }
    }

    fn watch(&mut self, now: Instant, packet: &RtpPacket) {
        let seq = *packet.seq_no;
        let bytes = (packet.payload.len() + HEADER_BYTES + OVERHEAD_BYTES) as u64;
        if let Some(fragment) = Fragment::read(&packet.payload) {
            let mut api = self.rtc.direct_api();
            if let Some(stream) = api.stream_rx(&packet.header.ssrc) {
                let known = self.streams.entry(fragment.publisher).or_insert(Stream {
                    mid: stream.mid(),
                    resent: None,
                    newest: seq,
                });
                known.resent = stream.rtx();
                known.newest = known.newest.max(seq);
            }
            self.media_bytes += bytes;
            let screen = self.screens.entry(fragment.publisher).or_default();
            screen.packet(now, seq, fragment);
        } else if let Some(syllable) = Syllable::read(&packet.payload) {
            self.media_bytes += bytes;
            let sound = self.sounds.entry(syllable.publisher).or_default();
            sound.packet(now, now - self.began, syllable);
        }
    }

    /// What is sent again is looked at here as well: str0m drops it when it comes more than 100 packets late, as it does
    /// over long round trips, and browsers do not.
    fn watch_resent(&mut self, now: Instant, ssrc: u32, payload: &[u8]) {
        let is_on =
            |(_, stream): &(&u8, &Stream)| stream.resent.is_some_and(|resent| *resent == ssrc);
        let Some((_, stream)) = self.streams.iter().find(is_on) else {
            return;
        };
        let Some((number, payload)) = payload.split_first_chunk::<2>() else {
            return;
        };
        if let Some(fragment) = Fragment::read(payload) {
            let seq = unwrapped(u16::from_be_bytes(*number), stream.newest);
            let screen = self.screens.entry(fragment.publisher).or_default();
            screen.packet(now, seq, fragment);
        }
    }
}

/// The number of a packet that was sent again (RFC 4588): the one of those with these 16 bits that is nearest.
fn unwrapped(number: u16, newest: u64) -> u64 {
    let ahead = number.wrapping_sub(newest as u16) as i16;
    newest.saturating_add_signed(i64::from(ahead))
}

/// Browsers declare no SSRCs for slots and for simulcast.
fn as_browsers_offer(sdp: &str) -> String {
    let mut sections = Vec::new();
    for line in sdp.split_inclusive('\n') {
        if line.starts_with("m=") || sections.is_empty() {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let mut text = String::with_capacity(sdp.len());
    for section in sections {
        let undeclared = section
            .iter()
            .any(|line| line.starts_with("a=recvonly") || line.starts_with("a=simulcast:"));
        let kept = section
            .into_iter()
            .filter(|line| !(undeclared && line.starts_with("a=ssrc")));
        text.extend(kept);
    }
    text
}
