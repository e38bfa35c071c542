//! How a cell went, as figures.

use std::time::Duration;

use serde_json::{Value, json};

use crate::matrix::{Cell, Side};

/// The speaker's pictures while the network was bad.
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    pub captured: usize,
    /// Every packet of them came.
    pub delivered: usize,
    /// They could be decoded as well.
    pub shown: usize,
    pub longest_freeze: Duration,
    /// 0: the lowest; 2: the highest.
    pub mean_layer: f64,
    pub keyframes_asked: u32,
}

/// The speaker's sound while the network was bad.
#[derive(Clone, Copy, Debug)]
pub struct Sounds {
    pub gaps: usize,
    pub longest_gap: Duration,
    pub missing: Duration,
    pub of: Duration,
}

/// How long it took to adapt to a change; `Some(None)` within: not in time for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Down(Option<Duration>),
    Up(Option<Duration>),
    /// There was nothing to adapt.
    None,
}

/// How the picture came back when the network was well again.
#[derive(Clone, Copy, Debug)]
pub struct Back {
    pub after: Option<Duration>,
    pub layer_at_end: Option<u8>,
    pub pause_at_end: Duration,
}

/// How a cell went.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub cell: Cell,
    /// Bits per second that the viewer received, or the speaker sent, while everything was well.
    pub demand: u64,
    pub pictures: Pictures,
    pub sounds: Sounds,
    /// What the sender into the bad link believed in when it had settled.
    pub estimate: Option<u64>,
    /// What the link really carried.
    pub truth: u64,
    /// Of the link, or of what there was to send if that is less.
    pub used_percent: f64,
    pub steps: Vec<Step>,
    pub back: Back,
}

impl Outcome {
    /// The slowest adaptation downwards; `None` if there was nothing to adapt to, `Some(None)` if it never came.
    pub fn down(&self) -> Option<Option<Duration>> {
        slowest(self.steps.iter().filter_map(|step| match step {
            Step::Down(took) => Some(*took),
            _ => None,
        }))
    }

    /// The slowest adaptation upwards, likewise.
    pub fn up(&self) -> Option<Option<Duration>> {
        slowest(self.steps.iter().filter_map(|step| match step {
            Step::Up(took) => Some(*took),
            _ => None,
        }))
    }

    /// As one line for whoever prints it.
    pub fn figures(&self) -> Value {
        let took = |took: Option<Option<Duration>>| match took {
            None => json!("none"),
            Some(None) => Value::Null,
            Some(Some(took)) => json!(seconds(took)),
        };
        json!({
            "cell": self.cell.number,
            "name": self.cell.name(),
            "side": match self.cell.side {
                Side::Viewer => "viewer",
                Side::Publisher => "publisher",
            },
            "loss_percent": self.cell.loss.0,
            "jitter_ms": self.cell.jitter.as_millis() as u64,
            "demand_kbps": self.demand / 1_000,
            "pictures": {
                "captured": self.pictures.captured,
                "delivered": self.pictures.delivered,
                "shown": self.pictures.shown,
                "longest_freeze_s": seconds(self.pictures.longest_freeze),
                "mean_layer": round(self.pictures.mean_layer),
                "keyframes_asked": self.pictures.keyframes_asked,
            },
            "sound": {
                "gaps": self.sounds.gaps,
                "longest_gap_s": seconds(self.sounds.longest_gap),
                "missing_percent": round(
                    self.sounds.missing.as_secs_f64() * 100.0 / self.sounds.of.as_secs_f64(),
                ),
            },
            "estimate_kbps": self.estimate.map(|bits| bits / 1_000),
            "truth_kbps": self.truth / 1_000,
            "used_percent": round(self.used_percent),
            "down_s": took(self.down()),
            "up_s": took(self.up()),
            "back_s": self.back.after.map(seconds),
            "layer_at_end": self.back.layer_at_end,
            "pause_at_end_s": seconds(self.back.pause_at_end),
        })
    }
}

fn slowest(steps: impl Iterator<Item = Option<Duration>>) -> Option<Option<Duration>> {
    steps.reduce(|one, other| Some(one?.max(other?)))
}

fn seconds(length: Duration) -> f64 {
    round(length.as_secs_f64())
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
