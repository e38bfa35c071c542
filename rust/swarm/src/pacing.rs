//! When which frame of a clip is to be sent. Pure: times are passed in, in microseconds of the monotonic clock.

use std::sync::Arc;

use crate::media::{Clip, Frame};

/// A player that is further behind than this goes on from now instead of sending what it missed in a burst.
const MAX_LATE_US: u64 = 500_000;

/// Plays one clip, once or in a circle. Times of frames go on evenly over the clip's end and over jumps.
#[derive(Clone, Debug)]
pub struct Player {
    clip: Arc<Clip>,
    repeats: bool,
    next: usize,
    /// When the next frame is due; `None` before the beginning and after the end.
    due_us: Option<u64>,
}

impl Player {
    pub fn new(clip: Arc<Clip>, repeats: bool) -> Self {
        Self {
            clip,
            repeats,
            next: 0,
            due_us: None,
        }
    }

    /// Begins, or goes on after a pause, with the next keyframe now.
    pub fn start(&mut self, now_us: u64) {
        self.jump_to_keyframe();
        self.due_us = Some(now_us);
    }

    /// When the next frame is due.
    pub fn due_us(&self) -> Option<u64> {
        self.due_us
    }

    /// The next frame, if it is due, and the time that it was due.
    pub fn take(&mut self, now_us: u64) -> Option<(u64, Frame)> {
        let mut due_us = self.due_us.filter(|&due_us| due_us <= now_us)?;
        if now_us - due_us > MAX_LATE_US {
            due_us = now_us;
        }
        let frame = self.clip.frames[self.next].clone();
        self.next += 1;
        self.due_us = match self.clip.frames.get(self.next) {
            Some(following) => Some(due_us + following.at_us - frame.at_us),
            None if self.repeats => {
                self.next = 0;
                Some(due_us + self.clip.duration_us - frame.at_us)
            }
            None => {
                self.next = 0;
                None
            }
        };
        Some((due_us, frame))
    }

    /// Makes the next keyframe of the clip the next frame, keeping the time that it is due: the answer to a request
    /// for a keyframe.
    pub fn jump_to_keyframe(&mut self) {
        let frames = &self.clip.frames;
        self.next = (self.next..frames.len())
            .find(|&index| frames[index].keyframe)
            .unwrap_or(0); // a clip begins with a keyframe
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Coding;

    const FRAME_US: u64 = 100;

    /// Frames 100 us apart; those at these places are keyframes.
    fn clip(count: u8, keyframes: &[u8]) -> Arc<Clip> {
        let frames = (0..count)
            .map(|index| Frame {
                at_us: u64::from(index) * FRAME_US,
                keyframe: keyframes.contains(&index),
                data: Arc::from([index].as_slice()),
            })
            .collect();
        Arc::new(Clip {
            coding: Coding::Vp8,
            frames,
            duration_us: u64::from(count) * FRAME_US,
        })
    }

    fn play(player: &mut Player, until_us: u64) -> Vec<(u64, u8)> {
        let mut played = Vec::new();
        while let Some((due_us, frame)) = player.take(until_us) {
            played.push((due_us, frame.data[0]));
        }
        played
    }

    #[test]
    fn nothing_is_played_before_the_start() {
        assert_eq!(play(&mut Player::new(clip(3, &[0]), true), 1_000), []);
    }

    #[test]
    fn frames_come_at_their_times_and_go_on_evenly_in_a_circle() {
        let mut player = Player::new(clip(3, &[0]), true);
        player.start(1_000);
        assert_eq!(
            play(&mut player, 1_400),
            [(1_000, 0), (1_100, 1), (1_200, 2), (1_300, 0), (1_400, 1)]
        );
        assert_eq!(player.due_us(), Some(1_500));
    }

    #[test]
    fn a_clip_played_once_ends() {
        let mut player = Player::new(clip(2, &[0]), false);
        player.start(0);
        assert_eq!(play(&mut player, 5_000), [(0, 0), (100, 1)]);
        assert_eq!(player.due_us(), None);
    }

    #[test]
    fn a_jump_goes_to_the_next_keyframe_and_changes_no_time() {
        let mut player = Player::new(clip(5, &[0, 3]), true);
        player.start(0);
        assert_eq!(play(&mut player, 0), [(0, 0)]);
        player.jump_to_keyframe();
        assert_eq!(play(&mut player, 200), [(100, 3), (200, 4)]);
        player.jump_to_keyframe();
        assert_eq!(play(&mut player, 300), [(300, 0)]);
    }

    #[test]
    fn what_was_missed_by_far_is_not_sent_in_a_burst() {
        let mut player = Player::new(clip(5, &[0]), true);
        player.start(0);
        assert_eq!(play(&mut player, 0), [(0, 0)]);
        let late_us = MAX_LATE_US + 1_000;
        assert_eq!(play(&mut player, late_us), [(late_us, 1)]);
        assert_eq!(player.due_us(), Some(late_us + FRAME_US));
    }
}
