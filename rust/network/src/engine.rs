//! The whole engine behind real sockets: threads, system calls, the clock on the wall. The links stay models, in the
//! peers' own socket layer.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use curtaincall_sfu::allocator::Wish;
use curtaincall_sfu::engine::Engine;
use curtaincall_sfu::event::What;
use curtaincall_sfu::launch::Config;
use curtaincall_sfu::units::{EventNumber, UserId};

use crate::error::NetworkError;
use crate::server::{Datagram, Server, lease, room, terms};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Sockets are looked at this often: short against the delay of every link.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// Most datagrams that one socket gives at a time.
const TAKEN_AT_ONCE: usize = 256;

const EVENTS_AT_ONCE: usize = 1_024;

const MAX_DATAGRAM: usize = 2_048;

/// An engine with one room.
pub struct RealServer {
    engine: Engine,
    server: SocketAddr,
    sockets: Vec<(SocketAddr, UdpSocket)>,
    seen: EventNumber,
    estimates: HashMap<UserId, u64>,
}

impl RealServer {
    /// Start an engine on a free port of this machine.
    pub fn new() -> Result<Self, NetworkError> {
        let engine = Engine::start(&Config {
            bind_ip: LOCALHOST,
            public_ips: Vec::new(),
            base_port: 0,
            shards: 1,
            max_seats_per_room: 64,
        })?;
        let port = engine.ports().first().copied().unwrap_or_default();
        engine.open_room(room())?;
        engine.open_lease(room(), lease(), None, None)?;
        engine.grant(room(), lease(), terms())?;
        Ok(Self {
            engine,
            server: SocketAddr::new(LOCALHOST, port),
            sockets: Vec::new(),
            seen: EventNumber::default(),
            estimates: HashMap::new(),
        })
    }

    /// Of the engine's events only what it believes of links is wanted here; it has to get rid of all of them.
    fn take_events(&mut self) {
        let events = self.engine.events().fetch(self.seen, EVENTS_AT_ONCE);
        for (_, event) in &events {
            if let What::StatsSampled { user, stats } = &event.what
                && let Some(estimate) = stats.estimate
            {
                self.estimates.insert(user.clone(), estimate.0);
            }
        }
        if let Some((newest, _)) = events.last() {
            self.seen = *newest;
            self.engine.events().acknowledge(*newest);
        }
    }
}

impl Server for RealServer {
    fn open_port(&mut self) -> Result<(SocketAddr, SocketAddr), NetworkError> {
        let socket = UdpSocket::bind((LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        self.sockets.push((address, socket));
        Ok((address, self.server))
    }

    fn seat(&mut self, _now: Instant, user: &UserId) -> Result<(), NetworkError> {
        Ok(self.engine.open_seat(room(), user.clone(), lease(), true)?)
    }

    fn offer(&mut self, _now: Instant, user: &UserId, sdp: &str) -> Result<String, NetworkError> {
        Ok(self.engine.offer(room(), user.clone(), sdp)?)
    }

    fn wish(
        &mut self,
        _now: Instant,
        user: &UserId,
        of: &UserId,
        wish: Wish,
    ) -> Result<(), NetworkError> {
        Ok(self
            .engine
            .subscribe(room(), user.clone(), of.clone(), wish)?)
    }

    fn receive(&mut self, _now: Instant, from: SocketAddr, bytes: &[u8]) {
        let socket = self.sockets.iter().find(|(address, _)| *address == from);
        if let Some((_, socket)) = socket {
            // Like a network, it promises nothing.
            let _ = socket.send_to(bytes, self.server);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn elapse(&mut self, _now: Instant) {}

    fn poll(&mut self, _now: Instant, sent: &mut Vec<Datagram>) {
        let mut buffer = [0; MAX_DATAGRAM];
        for (address, socket) in &self.sockets {
            for _ in 0..TAKEN_AT_ONCE {
                match socket.recv_from(&mut buffer) {
                    Ok((length, _)) => sent.push((*address, buffer[..length].to_vec())),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // The server's port was closed when something was sent to it.
                    Err(_) => {}
                }
            }
        }
        self.take_events();
    }

    fn estimate(&self, user: &UserId) -> Option<u64> {
        self.estimates.get(user).copied()
    }

    fn wait(&mut self, until: Instant) -> Instant {
        let now = Instant::now();
        let left = until.saturating_duration_since(now);
        if !left.is_zero() {
            std::thread::sleep(left.min(LOOK_EVERY));
        }
        Instant::now()
    }
}
