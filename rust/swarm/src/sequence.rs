//! Which packets of a stream have not come, by their sequence numbers.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Most missing packets that are remembered one by one; older ones are counted as lost for good.
const MAX_OPEN: usize = 4_096;
/// A jump beyond this is a new beginning of the stream, not a loss.
const MAX_JUMP: u16 = 3_000;

/// The sequence numbers of one stream of RTP.
#[derive(Debug, Default)]
pub struct Sequence {
    /// The highest number so far, extended over its 16 bits.
    highest: Option<u64>,
    missing: BTreeSet<u64>,
    lost_for_good: u64,
}

impl Sequence {
    /// A packet has come with this sequence number.
    pub fn arrived(&mut self, number: u16) {
        let Some(highest) = self.highest else {
            self.highest = Some(u64::from(number));
            return;
        };
        let ahead = number.wrapping_sub(low_bits(highest));
        if ahead < 0x8000 {
            let extended = highest + u64::from(ahead);
            if ahead <= MAX_JUMP {
                self.missing.extend(highest + 1..extended);
            }
            self.highest = Some(extended);
        } else {
            let behind = u64::from(ahead.wrapping_neg());
            if let Some(extended) = highest.checked_sub(behind) {
                self.missing.remove(&extended);
            }
        }
        while self.missing.len() > MAX_OPEN {
            self.missing.pop_first();
            self.lost_for_good += 1;
        }
    }

    /// What these numbers carried is there after all: it was sent again by other means.
    pub fn recovered(&mut self, numbers: &RangeInclusive<u64>) {
        if self.missing.is_empty() {
            return;
        }
        let first = low_bits(*numbers.start());
        let count = low_bits(numbers.end().saturating_sub(*numbers.start()));
        self.missing
            .retain(|&missing| low_bits(missing).wrapping_sub(first) > count);
    }

    /// How many packets have not come and were not sent again.
    pub fn lost(&self) -> u64 {
        self.lost_for_good + self.missing.len() as u64
    }
}

/// What of an extended number is on the wire.
fn low_bits(number: u64) -> u16 {
    (number & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(numbers: &[u16]) -> Sequence {
        let mut sequence = Sequence::default();
        for &number in numbers {
            sequence.arrived(number);
        }
        sequence
    }

    #[test]
    fn nothing_is_lost_when_every_number_comes_in_whatever_order() {
        assert_eq!(after(&[5, 6, 7, 8]).lost(), 0);
        assert_eq!(after(&[5, 7, 6, 8]).lost(), 0);
        assert_eq!(after(&[65_534, 65_535, 0, 1]).lost(), 0);
    }

    #[test]
    fn what_does_not_come_is_lost_also_over_the_wrap() {
        assert_eq!(after(&[5, 8]).lost(), 2);
        assert_eq!(after(&[65_534, 1]).lost(), 2);
    }

    #[test]
    fn a_packet_that_comes_twice_changes_nothing() {
        assert_eq!(after(&[5, 8, 8, 5]).lost(), 2);
    }

    #[test]
    fn what_was_sent_again_is_not_lost() {
        let mut sequence = after(&[65_533, 2]);
        assert_eq!(sequence.lost(), 4);
        sequence.recovered(&(65_535..=65_536));
        assert_eq!(sequence.lost(), 2);
    }

    #[test]
    fn a_new_beginning_is_no_loss() {
        assert_eq!(after(&[5, 20_000, 20_001]).lost(), 0);
    }

    proptest! {
        #[test]
        fn exactly_the_missing_numbers_are_lost(begin: u16, kept in proptest::collection::vec(any::<bool>(), 1..500)) {
            let numbers: Vec<u16> = kept
                .iter()
                .enumerate()
                .filter(|&(index, &kept)| kept || index == 0)
                .map(|(index, _)| begin.wrapping_add(u16::try_from(index).unwrap()))
                .collect();
            let span = u64::from(numbers.last().unwrap().wrapping_sub(begin)) + 1;
            prop_assert_eq!(after(&numbers).lost(), span - numbers.len() as u64);
        }
    }
}
