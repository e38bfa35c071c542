//! How somebody is reached: an address, and what carries datagrams there.

use std::net::SocketAddr;

use str0m::net::Protocol;

/// What carries a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    Udp,
    /// One connection, datagrams in frames (RFC 6544, RFC 4571).
    Tcp,
}

/// Where datagrams come from and go to. The same address over another wire is somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    pub wire: Wire,
    pub address: SocketAddr,
}

impl Path {
    pub fn udp(address: SocketAddr) -> Self {
        Self {
            wire: Wire::Udp,
            address,
        }
    }

    pub fn tcp(address: SocketAddr) -> Self {
        Self {
            wire: Wire::Tcp,
            address,
        }
    }
}

impl From<SocketAddr> for Path {
    fn from(address: SocketAddr) -> Self {
        Self::udp(address)
    }
}

impl From<Protocol> for Wire {
    /// We offer UDP and TCP, so a session speaks of nothing else.
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Udp => Self::Udp,
            Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Self::Tcp,
        }
    }
}

impl From<Wire> for Protocol {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::Udp => Self::Udp,
            Wire::Tcp => Self::Tcp,
        }
    }
}
