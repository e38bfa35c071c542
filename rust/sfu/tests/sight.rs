//! What a shard tells of what it forwards: who speaks, what is on the slots, figures of each link.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

mod common;

use common::{DELAY, FRAME, World, ms, room, user};
use curtaincall_sfu::allocator::{BitRate, Height, Why, Wish};
use curtaincall_sfu::command::Command;
use curtaincall_sfu::stats::PerMille;
use std::time::Duration;
use str0m::media::{MediaKind, Rid};

const LOUD: i8 = -20;
const SILENT: i8 = -127;

fn wish(world: &mut World, viewer: &str, of: &str, max_height: u16) {
    world.tell(Command::Subscribe {
        room: room(),
        user: user(viewer),
        of: user(of),
        wish: Wish {
            max_height: Height(max_height),
            priority: 0,
        },
    });
}

mod speaker {
    use super::*;

    /// Three people who all hear each other.
    fn three() -> World {
        let mut world = World::new();
        for name in ["fan", "star", "ann"] {
            let client = world.join_with(name, true, 2, None);
            world.clients[client].audio_level = Some(SILENT);
        }
        world.run(ms(500));
        world.grant(1, 1, None, ms(600_000));
        world
    }

    fn speak(world: &mut World, client: usize, length: Duration) {
        world.clients[client].audio_level = Some(LOUD);
        world.publish_all(&[0, 1, 2], length);
        world.clients[client].audio_level = Some(SILENT);
    }

    fn some(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn everybody_is_told_who_speaks_and_when_nobody_does() {
        let mut world = three();
        speak(&mut world, 1, ms(2_000));
        speak(&mut world, 2, ms(2_000));
        world.publish_all(&[0, 1, 2], ms(4_000));
        for name in ["fan", "star", "ann"] {
            assert_eq!(
                world.speakers_told(name),
                [some("star"), some("ann"), None],
                "{name}"
            );
        }
    }

    #[test]
    fn whoever_comes_later_is_told_who_speaks() {
        let mut world = three();
        speak(&mut world, 1, ms(2_000));
        world.join_with("late", false, 2, None);
        speak(&mut world, 1, ms(1_000));
        assert_eq!(world.speakers_told("late"), [some("star")]);
    }

    #[test]
    fn without_a_lease_nobody_is_heard_and_nobody_told_of() {
        let mut world = three();
        speak(&mut world, 1, ms(2_000));
        world.revoke();
        speak(&mut world, 2, ms(2_000));
        assert_eq!(world.speakers_told("fan"), [some("star"), None]);
    }

    #[test]
    fn a_speaker_who_leaves_speaks_no_more() {
        let mut world = three();
        speak(&mut world, 1, ms(2_000));
        world.tell(Command::CloseSeat {
            room: room(),
            user: user("star"),
        });
        world.run(ms(500));
        assert_eq!(world.speakers_told("fan"), [some("star"), None]);
    }

    #[test]
    fn a_room_without_loudness_has_no_speaker() {
        let mut world = World::with_call();
        world.grant(1, 1, None, ms(600_000));
        world.publish_all(&[0, 1], ms(3_000));
        assert!(world.speakers_told("fan").is_empty());
    }
}

mod tracks {
    use super::*;

    const RIDS: [&str; 3] = ["l", "m", "h"];
    const SIZES: [usize; 3] = [100, 400, 1_100];

    fn world() -> (World, usize) {
        let mut world = World::new();
        world.grant(1, 1, None, ms(600_000));
        world.join_with("viewer", false, 1, None);
        let star = world.join_with("star", true, 0, Some(&RIDS));
        world.run(ms(500));
        (world, star)
    }

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
            client.send_audio(now);
            world.run(FRAME);
        }
    }

    /// Height and pause of the viewer's picture as told last.
    fn told(world: &World) -> (Option<Height>, Option<Why>) {
        let slots = world.slots("viewer");
        let video = slots
            .iter()
            .find(|slot| slot.kind == MediaKind::Video)
            .unwrap();
        (video.height, video.paused)
    }

    fn lists_told(world: &World) -> usize {
        let is_list = |event: &&curtaincall_sfu::event::Event| {
            matches!(&event.what, curtaincall_sfu::event::What::TracksChanged { user: of, .. }
                if *of == user("viewer"))
        };
        world.events.iter().filter(is_list).count()
    }

    #[test]
    fn the_height_that_is_forwarded_is_told() {
        let (mut world, star) = world();
        publish(&mut world, star, &[0, 1, 2], ms(4_000));
        assert_eq!(told(&world), (Some(Height(720)), None));
        wish(&mut world, "viewer", "star", 240);
        publish(&mut world, star, &[0, 1, 2], ms(2_000));
        assert_eq!(told(&world), (Some(Height(240)), None));
        wish(&mut world, "viewer", "star", 480);
        publish(&mut world, star, &[0, 1, 2], ms(2_000));
        assert_eq!(told(&world), (Some(Height(480)), None));
    }

    #[test]
    fn the_height_that_a_keyframe_tells_is_the_one() {
        let mut world = World::with_call();
        world.grant(1, 1, None, ms(600_000));
        let star = &mut world.clients[1];
        let now = star.rtc_now().max(world.began + ms(500));
        // A VP8 keyframe of 640x360 (RFC 6386 section 9.1) behind a descriptor with a long picture id.
        let mut payload = common::client::vp8_payload(1, true);
        payload.truncate(4);
        payload.extend([0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
        let mid = star.video.unwrap();
        star.send(now, mid, None, 2_000, 90_000, payload);
        world.run(ms(500));
        let slots = world.slots("fan");
        let video = slots
            .iter()
            .find(|slot| slot.kind == MediaKind::Video)
            .unwrap();
        assert_eq!((video.height, video.paused), (Some(Height(360)), None));
    }

    #[test]
    fn a_pause_is_told_with_its_reason() {
        let (mut world, star) = world();
        publish(&mut world, star, &[0, 1, 2], ms(3_000));
        wish(&mut world, "viewer", "star", 0);
        publish(&mut world, star, &[0, 1, 2], ms(500));
        assert_eq!(told(&world), (None, Some(Why::Subscription)));
        wish(&mut world, "viewer", "star", 720);
        publish(&mut world, star, &[0, 1, 2], ms(2_000));
        assert_eq!(told(&world), (Some(Height(720)), None));
        world.revoke();
        publish(&mut world, star, &[0, 1, 2], ms(500));
        assert_eq!(told(&world), (None, Some(Why::Lease)));
        let slots = world.slots("viewer");
        assert!(slots.iter().all(|slot| slot.paused == Some(Why::Lease)));
        world.grant(2, 1, None, ms(600_000));
        publish(&mut world, star, &[0, 1, 2], ms(2_000));
        assert_eq!(told(&world), (Some(Height(720)), None));
    }

    #[test]
    fn nothing_is_told_while_nothing_changes() {
        let (mut world, star) = world();
        publish(&mut world, star, &[0, 1, 2], ms(4_000));
        let before = lists_told(&world);
        publish(&mut world, star, &[0, 1, 2], ms(5_000));
        assert_eq!(lists_told(&world), before);
    }

    #[test]
    fn an_empty_slot_is_neither_high_nor_paused() {
        let mut world = World::with_call();
        world.run(ms(1_000));
        world.tell(Command::CloseSeat {
            room: room(),
            user: user("star"),
        });
        world.run(ms(1_000));
        let slots = world.slots("fan");
        assert!(!slots.is_empty());
        assert!(
            slots
                .iter()
                .all(|slot| (slot.height, slot.paused) == (None, None))
        );
    }
}

mod stats {
    use super::*;

    fn call() -> World {
        let mut world = World::with_call();
        world.grant(1, 1, None, ms(600_000));
        world
    }

    #[test]
    fn a_good_link_has_its_figures_once_a_second() {
        let mut world = call();
        world.publish_all(&[0, 1], ms(10_000));
        let stats = world.stats("fan");
        assert!((8..=11).contains(&stats.len()), "{}", stats.len());
        let last = stats.last().unwrap();
        assert_eq!(
            last.rtt.map(|rtt| rtt.as_millis()),
            Some(2 * DELAY.as_millis())
        );
        assert_eq!(last.down.loss, Some(PerMille(0)));
        assert_eq!(last.up.loss, Some(PerMille(0)));
        // 30 pictures of 200 bytes, and as many packets of sound.
        for flow in [last.up, last.down] {
            assert!(
                (BitRate(45_000)..BitRate(55_000)).contains(&flow.rate),
                "{flow:?}"
            );
            assert!(
                flow.jitter.is_some_and(|jitter| jitter < ms(20)),
                "{flow:?}"
            );
        }
        let [picture] = last.slots.as_slice() else {
            panic!("one slot shows a picture: {:?}", last.slots);
        };
        assert!(picture.rate > BitRate(45_000), "{picture:?}");
        assert_eq!(picture.freezes.count, 0);
    }

    #[test]
    fn a_standstill_is_counted_and_a_pause_is_not() {
        let mut world = call();
        world.publish(1, ms(3_000));
        world.run(ms(1_000));
        world.publish(1, ms(3_000));
        let frozen = world.stats("fan").last().unwrap().slots[0].freezes;
        assert_eq!(frozen.count, 1);
        assert!(
            frozen.length >= ms(1_000) && frozen.length < ms(1_100),
            "{frozen:?}"
        );
        wish(&mut world, "fan", "star", 0);
        world.publish(1, ms(1_500));
        wish(&mut world, "fan", "star", 720);
        world.publish(1, ms(3_000));
        assert_eq!(world.stats("fan").last().unwrap().slots[0].freezes, frozen);
        assert_eq!(world.shard.counters().freezes, 1);
    }

    #[test]
    fn of_whom_nothing_is_received_nothing_is_told() {
        let mut world = call();
        world.publish(1, ms(3_000));
        let star = world.stats("star");
        assert!(
            star.last()
                .unwrap()
                .slots
                .iter()
                .all(|slot| slot.rate == BitRate(0))
        );
        assert!(world.stats("nobody").is_empty());
    }
}
