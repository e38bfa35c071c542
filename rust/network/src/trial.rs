//! One cell, tried: a viewer, somebody who speaks and whom it shows large, eight others whom it shows small. Everything is
//! well at first, then one access link becomes what the cell says, and in the end it is well again.

use std::time::{Duration, Instant};

use curtaincall_link::Rate;
use serde_json::{Value, json};

use crate::error::NetworkError;
use crate::matrix::{CLEAN, Cell, Side};
use crate::outcome::{Back, Outcome, Pictures, Sounds, Step};
use crate::peer::Sender;
use crate::picture::PICTURES_PER_S;
use crate::record::{LOOK_EVERY, Look, Record};
use crate::screen::{Shown, longest_pause};
use crate::server::Server;
use crate::sound::Gap;
use crate::world::{Joining, World};

/// How long it takes at most until everybody is connected.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// How long everything is well before.
const WELL: Duration = Duration::from_secs(10);
/// How long the bad network lasts: each of its levels.
const STEADY: Duration = Duration::from_secs(20);
const LEVEL: Duration = Duration::from_secs(12);
/// How long everything is well again.
const HEALED: Duration = Duration::from_secs(14);

/// At the end of a level everything has settled, for so long.
const SETTLED: Duration = Duration::from_secs(6);

/// Goals of share, in percent: what is reached when an adaptation is over, and of the link's use.
const REACHED_PERCENT: u64 = 85;

/// The picture is back when it has been shown for so long without a longer pause than this.
const BACK_FOR: Duration = Duration::from_secs(2);
const BACK_PAUSE: Duration = Duration::from_millis(500);

const LARGE: u16 = 720;
const SMALL: u16 = 240;

const VIEWER: usize = 0;
const SPEAKER: usize = 1;
/// So many that what they send fills links of every rate.
const OTHERS: std::ops::Range<usize> = 2..10;

/// A cell while it runs.
pub struct Trial<S> {
    cell: Cell,
    world: World<S>,
    record: Record,
}

/// A level of the bad network: the link's rate, and when.
#[derive(Clone, Copy, Debug)]
struct Level {
    rate: Rate,
    from: Instant,
    until: Instant,
}

impl<S: Server> Trial<S> {
    /// Let everybody in.
    pub fn new(
        cell: Cell,
        now: Instant,
        server: S,
        (seed, sender): (u64, Sender),
    ) -> Result<Self, NetworkError> {
        let mut world = World::new(now, server, seed.wrapping_add(cell.number as u64));
        // Keys and signatures are not the same twice, nor are their lengths: nothing may depend on them.
        let joining = |publishes, slots| Joining {
            publishes,
            slots,
            up: cell.wide(),
            down: cell.wide(),
            sender,
        };
        world.join("viewer", joining(false, 1 + OTHERS.len()))?;
        world.join("speaker", joining(true, 0))?;
        for other in OTHERS {
            world.join(&format!("other-{other}"), joining(true, 0))?;
            if let Some(publisher) = world.peers[other].publisher_mut() {
                publisher.speaks = false;
            }
            world.wish(VIEWER, other, SMALL, 0)?;
        }
        world.wish(VIEWER, SPEAKER, LARGE, 1)?;
        Ok(Self {
            cell,
            world,
            record: Record::default(),
        })
    }

    /// Run the cell from beginning to end.
    pub fn run(self) -> Result<Outcome, NetworkError> {
        Ok(self.run_and_tell()?.0)
    }

    /// Run the cell and tell what was seen of it, moment by moment.
    pub fn run_and_tell(mut self) -> Result<(Outcome, Vec<Value>), NetworkError> {
        self.pass(HANDSHAKE)?;
        for peer in &mut self.world.peers {
            peer.uplink.set(self.world.now, self.cell.clean(CLEAN));
            peer.downlink.set(self.world.now, self.cell.clean(CLEAN));
        }
        self.pass(WELL)?;
        let demand = self
            .record
            .rate(self.world.now - SETTLED / 2, self.world.now);
        let worsened_at = self.world.now;
        let mut levels = Vec::new();
        let rates = self.cell.band.levels();
        let length = if rates.len() > 1 { LEVEL } else { STEADY };
        for rate in rates {
            let from = self.world.now;
            self.change(rate, true);
            self.pass(length)?;
            let until = self.world.now;
            levels.push(Level { rate, from, until });
        }
        let healed_at = self.world.now;
        self.change(CLEAN, false);
        self.pass(HEALED)?;
        let outcome = self.outcome(demand, &levels, (worsened_at, healed_at));
        Ok((outcome, self.story()))
    }

    fn story(&self) -> Vec<Value> {
        let tell = |(look, rate): (Look, u64)| {
            let lately = |it: &&Shown| it.at <= look.at && it.at + LOOK_EVERY > look.at;
            let shown: Vec<_> = self.shown().iter().filter(lately).collect();
            json!({
                "at_s": ((look.at - self.world.began).as_secs_f64() * 10.0).round() / 10.0,
                "media_kbps": rate / 1_000,
                "estimate_kbps": look.estimate.map(|bits| bits / 1_000),
                "wait_ms": look.wait.as_millis() as u64,
                "dropped": look.dropped,
                "shown": shown.len(),
                "layer": shown.last().map(|it| it.layer),
            })
        };
        self.record.story().map(tell).collect()
    }

    fn change(&mut self, rate: Rate, is_bad: bool) {
        let now = self.world.now;
        let conditions = |rate| {
            if is_bad {
                self.cell.bad(rate)
            } else {
                self.cell.clean(rate)
            }
        };
        let (narrow, back) = (conditions(rate), conditions(CLEAN));
        match self.cell.side {
            Side::Viewer => {
                self.world.peers[VIEWER].downlink.set(now, narrow);
                self.world.peers[VIEWER].uplink.set(now, back);
            }
            Side::Publisher => {
                self.world.peers[SPEAKER].uplink.set(now, narrow);
                self.world.peers[SPEAKER].downlink.set(now, back);
            }
        }
    }

    fn pass(&mut self, length: Duration) -> Result<(), NetworkError> {
        let until = self.world.now + length;
        while self.world.now < until {
            self.world.run(LOOK_EVERY.min(until - self.world.now))?;
            let look = self.look();
            self.record.add(look);
        }
        Ok(())
    }

    fn look(&mut self) -> Look {
        let at = self.world.now;
        let viewer = &self.world.peers[VIEWER];
        let (estimate, media_bytes) = match self.cell.side {
            Side::Viewer => (self.world.server.estimate(&viewer.user), viewer.media_bytes),
            Side::Publisher => {
                let speaker = &self.world.peers[SPEAKER];
                let estimate = speaker.publisher().map(|it| it.estimate_bits_per_s);
                (estimate, speaker.uplink.carried().bytes)
            }
        };
        let link = match self.cell.side {
            Side::Viewer => &mut self.world.peers[VIEWER].downlink,
            Side::Publisher => &mut self.world.peers[SPEAKER].uplink,
        };
        Look {
            at,
            media_bytes,
            dropped: link.carried().dropped,
            wait: link.wait(at),
            estimate,
        }
    }

    fn outcome(
        &self,
        demand: u64,
        levels: &[Level],
        (worsened_at, healed_at): (Instant, Instant),
    ) -> Outcome {
        let mut steps = Vec::new();
        let mut before = CLEAN;
        let mut changes = levels.to_vec();
        changes.push(Level {
            rate: CLEAN,
            from: healed_at,
            until: self.world.now,
        });
        for level in changes {
            steps.push(self.step(before, level, demand));
            before = level.rate;
        }
        let last = levels.last();
        let settled = last.map(|level| (level.until - SETTLED, level.until));
        let truth = last.map_or(CLEAN.0, |level| level.rate.0);
        let used = settled.map_or(0, |(from, until)| self.record.rate(from, until));
        let possible = truth.min(demand).max(1);
        Outcome {
            cell: self.cell,
            demand,
            pictures: self.pictures(worsened_at, healed_at),
            sounds: self.sounds(worsened_at, healed_at),
            estimate: settled.and_then(|(from, until)| self.record.estimate(from, until)),
            truth,
            used_percent: used as f64 * 100.0 / possible as f64,
            steps,
            back: self.back(healed_at),
        }
    }

    /// How long it took to adapt to a level.
    fn step(&self, before: Rate, level: Level, demand: u64) -> Step {
        let Level { rate, from, until } = level;
        if rate < before {
            return Step::Down(self.record.calm_after(from, until));
        }
        let wanted = rate.0.min(demand) * REACHED_PERCENT / 100;
        let had = self.record.rate(from - Duration::from_secs(1), from);
        if had >= wanted {
            return Step::None;
        }
        Step::Up(self.record.reaches(wanted, from, until))
    }

    fn shown(&self) -> &[Shown] {
        let screen = self.world.peers[VIEWER].screens.get(&(SPEAKER as u8));
        screen.map_or(&[], |screen| screen.shown.as_slice())
    }

    fn pictures(&self, from: Instant, until: Instant) -> Pictures {
        let captured_at = |shown: &Shown| self.world.began + shown.captured;
        let within = |at: Instant| at >= from && at < until;
        let shown: Vec<_> = self
            .shown()
            .iter()
            .filter(|it| within(captured_at(it)))
            .collect();
        let screen = self.world.peers[VIEWER].screens.get(&(SPEAKER as u8));
        let heights = shown.iter().map(|it| usize::from(it.layer));
        let sum: usize = heights.clone().sum();
        Pictures {
            captured: ((until - from).as_secs_f64() * PICTURES_PER_S as f64) as usize,
            delivered: screen.map_or(0, |screen| {
                screen.delivered_within(from - self.world.began, until - self.world.began)
            }),
            shown: shown.len(),
            longest_freeze: longest_pause(self.shown().iter().map(|it| it.at), from, until),
            mean_layer: sum as f64 / shown.len().max(1) as f64,
            keyframes_asked: screen.map_or(0, |screen| screen.keyframes_asked),
        }
    }

    fn sounds(&self, from: Instant, until: Instant) -> Sounds {
        let sound = self.world.peers[VIEWER].sounds.get(&(SPEAKER as u8));
        let gaps = sound.map_or(&[][..], |sound| sound.gaps.as_slice());
        let gaps: Vec<&Gap> = gaps
            .iter()
            .filter(|gap| gap.at >= from && gap.at < until)
            .collect();
        Sounds {
            gaps: gaps.len(),
            longest_gap: gaps.iter().map(|gap| gap.length).max().unwrap_or_default(),
            missing: gaps.iter().map(|gap| gap.length).sum::<Duration>(),
            of: until - from,
        }
    }

    /// How long after the end of the bad network the picture was back for good.
    fn back(&self, healed_at: Instant) -> Back {
        let until = self.world.now;
        let after: Vec<_> = self
            .shown()
            .iter()
            .map(|it| it.at)
            .filter(|at| *at >= healed_at)
            .collect();
        let stays = |begin: &&Instant| {
            let (begin, end) = (**begin, **begin + BACK_FOR);
            end <= until && longest_pause(after.iter().copied(), begin, end) <= BACK_PAUSE
        };
        let found = after.iter().find(stays).map(|at| *at - healed_at);
        // And it is still there in the end, as good as it was before.
        let lately: Vec<_> = self
            .shown()
            .iter()
            .filter(|it| it.at >= until - BACK_FOR)
            .collect();
        Back {
            after: found,
            layer_at_end: lately.last().map(|it| it.layer),
            pause_at_end: longest_pause(after.into_iter(), until - BACK_FOR, until),
        }
    }
}
