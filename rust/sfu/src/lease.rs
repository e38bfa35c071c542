//! The lease: what lets packets flow, and the meter of what was delivered under it. Pure: every method takes `now`.
//!
//! Denied until granted; only a newer `(epoch, seq)` extends it; it runs out by itself at the earlier of its time
//! and its quota (`design/charging.md`, "Two clocks").

use std::time::{Duration, Instant};

use crate::units::{Epoch, GrantSeq};

/// A gap between two packets of the payee bills at most this much.
pub const GAP_CAP: Duration = Duration::from_millis(500);

/// Readings of a running meter are at most this far apart (the contract says a second).
pub const READ_INTERVAL: Duration = Duration::from_millis(900);

/// No packet is handed to the kernel in the last moment of a lease, so that a send call which takes long, or a
/// thread that loses its core between the check and the call, still ends before the deadline.
pub const SEND_GUARD: Duration = Duration::from_millis(1);

/// What a grant promises. Lengths of time only: anchored at the moment the engine received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub epoch: Epoch,
    pub seq: GrantSeq,
    /// Cumulative over the life of the lease; `None` for no quota.
    pub quota: Option<Duration>,
    /// How long packets may flow without a further grant.
    pub lease: Duration,
}

/// Why packets under a lease stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Quota,
    Lapsed,
    Revoked,
    Closed,
}

/// The end of a lease, or of one opening of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub cause: Cause,
    pub epoch: Epoch,
    pub billable: Duration,
    pub deadline: Instant,
    pub last_forward: Option<Instant>,
    pub packets_after_deadline: u64,
}

/// What somebody outside wants to know about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The payee's first packet under this epoch has reached the payer's socket.
    Flowing(Epoch),
    Meter {
        billable: Duration,
        running: bool,
    },
    Ended(Ended),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Denied,
    Open,
    Closed,
}

/// Counts what was delivered: the sum of the gaps between consecutive packets, each at most [`GAP_CAP`].
#[derive(Debug, Default)]
struct Meter {
    billable: Duration,
    /// The packet that the next gap starts from.
    last: Option<Instant>,
    running: bool,
    read_at: Option<Instant>,
}

/// One lease. See the module's documentation.
#[derive(Debug)]
pub struct Lease {
    state: State,
    newest: Option<(Epoch, GrantSeq)>,
    /// Grants of this epoch and below are void.
    revoked: Option<Epoch>,
    opened_at: Option<Instant>,
    runs_out_at: Option<Instant>,
    quota: Option<Duration>,
    meter: Meter,
    flowing: Option<Epoch>,
    last_forward: Option<Instant>,
    late_packets: u64,
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

impl Lease {
    /// A lease under which nothing flows.
    pub fn new() -> Self {
        Self {
            state: State::Denied,
            newest: None,
            revoked: None,
            opened_at: None,
            runs_out_at: None,
            quota: None,
            meter: Meter::default(),
            flowing: None,
            last_forward: None,
            late_packets: 0,
        }
    }

    /// Extend the lease. Returns false, and changes nothing, unless the grant is newer than every one before.
    pub fn grant(&mut self, received_at: Instant, terms: Terms) -> bool {
        let order = (terms.epoch, terms.seq);
        let stale = self.newest.is_some_and(|newest| order <= newest);
        let void = self.revoked.is_some_and(|revoked| terms.epoch <= revoked);
        if self.state == State::Closed || stale || void {
            return false;
        }
        self.newest = Some(order);
        self.revoked = None;
        self.opened_at = Some(received_at);
        self.runs_out_at = received_at.checked_add(terms.lease);
        self.quota = terms.quota;
        if self.state == State::Denied {
            self.late_packets = 0;
        }
        self.state = State::Open;
        true
    }

    /// Whether packets may be taken in or prepared.
    pub fn is_open(&self, now: Instant) -> bool {
        self.state == State::Open && self.cutoff().is_some_and(|cutoff| now < cutoff)
    }

    /// Whether a packet may be handed to the kernel: asked right before each send call.
    pub fn may_send(&self, now: Instant) -> bool {
        self.is_open(now + SEND_GUARD)
    }

    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The moment at which the lease runs out, as known now; `None` when it is not open.
    fn cutoff(&self) -> Option<Instant> {
        if self.state != State::Open {
            return None;
        }
        let runs_out_at = self.runs_out_at?;
        Some(
            self.quota_cutoff()
                .map_or(runs_out_at, |quota| quota.min(runs_out_at)),
        )
    }

    /// When the quota is used up if packets go on. `None` while a single gap, however long, cannot use it up.
    fn quota_cutoff(&self) -> Option<Instant> {
        let left = self.quota?.saturating_sub(self.meter.billable);
        match self.meter.last {
            Some(last) if left <= GAP_CAP => Some(last + left),
            // Used up before this grant, which brought nothing new: it ran out as it was opened.
            None if left.is_zero() => self.opened_at,
            _ => None,
        }
    }

    /// A send call under the lease returned at `at`. `metered` says that it carried the payee's media to the payer.
    pub fn sent(&mut self, at: Instant, metered: bool, news: &mut Vec<News>) {
        self.last_forward = Some(at);
        if self.cutoff().is_none_or(|cutoff| at > cutoff) {
            self.late_packets += 1;
        }
        if !metered || self.state != State::Open {
            return;
        }
        let epoch = self.epoch();
        if self.flowing != Some(epoch) {
            self.flowing = Some(epoch);
            news.push(News::Flowing(epoch));
        }
        if let Some(last) = self.meter.last {
            self.bill(at.saturating_duration_since(last).min(GAP_CAP));
        }
        self.meter.last = Some(at);
        if !self.meter.running {
            self.meter.running = true;
            self.read(at, news);
        }
    }

    fn bill(&mut self, length: Duration) {
        let billable = self.meter.billable.saturating_add(length);
        // A send call that returned late is ours, not the payer's.
        self.meter.billable = self.quota.map_or(billable, |quota| {
            billable.min(quota.max(self.meter.billable))
        });
    }

    /// Say what the meter stands at.
    pub fn read(&mut self, now: Instant, news: &mut Vec<News>) {
        self.meter.read_at = self.meter.running.then(|| now + READ_INTERVAL);
        news.push(News::Meter {
            billable: self.meter.billable,
            running: self.meter.running,
        });
    }

    /// The payer cannot receive: the time until the next packet is not billed.
    pub fn payer_lost(&mut self, now: Instant, news: &mut Vec<News>) {
        self.meter.last = None;
        self.stop_meter(now, news);
    }

    fn stop_meter(&mut self, now: Instant, news: &mut Vec<News>) {
        if self.meter.running {
            self.meter.running = false;
            self.read(now, news);
        }
    }

    /// Stop now. Only a grant of a higher epoch opens the lease again.
    pub fn revoke(&mut self, now: Instant, news: &mut Vec<News>) {
        if self.state == State::Closed {
            return;
        }
        self.revoked = Some(self.epoch());
        if self.state == State::Open {
            self.end(now, Cause::Revoked, now, news);
        }
    }

    /// Stop for good.
    pub fn close(&mut self, now: Instant, news: &mut Vec<News>) {
        if self.state == State::Closed {
            return;
        }
        self.end(now, Cause::Closed, now, news);
        self.state = State::Closed;
    }

    /// Do what time alone does: run out, stop or read the meter. Call at [`Lease::deadline`], or any time.
    pub fn elapse(&mut self, now: Instant, news: &mut Vec<News>) {
        if let Some(cutoff) = self.cutoff()
            && now >= cutoff
        {
            let by_quota = self.quota_cutoff().is_some_and(|quota| quota <= cutoff);
            if by_quota {
                // The last gap is closed by the cut itself: exactly what was granted has been used.
                self.meter.billable = self
                    .quota
                    .unwrap_or(self.meter.billable)
                    .max(self.meter.billable);
            }
            let cause = if by_quota {
                Cause::Quota
            } else {
                Cause::Lapsed
            };
            self.end(now, cause, cutoff, news);
            return;
        }
        if self.silent_at().is_some_and(|at| now >= at) {
            self.stop_meter(now, news);
        }
        if self.meter.read_at.is_some_and(|at| now >= at) {
            self.read(now, news);
        }
    }

    /// When [`Lease::elapse`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        [self.cutoff(), self.silent_at(), self.meter.read_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn silent_at(&self) -> Option<Instant> {
        self.meter
            .last
            .filter(|_| self.meter.running)
            .map(|last| last + GAP_CAP)
    }

    fn end(&mut self, now: Instant, cause: Cause, deadline: Instant, news: &mut Vec<News>) {
        self.state = State::Denied;
        self.meter.last = None;
        self.stop_meter(now, news);
        news.push(News::Ended(Ended {
            cause,
            epoch: self.epoch(),
            billable: self.meter.billable,
            deadline,
            last_forward: self.last_forward,
            packets_after_deadline: std::mem::take(&mut self.late_packets),
        }));
    }

    fn epoch(&self) -> Epoch {
        self.newest.map(|(epoch, _)| epoch).unwrap_or_default()
    }
}
