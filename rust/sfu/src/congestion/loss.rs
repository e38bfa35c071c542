//! Loss: what the link loses anyhow, and what it loses because too much is sent. Pure.
//!
//! Where packets wait before they are lost, the queue tells. This is for links that have none: there the two are told
//! apart by trying. When loss rises, less is sent for a while. If as much is lost as before, it is the link's own, and
//! nothing is gained by sending less.

use std::time::{Duration, Instant};

use super::history::Settled;

/// Loss is judged over windows of this length and so many packets.
const WINDOW: Duration = Duration::from_millis(700);
const WINDOW_PACKETS: u32 = 50;

/// Loss above the link's own by this much is congestion, unless it is within the noise of so few packets.
const EXCESS: f64 = 0.06;
const DEVIATIONS: f64 = 3.0;

/// The link's own loss is an average of so many windows.
const WINDOWS: f64 = 6.0;

/// A trial is judged by a window that began so long after it: what was sent before is through by then.
const TRIAL_SETTLES: Duration = Duration::from_millis(400);

/// Loss that is still so much of what it was has nothing to do with what is sent.
const UNCHANGED: f64 = 0.7;

/// Less was sent if it was at most so much of what was sent before.
const LESS: f64 = 0.9;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// As ever.
    Steady,
    /// More is lost than the link's own: send less, and see.
    Excess,
    /// It was not what is sent: send as before.
    Innocent,
    /// Sending less helped.
    Congestion,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    began_at: Instant,
    ratio: f64,
    /// Bits per second sent when it began.
    rate: f64,
}

#[derive(Debug)]
pub struct Loss {
    window_at: Instant,
    counted: Settled,
    /// What the link loses whatever is sent.
    inherent: f64,
    recent: f64,
    trial: Option<Trial>,
}

/// A closed window.
struct Window {
    began_at: Instant,
    ratio: f64,
    rate: f64,
    packets: f64,
}

impl Loss {
    pub fn new(now: Instant) -> Self {
        Self {
            window_at: now,
            counted: Settled::default(),
            inherent: 0.0,
            recent: 0.0,
            trial: None,
        }
    }

    /// Take in what became of packets.
    pub fn settle(&mut self, now: Instant, settled: Settled) -> Verdict {
        self.counted.arrived += settled.arrived;
        self.counted.lost += settled.lost;
        self.counted.bytes += settled.bytes;
        let packets = self.counted.arrived + self.counted.lost;
        let length = now.saturating_duration_since(self.window_at);
        if length < WINDOW || packets < WINDOW_PACKETS {
            return Verdict::Steady;
        }
        let counted = std::mem::take(&mut self.counted);
        let packets = f64::from(packets);
        let window = Window {
            began_at: std::mem::replace(&mut self.window_at, now),
            ratio: f64::from(counted.lost) / packets,
            rate: counted.bytes as f64 * 8.0 / length.as_secs_f64(),
            packets,
        };
        self.recent = window.ratio;
        match self.trial {
            Some(trial) => self.judge(trial, &window),
            None => self.compare(now, &window),
        }
    }

    fn compare(&mut self, now: Instant, window: &Window) -> Verdict {
        let spread = self.inherent.max(0.01) * (1.0 - self.inherent) / window.packets;
        let excess = EXCESS.max(DEVIATIONS * spread.sqrt());
        if window.ratio > self.inherent + excess {
            self.trial = Some(Trial {
                began_at: now,
                ratio: window.ratio,
                rate: window.rate,
            });
            return Verdict::Excess;
        }
        self.inherent += (window.ratio - self.inherent) / WINDOWS;
        Verdict::Steady
    }

    fn judge(&mut self, trial: Trial, window: &Window) -> Verdict {
        if window.began_at < trial.began_at + TRIAL_SETTLES {
            return Verdict::Steady;
        }
        self.trial = None;
        if window.ratio >= trial.ratio * UNCHANGED {
            self.inherent = (window.ratio + trial.ratio) / 2.0;
            return Verdict::Innocent;
        }
        self.inherent += (window.ratio - self.inherent) / WINDOWS;
        if window.rate > trial.rate * LESS {
            // A burst: it ended without less being sent.
            return Verdict::Innocent;
        }
        Verdict::Congestion
    }

    /// A trial runs: what is lost now is about to be judged.
    pub fn is_trying(&self) -> bool {
        self.trial.is_some()
    }

    /// The link's own loss, of 1.
    pub fn inherent(&self) -> f64 {
        self.inherent
    }

    /// The loss of the last window, of 1.
    pub fn recent(&self) -> f64 {
        self.recent
    }
}
