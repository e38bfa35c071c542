"""A real server in a process of its own, on ephemeral ports and a data folder of its own."""

import asyncio
import os
import re
import signal
import sqlite3
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.people import People
from support.processes import send_signal

LISTENING = re.compile(r"listening (https?://\S+)")
GRPC_LISTENING = re.compile(r"listening grpcs?://(\S+)")
START_TIMEOUT_S = 90
"""A server is there within three seconds on a machine that has nothing else to do."""
STOP_TIMEOUT_S = 20
LOG_LINES_KEPT = 20_000
NOWHERE = "http://nowhere.invalid"


class Server:
    """`curtaincall serve`. Start it, talk to it through `people`, kill it, start it again on the same data.

    `launcher` replaces `-m curtaincall`, for measurements that need a server in an unusual condition. `subcommand` may
    be another one that listens: `("monetization", "--port", "0")`, which has no `url`. A name of the environment whose
    value is None is left out. SERVER_PYTHON chooses another interpreter, and so another installation, than the test's.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        environment: Mapping[str, str | None] | None = None,
        launcher: Sequence[str] = ("-m", "curtaincall"),
        arguments: Sequence[str] = ("--demo",),
        subcommand: Sequence[str] = ("serve", "--port", "0"),
    ) -> None:
        self.data_dir = data_dir
        self.log: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self.url = ""
        self.grpc_address = ""
        settings = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "CURTAINCALL_MEDIA__PORT": "0",
            "CURTAINCALL_MEDIA__PUBLIC_IP": "127.0.0.1",
            "CURTAINCALL_GRPC__PORT": "0",
            **(environment or {}),
        }
        self._environment = {name: value for name, value in settings.items() if value is not None}
        self._launcher = launcher
        self._arguments = arguments
        self._subcommand = subcommand
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self._people: People | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            await self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def people(self) -> People:
        """The public API, as people of all kinds use it."""
        assert self._people is not None, "the server is not running"
        return self._people

    async def start(self) -> None:
        """Start and wait until it listens. Raises RuntimeError with what it printed if it does not."""
        self._listening.clear()
        python = os.environ.get("SERVER_PYTHON", sys.executable)
        command = [python, *self._launcher, *self._subcommand, "--data-dir", str(self.data_dir)]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            *self._arguments,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
        )
        self._reader = asyncio.create_task(self._read_log(self._process))
        listening = asyncio.create_task(self._listening.wait())
        gone = asyncio.create_task(self._process.wait())
        await asyncio.wait({listening, gone}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        gone.cancel()
        if not self._listening.is_set():
            await self.kill()
            raise RuntimeError("The server did not start. It said:\n" + "\n".join(list(self.log)[-50:]))
        self._people = People(self.url or NOWHERE, await self._service_token())

    async def stop(self) -> int:
        """End it as an operator would (SIGTERM) and return its exit code."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """`kill -9`: no goodbye, no flush."""
        await self._end(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server is not running"
        send_signal(self._process, number)

    def query(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """Read the books directly, as an auditor would."""
        path = self.data_dir / "curtaincall.sqlite3"
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run another `curtaincall` command on the same data folder: its exit code and all that it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "curtaincall",
            *arguments,
            "--data-dir",
            str(self.data_dir),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        return process.returncode or 0, printed.decode()

    async def _service_token(self) -> str:
        code, printed = await self.command("token", "--service", "tests")
        if code != 0:
            raise RuntimeError(f"No service token: {printed}")
        return printed.strip().splitlines()[-1]

    async def _end(self, number: int) -> int:
        assert self._process is not None, "the server is not running"
        process, self._process = self._process, None
        if self._people is not None:
            await self._people.close()
            self._people = None
        send_signal(process, number)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                code = await process.wait()
        except TimeoutError:
            send_signal(process, signal.SIGKILL)
            await process.wait()
            raise RuntimeError("The server did not stop. It said:\n" + "\n".join(list(self.log)[-50:])) from None
        assert self._reader is not None
        await self._reader
        return code

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.log.append(text)
            if found := GRPC_LISTENING.search(text):
                self.grpc_address = found.group(1)
                if self._subcommand[0] != "serve":
                    self._listening.set()
            if found := LISTENING.search(text):
                self.url = found.group(1)
                self._listening.set()
