//! What a peer publishes: players of files, and the frames that are due.

use crate::connection::{Connection, LAYER_NAMES};
use crate::media::Coding;
use crate::pacing::Player;

/// One track: a file, or one file for each simulcast layer from the largest picture to the smallest.
#[derive(Debug)]
pub struct Track {
    layers: Vec<Player>,
    coding: Coding,
    muted: bool,
}

impl Track {
    /// A track of these layers, of which there is at least one, all of the same coding.
    pub fn new(coding: Coding, layers: Vec<Player>) -> Self {
        Self {
            layers,
            coding,
            muted: false,
        }
    }
}

/// All tracks of a peer, in the order of its offer.
#[derive(Debug, Default)]
pub struct Publisher {
    tracks: Vec<Track>,
    playing: bool,
}

/// A frame could not be sent: the server did not agree to a track's coding or layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server does not take {coding:?}")]
pub struct Unwanted {
    pub coding: Coding,
}

impl Publisher {
    pub fn new(tracks: Vec<Track>) -> Self {
        Self {
            tracks,
            playing: false,
        }
    }

    /// Coding and number of layers of each track.
    pub fn offered(&self) -> Vec<(Coding, usize)> {
        self.tracks
            .iter()
            .map(|track| (track.coding, track.layers.len()))
            .collect()
    }

    /// Begins to play, or goes on with keyframes: the connection stands.
    pub fn start(&mut self, now_us: u64) {
        self.playing = true;
        for player in self.tracks.iter_mut().flat_map(|track| &mut track.layers) {
            player.start(now_us);
        }
    }

    pub fn stop(&mut self) {
        self.playing = false;
    }

    /// Mutes or unmutes tracks. Nothing is sent while muted; video goes on with a keyframe.
    pub fn set_muted(&mut self, muted: bool, video: bool, audio: bool, now_us: u64) {
        for track in &mut self.tracks {
            let concerned = if track.coding.is_video() {
                video
            } else {
                audio
            };
            if !concerned || track.muted == muted {
                continue;
            }
            track.muted = muted;
            if !muted && self.playing {
                for player in &mut track.layers {
                    player.start(now_us);
                }
            }
        }
    }

    /// Somebody needs a keyframe of this track: all its layers go on with their next one.
    pub fn keyframe_wanted(&mut self, own: usize) {
        for player in self
            .tracks
            .get_mut(own)
            .into_iter()
            .flat_map(|track| &mut track.layers)
        {
            player.jump_to_keyframe();
        }
    }

    /// When the next frame is due.
    pub fn due_us(&self) -> Option<u64> {
        self.players().filter_map(Player::due_us).min()
    }

    fn players(&self) -> impl Iterator<Item = &Player> {
        let playing = self.playing;
        self.tracks
            .iter()
            .filter(move |track| playing && !track.muted)
            .flat_map(|track| &track.layers)
    }

    /// Hands the frames that are due to the connection.
    ///
    /// # Errors
    /// A track that the server did not agree to is stopped for good and told.
    pub fn write_due(
        &mut self,
        now_us: u64,
        connection: &mut Connection,
    ) -> Result<bool, Unwanted> {
        let mut wrote = false;
        if !self.playing {
            return Ok(wrote);
        }
        for (own, track) in self.tracks.iter_mut().enumerate() {
            if track.muted {
                continue;
            }
            let layered = track.layers.len() > 1;
            for (player, name) in track.layers.iter_mut().zip(LAYER_NAMES) {
                while let Some((due_us, frame)) = player.take(now_us) {
                    if !connection.write(own, layered.then_some(name), due_us, &frame) {
                        track.muted = true;
                        return Err(Unwanted {
                            coding: track.coding,
                        });
                    }
                    wrote = true;
                }
            }
        }
        Ok(wrote)
    }
}
