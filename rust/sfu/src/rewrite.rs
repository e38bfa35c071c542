//! One outgoing RTP stream out of many incoming ones: sequence numbers, timestamps and VP8 picture ids go on without
//! a break when the source behind a slot changes. Pure.
//!
//! A *run* is a stretch of one source, begun at a keyframe. Within a run numbers are shifted by constants, so
//! losses and reordering show as they are; the next run starts right after the highest number sent.

use std::collections::VecDeque;
use std::time::Instant;

use str0m::media::Frequency;

/// Where outgoing sequence numbers start: a receiver assumes a rollover counter of 0 (RFC 3711 section 3.3.1), so
/// the first must be below 65,536, and not near it, as reordered first packets would seem to be of the round before.
const FIRST_SEQ: u64 = 1;

/// How far behind the newest packet one may be and still be forwarded: later ones help no decoder.
pub const REORDER_WINDOW: u64 = 1024;

/// A jump further than this starts a new run: a receiver would take 32,768 for the past.
pub const MAX_GAP: u64 = 3_000;

const PICTURE_ID_MASK: u16 = 0x7fff;

/// Identifies an incoming stream: a layer of a track of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTag(pub u64);

/// VP8's counters (RFC 7741 section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureIds {
    pub picture_id: Option<u16>,
    pub tl0_pic_idx: Option<u8>,
}

/// What the rewriter needs to know of a packet. `seq` is extended, so it does not wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub seq: u64,
    pub timestamp: u32,
    pub picture: PictureIds,
}

#[derive(Debug)]
struct Run {
    stream: StreamTag,
    first_in: u64,
    newest_in: u64,
    first_out: u64,
    timestamp_shift: u32,
    picture_shift: u16,
    tl0_shift: u8,
    seen: SeenWindow,
    left_out: LeftOut,
}

/// Packets of a run that were left out. Those behind them have lower numbers for it, those before have not.
#[derive(Debug, Default)]
struct LeftOut {
    /// The newest: their number, and whether it was the first seen of its picture.
    newest: VecDeque<(u64, bool)>,
    packets: u64,
    pictures: u16,
    picture_id: Option<u16>,
}

impl LeftOut {
    fn push(&mut self, input: Numbers) {
        let picture_id = input.picture.picture_id;
        let is_new = picture_id.is_some() && picture_id != self.picture_id;
        self.picture_id = picture_id;
        self.packets += 1;
        self.pictures = self.pictures.wrapping_add(u16::from(is_new));
        self.newest.push_back((input.seq, is_new));
        let is_old = |(seq, _): &(u64, bool)| seq + REORDER_WINDOW < input.seq;
        while self.newest.front().is_some_and(is_old) {
            self.newest.pop_front();
        }
    }

    /// How many packets and pictures were left out before a number.
    fn before(&self, seq: u64) -> (u64, u16) {
        let mut before = (self.packets, self.pictures);
        for (left_out, is_new) in self.newest.iter().rev() {
            if *left_out < seq {
                break;
            }
            before.0 -= 1;
            before.1 = before.1.wrapping_sub(u16::from(*is_new));
        }
        before
    }
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    seq: u64,
    timestamp: u32,
    at: Instant,
    picture: PictureIds,
}

/// Rewrites for one slot of one subscriber.
#[derive(Debug)]
pub struct Rewriter {
    clock_rate: Frequency,
    run: Option<Run>,
    newest: Option<Newest>,
}

impl Rewriter {
    pub fn new(clock_rate: Frequency) -> Self {
        Self {
            clock_rate,
            run: None,
            newest: None,
        }
    }

    /// The stream of the current run.
    pub fn current(&self) -> Option<StreamTag> {
        self.run.as_ref().map(|run| run.stream)
    }

    /// Forget the current run: nothing is forwarded until the next [`Rewriter::start`].
    pub fn stop(&mut self) {
        self.run = None;
    }

    /// Start a run with this packet, which begins a keyframe (or is audio).
    pub fn start(&mut self, now: Instant, stream: StreamTag, input: Numbers) -> Numbers {
        let output = match self.newest {
            None => Numbers {
                seq: FIRST_SEQ,
                ..input
            },
            Some(newest) => Numbers {
                seq: newest.seq + 1,
                timestamp: newest
                    .timestamp
                    .wrapping_add(self.ticks_since(now, newest.at)),
                picture: PictureIds {
                    picture_id: input.picture.picture_id.map(|own| {
                        match newest.picture.picture_id {
                            Some(last) => last.wrapping_add(1) & PICTURE_ID_MASK,
                            None => own,
                        }
                    }),
                    tl0_pic_idx: input.picture.tl0_pic_idx.map(|own| {
                        match newest.picture.tl0_pic_idx {
                            Some(last) => last.wrapping_add(1),
                            None => own,
                        }
                    }),
                },
            },
        };
        let shift =
            |out: Option<u16>, own: Option<u16>| out.unwrap_or(0).wrapping_sub(own.unwrap_or(0));
        self.run = Some(Run {
            stream,
            first_in: input.seq,
            newest_in: input.seq,
            first_out: output.seq,
            timestamp_shift: output.timestamp.wrapping_sub(input.timestamp),
            picture_shift: shift(output.picture.picture_id, input.picture.picture_id)
                & PICTURE_ID_MASK,
            tl0_shift: shift(
                output.picture.tl0_pic_idx.map(u16::from),
                input.picture.tl0_pic_idx.map(u16::from),
            ) as u8,
            seen: SeenWindow::starting_with(input.seq),
            left_out: LeftOut::default(),
        });
        self.note(now, output);
        output
    }

    /// Continue the run. `None` for what must not be forwarded: another stream, a duplicate, from before the run, or
    /// too old.
    pub fn follow(&mut self, now: Instant, stream: StreamTag, input: Numbers) -> Option<Numbers> {
        let run = self.run.as_mut().filter(|run| run.stream == stream)?;
        if input.seq > run.newest_in + MAX_GAP {
            return Some(self.start(now, stream, input));
        }
        if input.seq < run.first_in
            || input.seq + REORDER_WINDOW <= run.newest_in
            || !run.seen.insert(input.seq)
        {
            return None;
        }
        run.newest_in = run.newest_in.max(input.seq);
        let (packets, pictures) = run.left_out.before(input.seq);
        let picture_shift = run.picture_shift.wrapping_sub(pictures);
        let output = Numbers {
            seq: run.first_out + (input.seq - run.first_in) - packets,
            timestamp: input.timestamp.wrapping_add(run.timestamp_shift),
            picture: PictureIds {
                picture_id: input
                    .picture
                    .picture_id
                    .map(|id| id.wrapping_add(picture_shift) & PICTURE_ID_MASK),
                tl0_pic_idx: input
                    .picture
                    .tl0_pic_idx
                    .map(|id| id.wrapping_add(run.tl0_shift)),
            },
        };
        self.note(now, output);
        Some(output)
    }

    /// Leave a packet of the run out as if it had never been sent: what follows closes up.
    pub fn leave_out(&mut self, stream: StreamTag, input: Numbers) {
        let Some(run) = self.run.as_mut().filter(|run| run.stream == stream) else {
            return;
        };
        // Behind one that was overtaken the numbers are given already.
        if input.seq > run.newest_in && input.seq <= run.newest_in + MAX_GAP {
            run.newest_in = input.seq;
            run.seen.insert(input.seq);
            run.left_out.push(input);
        }
    }

    fn note(&mut self, now: Instant, output: Numbers) {
        if self.newest.is_none_or(|newest| output.seq > newest.seq) {
            // A picture without ids (a codec without them) leaves the counters where they were.
            let before = self.newest.map(|newest| newest.picture).unwrap_or_default();
            let picture = PictureIds {
                picture_id: output.picture.picture_id.or(before.picture_id),
                tl0_pic_idx: output.picture.tl0_pic_idx.or(before.tl0_pic_idx),
            };
            self.newest = Some(Newest {
                seq: output.seq,
                timestamp: output.timestamp,
                at: now,
                picture,
            });
        }
    }

    /// Media time that passed between two moments: at least one tick, so that a new picture never shares the
    /// timestamp of the last.
    fn ticks_since(&self, now: Instant, then: Instant) -> u32 {
        let micros = now.saturating_duration_since(then).as_micros();
        let ticks = micros * u128::from(self.clock_rate.get()) / 1_000_000;
        (ticks as u32).max(1)
    }
}

const WORDS: usize = (REORDER_WINDOW / 64) as usize;

/// Which of the last [`REORDER_WINDOW`] numbers have been seen: a ring of bits.
#[derive(Debug)]
struct SeenWindow {
    newest: u64,
    bits: [u64; WORDS],
}

impl SeenWindow {
    fn starting_with(seq: u64) -> Self {
        let mut window = Self {
            newest: seq,
            bits: [0; WORDS],
        };
        window.set(seq);
        window
    }

    /// Note a number that is not older than the window. Returns false if it was there already.
    fn insert(&mut self, seq: u64) -> bool {
        if seq > self.newest {
            let ahead = seq - self.newest;
            if ahead >= REORDER_WINDOW {
                self.bits = [0; WORDS];
            } else {
                (self.newest + 1..=seq).for_each(|skipped| self.clear(skipped));
            }
            self.newest = seq;
        } else if self.has(seq) {
            return false;
        }
        self.set(seq);
        true
    }

    fn place(seq: u64) -> (usize, u64) {
        let bit = seq % REORDER_WINDOW;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn has(&self, seq: u64) -> bool {
        let (word, mask) = Self::place(seq);
        self.bits[word] & mask != 0
    }

    fn set(&mut self, seq: u64) {
        let (word, mask) = Self::place(seq);
        self.bits[word] |= mask;
    }

    fn clear(&mut self, seq: u64) {
        let (word, mask) = Self::place(seq);
        self.bits[word] &= !mask;
    }
}
