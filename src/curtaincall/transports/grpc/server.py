"""The gRPC server: ports, TLS, bounds, health and reflection."""

import logging
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from curtaincall.accounts.tokens import Tokens
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.monetization.v1 import monetization_pb2
from curtaincall.monetization.v1.monetization_pb2_grpc import add_MonetizationServiceServicer_to_server
from curtaincall.settings import GrpcSettings
from curtaincall.transports.grpc.guard import Guard
from curtaincall.transports.grpc.monetization import Monetization

SERVICE: Final = monetization_pb2.DESCRIPTOR.services_by_name["MonetizationService"].full_name

MAX_MESSAGE_BYTES: Final = 64 * 1024
"""Far above the largest message of the proto; what reflection tells of it fits as well."""

MAX_METADATA_BYTES: Final = 8 * 1024

MAX_UNARY: Final = 256
"""Calls that are worked on at a time beside the streams; one more is refused at once (RESOURCE_EXHAUSTED)."""

KEEPALIVE_MS: Final = 20_000
KEEPALIVE_TIMEOUT_MS: Final = 10_000
"""A client that does not answer for so long is gone, and its streams end."""

IDLE_MS: Final = 300_000
"""A connection without a call is closed after so long; clients open another when they need one."""

CLIENTS_PING_AT_MOST_EVERY_MS: Final = 5_000

GOODBYE_S: Final = 1.0
"""How long calls may take to finish once the server stops."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

log = logging.getLogger(__name__)


class PortUnavailable(CurtaincallError):
    """The gRPC port cannot be listened on."""

    code = "port_unavailable"


class MonetizationServer:
    """Bound first, so that a taken port is found out before anything else begins; then started; then stopped."""

    def __init__(self, service: Monetization, tokens: Tokens, settings: GrpcSettings) -> None:
        self._service = service
        self._tokens = tokens
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        host = self._settings.host
        return f"grpc{'s' if self._settings.tls_cert else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def bind(self) -> None:
        """Take the port. Called on the event loop that serves. Raises PortUnavailable."""
        settings = self._settings
        most = settings.max_streams + MAX_UNARY
        guard = Guard(self._tokens, client_certificates=settings.client_ca is not None)
        server = grpc.aio.server(
            interceptors=(guard,),
            maximum_concurrent_rpcs=most,
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_metadata_size", MAX_METADATA_BYTES),
                ("grpc.max_concurrent_streams", most),
                ("grpc.max_connection_idle_ms", IDLE_MS),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", CLIENTS_PING_AT_MOST_EVERY_MS),
            ),
        )
        add_MonetizationServiceServicer_to_server(self._service, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        target = f"{host}:{settings.port}"
        try:
            credentials = _credentials(settings)
            if credentials is None:
                self.port = server.add_insecure_port(target)
            else:
                self.port = server.add_secure_port(target, credentials)
        except (RuntimeError, OSError) as error:
            raise PortUnavailable(f"Cannot serve gRPC on {settings.host}, port {settings.port}.") from error
        self._server = server

    async def start(self) -> None:
        """Serve from now on, if the port was taken by `bind`."""
        if self._server is None:
            return
        if self._settings.tls_cert is None and self._settings.host not in LOOPBACK:
            log.warning("grpc_without_tls", extra={"port": self.port})  # tokens can be read on the way
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        log.info("grpc_serving", extra={"port": self.port, "tls": self._settings.tls_cert is not None})

    async def begin_to_stop(self) -> None:
        """Say NOT_SERVING from now on, whatever else happens; calls are still answered."""
        await self._health.enter_graceful_shutdown()

    async def stop(self) -> None:
        """End every call, after a moment to finish. Idempotent."""
        await self.begin_to_stop()
        if self._server is not None:
            await self._server.stop(GOODBYE_S)


def _credentials(settings: GrpcSettings) -> grpc.ServerCredentials | None:
    """TLS as the settings say, None for a plain port. Raises OSError for a file that cannot be read."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    authorities = settings.client_ca.read_bytes() if settings.client_ca else None
    return grpc.ssl_server_credentials(
        [(settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())],
        root_certificates=authorities,
        require_client_auth=authorities is not None,
    )
