//! The SFU as a world sees it: its core on virtual time, or the whole engine behind real sockets.

use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use curtaincall_sfu::allocator::Wish;
use curtaincall_sfu::command::{Command, Renegotiated, Transport};
use curtaincall_sfu::error::SfuError;
use curtaincall_sfu::lease::Terms;
use curtaincall_sfu::sdp::{Offer, build_session, lines, mids};
use curtaincall_sfu::shard::{Input, Output, Shard};
use curtaincall_sfu::units::{Epoch, GrantSeq, LeaseId, RoomId, UserId};
use str0m::config::DtlsCert;
use str0m::crypto::from_feature_flags;

use crate::error::NetworkError;

/// Nobody here runs out of money.
const LEASE_FOR: Duration = Duration::from_secs(100_000);

/// A datagram from the server and to whom.
pub type Datagram = (SocketAddr, Vec<u8>);

/// One room of an SFU.
pub trait Server {
    /// An address for a peer, and the one at which it reaches the server.
    fn open_port(&mut self) -> Result<(SocketAddr, SocketAddr), NetworkError>;

    /// Let a user in.
    fn seat(&mut self, now: Instant, user: &UserId) -> Result<(), NetworkError>;

    /// Returns the answer to a user's offer.
    fn offer(&mut self, now: Instant, user: &UserId, sdp: &str) -> Result<String, NetworkError>;

    fn wish(
        &mut self,
        now: Instant,
        user: &UserId,
        of: &UserId,
        wish: Wish,
    ) -> Result<(), NetworkError>;

    /// A peer's datagram arrives.
    fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]);

    /// When it has something to do; `None` also if it sees to that itself.
    fn deadline(&self) -> Option<Instant>;

    fn elapse(&mut self, now: Instant);

    /// Take what it sends.
    fn poll(&mut self, now: Instant, sent: &mut Vec<Datagram>);

    /// Bits per second that the server believes a user's link to carry; `None` if it has no opinion.
    fn estimate(&self, user: &UserId) -> Option<u64>;

    /// Let time pass until then, or until something has come. Returns what time it is.
    fn wait(&mut self, until: Instant) -> Instant;
}

pub fn room() -> RoomId {
    RoomId::new("room")
}

pub fn lease() -> LeaseId {
    LeaseId::new("lease")
}

pub fn terms() -> Terms {
    Terms {
        epoch: Epoch(1),
        seq: GrantSeq(1),
        quota: None,
        lease: LEASE_FOR,
    }
}

/// A shard's core on virtual time: nothing happens between two moments, and waiting takes none.
pub struct VirtualServer {
    shard: Shard,
    address: SocketAddr,
    certificate: DtlsCert,
    deadline: Option<Instant>,
    sent: Vec<Datagram>,
    ports: u16,
}

impl VirtualServer {
    pub fn new(now: Instant) -> Result<Self, NetworkError> {
        let certificate = from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .ok_or(SfuError::Unavailable("a certificate cannot be made"))?;
        let address = SocketAddr::from(([10, 0, 0, 1], 10_000));
        let mut server = Self {
            shard: Shard::new(now, vec![address]),
            address,
            certificate,
            deadline: None,
            sent: Vec::new(),
            ports: 0,
        };
        server.tell(now, Command::OpenRoom { room: room() });
        let (payer, payee) = (None, None);
        server.tell(
            now,
            Command::OpenLease {
                room: room(),
                lease: lease(),
                payer,
                payee,
            },
        );
        server.tell(
            now,
            Command::Grant {
                room: room(),
                lease: lease(),
                received_at: now,
                terms: terms(),
            },
        );
        Ok(server)
    }

    fn tell(&mut self, now: Instant, command: Command) {
        self.shard.handle(now, Input::Command(command));
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.shard.poll_output() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                Output::Event(_) | Output::HangUp(_) => {}
                Output::Transmit(outgoing) if self.shard.may_send(&outgoing, now) => {
                    self.sent.push((outgoing.to, outgoing.bytes.to_vec()));
                    self.shard.sent(&outgoing, now);
                }
                Output::Transmit(outgoing) => self.shard.withheld(&outgoing),
            }
        }
    }
}

impl Server for VirtualServer {
    fn open_port(&mut self) -> Result<(SocketAddr, SocketAddr), NetworkError> {
        self.ports += 1;
        let [high, low] = self.ports.to_be_bytes();
        Ok((SocketAddr::from(([10, 1, high, low], 5_000)), self.address))
    }

    fn seat(&mut self, now: Instant, user: &UserId) -> Result<(), NetworkError> {
        let seat = Command::OpenSeat {
            room: room(),
            user: user.clone(),
            lease: lease(),
            may_publish: true,
        };
        self.tell(now, seat);
        Ok(())
    }

    fn offer(&mut self, now: Instant, user: &UserId, sdp: &str) -> Result<String, NetworkError> {
        let closed = |_| SfuError::Unavailable("it does not answer");
        let (reply, answer) = sync_channel(1);
        let renegotiate = Command::Renegotiate {
            room: room(),
            user: user.clone(),
            offer: Box::new(Offer::parse(sdp)?),
            reply,
        };
        self.tell(now, renegotiate);
        let offer = match answer.recv().map_err(closed)? {
            Renegotiated::Answer(answer) => return Ok(answer?),
            Renegotiated::NewSession(offer) => offer,
        };
        let mut rtc = build_session(now, self.certificate.clone(), &[self.address])?;
        let fingerprint = offer.fingerprint().to_owned();
        let text = offer.accept(&mut rtc)?;
        let lines = lines(&mut rtc, &mids(&text));
        let (reply, attached) = sync_channel(1);
        let attach = Command::Attach {
            room: room(),
            user: user.clone(),
            transport: Transport {
                rtc: Box::new(rtc),
                lines,
                fingerprint,
            },
            reply,
        };
        self.tell(now, attach);
        attached.recv().map_err(closed)??;
        Ok(text)
    }

    fn wish(
        &mut self,
        now: Instant,
        user: &UserId,
        of: &UserId,
        wish: Wish,
    ) -> Result<(), NetworkError> {
        let subscribe = Command::Subscribe {
            room: room(),
            user: user.clone(),
            of: of.clone(),
            wish,
        };
        self.tell(now, subscribe);
        Ok(())
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.shard.handle(now, Input::Packet { from, bytes });
        self.drain(now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn elapse(&mut self, now: Instant) {
        self.shard.handle(now, Input::Timeout);
        self.drain(now);
    }

    fn poll(&mut self, _now: Instant, sent: &mut Vec<Datagram>) {
        sent.append(&mut self.sent);
    }

    fn estimate(&self, user: &UserId) -> Option<u64> {
        let estimate = self.shard.estimate(&room(), user);
        estimate.map(|rate| rate.0)
    }

    fn wait(&mut self, until: Instant) -> Instant {
        until
    }
}
