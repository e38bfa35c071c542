//! Conditions in words, for command lines: `loss=5,delay=20,jitter=30,reorder=3,rate=500`.

use std::str::FromStr;
use std::time::Duration;

use crate::{Bottleneck, Conditions, Outages, Percent, Rate};

/// What waits for a bottleneck at most: so much time, but some packets in any case.
const QUEUE: Duration = Duration::from_millis(300);
const LEAST_QUEUE_BYTES: usize = 16_000;

/// Words that are no conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear(pub String);

impl std::fmt::Display for Unclear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} is none of loss=PERCENT, delay=MS, jitter=MS, reorder=PERCENT, rate=KBPS, bursts=MS",
            self.0
        )
    }
}

impl std::error::Error for Unclear {}

impl Bottleneck {
    /// A bottleneck with an ordinary queue.
    pub fn of(rate: Rate) -> Self {
        let bytes = rate.0 as f64 / 8.0 * QUEUE.as_secs_f64();
        Self {
            rate,
            queue_bytes: (bytes as usize).max(LEAST_QUEUE_BYTES),
        }
    }
}

impl Outages {
    /// Every few seconds, up to so long.
    pub fn up_to(longest: Duration) -> Self {
        Self {
            every: Duration::from_secs(4),
            length: (longest / 3, longest),
        }
    }
}

impl FromStr for Conditions {
    type Err = Unclear;

    /// What is not named is well: an empty text is a perfect link.
    fn from_str(text: &str) -> Result<Self, Unclear> {
        let mut conditions = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let unclear = || Unclear(word.to_owned());
            let (name, value) = word.split_once('=').ok_or_else(unclear)?;
            let value: f64 = value.parse().map_err(|_| unclear())?;
            if !(0.0..=1e9).contains(&value) {
                return Err(unclear());
            }
            let length = Duration::from_secs_f64(value / 1_000.0);
            match name {
                "loss" => conditions.loss = Percent(value),
                "reorder" => conditions.reordered = Percent(value),
                "delay" => conditions.delay = length,
                "jitter" => conditions.jitter = length,
                "bursts" => conditions.outages = Some(Outages::up_to(length)),
                "rate" => {
                    let rate = Rate((value * 1_000.0) as u64);
                    conditions.bottleneck = Some(Bottleneck::of(rate));
                }
                _ => return Err(unclear()),
            }
        }
        Ok(conditions)
    }
}
