//! Which layer of each stream a subscriber gets, and what waits. Pure: the same input always gives the same answer.
//!
//! The rungs of all streams are put in one order of importance, the *steps*, and taken one by one while they fit:
//! first the lowest layer of everybody, then the higher ones of the preferred, then those of the others, level by
//! level. So an answer is the greatest in that order that fits, and a larger estimate never gives a smaller one: this
//! is what makes the hysteresis in [`allocate`] free of flapping.

/// What more is taken must still fit if the estimate were this many percent of itself smaller than it is.
const HEADROOM_PERCENT: u64 = 15;

/// What the lowest layers may take of a link of which nothing is known yet.
const STARTING: BitRate = BitRate(1_000_000);

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub u64);

/// Lines of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Height(pub u16);

/// What a subscriber wishes to receive of a source's video. Height 0 pauses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub max_height: Height,
    pub priority: u8,
}

impl Default for Wish {
    /// Everything there is.
    fn default() -> Self {
        Self {
            max_height: Height(u16::MAX),
            priority: 0,
        }
    }
}

/// One layer of a video stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    pub height: Height,
    pub rate: BitRate,
}

/// A video stream as the allocation sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// From the lowest to the highest.
    pub rungs: Vec<Rung>,
    pub wish: Wish,
    /// The speaker's, or the payee's to the payer.
    pub preferred: bool,
    /// The leases on both sides let it flow.
    pub open: bool,
    /// The rung it is on.
    pub current: Option<usize>,
}

/// Why a stream waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Bandwidth,
    Subscription,
    Lease,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The index of a rung.
    Rung(usize),
    Paused(Why),
}

/// Choose for one subscriber. `estimate` is what its link carries (`None`: no limit is known), `audio` what sound takes of
/// it: that is never paused, and video gets what it leaves.
///
/// What is on stays on while it fits. More is taken only if it fits with room to spare, so an estimate that moves by
/// less than that changes nothing.
pub fn allocate(estimate: Option<BitRate>, audio: BitRate, streams: &[Stream]) -> Vec<Choice> {
    let steps = steps(streams);
    let now: Vec<_> = streams
        .iter()
        .map(|stream| stream.current.map_or(0, |rung| rung + 1).min(most(stream)))
        .collect();
    let levels = match estimate {
        None => streams.iter().map(most).collect(),
        Some(BitRate(estimate)) => {
            let budget = estimate.saturating_sub(audio.0);
            let cautious = (estimate - estimate / 100 * HEADROOM_PERCENT).saturating_sub(audio.0);
            if total(streams, &now) > budget {
                take(streams, &steps, budget)
            } else {
                let more = take(streams, &steps, cautious);
                if is_better(&steps, &more, &now) {
                    more
                } else {
                    now
                }
            }
        }
    };
    let choose = |(stream, level): (&Stream, usize)| match level.checked_sub(1) {
        Some(rung) => Choice::Rung(rung),
        None => Choice::Paused(reason(stream)),
    };
    streams.iter().zip(levels).map(choose).collect()
}

/// What all of what is wished for takes of a link: with room to spare, so that all of it is chosen then.
pub fn desired(audio: BitRate, streams: &[Stream]) -> BitRate {
    let levels: Vec<_> = streams.iter().map(most).collect();
    let rate = audio.0.saturating_add(total(streams, &levels));
    BitRate(with_headroom(rate))
}

/// What may be sent over a link of which nothing is known: sound and the lowest layers, so that something is there to be
/// measured. The most important stream's in any case, those of others up to a limit.
pub fn starting(audio: BitRate, streams: &[Stream]) -> BitRate {
    let lowest: Vec<_> = streams.iter().map(|stream| most(stream).min(1)).collect();
    let first = steps(streams)
        .first()
        .map_or(0, |(index, level)| rate(&streams[*index], *level));
    let video = total(streams, &lowest).min(STARTING.0).max(first);
    BitRate(with_headroom(audio.0.saturating_add(video)))
}

/// The estimate with which this rate is taken.
fn with_headroom(rate: u64) -> u64 {
    rate / (100 - HEADROOM_PERCENT) * 100 + 100
}

/// How many rungs of a stream may be taken: the lowest in any case, unless nothing may.
fn most(stream: &Stream) -> usize {
    if !stream.open || stream.wish.max_height == Height(0) || stream.rungs.is_empty() {
        return 0;
    }
    let lowest = stream.rungs[0].height;
    let most = stream.wish.max_height.max(lowest);
    let wanted = stream.rungs.iter().rposition(|rung| rung.height <= most);
    wanted.map_or(0, |rung| rung + 1)
}

fn reason(stream: &Stream) -> Why {
    if !stream.open {
        Why::Lease
    } else if stream.wish.max_height == Height(0) {
        Why::Subscription
    } else {
        Why::Bandwidth
    }
}

/// Stream and level (1 is its lowest rung), the most important first.
fn steps(streams: &[Stream]) -> Vec<(usize, usize)> {
    let mut steps: Vec<_> = (0..streams.len())
        .flat_map(|index| (1..=most(&streams[index])).map(move |level| (index, level)))
        .collect();
    steps.sort_by_key(|(index, level)| {
        let Stream {
            preferred, wish, ..
        } = &streams[*index];
        let is_lowest = *level == 1;
        let level_among_equals = if *preferred { 0 } else { *level };
        let priority = std::cmp::Reverse(wish.priority);
        (
            !is_lowest,
            !*preferred,
            level_among_equals,
            priority,
            *index,
            *level,
        )
    });
    steps
}

fn rate(stream: &Stream, level: usize) -> u64 {
    level
        .checked_sub(1)
        .and_then(|rung| stream.rungs.get(rung))
        .map_or(0, |rung| rung.rate.0)
}

fn total(streams: &[Stream], levels: &[usize]) -> u64 {
    let rates = streams
        .iter()
        .zip(levels)
        .map(|(stream, level)| rate(stream, *level));
    rates.fold(0, u64::saturating_add)
}

/// Take steps in their order while they fit; a level needs the one below it.
fn take(streams: &[Stream], steps: &[(usize, usize)], budget: u64) -> Vec<usize> {
    let mut levels = vec![0; streams.len()];
    let mut left = budget;
    for (index, level) in steps {
        if levels[*index] + 1 != *level {
            continue;
        }
        let more =
            rate(&streams[*index], *level).saturating_sub(rate(&streams[*index], levels[*index]));
        if more <= left {
            left -= more;
            levels[*index] = *level;
        }
    }
    levels
}

/// Whether `more` has the first step that only one of the two has.
fn is_better(steps: &[(usize, usize)], more: &[usize], less: &[usize]) -> bool {
    let differs =
        |(index, level): &&(usize, usize)| (more[*index] >= *level) != (less[*index] >= *level);
    steps
        .iter()
        .find(differs)
        .is_some_and(|(index, level)| more[*index] >= *level)
}
