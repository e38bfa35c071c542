//! Media over TCP, for those whose network lets no UDP through (ICE-TCP, RFC 6544).
//!
//! The shard's thread serves the connections beside its UDP socket. What waits for a slow connection waits here and is
//! asked for its lease again as it leaves; the kernel is given little ahead of what it can send ([`UNSENT_BYTES`]); and
//! hanging up resets the connection, so that neither leaves after a cut, nor is anything sent again.

mod framing;

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use slotmap::{Key, KeyData, SlotMap, new_key_type};

pub use framing::{Deframer, NotFramed};

use crate::datagrams::Datagram;
use crate::path::Path;
use crate::shard::{Input, Outgoing, Shard};
use crate::system::{Occasion, Watch, prepare_stream};

/// Connections of a shard; further ones are refused.
pub const MAX_CONNECTIONS: usize = 4_096;

/// Connections from one address: a whole office may be behind it.
const MAX_PER_ADDRESS: usize = 256;

/// Connections that may be nobody's yet; a newcomer takes the place of the oldest.
const MAX_STRANGERS: usize = 512;

/// How long a connection may be nobody's.
pub const STRANGER_PATIENCE: Duration = Duration::from_secs(5);

/// Connections accepted before packets get their turn.
const ACCEPT_BATCH: usize = 32;

/// Datagrams that wait for one connection: a large keyframe and what comes with it. Further ones are lost.
const MAX_QUEUED: usize = 512;

/// What has waited longer is lost: a picture that late is of no use, and behind it others wait.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Bytes that the kernel may hold of a connection without having sent them: enough not to run dry between two turns.
const UNSENT_BYTES: i32 = 16 * 1024;

/// Bytes read of a connection before others get their turn.
const READ_BYTES: usize = 16 * 1024;

/// What [`Watch`] calls the listener: no key of a connection is 0.
const LISTENER: u64 = 0;

new_key_type! { struct ConnectionKey; }

struct Waiting {
    since: Instant,
    outgoing: Outgoing,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    incoming: Deframer,
    queue: VecDeque<Waiting>,
    /// What the kernel has not taken yet of a frame that it has begun to take.
    rest: Vec<u8>,
    /// The kernel takes no more for now; the watch tells when it does.
    is_full: bool,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
}

/// The TCP side of a shard's port. See the module's documentation.
pub struct Streams {
    listener: TcpListener,
    watch: Watch,
    /// The system had no descriptor left: the listener is looked at again after a while.
    is_deaf: bool,
    connections: SlotMap<ConnectionKey, Connection>,
    by_peer: HashMap<SocketAddr, ConnectionKey>,
    per_address: HashMap<IpAddr, usize>,
    accepted: u64,
    /// In the order of their coming; some are somebody's by now, or gone.
    strangers: VecDeque<ConnectionKey>,
    occasions: Vec<Occasion>,
    buffer: Box<[u8; READ_BYTES]>,
}

impl Streams {
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let watch = Watch::new()?;
        watch.add(&listener, LISTENER)?;
        Ok(Self {
            listener,
            watch,
            is_deaf: false,
            connections: SlotMap::with_key(),
            by_peer: HashMap::new(),
            per_address: HashMap::new(),
            accepted: 0,
            strangers: VecDeque::new(),
            occasions: Vec::new(),
            buffer: Box::new([0; READ_BYTES]),
        })
    }

    /// What tells that [`Streams::serve`] has something to do.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Accept, take in what has come, and give the kernel what it has room for. Does not wait.
    pub fn serve(&mut self, shard: &mut Shard) {
        let mut occasions = std::mem::take(&mut self.occasions);
        self.watch.look(&mut occasions);
        for occasion in &occasions {
            if occasion.token == LISTENER {
                self.accept(shard);
                continue;
            }
            let key = KeyData::from_ffi(occasion.token).into();
            if occasion.writable {
                self.write(shard, key);
            }
            if occasion.readable {
                self.read(shard, key);
            }
        }
        self.occasions = occasions;
    }

    /// Send a datagram over its connection, as soon as the kernel has room for it and if its gate is open then.
    pub fn send(&mut self, shard: &mut Shard, outgoing: Outgoing) {
        let Some(key) = self.by_peer.get(&outgoing.to).copied() else {
            return;
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.queue.len() < MAX_QUEUED {
            let since = Instant::now();
            connection.queue.push_back(Waiting { since, outgoing });
        }
        if !connection.is_full {
            self.write(shard, key);
        }
    }

    /// Reset a connection. What it and the kernel hold is gone.
    pub fn hang_up(&mut self, with: SocketAddr) {
        if let Some(key) = self.by_peer.get(&with).copied() {
            self.remove(key);
        }
    }

    /// Once in a while: hang up on who has been nobody for too long.
    pub fn sweep(&mut self, shard: &Shard) {
        let now = Instant::now();
        let strangers: Vec<_> = self
            .connections
            .values()
            .filter(|connection| now >= connection.since + STRANGER_PATIENCE)
            .map(|connection| connection.peer)
            .filter(|peer| !shard.is_bound(Path::tcp(*peer)))
            .collect();
        strangers.into_iter().for_each(|peer| self.hang_up(peer));
        if self.is_deaf {
            self.is_deaf = self.watch.add(&self.listener, LISTENER).is_err();
        }
    }

    fn accept(&mut self, shard: &Shard) {
        for _ in 0..ACCEPT_BATCH {
            match self.listener.accept() {
                // Who is refused, or cannot be watched, is hung up on.
                Ok((stream, peer)) => drop(self.welcome(shard, stream, peer)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                    _ => {
                        // Out of descriptors, and the listener would wake us again and again.
                        self.is_deaf = self.watch.remove(&self.listener).is_ok();
                        return;
                    }
                },
            }
        }
    }

    fn welcome(&mut self, shard: &Shard, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        // A socket of both families shows IPv4 addresses in the form of the other.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        prepare_stream(&stream, UNSENT_BYTES)?;
        let here = self.per_address.get(&peer.ip()).copied().unwrap_or(0);
        let is_crowded = self.connections.len() >= MAX_CONNECTIONS || here >= MAX_PER_ADDRESS;
        if is_crowded || self.by_peer.contains_key(&peer) {
            return Ok(());
        }
        if self.strangers.len() >= MAX_STRANGERS {
            self.send_oldest_away(shard);
        }
        let key = self.connections.insert(Connection {
            stream,
            peer,
            since: Instant::now(),
            incoming: Deframer::default(),
            queue: VecDeque::new(),
            rest: Vec::new(),
            is_full: false,
        });
        self.accepted += 1;
        self.by_peer.insert(peer, key);
        *self.per_address.entry(peer.ip()).or_default() += 1;
        self.strangers.push_back(key);
        let watched = self.connections.get(key).map_or(Ok(()), |connection| {
            self.watch.add(&connection.stream, key.data().as_ffi())
        });
        if watched.is_err() {
            self.remove(key);
        }
        watched
    }

    fn send_oldest_away(&mut self, shard: &Shard) {
        let Some(key) = self.strangers.pop_front() else {
            return;
        };
        let peer = self.connections.get(key).map(|connection| connection.peer);
        if peer.is_some_and(|peer| !shard.is_bound(Path::tcp(peer))) {
            self.remove(key);
        }
    }

    fn read(&mut self, shard: &mut Shard, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let from = connection.peer;
        let state = match connection.stream.read(self.buffer.as_mut_slice()) {
            Ok(0) => State::Ended,
            Ok(length) => {
                let now = Instant::now();
                let bytes = self.buffer.get(..length).unwrap_or_default();
                let framed = connection.incoming.push(bytes, |bytes| {
                    shard.handle(now, Input::Frame { from, bytes })
                });
                framed.map_or(State::Ended, |()| State::Open)
            }
            Err(error) => after(&error),
        };
        self.end_if(state, shard, key);
    }

    fn write(&mut self, shard: &mut Shard, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let was_full = std::mem::take(&mut connection.is_full);
        let state = match connection.drain(shard) {
            Ok(()) => State::Open,
            Err(error) => after(&error),
        };
        if state == State::Open && connection.is_full != was_full {
            let (token, is_full) = (key.data().as_ffi(), connection.is_full);
            // One that cannot be watched any more would wait forever; its session finds out by the silence.
            let _ = self.watch.for_writing(&connection.stream, token, is_full);
        }
        self.end_if(state, shard, key);
    }

    fn end_if(&mut self, state: State, shard: &mut Shard, key: ConnectionKey) {
        if state == State::Ended
            && let Some(from) = self.remove(key)
        {
            shard.handle(Instant::now(), Input::HungUp { from });
        }
    }

    fn remove(&mut self, key: ConnectionKey) -> Option<SocketAddr> {
        let peer = self.connections.remove(key)?.peer;
        self.by_peer.remove(&peer);
        if let Some(here) = self.per_address.get_mut(&peer.ip()) {
            *here -= 1;
            if *here == 0 {
                self.per_address.remove(&peer.ip());
            }
        }
        Some(peer)
    }
}

/// What an error of reading or writing means for the connection.
fn after(error: &io::Error) -> State {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => State::Open,
        _ => State::Ended,
    }
}

impl Connection {
    /// Give the kernel what it takes of what waits. Each datagram's lease is asked right before.
    fn drain(&mut self, shard: &mut Shard) -> io::Result<()> {
        loop {
            if !self.rest.is_empty() {
                match self.stream.write(&self.rest) {
                    Ok(taken) => drop(self.rest.drain(..taken)),
                    Err(error) => return self.note(error),
                }
                continue;
            }
            let Some(Waiting { since, outgoing }) = self.queue.pop_front() else {
                return Ok(());
            };
            let now = Instant::now();
            if now > since + MAX_WAIT {
                continue;
            }
            if !shard.may_send(&outgoing, now) {
                shard.withheld(&outgoing);
                continue;
            }
            let bytes = outgoing.bytes();
            // A datagram is at most MAX_DATAGRAM long.
            let header = (bytes.len() as u16).to_be_bytes();
            match self
                .stream
                .write_vectored(&[IoSlice::new(&header), IoSlice::new(bytes)])
            {
                Ok(taken) => {
                    let frame = header.iter().chain(bytes);
                    self.rest.extend(frame.skip(taken));
                    shard.sent(&outgoing, Instant::now());
                }
                Err(error) => {
                    self.queue.push_front(Waiting { since, outgoing });
                    return self.note(error);
                }
            }
        }
    }

    /// The kernel has taken nothing: it will later, or never.
    fn note(&mut self, error: io::Error) -> io::Result<()> {
        self.is_full = true;
        match after(&error) {
            State::Open => Ok(()),
            State::Ended => Err(error),
        }
    }
}
