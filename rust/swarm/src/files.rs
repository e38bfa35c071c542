//! The files that peers publish, read once and shared by all peers of a process.

use std::path::Path;
use std::sync::Arc;

use crate::error::SwarmError;
use crate::media::{Clip, Coding};
use crate::pacing::Player;
use crate::publisher::{Publisher, Track};

/// Frame rate of H264 files that do not say theirs, unless told otherwise.
const FRAMES_PER_S: f64 = 30.0;

/// What is published, if anything.
pub struct Files {
    /// Layers from the largest picture to the smallest; one if there is no simulcast.
    video: Vec<Arc<Clip>>,
    audio: Option<Arc<Clip>>,
}

impl Files {
    pub fn open(
        video: &[impl AsRef<Path>],
        audio: Option<&Path>,
        frames_per_s: Option<f64>,
    ) -> Result<Self, SwarmError> {
        let open = |path: &Path| {
            Clip::open(path, frames_per_s.unwrap_or(FRAMES_PER_S))
                .map(Arc::new)
                .map_err(|error| SwarmError::Media {
                    path: path.to_owned(),
                    error,
                })
        };
        let files = Self {
            video: video
                .iter()
                .map(|path| open(path.as_ref()))
                .collect::<Result<_, _>>()?,
            audio: audio.map(open).transpose()?,
        };
        let is_video = |clip: &Arc<Clip>| clip.coding.is_video();
        if !files.video.iter().all(is_video) || files.audio.as_ref().is_some_and(is_video) {
            return Err(SwarmError::Usage(
                "video and audio files are mixed up".to_owned(),
            ));
        }
        if !files
            .video
            .iter()
            .all(|clip| clip.coding == files.video[0].coding)
        {
            return Err(SwarmError::Usage(
                "all layers must be coded the same way".to_owned(),
            ));
        }
        Ok(files)
    }

    /// Both codings of video, the preferred one first.
    pub fn codings(&self, preferred: Option<Coding>) -> Vec<Coding> {
        let published = self.video.first().map(|clip| clip.coding);
        match preferred.or(published) {
            Some(Coding::H264) => vec![Coding::H264, Coding::Vp8],
            _ => vec![Coding::Vp8, Coding::H264],
        }
    }

    pub fn publisher(&self, repeats: bool) -> Publisher {
        let track = |clips: &[Arc<Clip>]| {
            let coding = clips.first()?.coding;
            let layers = clips
                .iter()
                .map(|clip| Player::new(Arc::clone(clip), repeats))
                .collect();
            Some(Track::new(coding, layers))
        };
        let tracks = [track(self.audio.as_slice()), track(&self.video)];
        Publisher::new(tracks.into_iter().flatten().collect())
    }
}
