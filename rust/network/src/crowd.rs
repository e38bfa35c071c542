//! A room in which everybody publishes three layers and watches everybody else: the first large, the others small. Some
//! have a narrow downlink. What congestion control has to hold: nobody's narrow link may cost the others anything.

use std::time::{Duration, Instant};

use curtaincall_link::{Bottleneck, Conditions, Rate};
use serde_json::{Value, json};

use crate::error::NetworkError;
use crate::matrix::CLEAN;
use crate::peer::Sender;
use crate::picture::PICTURES_PER_S;
use crate::screen::longest_pause;
use crate::server::Server;
use crate::world::{Joining, World};

const LARGE: u16 = 720;
const SMALL: u16 = 240;

/// From a peer to the server.
const DELAY: Duration = Duration::from_millis(10);

/// A room of many can take more than the links of the matrix: 19 small pictures, a large one, sound.
const WIDE: Rate = Rate(20_000_000);

/// Before anything is measured.
const WARM_UP: Duration = Duration::from_secs(10);

/// How a crowd is made up.
#[derive(Clone, Debug)]
pub struct Crowd {
    pub peers: usize,
    pub length: Duration,
    /// Who has a narrow downlink, and how narrow.
    pub narrow: Vec<(usize, Rate)>,
    pub seed: u64,
    pub sender: Sender,
}

/// What one of them received, after the warm-up.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    pub peer: usize,
    pub link: Rate,
    /// Of those captured by the speaker, and by all others, in percent.
    pub large_percent: f64,
    pub small_percent: f64,
    /// The mean layer of the speaker's pictures: 0 to 2.
    pub large_layer: f64,
    pub longest_freeze_large: Duration,
    /// Of the pictures of the others, the longest of any.
    pub longest_freeze_small: Duration,
    /// Others of whom nothing was shown at all.
    pub unseen: usize,
    pub sound_gaps: usize,
    pub media_bits_per_s: u64,
    pub estimate: Option<u64>,
    /// Datagrams that its link had no room for.
    pub dropped: u64,
}

/// Run a crowd from beginning to end. The first peer speaks.
pub fn run<S: Server>(
    crowd: &Crowd,
    now: Instant,
    server: S,
) -> Result<Vec<Received>, NetworkError> {
    let mut world = World::new(now, server, crowd.seed);
    let link = |rate| Conditions {
        delay: DELAY,
        bottleneck: Some(Bottleneck::of(rate)),
        ..Conditions::default()
    };
    let rate_of = |peer: usize| {
        let narrow = crowd.narrow.iter().find(|(who, _)| *who == peer);
        narrow.map_or(WIDE, |(_, rate)| *rate)
    };
    for peer in 0..crowd.peers {
        let joining = Joining {
            publishes: true,
            slots: crowd.peers - 1,
            up: link(CLEAN),
            down: link(rate_of(peer)),
            sender: crowd.sender,
        };
        world.join(&format!("peer-{peer}"), joining)?;
        if let Some(publisher) = world.peers[peer].publisher_mut() {
            publisher.speaks = peer == 0;
        }
    }
    for peer in 0..crowd.peers {
        for of in (0..crowd.peers).filter(|of| *of != peer) {
            let (height, priority) = if of == 0 { (LARGE, 1) } else { (SMALL, 0) };
            world.wish(peer, of, height, priority)?;
        }
    }
    world.run(WARM_UP)?;
    let before: Vec<_> = world.peers.iter().map(|peer| peer.media_bytes).collect();
    let from = world.now;
    world.run(crowd.length)?;
    let received =
        |(peer, before): (usize, u64)| received(&world, peer, (from, before), rate_of(peer));
    Ok(before.into_iter().enumerate().map(received).collect())
}

fn received<S: Server>(
    world: &World<S>,
    index: usize,
    (from, bytes_before): (Instant, u64),
    link: Rate,
) -> Received {
    let peer = &world.peers[index];
    let until = world.now;
    let seconds = (until - from).as_secs_f64();
    let captured = seconds * PICTURES_PER_S as f64;
    let shown_of = |of: usize| {
        let screen = peer.screens.get(&(of as u8));
        let shown = screen.map_or(&[][..], |screen| screen.shown.as_slice());
        shown.iter().filter(move |it| it.at >= from)
    };
    let freeze_of = |of| longest_pause(shown_of(of).map(|it| it.at), from, until);
    let others = (1..world.peers.len()).filter(|of| *of != index);
    let small: usize = others.clone().map(|of| shown_of(of).count()).sum();
    let large = shown_of(0).count();
    let layers: usize = shown_of(0).map(|it| usize::from(it.layer)).sum();
    let percent = |shown: usize, of: usize| shown as f64 * 100.0 / (captured * of.max(1) as f64);
    let gaps = peer
        .sounds
        .get(&0)
        .map_or(&[][..], |sound| sound.gaps.as_slice());
    Received {
        peer: index,
        link,
        large_percent: percent(large, 1),
        small_percent: percent(small, others.clone().count()),
        large_layer: layers as f64 / large.max(1) as f64,
        longest_freeze_large: freeze_of(0),
        longest_freeze_small: others.clone().map(freeze_of).max().unwrap_or_default(),
        unseen: others.filter(|of| shown_of(*of).next().is_none()).count(),
        sound_gaps: gaps.iter().filter(|gap| gap.at >= from).count(),
        media_bits_per_s: ((peer.media_bytes - bytes_before) as f64 * 8.0 / seconds) as u64,
        estimate: world.server.estimate(&peer.user),
        dropped: peer.downlink.carried().dropped,
    }
}

impl Received {
    /// As one line for whoever prints it.
    pub fn figures(&self) -> Value {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        json!({
            "peer": self.peer,
            "link_kbps": self.link.0 / 1_000,
            "large_percent": round(self.large_percent),
            "large_layer": round(self.large_layer),
            "small_percent": round(self.small_percent),
            "unseen": self.unseen,
            "longest_freeze_large_s": round(self.longest_freeze_large.as_secs_f64()),
            "longest_freeze_small_s": round(self.longest_freeze_small.as_secs_f64()),
            "sound_gaps": self.sound_gaps,
            "media_kbps": self.media_bits_per_s / 1_000,
            "estimate_kbps": self.estimate.map(|bits| bits / 1_000),
            "dropped": self.dropped,
        })
    }
}
