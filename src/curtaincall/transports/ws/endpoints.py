"""The two WebSocket endpoints, as functions for the router."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.websockets import WebSocket

from curtaincall.transports.errors import TransportError
from curtaincall.transports.services import Services
from curtaincall.transports.ws.connection import SocketConnection
from curtaincall.transports.ws.events import EventsHub, EventsSession
from curtaincall.transports.ws.session import SignalingSession

log = logging.getLogger(__name__)

GOODBYE_S: Final = 1.0
"""How long a slow reader may take to hear that the server stops."""


class Endpoints:
    """Opens a session for each socket and keeps count of them."""

    def __init__(self, services: Services, hub: EventsHub) -> None:
        self._services = services
        self._hub = hub
        self._open: set[SocketConnection] = set()

    async def close_all(self) -> None:
        """Tell everybody that the server stops, and close. Waits for those who listen, `GOODBYE_S` at most."""
        reason = TransportError("shutting_down", "The server is being restarted.")
        connections = tuple(self._open)
        for connection in connections:
            connection.dismiss(reason)
        await asyncio.gather(*(connection.flushed(GOODBYE_S) for connection in connections))

    async def signaling(self, socket: WebSocket) -> None:
        """`GET /api/rtc/signaling`"""
        async with self._connection(socket, "signaling") as connection:
            await SignalingSession(self._services, socket, connection).run()

    async def events(self, socket: WebSocket) -> None:
        """`GET /api/events`"""
        async with self._connection(socket, "events") as connection:
            await EventsSession(self._services, self._hub, socket, connection).run()

    @asynccontextmanager
    async def _connection(self, socket: WebSocket, endpoint: str) -> AsyncIterator[SocketConnection]:
        connection = SocketConnection(socket)
        with self._services.metrics.sockets.labels(endpoint=endpoint).track_inprogress():
            self._open.add(connection)
            try:
                async with connection.open():
                    try:
                        yield connection
                    except Exception:
                        log.exception("socket_failed", extra={"endpoint": endpoint})
                        connection.refuse(TransportError("internal", "Something went wrong on our side."))
            finally:
                self._open.discard(connection)
