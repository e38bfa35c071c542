//! The cells of the matrix: what a network can be like, combined so that every two properties meet.

use std::time::Duration;

use curtaincall_link::{Bottleneck, Conditions, Outages, Percent, Random, Rate};

/// Whose access link is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Viewer,
    Publisher,
}

/// What the link carries in the direction of the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    Steady(Rate),
    Step(Rate, Rate),
}

const LOSSES: [f64; 5] = [0.0, 1.0, 5.0, 10.0, 20.0];
const DELAYS_MS: [u64; 3] = [20, 150, 400];
const JITTERS_MS: [u64; 3] = [0, 30, 100];
const SIDES: [Side; 2] = [Side::Viewer, Side::Publisher];
const BANDS: [Band; 6] = [
    Band::Steady(Rate(8_000_000)),
    Band::Steady(Rate(2_000_000)),
    Band::Steady(Rate(500_000)),
    Band::Steady(Rate(150_000)),
    Band::Step(Rate(2_000_000), Rate(500_000)),
    Band::Step(Rate(500_000), Rate(2_000_000)),
];
const REORDERED: f64 = 3.0;
const LONGEST_OUTAGE: Duration = Duration::from_millis(300);

/// A link before anything bad happens and after it is over.
pub const CLEAN: Rate = Rate(8_000_000);

/// A cell: one network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub number: usize,
    pub side: Side,
    pub band: Band,
    pub loss: Percent,
    /// From the camera to the viewer; half of it on either access link, so it is also every round trip to the server.
    pub delay: Duration,
    pub jitter: Duration,
    pub reordered: bool,
    pub outages: bool,
}

impl Band {
    /// The rates one after the other.
    pub fn levels(self) -> Vec<Rate> {
        match self {
            Self::Steady(rate) => vec![rate],
            Self::Step(first, second) => vec![first, second],
        }
    }
}

impl Cell {
    /// The bad link in the direction of the media, or back.
    pub fn bad(&self, rate: Rate) -> Conditions {
        Conditions {
            jitter: self.jitter,
            loss: self.loss,
            outages: self.outages.then(|| Outages::up_to(LONGEST_OUTAGE)),
            reordered: Percent(if self.reordered { REORDERED } else { 0.0 }),
            ..self.clean(rate)
        }
    }

    /// A link that does nothing bad, if there is enough of it.
    pub fn clean(&self, rate: Rate) -> Conditions {
        Conditions {
            bottleneck: Some(Bottleneck::of(rate)),
            ..self.wide()
        }
    }

    /// A link that only takes its time.
    pub fn wide(&self) -> Conditions {
        Conditions {
            delay: self.delay / 2,
            ..Conditions::default()
        }
    }

    /// In a few words.
    pub fn name(&self) -> String {
        let side = match self.side {
            Side::Viewer => "down",
            Side::Publisher => "up",
        };
        let rates: Vec<_> = self.band.levels().into_iter().map(rate_name).collect();
        let mut name = format!(
            "{side} {} loss {}% delay {} jitter {}",
            rates.join(">"),
            self.loss.0,
            self.delay.as_millis(),
            self.jitter.as_millis()
        );
        for (is_on, word) in [(self.reordered, " reorder"), (self.outages, " bursts")] {
            name.push_str(if is_on { word } else { "" });
        }
        name
    }

    /// Every property as a number, in a fixed order: what pairs are made of.
    fn properties(&self) -> [usize; 7] {
        let place = |found: Option<usize>| found.unwrap_or_default();
        [
            place(LOSSES.iter().position(|loss| *loss == self.loss.0)),
            place(BANDS.iter().position(|band| *band == self.band)),
            usize::from(self.side == Side::Publisher),
            place(
                DELAYS_MS
                    .iter()
                    .position(|ms| Duration::from_millis(*ms) == self.delay),
            ),
            place(
                JITTERS_MS
                    .iter()
                    .position(|ms| Duration::from_millis(*ms) == self.jitter),
            ),
            usize::from(self.reordered),
            usize::from(self.outages),
        ]
    }
}

fn rate_name(rate: Rate) -> String {
    match rate.0 {
        bits if bits >= 1_000_000 => format!("{}M", bits / 1_000_000),
        bits => format!("{}k", bits / 1_000),
    }
}

/// All cells: every loss with every bandwidth on either side, and of the other properties the combination that meets most
/// of what has not met yet. The same seed gives the same cells.
pub fn cells(seed: u64) -> Vec<Cell> {
    let mut random = Random::new(seed);
    let mut met = std::collections::HashSet::new();
    let mut cells: Vec<Cell> = Vec::new();
    for side in SIDES {
        for band in BANDS {
            for loss in LOSSES {
                let number = cells.len();
                let mut choices = choices(number, side, band, Percent(loss));
                let start = random.below(choices.len());
                choices.rotate_left(start);
                let news = |cell: &Cell| {
                    pairs(cell)
                        .iter()
                        .filter(|pair| !met.contains(*pair))
                        .count()
                };
                // Of equals the first is taken: which one that is, the seed has decided.
                let best = choices.into_iter().reduce(|best, next| {
                    if news(&next) > news(&best) {
                        next
                    } else {
                        best
                    }
                });
                if let Some(best) = best {
                    met.extend(pairs(&best));
                    cells.push(best);
                }
            }
        }
    }
    cells
}

fn choices(number: usize, side: Side, band: Band, loss: Percent) -> Vec<Cell> {
    let mut choices = Vec::new();
    for delay in DELAYS_MS.map(Duration::from_millis) {
        for jitter in JITTERS_MS.map(Duration::from_millis) {
            for (reordered, outages) in [(false, false), (true, false), (false, true), (true, true)]
            {
                choices.push(Cell {
                    number,
                    side,
                    band,
                    loss,
                    delay,
                    jitter,
                    reordered,
                    outages,
                });
            }
        }
    }
    choices
}

/// Which two properties meet in a cell: their places and values.
fn pairs(cell: &Cell) -> Vec<(usize, usize, usize, usize)> {
    let properties = cell.properties();
    let mut pairs = Vec::new();
    for left in 0..properties.len() {
        for right in left + 1..properties.len() {
            pairs.push((left, properties[left], right, properties[right]));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_two_properties_meet() {
        let cells = cells(1);
        assert!(cells.len() >= 60, "{}", cells.len());
        let met: HashSet<_> = cells.iter().flat_map(pairs).collect();
        let values = [
            LOSSES.len(),
            BANDS.len(),
            2,
            DELAYS_MS.len(),
            JITTERS_MS.len(),
            2,
            2,
        ];
        for left in 0..values.len() {
            for right in left + 1..values.len() {
                for one in 0..values[left] {
                    for other in 0..values[right] {
                        assert!(
                            met.contains(&(left, one, right, other)),
                            "{left} {one} {right} {other}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_cells() {
        assert_eq!(cells(5), cells(5));
        assert_ne!(cells(5), cells(6));
    }
}
