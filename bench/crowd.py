"""Rooms full of headless peers, as a load or beside what is measured."""

import subprocess
from collections.abc import AsyncIterator
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


@asynccontextmanager
async def full_room(server: Server) -> AsyncIterator[None]:
    """A room of 20 of whom each sends to all others, for as long as the context is open."""
    video, audio = clip(VIDEO_KBPS)
    arguments = ["load", "--url", server.url.replace("http", "ws", 1), "--bearer", server.people.service_token]
    arguments += ["--rooms", "1", "--peers", str(FULL_ROOM), "--publishers", str(FULL_ROOM)]
    arguments += ["--publish-video", str(video), "--publish-audio", str(audio), "--codec", "vp8"]
    arguments += ["--warm-up-s", "1", "--duration-s", str(LONGER_THAN_ANY_BENCH_S), "--server", str(server.pid)]
    async with SwarmPeer(arguments) as swarm:
        await swarm.wait_for("window_began", timeout_s=180)
        yield
