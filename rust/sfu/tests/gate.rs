//! No packet without a lease: the gate in the packet path, with real peers on virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

mod common;

use common::client::is_keyframe;
use common::{FRAME, World, lease, ms, room, user};
use curtaincall_sfu::command::Command;
use curtaincall_sfu::event::What;
use curtaincall_sfu::lease::Cause;
use curtaincall_sfu::units::Epoch;

const FAN: usize = 0;
const STAR: usize = 1;

#[test]
fn nothing_flows_before_the_first_grant() {
    let mut world = World::with_call();
    world.publish_all(&[FAN, STAR], ms(500));
    assert!(world.clients[FAN].received.is_empty());
    assert!(world.clients[STAR].received.is_empty());
    assert!(world.media_sent_to(FAN).is_empty());
}

#[test]
fn a_grant_lets_media_flow_both_ways_from_a_keyframe_on() {
    let mut world = World::with_call();
    world.publish_all(&[FAN, STAR], ms(300));
    world.grant(1, 1, None, ms(5_000));
    world.publish_all(&[FAN, STAR], ms(500));
    for client in [FAN, STAR] {
        let video = world.clients[client].video_received();
        assert!(video.len() > 5, "received {}", video.len());
        assert!(is_keyframe(&video[0].payload));
        assert!(world.clients[client].audio_received().len() > 10);
    }
}

#[test]
fn a_lease_without_renewal_goes_dark_by_itself() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(1_000));
    let granted_at = world.now;
    world.publish_all(&[FAN, STAR], ms(2_000));
    assert_eq!(world.causes(), [Cause::Lapsed]);
    let ended = world.ends()[0];
    assert_eq!(ended.deadline, granted_at + ms(1_000));
    assert_eq!(ended.packets_after_deadline, 0);
    for client in [FAN, STAR] {
        let last = *world.media_sent_to(client).last().unwrap();
        assert!(last < ended.deadline && last + FRAME * 2 > ended.deadline);
    }
}

#[test]
fn a_newer_grant_after_a_lapse_lets_media_flow_again_from_a_keyframe_on() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(500));
    world.publish_all(&[FAN, STAR], ms(1_000));
    let before = world.clients[FAN].received.len();
    world.grant(1, 2, None, ms(5_000));
    world.publish_all(&[FAN, STAR], ms(500));
    let after = world.clients[FAN].received[before..]
        .iter()
        .find(|received| received.payload.len() > 2)
        .unwrap();
    assert!(is_keyframe(&after.payload));
}

#[test]
fn a_revocation_stops_the_very_next_packet() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(5_000));
    world.publish_all(&[FAN, STAR], ms(500));
    world.revoke();
    let revoked_at = world.now;
    world.publish_all(&[FAN, STAR], ms(500));
    assert_eq!(world.causes(), [Cause::Revoked]);
    assert!(
        world
            .media_sent_to(FAN)
            .iter()
            .chain(&world.media_sent_to(STAR))
            .all(|at| *at <= revoked_at)
    );
}

#[test]
fn after_a_revocation_only_a_higher_epoch_counts() {
    let mut world = World::with_call();
    world.grant(3, 1, None, ms(5_000));
    world.revoke();
    world.grant(3, 2, None, ms(5_000));
    world.publish(STAR, ms(300));
    assert!(world.clients[FAN].received.is_empty());
    world.grant(4, 1, None, ms(5_000));
    world.publish(STAR, ms(300));
    assert!(!world.clients[FAN].received.is_empty());
}

#[test]
fn a_stale_grant_changes_nothing() {
    let mut world = World::with_call();
    world.grant(2, 5, None, ms(600));
    let granted_at = world.now;
    world.grant(2, 5, None, ms(60_000));
    world.grant(2, 4, None, ms(60_000));
    world.grant(1, 9, None, ms(60_000));
    world.publish(STAR, ms(1_000));
    assert_eq!(world.ends()[0].deadline, granted_at + ms(600));
}

#[test]
fn the_quota_cuts_to_the_millisecond_and_bills_what_was_granted() {
    let mut world = World::with_call();
    world.grant(1, 1, Some(ms(1_000)), ms(5_000));
    world.publish_all(&[FAN, STAR], ms(3_000));
    assert_eq!(world.causes(), [Cause::Quota]);
    let ended = world.ends()[0];
    assert_eq!(ended.billable, ms(1_000));
    assert_eq!(ended.packets_after_deadline, 0);
    let to_fan = world.media_sent_to(FAN);
    let delivered = *to_fan.last().unwrap() - *to_fan.first().unwrap();
    assert!(
        delivered <= ms(1_000) && delivered + FRAME > ms(1_000),
        "delivered {delivered:?}"
    );
}

#[test]
fn more_quota_before_the_end_goes_on_without_a_gap() {
    let mut world = World::with_call();
    world.grant(1, 1, Some(ms(600)), ms(5_000));
    world.publish(STAR, ms(400));
    world.grant(1, 2, Some(ms(1_200)), ms(5_000));
    world.publish(STAR, ms(2_000));
    assert_eq!(world.ends().len(), 1);
    assert_eq!(world.ends()[0].billable, ms(1_200));
    let to_fan = world.media_sent_to(FAN);
    assert!(to_fan.windows(2).all(|pair| pair[1] - pair[0] <= FRAME));
}

#[test]
fn the_payers_own_camera_costs_nothing() {
    let mut world = World::with_call();
    world.grant(1, 1, Some(ms(10_000)), ms(5_000));
    world.publish(FAN, ms(1_000));
    assert!(!world.clients[STAR].received.is_empty());
    assert_eq!(world.meter(), Some((ms(0), false)));
}

#[test]
fn the_meter_stops_while_the_payee_is_silent() {
    let mut world = World::with_call();
    world.grant(1, 1, Some(ms(60_000)), ms(60_000));
    world.publish(STAR, ms(1_000));
    let (_, running) = world.meter().unwrap();
    assert!(running);
    world.publish(FAN, ms(3_000));
    let (billable, running) = world.meter().unwrap();
    assert!(!running);
    assert!(billable <= ms(1_000), "billed {billable:?}");
    world.publish(STAR, ms(500));
    let (billable, _) = world.meter().unwrap();
    assert!(
        billable <= ms(1_000 + 500),
        "the silence counts at most 500 ms: {billable:?}"
    );
}

#[test]
fn a_running_meter_is_read_at_least_every_second() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(60_000));
    world.publish(STAR, ms(4_000));
    let is_reading = |what: &What| matches!(what, What::MeterRead { running: true, .. });
    let readings: Vec<_> = world
        .events
        .iter()
        .filter(|event| is_reading(&event.what))
        .map(|event| event.at)
        .collect();
    assert!(readings.len() >= 4);
    assert!(
        readings
            .windows(2)
            .all(|pair| pair[1] - pair[0] <= ms(1_000))
    );
}

#[test]
fn media_flowing_is_told_once_for_each_epoch() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(5_000));
    world.publish(STAR, ms(300));
    world.grant(1, 2, None, ms(5_000));
    world.publish(STAR, ms(300));
    world.revoke();
    world.grant(2, 1, None, ms(5_000));
    world.publish(STAR, ms(300));
    let flowing = |what: &What| match what {
        What::MediaFlowing { epoch, .. } => Some(*epoch),
        _ => None,
    };
    let epochs: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| flowing(&event.what))
        .collect();
    assert_eq!(epochs, [Epoch(1), Epoch(2)]);
}

#[test]
fn closing_a_lease_tells_the_final_meter_once() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(5_000));
    world.publish(STAR, ms(1_000));
    for _ in 0..2 {
        world.tell(Command::CloseLease {
            room: room(),
            lease: lease(),
        });
    }
    world.grant(9, 9, None, ms(5_000));
    world.publish(STAR, ms(200));
    assert_eq!(world.causes(), [Cause::Closed]);
    assert!(world.ends()[0].billable > ms(800));
}

#[test]
fn closing_the_room_closes_its_leases() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(5_000));
    world.publish(STAR, ms(300));
    world.tell(Command::CloseRoom { room: room() });
    world.publish(STAR, ms(300));
    assert_eq!(world.causes(), [Cause::Closed]);
    assert_eq!((world.shard.room_count(), world.shard.seat_count()), (0, 0));
}

#[test]
fn packets_sent_before_a_cut_cannot_be_asked_for_after_it() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(5_000));
    world.publish(STAR, ms(500));
    // The last packets before the cut never reach the fan, who asks for them as soon as it sees the gap.
    world.clients[FAN].dark = true;
    world.publish(STAR, ms(100));
    world.revoke();
    world.clients[FAN].dark = false;
    let seen = world.clients[FAN].received.len();
    world.grant(2, 1, None, ms(5_000));
    let granted_at = world.now;
    world.publish(STAR, ms(500));
    let late: Vec<_> = world.clients[FAN].received[seen..]
        .iter()
        .filter(|received| received.payload.len() > 2)
        .collect();
    assert!(is_keyframe(&late[0].payload));
    assert!(
        late.windows(2).all(|pair| pair[0].seq < pair[1].seq),
        "nothing from before the cut is filled in"
    );
    assert!(late[0].at > granted_at);
}

#[test]
fn a_cut_seat_gets_no_packet_of_any_kind_and_takes_no_offer() {
    let mut world = World::with_call();
    world.grant(1, 1, None, ms(60_000));
    world.publish_all(&[FAN, STAR], ms(300));
    world.tell(Command::CutSeat {
        room: room(),
        user: user("fan"),
    });
    let cut_at = world.now;
    world.publish_all(&[FAN, STAR], ms(500));
    let to_fan = world.clients[FAN].address;
    assert!(
        world
            .sent
            .iter()
            .filter(|(_, to, _)| *to == to_fan)
            .all(|(at, _, _)| *at <= cut_at)
    );
    assert!(world.media_sent_to(STAR).iter().all(|at| *at <= cut_at));
    assert!(world.offer_with(FAN, false, 1, None).is_err());
}
