//! Choosing layers: a table of cases, and what holds for all.

use curtaincall_sfu::allocator::{
    BitRate, Choice, Height, Rung, Stream, Why, Wish, allocate, desired, starting,
};
use proptest::prelude::*;

const LOW: u64 = 150_000;
const MIDDLE: u64 = 500_000;
const HIGH: u64 = 1_500_000;
const AUDIO: BitRate = BitRate(32_000);

/// Name, estimate, streams, and what is to be chosen.
type Case = (&'static str, Option<u64>, Vec<Stream>, Vec<Choice>);

fn rung(height: u16, rate: u64) -> Rung {
    Rung {
        height: Height(height),
        rate: BitRate(rate),
    }
}

fn stream() -> Stream {
    Stream {
        rungs: vec![rung(240, LOW), rung(480, MIDDLE), rung(720, HIGH)],
        wish: Wish::default(),
        preferred: false,
        open: true,
        current: None,
    }
}

fn wishing(max_height: u16) -> Stream {
    let wish = Wish {
        max_height: Height(max_height),
        priority: 0,
    };
    Stream { wish, ..stream() }
}

fn preferred() -> Stream {
    Stream {
        preferred: true,
        ..stream()
    }
}

fn on(rung: usize) -> Stream {
    Stream {
        current: Some(rung),
        ..stream()
    }
}

fn closed() -> Stream {
    Stream {
        open: false,
        ..stream()
    }
}

#[test]
fn a_table_of_cases() {
    use Choice::{Paused, Rung};
    use Why::{Bandwidth, Lease, Subscription};
    let first = Stream {
        wish: Wish {
            priority: 1,
            ..Wish::default()
        },
        ..stream()
    };
    let cases: Vec<Case> = vec![
        ("nobody", Some(0), vec![], vec![]),
        ("no limit is known", None, vec![stream()], vec![Rung(2)]),
        ("plenty", Some(8_000_000), vec![stream()], vec![Rung(2)]),
        (
            "the middle fits",
            Some(1_000_000),
            vec![stream()],
            vec![Rung(1)],
        ),
        (
            "audio alone",
            Some(150_000),
            vec![stream()],
            vec![Paused(Bandwidth)],
        ),
        (
            "less than audio",
            Some(10_000),
            vec![stream()],
            vec![Paused(Bandwidth)],
        ),
        (
            "no more than wished",
            None,
            vec![wishing(480)],
            vec![Rung(1)],
        ),
        ("between two rungs", None, vec![wishing(700)], vec![Rung(1)]),
        ("the lowest at least", None, vec![wishing(1)], vec![Rung(0)]),
        (
            "not wished",
            None,
            vec![wishing(0)],
            vec![Paused(Subscription)],
        ),
        ("no lease", None, vec![closed()], vec![Paused(Lease)]),
        (
            "everybody before anybody's second",
            Some(500_000),
            vec![preferred(), stream()],
            vec![Rung(0), Rung(0)],
        ),
        (
            "the preferred before the others' second",
            Some(2_200_000),
            vec![stream(), preferred()],
            vec![Rung(0), Rung(2)],
        ),
        (
            "the preferred before the others' first",
            Some(250_000),
            vec![stream(), preferred()],
            vec![Paused(Bandwidth), Rung(0)],
        ),
        (
            "by priority among equals",
            Some(900_000),
            vec![stream(), first],
            vec![Rung(0), Rung(1)],
        ),
        (
            "just not enough to rise",
            Some(1_700_000),
            vec![on(1)],
            vec![Rung(1)],
        ),
        (
            "just enough to stay",
            Some(1_540_000),
            vec![on(2)],
            vec![Rung(2)],
        ),
        (
            "too little to stay",
            Some(1_500_000),
            vec![on(2)],
            vec![Rung(1)],
        ),
    ];
    for (name, estimate, streams, expected) in cases {
        let chosen = allocate(estimate.map(BitRate), AUDIO, &streams);
        assert_eq!(chosen, expected, "{name}");
    }
}

fn any_stream() -> impl Strategy<Value = Stream> {
    let rungs = prop::collection::vec(1_000_u64..3_000_000, 0..4);
    let height = prop_oneof![Just(0_u16), Just(240), Just(480), Just(720), any::<u16>()];
    (
        rungs,
        height,
        0_u8..3,
        any::<bool>(),
        prop::bool::weighted(0.8),
        prop::option::of(0_usize..4),
    )
        .prop_map(
            |(mut rates, max_height, priority, preferred, open, current)| {
                rates.sort_unstable();
                let heights = [240, 480, 720];
                Stream {
                    rungs: heights
                        .into_iter()
                        .zip(rates)
                        .map(|(height, rate)| rung(height, rate))
                        .collect(),
                    wish: Wish {
                        max_height: Height(max_height),
                        priority,
                    },
                    preferred,
                    open,
                    current,
                }
            },
        )
}

fn any_streams() -> impl Strategy<Value = Vec<Stream>> {
    prop::collection::vec(any_stream(), 0..20)
}

fn cost(streams: &[Stream], chosen: &[Choice]) -> u64 {
    let cost = |(stream, choice): (&Stream, &Choice)| match choice {
        Choice::Rung(rung) => stream.rungs[*rung].rate.0,
        Choice::Paused(_) => 0,
    };
    streams.iter().zip(chosen).map(cost).sum()
}

fn move_on(streams: &mut [Stream], chosen: &[Choice]) {
    for (stream, choice) in streams.iter_mut().zip(chosen) {
        stream.current = match choice {
            Choice::Rung(rung) => Some(*rung),
            Choice::Paused(_) => None,
        };
    }
}

proptest! {
    #[test]
    fn never_over_the_estimate(streams in any_streams(), estimate in 0_u64..20_000_000, audio in 0_u64..700_000) {
        let chosen = allocate(Some(BitRate(estimate)), BitRate(audio), &streams);
        prop_assert!(cost(&streams, &chosen) <= estimate.saturating_sub(audio));
    }

    #[test]
    fn never_what_nobody_may_or_wants_to_see(streams in any_streams(), estimate in prop::option::of(0_u64..20_000_000)) {
        let chosen = allocate(estimate.map(BitRate), AUDIO, &streams);
        for (stream, choice) in streams.iter().zip(chosen) {
            match choice {
                Choice::Rung(rung) => {
                    prop_assert!(stream.open && stream.wish.max_height > Height(0));
                    prop_assert!(rung == 0 || stream.rungs[rung].height <= stream.wish.max_height);
                }
                Choice::Paused(Why::Lease) => prop_assert!(!stream.open),
                Choice::Paused(Why::Subscription) => prop_assert_eq!(stream.wish.max_height, Height(0)),
                Choice::Paused(Why::Bandwidth) => prop_assert!(estimate.is_some() || stream.rungs.is_empty()),
            }
        }
    }

    /// Nobody waits while the others could make room for it by giving up their second layers.
    #[test]
    fn the_lowest_of_everybody_first(streams in any_streams(), estimate in 0_u64..20_000_000) {
        let chosen = allocate(Some(BitRate(estimate)), AUDIO, &streams);
        let lowest = |stream: &Stream| stream.rungs.first().map_or(0, |rung| rung.rate.0);
        let of_chosen: u64 = streams.iter().zip(&chosen)
            .filter(|(_, choice)| matches!(choice, Choice::Rung(_)))
            .map(|(stream, _)| lowest(stream)).sum();
        let somebody_has_a_second = chosen.iter().any(|choice| matches!(choice, Choice::Rung(1..)));
        let cautious = (estimate - estimate / 100 * 15).saturating_sub(AUDIO.0);
        for (stream, choice) in streams.iter().zip(&chosen) {
            if *choice == Choice::Paused(Why::Bandwidth) && !stream.rungs.is_empty() && somebody_has_a_second {
                prop_assert!(of_chosen + lowest(stream) > cautious);
            }
        }
    }

    #[test]
    fn an_answer_stands(streams in any_streams(), estimate in 0_u64..20_000_000) {
        let mut streams = streams;
        let chosen = allocate(Some(BitRate(estimate)), AUDIO, &streams);
        move_on(&mut streams, &chosen);
        prop_assert_eq!(allocate(Some(BitRate(estimate)), AUDIO, &streams), chosen);
    }

    /// An estimate that moves up and down by a tenth changes the answer at most while it settles.
    #[test]
    fn no_flapping(streams in any_streams(), estimate in 500_000_u64..20_000_000, moves in prop::collection::vec(0_u64..=10, 2..20)) {
        let mut streams = streams;
        let lowest = allocate(Some(BitRate(estimate)), AUDIO, &streams);
        move_on(&mut streams, &lowest);
        let highest = allocate(Some(BitRate(estimate + estimate / 10)), AUDIO, &streams);
        move_on(&mut streams, &highest);
        let settled = allocate(Some(BitRate(estimate)), AUDIO, &streams);
        move_on(&mut streams, &settled);
        for percent in moves {
            let moved = BitRate(estimate + estimate / 100 * percent);
            let chosen = allocate(Some(moved), AUDIO, &streams);
            prop_assert_eq!(&chosen, &settled);
            move_on(&mut streams, &chosen);
        }
    }
}

#[test]
fn what_is_desired_is_what_all_of_it_is_chosen_for() {
    let streams = [stream(), wishing(480), wishing(0), preferred()];
    let desired = desired(AUDIO, &streams);
    let choices = allocate(Some(desired), AUDIO, &streams);
    let expected = [
        Choice::Rung(2),
        Choice::Rung(1),
        Choice::Paused(Why::Subscription),
        Choice::Rung(2),
    ];
    assert_eq!(choices, expected);
    let less = BitRate(desired.0 - desired.0 / 50);
    assert_ne!(allocate(Some(less), AUDIO, &streams), expected);
}

#[test]
fn a_link_of_which_nothing_is_known_carries_sound_and_the_lowest_layers() {
    let few = [stream(), stream()];
    let choices = allocate(Some(starting(AUDIO, &few)), AUDIO, &few);
    assert_eq!(choices, [Choice::Rung(0), Choice::Rung(0)]);
    // Of many, so many as a poor link carries.
    let many: Vec<_> = (0..20).map(|_| stream()).collect();
    let choices = allocate(Some(starting(AUDIO, &many)), AUDIO, &many);
    let shown = choices
        .iter()
        .filter(|choice| **choice == Choice::Rung(0))
        .count();
    assert_eq!(shown as u64, 1_000_000 / LOW);
    // One that has a single layer is shown in any case.
    let large = Stream {
        rungs: vec![rung(720, 2_500_000)],
        ..stream()
    };
    let choices = allocate(
        Some(starting(AUDIO, std::slice::from_ref(&large))),
        AUDIO,
        &[large],
    );
    assert_eq!(choices, [Choice::Rung(0)]);
}
