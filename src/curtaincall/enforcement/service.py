"""PaymentEnforcementService (spec, "Payment Enforcement Service"): the stream stops first, everything else follows."""

import asyncio
import logging
from typing import Final

from curtaincall.access.events import EntitlementRevoked
from curtaincall.access.model import Feature
from curtaincall.accounts.events import AccountSuspended
from curtaincall.charging.model import EndReason
from curtaincall.charging.service import ChargingService
from curtaincall.enforcement.errors import SeatUnknown
from curtaincall.enforcement.ports import Connection
from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import MediaError
from curtaincall.observability.metrics import Metrics
from curtaincall.rooms.events import RoomClosed, RoomDark
from curtaincall.rooms.service import RoomsService

REDIRECT_URL: Final = "/models"
REPLACED: Final = "REPLACED"

TOLD: Final = {
    EndReason.DECLINED: EndReason.HOST_ENDED,
    EndReason.CANCELLED: EndReason.PAYER_ENDED,
    EndReason.RING_TIMEOUT: EndReason.CONNECTION_LOST,
    EndReason.PAYMENT_REQUIRED: EndReason.PAYMENT_FAILED,
}
"""What TERMINATE_CALL says of ends that it has no word for (protocol.md)."""

log = logging.getLogger(__name__)


class PaymentEnforcementService:
    """Knows who is connected to which room, and ends their stream when it is no longer paid for.

    A termination reaches the packet path synchronously, before any await: neither a slow database nor a slow client
    can keep a packet flowing. TERMINATE_CALL is sent after that, and the record is written last.
    """

    def __init__(self, rooms: RoomsService, charging: ChargingService, bus: EventBus, metrics: Metrics) -> None:
        self._rooms = rooms
        self._charging = charging
        self._metrics = metrics
        self._connections: dict[str, dict[str, Connection]] = {}
        bus.subscribe(RoomClosed, self._on_room_closed)
        bus.subscribe(RoomDark, self._on_room_dark)
        bus.subscribe(EntitlementRevoked, self._on_entitlement_revoked)
        bus.subscribe(AccountSuspended, self._on_account_suspended)

    def register_connection(self, room_id: str, user_id: str, connection: Connection) -> None:
        """Track the line of a user in a room. One that was there before is told REPLACED and closed."""
        in_room = self._connections.setdefault(room_id, {})
        previous = in_room.get(user_id)
        in_room[user_id] = connection
        self._count()
        if previous is not None and previous is not connection:
            previous.terminate(REPLACED, None)

    def unregister_connection(self, room_id: str, user_id: str, connection: Connection | None = None) -> bool:
        """Forget a line; given `connection`, only if it is still that one. Returns whether it was forgotten."""
        in_room = self._connections.get(room_id, {})
        if user_id not in in_room or (connection is not None and in_room[user_id] is not connection):
            return False
        del in_room[user_id]
        if not in_room:
            del self._connections[room_id]
        self._count()
        return True

    def connection(self, room_id: str, user_id: str) -> Connection | None:
        return self._connections.get(room_id, {}).get(user_id)

    def connections_in(self, room_id: str) -> dict[str, Connection]:
        """The open lines of a room by user; a copy."""
        return dict(self._connections.get(room_id, {}))

    async def handle_payment_failure(
        self, room_id: str, user_id: str, reason: EndReason | str, *, asked_by: str | None = None
    ) -> None:
        """End a user's stream. In a private call that ends the call for both; a conference goes on without them.

        `reason` may be the spec's text ("PAYMENT_FAILED"). Idempotent: the first reason stands. Returns when it is
        recorded. Raises RoomUnknown, SeatUnknown; ValueError for a reason that is none.

        `asked_by` is the user who asked for it, None for a service: the word that one of the two gives as a reason
        does not decide what the call costs.
        """
        reason = EndReason(reason)
        room = self._rooms.in_memory(room_id) or await self._rooms.room(room_id)
        if not room.ever_had(user_id):
            raise SeatUnknown("This user never was in that room.")
        if room.end_reason is not None:
            return
        self._metrics.terminations.labels(reason=reason.value).inc()
        if room.record.call_id is not None:
            self._rooms.stop(room_id, reason, asked_by)
            self._terminate_all(room_id, reason)
            log.info("call_terminated", extra={"room_id": room_id, "user_id": user_id, "reason": reason.value})
            await self._charging.end(room.record.call_id, reason)
            return
        self._rooms.cut(room_id, user_id, reason.value)
        connection = self.connection(room_id, user_id)
        if connection is not None:
            connection.terminate(reason.value, REDIRECT_URL)
            # The line is open for a moment yet, and hears no more of what is said in the room.
            self.unregister_connection(room_id, user_id, connection)
        log.info("seat_terminated", extra={"room_id": room_id, "user_id": user_id, "reason": reason.value})
        await self._rooms.record_removal(room_id, user_id, reason.value)

    async def _on_entitlement_revoked(self, event: EntitlementRevoked) -> None:
        """Whoever has their entry back, by refund or dispute, sits in the battle no longer."""
        entry = event.feature is Feature.BATTLE_ENTRY
        if entry and await self._rooms.has_seat(event.scope_id, event.user_id):
            await self.handle_payment_failure(event.scope_id, event.user_id, EndReason.PAYMENT_FAILED)

    async def _on_room_closed(self, event: RoomClosed) -> None:
        self._terminate_all(event.room_id, event.reason)

    async def _on_room_dark(self, event: RoomDark) -> None:
        """Hang up on everybody: whoever dials in again is seated where there is media."""
        for user_id, connection in self.connections_in(event.room_id).items():
            self.unregister_connection(event.room_id, user_id, connection)
            connection.dismiss(MediaError("media_unavailable", "The connection to this room was lost. Join again."))

    async def _on_account_suspended(self, event: AccountSuspended) -> None:
        """Cut every stream of an account that an operator froze: all of them before the first is recorded."""
        rooms = self._rooms.open_rooms_of(event.user_id)
        cuts = (self.handle_payment_failure(room, event.user_id, EndReason.ADMIN_TERMINATED) for room in rooms)
        for outcome in await asyncio.gather(*cuts, return_exceptions=True):
            if isinstance(outcome, Exception):
                log.error("suspension_unfinished", extra={"user_id": event.user_id}, exc_info=outcome)

    def _terminate_all(self, room_id: str, reason: EndReason) -> None:
        told = TOLD.get(reason, reason)
        for connection in self.connections_in(room_id).values():
            connection.terminate(told.value, REDIRECT_URL)

    def _count(self) -> None:
        self._metrics.seats.set(sum(len(in_room) for in_room in self._connections.values()))
