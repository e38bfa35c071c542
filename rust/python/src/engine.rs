//! The engine's door. Only `offer` and `close` wait, and they let go of the interpreter while they do.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use curtaincall_sfu::allocator::{Height, Wish};
use curtaincall_sfu::engine::Engine as Sfu;
use curtaincall_sfu::error::SfuError;
use curtaincall_sfu::launch::Config;
use curtaincall_sfu::lease::Terms;
use curtaincall_sfu::units::{Epoch, EventNumber, GrantSeq, LeaseId, RoomId, UserId};
use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::error::Refusal;
use crate::events::to_python;

/// An SFU with its threads and ports.
#[pyclass(frozen, module = "curtaincall._native")]
pub struct Engine {
    sfu: Sfu,
}

fn address(text: &str) -> Result<IpAddr, Refusal> {
    text.parse()
        .map_err(|_| SfuError::Unavailable("an IP address of the settings is malformed").into())
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, bind_ip, public_ips, base_port, shards, max_seats_per_room))]
    fn new(
        py: Python<'_>,
        bind_ip: &str,
        public_ips: Vec<String>,
        base_port: u16,
        shards: usize,
        max_seats_per_room: usize,
    ) -> Result<Self, Refusal> {
        let public_ips = public_ips
            .iter()
            .map(|ip| address(ip))
            .collect::<Result<_, _>>()?;
        let config = Config {
            bind_ip: address(bind_ip)?,
            public_ips,
            base_port,
            shards,
            max_seats_per_room,
        };
        let sfu = py.detach(|| Sfu::start(&config))?;
        Ok(Self { sfu })
    }

    #[getter]
    fn ports(&self) -> Vec<u16> {
        self.sfu.ports()
    }

    #[getter]
    fn event_fd(&self) -> i32 {
        self.sfu.events().wake().fd()
    }

    fn open_room(&self, room: &str) -> Result<(), Refusal> {
        Ok(self.sfu.open_room(RoomId::new(room))?)
    }

    fn close_room(&self, room: &str) -> Result<(), Refusal> {
        Ok(self.sfu.close_room(RoomId::new(room))?)
    }

    #[pyo3(signature = (room, lease, payer, payee))]
    fn open_lease(
        &self,
        room: &str,
        lease: &str,
        payer: Option<&str>,
        payee: Option<&str>,
    ) -> Result<(), Refusal> {
        let (payer, payee) = (payer.map(UserId::new), payee.map(UserId::new));
        Ok(self
            .sfu
            .open_lease(RoomId::new(room), LeaseId::new(lease), payer, payee)?)
    }

    #[pyo3(signature = (room, lease, *, epoch, seq, granted_ms, lease_ms))]
    fn grant(
        &self,
        room: &str,
        lease: &str,
        epoch: u64,
        seq: u64,
        granted_ms: Option<u64>,
        lease_ms: u64,
    ) -> Result<(), Refusal> {
        let terms = Terms {
            epoch: Epoch(epoch),
            seq: GrantSeq(seq),
            quota: granted_ms.map(Duration::from_millis),
            lease: Duration::from_millis(lease_ms),
        };
        Ok(self
            .sfu
            .grant(RoomId::new(room), LeaseId::new(lease), terms)?)
    }

    fn revoke(&self, room: &str, lease: &str) -> Result<(), Refusal> {
        Ok(self.sfu.revoke(RoomId::new(room), LeaseId::new(lease))?)
    }

    fn close_lease(&self, room: &str, lease: &str) -> Result<(), Refusal> {
        Ok(self
            .sfu
            .close_lease(RoomId::new(room), LeaseId::new(lease))?)
    }

    fn open_seat(
        &self,
        room: &str,
        user: &str,
        lease: &str,
        may_publish: bool,
    ) -> Result<(), Refusal> {
        Ok(self.sfu.open_seat(
            RoomId::new(room),
            UserId::new(user),
            LeaseId::new(lease),
            may_publish,
        )?)
    }

    fn close_seat(&self, room: &str, user: &str) -> Result<(), Refusal> {
        Ok(self.sfu.close_seat(RoomId::new(room), UserId::new(user))?)
    }

    fn cut_seat(&self, room: &str, user: &str) -> Result<(), Refusal> {
        Ok(self.sfu.cut_seat(RoomId::new(room), UserId::new(user))?)
    }

    #[pyo3(signature = (room, user, of, *, max_height, priority))]
    fn subscribe(
        &self,
        room: &str,
        user: &str,
        of: &str,
        max_height: u16,
        priority: u8,
    ) -> Result<(), Refusal> {
        let wish = Wish {
            max_height: Height(max_height),
            priority,
        };
        Ok(self
            .sfu
            .subscribe(RoomId::new(room), UserId::new(user), UserId::new(of), wish)?)
    }

    /// Waits for milliseconds: call it from a worker thread.
    fn offer(&self, py: Python<'_>, room: &str, user: &str, sdp: &str) -> Result<String, Refusal> {
        let (room, user) = (RoomId::new(room), UserId::new(user));
        Ok(py.detach(|| self.sfu.offer(room, user, sdp))?)
    }

    /// Up to `limit` events numbered above `after`. Lowers the event descriptor first, so that none is missed.
    fn drain_events<'py>(
        &self,
        py: Python<'py>,
        after: u64,
        limit: usize,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.sfu.events().wake().lower();
        let events = self.sfu.events().fetch(EventNumber(after), limit);
        let anchor = self.sfu.anchor();
        events
            .iter()
            .map(|(number, event)| to_python(py, anchor, *number, event))
            .collect()
    }

    fn acknowledge(&self, number: u64) {
        self.sfu.events().acknowledge(EventNumber(number));
    }

    /// Counters since the start, summed over shards; up to a second old.
    fn stats(&self) -> HashMap<&'static str, u64> {
        let mut sums = HashMap::new();
        for status in self.sfu.statuses() {
            let counters = status.counters;
            let figures = [
                ("rooms", status.rooms as u64),
                ("seats", status.seats as u64),
                ("packets_in", counters.packets_in),
                ("packets_out", counters.packets_out),
                ("packets_refused", counters.packets_refused),
                ("media_forwarded", counters.media_forwarded),
                ("media_denied", counters.media_denied),
                ("peers_discarded", counters.peers_discarded),
                ("freezes", counters.freezes),
                ("held_back", counters.held_back),
                ("receive_calls", status.calls.receive),
                ("send_calls", status.calls.send),
                ("tcp_connections", status.connections),
            ];
            for (name, value) in figures {
                *sums.entry(name).or_insert(0) += value;
            }
        }
        sums
    }

    /// Stop the threads and close the ports.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.sfu.close());
    }
}
