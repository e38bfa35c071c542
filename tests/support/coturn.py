"""Debian's coturn with deploy/turnserver.conf, but for addresses, ports, certificate and secret of the test's own."""

import asyncio
import json
import random
import shutil
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from support.pki import Pki
from support.waiting import until

DEPLOYED = Path(__file__).parents[2] / "deploy" / "turnserver.conf"
RELAY_PORTS = 100


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Coturn:
    """A relay on the loopback interface. `udp=False`: as if a firewall let no UDP through to it."""

    def __init__(self, folder: Path, *, secret: str = "of the operator", udp: bool = True) -> None:
        folder.mkdir()
        self.secret = secret
        self.pki = Pki(folder / "pki")
        self.port = free_port(socket.SOCK_STREAM)
        self.tls_port = free_port(socket.SOCK_STREAM)
        certificate, key = self.pki.issue("127.0.0.1")
        first = random.randrange(50_000, 60_000)
        ours = {
            "listening-ip": "127.0.0.1",
            "relay-ip": "127.0.0.1",
            "listening-port": self.port,
            "tls-listening-port": self.tls_port,
            "cert": certificate,
            "pkey": key,
            "static-auth-secret": secret,
            "allowed-peer-ip": "127.0.0.1",
            "allow-loopback-peers": None,
            "min-port": first,
            "max-port": first + RELAY_PORTS,
            "userdb": folder / "users",
            "pidfile": folder / "pid",
            "log-file": folder / "log",
            "simple-log": None,
        }
        if not udp:
            ours["no-udp"] = None
        configuration = folder / "turnserver.conf"
        kept = [line for line in DEPLOYED.read_text().splitlines() if line.split("=")[0] not in ours]
        set_here = [name if value is None else f"{name}={value}" for name, value in ours.items()]
        configuration.write_text("\n".join([*kept, *set_here, ""]))
        self._command = [shutil.which("turnserver") or "turnserver", "-c", str(configuration)]
        self._process: asyncio.subprocess.Process | None = None

    def url(self, carrier: str) -> str:
        if carrier == "tls":
            return f"turns:127.0.0.1:{self.tls_port}?transport=tcp"
        return f"turn:127.0.0.1:{self.port}?transport={carrier}"

    def environment(self, *carriers: str) -> dict[str, str | None]:
        """Settings of a server that hands this relay out."""
        return {
            "CURTAINCALL_TURN__URLS": json.dumps([self.url(carrier) for carrier in carriers]),
            "CURTAINCALL_TURN__SECRET": self.secret,
        }

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.DEVNULL)
        await until(self._listens)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, "coturn did not start"
        for port in (self.port, self.tls_port):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
        return True
