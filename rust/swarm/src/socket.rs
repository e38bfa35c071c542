//! The UDP socket of a PeerConnection: datagrams with the kernel's time of arrival, and a network that can be lost.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};

use crate::clock::{Epoch, RealtimeOffset, monotonic_us};
use crate::path::{Network, Way};

/// Room for the bursts of many keyframes at once on a busy machine.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Longer datagrams than this do not occur on paths with an Ethernet's MTU.
const MAX_DATAGRAM_BYTES: usize = 2_048;

/// What a datagram carries, by its first bytes (RFC 7983, RFC 5761).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    Srtp,
    Srtcp,
    /// STUN, DTLS, or anything else that is not media.
    Other,
}

/// Tells media from everything else.
pub fn carried(datagram: &[u8]) -> Carried {
    match datagram {
        [128..=191, 192..=223, ..] => Carried::Srtcp,
        [128..=191, _, ..] if datagram.len() >= 12 => Carried::Srtp,
        _ => Carried::Other,
    }
}

/// A datagram that has arrived.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// When it entered the socket, by the kernel: microseconds of the monotonic clock.
    pub at_us: u64,
    pub source: SocketAddr,
    pub bytes: &'a [u8],
}

/// One UDP socket, not blocking.
#[derive(Debug)]
pub struct MediaSocket {
    socket: UdpSocket,
    local: SocketAddr,
    connected: bool,
    /// The network that was asked for, if it is not the real one.
    up: Option<Way>,
    down: Option<Way>,
    buffer: Box<[u8; MAX_DATAGRAM_BYTES]>,
    control: Vec<u8>,
}

impl MediaSocket {
    /// Binds a port of the system's choice on this address.
    pub fn bind(ip: IpAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER_BYTES)?;
        }
        Ok(Self {
            local: socket.local_addr()?,
            socket,
            connected: true,
            up: None,
            down: None,
            buffer: Box::new([0; MAX_DATAGRAM_BYTES]),
            control: nix::cmsg_space!(nix::sys::time::TimeSpec),
        })
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The same socket, for another thread to send from.
    pub fn share(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    pub fn source(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Loses everything, both ways, until it is switched on again.
    pub fn set_connected(&mut self, connected: bool) {
        self.connected = connected;
    }

    /// Makes the network as bad as is asked for from now on.
    pub fn set_path(&mut self, network: Network, epoch: Epoch) {
        let now_us = monotonic_us();
        let port = u64::from(self.local.port());
        let directions = [(&mut self.up, network.up), (&mut self.down, network.down)];
        for (seed, (way, conditions)) in (port..).zip(directions) {
            match (way.as_mut(), conditions) {
                (Some(way), Some(conditions)) => way.set(now_us, conditions),
                (None, Some(conditions)) => {
                    *way = Some(Way::new(conditions, epoch, now_us, seed));
                }
                (_, None) => {}
            }
        }
    }

    /// When something that is under way is due.
    pub fn due_us(&self) -> Option<u64> {
        let ways = self.up.iter().chain(&self.down);
        ways.filter_map(Way::due_us).min()
    }

    /// Sends what has been under way for long enough.
    pub fn flush(&mut self) {
        let now_us = monotonic_us();
        while let Some(held) = self.up.as_mut().and_then(|way| way.give(now_us)) {
            if self.connected {
                // Like a network, it promises nothing.
                let _ = self.socket.send_to(&held.bytes, held.address);
            }
        }
    }

    /// The next datagram; `None` when there are no more. What arrives while the network is lost is gone.
    pub fn receive(&mut self, offset: RealtimeOffset) -> io::Result<Option<Arrival<'_>>> {
        let Some(mut way) = self.down.take() else {
            let arrived = self.receive_now(offset)?;
            return Ok(arrived.map(|(length, at_us, source)| Arrival {
                at_us,
                source,
                bytes: &self.buffer[..length],
            }));
        };
        let taken = loop {
            match self.receive_now(offset) {
                Ok(Some((length, at_us, source))) => {
                    way.take(at_us, source, &self.buffer[..length]);
                }
                Ok(None) => break Ok(way.give(monotonic_us())),
                Err(error) => break Err(error),
            }
        };
        self.down = Some(way);
        Ok(taken?.filter(|_| self.connected).map(|held| {
            let length = held.bytes.len();
            self.buffer[..length].copy_from_slice(&held.bytes);
            Arrival {
                at_us: held.due_us,
                source: held.address,
                bytes: &self.buffer[..length],
            }
        }))
    }

    /// The next datagram that the kernel has: its length, when it came and from where.
    fn receive_now(
        &mut self,
        offset: RealtimeOffset,
    ) -> io::Result<Option<(usize, u64, SocketAddr)>> {
        loop {
            let mut slices = [IoSliceMut::new(self.buffer.as_mut_slice())];
            let received = recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut slices,
                Some(&mut self.control),
                MsgFlags::empty(),
            );
            let message = match received {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(None),
                // The peer's port was closed when something was sent to it: of no interest here.
                Err(Errno::ECONNREFUSED | Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if !self.connected {
                continue;
            }
            let at_us = message
                .cmsgs()?
                .find_map(|control| match control {
                    ControlMessageOwned::ScmTimestampns(time) => {
                        Some(offset.to_monotonic_us(time.tv_sec(), time.tv_nsec()))
                    }
                    _ => None,
                })
                .unwrap_or_else(monotonic_us);
            if let Some(source) = message.address.as_ref().and_then(internet_address) {
                return Ok(Some((message.bytes, at_us, source)));
            }
        }
    }

    /// Sends a datagram. Like a network, it promises nothing: returns whether the datagram left.
    pub fn send(&mut self, destination: SocketAddr, bytes: &[u8]) -> bool {
        if let Some(way) = self.up.as_mut().filter(|_| self.connected) {
            way.take(monotonic_us(), destination, bytes);
            return true;
        }
        self.connected && self.socket.send_to(bytes, destination).is_ok()
    }
}

fn internet_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::new(v6.ip().into(), v6.port()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn wait(socket: &MediaSocket) {
        let mut sources = [PollFd::new(socket.source(), PollFlags::POLLIN)];
        poll(&mut sources, PollTimeout::from(2_000_u16)).unwrap();
    }

    #[test]
    fn a_datagram_carries_the_kernels_time_on_the_monotonic_clock() {
        let mut socket = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let mut other = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let before = monotonic_us();
        assert!(other.send(socket.local(), b"hello"));
        let after = monotonic_us();
        wait(&socket);
        let arrival = socket.receive(RealtimeOffset::measure()).unwrap().unwrap();
        assert_eq!(
            (arrival.bytes, arrival.source),
            (&b"hello"[..], other.local())
        );
        assert!(
            (before - 500..=after + 500).contains(&arrival.at_us),
            "{before} {} {after}",
            arrival.at_us
        );
    }

    #[test]
    fn a_lost_network_loses_what_is_sent_and_what_arrives() {
        let mut socket = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let mut other = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        socket.set_connected(false);
        assert!(!socket.send(other.local(), b"lost"));
        assert!(other.send(socket.local(), b"lost as well"));
        wait(&socket);
        assert!(socket.receive(RealtimeOffset::measure()).unwrap().is_none());
        socket.set_connected(true);
        assert!(other.send(socket.local(), b"back"));
        wait(&socket);
        let arrival = socket.receive(RealtimeOffset::measure()).unwrap().unwrap();
        assert_eq!(arrival.bytes, b"back");
    }

    #[test]
    fn a_path_that_was_asked_for_holds_datagrams_back_both_ways() {
        let mut socket = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let mut other = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let far = Some("delay=30".parse().unwrap());
        let network = Network { up: far, down: far };
        socket.set_path(network, Epoch::now());
        let sent_us = monotonic_us();
        assert!(socket.send(other.local(), b"there"));
        assert!(other.send(socket.local(), b"and back"));
        wait(&socket);
        while socket
            .due_us()
            .is_none_or(|due_us| due_us > sent_us + 29_000)
        {
            assert!(socket.receive(RealtimeOffset::measure()).unwrap().is_none());
            socket.flush();
            if socket
                .down
                .as_ref()
                .is_some_and(|way| way.due_us().is_some())
            {
                break;
            }
        }
        while monotonic_us() < sent_us + 31_000 {
            std::hint::spin_loop();
        }
        let arrival = socket.receive(RealtimeOffset::measure()).unwrap().unwrap();
        assert_eq!(arrival.bytes, b"and back");
        assert!(arrival.at_us >= sent_us + 29_500);
        socket.flush();
        wait(&other);
        let arrival = other.receive(RealtimeOffset::measure()).unwrap().unwrap();
        assert_eq!(arrival.bytes, b"there");
        assert!(arrival.at_us >= sent_us + 30_000);
    }

    #[test]
    fn media_is_told_from_its_control_and_from_the_rest() {
        let mut packet = [0_u8; 20];
        packet[0] = 0x90;
        packet[1] = 96;
        assert_eq!(carried(&packet), Carried::Srtp);
        packet[1] = 0x80 | 111; // with the marker bit
        assert_eq!(carried(&packet), Carried::Srtp);
        packet[1] = 200;
        assert_eq!(carried(&packet), Carried::Srtcp);
        for first in [0, 1, 20, 63] {
            packet[0] = first;
            assert_eq!(carried(&packet), Carried::Other);
        }
        assert_eq!(carried(&[]), Carried::Other);
    }
}
