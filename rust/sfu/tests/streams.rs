//! The pure parts that streams are made of: slots, layers, capture times, keyframes.

use std::time::{Duration, Instant};

use curtaincall_sfu::capture::{CaptureClock, Report};
use curtaincall_sfu::keyframes::{Debounce, MIN_INTERVAL, starts_keyframe};
use curtaincall_sfu::layers::{Rate, choose};
use curtaincall_sfu::slots::{Offered, Place, assign};
use proptest::prelude::*;
use str0m::format::Codec;
use str0m::media::Frequency;
use str0m::media::MediaKind::{Audio, Video};

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

mod slots {
    use super::*;

    fn places(kinds: &[str0m::media::MediaKind]) -> Vec<Place<u8>> {
        kinds
            .iter()
            .map(|kind| Place {
                kind: *kind,
                source: None,
            })
            .collect()
    }

    fn offered(sources: &[(str0m::media::MediaKind, u8)]) -> Vec<Offered<u8>> {
        sources
            .iter()
            .map(|(kind, source)| Offered {
                kind: *kind,
                source: *source,
            })
            .collect()
    }

    fn on(places: &[Place<u8>]) -> Vec<Option<u8>> {
        places.iter().map(|place| place.source).collect()
    }

    #[test]
    fn sources_go_to_free_slots_of_their_kind() {
        let mut slots = places(&[Audio, Video, Video]);
        assert!(assign(
            &mut slots,
            &offered(&[(Video, 1), (Audio, 2)]),
            |_, _| true
        ));
        assert_eq!(on(&slots), [Some(2), Some(1), None]);
    }

    #[test]
    fn a_source_that_stays_never_moves() {
        let mut slots = places(&[Video, Video, Video]);
        assign(
            &mut slots,
            &offered(&[(Video, 1), (Video, 2), (Video, 3)]),
            |_, _| true,
        );
        assign(&mut slots, &offered(&[(Video, 2), (Video, 3)]), |_, _| true);
        assert_eq!(on(&slots), [None, Some(2), Some(3)]);
    }

    #[test]
    fn who_finds_no_slot_gets_the_next_that_is_freed() {
        let mut slots = places(&[Video]);
        assign(&mut slots, &offered(&[(Video, 1), (Video, 2)]), |_, _| true);
        assert_eq!(on(&slots), [Some(1)]);
        assert!(assign(&mut slots, &offered(&[(Video, 2)]), |_, _| true));
        assert_eq!(on(&slots), [Some(2)]);
    }

    #[test]
    fn a_source_that_a_slot_cannot_carry_stays_off_it() {
        let mut slots = places(&[Video, Video]);
        assign(&mut slots, &offered(&[(Video, 1)]), |index, _| index == 1);
        assert_eq!(on(&slots), [None, Some(1)]);
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        let mut slots = places(&[Audio, Video]);
        let sources = offered(&[(Video, 1), (Audio, 2), (Video, 3)]);
        assert!(assign(&mut slots, &sources, |_, _| true));
        assert!(!assign(&mut slots, &sources, |_, _| true));
    }
}

mod layers {
    use super::*;

    /// A layer that carried so many bytes a second for a while.
    fn flowing(now: Instant, bytes: usize) -> Rate {
        let mut rate = Rate::default();
        (0..=22).rev().for_each(|ago| {
            rate.packet(now - ms(ago * 50), bytes / 20);
        });
        rate
    }

    #[test]
    fn the_layer_with_the_most_bits_is_chosen() {
        let now = Instant::now();
        let layers = [
            flowing(now, 20_000),
            flowing(now, 200_000),
            flowing(now, 60_000),
        ];
        assert_eq!(choose(now, &layers, None), Some(1));
        assert_eq!(choose(now, &layers, Some(2)), Some(1));
    }

    #[test]
    fn a_layer_that_is_hardly_better_does_not_replace_the_active() {
        let now = Instant::now();
        let layers = [flowing(now, 100_000), flowing(now, 120_000)];
        assert_eq!(choose(now, &layers, Some(0)), Some(0));
    }

    #[test]
    fn a_layer_that_stopped_is_left() {
        let now = Instant::now();
        let layers = [flowing(now, 20_000), flowing(now - ms(2_000), 200_000)];
        assert_eq!(choose(now, &layers, Some(1)), Some(0));
    }
}

mod capture {
    use super::*;
    use std::time::SystemTime;

    const RATE: Frequency = Frequency::NINETY_KHZ;
    const AUDIO_RATE: Frequency = Frequency::FORTY_EIGHT_KHZ;

    #[test]
    fn pictures_and_sound_captured_together_are_told_together_whenever_they_came() {
        let (start, wall_clock) = (Instant::now(), SystemTime::now());
        let report = |timestamp| Report {
            wall_clock,
            timestamp,
        };
        let mut clock = CaptureClock::default();
        clock.captured_at(start, report(5_000), 5_000, RATE);
        let picture = clock.captured_at(start + ms(1_080), report(5_000), 5_000 + 90_000, RATE);
        let sound = clock.captured_at(start + ms(1_010), report(77), 77 + 48_000, AUDIO_RATE);
        assert_eq!((picture, sound), (start + ms(1_000), start + ms(1_000)));
    }

    #[test]
    fn nothing_is_captured_later_than_it_comes() {
        let (start, wall_clock) = (Instant::now(), SystemTime::now());
        let report = Report {
            wall_clock,
            timestamp: 0,
        };
        let mut clock = CaptureClock::default();
        clock.captured_at(start + ms(200), report, 0, RATE);
        assert_eq!(
            clock.captured_at(start + ms(210), report, 9_000, RATE),
            start + ms(210)
        );
        assert_eq!(
            clock.captured_at(start + ms(320), report, 18_000, RATE),
            start + ms(310)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_report_whatever_leads_far_from_now(
            reports in prop::collection::vec((any::<u64>(), any::<u32>(), any::<u32>(), 0_u64..5_000), 1..50)
        ) {
            let mut now = Instant::now() + Duration::from_secs(3_600);
            let mut clock = CaptureClock::default();
            for (wall_clock, timestamp, packet, wait) in reports {
                now += ms(wait);
                let wall_clock = SystemTime::UNIX_EPOCH + ms(wall_clock % (1 << 42));
                let captured = clock.captured_at(now, Report { wall_clock, timestamp }, packet, RATE);
                prop_assert!(captured <= now && now - captured <= Duration::from_secs(10));
            }
        }
    }
}

mod keyframes {
    use super::*;

    #[test]
    fn many_wishes_make_one_request_and_one_more_at_the_end_of_the_interval() {
        let start = Instant::now();
        let mut requests = Debounce::default();
        assert!(requests.want(start));
        assert!((1..10).all(|wish| !requests.want(start + ms(20 * wish))));
        assert_eq!(requests.deadline(), Some(start + MIN_INTERVAL));
        assert!(requests.elapse(start + MIN_INTERVAL));
        assert!(
            !requests.elapse(start + MIN_INTERVAL * 3),
            "nobody asked since"
        );
    }

    #[test]
    fn a_keyframe_answers_the_wishes_before_it() {
        let start = Instant::now();
        let mut requests = Debounce::default();
        requests.want(start);
        requests.want(start + ms(50));
        requests.answered();
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn keyframes_of_h264_are_seen_in_every_packing() {
        let sps_in_stap = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce];
        let idr_first_fragment = [0x7c, 0x85, 0];
        for payload in [
            &[0x67, 0x42][..],
            &[0x65, 0x88],
            &sps_in_stap,
            &idr_first_fragment,
        ] {
            assert!(starts_keyframe(Codec::H264, payload), "{payload:02x?}");
        }
        let idr_later_fragment = [0x7c, 0x05, 0];
        let slices_in_stap = [0x78, 0, 2, 0x61, 0x42, 0, 2, 0x61, 0xce];
        for payload in [
            &[0x61, 0x42][..],
            &idr_later_fragment,
            &slices_in_stap,
            &[],
            &[0x78],
            &[0x78, 0xff, 0xff, 0x01],
        ] {
            assert!(!starts_keyframe(Codec::H264, payload), "{payload:02x?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_payload_whatever_does_harm(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            for codec in [Codec::Vp8, Codec::H264, Codec::Opus, Codec::Av1] {
                starts_keyframe(codec, &payload);
            }
        }
    }
}
