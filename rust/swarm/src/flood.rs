//! What a hostile client does: rubbish at a rate, and no reports. For tests of what it costs the others.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};

use crate::error::SwarmError;
use crate::socket::{Carried, carried};

/// Datagrams given to the kernel as one message, which it cuts up: sending must cost less than receiving does.
const RUN: usize = 20;
/// Length of made-up datagrams.
const BYTES: usize = 200;
/// How often a run may leave.
const STEP: Duration = Duration::from_micros(500);
/// A machine that was too busy catches up with so much at most.
const CATCH_UP: Duration = Duration::from_millis(20);
/// Copies of own packets that are kept.
const MAX_COPIES: usize = 8;

/// A flood under way.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Flood {
    /// Sends so many datagrams a second, from a thread of its own. `copies` are real packets to be spoiled.
    pub fn start(
        socket: UdpSocket,
        to: SocketAddr,
        per_s: u32,
        copies: &[Vec<u8>],
    ) -> Result<Self, SwarmError> {
        let stop = Arc::new(AtomicBool::new(false));
        let runs = runs(copies);
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("flood".to_owned())
            .spawn(move || send(&socket, to, per_s, &runs, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends it; returns how many datagrams were sent.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(0)
    }
}

fn send(
    socket: &UdpSocket,
    to: SocketAddr,
    per_s: u32,
    runs: &[Vec<u8>],
    stop: &AtomicBool,
) -> u64 {
    let began = Instant::now();
    let mut sent: u64 = 0;
    let mut forgiven: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * f64::from(per_s)) as u64;
        let most = (CATCH_UP.as_secs_f64() * f64::from(per_s)) as u64;
        forgiven = forgiven.max(due.saturating_sub(sent + most));
        while sent + forgiven < due {
            let index = usize::try_from(sent / RUN as u64).unwrap_or(0) % runs.len();
            if let Some(run) = runs.get(index) {
                send_run(socket, to, run);
            }
            sent += RUN as u64;
        }
        std::thread::sleep(STEP);
    }
    sent
}

/// Sends a run of equally long datagrams. Like a network, it promises nothing.
fn send_run(socket: &UdpSocket, to: SocketAddr, run: &[u8]) {
    let segment = u16::try_from(run.len() / RUN).unwrap_or(u16::MAX);
    let _ = sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(run)],
        &[ControlMessage::UdpGsoSegments(&segment)],
        MsgFlags::empty(),
        Some(&SockaddrStorage::from(to)),
    );
}

/// Runs of datagrams of every kind that a server might look at, and of some that it should not.
fn runs(copies: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut noise: u32 = 0x9e37_79b9;
    let mut random = || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise
    };
    let beginnings: [&[u8]; 6] = [
        &[],
        // Media of streams that nobody knows, with the mid of the first m-line.
        &[0x90, 96, 0, 1, 0, 0, 0, 0],
        // A report of a receiver.
        &[0x81, 201, 0, 7],
        // A check (RFC 8489) for a session that is not there.
        &[
            0, 1, 0, 180, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0,
            9, b'n', b'o', b'p', b'e', b':',
        ],
        // A handshake.
        &[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 187, 1],
        &[0x80, 111, 0, 1],
    ];
    let mut runs = Vec::new();
    for _ in 0..10 {
        for beginning in beginnings {
            let mut run = Vec::with_capacity(RUN * BYTES);
            for _ in 0..RUN {
                let mut datagram: Vec<u8> = (0..BYTES).map(|_| random() as u8).collect();
                datagram.splice(..beginning.len(), beginning.iter().copied());
                run.extend(datagram);
            }
            runs.push(run);
        }
        for copy in copies {
            let mut spoiled = copy.clone();
            if let Some(last) = spoiled.last_mut() {
                *last ^= random() as u8 | 1;
            }
            runs.push(spoiled.repeat(RUN));
        }
    }
    runs
}

/// The misbehaviour of one connection.
#[derive(Debug, Default)]
pub struct Mischief {
    to: Option<SocketAddr>,
    copies: Vec<Vec<u8>>,
    /// Keeps back what would acknowledge anything.
    pub withholds_reports: bool,
    flood: Option<Flood>,
}

impl Mischief {
    /// Looks at a datagram that is about to leave; returns whether it may.
    pub fn lets(&mut self, to: SocketAddr, bytes: &[u8]) -> bool {
        self.to = Some(to);
        match carried(bytes) {
            Carried::Srtp if self.copies.len() < MAX_COPIES => self.copies.push(bytes.to_vec()),
            Carried::Srtcp => return !self.withholds_reports,
            _ => {}
        }
        true
    }

    /// Floods the server from the connection's own address, or ends that with a rate of 0. Returns what was sent so far.
    pub fn flood(&mut self, socket: UdpSocket, per_s: u32) -> Result<u64, SwarmError> {
        let sent = self.flood.take().map_or(0, Flood::stop);
        if let Some(to) = self.to.filter(|_| per_s > 0) {
            self.flood = Some(Flood::start(socket, to, per_s, &self.copies)?);
        }
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_flood_has_its_rate_and_ends() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let copy = vec![0x90; 40];
        let flood = Flood::start(sender, receiver.local_addr().unwrap(), 20_000, &[copy]).unwrap();
        let began = Instant::now();
        let mut lengths = std::collections::BTreeSet::new();
        let mut received = 0;
        let mut buffer = [0; 2_048];
        while received < 2_000 {
            lengths.insert(receiver.recv_from(&mut buffer).unwrap().0);
            received += 1;
        }
        assert!(
            began.elapsed() >= Duration::from_millis(70),
            "faster than asked for"
        );
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [40, BYTES]);
        assert!(flood.stop() >= 2_000);
    }

    #[test]
    fn reports_are_withheld_and_nothing_else() {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut mischief = Mischief::default();
        let report = [0x81, 201, 0, 0];
        assert!(mischief.lets(to, &report));
        mischief.withholds_reports = true;
        assert!(!mischief.lets(to, &report));
        assert!(mischief.lets(to, &[0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(mischief.lets(to, &[0, 1]));
    }
}
