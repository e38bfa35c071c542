//! Headless peers: they join over the public signaling as any client does, publish real files, and tell what they
//! received and when. For tests, benches and the demo.

mod cli;
mod clock;
mod connection;
mod control;
mod error;
mod events;
mod media;
mod pacing;
mod peer;
mod publisher;
mod report;
mod sequence;
mod signaling;
mod socket;
mod tls;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use crate::cli::{Options, Task, needed};
use crate::error::SwarmError;
use crate::events::Events;
use crate::media::{Clip, Coding};
use crate::pacing::Player;
use crate::peer::{Conductor, Join, Peer};
use crate::publisher::{Publisher, Track};
use crate::signaling::Endpoint;

/// Pairs of slots unless told otherwise.
const SLOTS: usize = 4;
/// Frame rate of H264 files that do not say theirs, unless told otherwise.
const FRAMES_PER_S: f64 = 30.0;

fn main() -> ExitCode {
    let result = match cli::parse(std::env::args_os().skip(1)) {
        Ok(Task::Help) => {
            print!("{}", cli::USAGE);
            Ok(true)
        }
        Ok(Task::Join(options)) => join(options),
        Ok(Task::Load(_)) => Ok(false),
        Err(error) => Err(error),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("curtaincall-swarm: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs one peer; returns whether it was let into the room.
fn join(options: Options) -> Result<bool, SwarmError> {
    let user = needed(options.user, "--user")?;
    let events = Events::printed(&user);
    let files = Files::open(
        &options.video,
        options.audio.as_deref(),
        options.frames_per_s,
    )?;
    let join = Join {
        endpoint: Endpoint {
            url: needed(options.url, "--url")?,
            bearer: options.bearer,
            origin: options.origin,
            certificate: options.certificate,
        },
        room: needed(options.room, "--room")?,
        user,
        token: options.token,
        slots: options.slots.unwrap_or(SLOTS),
        video: files.codings(options.codec),
        duration: options.duration,
        stays_after_terminate: options.stays_after_terminate,
    };
    let stdin = std::io::stdin();
    let peer = Peer::connect(
        join,
        files.publisher(options.repeats),
        events.clone(),
        Conductor::Stdin(&stdin),
    );
    match peer {
        Ok(peer) => Ok(peer.run()?.joined),
        Err(
            error @ (SwarmError::Refused { .. } | SwarmError::Io(_) | SwarmError::Signaling(_)),
        ) => {
            let code = match error {
                SwarmError::Refused { status } => format!("http_{status}"),
                _ => "unreachable".to_owned(),
            };
            events.tell("error", json!({"code": code, "message": error.to_string()}));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The files to publish, read once and shared by all peers of a process.
struct Files {
    /// Layers from the largest picture to the smallest; one if there is no simulcast.
    video: Vec<Arc<Clip>>,
    audio: Option<Arc<Clip>>,
}

impl Files {
    fn open(
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
    fn codings(&self, preferred: Option<Coding>) -> Vec<Coding> {
        let published = self.video.first().map(|clip| clip.coding);
        match preferred.or(published) {
            Some(Coding::H264) => vec![Coding::H264, Coding::Vp8],
            _ => vec![Coding::Vp8, Coding::H264],
        }
    }

    fn publisher(&self, repeats: bool) -> Publisher {
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
