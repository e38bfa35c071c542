"""`curtaincall media-node`: the engine in a process of its own, and the line that commands it."""

import logging

from curtaincall.bootstrap.adapters import embedded_engine
from curtaincall.bootstrap.overrides import Overrides
from curtaincall.kernel.ids import uuid7
from curtaincall.media.channel import UNIX
from curtaincall.media.node import MediaNode
from curtaincall.settings import Settings
from curtaincall.transports.grpc.media_node import MediaNodeServer

log = logging.getLogger(__name__)

SOCKET_NAME = "media-node.sock"


class MediaNodeApp:
    """No database, no keys, no pages: packets, and nobody's decisions but those of the control plane."""

    def __init__(self, settings: Settings, overrides: Overrides) -> None:
        clock = overrides.clock
        ids = overrides.ids or (lambda: uuid7(clock.now_ms()))
        address = node_address(settings)
        engine = embedded_engine(settings, for_others=not address.startswith(UNIX))
        self.node = MediaNode(engine, clock, ids())
        self.server = MediaNodeServer(self.node, settings.media.node, address)

    async def start(self) -> None:
        """Raises PortUnavailable."""
        await self.server.start()

    async def stop(self) -> None:
        await self.node.close()
        await self.server.stop()
        log.info("stopped")


def node_address(settings: Settings) -> str:
    """Where the node of these settings listens."""
    return settings.media.node.address or f"{UNIX}{settings.data_dir.absolute() / SOCKET_NAME}"


def build_media_node(settings: Settings, overrides: Overrides | None = None) -> MediaNodeApp:
    """Put a media node together. Called on the event loop. Raises MediaError if its media ports are taken."""
    return MediaNodeApp(settings, overrides or Overrides())
