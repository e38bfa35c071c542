//! The pure parts around a session: whether the peer is there, how it is found, what is told of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use curtaincall_sfu::budget::{Budgets, MEDIA_PER_SECOND};
use curtaincall_sfu::consent::{Consent, Heard, QUIET_SILENCE, TALKATIVE_SILENCE};
use curtaincall_sfu::event::{Event, What};
use curtaincall_sfu::event_log::{EventLog, MAX_WAITING};
use curtaincall_sfu::path::Path;
use curtaincall_sfu::route::{Known, MAX_ADDRESSES, Routes, local_ufrag};
use curtaincall_sfu::stats::{Flow, Stats};
use curtaincall_sfu::units::{EventNumber, LeaseId, RoomId, UserId};
use proptest::prelude::*;

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

mod consent {
    use super::*;

    #[test]
    fn a_talkative_peer_is_lost_after_two_seconds() {
        let start = Instant::now();
        let mut consent = Consent::new(start);
        (0..50).for_each(|packet| consent.heard(start + ms(20 * packet), Heard::Proof));
        let last = start + ms(20 * 49);
        assert_eq!(consent.deadline(), last + TALKATIVE_SILENCE);
        assert!(consent.is_lost(last + TALKATIVE_SILENCE));
    }

    #[test]
    fn a_peer_that_only_sends_checks_is_never_lost() {
        let start = Instant::now();
        let mut consent = Consent::new(start);
        for check in 1..20 {
            let at = start + ms(6_000 * check);
            assert!(!consent.is_lost(at));
            consent.heard(at, Heard::Proof);
        }
    }

    #[test]
    fn a_receiver_that_reports_every_second_and_checks_now_and_then_is_never_lost() {
        let start = Instant::now();
        let mut consent = Consent::new(start);
        for second in 1..60 {
            let at = start + ms(1_000 * second);
            assert!(!consent.is_lost(at));
            consent.heard(
                at,
                if second % 5 == 0 {
                    Heard::Proof
                } else {
                    Heard::Hint
                },
            );
        }
    }

    #[test]
    fn reports_alone_do_not_keep_a_peer_alive() {
        let start = Instant::now();
        let mut consent = Consent::new(start);
        (1..100).for_each(|report| consent.heard(start + ms(100 * report), Heard::Hint));
        assert!(consent.is_lost(start + QUIET_SILENCE));
    }
}

mod routes {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    #[test]
    fn a_peer_keeps_its_newest_addresses_only() {
        let mut routes = Routes::default();
        let mut known = Known::default();
        (0..=MAX_ADDRESSES as u16)
            .for_each(|port| routes.bind_address(1, &mut known, address(port)));
        assert_eq!(routes.by_address(address(0)), None);
        assert_eq!(routes.by_address(address(MAX_ADDRESSES as u16)), Some(1));
        routes.forget(1, known);
        assert_eq!(routes.by_address(address(MAX_ADDRESSES as u16)), None);
    }

    #[test]
    fn an_address_that_still_checks_gives_way_to_none() {
        let mut routes = Routes::default();
        let mut known = Known::default();
        for port in 1..=MAX_ADDRESSES as u16 * 2 {
            routes.bind_address(1, &mut known, address(0));
            routes.bind_address(1, &mut known, address(port));
        }
        assert_eq!(routes.by_address(address(0)), Some(1));
        assert_eq!(routes.by_address(address(1)), None);
    }

    #[test]
    fn the_same_address_over_tcp_is_another() {
        let mut routes = Routes::default();
        let (mut first, mut second) = (Known::default(), Known::default());
        let over_tcp = Path::tcp(address(5));
        routes.bind_address(1, &mut first, address(5));
        routes.bind_address(2, &mut second, over_tcp);
        assert_eq!(routes.by_address(address(5)), Some(1));
        assert_eq!(routes.by_address(over_tcp), Some(2));
        routes.lose_address(2, &mut second, over_tcp);
        assert_eq!(routes.by_address(over_tcp), None);
        assert_eq!((first.is_reachable(), second.is_reachable()), (true, false));
    }

    #[test]
    fn forgetting_a_peer_leaves_an_address_that_another_took_over() {
        let mut routes = Routes::default();
        let (mut first, mut second) = (Known::default(), Known::default());
        routes.bind_address(1, &mut first, address(5));
        routes.bind_address(2, &mut second, address(5));
        routes.forget(1, first);
        assert_eq!(routes.by_address(address(5)), Some(2));
    }

    #[test]
    fn a_restart_replaces_the_user_name() {
        let mut routes = Routes::default();
        let mut known = Known::default();
        routes.bind_ufrag(1, &mut known, "old".to_owned());
        routes.bind_ufrag(1, &mut known, "new".to_owned());
        assert_eq!(
            (routes.by_ufrag("old"), routes.by_ufrag("new")),
            (None, Some(1))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_check_whatever_does_harm(mut bytes in prop::collection::vec(any::<u8>(), 20..100)) {
            bytes[0] &= 0x3f;
            bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
            local_ufrag(&bytes);
        }
    }
}

mod event_log {
    use super::*;

    fn meter(lease: &str, billable: u64) -> Event {
        let what = What::MeterRead {
            lease: LeaseId::new(lease),
            billable: ms(billable),
            running: true,
        };
        Event {
            at: Instant::now(),
            room: RoomId::new("room"),
            what,
        }
    }

    fn transport(user: &str, connected: bool) -> Event {
        let what = What::TransportChanged {
            user: UserId::new(user),
            connected,
        };
        Event {
            at: Instant::now(),
            room: RoomId::new("room"),
            what,
        }
    }

    fn numbers(fetched: &[(EventNumber, Event)]) -> Vec<u64> {
        fetched.iter().map(|(number, _)| number.0).collect()
    }

    #[test]
    fn events_are_numbered_from_one_and_kept_until_acknowledged() {
        let log = EventLog::new().unwrap();
        (0..3).for_each(|index| log.push(transport("fan", index % 2 == 0)));
        assert_eq!(numbers(&log.fetch(EventNumber(0), 10)), [1, 2, 3]);
        assert_eq!(
            numbers(&log.fetch(EventNumber(0), 10)),
            [1, 2, 3],
            "told again until acknowledged"
        );
        log.acknowledge(EventNumber(2));
        assert_eq!(numbers(&log.fetch(EventNumber(0), 10)), [3]);
        log.push(transport("fan", true));
        assert_eq!(numbers(&log.fetch(EventNumber(3), 10)), [4]);
    }

    #[test]
    fn readings_that_nobody_fetched_coalesce_and_ends_do_not() {
        let log = EventLog::new().unwrap();
        log.push(meter("a", 1));
        log.push(transport("fan", true));
        log.push(meter("b", 5));
        log.push(meter("a", 2));
        log.push(transport("fan", false));
        let events: Vec<_> = log
            .fetch(EventNumber(0), 10)
            .into_iter()
            .map(|(_, event)| event.what)
            .collect();
        let expected = [
            transport("fan", true),
            meter("b", 5),
            meter("a", 2),
            transport("fan", false),
        ];
        assert_eq!(events, expected.map(|event| event.what));
    }

    #[test]
    fn of_who_speaks_and_of_figures_the_newest_counts_for_each_listener() {
        let told = |user: &str, speaker: Option<&str>| Event {
            at: Instant::now(),
            room: RoomId::new("room"),
            what: What::SpeakerChanged {
                user: UserId::new(user),
                speaker: speaker.map(UserId::new),
            },
        };
        let sampled = |rtt: u64| Event {
            at: Instant::now(),
            room: RoomId::new("room"),
            what: What::StatsSampled {
                user: UserId::new("fan"),
                stats: Box::new(Stats {
                    rtt: Some(ms(rtt)),
                    estimate: None,
                    up: Flow::default(),
                    down: Flow::default(),
                    slots: Vec::new(),
                }),
            },
        };
        let log = EventLog::new().unwrap();
        let kept = [told("ann", None), told("fan", None), sampled(3)];
        log.push(told("fan", Some("star")));
        (1..3).for_each(|rtt| log.push(sampled(rtt)));
        kept.iter().for_each(|event| log.push(event.clone()));
        let events: Vec<_> = log
            .fetch(EventNumber(0), 10)
            .into_iter()
            .map(|(_, event)| event.what)
            .collect();
        assert_eq!(events, kept.map(|event| event.what));
    }

    #[test]
    fn a_log_that_nobody_reads_refuses_new_rooms_and_stays_bounded() {
        let log = EventLog::new().unwrap();
        (0..MAX_WAITING).for_each(|index| log.push(transport(&format!("user{index}"), true)));
        assert!(log.is_full());
        (0..1_000).for_each(|index| log.push(transport("flapping", index % 2 == 0)));
        let all = log.fetch(EventNumber(0), usize::MAX);
        assert_eq!(all.len(), MAX_WAITING + 1);
    }
}

mod budgets {
    use super::*;

    #[test]
    fn what_exceeds_a_budget_is_refused_until_a_second_later() {
        let start = Instant::now();
        let mut budgets = Budgets::new(start);
        let admitted = (0..100_000).filter(|_| budgets.media.take(start)).count();
        assert_eq!(admitted, MEDIA_PER_SECOND as usize);
        assert!(!budgets.media.take(start + ms(999)));
        assert!(budgets.media.take(start + ms(1_000)));
    }

    #[test]
    fn one_kind_of_datagram_does_not_use_up_the_budget_of_another() {
        let start = Instant::now();
        let mut budgets = Budgets::new(start);
        while budgets.unproven.take(start) {}
        while budgets.reports.take(start) {}
        for budget in [
            &mut budgets.checks,
            &mut budgets.handshakes,
            &mut budgets.media,
        ] {
            assert!(budget.take(start));
        }
    }
}
