//! A full WebRTC client made of str0m.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use curtaincall_sfu::units::UserId;
use str0m::media::{KeyframeRequestKind, Mid, Pt, Rid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::{shard_address, user};

/// What a client received.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub mid: Mid,
    pub seq: u64,
    pub timestamp: u32,
    pub pt: Pt,
    pub payload: Vec<u8>,
}

/// A full WebRTC client.
pub struct Client {
    pub user: UserId,
    pub address: SocketAddr,
    pub rtc: Rtc,
    pub received: Vec<Received>,
    pub keyframes_wanted: Vec<(Instant, Option<Rid>)>,
    pub video: Option<Mid>,
    pub audio: Option<Mid>,
    /// How loud its sound is (RFC 6464), if it says so.
    pub audio_level: Option<i8>,
    /// Its network is gone.
    pub dark: bool,
    /// It sends reports on what it receives.
    pub acknowledges: bool,
    pub next_seq: HashMap<(Mid, Option<Rid>), u64>,
    pub deadline: Instant,
}

impl Client {
    pub fn new(name: &str, address: SocketAddr, now: Instant) -> Self {
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        Self {
            user: user(name),
            address,
            rtc,
            received: Vec::new(),
            keyframes_wanted: Vec::new(),
            video: None,
            audio: None,
            audio_level: None,
            dark: false,
            acknowledges: true,
            next_seq: Default::default(),
            deadline: now,
        }
    }

    pub fn rtc_now(&self) -> Instant {
        self.deadline.min(Instant::now())
    }

    /// One outgoing datagram, if there is one.
    pub fn poll(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline.max(now + Duration::from_micros(100));
                    return None;
                }
                Output::Transmit(transmit) => {
                    return Some((transmit.destination, transmit.contents.to_vec()));
                }
                Output::Event(Event::RtpPacket(packet)) => self.note(now, &packet),
                Output::Event(Event::KeyframeRequest(request)) => {
                    self.keyframes_wanted.push((now, request.rid));
                }
                Output::Event(_) => {}
            }
        }
    }

    fn note(&mut self, at: Instant, packet: &RtpPacket) {
        let mid = self
            .rtc
            .direct_api()
            .stream_rx(&packet.header.ssrc)
            .unwrap()
            .mid();
        self.received.push(Received {
            at,
            mid,
            seq: *packet.seq_no,
            timestamp: packet.header.timestamp,
            pt: packet.header.payload_type,
            payload: packet.payload.to_vec(),
        });
    }

    pub fn receive(&mut self, now: Instant, bytes: &[u8]) {
        if self.dark {
            return;
        }
        let receive = Receive::new(Protocol::Udp, shard_address(), self.address, bytes).unwrap();
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
    }

    pub fn send_video(&mut self, now: Instant, rid: Option<Rid>, keyframe: bool, size: usize) {
        let Some(mid) = self.video else { return };
        let seq = self.take_seq(mid, rid);
        let mut payload = vp8_payload(seq as u16, keyframe);
        payload.resize(payload.len().max(size), 0);
        self.send(now, mid, rid, seq, (seq * 3_000) as u32, payload);
    }

    pub fn send_audio(&mut self, now: Instant) {
        let Some(mid) = self.audio else { return };
        let seq = self.take_seq(mid, None);
        self.send(
            now,
            mid,
            None,
            seq,
            (seq * 1_584) as u32,
            vec![0x78, seq as u8],
        );
    }

    fn take_seq(&mut self, mid: Mid, rid: Option<Rid>) -> u64 {
        let next = self.next_seq.entry((mid, rid)).or_insert(1_000);
        *next += 1;
        *next
    }

    /// Send a packet whose numbers were chosen elsewhere.
    pub fn send(
        &mut self,
        now: Instant,
        mid: Mid,
        rid: Option<Rid>,
        seq: u64,
        timestamp: u32,
        payload: Vec<u8>,
    ) {
        let Some(pt) = self
            .rtc
            .media(mid)
            .and_then(|media| media.remote_pts().first().copied())
        else {
            return;
        };
        let is_video = Some(mid) == self.video;
        let audio_level = self.audio_level.filter(|_| !is_video);
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, rid).unwrap();
        stream.write_rtp(
            RtpWrite::new(pt, seq.into(), timestamp, now, payload)
                .marker(is_video)
                .nackable(is_video)
                .ext_vals(ExtensionValues {
                    audio_level,
                    voice_activity: audio_level.map(|level| level > -50),
                    ..Default::default()
                }),
        );
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.deadline = now;
    }

    /// Ask for a keyframe on everything received.
    pub fn request_keyframes(&mut self, now: Instant) {
        let mids: std::collections::BTreeSet<_> =
            self.received.iter().map(|received| received.mid).collect();
        for mid in mids {
            if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.deadline = now;
    }

    pub fn video_received(&self) -> Vec<&Received> {
        self.received
            .iter()
            .filter(|received| received.payload.len() > 2)
            .collect()
    }

    pub fn audio_received(&self) -> Vec<&Received> {
        self.received
            .iter()
            .filter(|received| received.payload.len() == 2)
            .collect()
    }
}

/// A VP8 payload of one packet (RFC 7741): descriptor with a long picture id, then a frame header.
pub fn vp8_payload(picture_id: u16, keyframe: bool) -> Vec<u8> {
    let header = if keyframe { 0x10 } else { 0x11 };
    vec![
        0x90,
        0x80,
        0x80 | (picture_id >> 8) as u8 & 0x7f,
        picture_id as u8,
        header,
        2,
        0,
    ]
}

pub fn is_keyframe(payload: &[u8]) -> bool {
    payload.get(4).is_some_and(|header| header & 1 == 0)
}

pub fn picture_id(payload: &[u8]) -> u16 {
    u16::from_be_bytes([payload[2] & 0x7f, payload[3]])
}
