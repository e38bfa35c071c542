"""How fast the picture stops: `make bench-cutoff`.

Four questions, each asked of at least 100 calls between headless peers that do not cooperate (they go on sending and
listening after the end). Times of arrival are the kernel's, taken as a packet enters the receiver's socket:

- paid time ends -> last packet at the receiver (the deadline is the SFU's, on the same monotonic clock);
- terminate request sent -> last packet at the receiver (from just before the HTTP request's bytes leave);
- the server's event loop blocked -> last packet at the receiver: nobody renews a lease any more;
- the whole server killed (`kill -9`) while a media node forwards -> last packet at the receiver; and the
  second question again, over a node.

With `FULL_LOAD=1` a room of 20 x 20 runs on the same shard all the while, and the report is `cutoff-loaded`.
"""

import asyncio
import http.client
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.crowd import FULL_ROOM, full_room
from bench.report import Report
from curtaincall.media.channel import open_channel
from curtaincall.media.v1 import media_node_pb2 as pb
from curtaincall.media.v1.media_node_pb2_grpc import MediaNodeServiceStub
from curtaincall.settings import ClientTls
from support.media_files import MediaFiles, media_files
from support.media_nodes import NodeProcess
from support.people import Json, Person
from support.server import Server
from support.swarm import SwarmPeer

CUTS = int(os.environ.get("CUTS", "100"))
CALLS_AT_ONCE = 10
PRICE_PER_MINUTE_MINOR = 600
MINIMUM_MS = 10_000
AFTER_THE_CUT_S = 1.5
LEASE_MS = 5_000
BLOCKED_S = LEASE_MS / 1000 + 3
FULL_LOAD = os.environ.get("FULL_LOAD", "0") == "1"
ONE_SHARD = {"CURTAINCALL_MEDIA__SHARDS": "1"} if FULL_LOAD else {}
"""Rooms are placed by load: with more shards, the calls would be kept away from the full room."""

# The server, with a way to block its event loop from outside: a signal makes the thread that runs it sleep.
BLOCKABLE = f"""
import signal, time
def block(*_):
    print("blocked_at_us", time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, flush=True)
    time.sleep({BLOCKED_S})
signal.signal(signal.SIGUSR1, block)
from curtaincall.cli import main
main()
"""


def now_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@dataclass
class Call:
    """A call with media flowing."""

    call_id: str
    room_id: str
    creator: Person
    fan: Person
    creator_peer: SwarmPeer
    fan_peer: SwarmPeer

    async def last_packet_us(self) -> int:
        """When the fan's peer received its last packet so far."""
        position = len(self.fan_peer.events)
        await self.fan_peer.command("mark")
        mark = await self.fan_peer.wait_for("mark", after=position)
        return int(mark["last_packet_us"])


@dataclass
class Cuts:
    """What was measured, in milliseconds."""

    deadline_ms: list[float] = field(default_factory=list)
    terminate_ms: list[float] = field(default_factory=list)
    blocked_ms: list[float] = field(default_factory=list)
    killed_ms: list[float] = field(default_factory=list)
    node_terminate_ms: list[float] = field(default_factory=list)
    packets_after_deadline: int = 0


async def open_call(stack: AsyncExitStack, server: Server, clip: MediaFiles, balance_minor: int) -> Call:
    """A paid call whose creator's picture has reached the fan."""
    people = server.people
    creator = await people.creator(
        price_per_minute_minor=PRICE_PER_MINUTE_MINOR, minimumMs=MINIMUM_MS, incrementMs=1000
    )
    fan = await people.fan(balance_minor=balance_minor)
    call = await people.request_call(fan, creator)
    await people.accept_call(creator, call["callId"])

    async def join(person: Person) -> SwarmPeer:
        peer = SwarmPeer.join(
            server.url,
            call["roomId"],
            person.user_id,
            bearer=person.token,
            video=clip.vp8,
            audio=clip.opus,
            options=["--stay-after-terminate", "--slots", "1"],
        )
        return await stack.enter_async_context(peer)

    creator_peer, fan_peer = await asyncio.gather(join(creator), join(fan))
    await fan_peer.wait_for("first_video_packet")
    return Call(call["callId"], call["roomId"], creator, fan, creator_peer, fan_peer)


async def fill(stack: AsyncExitStack, server: Server) -> None:
    """Let the full room run beside the calls, if it is asked for."""
    if FULL_LOAD:
        await stack.enter_async_context(full_room(server))


async def open_calls(
    stack: AsyncExitStack, server: Server, clip: MediaFiles, count: int, balance_minor: int
) -> list[Call]:
    return [await open_call(stack, server, clip, balance_minor) for _ in range(count)]


def lease_ends(server: Server) -> dict[str, Json]:
    """What the SFU reported of leases that it cut itself, by lease: the server's own log."""
    ends = {}
    for line in list(server.log):
        if line.startswith("{") and "lease_ended" in line:
            entry = json.loads(line)
            if entry.get("cause") == "quota":
                ends[str(entry["lease_id"])] = entry
    return ends


async def measure_deadlines(server: Server, clip: MediaFiles, cuts: Cuts) -> None:
    """Calls with 10 s of money, cut by nobody but the SFU's own timer."""
    while len(cuts.deadline_ms) < CUTS:
        async with AsyncExitStack() as stack:
            calls = await open_calls(stack, server, clip, CALLS_AT_ONCE, balance_minor=100)
            for call in calls:
                await call.fan_peer.wait_for("terminate", timeout_s=60)
            await asyncio.sleep(AFTER_THE_CUT_S)  # long enough for a packet too many to arrive
            ends = lease_ends(server)
            for call in calls:
                end = ends[call.call_id]
                cuts.deadline_ms.append((await call.last_packet_us() - end["deadline_us"]) / 1000)
                cuts.packets_after_deadline += int(end["packets_after_deadline"])
        print(f"  paid time ended: {len(cuts.deadline_ms)} cuts", flush=True)


async def measure_terminations(server: Server, clip: MediaFiles, cuts_ms: list[float]) -> None:
    """Calls with money left, ended by a service's `POST /api/rtc/terminate-stream` at a random moment."""
    where = urlsplit(server.url)
    assert where.hostname is not None
    headers = {**server.people.service, "Content-Type": "application/json"}
    dice = random.Random(CUTS)
    while len(cuts_ms) < CUTS:
        async with AsyncExitStack() as stack:
            calls = await open_calls(stack, server, clip, CALLS_AT_ONCE, balance_minor=10_000)
            # A line of its own for each round: one that is quiet while calls are opened would be closed.
            service = http.client.HTTPConnection(where.hostname, where.port)
            service.connect()
            stack.callback(service.close)
            for call in calls:
                await asyncio.sleep(dice.uniform(0.05, 0.25))
                body = {"roomId": call.room_id, "userId": call.fan.user_id, "reason": "PAYMENT_FAILED"}
                sent_us = now_us()
                service.request("POST", "/api/rtc/terminate-stream", json.dumps(body), headers)
                answer = service.getresponse()
                text = answer.read()
                assert answer.status == 200, text
                await asyncio.sleep(AFTER_THE_CUT_S)
                cuts_ms.append((await call.last_packet_us() - sent_us) / 1000)
        print(f"  terminated: {len(cuts_ms)} cuts", flush=True)


async def measure_blocked(server: Server, clip: MediaFiles, cuts: Cuts) -> None:
    """Calls with money left while no coroutine of the server runs: every lease lapses by itself."""
    while len(cuts.blocked_ms) < CUTS:
        async with AsyncExitStack() as stack:
            calls = await open_calls(stack, server, clip, CALLS_AT_ONCE, balance_minor=10_000)
            position = len(server.log)
            server.signal(signal.SIGUSR1)
            await asyncio.sleep(BLOCKED_S - AFTER_THE_CUT_S)
            last_packets_us = [await call.last_packet_us() for call in calls]
            blocked_at_us = next(
                int(line.split()[1]) for line in list(server.log)[position:] if line.startswith("blocked_at_us")
            )
            cuts.blocked_ms += [(last_us - blocked_at_us) / 1000 for last_us in last_packets_us]
            await asyncio.sleep(2 * AFTER_THE_CUT_S)  # the server comes to itself before the peers leave
        print(f"  Python blocked: {len(cuts.blocked_ms)} cuts", flush=True)


def forwarded_by(node: NodeProcess) -> dict[str, str]:
    """The environment of a server that forwards nothing itself."""
    return {"CURTAINCALL_MEDIA__NODES": json.dumps([node.address])}


async def measure_killed(folder: Path, node: NodeProcess, clip: MediaFiles, cuts: Cuts) -> None:
    """Calls with money left on a media node, whose control plane is gone without a word.

    The node counts packets later than a deadline itself, and says so to the next control plane.
    """
    read = 0
    while len(cuts.killed_ms) < CUTS:
        data = folder / f"killed-{len(cuts.killed_ms)}"
        async with Server(data, environment=forwarded_by(node)) as server, AsyncExitStack() as stack:
            await fill(stack, server)
            calls = await open_calls(stack, server, clip, CALLS_AT_ONCE, balance_minor=10_000)
            killed_us = now_us()
            await server.kill()
            await asyncio.sleep(LEASE_MS / 1000 + AFTER_THE_CUT_S)
            cuts.killed_ms += [(await call.last_packet_us() - killed_us) / 1000 for call in calls]
            late, read = await lapses(node.address, read, len(calls) + (FULL_ROOM if FULL_LOAD else 0))
            cuts.packets_after_deadline += late
        print(f"  control plane killed: {len(cuts.killed_ms)} cuts", flush=True)


async def lapses(address: str, after: int, leases: int) -> tuple[int, int]:
    """Packets later than the deadlines of this many leases that lapsed, in a node's own events, and the last number."""
    late = lapsed = 0
    async with asyncio.timeout(10), open_channel(address, ClientTls()) as channel:
        async for batch in MediaNodeServiceStub(channel).WatchEvents(pb.WatchEventsRequest(after=after)):
            for event in batch.events:
                after = event.number
                if event.lease_ended.cause == pb.LEASE_END_LAPSED:
                    lapsed += 1
                    late += event.lease_ended.packets_after_deadline
            if lapsed >= leases:
                break
    return late, after


async def main() -> int:
    clip = media_files(width=426, height=240)
    cuts = Cuts()
    with tempfile.TemporaryDirectory(prefix="curtaincall-bench-") as name:
        folder = Path(name)
        async with Server(folder / "ended", environment=ONE_SHARD) as server, AsyncExitStack() as stack:
            await fill(stack, server)
            await measure_deadlines(server, clip, cuts)
            await measure_terminations(server, clip, cuts.terminate_ms)
        blockable = Server(folder / "blocked", environment=ONE_SHARD, launcher=("-c", BLOCKABLE))
        async with blockable as server, AsyncExitStack() as stack:
            await fill(stack, server)
            await measure_blocked(server, clip, cuts)
        async with NodeProcess(folder / "node", environment=ONE_SHARD) as node:
            async with Server(folder / "server", environment=forwarded_by(node)) as server, AsyncExitStack() as stack:
                await fill(stack, server)
                await measure_terminations(server, clip, cuts.node_terminate_ms)
            await measure_killed(folder, node, clip, cuts)
    report = Report("cutoff-loaded" if FULL_LOAD else "cutoff")
    report.distribution("deadline_cut_ms", "ms", cuts.deadline_ms, "p99 <= 3 ms")
    report.distribution("terminate_cut_ms", "ms", cuts.terminate_ms, "p99 <= 3 ms")
    report.distribution("control_blocked_cut_ms", "ms", cuts.blocked_ms, f"p99 <= {LEASE_MS + 3} ms")
    report.distribution("node_terminate_cut_ms", "ms", cuts.node_terminate_ms, "p99 <= 3 ms")
    report.distribution("control_killed_cut_ms", "ms", cuts.killed_ms, f"p99 <= {LEASE_MS + 3} ms")
    report.value("packets_after_deadline", "packets", cuts.packets_after_deadline, "0")
    report.finish()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
