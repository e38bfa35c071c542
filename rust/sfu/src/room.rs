//! A room: its seats in the order they were taken, and its leases.

use std::collections::HashMap;

use crate::seat::{LeaseKey, SeatKey};
use crate::speaker::Floor;
use crate::units::{LeaseId, UserId};

#[derive(Debug, Default)]
pub struct Room {
    seats: Vec<(UserId, SeatKey)>,
    leases: HashMap<LeaseId, LeaseKey>,
    pub floor: Floor<SeatKey>,
}

impl Room {
    pub fn seat(&self, user: &UserId) -> Option<SeatKey> {
        self.seats
            .iter()
            .find(|(seated, _)| seated == user)
            .map(|(_, key)| *key)
    }

    pub fn add_seat(&mut self, user: UserId, key: SeatKey) {
        self.seats.push((user, key));
    }

    pub fn remove_seat(&mut self, user: &UserId) {
        self.seats.retain(|(seated, _)| seated != user);
    }

    /// In the order they were taken.
    pub fn seats(&self) -> impl Iterator<Item = SeatKey> + '_ {
        self.seats.iter().map(|(_, key)| *key)
    }

    pub fn lease(&self, lease: &LeaseId) -> Option<LeaseKey> {
        self.leases.get(lease).copied()
    }

    pub fn add_lease(&mut self, lease: LeaseId, key: LeaseKey) {
        self.leases.insert(lease, key);
    }

    pub fn leases(&self) -> impl Iterator<Item = LeaseKey> + '_ {
        self.leases.values().copied()
    }
}
