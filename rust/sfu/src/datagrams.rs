//! Many datagrams in one system call, both ways. With [`crate::system`] the crate's only unsafe code.
//!
//! A call costs more than what it does with one small datagram, so what came together is taken together and what
//! leaves together is given together (recvmmsg, sendmmsg). A run of equally long datagrams to one address becomes one
//! message, which the kernel cuts up after its routing and bookkeeping (UDP_SEGMENT, "GSO").

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr::{from_mut, from_ref, null_mut};

use crate::shard::MAX_DATAGRAM;

/// Datagrams taken from the socket before commands and timers get their turn.
pub const RECEIVE_BATCH: usize = 32;

/// Datagrams given to the kernel in one call: it takes about 0.2 ms for so many, well within the guard of a lease
/// ([`crate::lease::SEND_GUARD`]), which is asked before the call and not within it.
pub const SEND_BATCH: usize = 64;

/// Datagrams of a run (the kernel's own bound, UDP_MAX_SEGMENTS, was 64 when it was lowest).
const MAX_SEGMENTS: usize = 64;

/// Bytes of a run: one message must not exceed an IP packet's 65,535 with its headers.
const MAX_RUN_BYTES: usize = 65_000;

/// Errors of earlier sends (ICMP) that one call of [`Inbox::fill`] looks past.
const MAX_STALE_ERRORS: usize = 4;

/// A datagram on its way out.
pub trait Datagram {
    fn to(&self) -> SocketAddr;
    fn bytes(&self) -> &[u8];
}

/// What became of the first datagrams of those that were to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// So many are done with: they left, or never will.
    pub done: usize,
    /// So many of these left. They come first.
    pub left: usize,
}

/// Lengths of the runs that datagrams form: to one address, equally long except that the last may be shorter.
pub fn runs<D: Datagram>(datagrams: &[D]) -> impl Iterator<Item = usize> + '_ {
    let mut rest = datagrams;
    std::iter::from_fn(move || {
        let length = run(rest);
        rest = rest.get(length..)?;
        (length > 0).then_some(length)
    })
}

fn run<D: Datagram>(datagrams: &[D]) -> usize {
    let Some((first, others)) = datagrams.split_first() else {
        return 0;
    };
    let size = first.bytes().len();
    let mut bytes = size;
    let mut length = 1;
    for datagram in others.iter().take(MAX_SEGMENTS - 1) {
        let next = datagram.bytes().len();
        bytes += next;
        if datagram.to() != first.to() || next > size || next == 0 || bytes > MAX_RUN_BYTES {
            break;
        }
        length += 1;
        if next < size {
            break;
        }
    }
    length
}

/// An address as the kernel has it: large enough for both families.
type RawAddress = libc::sockaddr_in6;

/// Room for one control message that holds a segment's size.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

// SAFETY: a computation without memory.
const CONTROL_BYTES: usize = unsafe { libc::CMSG_SPACE(size_of::<u16>() as libc::c_uint) } as usize;

/// Sends datagrams from a thread of its own. Its buffers are reused: sending allocates nothing.
pub struct Outbox {
    segmenting: bool,
    /// The socket is of both families: IPv4 addresses are written in the form of the other.
    dual: bool,
    /// So many of the next datagrams go one by one, because the kernel would not take them as a run.
    singly: usize,
    lengths: Vec<usize>,
    addresses: Vec<RawAddress>,
    slices: Vec<libc::iovec>,
    controls: Vec<Control>,
    messages: Vec<libc::mmsghdr>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Outbox {
    /// `segmenting` says whether runs may be given to the kernel as one message.
    pub fn new(segmenting: bool) -> Self {
        Self {
            segmenting,
            dual: false,
            singly: 0,
            lengths: Vec::with_capacity(SEND_BATCH),
            addresses: Vec::with_capacity(SEND_BATCH),
            slices: Vec::with_capacity(SEND_BATCH),
            controls: Vec::with_capacity(SEND_BATCH),
            messages: Vec::with_capacity(SEND_BATCH),
        }
    }

    /// For a socket that is bound to an IPv6 address and reaches IPv4 through it.
    pub fn dual(mut self, dual: bool) -> Self {
        self.dual = dual;
        self
    }

    /// Give datagrams to the kernel, in one call. Does not wait: what finds the socket's buffer full is lost, as on any
    /// network. Call again with the rest unless all are done.
    pub fn send<D: Datagram>(&mut self, socket: &UdpSocket, datagrams: &[D]) -> Sent {
        self.group(datagrams);
        self.address(datagrams);
        // SAFETY: the messages point into vectors and datagrams that nobody touches before the call is over.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                self.messages.len() as libc::c_uint,
                0,
            )
        };
        match usize::try_from(sent) {
            Ok(messages) => {
                let left = self.lengths.iter().take(messages).sum();
                self.singly = self.singly.saturating_sub(left);
                Sent { done: left, left }
            }
            Err(_) => self.refused(&io::Error::last_os_error(), datagrams.len()),
        }
    }

    fn group<D: Datagram>(&mut self, datagrams: &[D]) {
        self.lengths.clear();
        let singly = if self.segmenting {
            self.singly.min(datagrams.len())
        } else {
            datagrams.len()
        };
        self.lengths.extend(std::iter::repeat_n(1, singly));
        self.lengths
            .extend(runs(datagrams.get(singly..).unwrap_or_default()));
    }

    /// Write down the messages. Pointers are taken only after every vector has its full length.
    fn address<D: Datagram>(&mut self, datagrams: &[D]) {
        self.addresses.clear();
        self.slices.clear();
        self.controls.clear();
        self.messages.clear();
        self.slices
            .extend(datagrams.iter().map(|datagram| libc::iovec {
                iov_base: datagram.bytes().as_ptr().cast_mut().cast(),
                iov_len: datagram.bytes().len(),
            }));
        let mut first = 0;
        for length in &self.lengths {
            if let Some(datagram) = datagrams.get(first) {
                self.addresses.push(raw_address(datagram.to(), self.dual));
            }
            first += length;
        }
        self.controls
            .resize(self.lengths.len(), Control([0; CONTROL_BYTES]));
        let mut slices = self.slices.as_mut_slice();
        let parts = self.lengths.iter().zip(&mut self.addresses);
        for ((length, address), control) in parts.zip(&mut self.controls) {
            let Some((run, rest)) = slices.split_at_mut_checked(*length) else {
                return;
            };
            slices = rest;
            self.messages.push(message(address, run, control));
        }
    }

    /// The first message was not taken.
    fn refused(&mut self, error: &io::Error, datagrams: usize) -> Sent {
        let first = self.lengths.first().copied().unwrap_or(datagrams);
        match error.raw_os_error() {
            // There is no room, and there will be none for those behind it either.
            Some(libc::EAGAIN | libc::ENOBUFS) => Sent {
                done: datagrams,
                left: 0,
            },
            Some(libc::EINTR) => Sent::default(),
            _ if first > 1 => {
                // A device that cannot do it at all says EIO; other refusals are about this run: an MTU, an address.
                self.segmenting &= error.raw_os_error() != Some(libc::EIO);
                self.singly = first;
                Sent::default()
            }
            _ => {
                self.singly = self.singly.saturating_sub(1);
                Sent { done: 1, left: 0 }
            }
        }
    }
}

fn message(
    address: &mut RawAddress,
    run: &mut [libc::iovec],
    control: &mut Control,
) -> libc::mmsghdr {
    // SAFETY: a structure of numbers and pointers, for which zeros are valid.
    let mut message: libc::mmsghdr = unsafe { zeroed() };
    let header = &mut message.msg_hdr;
    header.msg_namelen = if address.sin6_family == libc::AF_INET as libc::sa_family_t {
        size_of::<libc::sockaddr_in>() as libc::socklen_t
    } else {
        size_of::<libc::sockaddr_in6>() as libc::socklen_t
    };
    header.msg_name = from_mut(address).cast();
    header.msg_iov = run.as_mut_ptr();
    header.msg_iovlen = run.len() as _;
    if let [first, _, ..] = run {
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_BYTES as _;
        // A datagram is at most MAX_DATAGRAM long.
        let size = first.iov_len as u16;
        // SAFETY: the control buffer is aligned and has room for one message with a u16.
        unsafe {
            let control = libc::CMSG_FIRSTHDR(header);
            (*control).cmsg_level = libc::SOL_UDP;
            (*control).cmsg_type = libc::UDP_SEGMENT;
            (*control).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as libc::c_uint) as _;
            libc::CMSG_DATA(control).cast::<u16>().write_unaligned(size);
        }
    }
    message
}

/// Datagrams that came together. Its buffers are reused.
pub struct Inbox {
    buffers: Vec<[u8; MAX_DATAGRAM + 1]>,
    addresses: Vec<RawAddress>,
    lengths: Vec<usize>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            buffers: vec![[0; MAX_DATAGRAM + 1]; RECEIVE_BATCH],
            addresses: vec![EMPTY_ADDRESS; RECEIVE_BATCH],
            lengths: Vec::with_capacity(RECEIVE_BATCH),
        }
    }
}

impl Inbox {
    /// Take what has come, in place of what was there. Does not wait. Returns whether there may be more.
    pub fn fill(&mut self, socket: &UdpSocket) -> bool {
        self.lengths.clear();
        // SAFETY: structures of numbers and pointers, for which zeros are valid.
        let mut slices: [libc::iovec; RECEIVE_BATCH] = unsafe { zeroed() };
        // SAFETY: as above.
        let mut messages: [libc::mmsghdr; RECEIVE_BATCH] = unsafe { zeroed() };
        let places = self.buffers.iter_mut().zip(&mut self.addresses);
        for ((message, slice), (buffer, address)) in
            messages.iter_mut().zip(&mut slices).zip(places)
        {
            slice.iov_base = buffer.as_mut_ptr().cast();
            slice.iov_len = buffer.len();
            message.msg_hdr.msg_name = from_mut(address).cast();
            message.msg_hdr.msg_namelen = size_of::<RawAddress>() as libc::socklen_t;
            message.msg_hdr.msg_iov = slice;
            message.msg_hdr.msg_iovlen = 1;
        }
        for _ in 0..MAX_STALE_ERRORS {
            // SAFETY: every message has a buffer and an address of its own, which live through the call.
            let received = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    messages.as_mut_ptr(),
                    messages.len() as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                    null_mut(),
                )
            };
            if let Ok(received) = usize::try_from(received) {
                let filled = messages.iter().take(received);
                self.lengths
                    .extend(filled.map(|message| message.msg_len as usize));
                return received == RECEIVE_BATCH;
            }
            if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock {
                return false;
            }
        }
        true
    }

    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The datagrams, in the order in which they came. One that is too long is cut to [`MAX_DATAGRAM`] + 1.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let places = self.buffers.iter().zip(&self.addresses);
        places
            .zip(&self.lengths)
            .filter_map(|((buffer, address), length)| {
                Some((address_of(address)?, buffer.get(..*length)?))
            })
    }
}

const EMPTY_ADDRESS: RawAddress = RawAddress {
    sin6_family: 0,
    sin6_port: 0,
    sin6_flowinfo: 0,
    sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
    sin6_scope_id: 0,
};

fn raw_address(address: SocketAddr, dual: bool) -> RawAddress {
    let mut raw = EMPTY_ADDRESS;
    let address = match address.ip() {
        IpAddr::V4(ip) if dual => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        _ => address,
    };
    match address {
        SocketAddr::V4(address) => {
            let v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            // SAFETY: `raw` is larger than a sockaddr_in and aligned at least as strictly.
            unsafe { from_mut(&mut raw).cast::<libc::sockaddr_in>().write(v4) };
        }
        SocketAddr::V6(address) => {
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = address.port().to_be();
            raw.sin6_flowinfo = address.flowinfo();
            raw.sin6_addr.s6_addr = address.ip().octets();
            raw.sin6_scope_id = address.scope_id();
        }
    }
    raw
}

fn address_of(raw: &RawAddress) -> Option<SocketAddr> {
    match libc::c_int::from(raw.sin6_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a sockaddr_in, which is smaller and aligned no more strictly.
            let v4 = unsafe { from_ref(raw).cast::<libc::sockaddr_in>().read() };
            let ip = v4.sin_addr.s_addr.to_ne_bytes();
            Some(SocketAddrV4::new(ip.into(), u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            let port = u16::from_be(raw.sin6_port);
            let address = SocketAddrV6::new(ip, port, raw.sin6_flowinfo, raw.sin6_scope_id);
            Some(match ip.to_ipv4_mapped() {
                Some(ip) => SocketAddrV4::new(ip, port).into(),
                None => address.into(),
            })
        }
        _ => None,
    }
}
