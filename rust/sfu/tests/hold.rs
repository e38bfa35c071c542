//! Packets that many receive are held for a moment, so that they leave together; those of a call are not.

mod common;

use std::time::Duration;

use common::{DELAY, FRAME, World, ms};
use curtaincall_sfu::shard::{Gate, HOLD, HOLD_FROM};

/// A room in which `star` publishes and so many others watch, under an open lease.
fn watched_by(watchers: usize) -> (World, usize) {
    let mut world = World::new();
    world.grant(1, 1, None, Duration::from_secs(60));
    let star = world.join("star");
    for number in 0..watchers {
        world.join_with(&format!("watcher-{number}"), false, 1, None);
    }
    world.run(ms(500));
    world.publish(star, ms(500));
    world.sent.clear();
    (world, star)
}

/// How long each media packet of the next half second stayed with the shard.
fn stays(world: &mut World, star: usize) -> Vec<Duration> {
    let began = world.now;
    world.publish(star, 15 * FRAME);
    let is_media = |gate: &Gate| matches!(gate, Gate::Media { .. });
    let media = world.sent.iter().filter(|(_, _, gate)| is_media(gate));
    let of_now = media.filter(|(at, _, _)| *at >= began + DELAY);
    of_now
        .map(|(at, _, _)| {
            let since = (*at - began - DELAY).as_nanos() % FRAME.as_nanos();
            Duration::from_nanos(since as u64)
        })
        .collect()
}

#[test]
fn in_a_small_room_every_packet_leaves_at_once() {
    let (mut world, star) = watched_by(3);
    let stays = stays(&mut world, star);
    assert!(stays.len() >= 3 * 2 * 14, "{}", stays.len());
    assert!(stays.iter().all(Duration::is_zero), "{stays:?}");
}

#[test]
fn what_many_receive_leaves_at_once_after_a_pause() {
    let (mut world, star) = watched_by(HOLD_FROM);
    let stays = stays(&mut world, star);
    assert!(stays.len() >= HOLD_FROM * 2 * 14, "{}", stays.len());
    assert!(stays.iter().all(Duration::is_zero), "{stays:?}");
}

#[test]
fn what_many_receive_in_a_row_is_let_go_once_in_a_while() {
    const IN_A_ROW: usize = 40;
    let (mut world, star) = watched_by(HOLD_FROM);
    let began = world.now;
    for _ in 0..IN_A_ROW {
        world.publish(star, ms(1));
    }
    world.run(HOLD + DELAY);
    let is_media = |gate: &Gate| matches!(gate, Gate::Media { .. });
    let media = world.sent.iter().filter(|(_, _, gate)| is_media(gate));
    let mut moments: Vec<_> = media.map(|(at, _, _)| *at - began).collect();
    assert!(
        moments.len() >= HOLD_FROM * 2 * (IN_A_ROW - 1),
        "{}",
        moments.len()
    );
    moments.dedup();
    assert_eq!(moments.first(), Some(&DELAY));
    // Whatever makes a session move, such as a report of its other side, takes what is held along.
    let turns = IN_A_ROW / HOLD.as_millis() as usize;
    assert!((turns..turns + 8).contains(&moments.len()), "{moments:?}");
    assert!(
        moments.windows(2).all(|pair| pair[1] - pair[0] <= HOLD),
        "{moments:?}"
    );
}

#[test]
fn what_is_held_when_the_lease_shuts_is_never_sent() {
    // One of two moments that are half a turn apart is within a turn.
    for in_a_row in [8, 9] {
        let (mut world, star) = watched_by(HOLD_FROM);
        for _ in 0..in_a_row {
            world.publish(star, ms(1));
        }
        world.revoke();
        world.sent.clear();
        world.run(ms(200));
        let is_media = |gate: &Gate| matches!(gate, Gate::Media { .. });
        let media = world.sent.iter().filter(|(_, _, gate)| is_media(gate));
        assert_eq!(media.count(), 0, "after {in_a_row}");
    }
}
