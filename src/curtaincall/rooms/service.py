"""Use cases of rooms: make, enter, leave, remove, end. What stops media is synchronous, the record comes after."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access.model import Feature
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.charging.service import ChargingService
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.media.ports import Grant, MediaEngine, OpenLease, OpenSeat
from curtaincall.payments.events import WalletChanged
from curtaincall.purchases.till import PotClosing, Till
from curtaincall.rooms import store
from curtaincall.rooms.errors import (
    CallNotAccepted,
    CapacityTooLarge,
    EntryRequired,
    Removed,
    RoomEnded,
    RoomUnknown,
    TooManyRooms,
    TooManyRoomsOfHost,
)
from curtaincall.rooms.events import ParticipantJoined, ParticipantLeft, RoomClosed
from curtaincall.rooms.model import NewRoom, Room, RoomKind, RoomRecord, Seat
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page, page_size, position_of

log = logging.getLogger(__name__)

MAX_OPEN_ROOMS: Final = 20_000
"""Rooms that may be open at a time. Private calls do not count: they pass, and charging bounds them."""

MAX_ROOMS_OF_HOST: Final = 100
"""Rooms that one creator may have open at a time; they stay open until somebody ends them."""

MAX_ENDED_ROOMS: Final = 2_000
"""Ended rooms kept in memory, to refuse late-comers without a query; older ones are read from the database."""

UNPAID_EPOCH: Final = 1
"""Leases of unpaid rooms never pause, so they stay in one epoch."""


@dataclass(frozen=True, slots=True)
class RoomRules:
    """Figures of this domain, from the settings."""

    max_participants: int
    reconnect_grace_us: int
    unpaid_lease_ms: int


class RoomsService:
    """Open rooms live in memory and are loaded at start; the database remembers those that ended, and removals."""

    def __init__(
        self,
        executor: WriteExecutor,
        media: MediaEngine,
        charging: ChargingService,
        bus: EventBus,
        clock: Clock,
        ids: IdFactory,
        rules: RoomRules,
        till: Till,
    ) -> None:
        self._executor = executor
        self._media = media
        self._charging = charging
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._rules = rules
        self._till = till
        self._open: dict[str, Room] = {}
        self._opening: list[RoomRecord] = []
        self._ended: dict[str, Room] = {}
        self._lost: dict[tuple[str, str], int] = {}

    async def start(self) -> None:
        """Load the open rooms. A private call that a stop left open was settled by charging, so its room is over."""
        for record in await self._executor.read(lambda tx: store.open_rooms(tx, MAX_OPEN_ROOMS)):
            if record.kind is RoomKind.PRIVATE_CALL:
                await self._record_end(record.room_id, EndReason.CONNECTION_LOST.value)
                continue
            removed = await self._executor.read(partial(store.removals, room_id=record.room_id))
            self._open[record.room_id] = Room(record, removed=removed)

    # ---- making and finding -----------------------------------------------------------------------------------------

    async def create(self, new: NewRoom) -> Room:
        """Raises KindUnavailable, HostRequired, CapacityTooLarge, RoomExists, TooManyRooms, TooManyRoomsOfHost."""
        new.check()
        capacity = new.max_participants or self._rules.max_participants
        if capacity > self._rules.max_participants:
            raise CapacityTooLarge("The room is too large.", max_participants=self._rules.max_participants)
        records = (*(room.record for room in self._open.values()), *self._opening)
        hosts = [record.host_id for record in records if record.kind is not RoomKind.PRIVATE_CALL]
        if len(hosts) >= MAX_OPEN_ROOMS:
            raise TooManyRooms("Too many rooms are open.")
        if new.host_id is not None and hosts.count(new.host_id) >= MAX_ROOMS_OF_HOST:
            raise TooManyRoomsOfHost("You have too many rooms open. End one first.")
        return await self.open(
            RoomRecord(
                room_id=new.room_id or self._ids(),
                kind=new.kind,
                title=new.title,
                host_id=new.host_id,
                call_id=None,
                payer_id=None,
                max_participants=capacity,
                created_at_ms=self._clock.now_ms(),
                entry_fee_minor=new.entry_fee_minor,
                hd_pass_minor=new.hd_pass_minor,
                players=new.players,
            )
        )

    async def open(self, record: RoomRecord) -> Room:
        """Record a room and open it. Raises RoomExists."""
        self._opening.append(record)
        try:
            await self._executor.submit(store.add, record)
        finally:
            self._opening.remove(record)
        room = Room(record)
        self._open[record.room_id] = room
        return room

    def in_memory(self, room_id: str) -> Room | None:
        """The room if it is open or ended lately. No I/O."""
        return self._open.get(room_id) or self._ended.get(room_id)

    async def room(self, room_id: str) -> Room:
        """The room, open or ended. Raises RoomUnknown."""
        room = self.in_memory(room_id)
        if room is not None:
            return room
        record = await self._executor.read(lambda tx: store.find(tx, room_id))
        if record is None:
            raise RoomUnknown("There is no such room.")
        room = self.in_memory(room_id)  # it may have been opened while we were reading
        if room is not None:
            return room
        removed = await self._executor.read(lambda tx: store.removals(tx, room_id))
        return Room(record, removed=removed, end_reason=record.end_reason or EndReason.CONNECTION_LOST.value)

    def listed(self, kinds: Collection[RoomKind], cursor: str | None, limit: int) -> Page[Room]:
        """One page of the open rooms of these kinds, newest first. No I/O. Raises CursorInvalid."""
        before = _position(cursor)
        rooms = sorted((room for room in self._open.values() if room.record.kind in kinds), key=_age, reverse=True)
        rest = [room for room in rooms if before is None or _age(room) < before]
        items = tuple(rest[: page_size(limit)])
        return Page(items, "{}.{}".format(*_age(items[-1])) if len(rest) > len(items) else None)

    def open_calls_of(self, payer_id: str) -> int:
        """How many private calls of this fan have an open room."""
        return sum(1 for room in self._open.values() if room.record.payer_id == payer_id)

    def open_calls_between(self, pair: set[str]) -> list[RoomRecord]:
        """The open private calls of these two."""
        records = (room.record for room in self._open.values() if room.is_private_call)
        return [record for record in records if {record.host_id, record.payer_id} == pair]

    def open_rooms_of(self, user_id: str) -> list[str]:
        """The open rooms in which the user has a seat, had one, or is invited to. No I/O."""
        return [room.room_id for room in self._open.values() if room.ever_had(user_id)]

    # ---- seats ------------------------------------------------------------------------------------------------------

    async def take_seat(self, room_id: str, user_id: str, display_name: str) -> tuple[Room, Seat]:
        """Give the user a seat, or the one they have again.

        Raises RoomUnknown, RoomEnded, Removed, NotInvited, CallNotAccepted, EntryRequired, RoomFull, MediaError.
        """
        room = await self.room(room_id)
        async with room.changing:
            room.check_admission(user_id)
            await self._check_entry_paid(room, user_id)
            room.check_entry(user_id)
            self._check_accepted(room)
            seat = room.seats.get(user_id)
            fresh = seat is None
            if seat is None:
                lease_id = room.record.call_id or self._ids()
                seat = Seat(user_id, display_name, room.role_of(user_id), lease_id)
                room.take_seat(seat)
                try:
                    await self._open_in_media(room, seat)
                except BaseException:
                    room.seats.pop(user_id, None)
                    raise
            seat.lost_at_us = None
            self._lost.pop((room_id, user_id), None)
        if self._cut_meanwhile(room, user_id):
            # The seat was opened in the engine after the cut: cut it again, whatever order the engine saw.
            self._media.cut_seat(room_id, user_id)
            room.check_entry(user_id)
            raise Removed("You were removed from this room.")
        if room.record.call_id is not None:
            await self._charging.joined(room.record.call_id, user_id)
        if fresh:
            await self._bus.publish(ParticipantJoined(room_id, seat))
        return room, seat

    async def has_seat(self, room_id: str, user_id: str) -> bool:
        """Whether the user has a seat; one that is just being taken is waited for."""
        room = self._open.get(room_id)
        if room is None or user_id in room.seats:
            return room is not None
        async with room.changing:
            return user_id in room.seats

    async def leave(self, room_id: str, user_id: str, reason: str = "LEFT", lost_at_us: int | None = None) -> None:
        """Give up a conference seat; given `lost_at_us`, only if it has been waiting since then. Idempotent."""
        room = self._open.get(room_id)
        if room is None:
            return
        async with room.changing:
            seat = room.seats.get(user_id)
            if seat is None or (lost_at_us is not None and seat.lost_at_us != lost_at_us):
                return
            del room.seats[user_id]
            self._lost.pop((room_id, user_id), None)
            await self._close_in_media(room, seat)
        await self._bus.publish(ParticipantLeft(room_id, user_id, reason))

    async def lost(self, room_id: str, user_id: str) -> None:
        """The user's socket is gone without a goodbye: the seat waits for them for a while."""
        room = self._open.get(room_id)
        seat = room.seats.get(user_id) if room else None
        if room is None or seat is None:
            return
        if room.record.call_id is not None:
            await self._charging.left(room.record.call_id, user_id)
            return
        seat.lost_at_us = self._clock.monotonic_us()
        self._lost[room_id, user_id] = seat.lost_at_us

    async def sweep(self) -> None:
        """Give up the conference seats whose grace has run out."""
        deadline_us = self._clock.monotonic_us() - self._rules.reconnect_grace_us
        for (room_id, user_id), lost_at_us in tuple(self._lost.items()):
            if lost_at_us <= deadline_us:
                await self.leave(room_id, user_id, EndReason.CONNECTION_LOST.value, lost_at_us)

    def renew_unpaid_leases(self) -> None:
        """Extend the lease of every seat that nobody pays for. No I/O."""
        for room in self._open.values():
            if room.record.call_id is None:
                for seat in room.seats.values():
                    self._grant_unpaid(room.room_id, seat)

    # ---- removing and ending ----------------------------------------------------------------------------------------

    def cut(self, room_id: str, user_id: str, reason: str) -> None:
        """Stop a conference seat's packets now and refuse the user from now on. No I/O; `record_removal` follows."""
        self._media.cut_seat(room_id, user_id)
        room = self._open.get(room_id)
        if room is not None:
            room.removed.setdefault(user_id, reason)

    async def record_removal(self, room_id: str, user_id: str, reason: str) -> None:
        """Make a cut durable and clear the seat away, which is done also if the cut cannot be recorded."""
        removal = store.Removal(room_id, user_id, reason, self._clock.now_ms())
        try:
            await self._executor.submit(store.remove, removal)
        finally:
            await self.leave(room_id, user_id, reason)

    def stop(self, room_id: str, reason: EndReason, asked_by: str | None = None) -> None:
        """Stop every packet of a room now and refuse everybody from now on. No I/O; `end` follows. Idempotent.

        `asked_by`: see `ChargingService.revoke`.
        """
        room = self._open.pop(room_id, None)
        if room is None:
            return
        room.end_reason = reason.value
        if room.record.call_id is not None:
            self._charging.revoke(room.record.call_id, reason, asked_by)
        else:
            for seat in room.seats.values():
                self._media.revoke(room_id, seat.lease_id)
        self._ended[room_id] = room
        while len(self._ended) > MAX_ENDED_ROOMS:
            del self._ended[next(iter(self._ended))]

    async def end(self, room_id: str, reason: EndReason, *, pot_returned: bool = False) -> None:
        """End a room for everybody, and settle the pot of a battle or give it back. Idempotent. Raises RoomUnknown."""
        self.stop(room_id, reason)
        room = await self.room(room_id)
        await self._bus.publish(RoomClosed(room_id, EndReason(room.end_reason or reason)))
        await self._record_end(room_id, reason.value, pot_returned=pot_returned)
        if room.record.call_id is None:
            await self.close_media(room_id)

    async def close_media(self, room_id: str) -> None:
        """Have the engine forget the room. For a private call only when its final meter has been read."""
        room = self.in_memory(room_id)
        if room is None:
            return
        async with room.changing:
            room.seats.clear()
            if room.media_open:
                room.media_open = False
                await self._media.close_room(room_id)

    async def forget_seats(self, room_id: str) -> tuple[str, ...]:
        """Empty a room whose media is gone; the next seat places it anew. Returns who had a seat."""
        room = self._open.get(room_id)
        if room is None:
            return ()
        async with room.changing:
            users = tuple(room.seats)
            room.seats.clear()
            for user_id in users:
                self._lost.pop((room_id, user_id), None)
            room.media_open = False
            await self._media.close_room(room_id)
        return users

    async def open_media(self, room: Room) -> None:
        """Place the room in the engine, if it is not. Raises MediaError `media_overloaded`."""
        async with room.changing:
            await self._open_room_in_media(room)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _check_accepted(self, room: Room) -> None:
        if room.record.call_id is None:
            return
        session = self._charging.session_in_room(room.room_id)
        if session is None or session.end_reason is not None:  # the news of the end may still be on its way to us
            raise RoomEnded("This call has ended.")
        if session.state in (SessionState.REQUESTED, SessionState.AUTHORIZING):
            raise CallNotAccepted("The call has not been accepted yet.")

    def _cut_meanwhile(self, room: Room, user_id: str) -> bool:
        return room.end_reason is not None or user_id in room.removed

    async def _open_room_in_media(self, room: Room) -> None:
        if not room.media_open:
            await self._media.open_room(room.room_id)
            room.media_open = True

    async def _open_in_media(self, room: Room, seat: Seat) -> None:
        await self._open_room_in_media(room)
        if room.record.call_id is None:  # charging opens the lease of a paid call itself
            await self._media.open_lease(OpenLease(room.room_id, seat.lease_id))
            self._grant_unpaid(room.room_id, seat)
        may_publish = room.may_publish(seat.user_id)
        await self._media.open_seat(OpenSeat(room.room_id, seat.user_id, seat.lease_id, may_publish))

    async def _close_in_media(self, room: Room, seat: Seat) -> None:
        self._media.close_lease(room.room_id, seat.lease_id)
        await self._media.close_seat(room.room_id, seat.user_id)
        if not room.seats and room.media_open:
            room.media_open = False
            await self._media.close_room(room.room_id)

    def _grant_unpaid(self, room_id: str, seat: Seat) -> None:
        seat.grant_seq += 1
        self._media.grant(
            Grant(room_id, seat.lease_id, UNPAID_EPOCH, seat.grant_seq, None, self._rules.unpaid_lease_ms)
        )

    async def _check_entry_paid(self, room: Room, user_id: str) -> None:
        if not room.needs_entry(user_id):
            return
        now_ms = self._clock.now_ms()
        answer = await self._executor.read(
            lambda tx: access.may(tx, user_id, Feature.BATTLE_ENTRY, room.room_id, now_ms)
        )
        if not answer.allowed:
            raise EntryRequired("This battle costs an entry. Pay it first.")

    async def _record_end(self, room_id: str, reason: str, *, pot_returned: bool = False) -> None:
        ending = store.Ending(room_id, reason, self._clock.now_ms(), pot_returned)
        for user_id in await self._executor.submit(self._end, ending):
            await self._bus.publish(WalletChanged(user_id))

    def _end(self, tx: Connection, ending: store.Ending) -> tuple[str, ...]:
        """The end and what follows for the money, in one commit. Returns whose wallets got some."""
        record = store.find(tx, ending.room_id) if store.end(tx, ending) else None
        if record is None or record.kind is RoomKind.PRIVATE_CALL:
            return ()
        closing = PotClosing(record.room_id, record.host_id, ending.pot_returned, ending.now_ms)
        paid_back = self._till.close(tx, closing)
        access.end_scope(tx, record.room_id, ending.now_ms)
        return paid_back


def _age(room: Room) -> tuple[int, str]:
    """What rooms are listed by."""
    return room.record.created_at_ms, room.room_id


def _position(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    created_at_ms, _, room_id = cursor.partition(".")
    created = position_of(created_at_ms)
    assert created is not None, "only a missing cursor has no position"
    return created, room_id
