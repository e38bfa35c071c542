"""Rooms full of headless peers, as a load or beside what is measured."""

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from support.media_files import ROOT, media_files
from support.server import Server
from support.swarm import SwarmPeer

FULL_ROOM: Final = 20
VIDEO_KBPS: Final = 300
LONGER_THAN_ANY_BENCH_S: Final = 7_200


def clip(kbps: int, size: str = "") -> tuple[Path, Path]:
    """A picture of this bit rate (VP8) and a tone, made once. Without a size, one that suits the rate."""
    opus = media_files(width=426, height=240).opus
    size = size or ("640x360" if kbps > 1_000 else "320x180")
    target = ROOT / "build" / "media" / f"noise-{size}-{kbps}.ivf"
    if not target.exists():
        source = f"testsrc2=size={size}:rate=30,noise=alls=20:allf=t"
        rate = ["-b:v", f"{kbps}k", "-minrate", f"{kbps}k", "-maxrate", f"{kbps}k", "-bufsize", f"{kbps // 4}k"]
        coding = ["-c:v", "libvpx", "-deadline", "realtime", "-g", "60", "-keyint_min", "60"]
        unfinished = target.with_name(f"unfinished-{target.name}")
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "12", *coding, *rate]
        subprocess.run([*command, str(unfinished)], check=True)
        unfinished.rename(target)
    return target, opus


async def counters(server: Server) -> dict[str, float]:
    """The SFU's own counters, at most a second old."""
    text = (await server.people.http.get("/metrics")).text
    rows = (line.split(" ") for line in text.splitlines() if line.startswith("curtaincall_sfu_"))
    return {name.removeprefix("curtaincall_sfu_").removesuffix("_total"): float(value) for name, value in rows}


def crowd(
    server: Server,
    *,
    video: Sequence[Path],
    audio: Path,
    peers: int,
    warm_up_s: float,
    duration_s: float,
    rooms: int = 1,
    options: Sequence[str] = (),
) -> SwarmPeer:
    """So many peers in each of so many rooms, who all publish unless an option says otherwise.

    `video` is a file of VP8, or one for each simulcast layer.
    """
    arguments = ["load", "--url", server.url.replace("http", "ws", 1), "--bearer", server.people.service_token]
    arguments += ["--server", str(server.pid), "--rooms", str(rooms), "--peers", str(peers), "--codec", "vp8"]
    arguments += ["--simulcast" if len(video) > 1 else "--publish-video", ",".join(map(str, video))]
    arguments += ["--publish-audio", str(audio)]
    arguments += ["--warm-up-s", str(warm_up_s), "--duration-s", str(duration_s)]
    return SwarmPeer([*arguments, *options])


@asynccontextmanager
async def full_room(server: Server) -> AsyncIterator[None]:
    """A room of 20 of whom each sends to all others, for as long as the context is open."""
    video, audio = clip(VIDEO_KBPS)
    room = crowd(server, video=[video], audio=audio, peers=FULL_ROOM, warm_up_s=1, duration_s=LONGER_THAN_ANY_BENCH_S)
    async with room as swarm:
        await swarm.wait_for("window_began", timeout_s=180)
        yield
