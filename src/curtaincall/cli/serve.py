"""`curtaincall serve`: one process, one event loop, stopped by SIGTERM in a bounded time."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Final

import typer
import uvicorn

from curtaincall.bootstrap import App, build
from curtaincall.cli.address import announce, withdraw
from curtaincall.cli.certificate import certificate
from curtaincall.cli.seed import seed
from curtaincall.kernel import interpreter
from curtaincall.media.addresses import lan_addresses
from curtaincall.observability import logs
from curtaincall.settings import Settings
from curtaincall.storage.errors import DataInUse
from curtaincall.transports.grpc.server import PortUnavailable
from curtaincall.transports.rest.protocol import BoundedHeads
from curtaincall.transports.ws.protocol import MAX_MESSAGE_BYTES, PING_INTERVAL_S, PING_TIMEOUT_S, SignalingProtocol

BACKLOG: Final = 1024
"""Connections that the system holds while we are busy."""

GOODBYE_S: Final = 3
"""How long connections may take to finish once they were told that the server stops."""

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logs.configure(settings.log_level)
    log.info("settings", extra={"settings": settings.redacted()})
    interpreter.tune()
    listener = _listen(settings.server.host, settings.server.port)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_serve(settings, listener))


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve(settings: Settings, listener: socket.socket) -> None:
    try:
        app = build(settings)
    except DataInUse as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from None
    withdraw(settings.data_dir)  # what one that was killed has left there
    try:
        await app.start()
    except PortUnavailable as refusal:
        await app.stop()
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from None
    if settings.demo:
        for line in await seed(app.services):
            typer.echo(line)
    # What is here now stays for good: the collector need not look at it again, and pauses shorter.
    gc.collect()
    gc.freeze()
    await _Server(_config(settings, app), app, _addresses(settings, listener)).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, which ends the calls before it hangs up on people."""

    def __init__(self, config: uvicorn.Config, app: App, addresses: list[str]) -> None:
        super().__init__(config)
        self._app = app
        self._addresses = addresses

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for a graceful stop on the first signal, for an immediate one on the second; never raise it again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        announce(self._app.settings.data_dir, self._addresses[0])
        if self._app.grpc_address is not None:
            typer.echo(f"listening {self._app.grpc_address}")
        for address in self._addresses:
            typer.echo(f"listening {address}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.end_calls()
        await super().shutdown(sockets)
        await self._app.stop()


def _config(settings: Settings, app: App) -> uvicorn.Config:
    server = settings.server
    tls = certificate(settings.data_dir, lan_addresses()) if server.https else None
    return uvicorn.Config(
        app.asgi,
        loop="none",
        http=BoundedHeads,
        ws=SignalingProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        ws_per_message_deflate=False,  # a small message could unpack to a large one
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(server.trusted_proxies),
        forwarded_allow_ips=list(server.trusted_proxies),
        limit_concurrency=server.max_connections,
        timeout_graceful_shutdown=GOODBYE_S,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else is begun, so that a taken port is found out first. Exits with 1 and a sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        typer.echo(f"Cannot listen on {host}, port {port}: {error.strerror}.", err=True)
        raise typer.Exit(1) from None
    listener.listen(BACKLOG)
    return listener


def _addresses(settings: Settings, listener: socket.socket) -> list[str]:
    """The URLs that the server can be reached by: this machine's own first."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.server.https else "http"
    hosts = ["127.0.0.1", *lan_addresses()] if host == "0.0.0.0" else [f"[{host}]" if ":" in host else host]  # noqa: S104 - compared, not bound
    return [f"{scheme}://{name}:{port}" for name in dict.fromkeys(hosts)]
