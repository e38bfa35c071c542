"""A device with two networks, as a phone has: a network namespace of Linux with two links to this machine.

Needs root (or sudo without a password), as `dev/packages` does.
"""

import asyncio
import os
import random
import shlex
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

LINKS = ("wifi", "mobile")
CARRIES = "cc"
"""Interfaces of a test begin so."""


class Device:
    """A namespace that reaches this machine at `server_ip` over either link, by Wi-Fi as long as it is up."""

    def __init__(self, folder: Path) -> None:
        number = random.randrange(256, 65_536)
        self._name = f"{CARRIES}-{number}"
        self._folder = folder
        self._net = f"10.{number >> 8}.{number & 255}"
        self._connected = 0
        self.server_ip = f"{self._net}.1"

    async def __aenter__(self) -> Self:
        await _ip("netns", "add", self._name)
        try:
            await _ip("address", "add", f"{self.server_ip}/32", "dev", "lo")
            await self._inside("link", "set", "lo", "up")
            for index, link in enumerate(LINKS):
                await self._connect(index, link)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A namespace lives on as long as a process in it, and its links with it: they are taken away first.
        for index in range(self._connected):
            await _ip("link", "delete", self._outside(index))
        await _ip("netns", "delete", self._name)
        await _ip("address", "delete", f"{self.server_ip}/32", "dev", "lo")

    async def leave(self, link: str) -> None:
        """The link is gone: nothing more comes or goes over it."""
        await self._inside("link", "set", link, "down")

    def program(self, path: str) -> Path:
        """A program that runs another on the device."""
        script = self._folder / f"on-{self._name}"
        command = shlex.join([*_privileged(), "ip", "netns", "exec", self._name, path])
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return script

    async def _connect(self, index: int, link: str) -> None:
        here, there = f"{self._net}.{index * 8 + 9}", f"{self._net}.{index * 8 + 10}"
        outside = self._outside(index)
        await _ip("link", "add", outside, "type", "veth", "peer", "name", link, "netns", self._name)
        self._connected += 1
        await _ip("address", "add", f"{here}/30", "dev", outside)
        await _ip("link", "set", outside, "up")
        await self._inside("address", "add", f"{there}/30", "dev", link)
        await self._inside("link", "set", link, "up")
        await self._inside("route", "add", "default", "via", here, "dev", link, "metric", str(100 * (index + 1)))

    def _outside(self, index: int) -> str:
        """This machine's end of a link."""
        return f"{CARRIES}{index}{self._name.removeprefix(CARRIES)}"

    async def _inside(self, *arguments: str) -> None:
        await _ip("-n", self._name, *arguments)


def _privileged() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


async def _ip(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(*_privileged(), "ip", *arguments, stderr=asyncio.subprocess.PIPE)
    _, complaint = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {complaint.decode().strip()}")
