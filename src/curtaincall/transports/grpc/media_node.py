"""The servicer and the server of `proto/curtaincall/media/v1`: who reaches it commands the node."""

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc

from curtaincall.media.channel import MAX_MESSAGE_BYTES, UNIX
from curtaincall.media.node import STATUS_EVERY_S, Line, MediaNode, NodeStops, Superseded
from curtaincall.media.v1 import media_node_pb2 as pb
from curtaincall.media.v1.media_node_pb2_grpc import MediaNodeServiceServicer, add_MediaNodeServiceServicer_to_server
from curtaincall.media.wire import event_message
from curtaincall.settings import MediaNodeSettings
from curtaincall.transports.grpc.guard import Context
from curtaincall.transports.grpc.server import KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, MAX_METADATA_BYTES, PortUnavailable

HELLO_S: Final = 5.0
"""How long a line may be silent before it says who it is."""

EVENTS_AT_A_TIME: Final = 256

MAX_CALLS: Final = 64
"""Calls at a time: a control plane makes two, an operator one."""

CLIENTS_PING_AT_MOST_EVERY_MS: Final = 5_000

GOODBYE_S: Final = 1.0

SOCKET_MODE: Final = stat.S_IRUSR | stat.S_IWUSR
"""Whoever may open the socket commands the node."""

log = logging.getLogger(__name__)


class MediaNodeServicer(MediaNodeServiceServicer):
    """The names are the proto's."""

    def __init__(self, node: MediaNode) -> None:
        self._node = node

    async def Attach(self, requests: AsyncIterator[pb.AttachRequest], context: Context) -> None:
        try:
            async with asyncio.timeout(HELLO_S):
                first = await context.read()
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "A line begins with a hello.")
        if first is grpc.aio.EOF or not first.HasField("hello"):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "A line begins with a hello.")
        try:
            line = await self._node.attach(first.hello)
        except Superseded as refusal:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, refusal.message)
        reading = asyncio.create_task(self._read(line, context))
        writing = asyncio.create_task(self._write(line, context))
        try:
            done, _ = await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Superseded as refusal:
            await context.abort(grpc.StatusCode.ABORTED, refusal.message)
        except NodeStops as refusal:
            await context.abort(grpc.StatusCode.UNAVAILABLE, refusal.message)
        finally:
            self._node.detach(line)
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)

    async def _read(self, line: Line, context: Context) -> None:
        """Until the other side has nothing more to say."""
        while (request := await context.read()) is not grpc.aio.EOF:
            await self._node.take(line, request.commands)

    async def _write(self, line: Line, context: Context) -> None:
        await context.write(pb.AttachResponse(attached=line.attached))
        told = 0.0
        loop = asyncio.get_running_loop()
        while True:
            outcomes = await line.next()
            if outcomes is not None:
                await context.write(pb.AttachResponse(outcomes=outcomes))
            if outcomes is None or loop.time() - told >= STATUS_EVERY_S:
                told = loop.time()
                await context.write(pb.AttachResponse(status=self._node.status()))

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        after = request.after
        while True:
            events = await self._node.events(after, EVENTS_AT_A_TIME)
            after = events[-1].number
            yield pb.WatchEventsResponse(events=[event_message(event) for event in events])

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        node = self._node
        return pb.GetStatusResponse(status=node.status(), node_id=node.node_id, attached=node.attached)

    async def Drain(self, request: pb.DrainRequest, context: Context) -> pb.DrainResponse:
        self._node.drain(request.draining)
        return pb.DrainResponse(status=self._node.status())


class MediaNodeServer:
    """On a Unix socket that only its owner may open, or on TCP for those with a certificate of our authority."""

    def __init__(self, node: MediaNode, settings: MediaNodeSettings, address: str) -> None:
        self._node = node
        self._settings = settings
        self._target = address
        self._server: grpc.aio.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """What `media.nodes` of the control plane names; the port is the one that was taken."""
        if self._target.startswith(UNIX):
            return self._target
        return f"{self._target.rpartition(':')[0]}:{self._port}"

    async def start(self) -> None:
        """Listen and serve. Raises PortUnavailable."""
        server = grpc.aio.server(
            maximum_concurrent_rpcs=MAX_CALLS,
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.max_concurrent_streams", MAX_CALLS),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", CLIENTS_PING_AT_MOST_EVERY_MS),
            ),
        )
        add_MediaNodeServiceServicer_to_server(MediaNodeServicer(self._node), server)
        try:
            if self._target.startswith(UNIX):
                _bind_socket(server, Path(self._target.removeprefix(UNIX)))
            else:
                self._port = server.add_secure_port(self._target, _mutual_tls(self._settings))
        except (RuntimeError, OSError) as error:
            raise PortUnavailable(f"Cannot serve a media node on {self._target}.") from error
        await server.start()
        self._server = server
        log.info("media_node_serving", extra={"tcp": not self._target.startswith(UNIX)})

    async def stop(self) -> None:
        """End every call. Idempotent."""
        if self._server is not None:
            await self._server.stop(GOODBYE_S)
            self._server = None


def _bind_socket(server: grpc.aio.Server, path: Path) -> None:
    """Raises PortUnavailable if another process answers there; a socket that a crash left is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial, contextlib.suppress(OSError):
        trial.connect(str(path))
        raise PortUnavailable(f"Another media node answers at {path}.")
    mask = os.umask(0o077)
    try:
        server.add_insecure_port(f"{UNIX}{path}")
    finally:
        os.umask(mask)
    path.chmod(SOCKET_MODE)


def _mutual_tls(settings: MediaNodeSettings) -> grpc.ServerCredentials:
    """Raises OSError for a file that cannot be read."""
    files: list[Any] = [settings.tls_key, settings.tls_cert, settings.client_ca]
    key, certificate, authorities = (file.read_bytes() for file in files)
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=authorities, require_client_auth=True)
