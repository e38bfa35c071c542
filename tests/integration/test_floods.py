"""A hundred thousand packets of rubbish a second, or never a word of thanks: the others in the call notice nothing.

Over real sockets: the flood comes from a stranger's address, or from that of somebody who sits in the same room.
"""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from support.media_files import MediaFiles, media_files
from support.server import Server
from support.swarm import Event, SwarmPeer

PACKETS_A_S = 100_000
FLOOD_S = 3
PACKETS_IN = "curtaincall_sfu_packets_in_total "
LONGEST_GAP_US = {"audio": 200_000, "video": 1_000_000}
"""Sound is 20 ms apart; nobody notices a gap that a jitter buffer bridges. Pictures may be held back for a moment,
flood or no flood, where a busy machine's delays look like those of a full link."""

LOST_SHARE = 0.001
"""What a machine that runs other tests meanwhile may lose in the buffer of a socket, flood or no flood."""

REACHED_SHARE = 0.5
"""Of the flood: the rest a busy machine does not send in time, or drops before the server sees it."""


@pytest.fixture
def clip() -> MediaFiles:
    return media_files(width=320, height=180)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Call:
    """Two people who see and hear each other, and a seat for a third."""

    def __init__(self, server: Server, port: int, stack: AsyncExitStack, clip: MediaFiles) -> None:
        self.server = server
        self.port = port
        self.room_id = f"flooded-{uuid.uuid4().hex[:8]}"
        self._stack = stack
        self._clip = clip

    async def begin(self) -> None:
        await self.server.people.conference(self.room_id)
        self.ann = await self.join("ann", self._clip.vp8)
        self.bob = await self.join("bob", self._clip.vp8)
        for peer, other in ((self.ann, "bob"), (self.bob, "ann")):
            await keyframes(peer, other, 1)

    async def join(self, user: str, video: Path | None) -> SwarmPeer:
        token = await self.server.people.join_token(self.room_id, user)
        peer = SwarmPeer.join(
            self.server.url,
            self.room_id,
            user,
            token=token,
            video=video,
            audio=self._clip.opus,
            options=["--slots", "2"],
        )
        return await self._stack.enter_async_context(peer)

    async def flooder(self) -> SwarmPeer:
        rate = ["--per-s", str(PACKETS_A_S), "--duration-s", str(FLOOD_S)]
        return await self._stack.enter_async_context(SwarmPeer(["flood", "--to", f"127.0.0.1:{self.port}", *rate]))

    async def packets_in(self) -> int:
        """Datagrams that the server has seen, at most a second ago."""
        text = (await self.server.people.http.get("/metrics")).text
        return next(int(float(line.split(" ")[1])) for line in text.splitlines() if line.startswith(PACKETS_IN))

    async def assert_unharmed(self) -> None:
        for peer, other in ((self.ann, "bob"), (self.bob, "ann")):
            source = (await peer.finish())["per_source"][other]
            packets = source["video"]["packets"] + source["audio"]["packets"]
            assert source["lost"] <= packets * LOST_SHARE, source
            assert source["video"]["frames_broken"] == 0, source
            for kind, longest_us in LONGEST_GAP_US.items():
                assert source[kind]["longest_gap_us"] < longest_us, source


async def keyframes(peer: SwarmPeer, of: str, count: int) -> None:
    """Until so many further keyframes of somebody have come: their clips have one a second."""
    position = len(peer.events)
    for _ in range(count):
        event = await peer.wait_for("keyframe", lambda event: bool(event["from_user"] == of), after=position)
        position = peer.events.index(event) + 1


@asynccontextmanager
async def call(folder: Path, clip: MediaFiles) -> AsyncIterator[Call]:
    """A call on a server of its own: nobody else's test is to be flooded."""
    port = free_port()
    environment = {"CURTAINCALL_MEDIA__PORT": str(port), "CURTAINCALL_MEDIA__SHARDS": "1"}
    async with Server(folder, environment=environment) as server, AsyncExitStack() as stack:
        call = Call(server, port, stack, clip)
        await call.begin()
        yield call


def sent(flooded: Event) -> int:
    return int(flooded["sent"])


async def test_a_stranger_who_floods_the_port(tmp_path: Path, clip: MediaFiles) -> None:
    async with call(tmp_path, clip) as running:
        before = await running.packets_in()
        flooder = await running.flooder()
        watching = asyncio.create_task(keyframes(running.bob, "ann", FLOOD_S))
        flooded = await flooder.wait_for("flooded", timeout_s=FLOOD_S + 20)
        await watching
        assert await running.packets_in() - before >= sent(flooded) * REACHED_SHARE >= 1
        await running.assert_unharmed()


async def test_a_participant_who_floods_the_room(tmp_path: Path, clip: MediaFiles) -> None:
    async with call(tmp_path, clip) as running:
        eve = await running.join("eve", clip.vp8)
        await keyframes(eve, "ann", 1)
        before = await running.packets_in()
        await eve.command(f"flood {PACKETS_A_S}")
        await keyframes(running.bob, "ann", FLOOD_S)
        position = len(eve.events)
        await eve.command("flood 0")
        flooded = await eve.wait_for("flooded", after=position)
        assert await running.packets_in() - before >= sent(flooded) * REACHED_SHARE >= 1
        # Somebody who comes meanwhile or later is let in as ever.
        late = await running.join("late", None)
        await late.wait_for("connected")
        await running.assert_unharmed()


async def test_a_participant_who_never_acknowledges(tmp_path: Path, clip: MediaFiles) -> None:
    async with call(tmp_path, clip) as running:
        eve = await running.join("eve", clip.vp8)
        await keyframes(eve, "ann", 1)
        await eve.command("withhold_reports")
        await keyframes(running.bob, "ann", FLOOD_S)
        # They receive what they pay for all the same, as far as can be told without a word from them.
        position = len(eve.events)
        await eve.command("mark")
        mark = await eve.wait_for("mark", after=position)
        assert mark["per_source"]["ann"]["audio"]["packets"] > 0
        await running.assert_unharmed()
