//! What was sent to a peer, and what became of it. Pure.
//!
//! A packet that no report covers is neither delivered nor lost: the report itself may have been lost on its way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets remembered at most: two seconds of a thousand a second, twice over.
const MAX_PACKETS: usize = 4_096;

/// A packet reported missing is lost when one sent so much later has arrived: it may only have been overtaken.
const OVERTAKEN: Duration = Duration::from_millis(150);

/// Without any word a packet is forgotten after this.
const FORGET: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Missing,
    Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    sent_at: Instant,
    bytes: u16,
    is_padding: bool,
    fate: Fate,
}

/// A packet of which it became known that it has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub number: u64,
    pub sent_at: Instant,
    /// By the receiver's clock, since some moment of its own.
    pub arrived: Duration,
    pub bytes: u64,
    pub is_padding: bool,
}

/// What became final, of media: probes are lost for reasons of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub arrived: u32,
    pub lost: u32,
    /// Of both.
    pub bytes: u64,
}

/// The packets on their way, by their transport-wide number.
#[derive(Debug, Default)]
pub struct History {
    packets: VecDeque<Packet>,
    /// The number of the oldest.
    first: u64,
    newest_arrived: Option<Instant>,
}

impl History {
    /// Note a packet. `number` is the low half of its transport-wide number, as on the wire. Returns the whole of it.
    pub fn sent(&mut self, now: Instant, number: u16, bytes: usize, is_padding: bool) -> u64 {
        let next = self.next();
        let number = extend(number, next);
        if number != next {
            self.packets.clear();
            self.first = number;
        }
        if self.packets.len() >= MAX_PACKETS {
            self.packets.pop_front();
            self.first += 1;
        }
        self.packets.push_back(Packet {
            sent_at: now,
            bytes: bytes.min(usize::from(u16::MAX)) as u16,
            is_padding,
            fate: Fate::Unknown,
        });
        number
    }

    /// The number that the next packet will have.
    pub fn next(&self) -> u64 {
        self.first + self.packets.len() as u64
    }

    /// When the oldest packet was sent of which nothing is known.
    pub fn waiting_since(&self) -> Option<Instant> {
        let unknown = |packet: &&Packet| packet.fate == Fate::Unknown;
        self.packets
            .iter()
            .find(unknown)
            .map(|packet| packet.sent_at)
    }

    /// Take in the report on one packet: when it arrived, if it did. Returns what is new in it.
    pub fn report(&mut self, number: u64, arrived: Option<Duration>) -> Option<Arrival> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let packet = self.packets.get_mut(index)?;
        match (packet.fate, arrived) {
            (Fate::Arrived, _) => None,
            (_, None) => {
                packet.fate = Fate::Missing;
                None
            }
            (_, Some(arrived)) => {
                packet.fate = Fate::Arrived;
                self.newest_arrived = self.newest_arrived.max(Some(packet.sent_at));
                Some(Arrival {
                    number,
                    sent_at: packet.sent_at,
                    arrived,
                    bytes: u64::from(packet.bytes),
                    is_padding: packet.is_padding,
                })
            }
        }
    }

    /// Let go of the packets whose fate is final.
    pub fn settle(&mut self, now: Instant) -> Settled {
        let mut settled = Settled::default();
        while let Some(packet) = self.packets.front() {
            let overtaken = self
                .newest_arrived
                .is_some_and(|newest| newest >= packet.sent_at + OVERTAKEN);
            match packet.fate {
                Fate::Arrived | Fate::Missing if packet.is_padding => {}
                Fate::Arrived => settled.arrived += 1,
                Fate::Missing if overtaken => settled.lost += 1,
                _ if now < packet.sent_at + FORGET => break,
                _ => {}
            }
            if !packet.is_padding {
                settled.bytes += u64::from(packet.bytes);
            }
            self.packets.pop_front();
            self.first += 1;
        }
        settled
    }
}

/// The number whose low half this is, nearest to `near`.
fn extend(low: u16, near: u64) -> u64 {
    const ROUND: u64 = 1 << 16;
    let guess = (near & !(ROUND - 1)) | u64::from(low);
    if guess + ROUND / 2 < near {
        guess + ROUND
    } else if guess > near + ROUND / 2 && guess >= ROUND {
        guess - ROUND
    } else {
        guess
    }
}
