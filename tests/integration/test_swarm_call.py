"""Headless peers in a conference on a real server: everybody sees and hears everybody, and nothing is lost."""

import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from support.media_files import MediaFiles, media_files
from support.server import Server
from support.swarm import Event, SwarmPeer

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYFRAMES = 3
PICTURES_A_S = 30
GAP_US = 500_000
LAYERS = [(640, 360), (426, 240), (212, 120)]


@dataclass(frozen=True, slots=True)
class Room:
    """A conference, in which each test is alone."""

    server: Server
    room_id: str


@pytest_asyncio.fixture(loop_scope="session")
async def room(server: Server) -> Room:
    room = await server.people.conference(f"swarm-{uuid.uuid4().hex}")
    return Room(server, room["roomId"])


@pytest.fixture(scope="module")
def clip() -> MediaFiles:
    return media_files(width=320, height=180)


async def join(stack: AsyncExitStack, room: Room, user: str, video: Path | None, audio: Path | None) -> SwarmPeer:
    options = ["--slots", "2"]
    return await enter(stack, room, user, options, video=video, audio=audio)


async def enter(
    stack: AsyncExitStack,
    room: Room,
    user: str,
    options: Sequence[str],
    *,
    video: Path | None = None,
    audio: Path | None = None,
) -> SwarmPeer:
    token = await room.server.people.join_token(room.room_id, user)
    peer = SwarmPeer.join(room.server.url, room.room_id, user, token=token, video=video, audio=audio, options=options)
    return await stack.enter_async_context(peer)


async def wait_for_pictures(peer: SwarmPeer, from_user: str) -> None:
    """Until this many keyframes of that user have come: one when joining, then one a second."""
    position = 0
    for _ in range(KEYFRAMES):
        event = await peer.wait_for("keyframe", lambda event: event["from_user"] == from_user, after=position)
        assert (event["width"], event["height"]) == (320, 180)
        position = peer.events.index(event) + 1


async def wait_for_pictures_since(peer: SwarmPeer, position: int) -> None:
    """Until two further keyframes have come: at least a second has passed."""
    for _ in range(2):
        event = await peer.wait_for("keyframe", after=position)
        position = peer.events.index(event) + 1


def check_received(summary: Event, from_user: str) -> None:
    source = summary["per_source"][from_user]
    assert source["lost"] == 0, summary
    assert source["video"]["keyframes"] >= KEYFRAMES, summary
    assert source["video"]["frames"] >= (KEYFRAMES - 2) * PICTURES_A_S, summary
    assert source["audio"]["frames"] > 0, summary
    assert summary["frames_broken"] == 0, summary
    assert summary["lost"] == 0, summary


@pytest.mark.parametrize("coding", ["vp8", "h264"])
async def test_two_peers_see_and_hear_each_other_and_nothing_is_lost(room: Room, clip: MediaFiles, coding: str) -> None:
    video: Path = getattr(clip, coding)
    async with AsyncExitStack() as stack:
        ann = await join(stack, room, "ann", video, clip.opus)
        bob = await join(stack, room, "bob", video, clip.opus)
        await wait_for_pictures(ann, "bob")
        await wait_for_pictures(bob, "ann")
        check_received(await ann.finish(), "bob")
        check_received(await bob.finish(), "ann")


async def test_who_comes_later_begins_with_a_keyframe_at_once(room: Room, clip: MediaFiles) -> None:
    async with AsyncExitStack() as stack:
        ann = await join(stack, room, "ann", clip.vp8, clip.opus)
        await ann.wait_for("connected")
        viewer = await join(stack, room, "vic", None, None)
        first = await viewer.wait_for("first_video_packet", lambda event: event["from_user"] == "ann")
        keyframe = await viewer.wait_for("keyframe")
        assert keyframe["at_us"] - first["at_us"] < 500_000, "the clip's own keyframes are a second apart"


async def test_a_slot_tells_who_left(room: Room, clip: MediaFiles) -> None:
    async with AsyncExitStack() as stack:
        ann = await join(stack, room, "ann", clip.vp8, clip.opus)
        bob = await join(stack, room, "bob", clip.vp8, clip.opus)
        await wait_for_pictures(ann, "bob")
        position = len(ann.events)
        await bob.command("leave")
        left = await ann.wait_for(
            "message", lambda event: event["message"]["type"] == "PARTICIPANT_LEFT", after=position
        )
        assert left["message"]["userId"] == "bob"
        tracks = await ann.wait_for(
            "tracks", lambda event: all(slot["userId"] is None for slot in event["slots"]), after=position
        )
        assert len(tracks["slots"]) == 4
        summary = await bob.wait_for("summary")
        assert summary["lost"] == 0, summary


async def test_a_lost_network_is_a_gap_and_media_comes_back(room: Room, clip: MediaFiles) -> None:
    async with AsyncExitStack() as stack:
        ann = await join(stack, room, "ann", clip.vp8, clip.opus)
        bob = await join(stack, room, "bob", None, None)
        witness = await join(stack, room, "vic", None, None)
        await ann.wait_for("connected")
        await wait_for_pictures(bob, "ann")
        await wait_for_pictures(witness, "ann")
        await bob.command("drop_network")
        seen = len(witness.events)
        await wait_for_pictures_since(witness, seen)
        await bob.command("restore_network")
        await bob.wait_for("keyframe", after=len(bob.events))
        summary = await bob.finish()
        assert any(gap["len_us"] > GAP_US for gap in summary["gaps"]), summary


@pytest.mark.parametrize("command", ["ice_restart", "offer_again"])
async def test_an_offer_on_the_same_seat_goes_on(room: Room, clip: MediaFiles, command: str) -> None:
    async with AsyncExitStack() as stack:
        ann = await join(stack, room, "ann", clip.vp8, clip.opus)
        bob = await join(stack, room, "bob", clip.vp8, clip.opus)
        await wait_for_pictures(ann, "bob")
        await wait_for_pictures(bob, "ann")
        mine, hers = len(bob.events), len(ann.events)
        await bob.command(command)
        await bob.wait_for("answer", after=mine)
        await wait_for_pictures_since(bob, mine)
        await wait_for_pictures_since(ann, hers)
        summary = await ann.finish()
        assert summary["longest_gap_us"] < GAP_US, summary


async def test_three_layers_arrive_as_one_picture(room: Room, clip: MediaFiles) -> None:
    layers = ",".join(str(media_files(width=width, height=height).vp8) for width, height in LAYERS)
    async with AsyncExitStack() as stack:
        await enter(stack, room, "ann", ["--simulcast", layers, "--loop", "--slots", "1"])
        bob = await join(stack, room, "bob", None, None)
        keyframe = await bob.wait_for("keyframe")
        assert (keyframe["width"], keyframe["height"]) in LAYERS
        await wait_for_pictures_since(bob, bob.events.index(keyframe) + 1)
        summary = await bob.finish()
        assert (summary["lost"], summary["frames_broken"]) == (0, 0), summary


async def test_rooms_full_of_peers_in_one_process_lose_nothing(server: Server, clip: MediaFiles) -> None:
    rooms, peers = 2, 3
    arguments = ["load", "--url", server.url.replace("http", "ws", 1), "--bearer", server.people.service_token]
    arguments += ["--rooms", str(rooms), "--peers", str(peers), "--duration-s", "2"]
    arguments += ["--publish-video", str(clip.vp8), "--publish-audio", str(clip.opus)]
    async with SwarmPeer(arguments) as load:
        summary = await load.wait_for("summary", timeout_s=60)
    assert summary["connected"] == summary["peers"] == rooms * peers, summary
    assert (summary["lost"], summary["frames_broken"]) == (0, 0), summary
    assert summary["frames"] > rooms * peers * (peers - 1) * PICTURES_A_S, summary
