//! Camera and microphone of a peer, and in what turn their packets leave.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use curtaincall_link::OVERHEAD_BYTES;
use str0m::media::Mid;

use crate::peer::HEADER_BYTES;
use crate::publisher::{Due, Publisher, most_bits_per_s};
use crate::uplink::Uplink;

/// With what estimate browsers begin.
pub(crate) const FIRST_ESTIMATE: u64 = 300_000;

/// Packets leave so much faster than they are made, so that none waits for long.
const PACED: f64 = 1.5;

/// Camera and microphone, and the m-lines they are sent on.
pub(crate) struct Studio {
    pub publisher: Publisher,
    pub video: Mid,
    pub audio: Mid,
    pub next_seq: HashMap<Option<usize>, u64>,
    /// Streams of video, without resends.
    pub ssrcs: HashSet<u32>,
    pub estimator: Estimator,
}

/// By what a publisher knows its uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// [`Uplink`], and packets that leave evenly.
    Simple,
    /// str0m's port of what Chromium does, with its pacer.
    Gcc,
}

pub(crate) enum Estimator {
    Simple {
        uplink: Box<Uplink>,
        /// What waits for its turn.
        queue: VecDeque<Due>,
        next_turn: Instant,
    },
    Gcc,
}

impl Sender {
    pub(crate) fn estimator(self, now: Instant) -> Estimator {
        match self {
            Self::Gcc => Estimator::Gcc,
            Self::Simple => Estimator::Simple {
                uplink: Box::new(Uplink::new(now, FIRST_ESTIMATE, most_bits_per_s())),
                queue: VecDeque::new(),
                next_turn: now,
            },
        }
    }
}

impl Studio {
    pub fn deadlines(&self) -> impl Iterator<Item = Instant> {
        let turn = match &self.estimator {
            Estimator::Simple {
                queue, next_turn, ..
            } if !queue.is_empty() => Some(*next_turn),
            _ => None,
        };
        turn.into_iter().chain([self.publisher.deadline()])
    }

    /// What is to leave now: sound at once, pictures in their turn.
    pub fn take(&mut self, now: Instant) -> Vec<Due> {
        let due = self.publisher.take(now);
        let Estimator::Simple {
            uplink,
            queue,
            next_turn,
        } = &mut self.estimator
        else {
            return due;
        };
        let (pictures, mut leaving): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|due| due.layer.is_some());
        let unsent = &mut self.publisher.unsent_bytes;
        *unsent += pictures.iter().map(|due| due.payload.len()).sum::<usize>();
        queue.extend(pictures);
        while *next_turn <= now
            && let Some(due) = queue.pop_front()
        {
            let bits = (due.payload.len() + HEADER_BYTES + OVERHEAD_BYTES) as f64 * 8.0;
            let takes = bits / (uplink.bits_per_s() as f64 * PACED);
            *next_turn = (*next_turn).max(now) + Duration::from_secs_f64(takes);
            *unsent = unsent.saturating_sub(due.payload.len());
            leaving.push(due);
        }
        leaving
    }
}
