//! A shard and its clients in one thread on virtual time, with a network of constant delay between them.
#![allow(dead_code, reason = "each test file uses its part of the harness")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use curtaincall_sfu::command::{Command, Renegotiated, Transport};
use curtaincall_sfu::error::SfuError;
use curtaincall_sfu::event::{Event, SlotState, What};
use curtaincall_sfu::lease::{Cause, Ended, Terms};
use curtaincall_sfu::sdp::{Offer, build_session, lines, mids};
use curtaincall_sfu::shard::{Gate, Input, Outgoing, Output, Shard};
use curtaincall_sfu::units::{Epoch, GrantSeq, LeaseId, RoomId, UserId};
use str0m::change::SdpAnswer;
use str0m::config::DtlsCert;
use str0m::crypto::from_feature_flags;
use str0m::media::{
    Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event as PeerEvent, Input as PeerInput, Output as PeerOutput, Rtc};

pub const ROOM: &str = "room";
pub const LEASE: &str = "lease";
pub const DELAY: Duration = Duration::from_millis(5);
pub const FRAME: Duration = Duration::from_millis(33);

pub fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

pub fn shard_address() -> SocketAddr {
    "10.0.0.1:10000".parse().unwrap()
}

struct InFlight {
    arrives_at: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

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
    /// Its network is gone.
    pub dark: bool,
    next_seq: std::collections::HashMap<(Mid, Option<Rid>), u64>,
    deadline: Instant,
}

/// The shard, its clients and the wires between them.
pub struct World {
    pub now: Instant,
    pub began: Instant,
    pub shard: Shard,
    pub clients: Vec<Client>,
    pub events: Vec<Event>,
    /// Datagrams that left the shard, with when and under which gate.
    pub sent: Vec<(Instant, SocketAddr, Gate)>,
    certificate: DtlsCert,
    wires: VecDeque<InFlight>,
    shard_deadline: Option<Instant>,
}

pub fn room() -> RoomId {
    RoomId::new(ROOM)
}

pub fn lease() -> LeaseId {
    LeaseId::new(LEASE)
}

pub fn user(name: &str) -> UserId {
    UserId::new(name)
}

impl World {
    /// A room with one lease of `fan` (who pays) for `star`.
    pub fn new() -> Self {
        let now = Instant::now();
        let mut world = Self {
            now,
            began: now,
            shard: Shard::new(now, vec![shard_address()]),
            clients: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            certificate: from_feature_flags()
                .dtls_provider
                .generate_certificate()
                .unwrap(),
            wires: VecDeque::new(),
            shard_deadline: None,
        };
        world.tell(Command::OpenRoom { room: room() });
        let (payer, payee) = (Some(user("fan")), Some(user("star")));
        world.tell(Command::OpenLease {
            room: room(),
            lease: lease(),
            payer,
            payee,
        });
        world
    }

    /// `fan` and `star` connected, each publishing audio and video and with one slot of either kind.
    pub fn with_call() -> Self {
        let mut world = Self::new();
        world.join("fan");
        world.join("star");
        world.run(ms(500));
        world
    }

    pub fn tell(&mut self, command: Command) {
        self.shard.handle(self.now, Input::Command(command));
        self.drain_shard();
    }

    pub fn grant(&mut self, epoch: u64, seq: u64, quota: Option<Duration>, lease_for: Duration) {
        let terms = Terms {
            epoch: Epoch(epoch),
            seq: GrantSeq(seq),
            quota,
            lease: lease_for,
        };
        self.tell(Command::Grant {
            room: room(),
            lease: lease(),
            received_at: self.now,
            terms,
        });
    }

    pub fn revoke(&mut self) {
        self.tell(Command::Revoke {
            room: room(),
            lease: lease(),
        });
    }

    pub fn open_seat(&mut self, name: &str) {
        self.tell(Command::OpenSeat {
            room: room(),
            user: user(name),
            lease: lease(),
            may_publish: true,
        });
    }

    /// Open a seat and connect a client with own tracks and one pair of slots.
    pub fn join(&mut self, name: &str) -> usize {
        self.join_with(name, true, 1, None)
    }

    pub fn join_with(
        &mut self,
        name: &str,
        publishes: bool,
        pairs: usize,
        simulcast: Option<&[&str]>,
    ) -> usize {
        self.open_seat(name);
        let index = self.clients.len();
        let address = format!("10.0.1.{}:5000", index + 1).parse().unwrap();
        let client = Client::new(name, address, self.now);
        self.clients.push(client);
        self.offer_with(index, publishes, pairs, simulcast).unwrap();
        index
    }

    /// Have a client offer further tracks and slots.
    pub fn offer_with(
        &mut self,
        client: usize,
        publishes: bool,
        pairs: usize,
        simulcast: Option<&[&str]>,
    ) -> Result<(), SfuError> {
        let client = &mut self.clients[client];
        let mut changes = client.rtc.sdp_api();
        if publishes {
            client.audio =
                Some(changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None));
            let layers = simulcast.map(|rids| {
                let mut layers = Simulcast::new();
                rids.iter()
                    .for_each(|rid| layers.add_send_layer(SimulcastLayer::new(rid)));
                layers
            });
            client.video =
                Some(changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, layers));
        }
        for _ in 0..pairs {
            changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
            changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        }
        let (offer, pending) = changes.apply().unwrap();
        let user = client.user.clone();
        let answer = self.answer(&user, &offer.to_sdp_string())?;
        let client = self.client_mut(&user);
        client
            .rtc
            .sdp_api()
            .accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap())
            .unwrap();
        client.deadline = client.deadline.min(client.rtc_now());
        Ok(())
    }

    /// Restart the client's ICE.
    pub fn restart_ice(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let mut changes = client.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().unwrap();
        let user = client.user.clone();
        let answer = self.answer(&user, &offer.to_sdp_string()).unwrap();
        let client = self.client_mut(&user);
        client
            .rtc
            .sdp_api()
            .accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap())
            .unwrap();
    }

    fn client_mut(&mut self, user: &UserId) -> &mut Client {
        self.clients
            .iter_mut()
            .rev()
            .find(|client| client.user == *user)
            .unwrap()
    }

    /// What the engine does with an offer.
    pub fn answer(&mut self, user: &UserId, sdp: &str) -> Result<String, SfuError> {
        let (reply, answer) = sync_channel(1);
        let offer = Box::new(Offer::parse(sdp)?);
        self.tell(Command::Renegotiate {
            room: room(),
            user: user.clone(),
            offer,
            reply,
        });
        let offer = match answer.recv().unwrap() {
            Renegotiated::Answer(answer) => return answer,
            Renegotiated::NewSession(offer) => offer,
        };
        let mut rtc = build_session(self.now, self.certificate.clone(), &[shard_address()])?;
        let fingerprint = offer.fingerprint().to_owned();
        let text = offer.accept(&mut rtc)?;
        let lines = lines(&mut rtc, &mids(&text));
        let transport = Transport {
            rtc: Box::new(rtc),
            lines,
            fingerprint,
        };
        let (reply, attached) = sync_channel(1);
        self.tell(Command::Attach {
            room: room(),
            user: user.clone(),
            transport,
            reply,
        });
        attached.recv().unwrap()?;
        Ok(text)
    }

    /// Let time pass, one deadline after the other.
    pub fn run(&mut self, length: Duration) {
        let until = self.now + length;
        loop {
            self.drain_shard();
            for index in 0..self.clients.len() {
                self.drain_client(index);
            }
            let wire = self.wires.iter().map(|flight| flight.arrives_at).min();
            let clients = self.clients.iter().map(|client| client.deadline).min();
            let next = [wire, clients, self.shard_deadline]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            self.deliver();
            if self.shard_deadline.is_some_and(|at| at <= self.now) {
                self.shard.handle(self.now, Input::Timeout);
            }
        }
        self.now = until;
    }

    /// Have a client publish frames of one VP8 packet and of one Opus packet for a while; the first is a keyframe.
    pub fn publish(&mut self, client: usize, length: Duration) {
        self.publish_all(&[client], length);
    }

    pub fn publish_all(&mut self, clients: &[usize], length: Duration) {
        let until = self.now + length;
        while self.now < until {
            for client in clients {
                let client = &mut self.clients[*client];
                let wanted = !std::mem::take(&mut client.keyframes_wanted).is_empty();
                let first = client
                    .video
                    .is_some_and(|mid| !client.next_seq.contains_key(&(mid, None)));
                client.send_video(self.now, None, wanted || first, 200);
                client.send_audio(self.now);
            }
            self.run(FRAME.min(until - self.now));
        }
    }

    /// Copy what a client sends while it publishes for a moment.
    pub fn tap(&mut self, client: usize, copies: &std::cell::RefCell<Vec<Vec<u8>>>) {
        let now = self.now;
        let client = &mut self.clients[client];
        client.send_video(now, None, true, 300);
        client.send_audio(now);
        while let Some((_, bytes)) = client.poll(now) {
            copies.borrow_mut().push(bytes);
        }
    }

    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.shard.handle(self.now, Input::Packet { from, bytes });
        self.drain_shard();
    }

    pub fn drain_shard(&mut self) {
        loop {
            match self.shard.poll_output() {
                Output::Timeout(deadline) => {
                    self.shard_deadline = deadline;
                    return;
                }
                Output::Event(event) => self.events.push(event),
                Output::Transmit(outgoing) => self.transmit(&outgoing),
            }
        }
    }

    fn transmit(&mut self, outgoing: &Outgoing) {
        if !self.shard.may_send(outgoing, self.now) {
            self.shard.withheld(outgoing);
            return;
        }
        self.sent.push((self.now, outgoing.to, outgoing.gate));
        self.wires.push_back(InFlight {
            arrives_at: self.now + DELAY,
            from: shard_address(),
            to: outgoing.to,
            bytes: outgoing.bytes.to_vec(),
        });
        self.shard.sent(outgoing, self.now);
    }

    fn drain_client(&mut self, index: usize) {
        let now = self.now;
        let client = &mut self.clients[index];
        if client.deadline <= now {
            client.rtc.handle_input(PeerInput::Timeout(now)).unwrap();
        }
        while let Some((to, bytes)) = client.poll(now) {
            if !client.dark {
                let from = client.address;
                self.wires.push_back(InFlight {
                    arrives_at: now + DELAY,
                    from,
                    to,
                    bytes,
                });
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, later): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.wires)
            .into_iter()
            .partition(|flight| flight.arrives_at <= now);
        self.wires = later;
        for flight in due {
            if flight.to == shard_address() {
                self.shard.handle(
                    now,
                    Input::Packet {
                        from: flight.from,
                        bytes: &flight.bytes,
                    },
                );
            } else if let Some(client) = self
                .clients
                .iter_mut()
                .find(|client| client.address == flight.to)
            {
                client.receive(now, &flight.bytes);
                let index = self
                    .clients
                    .iter()
                    .position(|client| client.address == flight.to)
                    .unwrap();
                self.drain_client(index);
            }
        }
    }

    /// Ends of the lease so far.
    pub fn ends(&self) -> Vec<Ended> {
        let ended = |event: &Event| match &event.what {
            What::LeaseEnded { ended, .. } => Some(*ended),
            _ => None,
        };
        self.events.iter().filter_map(ended).collect()
    }

    pub fn causes(&self) -> Vec<Cause> {
        self.ends().iter().map(|ended| ended.cause).collect()
    }

    /// The newest reading of the meter.
    pub fn meter(&self) -> Option<(Duration, bool)> {
        self.events
            .iter()
            .rev()
            .find_map(|event| match &event.what {
                What::MeterRead {
                    billable, running, ..
                } => Some((*billable, *running)),
                _ => None,
            })
    }

    /// The newest list of a user's slots.
    pub fn slots(&self, name: &str) -> Vec<SlotState> {
        let of_user = |event: &Event| match &event.what {
            What::TracksChanged { user, slots } if user.as_str() == name => Some(slots.clone()),
            _ => None,
        };
        self.events
            .iter()
            .rev()
            .find_map(of_user)
            .unwrap_or_default()
    }

    /// Whose track is on each slot of a kind, in order.
    pub fn seen_by(&self, name: &str, kind: MediaKind) -> Vec<Option<String>> {
        let slots = self
            .slots(name)
            .into_iter()
            .filter(|slot| slot.kind == kind);
        slots
            .map(|slot| slot.from.map(|(user, _)| user.as_str().to_owned()))
            .collect()
    }

    pub fn transport_states(&self, name: &str) -> Vec<bool> {
        let of_user = |event: &Event| match &event.what {
            What::TransportChanged { user, connected } if user.as_str() == name => Some(*connected),
            _ => None,
        };
        self.events.iter().filter_map(of_user).collect()
    }

    /// Moments at which media left for a client.
    pub fn media_sent_to(&self, client: usize) -> Vec<Instant> {
        let address = self.clients[client].address;
        let is_media = |gate: &Gate| matches!(gate, Gate::Media { .. });
        self.sent
            .iter()
            .filter(|(_, to, gate)| *to == address && is_media(gate))
            .map(|(at, _, _)| *at)
            .collect()
    }

    pub fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }
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
            dark: false,
            next_seq: Default::default(),
            deadline: now,
        }
    }

    fn rtc_now(&self) -> Instant {
        self.deadline.min(Instant::now())
    }

    /// One outgoing datagram, if there is one.
    fn poll(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            match self.rtc.poll_output().unwrap() {
                PeerOutput::Timeout(deadline) => {
                    self.deadline = deadline.max(now + Duration::from_micros(100));
                    return None;
                }
                PeerOutput::Transmit(transmit) => {
                    return Some((transmit.destination, transmit.contents.to_vec()));
                }
                PeerOutput::Event(PeerEvent::RtpPacket(packet)) => self.note(now, &packet),
                PeerOutput::Event(PeerEvent::KeyframeRequest(request)) => {
                    self.keyframes_wanted.push((now, request.rid));
                }
                PeerOutput::Event(_) => {}
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

    fn receive(&mut self, now: Instant, bytes: &[u8]) {
        if self.dark {
            return;
        }
        let receive = Receive::new(Protocol::Udp, shard_address(), self.address, bytes).unwrap();
        self.rtc
            .handle_input(PeerInput::Receive(now, receive))
            .unwrap();
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
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, rid).unwrap();
        stream.write_rtp(
            RtpWrite::new(pt, seq.into(), timestamp, now, payload)
                .marker(is_video)
                .nackable(is_video),
        );
        self.rtc.handle_input(PeerInput::Timeout(now)).unwrap();
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
        self.rtc.handle_input(PeerInput::Timeout(now)).unwrap();
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
