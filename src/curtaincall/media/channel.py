"""gRPC channels to media nodes, and what an operator asks of one."""

from dataclasses import dataclass
from typing import Any, Final

import grpc

from curtaincall.media.ports import MediaError
from curtaincall.media.v1 import media_node_pb2 as pb
from curtaincall.media.v1.media_node_pb2_grpc import MediaNodeServiceStub
from curtaincall.settings import ClientTls

MAX_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""Above the largest batch in either direction: 64 offers, or 256 lists of tracks."""

RECONNECT_MS: Final = 100
RECONNECT_AT_MOST_MS: Final = 1_000
KEEPALIVE_MS: Final = 10_000
KEEPALIVE_TIMEOUT_MS: Final = 5_000

ANSWER_S: Final = 3.0
"""Deadline of an operator's question."""

UNIX: Final = "unix:"


def open_channel(address: str, tls: ClientTls) -> grpc.aio.Channel:
    """A channel to `unix:/path` or, with our certificate, to `host:port`. Made on the event loop.

    Raises OSError for a file that cannot be read.
    """
    options: tuple[tuple[str, Any], ...] = (
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_AT_MOST_MS),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        # Two channels to one node, of two engines in one process (tests), must not share a connection.
        ("grpc.use_local_subchannel_pool", 1),
    )
    if address.startswith(UNIX):
        return grpc.aio.insecure_channel(address, options)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=tls.ca.read_bytes() if tls.ca else None,
        private_key=tls.key.read_bytes() if tls.key else None,
        certificate_chain=tls.cert.read_bytes() if tls.cert else None,
    )
    return grpc.aio.secure_channel(address, credentials, options)


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a node says of itself."""

    node_id: str
    attached: bool
    draining: bool
    rooms: int
    seats: int


async def report_of(address: str, tls: ClientTls) -> NodeReport:
    """Ask a node what it carries. Raises MediaError `media_unavailable`."""
    answer = await _ask(address, tls, "GetStatus", pb.GetStatusRequest())
    status = answer.status
    return NodeReport(answer.node_id, answer.attached, status.draining, status.rooms, status.seats)


async def drain(address: str, tls: ClientTls, draining: bool) -> None:
    """Have a node take no new rooms, or take them again. Raises MediaError `media_unavailable`."""
    await _ask(address, tls, "Drain", pb.DrainRequest(draining=draining))


async def _ask(address: str, tls: ClientTls, method: str, request: object) -> Any:
    try:
        async with open_channel(address, tls) as channel:
            stub: Any = MediaNodeServiceStub(channel)
            return await getattr(stub, method)(request, timeout=ANSWER_S)
    except grpc.aio.AioRpcError as error:
        raise MediaError("media_unavailable", f"The media node does not answer: {error.code().name}.") from None
    except OSError as error:
        raise MediaError("media_unavailable", f"A certificate cannot be read: {error.strerror}.") from None
