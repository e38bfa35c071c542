"""`curtaincall monetization`: the gRPC service alone, stopped by SIGTERM or SIGINT."""

import asyncio
import logging
import signal

import typer
import uvloop

from curtaincall.bootstrap import build_monetization
from curtaincall.observability import logs
from curtaincall.settings import Settings
from curtaincall.storage.errors import DataInUse
from curtaincall.transports.grpc.server import PortUnavailable

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Exits with 1 and a sentence if that cannot be."""
    logs.configure(settings.log_level)
    log.info("settings", extra={"settings": settings.redacted()})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    try:
        app = build_monetization(settings)
    except DataInUse as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from None
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    try:
        await app.start()
        typer.echo(f"listening {app.address}")
        await asked_to_stop.wait()
    except PortUnavailable as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from None
    finally:
        await app.stop()
