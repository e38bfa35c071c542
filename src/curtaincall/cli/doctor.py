"""`curtaincall doctor`: whether this machine has what the server needs, one finding per line."""

import asyncio
import contextlib
import errno
import shutil
import socket
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from curtaincall.cli.address import announced
from curtaincall.cli.finding import Finding
from curtaincall.cli.reach import examine_reach
from curtaincall.ledger.store import transfers
from curtaincall.ledger.verify import verify
from curtaincall.media.addresses import Reach, reach_of
from curtaincall.media.channel import report_of
from curtaincall.media.ports import MediaError
from curtaincall.settings import Settings
from curtaincall.storage.database import open_database
from curtaincall.storage.sqlite import FILE_NAME

OLDEST_SANE_EPOCH_S: Final = 1_767_225_600
"""2026-01-01: a clock before it makes tokens that have never been valid."""

TCP_ONLY: Final = (("TCP", socket.SOCK_STREAM),)
SOCKET_KINDS: Final = (("UDP", socket.SOCK_DGRAM), *TCP_ONLY)
CONNECT_TIMEOUT_S: Final = 2.0


def examine(settings: Settings) -> list[Finding]:
    """Look at ports, the ways to them, programs, database and clock. Changes nothing but may make the data folder."""
    # With media nodes the media ports are theirs, perhaps on other machines.
    reach = None if settings.media.nodes else reach_of(settings.media, settings.server.host)
    ports = list(_ports(settings, reach))
    return [*ports, *_nodes(settings), *examine_reach(settings, reach), _ffmpeg(), _database(settings), _clock()]


def _ports(settings: Settings, reach: Reach | None) -> Iterator[Finding]:
    """Whether the ports are free, or the server that has them is ours."""
    runs = _server_runs(settings)
    yield _port("HTTP", settings.server.host, settings.server.port, TCP_ONLY, runs)
    if settings.grpc.port:
        yield _port("gRPC", settings.grpc.host, settings.grpc.port, TCP_ONLY, runs)
    if reach is None or not settings.media.port:
        return
    for shard in range(settings.media.shards):
        yield _port("media", reach.bind_ip, settings.media.port + shard, SOCKET_KINDS, runs)


def _server_runs(settings: Settings) -> bool:
    """Whether a server answers where the one on this data folder has said to listen."""
    url = urlsplit(announced(settings.data_dir) or "")
    if url.hostname is None or url.port is None:
        return False
    with contextlib.suppress(OSError), socket.create_connection((url.hostname, url.port), CONNECT_TIMEOUT_S):
        return True
    return False


def _port(
    what: str, host: str, port: int, kinds: tuple[tuple[str, socket.SocketKind], ...], server_runs: bool
) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for name, kind in kinds:
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and server_runs:
                    return Finding(f"{what} port {port}", True, "in use; a server runs on this data")
                return Finding(f"{what} port {port}/{name}", False, error.strerror or str(error))
    return Finding(f"{what} port {port}", True, "free")


def _nodes(settings: Settings) -> Iterator[Finding]:
    for address in settings.media.nodes:
        try:
            report = asyncio.run(report_of(address, settings.media.nodes_tls))
        except MediaError as refusal:
            yield Finding(f"media node {address}", False, refusal.message)
            continue
        taking = "takes no new rooms" if report.draining else "takes rooms"
        yield Finding(f"media node {address}", True, f"answers, {taking}; {report.rooms} rooms, {report.seats} seats")


def _ffmpeg() -> Finding:
    found = shutil.which("ffmpeg")
    return Finding("ffmpeg", found is not None, found or "not installed: apt-get install ffmpeg")


def _database(settings: Settings) -> Finding:
    url = settings.database.url.get_secret_value()
    if not url and not (settings.data_dir / FILE_NAME).exists():
        return Finding("database", True, "will be made at the first start")
    database = open_database(settings.data_dir, url)
    try:
        with database.reader.begin() as connection:
            if not inspect(connection).has_table(transfers.name):
                return Finding("database", True, "answers; its tables will be made at the first start")
            report = verify(connection)
        return Finding("database", report.ok, "the books balance" if report.ok else "run: curtaincall ledger verify")
    except SQLAlchemyError as error:
        return Finding("database", False, type(error).__name__)
    finally:
        database.close()


def _clock() -> Finding:
    sane = time.time() >= OLDEST_SANE_EPOCH_S
    return Finding("clock", sane, "plausible" if sane else "the date is in the past: set the clock")
