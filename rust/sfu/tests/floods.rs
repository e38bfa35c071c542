//! Somebody who takes part sends far more than anybody could want, or never answers: the others notice nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{World, ms};
use curtaincall_sfu::budget::{MEDIA_PER_SECOND, REPORTS_PER_SECOND, UNPROVEN_PER_SECOND};
use str0m::media::MediaKind;

const FAN: usize = 0;
const STAR: usize = 1;
const GUEST: usize = 2;

/// Datagrams of a flood in a millisecond.
const BURST: usize = 100;

/// Three people, who see and hear each other.
fn party() -> World {
    let mut world = World::new();
    for name in ["fan", "star", "guest"] {
        world.join_with(name, true, 2, None);
    }
    world.run(ms(500));
    world.grant(1, 1, None, ms(3_600_000));
    world.publish_all(&[FAN, STAR, GUEST], ms(300));
    world
}

/// Have the star send these datagrams, 100,000 of them a second, while the others talk.
fn flood(world: &mut World, length: Duration, datagrams: &[Vec<u8>]) {
    let address = world.clients[STAR].address;
    flood_from(world, length, |_| address, datagrams);
}

fn flood_from(
    world: &mut World,
    length: Duration,
    from: impl Fn(usize) -> SocketAddr,
    datagrams: &[Vec<u8>],
) {
    let mut sent = 0;
    for step in 0..length.as_millis() {
        if step % 20 == 0 {
            world.publish_all(&[FAN, GUEST], ms(1));
        } else {
            world.run(ms(1));
        }
        for _ in 0..BURST {
            world.inject(from(sent), &datagrams[sent % datagrams.len()]);
            sent += 1;
        }
    }
}

/// The fan hears the guest, every packet, and sees a whole picture of theirs.
fn assert_others_unharmed(world: &mut World, during: impl FnOnce(&mut World)) {
    let heard = |world: &World| {
        let slots = world.seen_by("fan", MediaKind::Audio);
        let slot = slots.iter().position(|who| who.as_deref() == Some("guest"));
        let mid = world
            .slots("fan")
            .into_iter()
            .filter(|slot| slot.kind == MediaKind::Audio);
        let mid = mid.map(|slot| slot.mid).nth(slot.unwrap()).unwrap();
        let audio = world.clients[FAN].audio_received();
        audio.iter().filter(|packet| packet.mid == mid).count()
    };
    let said = |world: &World| {
        let guest = &world.clients[GUEST];
        guest.next_seq[&(guest.audio.unwrap(), None)]
    };
    world.run(ms(50));
    let (before, said_before) = (heard(world), said(world));
    during(world);
    world.run(ms(50));
    let (heard, said) = (heard(world) - before, said(world) - said_before);
    assert_eq!(u64::try_from(heard).unwrap(), said);
    assert!(said >= 20);
    assert_eq!(world.transport_states("fan"), [true]);
    assert_eq!(world.transport_states("guest"), [true]);
}

/// Datagrams of the star's, with the last byte changed: they belong to its session and are not authentic.
fn spoiled(world: &mut World, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let copies = std::cell::RefCell::new(Vec::new());
    for _ in 0..60 {
        world.tap(STAR, &copies);
        world.run(ms(33));
    }
    let copies = copies.into_inner();
    let mut spoiled: Vec<_> = copies.into_iter().filter(|copy| is_wanted(copy)).collect();
    assert!(!spoiled.is_empty());
    for copy in &mut spoiled {
        *copy.last_mut().unwrap() ^= 1;
    }
    spoiled
}

#[test]
fn media_that_is_not_authentic_is_looked_at_up_to_a_budget() {
    let mut world = party();
    let datagrams = spoiled(&mut world, |bytes| (96..=127).contains(&(bytes[1] & 0x7f)));
    let before = world.shard.counters();
    assert_others_unharmed(&mut world, |world| flood(world, ms(1_000), &datagrams));
    let after = world.shard.counters();
    let refused = after.packets_refused - before.packets_refused;
    assert!(
        refused >= 100_000 - 2 * u64::from(MEDIA_PER_SECOND),
        "{refused}"
    );
}

#[test]
fn reports_are_looked_at_up_to_a_budget() {
    let mut world = party();
    let mut report = vec![0x81, 201, 0, 7];
    report.resize(60, 7);
    let before = world.shard.counters();
    assert_others_unharmed(&mut world, |world| flood(world, ms(1_000), &[report]));
    let refused = world.shard.counters().packets_refused - before.packets_refused;
    assert!(
        refused >= 100_000 - 2 * u64::from(REPORTS_PER_SECOND),
        "{refused}"
    );
}

#[test]
fn unknown_streams_are_looked_at_up_to_a_budget() {
    let mut world = party();
    let streams: Vec<_> = (0..1_000_u32)
        .map(|ssrc| {
            let mut rtp = vec![0x90, 96, 0, 1, 0, 0, 0, 0];
            rtp.extend((0xdead_0000 + ssrc).to_be_bytes());
            rtp.extend([0xbe, 0xde, 0, 1, 0x40, b'0', 0, 0]);
            rtp.extend([0; 40]);
            rtp
        })
        .collect();
    let before = world.shard.counters();
    assert_others_unharmed(&mut world, |world| flood(world, ms(1_000), &streams));
    let refused = world.shard.counters().packets_refused - before.packets_refused;
    assert!(
        refused >= 100_000 - 2 * u64::from(UNPROVEN_PER_SECOND),
        "{refused}"
    );
}

#[test]
fn authentic_media_is_passed_on_up_to_a_budget() {
    let mut world = party();
    let received = |world: &World| world.clients[FAN].received.len();
    let before = received(&world);
    let mut sent = 0;
    assert_others_unharmed(&mut world, |world| {
        for step in 0..500 {
            if step % 20 == 0 {
                world.publish_all(&[FAN, GUEST], ms(1));
            } else {
                world.run(ms(1));
            }
            let now = world.now;
            for _ in 0..20 {
                world.clients[STAR].send_audio(now);
                sent += 1;
            }
        }
    });
    let passed = received(&world) - before;
    assert_eq!(sent, 10_000);
    // Two seconds are touched, and the guest was received as well.
    assert!(passed < 2 * MEDIA_PER_SECOND as usize + 100, "{passed}");
}

#[test]
fn checks_of_strangers_keep_no_newcomer_out() {
    let mut world = party();
    let mut check = vec![0, 1, 0, 20, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    check.extend([0, 6, 0, 9]);
    check.extend(b"nope:them\0\0\0");
    check.extend([0x80, 0x28, 0, 0]);
    let from = |index: usize| {
        let [.., high, low] = index.to_be_bytes();
        SocketAddr::from(([203, 0, 113, high], 1_024 + u16::from(low)))
    };
    assert_others_unharmed(&mut world, |world| {
        flood_from(world, ms(600), from, std::slice::from_ref(&check));
        world.join_with("late", true, 2, None);
        flood_from(world, ms(600), from, &[check]);
    });
    assert_eq!(world.transport_states("late"), [true]);
}

#[test]
fn one_who_never_acknowledges_slows_nobody_down() {
    let mut world = party();
    world.clients[STAR].acknowledges = false;
    let lost = |world: &World, client: usize| {
        let mut seqs: Vec<_> = world.clients[client]
            .video_received()
            .iter()
            .map(|packet| (packet.mid, packet.seq))
            .collect();
        seqs.sort_unstable();
        seqs.windows(2)
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| pair[1].1 - pair[0].1 - 1)
            .sum::<u64>()
    };
    assert_others_unharmed(&mut world, |world| {
        world.publish_all(&[FAN, STAR, GUEST], ms(20_000));
    });
    assert_eq!(lost(&world, FAN), 0);
    assert_eq!(lost(&world, GUEST), 0);
    assert!(world.clients[FAN].video_received().len() > 1_000);
}
