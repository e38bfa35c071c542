//! Which peer a datagram belongs to: by where it came from once that is proven, else by the ICE user name of a check.

use std::collections::HashMap;

use crate::path::{Path, Wire};

/// Addresses a peer may be bound to at a time (candidate pairs it checks from, over UDP and TCP); that which has not sent a
/// check for longest gives way.
pub const MAX_ADDRESSES: usize = 16;

/// Maps addresses and ICE user names to keys of peers.
#[derive(Debug)]
pub struct Routes<K> {
    addresses: HashMap<Path, K>,
    ufrags: HashMap<String, K>,
}

impl<K> Default for Routes<K> {
    fn default() -> Self {
        Self {
            addresses: HashMap::new(),
            ufrags: HashMap::new(),
        }
    }
}

/// What one peer is known by.
#[derive(Debug, Default)]
pub struct Known {
    addresses: Vec<Path>,
    ufrag: Option<String>,
}

impl Known {
    /// Whether anything leads to the peer.
    pub fn is_reachable(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// The TCP connections that lead to the peer.
    pub fn connections(&self) -> impl Iterator<Item = Path> + '_ {
        let paths = self.addresses.iter().copied();
        paths.filter(|path| path.wire == Wire::Tcp)
    }
}

impl<K: Copy + PartialEq> Routes<K> {
    pub fn by_address(&self, address: impl Into<Path>) -> Option<K> {
        self.addresses.get(&address.into()).copied()
    }

    pub fn by_ufrag(&self, ufrag: &str) -> Option<K> {
        self.ufrags.get(ufrag).copied()
    }

    /// The session has accepted a check from this address.
    pub fn bind_address(&mut self, key: K, known: &mut Known, address: impl Into<Path>) {
        let address = address.into();
        if self.by_address(address) == Some(key) {
            let checked = known.addresses.iter().position(|bound| *bound == address);
            if let Some(tail) = checked.and_then(|index| known.addresses.get_mut(index..)) {
                tail.rotate_left(1);
            }
            return;
        }
        self.addresses.insert(address, key);
        known.addresses.retain(|bound| *bound != address);
        known.addresses.push(address);
        if known.addresses.len() > MAX_ADDRESSES {
            let oldest = known.addresses.remove(0);
            self.unbind_address(key, oldest);
        }
    }

    /// The path does not lead to the peer any more: a connection was closed.
    pub fn lose_address(&mut self, key: K, known: &mut Known, address: Path) {
        known.addresses.retain(|bound| *bound != address);
        self.unbind_address(key, address);
    }

    /// The session's own ICE user name: a restart makes a new one.
    pub fn bind_ufrag(&mut self, key: K, known: &mut Known, ufrag: String) {
        if let Some(old) = known.ufrag.replace(ufrag.clone()) {
            self.ufrags.remove(&old);
        }
        self.ufrags.insert(ufrag, key);
    }

    /// The session is gone.
    pub fn forget(&mut self, key: K, known: Known) {
        for address in known.addresses {
            self.unbind_address(key, address);
        }
        if let Some(ufrag) = known.ufrag {
            self.ufrags.remove(&ufrag);
        }
    }

    /// Another session may have taken the address over meanwhile.
    fn unbind_address(&mut self, key: K, address: Path) {
        if self.by_address(address) == Some(key) {
            self.addresses.remove(&address);
        }
    }
}

/// The ICE user name of a check that is meant for us: `local:remote` in the USERNAME attribute (RFC 8489 section
/// 14.3). A full parse, with its checks, follows in the session; here a stranger's bytes are only looked at.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    const HEADER: usize = 20;
    const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const USERNAME: u16 = 0x0006;
    const MAX_ATTRIBUTES: usize = 16;

    if datagram.first()? & 0xc0 != 0 || datagram.get(4..8)? != MAGIC_COOKIE {
        return None;
    }
    let mut rest = datagram.get(HEADER..)?;
    for _ in 0..MAX_ATTRIBUTES {
        let kind = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
        let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        if kind == USERNAME {
            let name = std::str::from_utf8(rest.get(4..4 + length)?).ok()?;
            return name.split_once(':').map(|(local, _)| local);
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
    None
}
