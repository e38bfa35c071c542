//! The few system calls that the standard library does not have. With [`crate::datagrams`] the crate's only unsafe code.

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use crate::units::{ClockAnchor, MonotonicMicros};

/// Socket buffers: a burst of keyframes to a full room must fit.
const SOCKET_BUFFER_BYTES: libc::c_int = 4 * 1024 * 1024;

/// An eventfd: something happened, look.
#[derive(Debug)]
pub struct Wake(OwnedFd);

impl Wake {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Wake whoever waits. A full counter is as awake as can be, so errors do not matter.
    pub fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: writes the eight bytes of `one`.
        unsafe { libc::write(self.fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Forget that anything happened.
    pub fn lower(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: reads at most the eight bytes of `count`.
        unsafe { libc::read(self.fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub socket: bool,
    pub wake: bool,
}

/// Wait for a datagram or a wake-up, at most for `timeout` (to the nanosecond, unlike `poll`).
pub fn wait(socket: &UdpSocket, wake: &Wake, timeout: Duration) -> Ready {
    let entry = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut entries = [entry(socket.as_raw_fd()), entry(wake.fd())];
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
    };
    // SAFETY: `entries` and `timeout` live through the call; no signal mask.
    unsafe {
        libc::ppoll(
            entries.as_mut_ptr(),
            entries.len() as libc::nfds_t,
            &timeout,
            std::ptr::null(),
        )
    };
    Ready {
        socket: entries[0].revents != 0,
        wake: entries[1].revents != 0,
    }
}

/// Enlarge the socket's buffers: beyond the system's limit where we may, else up to it.
pub fn enlarge_buffers(socket: &UdpSocket) {
    for option in [
        libc::SO_RCVBUF,
        libc::SO_SNDBUF,
        libc::SO_RCVBUFFORCE,
        libc::SO_SNDBUFFORCE,
    ] {
        let size = SOCKET_BUFFER_BYTES;
        // SAFETY: passes the address and size of an integer. A refusal leaves the default, which works too.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                std::ptr::from_ref(&size).cast(),
                size_of_val(&size) as libc::socklen_t,
            )
        };
    }
}

/// Put the calling thread before the rest of the process, where we may: packets do not wait for pages and queries.
pub fn raise_priority() {
    const BEFORE_OTHERS: libc::c_int = -10;
    // SAFETY: no pointers; 0 is the calling thread on Linux. Without the privilege nothing changes.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BEFORE_OTHERS) };
}

/// Now, on both clocks.
pub fn anchor_clock() -> ClockAnchor {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to `now`. CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    let micros = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000;
    ClockAnchor::new(Instant::now(), MonotonicMicros(micros))
}

/// Where this machine can be reached when nobody said: the address of its default route, and itself.
pub fn own_addresses() -> Vec<IpAddr> {
    // Connecting a UDP socket sends nothing; it only picks the route. The address is one for documentation.
    const SOMEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 1), 9);
    let routed = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect(SOMEWHERE).and_then(|()| socket.local_addr()))
        .map(|address| address.ip());
    routed
        .into_iter()
        .chain([Ipv4Addr::LOCALHOST.into()])
        .collect()
}
