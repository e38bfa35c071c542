//! Deadlines of many sessions.

use std::time::{Duration, Instant};

use curtaincall_sfu::timers::{TURN, Turns};

const MS: Duration = Duration::from_millis(1);

#[test]
fn deadlines_that_lie_together_come_up_together_and_never_early() {
    let epoch = Instant::now();
    let turns = Turns::new(epoch);
    let now = epoch + 100 * MS;
    let rounded = [111, 112, 114, 115].map(|ms| turns.round(epoch + ms * MS, now));
    assert_eq!(rounded, [epoch + 115 * MS; 4]);
    for micros in (0..50_000).step_by(77) {
        let deadline = now + Duration::from_micros(micros);
        let rounded = turns.round(deadline, now);
        assert!(rounded >= deadline && rounded < deadline + TURN);
    }
}

#[test]
fn what_is_due_within_a_turn_is_left_as_it_is() {
    let epoch = Instant::now();
    let turns = Turns::new(epoch);
    let now = epoch + 101 * MS;
    for deadline in [epoch, now, now + MS, now + TURN] {
        assert_eq!(turns.round(deadline, now), deadline);
    }
}
