//! One PeerConnection: negotiation as an ordinary client that offers, and the packets of it.
//!
//! str0m must be drained after every change; `Connection` is the only place that touches it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{
    Direction, Frequency, KeyframeRequestKind, MediaData, MediaKind, MediaTime, Mid, Pt, Rid,
    Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

use crate::clock::{Epoch, RealtimeOffset, monotonic_us};
use crate::error::SwarmError;
use crate::flood::Mischief;
use crate::media::{Coding, Frame};
use crate::path::Network;
use crate::report::{Packet, Role};
use crate::sdp::{as_browsers_offer, without_feedback};
use crate::socket::{Carried, MediaSocket, carried};

/// Constrained baseline, level 3.1: what every browser offers.
const H264_PROFILE_LEVEL: u32 = 0x42_e01f;
/// Most datagrams that are taken in before timers and commands have their turn.
const DATAGRAMS_PER_TURN: usize = 256;
/// Names of simulcast layers, from the largest picture to the smallest.
pub const LAYER_NAMES: [&str; 3] = ["h", "m", "l"];

/// What a connection is made for.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// The address to send and receive media at.
    pub ip: IpAddr,
    /// What is published, in the order of the offer: coding and number of simulcast layers (1: none).
    pub own: Vec<(Coding, usize)>,
    /// Pairs of slots, audio and video.
    pub slots: usize,
    /// Codings of video that are offered, the best first.
    pub video: Vec<Coding>,
    /// Of media packets only one in so many is decrypted.
    pub decrypt_one_in: u32,
}

/// What a connection tells its peer.
#[derive(Debug)]
pub enum News {
    Connected,
    /// ICE lost its path; it may come back.
    Disconnected,
    /// The other side is gone for good.
    Closed,
    Packet(Packet, Role),
    /// A packet of an own track left: audio, or the last of a picture.
    Left {
        at_us: u64,
        kind: MediaKind,
        timestamp: u32,
    },
    /// A frame put together from packets; `at_us` is when the last of them came, or was no longer waited for.
    Frame {
        at_us: u64,
        kind: MediaKind,
        data: Box<MediaData>,
    },
    /// Somebody needs a keyframe of what is published at this place in `Wishes::own`.
    KeyframeWanted {
        own: usize,
    },
}

/// How many packets of media left the socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub packets: u64,
    pub last_us: Option<u64>,
}

/// A PeerConnection with its own socket.
pub struct Connection {
    rtc: Rtc,
    socket: MediaSocket,
    epoch: Epoch,
    own: Vec<(Mid, Coding)>,
    pending: Option<SdpPendingOffer>,
    roles: HashMap<u32, (Mid, MediaKind, bool)>,
    sending: HashMap<u32, Option<MediaKind>>,
    decrypt_one_in: u32,
    undecrypted: u32,
    wake: Instant,
    pub mischief: Mischief,
    pub sent: Sent,
}

impl Connection {
    /// Makes a connection and its first offer: own tracks sendonly, then pairs of recvonly slots.
    pub fn offer(wishes: &Wishes, epoch: Epoch) -> Result<(Self, String), SwarmError> {
        let now = Instant::now();
        let mut config = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .set_stats_interval(None);
        for &coding in &wishes.video {
            config = match coding {
                Coding::Vp8 => config.enable_vp8(true),
                Coding::H264 => {
                    let codecs = config.codec_config();
                    codecs.add_h264(Pt::from(102), Some(Pt::from(103)), true, H264_PROFILE_LEVEL);
                    config
                }
                Coding::Opus => config,
            };
        }
        let mut rtc = config.build(now);
        let socket = MediaSocket::bind(wishes.ip)?;
        let candidate = Candidate::host(socket.local(), "udp")
            .map_err(|error| SwarmError::Negotiation(error.to_string()))?;
        rtc.add_local_candidate(candidate);
        let mut changes = rtc.sdp_api();
        let mut own = Vec::new();
        for &(coding, layers) in &wishes.own {
            let kind = if coding.is_video() {
                MediaKind::Video
            } else {
                MediaKind::Audio
            };
            let mid = changes.add_media(kind, Direction::SendOnly, None, None, simulcast(layers));
            own.push((mid, coding));
        }
        for _ in 0..wishes.slots {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                changes.add_media(kind, Direction::RecvOnly, None, None, None);
            }
        }
        let (offer, pending) = changes
            .apply()
            .ok_or_else(|| SwarmError::Negotiation("there is nothing to offer".to_owned()))?;
        let connection = Self {
            rtc,
            socket,
            epoch,
            own,
            pending: Some(pending),
            roles: HashMap::new(),
            sending: HashMap::new(),
            decrypt_one_in: wishes.decrypt_one_in,
            undecrypted: 0,
            wake: now,
            mischief: Mischief::default(),
            sent: Sent::default(),
        };
        let offer = as_browsers_offer(&offer.to_sdp_string());
        if wishes.decrypt_one_in > 1 {
            return Ok((connection, without_feedback(&offer)));
        }
        Ok((connection, offer))
    }

    /// Offers again with new ICE credentials.
    pub fn restart_ice(&mut self) -> Result<String, SwarmError> {
        let mut changes = self.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes
            .apply()
            .ok_or_else(|| SwarmError::Negotiation("there is nothing to restart".to_owned()))?;
        self.pending = Some(pending);
        Ok(as_browsers_offer(&offer.to_sdp_string()))
    }

    /// Takes the answer to the latest offer.
    pub fn answer(&mut self, sdp: &str, news: &mut Vec<News>) -> Result<(), SwarmError> {
        let pending = self
            .pending
            .take()
            .ok_or_else(|| SwarmError::Negotiation("an ANSWER without an OFFER".to_owned()))?;
        let answer = SdpAnswer::from_sdp_string(sdp)
            .map_err(|error| SwarmError::Negotiation(error.to_string()))?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.turn(news)
    }

    pub fn source(&self) -> BorrowedFd<'_> {
        self.socket.source()
    }

    /// When `tick` has to be called next.
    pub fn wake_us(&self) -> u64 {
        let wake_us = self.epoch.us(self.wake);
        self.socket
            .due_us()
            .map_or(wake_us, |due_us| due_us.min(wake_us))
    }

    /// Whether something has arrived that polling does not tell of: a network that was asked for held it back.
    pub fn is_due(&self, now_us: u64) -> bool {
        self.socket.due_us().is_some_and(|due_us| due_us <= now_us)
    }

    /// Makes the network as bad as is asked for.
    pub fn set_path(&mut self, network: Network) {
        self.socket.set_path(network, self.epoch);
    }

    pub fn set_network(&mut self, connected: bool) {
        self.socket.set_connected(connected);
    }

    /// Floods the server with rubbish; a rate of 0 ends it. Returns how many datagrams that were so far.
    pub fn flood(&mut self, per_s: u32) -> Result<u64, SwarmError> {
        self.mischief.flood(self.socket.share()?, per_s)
    }

    /// Does what is due.
    pub fn tick(&mut self, news: &mut Vec<News>) -> Result<(), SwarmError> {
        self.turn(news)
    }

    /// Takes in the datagrams that have come; returns whether there may be more.
    pub fn receive(&mut self, news: &mut Vec<News>) -> Result<bool, SwarmError> {
        let offset = RealtimeOffset::measure();
        let destination = self.socket.local();
        for _ in 0..DATAGRAMS_PER_TURN {
            let Some(arrival) = self.socket.receive(offset)? else {
                return Ok(false);
            };
            let at_us = arrival.at_us;
            let header =
                (carried(arrival.bytes) == Carried::Srtp).then(|| header(at_us, arrival.bytes));
            if let Some(packet) = header
                && let Some(&(mid, kind, false)) = self.roles.get(&packet.ssrc)
                && self.undecrypted + 1 < self.decrypt_one_in
            {
                self.undecrypted += 1;
                news.push(News::Packet(packet, Role::Media { mid, kind }));
                continue;
            }
            self.undecrypted = 0;
            if let Ok(contents) = arrival.bytes.try_into() {
                let input = Receive {
                    proto: Protocol::Udp,
                    source: arrival.source,
                    destination,
                    contents,
                };
                // A packet that str0m cannot make sense of is the sender's trouble; it was received all the same.
                let _ = self
                    .rtc
                    .handle_input(Input::Receive(self.epoch.instant(at_us), input));
            }
            if let Some(packet) = header {
                let role = self.role(packet.ssrc);
                news.push(News::Packet(packet, role));
            }
            self.drain(at_us, news)?;
        }
        Ok(true)
    }

    /// Sends a frame of what is published at this place; it leaves with the next `tick`.
    ///
    /// Returns false if the server did not agree to its coding or its layer.
    pub fn write(&mut self, own: usize, layer: Option<&str>, due_us: u64, frame: &Frame) -> bool {
        let (mid, coding) = self.own[own];
        let Some(mut writer) = self.rtc.writer(mid) else {
            return false;
        };
        let wanted = codec(coding);
        let Some(pt) = writer
            .payload_params()
            .find(|params| params.spec().codec == wanted)
            .map(|params| params.pt())
        else {
            return false;
        };
        if let Some(layer) = layer {
            writer = writer.rid(Rid::from(layer));
        }
        let hz = u64::from(coding.clock_hz());
        let ticks = u128::from(due_us) * u128::from(hz) / 1_000_000;
        let Some(frequency) = Frequency::new(coding.clock_hz()) else {
            return false;
        };
        // The clock's own value begins the stream anywhere in the 32 bits that are sent, as a browser's would.
        let time = MediaTime::new(u64::try_from(ticks).unwrap_or(0), frequency);
        writer
            .write(pt, self.epoch.instant(due_us), time, frame.data.clone())
            .is_ok()
    }

    /// Asks the sender of a slot for a keyframe.
    pub fn request_keyframe(&mut self, mid: Mid) {
        if let Some(mut writer) = self.rtc.writer(mid) {
            // Before the first packet there is nobody to ask.
            let _ = writer.request_keyframe(None, KeyframeRequestKind::Pli);
        }
    }

    /// Says goodbye to the other side. The socket goes on listening.
    pub fn close(&mut self, news: &mut Vec<News>) {
        let _ = self.rtc.close();
        let _ = self.drain(monotonic_us(), news);
    }

    fn turn(&mut self, news: &mut Vec<News>) -> Result<(), SwarmError> {
        let now_us = monotonic_us();
        let now = self.epoch.instant(now_us);
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now_us, news)?;
        self.socket.flush();
        Ok(())
    }

    fn drain(&mut self, at_us: u64, news: &mut Vec<News>) -> Result<(), SwarmError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(wake) => {
                    self.wake = wake;
                    return Ok(());
                }
                Output::Transmit(transmit)
                    if !self.mischief.lets(transmit.destination, &transmit.contents) => {}
                Output::Transmit(transmit) => {
                    let leaves_us = monotonic_us();
                    let left = self.socket.send(transmit.destination, &transmit.contents);
                    if left && carried(&transmit.contents) == Carried::Srtp {
                        self.sent.packets += 1;
                        self.sent.last_us = Some(monotonic_us());
                        news.extend(self.has_left(header(leaves_us, &transmit.contents)));
                    }
                }
                Output::Event(event) => news.extend(self.told_by(event, at_us)),
            }
        }
    }

    fn told_by(&self, event: Event, at_us: u64) -> Option<News> {
        Some(match event {
            Event::Connected => News::Connected,
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => News::Disconnected,
            Event::Closed => News::Closed,
            Event::MediaData(data) => {
                let coding = data.params.spec().codec;
                News::Frame {
                    at_us,
                    kind: if coding.is_audio() {
                        MediaKind::Audio
                    } else {
                        MediaKind::Video
                    },
                    data: Box::new(data),
                }
            }
            Event::KeyframeRequest(request) => News::KeyframeWanted {
                own: self.own.iter().position(|&(mid, _)| mid == request.mid)?,
            },
            _ => return None,
        })
    }

    /// What is told of a packet that left.
    fn has_left(&mut self, packet: Packet) -> Option<News> {
        let rtc = &mut self.rtc;
        let kind = *self.sending.entry(packet.ssrc).or_insert_with(|| {
            let mut api = rtc.direct_api();
            let stream = api.stream_tx(&packet.ssrc.into())?;
            let mid = stream.mid();
            rtc.media(mid).map(|media| media.kind())
        });
        let kind = kind.filter(|kind| kind.is_audio() || packet.marker)?;
        Some(News::Left {
            at_us: packet.at_us,
            kind,
            timestamp: packet.timestamp,
        })
    }

    /// What stream a packet belongs to. str0m has seen the packet already, and knows streams that declare themselves by
    /// their first packets.
    fn role(&mut self, ssrc: u32) -> Role {
        if !self.roles.contains_key(&ssrc) {
            self.learn_role(ssrc);
        }
        match self.roles.get(&ssrc) {
            Some(&(mid, kind, false)) => Role::Media { mid, kind },
            Some(&(mid, kind, true)) => Role::Resent { mid, kind },
            None => Role::Unknown,
        }
    }

    fn learn_role(&mut self, ssrc: u32) {
        let mut api = self.rtc.direct_api();
        if let Some(mid) = api.stream_rx(&ssrc.into()).map(|stream| stream.mid()) {
            if let Some(kind) = self.rtc.media(mid).map(|media| media.kind()) {
                self.roles.insert(ssrc, (mid, kind, false));
            }
            return;
        }
        // Not a stream of media: perhaps the retransmissions of one that is known.
        let main = self.roles.iter().find_map(|(&main, &(mid, kind, resent))| {
            let stream = api.stream_rx(&main.into())?;
            (!resent && stream.rtx() == Some(ssrc.into())).then_some((mid, kind))
        });
        if let Some((mid, kind)) = main {
            self.roles.insert(ssrc, (mid, kind, true));
        }
    }
}

fn simulcast(layers: usize) -> Option<Simulcast> {
    (layers > 1).then(|| Simulcast {
        send: LAYER_NAMES
            .iter()
            .take(layers)
            .map(|name| SimulcastLayer::new(name))
            .collect(),
        recv: Vec::new(),
    })
}

fn codec(coding: Coding) -> Codec {
    match coding {
        Coding::Vp8 => Codec::Vp8,
        Coding::H264 => Codec::H264,
        Coding::Opus => Codec::Opus,
    }
}

/// `carried` has seen that the fixed header is there.
fn header(at_us: u64, bytes: &[u8]) -> Packet {
    Packet {
        at_us,
        ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        number: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        marker: bytes[1] & 0x80 != 0,
        bytes: bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::sdp::sections;

    fn offer(own: Vec<(Coding, usize)>, slots: usize) -> String {
        let wishes = Wishes {
            ip: Ipv4Addr::LOCALHOST.into(),
            own,
            slots,
            video: vec![Coding::H264, Coding::Vp8],
            decrypt_one_in: 1,
        };
        Connection::offer(&wishes, Epoch::now()).unwrap().1
    }

    #[test]
    fn own_tracks_come_first_then_pairs_of_slots_all_in_one_bundle() {
        let sdp = offer(vec![(Coding::Opus, 1), (Coding::Vp8, 1)], 2);
        let media: Vec<(bool, bool)> = sections(&sdp)
            .into_iter()
            .skip(1)
            .map(|section| {
                (
                    section.starts_with("m=audio"),
                    section.contains("a=sendonly"),
                )
            })
            .collect();
        let slots = [(true, false), (false, false), (true, false), (false, false)];
        assert_eq!(media, [&[(true, true), (false, true)], &slots[..]].concat());
        let bundle = sdp
            .lines()
            .find(|line| line.starts_with("a=group:BUNDLE"))
            .unwrap();
        assert_eq!(bundle.split(' ').count(), 7);
    }

    #[test]
    fn what_the_protocol_asks_of_an_offer_is_there() {
        let sdp = offer(vec![(Coding::Vp8, 1)], 1);
        for wanted in [
            "a=rtcp-mux",
            "sdes:mid",
            "nack pli",
            "transport-cc",
            "a=candidate:",
            " rtx/90000",
        ] {
            assert!(sdp.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn only_own_tracks_without_layers_declare_their_ssrc() {
        let sdp = offer(vec![(Coding::Opus, 1), (Coding::Vp8, 3)], 1);
        let declared: Vec<bool> = sections(&sdp)
            .iter()
            .skip(1)
            .map(|part| part.contains("a=ssrc"))
            .collect();
        assert_eq!(declared, [true, false, false, false]);
        assert!(sdp.contains("a=simulcast:send h;m;l"));
    }
}
