//! The rewriter: one continuous stream out of many, whatever the network did to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where"
)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use curtaincall_sfu::rewrite::{MAX_GAP, Numbers, PictureIds, REORDER_WINDOW, Rewriter, StreamTag};
use proptest::prelude::*;
use str0m::media::Frequency;

const A: StreamTag = StreamTag(1);
const B: StreamTag = StreamTag(2);

fn numbers(seq: u64, timestamp: u32) -> Numbers {
    Numbers {
        seq,
        timestamp,
        picture: PictureIds::default(),
    }
}

fn picture(seq: u64, id: u16, tl0: u8) -> Numbers {
    Numbers {
        seq,
        timestamp: 0,
        picture: PictureIds {
            picture_id: Some(id),
            tl0_pic_idx: Some(tl0),
        },
    }
}

fn video() -> Rewriter {
    Rewriter::new(Frequency::NINETY_KHZ)
}

#[test]
fn the_first_number_leaves_the_receivers_rollover_counter_at_zero() {
    let out = video().start(Instant::now(), A, numbers(1_000_000, 5));
    assert!(out.seq < 65_536 / 2);
    assert_eq!(out.timestamp, 5);
}

#[test]
fn losses_and_reordering_show_as_they_are() {
    let (mut rewriter, now) = (video(), Instant::now());
    let first = rewriter.start(now, A, numbers(100, 0)).seq;
    let seqs: Vec<_> = [103, 101, 104]
        .map(|seq| rewriter.follow(now, A, numbers(seq, 0)).unwrap().seq)
        .into();
    assert_eq!(seqs, [first + 3, first + 1, first + 4]);
}

#[test]
fn a_duplicate_is_refused() {
    let (mut rewriter, now) = (video(), Instant::now());
    rewriter.start(now, A, numbers(100, 0));
    assert!(rewriter.follow(now, A, numbers(101, 0)).is_some());
    assert_eq!(rewriter.follow(now, A, numbers(101, 0)), None);
    assert_eq!(rewriter.follow(now, A, numbers(100, 0)), None);
}

#[test]
fn what_came_before_the_keyframe_is_refused() {
    let (mut rewriter, now) = (video(), Instant::now());
    rewriter.start(now, A, numbers(100, 0));
    assert_eq!(rewriter.follow(now, A, numbers(99, 0)), None);
}

#[test]
fn what_is_too_old_is_refused() {
    let (mut rewriter, now) = (video(), Instant::now());
    rewriter.start(now, A, numbers(100, 0));
    rewriter
        .follow(now, A, numbers(100 + REORDER_WINDOW + 1, 0))
        .unwrap();
    assert_eq!(rewriter.follow(now, A, numbers(101, 0)), None);
    assert!(rewriter.follow(now, A, numbers(102, 0)).is_some());
}

#[test]
fn a_packet_of_another_stream_needs_a_start() {
    let (mut rewriter, now) = (video(), Instant::now());
    rewriter.start(now, A, numbers(100, 0));
    assert_eq!(rewriter.follow(now, B, numbers(101, 0)), None);
    assert_eq!(rewriter.current(), Some(A));
}

#[test]
fn a_switch_goes_on_right_after_the_highest_number_and_at_the_time_that_passed() {
    let (mut rewriter, now) = (video(), Instant::now());
    rewriter.start(now, A, numbers(100, 1_000));
    let last = rewriter.follow(now, A, numbers(105, 4_000)).unwrap();
    rewriter.follow(now, A, numbers(103, 2_000)).unwrap();
    let switched = rewriter.start(now + Duration::from_millis(100), B, numbers(7, u32::MAX));
    assert_eq!(switched.seq, last.seq + 1);
    assert_eq!(switched.timestamp, last.timestamp + 9_000);
    let next = rewriter
        .follow(now, B, numbers(8, u32::MAX.wrapping_add(3_000)))
        .unwrap();
    assert_eq!(
        next.timestamp,
        switched.timestamp + 3_000,
        "wraps with the source"
    );
}

#[test]
fn two_pictures_never_share_a_timestamp() {
    let (mut rewriter, now) = (video(), Instant::now());
    let last = rewriter.start(now, A, numbers(100, 1_000));
    assert!(rewriter.start(now, B, numbers(1, 1_000)).timestamp > last.timestamp);
}

#[test]
fn a_jump_of_the_source_is_closed() {
    let (mut rewriter, now) = (video(), Instant::now());
    let first = rewriter.start(now, A, numbers(100, 0));
    let jumped = rewriter
        .follow(now, A, numbers(100 + MAX_GAP + 1, 0))
        .unwrap();
    assert_eq!(jumped.seq, first.seq + 1);
}

#[test]
fn picture_ids_go_on_over_a_switch_and_wrap() {
    let (mut rewriter, now) = (video(), Instant::now());
    let first = rewriter.start(now, A, picture(1, 0x7ffe, 254)).picture;
    assert_eq!(
        (first.picture_id, first.tl0_pic_idx),
        (Some(0x7ffe), Some(254))
    );
    rewriter.follow(now, A, picture(2, 0x7fff, 255)).unwrap();
    let switched = rewriter.start(now, B, picture(1, 500, 9)).picture;
    assert_eq!(
        (switched.picture_id, switched.tl0_pic_idx),
        (Some(0), Some(0))
    );
    let next = rewriter
        .follow(now, B, picture(2, 501, 10))
        .unwrap()
        .picture;
    assert_eq!((next.picture_id, next.tl0_pic_idx), (Some(1), Some(1)));
}

#[test]
fn packets_of_one_picture_keep_one_picture_id() {
    let (mut rewriter, now) = (video(), Instant::now());
    rewriter.start(now, A, picture(1, 7, 0));
    rewriter.start(now, B, picture(50, 100, 0));
    let ids: Vec<_> = [51, 52]
        .map(|seq| {
            rewriter
                .follow(now, B, picture(seq, 100, 0))
                .unwrap()
                .picture
                .picture_id
        })
        .into();
    assert_eq!(ids, [Some(8), Some(8)]);
}

#[test]
fn a_stream_without_picture_ids_in_between_breaks_nothing() {
    let (mut rewriter, now) = (video(), Instant::now());
    rewriter.start(now, A, picture(1, 7, 3));
    rewriter.start(now, B, numbers(1, 0));
    let back = rewriter.start(now, A, picture(9, 90, 90)).picture;
    assert_eq!((back.picture_id, back.tl0_pic_idx), (Some(8), Some(4)));
}

#[derive(Clone, Debug)]
enum Step {
    /// A packet of the current stream this far from the newest.
    Packet(i64),
    Repeat,
    Switch(u64),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_i64..4).prop_map(Step::Packet),
        3 => (-40_i64..40).prop_map(Step::Packet),
        1 => (-5_000_i64..200_000).prop_map(Step::Packet),
        1 => Just(Step::Repeat),
        1 => (0_u64..1_000_000).prop_map(Step::Switch),
        2 => (0_u16..2_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However streams switch, lose, repeat, reorder and jump: no outgoing number is used twice, none is skipped by
    /// our doing, and a start is always the next number.
    #[test]
    fn no_number_is_used_twice_and_no_start_leaves_a_hole(steps in prop::collection::vec(step(), 1..400)) {
        let (mut rewriter, mut now) = (video(), Instant::now());
        let mut tag = 1;
        let mut newest_in = 1_000_000_i64;
        let first = rewriter.start(now, StreamTag(tag), numbers(newest_in as u64, 0));
        let mut used = HashSet::from([first.seq]);
        let mut newest_out = first.seq;
        let mut last_seq = newest_in;
        for step in steps {
            let out = match step {
                Step::Wait(millis) => {
                    now += Duration::from_millis(millis.into());
                    continue;
                }
                Step::Switch(seq) => {
                    tag += 1;
                    newest_in = 1_000_000 + seq as i64;
                    last_seq = newest_in;
                    let out = rewriter.start(now, StreamTag(tag), numbers(newest_in as u64, seq as u32));
                    prop_assert_eq!(out.seq, newest_out + 1);
                    Some(out)
                }
                Step::Repeat => rewriter.follow(now, StreamTag(tag), numbers(last_seq as u64, 0)),
                Step::Packet(ahead) => {
                    last_seq = (newest_in + ahead).max(0);
                    newest_in = newest_in.max(last_seq);
                    rewriter.follow(now, StreamTag(tag), numbers(last_seq as u64, last_seq as u32))
                }
            };
            if let Some(out) = out {
                prop_assert!(used.insert(out.seq), "number {} used twice", out.seq);
                prop_assert!(out.seq <= newest_out + MAX_GAP, "a jump a receiver cannot follow");
                newest_out = newest_out.max(out.seq);
            }
        }
    }
}

#[test]
fn what_is_left_out_leaves_no_hole() {
    let (mut rewriter, now) = (video(), Instant::now());
    let first = rewriter.start(now, A, picture(100, 7, 3));
    let follow = |rewriter: &mut Rewriter, seq, id| {
        rewriter
            .follow(now, A, picture(seq, id, 3))
            .map(|out| (out.seq - first.seq, out.picture.picture_id.unwrap()))
    };
    // Two pictures of two packets are left out, one is sent in between.
    for seq in [101, 102] {
        rewriter.leave_out(A, picture(seq, 8, 3));
    }
    assert_eq!(follow(&mut rewriter, 103, 9), Some((1, 8)));
    for seq in [104, 105] {
        rewriter.leave_out(A, picture(seq, 10, 3));
    }
    assert_eq!(follow(&mut rewriter, 106, 11), Some((2, 9)));
    assert_eq!(follow(&mut rewriter, 107, 11), Some((3, 9)));
}

#[test]
fn what_was_overtaken_by_something_left_out_keeps_its_place() {
    let (mut rewriter, now) = (video(), Instant::now());
    let first = rewriter.start(now, A, picture(100, 7, 3)).seq;
    // 101 is late, 102 is left out, 103 comes.
    rewriter.leave_out(A, picture(102, 9, 3));
    let seq_of = |rewriter: &mut Rewriter, seq, id| {
        rewriter
            .follow(now, A, picture(seq, id, 3))
            .map(|out| out.seq - first)
    };
    assert_eq!(seq_of(&mut rewriter, 103, 10), Some(2));
    assert_eq!(seq_of(&mut rewriter, 101, 8), Some(1));
    // What was left out is not sent after all, and nobody's number is given twice.
    assert_eq!(seq_of(&mut rewriter, 102, 9), None);
}

#[test]
fn a_run_begins_after_what_was_left_out_of_the_last() {
    let (mut rewriter, now) = (video(), Instant::now());
    let first = rewriter.start(now, A, picture(100, 7, 3));
    rewriter.leave_out(A, picture(101, 8, 3));
    let next = rewriter.start(now + Duration::from_millis(33), B, picture(9, 1, 1));
    assert_eq!(next.seq, first.seq + 1);
    assert_eq!(next.picture.picture_id, Some(8));
}
