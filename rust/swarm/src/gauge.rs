//! What the peers of a load measure together: packets, and how long each took from one peer's socket to another's.
//!
//! A packet is known again by its publisher, its kind and its RTP timestamp, which a server leaves alone until it
//! switches layers. Of a picture only the last packet (it has the marker) is looked at, of audio every one.
//!
//! A picture *freezes* from one frame that a decoder can use until the next, if that takes long.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use str0m::media::{MediaKind, Mid};

/// Most packets whose way is timed, sent and received each: enough for percentiles.
const MAX_SAMPLES: usize = 400_000;
/// A picture that stands still for longer has frozen.
const FREEZE_US: u64 = 500_000;

/// Identifies a timed packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    publisher: u64,
    video: bool,
    timestamp: u32,
}

impl Key {
    fn new(publisher: &str, kind: MediaKind, timestamp: u32) -> Self {
        Self {
            publisher: hash(publisher),
            video: kind.is_video(),
            timestamp,
        }
    }
}

/// Shared by the peers of a load; measures only while it is open.
#[derive(Debug, Default)]
pub struct Gauge {
    open: AtomicBool,
    received: AtomicU64,
    sent: Mutex<HashMap<Key, u64>>,
    arrived: Mutex<Vec<(Key, u64)>>,
    pictures: Mutex<HashMap<(u64, Mid), Picture>>,
}

/// One publisher's picture at one subscriber.
#[derive(Clone, Copy, Debug)]
struct Picture {
    last_us: u64,
    longest_us: u64,
    freezes: u64,
}

impl Picture {
    fn moved(&mut self, at_us: u64) {
        let stood_us = at_us.saturating_sub(self.last_us);
        self.last_us = at_us;
        self.longest_us = self.longest_us.max(stood_us);
        self.freezes += u64::from(stood_us > FREEZE_US);
    }
}

impl Gauge {
    /// Begin or end measuring.
    pub fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// A frame that a decoder can use came to a subscriber's slot.
    pub fn moved(&self, subscriber: &str, mid: Mid, at_us: u64) {
        if self.is_open() {
            lock(&self.pictures)
                .entry((hash(subscriber), mid))
                .or_insert(Picture {
                    last_us: at_us,
                    longest_us: 0,
                    freezes: 0,
                })
                .moved(at_us);
        }
    }

    /// How many pictures moved at all, and for how long they stood still until `ended_us`, when measuring ended.
    pub fn pictures(&self, ended_us: u64) -> Value {
        let mut pictures = lock(&self.pictures);
        pictures
            .values_mut()
            .for_each(|picture| picture.moved(ended_us));
        json!({
            "n": pictures.len(),
            "longest_freeze_us": pictures.values().map(|picture| picture.longest_us).max(),
            "freezes": pictures.values().map(|picture| picture.freezes).sum::<u64>(),
        })
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// A packet that is to be timed left its publisher's socket.
    pub fn left(&self, publisher: &str, kind: MediaKind, timestamp: u32, at_us: u64) {
        if self.is_open() {
            let mut sent = lock(&self.sent);
            if sent.len() < MAX_SAMPLES {
                sent.insert(Key::new(publisher, kind, timestamp), at_us);
            }
        }
    }

    /// A packet of media came.
    pub fn came(&self) {
        if self.is_open() {
            self.received.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A packet that is to be timed entered a subscriber's socket.
    pub fn arrived(&self, publisher: &str, kind: MediaKind, timestamp: u32, at_us: u64) {
        if self.is_open() {
            let mut arrived = lock(&self.arrived);
            if arrived.len() < MAX_SAMPLES {
                arrived.push((Key::new(publisher, kind, timestamp), at_us));
            }
        }
    }

    pub fn packets(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How long packets took, in microseconds.
    pub fn latencies(&self) -> Value {
        let sent = lock(&self.sent);
        let mut took_us: Vec<u64> = lock(&self.arrived)
            .iter()
            .filter_map(|(key, at_us)| Some(at_us.saturating_sub(*sent.get(key)?)))
            .collect();
        took_us.sort_unstable();
        distribution(&took_us)
    }
}

/// The figures of sorted values.
pub fn distribution(sorted: &[u64]) -> Value {
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1);
    json!({"n": sorted.len(), "p50": at(50), "p99": at(99), "max": sorted.last()})
}

/// What a process has used of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu_us: u64,
    pub resident_bytes: u64,
}

impl Usage {
    /// As the kernel knows it (proc(5)). `None` if there is no such process.
    pub fn of(pid: u32) -> Option<Self> {
        const TICK_US: u64 = 10_000;
        const PAGE_BYTES: u64 = 4_096;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold spaces; what follows it are fields 3 and up.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let memory = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let pages: u64 = memory.split(' ').nth(1)?.parse().ok()?;
        Some(Self {
            cpu_us: (user + system) * TICK_US,
            resident_bytes: pages * PAGE_BYTES,
        })
    }
}

fn hash(user: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_timed_from_one_socket_to_every_other() {
        let gauge = Gauge::default();
        gauge.left("ann", MediaKind::Audio, 1, 1_000);
        gauge.set_open(true);
        gauge.left("ann", MediaKind::Audio, 2, 2_000);
        gauge.left("ann", MediaKind::Video, 2, 2_500);
        for at_us in [2_100, 2_300] {
            gauge.came();
            gauge.arrived("ann", MediaKind::Audio, 2, at_us);
        }
        gauge.arrived("ann", MediaKind::Audio, 1, 9_000); // left before it was open
        gauge.arrived("bob", MediaKind::Audio, 2, 9_000); // somebody else's
        assert_eq!(gauge.packets(), 2);
        let expected = json!({"n": 2, "p50": 100, "p99": 300, "max": 300});
        assert_eq!(gauge.latencies(), expected);
    }

    #[test]
    fn a_picture_freezes_between_frames_and_before_the_end() {
        let gauge = Gauge::default();
        let mid = Mid::from("v");
        gauge.moved("ann", mid, 1_000); // before it was open
        gauge.set_open(true);
        for at_us in [10_000_000, 10_400_000, 11_000_000] {
            gauge.moved("ann", mid, at_us);
        }
        gauge.moved("bob", mid, 10_000_000);
        gauge.moved("bob", mid, 11_000_000);
        let expected = json!({"n": 2, "longest_freeze_us": 1_000_000, "freezes": 2});
        assert_eq!(gauge.pictures(11_100_000), expected);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<u64> = (1..=200).collect();
        let expected = json!({"n": 200, "p50": 100, "p99": 198, "max": 200});
        assert_eq!(distribution(&values), expected);
        assert_eq!(distribution(&[])["p50"], Value::Null);
    }

    #[test]
    fn this_process_uses_something() {
        assert!(Usage::of(std::process::id()).unwrap().resident_bytes > 100_000);
        assert!(Usage::of(0).is_none());
    }
}
