"""The PaymentSource over gRPC: a client of `proto/curtaincall/monetization/v1`."""

from collections.abc import AsyncGenerator
from typing import Any, Final

import grpc

from curtaincall.charging.payment_status import PaymentState, PaymentStatus
from curtaincall.enforcement.errors import MonetizationUnavailable
from curtaincall.monetization.v1 import monetization_pb2 as pb
from curtaincall.monetization.v1.monetization_pb2_grpc import MonetizationServiceStub
from curtaincall.settings import MonetizationSettings

ANSWER_S: Final = 5.0
"""Deadline of one question."""

STREAM_S: Final = 3_600.0
"""A stream is opened anew after so long: no call without a deadline."""

MAX_MESSAGE_BYTES: Final = 64 * 1024

KEEPALIVE_MS: Final = 10_000
KEEPALIVE_TIMEOUT_MS: Final = 5_000
"""A server that does not answer for so long is gone, and the streams from it are broken."""

RECONNECT_AT_MOST_MS: Final = 5_000

STATES: Final = {
    pb.PAYMENT_STATE_PAID: PaymentState.PAID,
    pb.PAYMENT_STATE_FAILED: PaymentState.FAILED,
    pb.PAYMENT_STATE_EXPIRED: PaymentState.EXPIRED,
}
"""Whatever else is said, by a newer version perhaps, is no good word: UNKNOWN."""


class GrpcPaymentSource:
    """One channel to the server that the settings name. Connects at the first question; made on the event loop."""

    def __init__(self, settings: MonetizationSettings) -> None:
        options: tuple[tuple[str, Any], ...] = (
            ("grpc.enable_http_proxy", 0),  # who vouches for money is not reached by way of a proxy of the environment
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
            ("grpc.max_reconnect_backoff_ms", RECONNECT_AT_MOST_MS),
        )
        if settings.tls:
            self._channel = grpc.aio.secure_channel(settings.address, _credentials(settings), options)
        else:
            self._channel = grpc.aio.insecure_channel(settings.address, options)
        self._stub: Any = MonetizationServiceStub(self._channel)
        token = settings.token.get_secret_value()
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def status(self, room_id: str, user_id: str) -> PaymentStatus:
        request = pb.GetPaymentStatusRequest(room_id=room_id, user_id=user_id)
        try:
            answer = await self._stub.GetPaymentStatus(request, timeout=ANSWER_S, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from None
        return _status(room_id, user_id, answer.status)

    async def watch(self, room_id: str, user_id: str) -> AsyncGenerator[PaymentStatus, None]:
        request = pb.WatchPaymentStatusRequest(room_id=room_id, user_id=user_id)
        call = self._stub.WatchPaymentStatus(request, timeout=STREAM_S, metadata=self._metadata)
        try:
            async for message in call:
                yield _status(room_id, user_id, message.status)
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from None
        finally:
            call.cancel()

    async def close(self) -> None:
        await self._channel.close()


def _status(room_id: str, user_id: str, message: pb.PaymentStatus) -> PaymentStatus:
    """The answer to what was asked, whether or not the other side repeats the question in it."""
    return PaymentStatus(
        room_id=room_id,
        user_id=user_id,
        state=STATES.get(message.state, PaymentState.UNKNOWN),
        paid_until_ms=message.paid_until_unix_ms if message.HasField("paid_until_unix_ms") else None,
        granted_ms=message.granted_ms,
        used_ms=message.used_ms,
    )


def _unavailable(error: grpc.aio.AioRpcError) -> MonetizationUnavailable:
    """What the other side said stays in its status: its words may hold anything."""
    return MonetizationUnavailable("The payment cannot be confirmed now.", status=error.code().name)


def _credentials(settings: MonetizationSettings) -> grpc.ChannelCredentials:
    """Raises OSError for a file that cannot be read."""
    return grpc.ssl_channel_credentials(
        root_certificates=settings.tls_ca.read_bytes() if settings.tls_ca else None,
        private_key=settings.tls_key.read_bytes() if settings.tls_key else None,
        certificate_chain=settings.tls_cert.read_bytes() if settings.tls_cert else None,
    )
