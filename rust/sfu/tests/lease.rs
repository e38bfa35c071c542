//! The lease and its meter, alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

use std::time::{Duration, Instant};

use curtaincall_sfu::lease::{Cause, GAP_CAP, Lease, News, SEND_GUARD, Terms};
use curtaincall_sfu::units::{Epoch, GrantSeq};
use proptest::prelude::*;

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn terms(epoch: u64, seq: u64, quota: Option<Duration>, lease: Duration) -> Terms {
    Terms {
        epoch: Epoch(epoch),
        seq: GrantSeq(seq),
        quota,
        lease,
    }
}

fn granted(now: Instant, quota: Option<Duration>) -> Lease {
    let mut lease = Lease::new();
    assert!(lease.grant(now, terms(1, 1, quota, ms(60_000))));
    lease
}

fn billable(lease: &mut Lease, now: Instant) -> Duration {
    let mut news = Vec::new();
    lease.read(now, &mut news);
    match news.last() {
        Some(News::Meter { billable, .. }) => *billable,
        other => unreachable!("{other:?}"),
    }
}

fn ends(news: &[News]) -> Vec<(Cause, Duration)> {
    let end = |news: &News| match news {
        News::Ended(ended) => Some((ended.cause, ended.billable)),
        _ => None,
    };
    news.iter().filter_map(end).collect()
}

#[test]
fn a_new_lease_denies() {
    let lease = Lease::new();
    assert!(!lease.is_open(Instant::now()));
    assert_eq!(lease.deadline(), None);
}

#[test]
fn nothing_is_sent_in_the_last_moment() {
    let now = Instant::now();
    let mut lease = Lease::new();
    lease.grant(now, terms(1, 1, None, ms(100)));
    let deadline = now + ms(100);
    assert!(lease.may_send(deadline - SEND_GUARD - Duration::from_nanos(1)));
    assert!(!lease.may_send(deadline - SEND_GUARD));
    assert!(lease.is_open(deadline - Duration::from_nanos(1)));
    assert!(!lease.is_open(deadline));
}

#[test]
fn a_gap_bills_at_most_half_a_second() {
    let start = Instant::now();
    let mut lease = granted(start, None);
    let mut news = Vec::new();
    lease.sent(start, true, &mut news);
    lease.sent(start + ms(20), true, &mut news);
    lease.sent(start + ms(5_020), true, &mut news);
    assert_eq!(billable(&mut lease, start), ms(20) + GAP_CAP);
}

#[test]
fn only_metered_packets_bill() {
    let start = Instant::now();
    let mut lease = granted(start, None);
    let mut news = Vec::new();
    (0..50).for_each(|index| lease.sent(start + ms(20 * index), false, &mut news));
    assert!(news.is_empty());
}

#[test]
fn the_time_that_the_payer_was_away_is_not_billed() {
    let start = Instant::now();
    let mut lease = granted(start, None);
    let mut news = Vec::new();
    lease.sent(start, true, &mut news);
    lease.sent(start + ms(20), true, &mut news);
    lease.payer_lost(start + ms(100), &mut news);
    lease.sent(start + ms(400), true, &mut news);
    assert_eq!(billable(&mut lease, start), ms(20));
}

#[test]
fn a_grant_without_any_quota_left_ends_as_it_begins() {
    let start = Instant::now();
    let mut lease = Lease::new();
    let mut news = Vec::new();
    lease.grant(start, terms(1, 1, Some(Duration::ZERO), ms(5_000)));
    assert!(!lease.is_open(start));
    lease.elapse(start, &mut news);
    assert_eq!(ends(&news), [(Cause::Quota, Duration::ZERO)]);
}

#[test]
fn a_long_silence_does_not_use_up_more_than_it_may_bill() {
    let start = Instant::now();
    let mut lease = granted(start, Some(ms(2_000)));
    let mut news = Vec::new();
    lease.sent(start, true, &mut news);
    lease.elapse(start + ms(30_000), &mut news);
    assert!(
        lease.is_open(start + ms(30_000)),
        "2 s are left: one gap cannot use them up"
    );
    assert!(ends(&news).is_empty());
}

#[test]
fn a_send_call_that_returned_late_is_counted_and_not_billed() {
    let start = Instant::now();
    let mut lease = granted(start, Some(ms(100)));
    let mut news = Vec::new();
    lease.sent(start, true, &mut news);
    lease.sent(start + ms(150), true, &mut news);
    lease.elapse(start + ms(150), &mut news);
    let ended = news.iter().find_map(|news| match news {
        News::Ended(ended) => Some(*ended),
        _ => None,
    });
    let ended = ended.unwrap();
    assert_eq!(
        (ended.cause, ended.billable, ended.packets_after_deadline),
        (Cause::Quota, ms(100), 1)
    );
}

#[test]
fn a_revocation_before_the_first_grant_voids_the_lowest_epoch() {
    let start = Instant::now();
    let mut lease = Lease::new();
    lease.revoke(start, &mut Vec::new());
    assert!(!lease.grant(start, terms(0, 1, None, ms(5_000))));
    assert!(lease.grant(start, terms(1, 0, None, ms(5_000))));
}

#[test]
fn a_closed_lease_stays_closed() {
    let start = Instant::now();
    let mut lease = granted(start, None);
    let mut news = Vec::new();
    lease.close(start, &mut news);
    lease.close(start, &mut news);
    lease.revoke(start, &mut news);
    assert!(!lease.grant(start, terms(9, 9, None, ms(5_000))));
    assert_eq!(ends(&news), [(Cause::Closed, Duration::ZERO)]);
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Packet,
    Grant {
        epoch: u64,
        seq: u64,
        quota: Option<u64>,
        lease: u64,
    },
    Revoke,
    PayerLost,
}

fn step() -> impl Strategy<Value = Step> {
    let grant = (
        0_u64..4,
        0_u64..6,
        prop::option::of(0_u64..4_000),
        0_u64..3_000,
    );
    prop_oneof![
        6 => (0_u64..700).prop_map(Step::Wait),
        8 => Just(Step::Packet),
        3 => grant.prop_map(|(epoch, seq, quota, lease)| Step::Grant { epoch, seq, quota, lease }),
        1 => Just(Step::Revoke),
        1 => Just(Step::PayerLost),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: never more is billed than was granted or than the packets' gaps add up
    /// to, the meter never runs backwards, and no packet is allowed outside of a grant's time.
    #[test]
    fn the_meter_never_exceeds_what_was_granted_or_delivered(steps in prop::collection::vec(step(), 1..200)) {
        let mut now = Instant::now();
        let mut lease = Lease::new();
        let mut news = Vec::new();
        let (mut granted, mut delivered, mut last_packet) = (Some(Duration::ZERO), Duration::ZERO, None::<Instant>);
        let mut open_until = None::<Instant>;
        let mut before = Duration::ZERO;
        for step in steps {
            match step {
                Step::Wait(millis) => now += ms(millis),
                Step::Packet if lease.may_send(now) => {
                    prop_assert!(open_until.is_some_and(|until| now < until));
                    lease.sent(now, true, &mut news);
                    delivered += last_packet.map_or(Duration::ZERO, |at| (now - at).min(GAP_CAP));
                    last_packet = Some(now);
                }
                Step::Packet => {}
                Step::Grant { epoch, seq, quota, lease: length } => {
                    lease.elapse(now, &mut news);
                    if lease.grant(now, terms(epoch, seq, quota.map(ms), ms(length))) {
                        granted = granted.zip(quota).map(|(granted, quota)| granted.max(ms(quota)));
                        open_until = Some(now + ms(length));
                    }
                }
                Step::Revoke => lease.revoke(now, &mut news),
                Step::PayerLost => lease.payer_lost(now, &mut news),
            }
            lease.elapse(now, &mut news);
            let billed = billable(&mut lease, now);
            prop_assert!(billed >= before);
            prop_assert!(granted.is_none_or(|granted| billed <= granted));
            prop_assert!(billed <= delivered + GAP_CAP * (1 + ends(&news).len() as u32));
            before = billed;
        }
    }
}
