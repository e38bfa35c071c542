//! Commands on their way to a shard's thread: two bounded lanes and a wake-up.
//!
//! What stops or extends media goes first, in its own order. Should the urgent lane ever overflow, the shard is told
//! to revoke everything: a lost revocation must never mean media.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::command::Command;
use crate::error::SfuError;
use crate::system::Wake;

/// Commands that wait: grants and ends of every lease a shard can hold, several times over.
const MAX_URGENT: usize = 65_536;

/// Rooms, seats and offers that wait.
const MAX_ORDINARY: usize = 16_384;

#[derive(Default)]
struct Lanes {
    urgent: VecDeque<Command>,
    ordinary: VecDeque<Command>,
    closed: bool,
}

/// A shard's mailbox.
pub struct Mailbox {
    lanes: Mutex<Lanes>,
    // Copies of what the lanes say, so that a shard with nothing to obey takes no lock.
    urgent_waits: AtomicBool,
    ordinary_waits: AtomicBool,
    closed: AtomicBool,
    wake: Wake,
}

impl Mailbox {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            lanes: Mutex::default(),
            urgent_waits: AtomicBool::new(false),
            ordinary_waits: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            wake: Wake::new()?,
        })
    }

    /// Post a command. Does not wait.
    pub fn post(&self, command: Command) -> Result<(), SfuError> {
        let mut lanes = self.lock();
        if lanes.closed {
            return Err(SfuError::Unavailable("it is closed"));
        }
        if command.is_urgent() {
            if lanes.urgent.len() >= MAX_URGENT {
                lanes.urgent.clear();
                lanes.urgent.push_back(Command::RevokeAll);
            }
            lanes.urgent.push_back(command);
            self.urgent_waits.store(true, Ordering::Release);
        } else {
            if lanes.ordinary.len() >= MAX_ORDINARY {
                return Err(SfuError::Overloaded("too many commands wait"));
            }
            lanes.ordinary.push_back(command);
            self.ordinary_waits.store(true, Ordering::Release);
        }
        drop(lanes);
        self.wake.raise();
        Ok(())
    }

    /// Whether something urgent waits: one load, to be asked between packets.
    pub fn is_urgent(&self) -> bool {
        self.urgent_waits.load(Ordering::Acquire)
    }

    pub fn take_urgent(&self) -> Option<Command> {
        if !self.is_urgent() {
            return None;
        }
        let mut lanes = self.lock();
        let command = lanes.urgent.pop_front();
        if lanes.urgent.is_empty() {
            self.urgent_waits.store(false, Ordering::Release);
        }
        command
    }

    pub fn take_ordinary(&self) -> Option<Command> {
        if !self.ordinary_waits.load(Ordering::Acquire) {
            return None;
        }
        let mut lanes = self.lock();
        let command = lanes.ordinary.pop_front();
        if lanes.ordinary.is_empty() {
            self.ordinary_waits.store(false, Ordering::Release);
        }
        command
    }

    /// Take no more; what waits is dropped.
    pub fn close(&self) {
        let mut lanes = self.lock();
        lanes.closed = true;
        lanes.urgent.clear();
        lanes.ordinary.clear();
        self.closed.store(true, Ordering::Release);
        drop(lanes);
        self.wake.raise();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub fn wake(&self) -> &Wake {
        &self.wake
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // Nothing between lock and unlock can leave the lanes half changed.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
