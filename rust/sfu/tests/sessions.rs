//! Sessions come, go, restart and are replaced; tracks find slots.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

mod common;

use common::client::{is_keyframe, picture_id};
use common::{FRAME, World, ms, room, user};
use curtaincall_sfu::command::Command;
use curtaincall_sfu::event::SourceName;
use str0m::media::MediaKind;

const FAN: usize = 0;
const STAR: usize = 1;

fn open() -> World {
    let mut world = World::new();
    world.grant(1, 1, None, ms(600_000));
    world
}

fn call() -> World {
    let mut world = open();
    world.join("fan");
    world.join("star");
    world.run(ms(500));
    world
}

#[test]
fn connecting_is_told_once() {
    let world = call();
    assert_eq!(world.transport_states("fan"), [true]);
    assert_eq!(world.transport_states("star"), [true]);
}

#[test]
fn each_is_told_who_is_on_which_slot_and_never_sees_its_own_tracks() {
    let world = call();
    let slots = world.slots("fan");
    let shown: Vec<_> = slots
        .iter()
        .map(|slot| slot.from.clone().unwrap())
        .collect();
    assert_eq!(
        shown,
        [
            (user("star"), SourceName::Microphone),
            (user("star"), SourceName::Camera)
        ]
    );
}

#[test]
fn a_single_packet_arrives_as_it_was_sent() {
    let mut world = call();
    world.publish(STAR, FRAME);
    world.run(ms(100));
    let fan = &world.clients[FAN];
    assert_eq!(
        (fan.video_received().len(), fan.audio_received().len()),
        (1, 1)
    );
    let picture = fan.video_received()[0];
    assert!(is_keyframe(&picture.payload));
    assert_eq!(picture.payload.len(), 200);
}

#[test]
fn nothing_is_lost_between_ten_people() {
    let mut world = open();
    let everybody: Vec<_> = (0..10)
        .map(|index| world.join_with(&format!("user{index}"), true, 9, None))
        .collect();
    world.run(ms(800));
    world.publish_all(&everybody, ms(500));
    let counts: Vec<_> = world
        .clients
        .iter()
        .map(|client| client.audio_received().len())
        .collect();
    world.publish_all(&everybody, ms(1_000));
    world.run(ms(100));
    for (client, before) in world.clients.iter().zip(counts) {
        let sent = 1_000_u128.div_ceil(FRAME.as_millis()) as usize;
        let received = client.audio_received().len() - before;
        assert!(
            received >= sent * 9 && received <= (sent + 1) * 9,
            "{received} of {}",
            sent * 9
        );
    }
}

#[test]
fn who_finds_no_free_slot_takes_the_place_of_who_leaves() {
    let mut world = open();
    world.join_with("viewer", false, 1, None);
    world.join("first");
    world.join("second");
    assert_eq!(
        world.seen_by("viewer", MediaKind::Video),
        [Some("first".to_owned())]
    );
    world.tell(Command::CloseSeat {
        room: room(),
        user: user("first"),
    });
    assert_eq!(
        world.seen_by("viewer", MediaKind::Video),
        [Some("second".to_owned())]
    );
}

#[test]
fn further_slots_come_with_a_further_offer_and_disturb_nobody() {
    let mut world = open();
    let viewer = world.join_with("viewer", false, 1, None);
    let first = world.join("first");
    let second = world.join("second");
    world.run(ms(500));
    world.publish_all(&[first, second], ms(300));
    world.offer_with(viewer, false, 1, None).unwrap();
    world.publish_all(&[first, second], ms(500));
    let names = ["first", "second"].map(|name| Some(name.to_owned()));
    assert_eq!(world.seen_by("viewer", MediaKind::Video), names);
    assert_eq!(world.transport_states("viewer"), [true]);
    let mids: std::collections::HashSet<_> = world.clients[viewer]
        .video_received()
        .iter()
        .map(|received| received.mid)
        .collect();
    assert_eq!(mids.len(), 2);
}

#[test]
fn a_source_that_takes_over_a_slot_continues_its_numbers_from_a_keyframe_on() {
    let mut world = open();
    let viewer = world.join_with("viewer", false, 1, None);
    let first = world.join("first");
    let second = world.join("second");
    world.run(ms(500));
    world.publish_all(&[first, second], ms(500));
    world.tell(Command::CloseSeat {
        room: room(),
        user: user("first"),
    });
    world.publish(second, ms(1_000));
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
    assert!(
        video
            .windows(2)
            .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 90_000 * 2)
    );
    assert_eq!(
        video
            .iter()
            .filter(|received| is_keyframe(&received.payload))
            .count(),
        2
    );
}

#[test]
fn an_ice_restart_keeps_the_media_flowing() {
    let mut world = call();
    world.publish(STAR, ms(500));
    world.restart_ice(FAN);
    world.publish(STAR, ms(1_000));
    assert_eq!(world.transport_states("fan"), [true]);
    let video = world.clients[FAN].video_received();
    assert!(
        video
            .windows(2)
            .all(|pair| pair[1].at - pair[0].at <= FRAME * 2)
    );
}

#[test]
fn a_restart_from_another_address_finds_the_session_again() {
    let mut world = call();
    world.publish(STAR, ms(300));
    let client = &mut world.clients[FAN];
    client.address = "10.0.9.9:6000".parse().unwrap();
    client
        .rtc
        .add_local_candidate(str0m::Candidate::host(client.address, "udp").unwrap());
    world.restart_ice(FAN);
    let before = world.clients[FAN].received.len();
    world.publish(STAR, ms(1_500));
    assert!(world.clients[FAN].received.len() > before + 10);
}

#[test]
fn a_new_session_on_a_seat_replaces_the_old_one() {
    let mut world = call();
    world.publish_all(&[FAN, STAR], ms(300));
    let again = world.join("star");
    world.run(ms(500));
    let before = world.clients[FAN].received.len();
    world.publish(STAR, ms(300));
    assert_eq!(
        world.clients[FAN].received.len(),
        before,
        "the old session is nobody's"
    );
    world.publish(again, ms(500));
    assert!(world.clients[FAN].received.len() > before + 10);
    assert_eq!(world.transport_states("star"), [true, false, true]);
    let video = world.clients[FAN].video_received();
    assert!(video.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
}

#[test]
fn a_lost_network_is_told_after_two_seconds_and_again_when_it_is_back() {
    let mut world = call();
    world.publish_all(&[FAN, STAR], ms(500));
    world.clients[FAN].dark = true;
    let lost_at = world.now;
    world.publish_all(&[FAN, STAR], ms(3_000));
    assert_eq!(world.transport_states("fan"), [true, false]);
    let last = *world.media_sent_to(FAN).last().unwrap();
    assert!(
        last >= lost_at && last <= lost_at + ms(2_100),
        "after {:?}",
        last - lost_at
    );
    world.clients[FAN].dark = false;
    let before = world.clients[FAN].received.len();
    world.publish_all(&[FAN, STAR], ms(3_000));
    assert_eq!(world.transport_states("fan"), [true, false, true]);
    let back = world.clients[FAN].received[before..]
        .iter()
        .find(|received| received.payload.len() > 2)
        .unwrap();
    assert!(is_keyframe(&back.payload));
}

#[test]
fn a_session_that_stays_away_is_dropped() {
    let mut world = call();
    world.publish_all(&[FAN, STAR], ms(500));
    world.clients[STAR].dark = true;
    world.run(ms(60_000));
    assert_eq!(world.seen_by("fan", MediaKind::Video), [None]);
    assert_eq!(world.transport_states("star"), [true, false]);
}

#[test]
fn a_quiet_room_loses_nobody() {
    let mut world = call();
    world.publish_all(&[FAN, STAR], ms(500));
    world.run(ms(60_000));
    assert_eq!(
        (
            world.transport_states("fan"),
            world.transport_states("star")
        ),
        (vec![true], vec![true])
    );
}

#[test]
fn a_seat_that_may_not_publish_is_seen_by_nobody() {
    let mut world = open();
    world.join("fan");
    let mute = Command::OpenSeat {
        room: room(),
        user: user("mute"),
        lease: common::lease(),
        may_publish: false,
    };
    world.tell(mute);
    let address = "10.0.1.9:5000".parse().unwrap();
    let client = common::client::Client::new("mute", address, world.now);
    world.clients.push(client);
    world.offer_with(1, true, 1, None).unwrap();
    world.run(ms(500));
    world.publish(1, ms(500));
    assert_eq!(world.seen_by("fan", MediaKind::Video), [None]);
    assert!(world.clients[FAN].received.is_empty());
}

#[test]
fn keyframe_requests_of_many_become_one_for_the_publisher() {
    let mut world = open();
    let star = world.join_with("star", true, 0, None);
    let viewers: Vec<_> = (0..5)
        .map(|index| world.join_with(&format!("v{index}"), false, 1, None))
        .collect();
    world.run(ms(500));
    world.publish(star, ms(1_000));
    world.clients[star].keyframes_wanted.clear();
    let now = world.now;
    viewers
        .iter()
        .for_each(|viewer| world.clients[*viewer].request_keyframes(now));
    world.run(ms(100));
    assert_eq!(world.clients[star].keyframes_wanted.len(), 1);
}

#[test]
fn seats_under_different_leases_do_not_share_them() {
    let mut world = open();
    world.join("fan");
    let other = curtaincall_sfu::units::LeaseId::new("other");
    world.tell(Command::OpenSeat {
        room: room(),
        user: user("star"),
        lease: other,
        may_publish: true,
    });
    let client = common::client::Client::new("star", "10.0.1.9:5000".parse().unwrap(), world.now);
    world.clients.push(client);
    world.offer_with(STAR, true, 1, None).unwrap();
    world.run(ms(500));
    world.publish_all(&[FAN, STAR], ms(500));
    assert!(
        world.clients[FAN].received.is_empty(),
        "nothing comes in without the sender's lease"
    );
    assert!(
        world.clients[STAR].received.is_empty(),
        "nothing goes out without the receiver's"
    );
}
