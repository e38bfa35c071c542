//! Simulcast: all layers are received, one is forwarded, and nobody can tell from the numbers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

mod common;

use common::client::{is_keyframe, picture_id};
use common::{FRAME, World, ms, room, user};
use curtaincall_sfu::allocator::{Height, Wish};
use curtaincall_sfu::command::Command;
use std::time::Duration;
use str0m::media::Rid;

const RIDS: [&str; 3] = ["l", "m", "h"];
const SIZES: [usize; 3] = [100, 400, 1_100];

/// A publisher with three layers and a viewer.
fn world() -> (World, usize, usize) {
    let mut world = World::new();
    world.grant(1, 1, None, ms(600_000));
    let viewer = world.join_with("viewer", false, 1, None);
    let star = world.join_with("star", true, 0, Some(&RIDS));
    world.run(ms(500));
    (world, viewer, star)
}

/// Publish the named layers for a while, each answering its own keyframe requests.
fn publish(world: &mut World, star: usize, layers: &[usize], length: Duration) {
    let until = world.now + length;
    while world.now < until {
        let now = world.now;
        let client = &mut world.clients[star];
        let wishes = std::mem::take(&mut client.keyframes_wanted);
        for layer in layers {
            let rid = Rid::from(RIDS[*layer]);
            let wanted = wishes.iter().any(|(_, wish)| *wish == Some(rid));
            client.send_video(now, Some(rid), wanted, SIZES[*layer]);
        }
        world.run(FRAME);
    }
}

fn sizes_received(world: &World, viewer: usize) -> Vec<usize> {
    let video = world.clients[viewer].video_received();
    let mut sizes: Vec<_> = video
        .iter()
        .map(|received| received.payload.len())
        .collect();
    sizes.dedup();
    sizes
}

fn assert_continuous(world: &World, viewer: usize) {
    let video = world.clients[viewer].video_received();
    assert!(
        video.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1),
        "no hole, no repeat"
    );
    let ids: Vec<_> = video
        .iter()
        .map(|received| picture_id(&received.payload))
        .collect();
    assert!(
        ids.windows(2).all(|pair| pair[1] == (pair[0] + 1) & 0x7fff),
        "{ids:?}"
    );
}

#[test]
fn one_layer_is_forwarded_in_the_end_the_highest() {
    let (mut world, viewer, star) = world();
    publish(&mut world, star, &[0, 1, 2], ms(4_000));
    assert_eq!(sizes_received(&world, viewer).last(), Some(&SIZES[2]));
    assert_continuous(&world, viewer);
}

#[test]
fn a_switch_waits_for_a_keyframe_of_the_new_layer() {
    let (mut world, viewer, star) = world();
    publish(&mut world, star, &[0, 1, 2], ms(4_000));
    let video = world.clients[viewer].video_received();
    for pair in video.windows(2) {
        if pair[0].payload.len() != pair[1].payload.len() {
            assert!(is_keyframe(&pair[1].payload));
        }
    }
}

#[test]
fn when_the_layer_stops_the_next_best_takes_over() {
    let (mut world, viewer, star) = world();
    publish(&mut world, star, &[0, 1, 2], ms(4_000));
    publish(&mut world, star, &[0, 1], ms(4_000));
    assert_eq!(sizes_received(&world, viewer).last(), Some(&SIZES[1]));
    publish(&mut world, star, &[0, 1, 2], ms(4_000));
    assert_eq!(sizes_received(&world, viewer).last(), Some(&SIZES[2]));
    assert_continuous(&world, viewer);
}

fn wish(world: &mut World, viewer: &str, max_height: u16) {
    world.tell(Command::Subscribe {
        room: room(),
        user: user(viewer),
        of: user("star"),
        wish: Wish {
            max_height: Height(max_height),
            priority: 0,
        },
    });
}

#[test]
fn a_wish_chooses_the_layer_and_the_numbers_go_on() {
    let (mut world, viewer, star) = world();
    publish(&mut world, star, &[0, 1, 2], ms(2_000));
    for (height, layer) in [(240, 0), (720, 2), (480, 1), (300, 0), (1, 0), (4_320, 2)] {
        wish(&mut world, "viewer", height);
        publish(&mut world, star, &[0, 1, 2], ms(2_000));
        assert_eq!(
            sizes_received(&world, viewer).last(),
            Some(&SIZES[layer]),
            "{height}"
        );
    }
    assert_continuous(&world, viewer);
}

#[test]
fn a_wish_is_one_viewers_own() {
    let (mut world, viewer, star) = world();
    let other = world.join_with("other", false, 1, None);
    wish(&mut world, "viewer", 240);
    publish(&mut world, star, &[0, 1, 2], ms(3_000));
    assert_eq!(sizes_received(&world, viewer).last(), Some(&SIZES[0]));
    assert_eq!(sizes_received(&world, other).last(), Some(&SIZES[2]));
}

#[test]
fn height_0_pauses_the_video_and_it_comes_back_with_a_keyframe() {
    let (mut world, viewer, star) = world();
    publish(&mut world, star, &[0, 1, 2], ms(2_000));
    wish(&mut world, "viewer", 0);
    world.run(ms(100));
    let before = world.clients[viewer].video_received().len();
    publish(&mut world, star, &[0, 1, 2], ms(2_000));
    assert_eq!(world.clients[viewer].video_received().len(), before);
    wish(&mut world, "viewer", 720);
    publish(&mut world, star, &[0, 1, 2], ms(2_000));
    let video = world.clients[viewer].video_received();
    assert!(is_keyframe(&video[before].payload));
    assert_eq!(video.last().unwrap().payload.len(), SIZES[2]);
    assert_continuous(&world, viewer);
}

#[test]
fn a_track_without_layers_is_paused_as_well() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(600_000));
    world.publish(1, ms(1_000));
    wish(&mut world, "fan", 0);
    world.run(ms(100));
    let before = world.clients[0].video_received().len();
    assert!(before > 0);
    world.publish(1, ms(1_000));
    assert_eq!(world.clients[0].video_received().len(), before);
    wish(&mut world, "fan", 240);
    world.publish(1, ms(1_000));
    assert!(world.clients[0].video_received().len() > before);
}
