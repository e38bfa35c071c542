//! What reads bytes of the network before, or beside, the library: frames of TCP, user names of checks, header extensions,
//! beginnings of pictures. None panics, and frames are the same however their stream is cut.
//!
//! The first byte of an input says which, the rest are the bytes.

use std::time::{Duration, Instant, UNIX_EPOCH};

use curtaincall_sfu::capture::{CaptureClock, Report};
use curtaincall_sfu::keyframes::starts_keyframe;
use curtaincall_sfu::picture_height::picture_height;
use curtaincall_sfu::route::local_ufrag;
use curtaincall_sfu::shard::MAX_DATAGRAM;
use curtaincall_sfu::streams::{Deframer, NotFramed};
use curtaincall_sfu::transport_seq::TransportSeqs;
use str0m::format::Codec;
use str0m::media::Frequency;

pub fn run(input: &[u8]) {
    let Some((which, bytes)) = input.split_first() else {
        return;
    };
    match which % 6 {
        0 => frames(bytes),
        1 => {
            let _ = local_ufrag(bytes);
        }
        2 => transport_seqs(bytes),
        3 => picture(Codec::Vp8, bytes),
        4 => picture(Codec::H264, bytes),
        _ => capture_times(bytes),
    }
}

/// A stream, cut where its first bytes say, brings the datagrams that it brings whole.
fn frames(bytes: &[u8]) {
    let (cuts, stream) = bytes.split_at(bytes.len().min(8));
    let mut whole = Vec::new();
    let outcome = Deframer::default().push(stream, |datagram| whole.push(datagram.to_vec()));
    assert!(whole.iter().all(|datagram| datagram.len() <= MAX_DATAGRAM));
    let mut deframer = Deframer::default();
    let mut cut = Vec::new();
    let mut rest = stream;
    let mut ended: Result<(), NotFramed> = Ok(());
    for length in cuts.iter().cycle().take(4_096) {
        let (head, behind) = rest.split_at(rest.len().min(usize::from(*length) + 1));
        ended = deframer.push(head, |datagram| cut.push(datagram.to_vec()));
        rest = behind;
        if ended.is_err() || rest.is_empty() {
            break;
        }
    }
    if rest.is_empty() || ended.is_err() {
        assert_eq!((outcome, whole), (ended, cut));
    }
}

/// Whatever was admitted and counted, nothing is admitted that would be taken for the time before the first number.
fn transport_seqs(bytes: &[u8]) {
    let mut seqs = TransportSeqs::default();
    seqs.ids = vec![3, 14];
    // As the library counts.
    let mut newest: Option<u64> = None;
    for packet in bytes.chunks(24) {
        if !seqs.admit(packet) {
            continue;
        }
        // The last byte says whether the packet turns out to be authentic.
        let seq = seqs
            .seq_of(packet)
            .filter(|_| packet.last().is_some_and(|last| last & 1 == 0));
        let Some(seq) = seq else { continue };
        let extended = match newest {
            None => u64::from(seq),
            Some(newest) => {
                let ahead = i64::from(seq.wrapping_sub(newest as u16) as i16);
                newest
                    .checked_add_signed(ahead)
                    .expect("before the first number")
            }
        };
        newest = newest.max(Some(extended));
        // Of some the session says nothing: they are padding.
        if packet.last().is_some_and(|last| last & 2 == 0) {
            seqs.count(packet);
        }
    }
}

fn picture(codec: Codec, payload: &[u8]) {
    let _ = starts_keyframe(codec, payload);
    let _ = picture_height(codec, payload);
}

/// Whatever a sender's reports say, a moment comes out that is neither in the future nor long ago.
fn capture_times(bytes: &[u8]) {
    const LONGEST_AGO: Duration = Duration::from_secs(10);

    let mut clock = CaptureClock::default();
    // So that there is a time long before.
    let mut now = Instant::now() + Duration::from_secs(3_600);
    for step in bytes.chunks_exact(21) {
        let number =
            |at: usize| u32::from_be_bytes([step[at], step[at + 1], step[at + 2], step[at + 3]]);
        now += Duration::from_millis(u64::from(step[20]));
        let since_1970 = Duration::new(u64::from(number(0)) << (step[16] % 24), number(4) >> 3);
        let report = Report {
            wall_clock: UNIX_EPOCH.checked_add(since_1970).unwrap_or(UNIX_EPOCH),
            timestamp: number(8),
        };
        let captured = clock.captured_at(now, report, number(12), Frequency::NINETY_KHZ);
        assert!(captured <= now, "captured in the future");
        assert!(captured + LONGEST_AGO >= now, "captured long ago");
    }
}
