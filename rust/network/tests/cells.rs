//! Some cells of the matrix, whole: what must hold on every machine. `make bench-network` prints all of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

use std::time::{Duration, Instant};

use curtaincall_link::{Percent, Rate};
use curtaincall_network::matrix::{Band, Cell, Side};
use curtaincall_network::outcome::Outcome;
use curtaincall_network::peer::Sender;
use curtaincall_network::server::VirtualServer;
use curtaincall_network::trial::Trial;

const SEED: u64 = 1;

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn cell(side: Side, rate: u64) -> Cell {
    Cell {
        number: 0,
        side,
        band: Band::Steady(Rate(rate)),
        loss: Percent(0.0),
        delay: ms(20),
        jitter: Duration::ZERO,
        reordered: false,
        outages: false,
    }
}

fn run(cell: Cell) -> Outcome {
    let now = Instant::now();
    let server = VirtualServer::new(now).unwrap();
    let outcome = Trial::new(cell, now, server, (SEED, Sender::Simple))
        .unwrap()
        .run()
        .unwrap();
    println!("seed {SEED}: {}", outcome.figures());
    outcome
}

fn shown_percent(outcome: &Outcome) -> f64 {
    outcome.pictures.shown as f64 * 100.0 / outcome.pictures.captured as f64
}

#[test]
fn on_a_good_network_everything_is_shown_and_heard() {
    let outcome = run(cell(Side::Viewer, 8_000_000));
    assert!(shown_percent(&outcome) > 99.0);
    assert_eq!(outcome.sounds.gaps, 0);
    assert!(outcome.pictures.longest_freeze < ms(150));
    assert!(outcome.pictures.mean_layer > 1.9);
}

#[test]
fn what_is_lost_is_sent_again() {
    for side in [Side::Viewer, Side::Publisher] {
        let outcome = run(Cell {
            loss: Percent(5.0),
            ..cell(side, 8_000_000)
        });
        assert!(shown_percent(&outcome) > 95.0, "{side:?}");
        assert!(outcome.back.after.is_some());
    }
}

#[test]
fn a_viewer_whose_downlink_narrows_is_sent_less_and_then_more_again() {
    let outcome = run(cell(Side::Viewer, 500_000));
    assert!(matches!(outcome.down(), Some(Some(took)) if took <= ms(4_000)));
    assert!(matches!(outcome.up(), Some(Some(took)) if took <= ms(10_000)));
    assert!(shown_percent(&outcome) > 50.0);
    assert!(outcome.sounds.missing < ms(2_000));
    assert!(outcome.back.after.is_some());
    assert_eq!(outcome.back.layer_at_end, Some(2));
}

#[test]
fn a_speaker_whose_uplink_narrows_sends_less_and_then_more_again() {
    let outcome = run(cell(Side::Publisher, 500_000));
    assert!(matches!(outcome.down(), Some(Some(took)) if took <= ms(4_000)));
    assert!(matches!(outcome.up(), Some(Some(took)) if took <= ms(12_000)));
    assert!(outcome.back.after.is_some());
    assert_eq!(outcome.back.layer_at_end, Some(2));
}
