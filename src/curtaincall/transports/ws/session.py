"""One signaling connection, from its upgrade to its close: JOIN_ROOM, then the messages of a participant."""

import logging

from starlette.websockets import WebSocket

from curtaincall.accounts.errors import NotAuthenticated
from curtaincall.accounts.model import Principal, ServicePrincipal
from curtaincall.charging.model import EndReason
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.media.ports import Subscription
from curtaincall.rooms.model import Room, Seat, SeatRole
from curtaincall.transports.errors import TransportError, code_of
from curtaincall.transports.services import Services
from curtaincall.transports.views import ice_server, person, relay, session_for
from curtaincall.transports.ws.connection import FIRST_MESSAGE_TIMEOUT_S, Gone, SocketConnection
from curtaincall.transports.ws.messages import (
    Chat,
    IceCandidate,
    JoinRoom,
    LeaveRoom,
    Message,
    Offer,
    SetSubscription,
    SignalingMessage,
    parse_signaling,
)
from curtaincall.transports.ws.strikes import Strikes

log = logging.getLogger(__name__)


class SignalingSession:
    """What one client may do next, and does. Messages are worked on one after the other."""

    def __init__(self, services: Services, socket: WebSocket, connection: SocketConnection) -> None:
        self._services = services
        self._socket = socket
        self._connection = connection
        self._id = services.ids()
        self._strikes = Strikes(services.clock, connection)
        self._room: Room | None = None
        self._seat: Seat | None = None

    async def run(self) -> None:
        """Work until the client leaves, is refused, or is gone."""
        try:
            while True:
                await self._enter()
                await self._participate()
        except Gone:
            pass
        except CurtaincallError as refusal:
            self._services.metrics.socket_refusals.labels(code=code_of(refusal)).inc()
            self._connection.refuse(refusal)
        finally:
            await self._lost()

    # ---- entering ---------------------------------------------------------------------------------------------------

    async def _enter(self) -> None:
        """Wait for JOIN_ROOM (one malformed message is forgiven), then take the seat."""
        while True:
            text = await self._connection.first(FIRST_MESSAGE_TIMEOUT_S)
            try:
                message = parse_signaling(text)
                if not isinstance(message, JoinRoom):
                    raise TransportError("not_joined", "The first message must be JOIN_ROOM.")
            except CurtaincallError as refusal:
                self._strikes.forgive(refusal)
                continue
            await self._join(message)
            return

    async def _join(self, message: JoinRoom) -> None:
        services = self._services
        client = self._socket.client
        services.limits.join_from(client.host if client else "unknown")
        display_name = await self._identify(message)
        services.accounts.refuse_frozen(message.user_id)
        services.limits.join_by(message.user_id)
        if message.is_spectator:
            raise TransportError("spectators_unavailable", "This room has no stream for spectators.")
        if services.payment_watch is not None:
            await services.payment_watch.confirm(message.room_id, message.user_id)
        room, seat = await services.rooms.take_seat(message.room_id, message.user_id, display_name)
        self._room, self._seat = room, seat
        services.enforcement.register_connection(room.room_id, seat.user_id, self._connection)
        self._connection.send(await self._joined(room, seat))
        if room.end_reason is not None or seat.user_id in room.removed:
            # The end came while we were being seated, before there was a connection to tell.
            reason = room.end_reason or room.removed[seat.user_id]
            self._connection.terminate(reason, "/models")
        log.info("participant_joined", extra={"room_id": room.room_id, "user_id": seat.user_id})

    async def _identify(self, message: JoinRoom) -> str:
        """Make sure that it is this user; return the name to show. Raises NotAuthenticated, `user_mismatch`."""
        services = self._services
        if message.token is not None:
            claim = services.tokens.spend_join(message.token)
            role = SeatRole.SPECTATOR if message.is_spectator else SeatRole.PARTICIPANT
            if (claim.room_id, claim.user_id, claim.role) != (message.room_id, message.user_id, role.value):
                raise TransportError("user_mismatch", "The token is for another room, user or role.")
        else:
            self._check_owner(services.authenticator.socket(self._socket), message.user_id)
        user = await services.accounts.find(message.user_id)
        return user.display_name if user else message.user_id

    def _check_owner(self, principal: Principal | None, user_id: str) -> None:
        if principal is None:
            raise NotAuthenticated("A token, a Bearer header or a session is needed.")
        if isinstance(principal, ServicePrincipal):
            raise TransportError("forbidden", "Services ask for a join token and send it in JOIN_ROOM.")
        if principal.user_id != user_id:
            raise TransportError("user_mismatch", "You are signed in as another user.")

    async def _joined(self, room: Room, seat: Seat) -> Message:
        settings = self._services.settings
        message: dict[str, object] = {
            "type": "JOINED",
            "roomId": room.room_id,
            "userId": seat.user_id,
            "role": seat.role.value,
            "participants": [person(other) for other in room.seats.values() if other.user_id != seat.user_id],
            "iceServers": [
                *(ice_server(server) for server in settings.rooms.ice_servers),
                *relay(settings.turn, seat.user_id, self._services.clock.now_ms()),
            ],
        }
        view = self._services.charging.session_in_room(room.room_id) if room.is_private_call else None
        if view is not None:
            wallet = await self._services.wallet.wallet(view.payer_id) if seat.user_id == view.payer_id else None
            message["session"] = session_for(view, seat.user_id, wallet)
        return message

    # ---- participating ----------------------------------------------------------------------------------------------

    async def _participate(self) -> None:
        """Work on messages until LEAVE_ROOM."""
        while True:
            try:
                text = await self._connection.receive()
                if self._connection.terminated:
                    continue  # the call is over for this client; the close is on its way
                self._services.limits.message_on(self._id)
                message = parse_signaling(text)
                if isinstance(message, LeaveRoom):
                    await self._leave()
                    if self._room is None:
                        return
                    continue  # a call has ended with it: this line waits for TERMINATE_CALL and its close
                await self._handle(message)
            except CurtaincallError as refusal:
                self._strikes.forgive(refusal)

    async def _handle(self, message: SignalingMessage) -> None:
        room, seat = self._place()
        services = self._services
        match message:
            case Offer():
                services.limits.offer_on(self._id)
                answer = await services.media.offer(room.room_id, seat.user_id, message.sdp)
                self._connection.send({"type": "ANSWER", "sdp": answer})
            case IceCandidate():
                pass  # the server is ICE-lite: it learns the client's addresses from its checks (RFC 8445 section 2.5)
            case SetSubscription():
                await services.media.subscribe(
                    Subscription(room.room_id, seat.user_id, message.user_id, message.max_height, message.priority)
                )
            case Chat():
                chat = {"type": "CHAT", "from": seat.user_id, "text": message.text}
                for connection in services.enforcement.connections_in(room.room_id).values():
                    connection.send(chat)
            case _:
                raise TransportError("already_joined", "You have joined already.")

    def _place(self) -> tuple[Room, Seat]:
        if self._room is None or self._seat is None:
            raise TransportError("not_joined", "Join a room first.")
        return self._room, self._seat

    # ---- leaving ----------------------------------------------------------------------------------------------------

    async def _leave(self) -> None:
        """LEAVE_ROOM: gives the seat up; in a private call it ends the call."""
        room, seat = self._place()
        services = self._services
        if room.record.call_id is not None:
            reason = EndReason.PAYER_ENDED if seat.user_id == room.record.payer_id else EndReason.HOST_ENDED
            await services.charging.end(room.record.call_id, reason)
            return  # the connection stays registered for TERMINATE_CALL, and for nothing else
        self._room = self._seat = None
        if services.enforcement.unregister_connection(room.room_id, seat.user_id, self._connection):
            await services.rooms.leave(room.room_id, seat.user_id)

    async def _lost(self) -> None:
        """The socket is gone: if it was still this user's line, the seat waits for another."""
        if self._room is None or self._seat is None:
            return
        room_id, user_id = self._room.room_id, self._seat.user_id
        if self._services.enforcement.unregister_connection(room_id, user_id, self._connection):
            await self._services.rooms.lost(room_id, user_id)
        log.info("participant_disconnected", extra={"room_id": room_id, "user_id": user_id})
