"""Media nodes: in the test's own process, with a line that a test can break, and in processes of their own."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from curtaincall.kernel.clock import SystemClock
from curtaincall.media.embedded import EmbeddedEngine
from curtaincall.media.node import MediaNode
from curtaincall.settings import MediaNodeSettings
from curtaincall.transports.grpc.media_node import MediaNodeServer
from support.processes import send_signal

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20


class NodeHere:
    """A node on a Unix socket. `hang_up` ends every line and listens no more, `pick_up` listens again."""

    starts = 0

    def __init__(self, socket: Path, max_seats: int = 4, settings: MediaNodeSettings | None = None) -> None:
        NodeHere.starts += 1
        engine = EmbeddedEngine(bind_ip="0.0.0.0", public_ips=[], base_port=0, shards=1, max_seats_per_room=max_seats)
        self.node = MediaNode(engine, SystemClock(), f"node-{NodeHere.starts}")
        self._settings = settings or MediaNodeSettings(address=f"unix:{socket}")
        self._server = MediaNodeServer(self.node, self._settings, self._settings.address)
        self.address = self._settings.address

    async def __aenter__(self) -> Self:
        await self.pick_up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.node.close()
        await self.hang_up()

    async def pick_up(self) -> None:
        await self._server.start()
        self.address = self._server.address

    async def hang_up(self) -> None:
        await self._server.stop()


class NodeProcess:
    """`curtaincall media-node` on a Unix socket in `folder`, on any free media ports."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.address = f"unix:{folder / 'node.sock'}"
        self.log: deque[str] = deque(maxlen=5_000)
        self._folder = folder
        self._environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "CURTAINCALL_MEDIA__PORT": "0",
            "CURTAINCALL_MEDIA__PUBLIC_IP": "127.0.0.1",
            "CURTAINCALL_MEDIA__NODE__ADDRESS": self.address,
            **(environment or {}),
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            await self.stop()

    async def start(self) -> None:
        """Start and wait until it listens. Raises RuntimeError with what it printed if it does not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._listening.clear()
        self._process = await self._run()
        self._reader = asyncio.create_task(self._read_log(self._process))
        listening = asyncio.create_task(self._listening.wait())
        gone = asyncio.create_task(self._process.wait())
        await asyncio.wait({listening, gone}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        gone.cancel()
        if not self._listening.is_set():
            await self.kill()
            raise RuntimeError("The node did not start. It said:\n" + "\n".join(self.log))

    async def stop(self) -> int:
        """End it as an operator would, and return its exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """`kill -9`."""
        await self._end(signal.SIGKILL)

    async def command(self, *arguments: str) -> tuple[int, str]:
        """`curtaincall media-node` once more with these arguments: its exit code and all that it printed."""
        process = await self._run(*arguments)
        printed, _ = await process.communicate()
        return process.returncode or 0, printed.decode()

    async def _run(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "curtaincall", "media-node", "--data-dir", str(self._folder), *arguments),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
        )

    async def _end(self, number: int) -> int:
        assert self._process is not None, "the node is not running"
        process, self._process = self._process, None
        send_signal(process, signal.Signals(number))
        async with asyncio.timeout(STOP_TIMEOUT_S):
            code = await process.wait()
        assert self._reader is not None
        await self._reader
        return code

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.log.append(text)
            if text.startswith("listening "):
                self._listening.set()
