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
use curtaincall_sfu::event::Event;
use curtaincall_sfu::lease::Terms;
use curtaincall_sfu::sdp::{Offer, build_session, lines, mids};
use curtaincall_sfu::shard::{Gate, Input, Outgoing, Output, Shard};
use curtaincall_sfu::units::{Epoch, GrantSeq, LeaseId, RoomId, UserId};
use str0m::Input as PeerInput;
use str0m::change::SdpAnswer;
use str0m::config::DtlsCert;
use str0m::crypto::from_feature_flags;
use str0m::media::{Direction, MediaKind, Simulcast, SimulcastLayer};

pub mod client;
mod observe;

use client::Client;

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

/// RTCP, by its first bytes (RFC 5761 section 4).
fn is_report(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, 192..=223, ..])
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
                Output::HangUp(_) => {}
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
            if !client.dark && (client.acknowledges || !is_report(&bytes)) {
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
}
