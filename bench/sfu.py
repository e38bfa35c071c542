"""What a forwarded packet costs: `make bench-sfu`.

The real server and headless peers on one machine. For every configuration: CPU time of the server's process (user and
system, all threads: signaling, leases and metering are in it) per media packet that arrived at a subscriber; how long
packets took from the publisher's send call until the kernel put them into the subscriber's socket; what a further
person waits from the first byte of signaling to the first packet of a picture; and how much memory a subscriber takes.

Up to ten subscribers are real ones. Beyond that they decrypt one packet in `DECRYPT_ONE_IN`, count the others by
their headers and acknowledge nothing (the load must not starve the server of its cores), and times of arrival are the
kernel's in any case. How many packets a core forwards without loss is found by adding rooms until packets are missing.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.crowd import clip, counters, crowd
from bench.report import Report
from support.server import Server

SECONDS = float(os.environ.get("SECONDS_EACH", "10"))
WARM_UP_S = 3.0
JOINS = int(os.environ.get("JOINS", "40"))
DECRYPT_ONE_IN = 50
LOST_SHARE = 0.0005
"""More packets missing than this and a core holds less than was asked of it."""

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Shape:
    """Rooms of one form."""

    name: str
    publishers: int
    peers: int
    video_kbps: int = 1_800
    sinks: bool = False
    rooms: int = 1
    joins: int = 0

    @property
    def subscriptions(self) -> int:
        """Pairs of somebody who sends and somebody who receives it."""
        return self.rooms * self.publishers * (self.peers - 1)


SHAPES = (
    Shape("2x2", 2, 2, joins=JOINS),
    Shape("1x10", 1, 11),
    Shape("1x100", 1, 101, sinks=True),
    Shape("10x10", 10, 10),
    Shape("20x20", 20, 20, video_kbps=300),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a shape cost."""

    packets_per_s: float
    cpu_us_per_packet: float
    cores: float
    packets_per_send_call: float
    latency_us: Mapping[str, int]
    lost_share: float
    join_ms: list[float]
    grew_mib: float


async def run(server: Server, shape: Shape) -> Outcome:
    video, audio = clip(shape.video_kbps)
    load = crowd(
        server,
        video=[video],
        audio=audio,
        rooms=shape.rooms,
        peers=shape.peers,
        warm_up_s=WARM_UP_S,
        duration_s=SECONDS,
        options=[
            *("--publishers", str(shape.publishers), "--joins", str(shape.joins)),
            *("--decrypt-one-in", str(DECRYPT_ONE_IN if shape.sinks else 1)),
        ],
    )
    async with load as swarm:
        await swarm.wait_for("window_began", timeout_s=180)
        before = await counters(server)
        await swarm.wait_for("window_ended", timeout_s=SECONDS + 60)
        after = await counters(server)
        summary = await swarm.wait_for("summary", timeout_s=60 + 3 * shape.joins)
    assert summary["connected"] == summary["peers"], f"only {summary['connected']} of {summary['peers']} connected"
    return outcome(shape, summary, {name: after[name] - before[name] for name in after})


def outcome(shape: Shape, summary: Mapping[str, Any], moved: Mapping[str, float]) -> Outcome:
    window = summary["window"]
    packets = max(1, window["packets"])
    return Outcome(
        packets_per_s=packets / window["us"] * 1e6,
        cpu_us_per_packet=window["server_cpu_us"] / packets,
        cores=window["server_cpu_us"] / window["us"],
        packets_per_send_call=moved["packets_out"] / max(1.0, moved["send_calls"]),
        latency_us=window["latency_us"],
        lost_share=summary["lost"] / max(1, summary["packets"] + summary["lost"]),
        join_ms=[us / 1000 for us in summary["join_first_video_us"]],
        grew_mib=window["server_grew_bytes"] / MIB,
    )


def tell(shape: Shape, found: Outcome) -> None:
    latency = found.latency_us
    print(
        f"  {shape.rooms} x {shape.name}: {found.packets_per_s:,.0f} packets/s, {found.cpu_us_per_packet:.2f} us each, "
        f"{found.cores:.2f} cores, {found.packets_per_send_call:.1f} packets a send call, "
        f"latency {latency['p50'] / 1000:.3f} / {latency['p99'] / 1000:.3f} ms, lost {found.lost_share:.5f}",
        flush=True,
    )


async def measure(shape: Shape) -> Outcome:
    """A server of its own for every shape, so that none inherits the memory of another."""
    settings = {"CURTAINCALL_ROOMS__MAX_PARTICIPANTS": "500", "CURTAINCALL_MEDIA__SHARDS": "1"}
    with tempfile.TemporaryDirectory(prefix="curtaincall-bench-") as folder:
        async with Server(Path(folder), environment=settings) as server:
            found = await run(server, shape)
    tell(shape, found)
    return found


async def most_packets() -> float:
    """Packets per second that one shard's core forwards with next to nothing lost."""
    held = 0.0
    for rooms in range(2, 9):
        found = await measure(Shape("1x100", 1, 101, sinks=True, rooms=rooms))
        if found.lost_share > LOST_SHARE:
            break
        held = max(held, found.packets_per_s)
    return held


def figures(report: Report, found: Mapping[str, Outcome]) -> None:
    goals = {"1x100": "<= 6", "20x20": "<= 6"}
    for shape in SHAPES:
        cost = round(found[shape.name].cpu_us_per_packet, 2)
        report.value(f"cpu_us_per_packet_{shape.name}", "us", cost, goals.get(shape.name, ""))
    for shape in SHAPES:
        calls = round(found[shape.name].packets_per_send_call, 1)
        report.value(f"packets_per_send_call_{shape.name}", "packets", calls)
    for name, goal in (("2x2", "p50 <= 0.12 ms"), ("1x100", "p99 <= 5 ms"), ("10x10", "p99 <= 1.5 ms")):
        report.percentiles(f"forward_latency_ms_{name}", "ms", found[name].latency_us, 1000, goal)
    report.distribution("join_first_video_ms", "ms", found["2x2"].join_ms, "p50 <= 40, p99 <= 80 ms")
    memory = found["1x100"].grew_mib / 100
    report.value("memory_mib_per_subscriber", "MiB", round(memory, 3), "<= 0.6")


async def main() -> int:
    found = {shape.name: await measure(shape) for shape in SHAPES}
    report = Report("sfu")
    figures(report, found)
    report.value("packets_per_s_per_core", "packets/s", round(await most_packets()), ">= 120000")
    report.finish()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
