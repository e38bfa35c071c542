"""`/api/events`: what a signed-in user hears of things outside a room. A creator with this socket open is online."""

from collections import defaultdict
from typing import Final

from starlette.websockets import WebSocket

from curtaincall.accounts.errors import NotAuthenticated
from curtaincall.accounts.model import Principal, Role, UserPrincipal
from curtaincall.charging.model import SessionState
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.transports.errors import RateLimited, TransportError, code_of
from curtaincall.transports.services import Services
from curtaincall.transports.views import call_requested, presence
from curtaincall.transports.ws.connection import FIRST_MESSAGE_TIMEOUT_S, Gone, SocketConnection
from curtaincall.transports.ws.messages import Authenticate, Message, SetPresence, parse_events
from curtaincall.transports.ws.strikes import Strikes

MAX_SOCKETS_PER_USER: Final = 16
"""Open tabs of one user that are told; a further one is refused."""

RINGING_SHOWN: Final = 20
"""Calls that a creator is reminded of when the socket opens."""


class EventsHub:
    """The open events sockets by user."""

    def __init__(self) -> None:
        self._sockets: dict[str, set[SocketConnection]] = defaultdict(set)

    def add(self, user_id: str, connection: SocketConnection) -> None:
        """Raises RateLimited."""
        if len(self._sockets.get(user_id, ())) >= MAX_SOCKETS_PER_USER:
            raise RateLimited("Too many windows are open.", retry_after_ms=10_000)
        self._sockets[user_id].add(connection)

    def discard(self, user_id: str, connection: SocketConnection) -> None:
        self._sockets[user_id].discard(connection)
        if not self._sockets[user_id]:
            del self._sockets[user_id]

    def tell(self, user_id: str, message: Message) -> None:
        for connection in self._sockets.get(user_id, ()):
            connection.send(message)

    def refuse(self, user_id: str, refusal: CurtaincallError) -> None:
        """Close the user's sockets, and say why."""
        for connection in self._sockets.get(user_id, ()):
            connection.refuse(refusal)

    def tell_everybody(self, message: Message) -> None:
        for connections in self._sockets.values():
            for connection in connections:
                connection.send(message)


class EventsSession:
    """One events connection, from its upgrade to its close."""

    def __init__(self, services: Services, hub: EventsHub, socket: WebSocket, connection: SocketConnection) -> None:
        self._services = services
        self._hub = hub
        self._socket = socket
        self._connection = connection
        self._id = services.ids()
        self._strikes = Strikes(services.clock, connection)

    async def run(self) -> None:
        """Tell news until the client is gone or refused."""
        try:
            user = await self._identify()
            self._hub.add(user.user_id, self._connection)
            try:
                await self._attend(user)
            finally:
                self._hub.discard(user.user_id, self._connection)
        except Gone:
            pass
        except CurtaincallError as refusal:
            self._services.metrics.socket_refusals.labels(code=code_of(refusal)).inc()
            self._connection.refuse(refusal)

    async def _identify(self) -> UserPrincipal:
        """By header or cookie, else by a first message AUTHENTICATE. Raises NotAuthenticated."""
        principal: Principal | None = self._services.authenticator.socket(self._socket)
        while principal is None:
            try:
                message = parse_events(await self._connection.first(FIRST_MESSAGE_TIMEOUT_S))
            except TransportError as refusal:
                self._strikes.forgive(refusal)
                continue
            if not isinstance(message, Authenticate):
                raise NotAuthenticated("Authenticate first.")
            principal = self._services.authenticator.token(message.token)
        if not isinstance(principal, UserPrincipal):
            raise TransportError("forbidden", "Services have no events of their own.")
        return principal

    async def _attend(self, user: UserPrincipal) -> None:
        if user.role is not Role.CREATOR:
            await self._listen(user)
            return
        await self._services.presence.opened(user.user_id)
        try:
            await self._remind(user)
            await self._listen(user)
        finally:
            await self._services.presence.closed(user.user_id)

    async def _remind(self, user: UserPrincipal) -> None:
        """Tell a creator of the calls that are ringing already, and whether others see them online."""
        self._connection.send(presence(user.user_id, self._services.presence.is_online(user.user_id)))
        page = await self._services.calls.page(user.user_id, SessionState.REQUESTED, None, RINGING_SHOWN)
        for view in page.items:
            if view.payee_id == user.user_id:
                fan = await self._services.accounts.find(view.payer_id)
                self._connection.send(call_requested(view, fan.display_name if fan else view.payer_id))

    async def _listen(self, user: UserPrincipal) -> None:
        while True:
            text = await self._connection.receive()
            self._services.limits.message_on(self._id)
            try:
                message = parse_events(text)
            except TransportError as refusal:
                self._strikes.forgive(refusal)
                continue
            if isinstance(message, SetPresence) and user.role is Role.CREATOR:
                await self._services.presence.set_online(user.user_id, message.online)
