//! The pure parts of what is told: who has the floor, standstills of pictures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

use std::time::{Duration, Instant};

use curtaincall_sfu::allocator::Height;
use curtaincall_sfu::picture_height::picture_height;
use curtaincall_sfu::pictures::Pictures;
use curtaincall_sfu::speaker::{Floor, Level, Loudness, Voice};
use curtaincall_sfu::stats::{EVERY, MAX_TOLD_PER_SECOND, pause};
use proptest::prelude::*;
use str0m::format::Codec;

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

mod height {
    use super::*;

    const KEYFRAME: [u8; 10] = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];

    /// Written by libx264: constrained baseline, 320x180.
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
    ];

    fn aggregated(units: &[&[u8]]) -> Vec<u8> {
        let with_length = |unit: &&[u8]| [&(unit.len() as u16).to_be_bytes(), *unit].concat();
        let units = units.iter().flat_map(with_length);
        std::iter::once(0x78).chain(units).collect()
    }

    #[test]
    fn of_vp8_is_behind_its_descriptor_however_long_that_is() {
        let descriptors: [&[u8]; 5] = [
            &[0x10],
            &[0x90, 0x80, 0x11],
            &[0x90, 0x80, 0x81, 0x22],
            &[0x90, 0xf0, 0x81, 0x22, 0x33, 0x44],
            &[0x90, 0x20, 0x44],
        ];
        for descriptor in descriptors {
            let payload = [descriptor, &KEYFRAME].concat();
            assert_eq!(
                picture_height(Codec::Vp8, &payload),
                Some(Height(360)),
                "{descriptor:x?}"
            );
        }
    }

    #[test]
    fn of_vp8_is_told_by_keyframes_only() {
        let mut other = KEYFRAME;
        other[0] |= 1;
        assert_eq!(
            picture_height(Codec::Vp8, &[&[0x10], &other[..]].concat()),
            None
        );
        assert_eq!(
            picture_height(Codec::Vp8, &[&[0x10], &KEYFRAME[..8]].concat()),
            None
        );
    }

    #[test]
    fn of_h264_is_in_its_parameter_set_alone_or_among_others() {
        assert_eq!(picture_height(Codec::H264, SPS), Some(Height(180)));
        let pps: &[u8] = &[0x68, 0xcb, 0x83];
        for units in [[SPS, pps], [pps, SPS]] {
            assert_eq!(
                picture_height(Codec::H264, &aggregated(&units)),
                Some(Height(180))
            );
        }
        assert_eq!(picture_height(Codec::H264, &aggregated(&[pps])), None);
        assert_eq!(picture_height(Codec::H264, pps), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for codec in [Codec::Vp8, Codec::H264, Codec::Opus] {
                picture_height(codec, &bytes);
            }
        }
    }
}

mod voice {
    use super::*;

    /// The loudness after so many turns of so many packets each.
    fn after(turns: usize, packets: usize, level: i8) -> Loudness {
        let mut voice = Voice::default();
        let mut loudness = Loudness::default();
        for _ in 0..turns {
            (0..packets).for_each(|_| voice.heard(Level(level)));
            loudness = voice.turn();
        }
        loudness
    }

    #[test]
    fn is_as_loud_as_its_packets_however_many_there_are() {
        assert_eq!(after(20, 12, -20), after(20, 4, -20));
        assert!(after(20, 12, -20) > after(20, 12, -30));
    }

    #[test]
    fn noise_of_a_room_is_no_voice() {
        assert_eq!(after(20, 12, -60), Loudness::default());
        assert_eq!(after(20, 12, -127), Loudness::default());
    }

    #[test]
    fn one_loud_packet_is_a_click() {
        assert!(after(1, 1, 0) < after(1, 4, -25));
    }

    #[test]
    fn is_forgotten_soon_after_it_fell_silent() {
        let mut voice = Voice::default();
        (0..12).for_each(|_| voice.heard(Level(-10)));
        let loud = voice.turn();
        let quiet = (0..6).map(|_| voice.turn()).last().unwrap();
        assert!(quiet < Loudness::from_decibels(1) && loud > Loudness::from_decibels(15));
    }

    #[test]
    fn a_level_that_cannot_be_is_taken_for_the_loudest() {
        assert_eq!(after(1, 12, 127), after(1, 12, 0));
    }
}

mod floor {
    use super::*;

    const LOUD: Loudness = Loudness::from_decibels(20);
    const LOUDER: Loudness = Loudness::from_decibels(30);
    const QUIET: Loudness = Loudness::from_decibels(0);

    /// Who has the floor after each turn.
    fn turns(
        floor: &mut Floor<char>,
        heard: &[(char, Loudness)],
        count: usize,
    ) -> Vec<Option<char>> {
        (0..count)
            .map(|_| {
                floor.turn(heard);
                floor.speaker()
            })
            .collect()
    }

    #[test]
    fn a_cough_does_not_take_it_a_sentence_does() {
        let mut floor = Floor::default();
        assert_eq!(turns(&mut floor, &[('a', LOUD), ('b', QUIET)], 1), [None]);
        assert_eq!(turns(&mut floor, &[('a', QUIET), ('b', QUIET)], 1), [None]);
        let spoken = turns(&mut floor, &[('a', LOUD), ('b', QUIET)], 3);
        assert_eq!(spoken, [None, Some('a'), Some('a')]);
    }

    #[test]
    fn it_stays_over_a_breath_and_is_given_up_in_silence() {
        let mut floor = Floor::default();
        turns(&mut floor, &[('a', LOUD)], 2);
        assert_eq!(turns(&mut floor, &[('a', QUIET)], 5), [Some('a'); 5]);
        assert_eq!(turns(&mut floor, &[('a', QUIET)], 1), [None]);
        assert_eq!(floor.last(), Some('a'));
    }

    #[test]
    fn who_is_as_loud_as_the_speaker_does_not_take_it_who_is_louder_does() {
        let mut floor = Floor::default();
        turns(&mut floor, &[('a', LOUD), ('b', QUIET)], 2);
        assert_eq!(
            turns(&mut floor, &[('a', LOUD), ('b', LOUD)], 9),
            [Some('a'); 9]
        );
        let cut = turns(&mut floor, &[('a', LOUD), ('b', LOUDER)], 2);
        assert_eq!(cut, [Some('a'), Some('b')]);
    }

    #[test]
    fn an_answer_takes_it_at_once() {
        let mut floor = Floor::default();
        turns(&mut floor, &[('a', LOUD), ('b', QUIET)], 2);
        let answered = turns(&mut floor, &[('a', QUIET), ('b', LOUD)], 2);
        assert_eq!(answered, [Some('a'), Some('b')]);
    }

    #[test]
    fn who_leaves_has_it_no_more() {
        let mut floor = Floor::default();
        turns(&mut floor, &[('a', LOUD), ('b', QUIET)], 2);
        assert!(floor.turn(&[('b', QUIET)]));
        assert_eq!((floor.speaker(), floor.last()), (None, Some('a')));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn only_who_was_heard_has_it_and_it_changes_hands_at_most_every_other_turn(
            history in prop::collection::vec(prop::collection::vec(0..40_u32, 4), 1..60)
        ) {
            let mut floor = Floor::default();
            let mut before = None;
            let mut since_taken = 2;
            let mut spoke = [false; 4];
            for turn in history {
                let heard: Vec<_> = turn.iter().map(|how| Loudness::from_decibels(*how)).enumerate().collect();
                heard.iter().for_each(|(who, how)| spoke[*who] |= *how >= Loudness::from_decibels(8));
                let changed = floor.turn(&heard);
                prop_assert_eq!(changed, floor.speaker() != before);
                since_taken += 1;
                if changed && let Some(who) = floor.speaker() {
                    prop_assert!(spoke[who]);
                    prop_assert!(since_taken >= 2);
                    since_taken = 0;
                }
                before = floor.speaker();
            }
        }
    }
}

#[test]
fn at_most_a_hundred_sessions_are_told_of_in_a_second() {
    for seats in [1, 2, 99, 100, 101, 250, 1_000, 10_000] {
        // Sessions count once a second; the first count after the pause is told.
        let seconds = pause(seats).as_secs_f64().ceil();
        assert!(
            seats as f64 / seconds <= MAX_TOLD_PER_SECOND as f64,
            "{seats}"
        );
    }
    assert!(pause(100) < EVERY);
}

mod pictures {
    use super::*;

    /// Pictures at a steady distance; returns the moment of the last.
    fn steady(pictures: &mut Pictures, from: Instant, distance: Duration, count: u32) -> Instant {
        (0..count).for_each(|index| {
            pictures.shown(from + distance * index);
        });
        from + distance * (count - 1)
    }

    #[test]
    fn a_steady_stream_never_freezes() {
        for distance in [ms(16), ms(33), ms(200), ms(1_000)] {
            let mut pictures = Pictures::default();
            steady(&mut pictures, Instant::now(), distance, 100);
            assert_eq!(pictures.freezes().count, 0, "{distance:?}");
        }
    }

    #[test]
    fn a_gap_is_a_freeze_with_its_whole_length() {
        let mut pictures = Pictures::default();
        let last = steady(&mut pictures, Instant::now(), ms(33), 50);
        assert_eq!(pictures.shown(last + ms(500)), Some(ms(500)));
        let last = steady(&mut pictures, last + ms(533), ms(33), 50);
        assert_eq!(pictures.shown(last + ms(160)), None, "within what is usual");
        assert_eq!(pictures.freezes().count, 1);
        assert_eq!(pictures.freezes().length, ms(500));
    }

    #[test]
    fn what_was_switched_off_or_stopped_did_not_freeze() {
        let mut pictures = Pictures::default();
        let last = steady(&mut pictures, Instant::now(), ms(33), 50);
        let last = steady(&mut pictures, last + ms(60_000), ms(33), 50);
        pictures.begin();
        steady(&mut pictures, last + ms(1_000), ms(33), 50);
        assert_eq!(pictures.freezes().count, 0);
    }
}
