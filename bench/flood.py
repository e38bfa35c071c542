"""What a flood of rubbish costs the others: `make bench-flood`.

Two people in a call on the real server, over real sockets, while nobody, a stranger, or a participant of another room
of the same shard sends 100,000 packets of rubbish a second to the port they use. For each: what was lost of the call,
how long its packets took from socket to socket, how much of the flood the server saw, and the CPU time of the server's
process per packet of rubbish. The flood and the bots have to share the machine with the server.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.crowd import clip, counters, crowd
from bench.report import Report
from support.server import Server
from support.swarm import SwarmPeer

PACKETS_A_S = int(os.environ.get("PACKETS_A_S", "100000"))
SECONDS = float(os.environ.get("SECONDS_EACH", "10"))
WARM_UP_S = 3.0
VIDEO_KBPS = 1_800


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call went."""

    lost_share: float
    latency_us: dict[str, int]
    cores: float
    seen_a_s: float


Flood = Callable[[Server, int], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def nobody(_: Server, __: int) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def stranger(_: Server, port: int) -> AsyncIterator[None]:
    rate = ["--per-s", str(PACKETS_A_S), "--duration-s", str(SECONDS)]
    async with SwarmPeer(["flood", "--to", f"127.0.0.1:{port}", *rate]) as flooder:
        yield
        await flooder.wait_for("flooded", timeout_s=SECONDS + 20)


@asynccontextmanager
async def participant(server: Server, _: int) -> AsyncIterator[None]:
    room = await server.people.conference("elsewhere")
    token = await server.people.join_token(room["roomId"], "eve")
    video, audio = clip(VIDEO_KBPS)
    async with SwarmPeer.join(server.url, room["roomId"], "eve", token=token, video=video, audio=audio) as eve:
        await eve.wait_for("connected")
        await eve.command(f"flood {PACKETS_A_S}")
        yield
        await eve.command("flood 0")
        await eve.finish()


async def call(server: Server, port: int, flood: Flood) -> Outcome:
    video, audio = clip(VIDEO_KBPS)
    two = crowd(server, video=[video], audio=audio, peers=2, warm_up_s=WARM_UP_S, duration_s=SECONDS)
    async with two as swarm:
        await swarm.wait_for("window_began", timeout_s=60)
        before = (await counters(server))["packets_in"]
        async with flood(server, port):
            await swarm.wait_for("window_ended", timeout_s=SECONDS + 60)
            seen = (await counters(server))["packets_in"] - before
        summary: dict[str, Any] = await swarm.wait_for("summary", timeout_s=60)
    window = summary["window"]
    return Outcome(
        lost_share=summary["lost"] / max(1, summary["packets"] + summary["lost"]),
        latency_us=window["latency_us"],
        cores=window["server_cpu_us"] / window["us"],
        seen_a_s=seen / window["us"] * 1e6,
    )


async def measure(flood: Flood) -> Outcome:
    """On a server of its own, with one shard, so that nobody is out of the flood's way."""
    port = int(os.environ.get("MEDIA_PORT", "21900"))
    settings = {"CURTAINCALL_MEDIA__PORT": str(port), "CURTAINCALL_MEDIA__SHARDS": "1"}
    with tempfile.TemporaryDirectory(prefix="curtaincall-bench-") as folder:
        async with Server(Path(folder), environment=settings) as server:
            return await call(server, port, flood)


async def main() -> int:
    report = Report("flood")
    quiet = await measure(nobody)
    report.percentiles("flood_latency_ms_nobody", "ms", quiet.latency_us, 1000)
    report.value("flood_lost_share_nobody", "share", round(quiet.lost_share, 6), "0")
    for flood in (stranger, participant):
        name, found = flood.__name__, await measure(flood)
        report.percentiles(f"flood_latency_ms_{name}", "ms", found.latency_us, 1000)
        report.value(f"flood_lost_share_{name}", "share", round(found.lost_share, 6), "0")
        rubbish_a_s = found.seen_a_s - quiet.seen_a_s
        report.value(f"flood_seen_{name}", "packets/s", round(rubbish_a_s))
        cost = (found.cores - quiet.cores) * 1e6 / max(1.0, rubbish_a_s)
        report.value(f"flood_cpu_us_{name}", "us/packet", round(cost, 2))
    report.finish()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
