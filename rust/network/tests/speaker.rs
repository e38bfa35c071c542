//! Whoever speaks comes first where bits are short, without anybody asking for it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::{Duration, Instant};

use curtaincall_link::{Bottleneck, Conditions, Rate};
use curtaincall_network::peer::Sender;
use curtaincall_network::server::VirtualServer;
use curtaincall_network::world::{Joining, World};

const SEED: u64 = 20_261_125;
const PUBLISHERS: usize = 3;

/// The floor is taken in half a second, and the next keyframe of the larger layer follows.
const SETTLES: Duration = Duration::from_secs(4);

/// Enough for the lowest layer of each, and for more of one.
const NARROW: Rate = Rate(1_800_000);
const WIDE: Rate = Rate(20_000_000);

fn link(rate: Rate) -> Conditions {
    Conditions {
        delay: Duration::from_millis(20),
        bottleneck: Some(Bottleneck::of(rate)),
        ..Conditions::default()
    }
}

/// The mean layer (0 to 2) of what the viewer was shown of each publisher since a moment.
fn layers(world: &World<VirtualServer>, viewer: usize, since: Instant) -> Vec<f64> {
    let layer_of = |publisher: usize| {
        let screen = &world.peers[viewer].screens[&(publisher as u8)];
        let shown: Vec<_> = screen.shown.iter().filter(|it| it.at >= since).collect();
        assert!(!shown.is_empty(), "publisher {publisher}, seed {SEED}");
        shown.iter().map(|it| f64::from(it.layer)).sum::<f64>() / shown.len() as f64
    };
    (0..PUBLISHERS).map(layer_of).collect()
}

#[test]
fn the_speakers_picture_is_the_best_on_a_narrow_link_and_changes_with_the_speaker() {
    let now = Instant::now();
    let mut world = World::new(now, VirtualServer::new(now).unwrap(), SEED);
    for publisher in 0..PUBLISHERS {
        let joining = Joining {
            publishes: true,
            slots: PUBLISHERS,
            up: link(WIDE),
            down: link(WIDE),
            sender: Sender::Gcc,
        };
        world.join(&format!("peer-{publisher}"), joining).unwrap();
    }
    let joining = Joining {
        publishes: false,
        slots: PUBLISHERS,
        up: link(WIDE),
        down: link(NARROW),
        sender: Sender::Gcc,
    };
    let viewer = world.join("viewer", joining).unwrap();
    for speaker in [1, 2, 0] {
        for publisher in 0..PUBLISHERS {
            let studio = world.peers[publisher].publisher_mut().unwrap();
            studio.speaks = publisher == speaker;
        }
        world.run(SETTLES).unwrap();
        let since = world.now;
        world.run(Duration::from_secs(3)).unwrap();
        let layers = layers(&world, viewer, since);
        let others = (0..PUBLISHERS).filter(|publisher| *publisher != speaker);
        for other in others {
            assert!(
                layers[speaker] > layers[other] + 0.5,
                "{speaker} speaks, seed {SEED}: {layers:?}"
            );
        }
    }
}
