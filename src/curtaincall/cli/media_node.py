"""`curtaincall media-node`: run a node until SIGTERM or SIGINT, or tell one that runs to take no new rooms."""

import asyncio
import logging
import signal
from typing import Final

import typer
import uvloop

from curtaincall.bootstrap import build_media_node, node_address
from curtaincall.media.channel import drain, report_of
from curtaincall.media.ports import MediaError
from curtaincall.observability import logs
from curtaincall.settings import ClientTls, Settings
from curtaincall.transports.grpc.server import PortUnavailable

LOOK_EVERY_S: Final = 1.0
"""How often a drained node is asked whether it is empty."""

log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Forward packets until SIGTERM or SIGINT. Exits with 1 and a sentence if that cannot be."""
    logs.configure(settings.log_level)
    log.info("settings", extra={"settings": settings.redacted()})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    try:
        app = build_media_node(settings)
    except MediaError as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from None
    try:
        await app.start()
        typer.echo(f"listening {app.server.address}")
        await asked_to_stop.wait()
    except PortUnavailable as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from None
    finally:
        await app.stop()


def tell(settings: Settings, draining: bool) -> None:
    """Tell the node of these settings, and wait until its last room is closed. Exits with 1 if it does not answer."""
    try:
        asyncio.run(_drain(node_address(settings), _own_tls(settings), draining))
    except MediaError as refusal:
        typer.echo(refusal.message, err=True)
        raise typer.Exit(1) from None


async def _drain(address: str, tls: ClientTls, draining: bool) -> None:
    await drain(address, tls, draining)
    if not draining:
        typer.echo("The node takes rooms again.")
        return
    told = None
    while (rooms := (await report_of(address, tls)).rooms) > 0:
        if rooms != told:
            typer.echo(f"The node takes no new rooms; {rooms} still open.")
            told = rooms
        await asyncio.sleep(LOOK_EVERY_S)
    typer.echo("The node takes no new rooms and has none.")


def _own_tls(settings: Settings) -> ClientTls:
    """How a node on TCP is reached from its own machine: as a control plane, or with the node's own certificate."""
    media = settings.media
    if media.nodes_tls.complete:
        return media.nodes_tls
    return ClientTls(ca=media.node.client_ca, cert=media.node.tls_cert, key=media.node.tls_key)
