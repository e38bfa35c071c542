//! What a viewer sees of one publisher: packets become pictures, and pictures are shown as soon as they can be decoded.
//!
//! It decides as a browser does, from sequence numbers and from what a decoder can tell: what follows a hole waits for a
//! moment, and is then shown if it needs nothing that was in the hole (a keyframe, or a lower temporal layer). After a
//! while without a picture it asks for a keyframe. There is no buffer
//! that evens out when pictures are shown, so what is reported of freezes is the worst that a viewer could see.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use crate::picture::Fragment;

/// How long browsers wait for a first keyframe, and for any picture, before they ask (Chromium: `kMaxWaitForKeyFrame`,
/// `kMaxWaitForFrame`).
const WAIT_FOR_KEYFRAME: Duration = Duration::from_millis(200);
const WAIT_FOR_PICTURE: Duration = Duration::from_secs(3);

/// How long a picture after a hole waits for what is sent again.
const WAIT_FOR_HOLE: Duration = Duration::from_millis(100);

/// A stream without a packet for so long has been paused: nobody is asked.
const PAUSED: Duration = Duration::from_secs(5);

/// Packets kept while they wait for others.
const MAX_WAITING: usize = 2_048;

/// A picture that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub at: Instant,
    pub layer: u8,
    pub number: u32,
    pub captured: Duration,
    pub keyframe: bool,
}

/// A viewer's picture of one publisher.
#[derive(Debug, Default)]
pub struct Screen {
    waiting: BTreeMap<u64, Fragment>,
    /// Whole pictures after a hole: their first packet, and since when they wait.
    whole: BTreeMap<u64, Instant>,
    looked_at: Option<Instant>,
    next_seq: Option<u64>,
    /// Pictures that later ones may refer to: of the layer shown, since its last keyframe.
    decoded: HashSet<(u8, u32)>,
    /// Pictures of which every packet has come, whether or not they could be shown.
    complete: BTreeMap<u32, Duration>,
    pub shown: Vec<Shown>,
    last_packet_at: Option<Instant>,
    /// Since when there has been nothing to show.
    blocked_since: Option<Instant>,
    asked_at: Option<Instant>,
    pub keyframes_asked: u32,
}

impl Screen {
    /// Pictures captured between two moments whose packets have all come, in whatever layer.
    pub fn delivered_within(&self, from: Duration, until: Duration) -> usize {
        let is_within = |captured: &&Duration| (from..until).contains(*captured);
        self.complete.values().filter(is_within).count()
    }

    /// A packet came: its sequence number without the wrap, and its payload.
    pub fn packet(&mut self, at: Instant, seq: u64, fragment: Fragment) {
        self.last_packet_at = Some(at);
        self.blocked_since.get_or_insert(at);
        if self.next_seq.is_some_and(|next| seq < next) {
            return;
        }
        self.waiting.insert(seq, fragment);
        while self.waiting.len() > MAX_WAITING {
            let oldest = self.waiting.pop_first();
            oldest.map(|(seq, _)| self.whole.remove(&seq));
        }
        self.note_complete(at, first_of(seq, fragment));
        self.show_all(at);
    }

    /// When [`Screen::elapse`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        // What has waited in vain is looked at again when something else has been shown.
        let is_ahead = |at: &Instant| self.looked_at.is_none_or(|looked_at| *at > looked_at);
        let holes = self.whole.values().map(|since| *since + WAIT_FOR_HOLE);
        holes.filter(is_ahead).chain(self.asks_at()).min()
    }

    fn asks_at(&self) -> Option<Instant> {
        let active_until = self.last_packet_at? + PAUSED;
        let wait = if self.shown.is_empty() {
            WAIT_FOR_KEYFRAME
        } else {
            WAIT_FOR_PICTURE
        };
        let since = self.blocked_since.max(self.asked_at)?;
        Some(since + wait).filter(|at| *at < active_until)
    }

    /// Whether a keyframe is to be asked for now.
    pub fn elapse(&mut self, now: Instant) -> bool {
        self.show_all(now);
        self.looked_at = Some(now);
        if self.asks_at().is_none_or(|deadline| now < deadline) {
            return false;
        }
        self.asked_at = Some(now);
        self.keyframes_asked += 1;
        true
    }

    fn note_complete(&mut self, at: Instant, first: u64) {
        if let Some((picture, _)) = self.picture_at(first) {
            self.complete.insert(picture.number, picture.captured);
            self.whole.entry(first).or_insert(at);
        }
    }

    /// The picture that begins with this packet, if all of it is there: its first packet and how many it has.
    fn picture_at(&self, first: u64) -> Option<(Fragment, u64)> {
        let begin = *self.waiting.get(&first)?;
        let count = u64::from(begin.count);
        let is_part = |(offset, part): (u64, &Fragment)| {
            (part.layer, part.number, part.index) == (begin.layer, begin.number, offset as u16)
        };
        let parts = (0..count).map(|offset| Some((offset, self.waiting.get(&(first + offset))?)));
        let whole = parts.into_iter().all(|part| part.is_some_and(is_part));
        (begin.index == 0 && whole).then_some((begin, count))
    }

    fn show_all(&mut self, at: Instant) {
        while self.show_next(at) || self.skip(at) {}
    }

    fn show_next(&mut self, at: Instant) -> bool {
        let Some(next) = self.next_seq else {
            return false;
        };
        let picture = self
            .picture_at(next)
            .filter(|(picture, _)| self.is_decodable(picture));
        let Some((picture, count)) = picture else {
            return false;
        };
        self.show(at, picture);
        self.go_on_from(next + count);
        true
    }

    fn is_decodable(&self, picture: &Fragment) -> bool {
        let is_known = |needs| self.decoded.contains(&(picture.layer, needs));
        picture.needs.is_none_or(is_known)
    }

    /// Go over a hole, to a picture that needs nothing in it.
    fn skip(&mut self, at: Instant) -> bool {
        let found = self.whole.iter().find_map(|(first, since)| {
            let (picture, count) = self.picture_at(*first)?;
            let waited = picture.is_keyframe() || at >= *since + WAIT_FOR_HOLE;
            (waited && self.is_decodable(&picture)).then_some((*first, picture, count))
        });
        let Some((first, picture, count)) = found else {
            return false;
        };
        self.show(at, picture);
        self.go_on_from(first + count);
        true
    }

    fn show(&mut self, at: Instant, picture: Fragment) {
        if picture.is_keyframe() {
            self.decoded.clear();
        }
        self.decoded.insert((picture.layer, picture.number));
        self.blocked_since = Some(at);
        self.asked_at = None;
        self.shown.push(Shown {
            at,
            layer: picture.layer,
            number: picture.number,
            captured: picture.captured,
            keyframe: picture.is_keyframe(),
        });
    }

    fn go_on_from(&mut self, seq: u64) {
        self.next_seq = Some(seq);
        self.waiting = self.waiting.split_off(&seq);
        self.whole = self.whole.split_off(&seq);
    }
}

fn first_of(seq: u64, fragment: Fragment) -> u64 {
    seq.saturating_sub(u64::from(fragment.index))
}

/// The longest time without any of these moments.
pub fn longest_pause(
    moments: impl Iterator<Item = Instant>,
    from: Instant,
    until: Instant,
) -> Duration {
    let within = moments.filter(|at| *at >= from && *at < until);
    let mut last = from;
    let mut longest = Duration::ZERO;
    for at in within.chain([until]) {
        longest = longest.max(at.saturating_duration_since(last));
        last = last.max(at);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(number: u32, needs: Option<u32>, index: u16, count: u16) -> Fragment {
        Fragment {
            publisher: 0,
            layer: 0,
            temporal: 0,
            number,
            needs,
            captured: Duration::ZERO,
            index,
            count,
        }
    }

    fn numbers(screen: &Screen) -> Vec<u32> {
        screen.shown.iter().map(|shown| shown.number).collect()
    }

    #[test]
    fn pictures_are_shown_in_order_once_the_hole_is_filled() {
        let now = Instant::now();
        let mut screen = Screen::default();
        screen.packet(now, 10, fragment(0, None, 0, 2));
        screen.packet(now, 12, fragment(1, Some(0), 0, 1));
        screen.packet(now, 13, fragment(2, Some(1), 0, 1));
        assert!(numbers(&screen).is_empty());
        screen.packet(now, 11, fragment(0, None, 1, 2));
        assert_eq!(numbers(&screen), [0, 1, 2]);
        assert_eq!(screen.delivered_within(Duration::ZERO, Duration::MAX), 3);
    }

    #[test]
    fn a_keyframe_goes_over_a_hole() {
        let now = Instant::now();
        let mut screen = Screen::default();
        screen.packet(now, 1, fragment(0, None, 0, 1));
        screen.packet(now, 3, fragment(2, Some(1), 0, 1));
        screen.packet(now, 4, fragment(3, None, 0, 1));
        screen.packet(now, 2, fragment(1, Some(0), 0, 1));
        screen.packet(now, 5, fragment(4, Some(3), 0, 1));
        assert_eq!(numbers(&screen), [0, 3, 4]);
    }

    #[test]
    fn after_a_while_what_needs_nothing_in_the_hole_is_shown() {
        let start = Instant::now();
        let mut screen = Screen::default();
        screen.packet(start, 1, fragment(0, None, 0, 1));
        screen.packet(start, 3, fragment(2, Some(0), 0, 1));
        screen.packet(start, 4, fragment(3, Some(2), 0, 1));
        assert_eq!(numbers(&screen), [0]);
        assert_eq!(screen.deadline(), Some(start + WAIT_FOR_HOLE));
        screen.elapse(start + WAIT_FOR_HOLE);
        assert_eq!(numbers(&screen), [0, 2, 3]);
        screen.packet(start + WAIT_FOR_HOLE, 2, fragment(1, Some(0), 0, 1));
        assert_eq!(numbers(&screen), [0, 2, 3], "its turn has been");
    }

    #[test]
    fn what_refers_to_an_unknown_picture_is_not_shown() {
        let now = Instant::now();
        let mut screen = Screen::default();
        screen.packet(now, 1, fragment(0, None, 0, 1));
        screen.packet(now, 2, fragment(2, Some(1), 0, 1));
        assert_eq!(numbers(&screen), [0]);
    }

    #[test]
    fn it_asks_for_a_keyframe_when_there_is_nothing_to_show_for_long() {
        let start = Instant::now();
        let mut screen = Screen::default();
        assert_eq!(screen.deadline(), None);
        screen.packet(start, 2, fragment(2, Some(1), 0, 1));
        assert!(!screen.elapse(start + Duration::from_millis(199)));
        assert!(screen.elapse(start + Duration::from_millis(200)));
        assert!(!screen.elapse(start + Duration::from_millis(399)));
        screen.packet(start, 3, fragment(3, None, 0, 1));
        let shown_at = start;
        screen.packet(
            start + Duration::from_secs(1),
            9,
            fragment(9, Some(8), 0, 1),
        );
        assert!(!screen.elapse(start + Duration::from_millis(1_100)));
        assert_eq!(screen.deadline(), Some(shown_at + WAIT_FOR_PICTURE));
    }
}
