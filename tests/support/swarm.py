"""Drives `curtaincall-swarm`, the headless peers: one process each, events as JSON lines, commands on stdin."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.processes import send_signal

ROOT = Path(__file__).parents[2]
EVENT_LIMIT_BYTES = 1 << 20
"""Longest line a peer may print: a summary with many gaps is the longest."""

Event = dict[str, Any]


def binary() -> Path:
    """The peers' program: the release build where the caller asks for it (benches), else the tests' build."""
    chosen = os.environ.get("SWARM_PROFILE", "fast")
    return ROOT / "target" / chosen / "curtaincall-swarm"


class PeerGone(Exception):
    """The peer ended before the awaited event came."""


class SwarmPeer:
    """One headless peer. Events are kept in order; `wait_for` looks at the past as well as the future."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._changed = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._ended = False
        self.events: list[Event] = []
        self.stderr: list[str] = []

    @classmethod
    def join(
        cls,
        url: str,
        room_id: str,
        user_id: str,
        *,
        token: str | None = None,
        bearer: str | None = None,
        video: Path | None = None,
        audio: Path | None = None,
        options: Sequence[str] = (),
    ) -> Self:
        """A peer that will join a room: by join token or by access token, publishing files over and over."""
        arguments = ["join", "--url", url.replace("http", "ws", 1), "--room", room_id, "--user", user_id]
        if token is not None:
            arguments += ["--token", token]
        if bearer is not None:
            arguments += ["--bearer", bearer]
        if video is not None:
            arguments += ["--publish-video", str(video), "--loop"]
            arguments += ["--codec", "h264" if video.suffix == ".h264" else "vp8"]
        if audio is not None:
            arguments += ["--publish-audio", str(audio)]
        return cls([*arguments, *options])

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            binary(),
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=EVENT_LIMIT_BYTES,
        )
        self._readers = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_stderr())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running()
        send_signal(process, signal.SIGKILL)
        await process.wait()
        await asyncio.gather(*self._readers)

    async def wait_for(
        self, name: str, where: Callable[[Event], bool] = lambda _: True, *, timeout_s: float = 20, after: int = 0
    ) -> Event:
        """Return the first event of this name at position `after` or later that satisfies `where`.

        Raises TimeoutError, or PeerGone if the peer ends first; both say what the peer did until then.
        """
        position = after

        def found() -> Event | None:
            nonlocal position
            while position < len(self.events):
                event = self.events[position]
                position += 1
                if event["event"] == name and where(event):
                    return event
            return None

        async with self._changed:
            try:
                async with asyncio.timeout(timeout_s):
                    while (event := found()) is None:
                        if self._ended:
                            raise PeerGone(f"{name} never came. {self._story()}")
                        await self._changed.wait()
            except TimeoutError:
                raise TimeoutError(f"{name} did not come within {timeout_s} s. {self._story()}") from None
        return event

    async def next_event(self, position: int, *, timeout_s: float = 20) -> Event:
        """Return the event at this position of `events`, waiting for it. Raises as `wait_for` does."""
        async with self._changed, asyncio.timeout(timeout_s):
            while len(self.events) <= position:
                if self._ended:
                    raise PeerGone(f"There was no further event. {self._story()}")
                await self._changed.wait()
        return self.events[position]

    async def command(self, line: str) -> None:
        """Send one command line, such as `leave` or `drop_network`."""
        stdin = self._running().stdin
        assert stdin is not None
        stdin.write(f"{line}\n".encode())
        await stdin.drain()

    async def finish(self, timeout_s: float = 10) -> Event:
        """Ask the peer to quit and return its summary."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it has ended by itself
            await self.command("quit")
        return await self.wait_for("summary", timeout_s=timeout_s)

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the peer has not been started"
        return self._process

    async def _read_events(self) -> None:
        stdout = self._running().stdout
        assert stdout is not None
        async for line in stdout:
            async with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _read_stderr(self) -> None:
        stderr = self._running().stderr
        assert stderr is not None
        async for line in stderr:
            self.stderr.append(line.decode(errors="replace").rstrip())
            del self.stderr[:-50]

    def _story(self) -> str:
        names = [event["event"] for event in self.events][-30:]
        return f"Events so far: {names}. Said on stderr: {self.stderr[-10:]}"
