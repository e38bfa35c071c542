//! Whatever numbers packets may carry: the stream that leaves is one that a decoder can follow.
//!
//! An input is a row of steps of eight bytes each.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use curtaincall_sfu::rewrite::{Numbers, PictureIds, Rewriter, StreamTag};
use str0m::media::Frequency;

const STEP_BYTES: usize = 8;

/// Sequence numbers are extended by 32 bits of rollovers at most (RFC 3711 section 3.3.1).
const MAX_SEQ: u64 = (1 << 48) - 1;

const PICTURE_IDS: u16 = 1 << 15;

/// The streams that packets come from.
const STREAMS: usize = 4;

/// What has left so far.
#[derive(Default)]
struct Seen {
    sent: HashMap<u64, Numbers>,
    /// Numbers of the run, as they came.
    taken: HashSet<u64>,
    newest: Option<Numbers>,
    run: Option<Run>,
}

/// The packets since the last keyframe that began something new.
struct Run {
    stream: StreamTag,
    first_in: Numbers,
    first_out: Numbers,
}

pub fn run(input: &[u8]) {
    let mut now = Instant::now();
    let mut rewriter = Rewriter::new(Frequency::NINETY_KHZ);
    let mut newest_in = [Numbers {
        seq: 0x1_0000,
        timestamp: 0,
        picture: PictureIds::default(),
    }; STREAMS];
    let mut seen = Seen::default();
    for step in input.chunks_exact(STEP_BYTES) {
        now += Duration::from_millis(u64::from(step[1]));
        let stream = usize::from(step[0] >> 4) % STREAMS;
        let tag = StreamTag(stream as u64);
        let numbers = next(newest_in[stream], step);
        newest_in[stream] = numbers;
        match step[0] & 0x0f {
            0 => {
                rewriter.stop();
                seen.run = None;
                assert_eq!(rewriter.current(), None);
            }
            1..=3 => {
                let sent = rewriter.start(now, tag, numbers);
                seen.started(tag, numbers, sent);
            }
            _ => {
                let follows = rewriter.current() == Some(tag);
                let sent = rewriter.follow(now, tag, numbers);
                assert!(follows || sent.is_none(), "a packet of another stream left");
                if let Some(sent) = sent {
                    seen.followed(tag, numbers, sent);
                }
            }
        }
    }
}

/// The numbers of a packet, some way from those of the one before it.
fn next(before: Numbers, step: &[u8]) -> Numbers {
    let ahead = i64::from(i16::from_be_bytes([step[2], step[3]]));
    let ticks = i32::from(i16::from_be_bytes([step[4], step[5]])) * 64;
    let id = u16::from_be_bytes([step[6], step[7]]);
    Numbers {
        seq: before.seq.saturating_add_signed(ahead).min(MAX_SEQ),
        timestamp: before.timestamp.wrapping_add_signed(ticks),
        picture: PictureIds {
            picture_id: (id & PICTURE_IDS == 0).then_some(id),
            tl0_pic_idx: (step[7] & 1 == 0).then_some(step[6]),
        },
    }
}

impl Seen {
    fn started(&mut self, stream: StreamTag, came: Numbers, sent: Numbers) {
        match self.newest {
            None => assert!((1..0x1_0000).contains(&sent.seq), "{sent:?}"),
            Some(newest) => {
                assert_eq!(sent.seq, newest.seq + 1, "a gap that nobody can fill");
                let ticks = sent.timestamp.wrapping_sub(newest.timestamp);
                assert!((1..1 << 31).contains(&ticks), "time goes backwards");
            }
        }
        self.run = Some(Run {
            stream,
            first_in: came,
            first_out: sent,
        });
        self.taken.clear();
        self.note(came, sent);
    }

    fn followed(&mut self, stream: StreamTag, came: Numbers, sent: Numbers) {
        let run = self.run.as_ref().expect("something was started");
        assert_eq!(run.stream, stream);
        let shift = |run: &Run| run.first_out.seq.wrapping_sub(run.first_in.seq);
        if sent.seq != came.seq.wrapping_add(shift(run)) {
            // So far ahead that it counts as a new start.
            return self.started(stream, came, sent);
        }
        // Within a run, what happened to the numbers on their way is left to be seen.
        let ticks = came.timestamp.wrapping_sub(run.first_in.timestamp);
        assert_eq!(sent.timestamp.wrapping_sub(run.first_out.timestamp), ticks);
        self.note(came, sent);
    }

    fn note(&mut self, came: Numbers, sent: Numbers) {
        assert!(self.taken.insert(came.seq), "sent twice: {came:?}");
        let before = self.sent.insert(sent.seq, sent);
        assert!(before.is_none(), "two packets share {}", sent.seq);
        assert!(sent.picture.picture_id.is_none_or(|id| id < PICTURE_IDS));
        assert_eq!(
            sent.picture.picture_id.is_some(),
            came.picture.picture_id.is_some()
        );
        assert_eq!(
            sent.picture.tl0_pic_idx.is_some(),
            came.picture.tl0_pic_idx.is_some()
        );
        if self.newest.is_none_or(|newest| sent.seq > newest.seq) {
            self.newest = Some(sent);
        }
    }
}
