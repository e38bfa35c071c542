//! What a session's link is like: figures of about the last second, made of what the session counts. Pure.

use std::time::{Duration, Instant};

use str0m::media::{MediaKind, Mid, Rid};
use str0m::stats::{MediaEgressStats, MediaIngressStats, PeerStats};

use crate::allocator::{BitRate, Height};
use crate::pictures::Freezes;

/// How often a session says what it counted.
pub const EVERY: Duration = Duration::from_secs(1);

/// Sessions of a shard whose figures are told per second; where there are more, each is told of less often. Telling costs the
/// control plane some 50 us, so this is at most half a percent of a core.
pub const MAX_TOLD_PER_SECOND: usize = 100;

/// How long a session is not told of after it was, in a shard of so many seats.
pub fn pause(seats: usize) -> Duration {
    let rounds = seats.div_ceil(MAX_TOLD_PER_SECOND).max(1);
    // Half a second short, as sessions do not count at exactly the same distances.
    EVERY * u32::try_from(rounds).unwrap_or(u32::MAX) - EVERY / 2
}

const AUDIO_TICKS_PER_SECOND: u64 = 48_000;
const VIDEO_TICKS_PER_SECOND: u64 = 90_000;

/// Parts of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerMille(pub u16);

/// Everything that goes one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub rate: BitRate,
    /// `None`: nobody has reported any.
    pub loss: Option<PerMille>,
    pub jitter: Option<Duration>,
}

/// What a slot that shows a picture carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotStats {
    pub mid: Mid,
    pub height: Option<Height>,
    pub rate: BitRate,
    /// Since the session began.
    pub freezes: Freezes,
}

/// The link of one user, seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    pub rtt: Option<Duration>,
    /// What the way to the user is thought to carry.
    pub estimate: Option<BitRate>,
    /// What the user sends.
    pub up: Flow,
    /// What the user is sent.
    pub down: Flow,
    pub slots: Vec<SlotStats>,
}

/// One of the things that a session says when it has counted. That of the whole session comes first.
#[derive(Debug)]
pub enum Counted {
    Session(PeerStats),
    Sent(MediaEgressStats),
    Came(MediaIngressStats),
}

/// A stream of a session, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stream {
    sent: bool,
    mid: Mid,
    rid: Option<Rid>,
}

#[derive(Clone, Copy, Debug)]
struct Total {
    stream: Stream,
    bytes: u64,
    packets: u64,
}

/// Makes rates of totals.
#[derive(Debug, Default)]
pub struct Sampler {
    at: Option<Instant>,
    totals: Vec<Total>,
}

/// What one direction comes to.
#[derive(Default)]
struct Sum {
    bytes: u64,
    packets: u64,
    lost_of_thousand: f64,
    audio_jitter: Option<Duration>,
    video_jitter: Option<Duration>,
    rtt: Option<Duration>,
}

impl Sampler {
    /// Take in what a session counted. `kind_of` tells what is on an m-line. Returns the figures, without slots, and
    /// the bytes sent per m-line; `None` the first time, when there is nothing to compare with.
    pub fn take(
        &mut self,
        counted: &[Counted],
        kind_of: impl Fn(Mid) -> Option<MediaKind>,
    ) -> Option<(Stats, Vec<(Mid, BitRate)>)> {
        let session = counted.iter().find_map(|counted| match counted {
            Counted::Session(session) => Some(session),
            _ => None,
        })?;
        let before = std::mem::take(&mut self.totals);
        let since = self.at.replace(session.timestamp);
        let (mut up, mut down) = (Sum::default(), Sum::default());
        let mut sent = Vec::new();
        for counted in counted {
            let Some(figures) = Figures::of(counted) else {
                continue;
            };
            let total = figures.total;
            let known = before.iter().find(|known| known.stream == total.stream);
            let (bytes, packets) = known.map_or((0, 0), |known| (known.bytes, known.packets));
            let more = (
                total.bytes.saturating_sub(bytes),
                total.packets.saturating_sub(packets),
            );
            let side = if total.stream.sent {
                &mut down
            } else {
                &mut up
            };
            side.add(&figures, more, kind_of(total.stream.mid));
            if total.stream.sent {
                sent.push((total.stream.mid, more.0));
            }
            self.totals.push(total);
        }
        let length = session.timestamp.saturating_duration_since(since?);
        let rates = sent
            .into_iter()
            .map(|(mid, bytes)| (mid, rate(bytes, length)));
        let stats = Stats {
            rtt: [down.rtt, up.rtt, session.rtt].into_iter().flatten().min(),
            estimate: None,
            up: up.flow(length),
            down: down.flow(length),
            slots: Vec::new(),
        };
        Some((stats, rates.collect()))
    }
}

/// What both directions of a stream have in common.
struct Figures {
    total: Total,
    loss: Option<f32>,
    jitter_ticks: Option<u32>,
    rtt: Option<Duration>,
}

impl Figures {
    fn of(counted: &Counted) -> Option<Self> {
        let total = |sent, mid, rid, bytes, packets| Total {
            stream: Stream { sent, mid, rid },
            bytes,
            packets,
        };
        match counted {
            Counted::Session(_) => None,
            Counted::Sent(stream) => Some(Self {
                total: total(true, stream.mid, stream.rid, stream.bytes, stream.packets),
                loss: stream.loss,
                jitter_ticks: stream.remote.as_ref().map(|remote| remote.jitter),
                rtt: stream.rtt,
            }),
            Counted::Came(stream) => Some(Self {
                total: total(false, stream.mid, stream.rid, stream.bytes, stream.packets),
                loss: stream.loss,
                jitter_ticks: Some(stream.jitter),
                rtt: stream.rtt,
            }),
        }
    }
}

impl Sum {
    /// A stream that carried nothing says nothing about the link.
    fn add(&mut self, figures: &Figures, (bytes, packets): (u64, u64), kind: Option<MediaKind>) {
        self.bytes += bytes;
        if packets == 0 {
            return;
        }
        if let Some(loss) = figures.loss {
            self.packets += packets;
            self.lost_of_thousand += f64::from(loss) * 1_000.0 * packets as f64;
        }
        if let (Some(ticks), Some(kind)) = (figures.jitter_ticks, kind) {
            let (jitter, per_second) = match kind {
                MediaKind::Audio => (&mut self.audio_jitter, AUDIO_TICKS_PER_SECOND),
                MediaKind::Video => (&mut self.video_jitter, VIDEO_TICKS_PER_SECOND),
            };
            let here = Duration::from_micros(u64::from(ticks) * 1_000_000 / per_second);
            *jitter = (*jitter).max(Some(here));
        }
        self.rtt = [self.rtt, figures.rtt].into_iter().flatten().min();
    }

    fn flow(&self, length: Duration) -> Flow {
        let loss = self.lost_of_thousand / self.packets as f64;
        Flow {
            rate: rate(self.bytes, length),
            loss: (self.packets > 0).then(|| PerMille(loss.round().clamp(0.0, 1_000.0) as u16)),
            // The packets of a picture leave together and come one after the other: sound says more of the link.
            jitter: self.audio_jitter.or(self.video_jitter),
        }
    }
}

fn rate(bytes: u64, length: Duration) -> BitRate {
    let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX).max(1);
    BitRate(bytes.saturating_mul(8_000_000) / micros)
}
