//! What a listener hears of one publisher: how long sound that was spoken was not there when its turn came.
//!
//! Sound is played a little later than it was captured. A packet that comes later than its turn is a gap of so much and
//! puts everything after it off by as much; while packets come early the delay shrinks again, as browsers play faster.
//! A packet that never comes is a gap of its own length.

use std::time::{Duration, Instant};

use crate::publisher::{SOUND_EVERY, Syllable};

/// Sound is kept at least so long for those that come a little late.
const LEAST_BUFFER: Duration = Duration::from_millis(40);

/// By how much the delay shrinks in a second without a gap.
const SHRINKS_PER_S: Duration = Duration::from_millis(50);

/// Shorter gaps are concealed by the decoder (and by Opus' forward error correction).
pub const HEARD: Duration = Duration::from_millis(60);

/// A moment without sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub at: Instant,
    pub length: Duration,
}

/// A listener's view of one publisher's sound.
#[derive(Debug, Default)]
pub struct Sound {
    /// From capture to the loudspeaker.
    delay: Option<Duration>,
    last: Option<Syllable>,
    pub gaps: Vec<Gap>,
    pub packets: u64,
}

impl Sound {
    /// A packet came at `at`; `since` is then on the clock of the captures.
    pub fn packet(&mut self, at: Instant, since: Duration, syllable: Syllable) {
        let took = since.saturating_sub(syllable.captured);
        self.packets += 1;
        let Some(last) = self.last else {
            self.last = Some(syllable);
            self.delay = Some(took + LEAST_BUFFER);
            return;
        };
        if syllable.captured <= last.captured {
            return; // Its turn has been: it was counted as missing.
        }
        self.last = Some(syllable);
        if !(syllable.speaks && last.speaks) {
            return; // Nothing was to be heard in between.
        }
        let passed = syllable.captured - last.captured;
        let delay = self.delay.unwrap_or_default();
        let shrunk = delay.saturating_sub(SHRINKS_PER_S.mul_f64(passed.as_secs_f64()));
        let least = took + LEAST_BUFFER;
        let stalled = took.saturating_sub(delay);
        let missing = passed.saturating_sub(SOUND_EVERY);
        self.delay = Some(shrunk.max(if stalled.is_zero() {
            LEAST_BUFFER
        } else {
            least
        }));
        if stalled + missing >= HEARD {
            self.gaps.push(Gap {
                at,
                length: stalled + missing,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// Packets captured at and arriving at these milliseconds.
    fn heard(packets: &[(u64, u64)]) -> Vec<Duration> {
        let start = Instant::now();
        let mut sound = Sound::default();
        for (captured, arrived) in packets {
            let syllable = Syllable {
                publisher: 0,
                speaks: true,
                captured: ms(*captured),
            };
            sound.packet(start + ms(*arrived), ms(*arrived), syllable);
        }
        sound.gaps.iter().map(|gap| gap.length).collect()
    }

    #[test]
    fn even_sound_has_no_gaps_however_late() {
        assert!(heard(&[(0, 400), (20, 420), (40, 445), (60, 460)]).is_empty());
    }

    #[test]
    fn lost_packets_are_a_gap_if_they_are_many() {
        assert!(heard(&[(0, 10), (40, 50)]).is_empty());
        assert_eq!(heard(&[(0, 10), (100, 110)]), [ms(80)]);
    }

    #[test]
    fn a_stall_is_one_gap_and_then_the_delay_has_grown() {
        let late = [(0, 10), (20, 230), (40, 250), (60, 270)];
        assert_eq!(heard(&late), [ms(160)]);
    }
}
