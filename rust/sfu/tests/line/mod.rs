//! A real engine, and clients that reach it over real sockets: UDP, or one TCP connection.
#![allow(dead_code, reason = "each test file uses its part of the harness")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use curtaincall_sfu::engine::Engine;
use curtaincall_sfu::launch::Config;
use curtaincall_sfu::lease::Terms;
use curtaincall_sfu::streams::Deframer;
use curtaincall_sfu::units::{Epoch, GrantSeq, LeaseId, RoomId, UserId};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

/// How long what must come may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn room() -> RoomId {
    RoomId::new("room")
}

pub fn lease() -> LeaseId {
    LeaseId::new("lease")
}

/// An engine of one shard on any free port, with an open room.
pub fn engine(bind_ip: &str, public_ips: &[&str]) -> Engine {
    let engine = Engine::start(&Config {
        bind_ip: bind_ip.parse().unwrap(),
        public_ips: public_ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        base_port: 0,
        shards: 1,
        max_seats_per_room: 20,
    })
    .unwrap();
    engine.open_room(room()).unwrap();
    engine.open_lease(room(), lease(), None, None).unwrap();
    engine
}

/// Extend the lease for long.
pub fn grant(engine: &Engine, epoch: u64) {
    let terms = Terms {
        epoch: Epoch(epoch),
        seq: GrantSeq(1),
        quota: None,
        lease: Duration::from_secs(600),
    };
    engine.grant(room(), lease(), terms).unwrap();
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream, Deframer),
}

/// A client that publishes and receives one audio track.
pub struct Client {
    pub user: UserId,
    rtc: Rtc,
    socket: Socket,
    local: SocketAddr,
    server: SocketAddr,
    track: Option<Mid>,
    next_seq: u64,
    deadline: Instant,
    /// When audio arrived.
    pub heard: Vec<Instant>,
    /// When the connection was found closed.
    pub closed_at: Option<Instant>,
}

impl Client {
    pub fn over_udp(engine: &Engine, name: &str, server: IpAddr) -> Self {
        let server = SocketAddr::new(server, engine.ports()[0]);
        let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let local = socket.local_addr().unwrap();
        Self::new(engine, name, Socket::Udp(socket), local, server)
    }

    pub fn over_tcp(engine: &Engine, name: &str, server: IpAddr) -> Self {
        let server = SocketAddr::new(server, engine.ports()[0]);
        let (socket, local) = dial(server);
        Self::new(engine, name, socket, local, server)
    }

    fn new(
        engine: &Engine,
        name: &str,
        socket: Socket,
        local: SocketAddr,
        server: SocketAddr,
    ) -> Self {
        let now = Instant::now();
        let user = UserId::new(name);
        engine
            .open_seat(room(), user.clone(), lease(), true)
            .unwrap();
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        rtc.add_local_candidate(candidate(&socket, local));
        let mut client = Self {
            user,
            rtc,
            socket,
            local,
            server,
            track: None,
            next_seq: 1_000,
            deadline: now,
            heard: Vec::new(),
            closed_at: None,
        };
        let mut changes = client.rtc.sdp_api();
        let track = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        client.track = Some(track);
        client.agree(engine, &offer.to_sdp_string(), pending);
        client
    }

    fn agree(&mut self, engine: &Engine, offer: &str, pending: SdpPendingOffer) {
        let answer = engine.offer(room(), self.user.clone(), offer).unwrap();
        self.rtc
            .sdp_api()
            .accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap())
            .unwrap();
    }

    /// Lose the connection, dial again, and restart ICE over the new one.
    pub fn dial_again(&mut self, engine: &Engine) {
        (self.socket, self.local) = dial(self.server);
        self.closed_at = None;
        let mut changes = self.rtc.sdp_api();
        changes.ice_restart(false);
        let (offer, pending) = changes.apply().unwrap();
        self.agree(engine, &offer.to_sdp_string(), pending);
        // The restart has thrown away those of before.
        self.rtc
            .add_local_candidate(candidate(&self.socket, self.local));
    }

    /// Send a packet of audio.
    pub fn speak(&mut self) {
        self.send(100);
    }

    /// Send a packet of so many bytes.
    pub fn send(&mut self, bytes: usize) {
        let now = Instant::now();
        let Some(mid) = self.track else { return };
        let Some(pt) = self
            .rtc
            .media(mid)
            .and_then(|media| media.remote_pts().first().copied())
        else {
            return;
        };
        self.next_seq += 1;
        let seq = self.next_seq;
        let packet = RtpWrite::new(pt, seq.into(), (seq * 960) as u32, now, vec![0x78; bytes]);
        let mut api = self.rtc.direct_api();
        api.stream_tx_by_mid(mid, None).unwrap().write_rtp(packet);
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
    }

    /// Send what is due, and read nothing.
    pub fn stall(&mut self) {
        let now = Instant::now();
        if self.deadline <= now {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
        }
        self.drain();
    }

    /// Take in what has come and send what is due. Does not wait.
    pub fn turn(&mut self) {
        self.stall();
        let mut buffer = [0; 65_536];
        loop {
            let read = match &mut self.socket {
                Socket::Udp(socket) => socket.recv(&mut buffer),
                Socket::Tcp(stream, _) => stream.read(&mut buffer),
            };
            match read {
                Ok(0) => break self.note_end(),
                Ok(length) => self.take_in(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => break self.note_end(),
            }
        }
    }

    fn note_end(&mut self) {
        self.closed_at.get_or_insert_with(Instant::now);
    }

    fn take_in(&mut self, bytes: &[u8]) {
        let mut datagrams = Vec::new();
        let protocol = match &mut self.socket {
            Socket::Udp(_) => {
                datagrams.push(bytes.to_vec());
                Protocol::Udp
            }
            Socket::Tcp(_, frames) => {
                frames
                    .push(bytes, |datagram| datagrams.push(datagram.to_vec()))
                    .unwrap();
                Protocol::Tcp
            }
        };
        for datagram in datagrams {
            let receive = Receive::new(protocol, self.server, self.local, &datagram).unwrap();
            let input = Input::Receive(Instant::now(), receive);
            self.rtc.handle_input(input).unwrap();
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                Output::Event(Event::RtpPacket(_)) => self.heard.push(Instant::now()),
                Output::Event(_) => {}
                Output::Transmit(transmit) => match &mut self.socket {
                    Socket::Udp(socket) => {
                        let _ = socket.send_to(&transmit.contents, transmit.destination);
                    }
                    Socket::Tcp(stream, _) => {
                        let length = transmit.contents.len() as u16;
                        let frame = [&length.to_be_bytes(), &transmit.contents[..]].concat();
                        let _ = stream.write_all(&frame);
                    }
                },
            }
        }
    }
}

fn candidate(socket: &Socket, local: SocketAddr) -> Candidate {
    match socket {
        Socket::Udp(_) => Candidate::builder().udp().host(local).build().unwrap(),
        Socket::Tcp(..) => Candidate::builder()
            .tcp()
            .host(local)
            .tcptype(TcpType::Active)
            .build()
            .unwrap(),
    }
}

fn dial(server: SocketAddr) -> (Socket, SocketAddr) {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream.set_nodelay(true).unwrap();
    let local = stream.local_addr().unwrap();
    (Socket::Tcp(stream, Deframer::default()), local)
}

/// Have everybody speak and listen until it holds.
pub fn converse(clients: &mut [&mut Client], mut holds: impl FnMut(&[&mut Client]) -> bool) {
    let began = Instant::now();
    let mut spoken = began;
    while !holds(clients) {
        assert!(began.elapsed() < PATIENCE, "what was waited for never came");
        if spoken.elapsed() >= Duration::from_millis(20) {
            spoken = Instant::now();
            clients.iter_mut().for_each(|client| client.speak());
        }
        clients.iter_mut().for_each(|client| client.turn());
        std::thread::park_timeout(Duration::from_micros(500));
    }
}
