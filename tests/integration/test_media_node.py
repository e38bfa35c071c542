"""Calls forwarded by a media node in a process of its own, and what is left of them when one of the two is killed."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.media_files import MediaFiles, media_files
from support.media_nodes import NodeProcess
from support.people import Json, Person
from support.server import Server
from support.signaling import Signaling
from support.swarm import SwarmPeer
from support.waiting import until

LEASE_MS = 2_000
SLACK_MS = 250
"""What the goal of `make bench-cutoff` (3 ms) becomes on a machine that runs other tests."""

PRICE_PER_MINUTE_MINOR = 600


@pytest.fixture(scope="module")
def clip() -> MediaFiles:
    return media_files(width=320, height=180)


def served_by(folder: Path, *nodes: NodeProcess) -> Server:
    """A server that forwards nothing itself."""
    environment = {
        "CURTAINCALL_MEDIA__NODES": json.dumps([node.address for node in nodes]),
        "CURTAINCALL_CHARGING__LEASE_MS": str(LEASE_MS),
        "CURTAINCALL_CHARGING__RENEW_EVERY_MS": "500",
    }
    return Server(folder / "server", environment=environment)


@dataclass(frozen=True, slots=True)
class Call:
    call: Json
    creator: Person
    fan: Person
    creator_peer: SwarmPeer
    fan_peer: SwarmPeer

    @property
    def call_id(self) -> str:
        return str(self.call["callId"])

    async def last_packet_us(self) -> int:
        """When the fan's peer received its last packet so far."""
        position = len(self.fan_peer.events)
        await self.fan_peer.command("mark")
        return int((await self.fan_peer.wait_for("mark", after=position))["last_packet_us"])


async def live_call(stack: AsyncExitStack, server: Server, clip: MediaFiles) -> Call:
    """A paid call whose creator's picture has reached the fan; its peers go on whatever the server says."""
    people = server.people
    creator = await people.creator(price_per_minute_minor=PRICE_PER_MINUTE_MINOR, minimumMs=0, incrementMs=1000)
    fan = await people.fan(balance_minor=10_000)
    call = await people.request_call(fan, creator)
    await people.accept_call(creator, call["callId"])
    peers = []
    for person in (creator, fan):
        peer = SwarmPeer.join(
            server.url,
            call["roomId"],
            person.user_id,
            bearer=person.token,
            video=clip.vp8,
            audio=clip.opus,
            options=["--stay-after-terminate", "--slots", "1"],
        )
        peers.append(await stack.enter_async_context(peer))
    await peers[1].wait_for("first_video_packet")
    return Call(call, creator, fan, *peers)


async def state_of(server: Server, call: Call) -> str:
    return str((await server.people.call(call.fan, call.call_id))["state"])


async def settled(server: Server, call: Call) -> Json:
    """The receipt, once the call is settled."""

    async def is_settled() -> bool:
        return await state_of(server, call) == "SETTLED"

    await until(is_settled)
    return await server.people.receipt(call.fan, call.call_id)


async def test_a_call_over_a_node_is_charged_and_cut_like_any_other(tmp_path: Path, clip: MediaFiles) -> None:
    async with NodeProcess(tmp_path / "node") as node, served_by(tmp_path, node) as server, AsyncExitStack() as stack:
        call = await live_call(stack, server, clip)
        await until(lambda: _is_active(server, call))
        for _ in range(2):  # they are a second apart
            await call.fan_peer.wait_for("keyframe", after=len(call.fan_peer.events))
        sent_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        await server.people.terminate(call.call["roomId"], call.fan.user_id, "PAYMENT_FAILED")
        await call.fan_peer.wait_for("terminate")
        seen_us = await call.last_packet_us()
        receipt = await settled(server, call)
        assert (await call.last_packet_us()) == seen_us, "nothing comes after the end"
        assert (seen_us - sent_us) / 1000 < SLACK_MS
        assert receipt["billableMs"] > 0
        metrics = (await server.people.http.get("/metrics")).text
        assert "curtaincall_sfu_media_forwarded_total 0.0" not in metrics
        assert "curtaincall_sfu_media_forwarded_total" in metrics
        code, printed = await server.command("doctor")
        assert f"media node {node.address}: answers, takes rooms" in printed
        assert await node.stop() == 0
        code, printed = await server.command("doctor")
        assert code == 1
        assert f"FAIL  media node {node.address}" in printed


async def test_with_the_control_plane_killed_it_is_dark_within_the_lease_and_settled_at_the_next_start(
    tmp_path: Path, clip: MediaFiles
) -> None:
    async with NodeProcess(tmp_path / "node") as node, served_by(tmp_path, node) as server, AsyncExitStack() as stack:
        call = await live_call(stack, server, clip)
        await until(lambda: _is_active(server, call))
        killed_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        await server.kill()
        await asyncio.sleep((LEASE_MS + 2 * SLACK_MS) / 1000)
        last_us = await call.last_packet_us()
        assert last_us > killed_us, "it went on, as the lease was good"
        assert (last_us - killed_us) / 1000 <= LEASE_MS + SLACK_MS
        await server.start()
        receipt = await settled(server, call)
        assert receipt["billableMs"] <= LEASE_MS + (last_us - killed_us) // 1000 + 10_000
        assert await call.last_packet_us() == last_us
        again = await live_call(stack, server, clip)
        assert await state_of(server, again) == "ACTIVE"
        code, printed = await server.command("ledger", "verify")
        assert code == 0, printed


async def test_a_killed_node_ends_its_calls_settled_and_the_other_takes_its_rooms(
    tmp_path: Path, clip: MediaFiles
) -> None:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(NodeProcess(tmp_path / name)) for name in ("one", "two")]
        server = await stack.enter_async_context(served_by(tmp_path, *nodes))
        people = server.people
        await until(lambda: _all_attached(nodes))
        await nodes[1].command("--drain")
        call = await live_call(stack, server, clip)
        await until(lambda: _is_active(server, call))
        await people.conference("talk")
        guest = await stack.enter_async_context(Signaling(server.url))
        await guest.join("talk", "ann", token=await people.join_token("talk", "ann"))
        await guest.wait_for("JOINED")
        code, printed = await nodes[1].command("--undrain")
        assert code == 0, printed
        await nodes[0].kill()
        ended = await call.fan_peer.wait_for("terminate")
        assert ended["reason"] == "CONNECTION_LOST"
        receipt = await settled(server, call)
        assert receipt["billableMs"] > 0
        assert await guest.refusal() == ("media_unavailable", 1013)
        ann, bob = [
            await stack.enter_async_context(
                SwarmPeer.join(
                    server.url,
                    "talk",
                    user,
                    token=await people.join_token("talk", user),
                    video=clip.vp8,
                    audio=clip.opus,
                    options=["--slots", "1"],
                )
            )
            for user in ("ann", "bob")
        ]
        await bob.wait_for("first_video_packet")
        await ann.wait_for("first_video_packet")
        code, printed = await server.command("ledger", "verify")
        assert code == 0, printed


async def _is_active(server: Server, call: Call) -> bool:
    return await state_of(server, call) == "ACTIVE"


async def _all_attached(nodes: list[NodeProcess]) -> bool:
    return all(any("control_plane_attached" in line for line in node.log) for node in nodes)
