//! Media files: readers that turn a file's bytes into frames with times, or say what is wrong with them.

pub mod annexb;
pub mod h264;
pub mod ivf;
pub mod ogg;
pub mod vp8;

use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Largest file that is read: files are held in memory.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Most frames of one file.
const MAX_FRAMES: usize = 1 << 20;

/// What a file's frames are coded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Vp8,
    H264,
    Opus,
}

impl Coding {
    /// The RTP clock's rate in Hz.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Vp8 | Self::H264 => 90_000,
            Self::Opus => 48_000,
        }
    }

    pub const fn is_video(self) -> bool {
        !matches!(self, Self::Opus)
    }
}

/// One coded picture, or one packet of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it is due, in microseconds from the beginning of the file.
    pub at_us: u64,
    /// Whether decoding can start here; always so for sound.
    pub keyframe: bool,
    pub data: Arc<[u8]>,
}

/// A whole file: never empty, times never decreasing, the first frame a keyframe.
#[derive(Debug)]
pub struct Clip {
    pub coding: Coding,
    pub frames: Vec<Frame>,
    /// When the first frame is due again if the file is played in a circle, in microseconds.
    pub duration_us: u64,
}

/// Why a media file cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error("has more than {MAX_FRAMES} frames")]
    TooManyFrames,
    #[error("is neither .ivf, .h264 nor .ogg")]
    UnknownKind,
    #[error("is malformed at byte {at}: {what}")]
    Malformed { at: usize, what: &'static str },
    #[error("cannot be published: {0}")]
    Unsupported(&'static str),
}

impl Clip {
    /// Reads a file by its extension: `.ivf` (VP8), `.h264` or `.264` (Annex B), `.ogg` or `.opus` (Opus).
    ///
    /// `frames_per_s` is for Annex B files that do not say their own frame rate.
    pub fn open(path: &Path, frames_per_s: f64) -> Result<Self, MediaError> {
        if fs::metadata(path)?.len() > MAX_FILE_BYTES {
            return Err(MediaError::TooLarge);
        }
        let bytes = fs::read(path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("ivf") => ivf::read(&bytes),
            Some("h264" | "264") => h264::read(&bytes, frames_per_s),
            Some("ogg" | "opus") => ogg::read(&bytes),
            _ => Err(MediaError::UnknownKind),
        }
    }

    /// Checks what every reader promises: frames, beginning with a keyframe, in order, of a sensible number.
    fn checked(coding: Coding, frames: Vec<Frame>, duration_us: u64) -> Result<Self, MediaError> {
        if frames.len() > MAX_FRAMES {
            return Err(MediaError::TooManyFrames);
        }
        match frames.first() {
            None => return Err(MediaError::Unsupported("it has no frames")),
            Some(first) if !first.keyframe => {
                return Err(MediaError::Unsupported("it does not begin with a keyframe"));
            }
            Some(_) => {}
        }
        if !frames.is_sorted_by_key(|frame| frame.at_us) {
            return Err(MediaError::Unsupported("its frames are not in order"));
        }
        if frames.last().is_some_and(|last| last.at_us >= duration_us) {
            return Err(MediaError::Unsupported("its last frame has no duration"));
        }
        Ok(Self {
            coding,
            frames,
            duration_us,
        })
    }
}
