//! Bringing a shard up: its port, its thread, its end of the engine.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::driver::{Driver, Published};
use crate::error::SfuError;
use crate::event_log::EventLog;
use crate::mailbox::Mailbox;
use crate::shard::Shard;
use crate::streams::Streams;
use crate::system::{enlarge_buffers, own_addresses, raise_priority};

/// Ports tried until one is free for both UDP and TCP, when any will do.
const MAX_PORTS_TRIED: usize = 32;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct Config {
    pub bind_ip: IpAddr,
    /// Where clients reach us: one candidate each. Empty for `bind_ip`, or for this machine's own addresses if that is
    /// unspecified.
    pub public_ips: Vec<IpAddr>,
    /// Shard i binds UDP and TCP of this + i; 0 for any free ports.
    pub base_port: u16,
    pub shards: usize,
    pub max_seats_per_room: usize,
}

/// The engine's end of a shard.
pub struct ShardHandle {
    pub mailbox: Arc<Mailbox>,
    pub status: Arc<Published>,
    pub candidates: Vec<SocketAddr>,
    pub port: u16,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ShardHandle {
    /// Wait for the thread, whose mailbox was closed.
    pub fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A thread that panicked has stopped too.
            let _ = thread.join();
        }
    }
}

/// Bind a shard's port and start its thread.
pub fn start_shard(
    config: &Config,
    index: usize,
    events: &Arc<EventLog>,
) -> Result<ShardHandle, SfuError> {
    let unavailable = |what| move |_: io::Error| SfuError::Unavailable(what);
    let port = match config.base_port {
        0 => 0,
        base => u16::try_from(index)
            .ok()
            .and_then(|index| base.checked_add(index))
            .ok_or(SfuError::Unavailable("the media ports run out"))?,
    };
    let (socket, listener) =
        bind_both(config.bind_ip, port).map_err(unavailable("the media port cannot be bound"))?;
    socket
        .set_nonblocking(true)
        .map_err(unavailable("the socket cannot be set up"))?;
    enlarge_buffers(&socket);
    let port = socket
        .local_addr()
        .map_err(unavailable("the socket has no address"))?
        .port();
    let ips = match config.public_ips.as_slice() {
        [] if config.bind_ip.is_unspecified() => own_addresses(config.bind_ip),
        [] => vec![config.bind_ip],
        given => given.to_vec(),
    };
    let candidates: Vec<_> = ips
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect();
    let mailbox = Arc::new(Mailbox::new().map_err(unavailable("no eventfd"))?);
    let status = Arc::new(Published::default());
    let driver = Driver {
        shard: Shard::new(Instant::now(), candidates.clone()),
        socket,
        streams: Streams::new(listener)
            .map_err(unavailable("the media port cannot be listened on"))?,
        mailbox: Arc::clone(&mailbox),
        events: Arc::clone(events),
        status: Arc::clone(&status),
        calls: Default::default(),
    };
    let closes = Arc::clone(&mailbox);
    let thread = std::thread::Builder::new()
        .name(format!("sfu-{index}"))
        .spawn(move || {
            raise_priority();
            let ended = catch_unwind(AssertUnwindSafe(|| driver.run()));
            // A shard that panicked serves nobody: its leases are gone with it, and callers must know.
            if ended.is_err() {
                closes.close();
            }
        })
        .map_err(unavailable("no thread"))?;
    Ok(ShardHandle {
        mailbox,
        status,
        candidates,
        port,
        thread: Mutex::new(Some(thread)),
    })
}

/// Bind a port of both protocols.
fn bind_both(ip: IpAddr, port: u16) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tried = 0;
    loop {
        let socket = UdpSocket::bind((ip, port))?;
        tried += 1;
        match TcpListener::bind((ip, socket.local_addr()?.port())) {
            Ok(listener) => return Ok((socket, listener)),
            Err(error) if port != 0 || tried == MAX_PORTS_TRIED => return Err(error),
            Err(_) => {}
        }
    }
}
