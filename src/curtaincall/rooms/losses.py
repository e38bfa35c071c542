"""Rooms whose media node is gone: a call is over, a conference begins anew elsewhere with whoever comes back."""

import logging

from curtaincall.charging.model import EndReason
from curtaincall.charging.service import ChargingService
from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import RoomLost
from curtaincall.rooms.events import ParticipantLeft, RoomDark
from curtaincall.rooms.service import RoomsService

log = logging.getLogger(__name__)


class RoomLosses:
    """Subscribes to the bus. The leases of the room have been told as closed before, so its sessions settle already."""

    def __init__(self, rooms: RoomsService, charging: ChargingService, bus: EventBus) -> None:
        self._rooms = rooms
        self._charging = charging
        self._bus = bus
        bus.subscribe(RoomLost, self._on_room_lost)

    async def _on_room_lost(self, event: RoomLost) -> None:
        room = self._rooms.in_memory(event.room_id)
        if room is None:
            return
        if room.record.call_id is not None:
            # One that was accepted, and had no lease yet, has heard of no end.
            self._charging.revoke(room.record.call_id, EndReason.CONNECTION_LOST)
            return
        users = await self._rooms.forget_seats(event.room_id)
        log.warning("room_dark", extra={"room_id": event.room_id, "seats": len(users)})
        await self._bus.publish(RoomDark(event.room_id))
        for user_id in users:
            await self._bus.publish(ParticipantLeft(event.room_id, user_id, EndReason.CONNECTION_LOST.value))
