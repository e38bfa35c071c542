//! The estimate against the truth, on links of all kinds.

mod link;

use std::time::Duration;

use curtaincall_sfu::congestion::{Allowance, Congestion};
use curtaincall_sfu::peer::Numbered;
use link::{Link, Simulation, WISHED};

const SEED: u64 = 20_261_125;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Delay and jitter in milliseconds, and loss.
const LINKS: [(u64, u64, f64); 5] = [
    (20, 0, 0.0),
    (20, 30, 0.0),
    (150, 0, 0.0),
    (400, 30, 0.01),
    (20, 0, 0.1),
];

fn link(rate: f64, (delay, jitter, loss): (u64, u64, f64)) -> Link {
    Link {
        rate,
        delay: ms(delay),
        jitter: ms(jitter),
        loss,
        ..Link::default()
    }
}

#[test]
fn the_estimate_is_near_the_truth_and_soon() {
    for kind in LINKS {
        for rate in [150_000.0, 500_000.0, 1_000_000.0, 2_000_000.0, 8_000_000.0] {
            let mut simulation = Simulation::new(link(rate, kind), SEED);
            simulation.run(s(40));
            let truth = f64::min(rate, WISHED);
            let mean = simulation.mean_estimate(s(20));
            let what = format!("{kind:?} at {rate}, seed {SEED}: {mean:.0}");
            assert!(mean >= truth * 0.75 && mean <= truth * 1.25, "{what}");
            let reached = simulation.reached(s(0), truth * 0.85);
            assert!(reached.is_some_and(|after| after <= s(10)), "{what}");
        }
    }
}

#[test]
fn a_link_that_becomes_narrow_is_followed_within_two_seconds() {
    for (from, to) in [(8e6, 5e5), (2e6, 1.5e5), (8e6, 1e6)] {
        for kind in LINKS {
            let mut simulation = Simulation::new(link(from, kind), SEED);
            simulation.run(s(20));
            simulation.link.rate = to;
            simulation.run(s(2));
            let estimate = simulation.estimate();
            let what = format!("{kind:?}: {from} -> {to}, seed {SEED}: {estimate:.0}");
            assert!(estimate <= to * 1.2, "{what}");
        }
    }
}

#[test]
fn a_link_that_becomes_wide_is_followed_within_ten_seconds() {
    for (from, to) in [(5e5, 8e6), (1.5e5, 8e6), (5e5, 2e6)] {
        for kind in LINKS {
            let mut simulation = Simulation::new(link(from, kind), SEED);
            simulation.run(s(20));
            simulation.link.rate = to;
            simulation.run(s(10));
            let reached = simulation.reached(s(20), f64::min(to, WISHED) * 0.85);
            let estimate = simulation.estimate();
            let what = format!("{kind:?}: {from} -> {to}, seed {SEED}: {estimate:.0}");
            assert!(reached.is_some(), "{what}");
        }
    }
}

#[test]
fn nothing_is_probed_for_when_all_that_is_wished_for_fits() {
    let mut simulation = Simulation::new(link(8e6, LINKS[0]), SEED);
    simulation.run(s(10));
    let padding = simulation.padding;
    assert!(padding > 0);
    simulation.run(s(20));
    assert_eq!(simulation.padding, padding);
}

#[test]
fn a_peer_that_does_not_count_padding_is_not_taken_for_a_narrow_link() {
    let mut simulation = Simulation::new(link(8e6, LINKS[0]), SEED);
    simulation.counts_padding = false;
    simulation.run(s(40));
    assert!(
        simulation.estimate() >= 500_000.0,
        "{}",
        simulation.estimate()
    );
}

#[test]
fn a_peer_that_never_reports_is_sent_what_it_wishes() {
    let began = std::time::Instant::now();
    let mut congestion = Congestion::new(began);
    assert!(matches!(congestion.allowance(began), Allowance::AtLeast(_)));
    for number in 0..100 {
        let packet = Numbered {
            number,
            bytes: 1_000,
            is_padding: false,
        };
        congestion.sent(began + ms(u64::from(number) * 20), packet);
    }
    assert_eq!(congestion.allowance(began + s(2)), Allowance::Unknown);
    assert_eq!(congestion.elapse(began + s(2)), 0);
}

#[test]
fn a_link_that_was_away_is_used_again_at_once() {
    let mut simulation = Simulation::new(link(2e6, LINKS[0]), SEED);
    simulation.run(s(20));
    let before = simulation.estimate();
    simulation.link.loss = 1.0;
    simulation.run(s(3));
    assert!(simulation.estimate() < before / 2.0);
    simulation.link.loss = 0.0;
    simulation.run(s(2));
    assert!(
        simulation.estimate() >= before / 2.0,
        "{}",
        simulation.estimate()
    );
}
