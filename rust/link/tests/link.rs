//! The model alone: what is asked of it is what it does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::{Duration, Instant};

use curtaincall_link::{
    Bottleneck, Conditions, Fate, Link, OVERHEAD_BYTES, Outages, Percent, Rate,
};
use proptest::prelude::*;

const SEED: u64 = 7;

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// What becomes of `count` datagrams of 972 bytes (1,000 on the wire), one every `every`.
fn fates(conditions: Conditions, count: u32, every: Duration) -> (Instant, Vec<Fate>) {
    let start = Instant::now();
    let mut link = Link::new(start, conditions, SEED);
    let send = |index| link.send(start + every * index, 1_000 - OVERHEAD_BYTES);
    (start, (0..count).map(send).collect())
}

fn arrivals(fates: &[Fate]) -> Vec<Instant> {
    let arrival = |fate: &Fate| match fate {
        Fate::Arrives(at) => Some(*at),
        _ => None,
    };
    fates.iter().filter_map(arrival).collect()
}

#[test]
fn a_perfect_link_only_takes_its_time() {
    let conditions = Conditions {
        delay: ms(20),
        ..Conditions::default()
    };
    let (start, fates) = fates(conditions, 100, ms(1));
    for (index, fate) in (0..).zip(fates) {
        assert_eq!(fate, Fate::Arrives(start + ms(index) + ms(20)));
    }
}

#[test]
fn the_same_seed_is_the_same_fate() {
    let conditions = Conditions {
        jitter: ms(30),
        loss: Percent(10.0),
        reordered: Percent(5.0),
        ..Conditions::default()
    };
    let start = Instant::now();
    let run = |seed| {
        let mut link = Link::new(start, conditions, seed);
        let send = |index| link.send(start + ms(3) * index, 500);
        (0..1_000).map(send).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn as_many_are_lost_as_is_said() {
    for loss in [1.0, 5.0, 10.0, 20.0] {
        let conditions = Conditions {
            loss: Percent(loss),
            ..Conditions::default()
        };
        let (_, fates) = fates(conditions, 20_000, ms(1));
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        let share = lost as f64 / 200.0;
        assert!((share - loss).abs() < loss / 5.0, "{share} of {loss}");
    }
}

#[test]
fn jitter_delays_and_does_not_reorder() {
    let conditions = Conditions {
        delay: ms(10),
        jitter: ms(100),
        ..Conditions::default()
    };
    let (start, fates) = fates(conditions, 5_000, ms(2));
    let arrivals = arrivals(&fates);
    assert!(arrivals.is_sorted());
    let delays: Vec<_> = (0..)
        .zip(&arrivals)
        .map(|(index, at)| *at - (start + ms(2 * index)))
        .collect();
    assert!(
        delays
            .iter()
            .all(|delay| (ms(10)..=ms(110)).contains(delay))
    );
    let long = delays.iter().filter(|delay| **delay > ms(80)).count();
    let short = delays.iter().filter(|delay| **delay < ms(40)).count();
    assert!(long > 500 && short > 200, "{long} long, {short} short");
}

#[test]
fn those_that_take_another_way_are_overtaken() {
    let conditions = Conditions {
        reordered: Percent(5.0),
        ..Conditions::default()
    };
    let (_, fates) = fates(conditions, 2_000, ms(2));
    let arrivals = arrivals(&fates);
    assert_eq!(arrivals.len(), 2_000);
    let overtaken = arrivals.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!((40..140).contains(&overtaken), "{overtaken}");
}

#[test]
fn a_bottleneck_lets_through_what_it_can_and_its_queue_is_bounded() {
    // 1,000 bytes a millisecond are 8 Mbit/s, for a link of 4 Mbit/s.
    let conditions = Conditions {
        bottleneck: Some(Bottleneck {
            rate: Rate(4_000_000),
            queue_bytes: 50_000,
        }),
        ..Conditions::default()
    };
    let (start, fates) = fates(conditions, 2_000, ms(1));
    let arrivals = arrivals(&fates);
    let last = *arrivals.last().unwrap() - start;
    let rate = arrivals.len() as f64 * 8_000.0 / last.as_secs_f64();
    assert!((3_900_000.0..4_100_000.0).contains(&rate), "{rate}");
    assert!(last < ms(2_000) + ms(101), "50,000 bytes wait for 100 ms");
    let dropped = fates.iter().filter(|fate| **fate == Fate::Dropped).count();
    assert_eq!(dropped + arrivals.len(), 2_000);
}

#[test]
fn a_link_that_becomes_wider_keeps_the_order() {
    let start = Instant::now();
    let narrow = |rate| Conditions {
        bottleneck: Some(Bottleneck {
            rate: Rate(rate),
            queue_bytes: 100_000,
        }),
        ..Conditions::default()
    };
    let mut link = Link::new(start, narrow(100_000), SEED);
    let first = link.send(start, 1_000);
    assert!(link.wait(start) > ms(80));
    link.set(start + ms(1), narrow(8_000_000));
    let second = link.send(start + ms(1), 1_000);
    let both = arrivals(&[first, second]);
    assert!(both[0] <= both[1]);
}

#[test]
fn in_an_outage_everything_is_lost() {
    let conditions = Conditions {
        outages: Some(Outages {
            every: ms(2_000),
            length: (ms(100), ms(300)),
        }),
        ..Conditions::default()
    };
    let (_, fates) = fates(conditions, 60_000, ms(1));
    let runs: Vec<_> = fates
        .chunk_by(|left, right| (*left == Fate::Lost) == (*right == Fate::Lost))
        .filter(|run| run[0] == Fate::Lost)
        .map(<[Fate]>::len)
        .collect();
    assert!((15..50).contains(&runs.len()), "{} outages", runs.len());
    assert!(runs.iter().all(|run| (99..=301).contains(run)), "{runs:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing arrives before it could have, and without a detour nothing overtakes.
    #[test]
    fn nothing_arrives_early_or_out_of_order(
        seed: u64,
        sends in prop::collection::vec((0_u64..20_000, 1_usize..1_400), 1..300),
        rate in 50_000_u64..10_000_000,
        delay in 0_u64..400,
        jitter in 0_u64..100,
    ) {
        let start = Instant::now();
        let conditions = Conditions {
            delay: ms(delay),
            jitter: ms(jitter),
            loss: Percent(5.0),
            bottleneck: Some(Bottleneck { rate: Rate(rate), queue_bytes: 20_000 }),
            ..Conditions::default()
        };
        let mut link = Link::new(start, conditions, seed);
        let mut now = start;
        let mut last = start;
        for (gap_us, bytes) in sends {
            now += Duration::from_micros(gap_us);
            if let Fate::Arrives(at) = link.send(now, bytes) {
                prop_assert!(at >= now + ms(delay));
                prop_assert!(at >= last);
                last = at;
            }
        }
    }
}

#[test]
fn conditions_are_read_from_words() {
    let conditions: Conditions = "loss=5,delay=20,rate=500".parse().unwrap();
    assert_eq!((conditions.loss, conditions.delay), (Percent(5.0), ms(20)));
    assert_eq!(conditions.bottleneck, Some(Bottleneck::of(Rate(500_000))));
    assert_eq!("".parse(), Ok(Conditions::default()));
    for nonsense in ["loss", "loss=x", "delay=-1", "colour=3"] {
        assert!(nonsense.parse::<Conditions>().is_err(), "{nonsense}");
    }
}
