//! The few system calls that the standard library does not have. With [`crate::datagrams`] the crate's only unsafe code.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
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

/// Watches many connections (epoll). Itself something to wait for.
#[derive(Debug)]
pub struct Watch(OwnedFd);

/// A connection that has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    pub token: u64,
    /// There is something to read, an end or an error included.
    pub readable: bool,
    pub writable: bool,
}

/// Occasions taken at a time.
const MAX_OCCASIONS: usize = 64;

impl Watch {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Begin to watch a descriptor, for what can be read. Closing it ends that.
    pub fn add(&self, watched: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, watched, token, false)
    }

    /// Watch also, or no more, for room to write.
    pub fn for_writing(&self, watched: &impl AsRawFd, token: u64, writing: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, watched, token, writing)
    }

    /// What has something to do, into `found`, without waiting.
    pub fn look(&self, found: &mut Vec<Occasion>) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; MAX_OCCASIONS];
        let (first, room) = (events.as_mut_ptr(), MAX_OCCASIONS as libc::c_int);
        // SAFETY: `events` has room for as many as are asked for.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), first, room, 0) };
        found.clear();
        let count = usize::try_from(count).unwrap_or(0);
        found.extend(events.iter().take(count).map(|event| Occasion {
            token: event.u64,
            readable: event.events & !(libc::EPOLLOUT as u32) != 0,
            writable: event.events & libc::EPOLLOUT as u32 != 0,
        }));
    }

    /// Watch a descriptor no more, though it stays open.
    pub fn remove(&self, watched: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, watched, 0, false)
    }

    fn control(
        &self,
        operation: libc::c_int,
        watched: &impl AsRawFd,
        token: u64,
        writing: bool,
    ) -> io::Result<()> {
        let wanted = if writing {
            libc::EPOLLIN | libc::EPOLLOUT
        } else {
            libc::EPOLLIN
        };
        let mut event = libc::epoll_event {
            events: wanted as u32,
            u64: token,
        };
        let (epoll, fd) = (self.0.as_raw_fd(), watched.as_raw_fd());
        // SAFETY: `event` lives through the call.
        match unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub socket: bool,
    pub streams: bool,
    pub wake: bool,
}

/// Wait for a datagram, a connection or a wake-up, at most for `timeout` (to the nanosecond, unlike `poll`).
pub fn wait(socket: &UdpSocket, streams: &Watch, wake: &Wake, timeout: Duration) -> Ready {
    let entry = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut entries = [
        entry(socket.as_raw_fd()),
        entry(streams.0.as_raw_fd()),
        entry(wake.fd()),
    ];
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
        streams: entries[1].revents != 0,
        wake: entries[2].revents != 0,
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
        // A refusal leaves the default, which works too.
        let _ = set_option(socket, libc::SOL_SOCKET, option, &SOCKET_BUFFER_BYTES);
    }
}

/// Prepare a connection for media: nothing waits for more to send, little that was not sent yet is in the kernel's hands,
/// and closing it throws that away.
pub fn prepare_stream(stream: &TcpStream, unsent_bytes: libc::c_int) -> io::Result<()> {
    const RESET_AT_CLOSE: libc::linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    set_option(stream, libc::SOL_SOCKET, libc::SO_LINGER, &RESET_AT_CLOSE)?;
    set_option(
        stream,
        libc::IPPROTO_TCP,
        libc::TCP_NOTSENT_LOWAT,
        &unsent_bytes,
    )
}

fn set_option<T>(
    socket: &impl AsRawFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let (value, size) = (std::ptr::from_ref(value), size_of::<T>());
    // SAFETY: passes the address and size of a value that lives through the call; each option's type is its caller's.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.cast(),
            size as libc::socklen_t,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
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

/// Where this machine can be reached when nobody said: the addresses of its default routes, and itself.
pub fn own_addresses(bind_ip: IpAddr) -> Vec<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849).
    const SOMEWHERE: [(IpAddr, IpAddr); 2] = [
        (
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
        ),
        (
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        ),
    ];
    let families = SOMEWHERE
        .iter()
        .filter(|(any, _)| any.is_ipv4() || bind_ip.is_ipv6());
    families
        .filter_map(|(any, somewhere)| routed(*any, *somewhere))
        .chain([Ipv4Addr::LOCALHOST.into()])
        .collect()
}

/// Our address on the way to another. Connecting a UDP socket sends nothing; it only picks the route.
fn routed(any: IpAddr, other: IpAddr) -> Option<IpAddr> {
    const DISCARD: u16 = 9;
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((other, DISCARD)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
