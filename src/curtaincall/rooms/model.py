"""Rooms and seats: values, and the rules of who may take a seat. No I/O."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from curtaincall.rooms.errors import NotInvited, Removed, RoomEnded, RoomFull

MAX_KNOWN_USERS: Final = 10_000
"""People remembered to have had a seat in one room; the oldest are forgotten first."""


class RoomKind(StrEnum):
    PRIVATE_CALL = "private_call"
    CONFERENCE = "conference"


class SeatRole(StrEnum):
    HOST = "host"
    PARTICIPANT = "participant"
    SPECTATOR = "spectator"


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """What is durable of a room. Of a private call, `host_id` is the creator (payee) and `payer_id` the fan."""

    room_id: str
    kind: RoomKind
    title: str | None
    host_id: str | None
    call_id: str | None
    payer_id: str | None
    max_participants: int
    created_at_ms: int
    ended_at_ms: int | None = None
    end_reason: str | None = None


@dataclass(slots=True)
class Seat:
    """A user's place in a room. `grant_seq` counts the grants of an unpaid seat's lease."""

    user_id: str
    display_name: str
    role: SeatRole
    lease_id: str
    grant_seq: int = 0
    lost_at_us: int | None = None
    """When the last socket was lost (monotonic), None while there is one."""


@dataclass(slots=True)
class Room:
    """A room that is open, or has ended not long ago. Changed on the event loop only, without an await in between."""

    record: RoomRecord
    seats: dict[str, Seat] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    """Who was removed, and why: refused until the room ends."""
    known: dict[str, None] = field(default_factory=dict)
    """Everybody who ever had a seat, in order."""
    end_reason: str | None = None
    media_open: bool = False
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while seats are opened and closed in the media engine, so that these commands arrive in order."""

    @property
    def room_id(self) -> str:
        return self.record.room_id

    @property
    def is_private_call(self) -> bool:
        return self.record.kind is RoomKind.PRIVATE_CALL

    def role_of(self, user_id: str) -> SeatRole:
        return SeatRole.HOST if user_id == self.record.host_id else SeatRole.PARTICIPANT

    def check_admission(self, user_id: str) -> None:
        """Whether the user may come in at all. Raises RoomEnded, Removed, NotInvited."""
        if self.end_reason is not None:
            raise RoomEnded("This room has ended.")
        if user_id in self.removed:
            raise Removed("You were removed from this room.")
        if self.is_private_call and user_id not in (self.record.host_id, self.record.payer_id):
            raise NotInvited("This call is between two other people.")

    def check_entry(self, user_id: str) -> None:
        """Whether the user may take (or take over) a seat now. Raises as `check_admission` does, and RoomFull."""
        self.check_admission(user_id)
        if user_id not in self.seats and len(self.seats) >= self.record.max_participants:
            raise RoomFull("The room is full.")

    def take_seat(self, seat: Seat) -> None:
        self.seats[seat.user_id] = seat
        self.known.pop(seat.user_id, None)
        self.known[seat.user_id] = None
        while len(self.known) > MAX_KNOWN_USERS:
            del self.known[next(iter(self.known))]

    def ever_had(self, user_id: str) -> bool:
        """Whether the user has or had a seat here, or (in a private call) was one of the two it is for."""
        invited = self.is_private_call and user_id in (self.record.host_id, self.record.payer_id)
        return invited or user_id in self.known or user_id in self.removed
