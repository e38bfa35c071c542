"""Real media files for headless peers, made by ffmpeg once and kept under `build/media`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class MediaFiles:
    """One clip in the forms that the peers publish."""

    vp8: Path
    h264: Path
    opus: Path


def media_files(seconds: int = 6, *, width: int = 640, height: int = 360, frames_per_s: int = 30) -> MediaFiles:
    """Return a moving test picture (VP8 in IVF, H264 in Annex B) and a tone (Opus in Ogg), a key frame every second."""
    folder = ROOT / "build" / "media" / f"{width}x{height}-{frames_per_s}-{seconds}"
    folder.mkdir(parents=True, exist_ok=True)
    files = MediaFiles(folder / "clip.ivf", folder / "clip.h264", folder / "clip.ogg")
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate={frames_per_s}", "-t", str(seconds)]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", str(seconds)]
    key = ["-g", str(frames_per_s), "-keyint_min", str(frames_per_s)]
    _make(files.vp8, [*picture, "-c:v", "libvpx", "-deadline", "realtime", "-b:v", "800k", *key])
    x264 = ["-c:v", "libx264", "-profile:v", "baseline", "-tune", "zerolatency", "-b:v", "800k", "-sc_threshold", "0"]
    _make(files.h264, [*picture, *x264, "-pix_fmt", "yuv420p", *key, "-f", "h264"])
    _make(files.opus, [*tone, "-c:a", "libopus", "-b:a", "32k", "-frame_duration", "20"])
    return files


def _make(target: Path, arguments: list[str]) -> None:
    if target.exists():
        return
    # Written beside its place and moved there whole, so that an interrupted run leaves no half a file.
    unfinished = target.with_name(f"unfinished-{target.name}")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, str(unfinished)], check=True)
    unfinished.rename(target)
