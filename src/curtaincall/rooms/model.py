"""Rooms and seats: values, and the rules of who may take a seat. No I/O."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from curtaincall.rooms.errors import HostRequired, KindUnavailable, NotInvited, Removed, RoomEnded, RoomFull

MAX_KNOWN_USERS: Final = 10_000
"""People remembered to have had a seat in one room; the oldest are forgotten first."""


class RoomKind(StrEnum):
    PRIVATE_CALL = "private_call"
    CONFERENCE = "conference"
    BATTLE = "battle"
    """Whoever wants a seat pays the entry; tips are the scores."""
    BROADCAST = "broadcast"
    """Only the host sends."""


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
    entry_fee_minor: int | None = None
    """What a seat in a battle costs whoever is neither its host nor one of its players."""
    hd_pass_minor: int | None = None
    """What the HD pass costs here; None: what the host asks by their rates."""
    players: tuple[str, ...] = ()
    """Who plays a battle beside its host."""


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room somebody wants to make, other than a private call."""

    kind: RoomKind
    room_id: str | None
    title: str | None
    host_id: str | None
    max_participants: int | None
    entry_fee_minor: int | None = None
    hd_pass_minor: int | None = None
    players: tuple[str, ...] = ()

    def check(self) -> None:
        """Whether the kind of room goes with the rest. Raises KindUnavailable, HostRequired."""
        if self.kind is RoomKind.PRIVATE_CALL:
            raise KindUnavailable("Private calls are made by POST /api/calls.", kind=self.kind.value)
        if self.kind is not RoomKind.BATTLE and (self.entry_fee_minor or self.players):
            raise KindUnavailable("Only a battle has an entry and players.", kind=self.kind.value)
        sells = self.entry_fee_minor or self.hd_pass_minor
        if self.host_id is None and (sells or self.kind is RoomKind.BROADCAST):
            raise HostRequired("Such a room needs a host.")


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
    scoring: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while scores are read and told, so that they are told in order."""

    @property
    def room_id(self) -> str:
        return self.record.room_id

    @property
    def is_private_call(self) -> bool:
        return self.record.kind is RoomKind.PRIVATE_CALL

    @property
    def is_battle(self) -> bool:
        return self.record.kind is RoomKind.BATTLE

    def role_of(self, user_id: str) -> SeatRole:
        return SeatRole.HOST if user_id == self.record.host_id else SeatRole.PARTICIPANT

    def needs_entry(self, user_id: str) -> bool:
        """Whether a seat costs this user the entry."""
        invited = user_id == self.record.host_id or user_id in self.record.players
        return self.record.kind is RoomKind.BATTLE and bool(self.record.entry_fee_minor) and not invited

    def may_publish(self, user_id: str) -> bool:
        """Whether what this user sends is forwarded."""
        return self.record.kind is not RoomKind.BROADCAST or user_id == self.record.host_id

    def check_admission(self, user_id: str) -> None:
        """Whether the user may come in at all. Raises RoomEnded, Removed, NotInvited."""
        if self.end_reason is not None:
            raise RoomEnded("This room has ended.")
        if user_id in self.removed:
            raise Removed("You were removed from this room.")
        if self.is_private_call and user_id not in (self.record.host_id, self.record.payer_id):
            raise NotInvited("This call is between two other people.")

    def full_for(self, user_id: str) -> bool:
        """Whether there is no seat for this user."""
        return user_id not in self.seats and len(self.seats) >= self.record.max_participants

    def check_entry(self, user_id: str) -> None:
        """Whether the user may take (or take over) a seat now. Raises as `check_admission` does, and RoomFull."""
        self.check_admission(user_id)
        if self.full_for(user_id):
            raise RoomFull("The room is full.")

    def concerns(self, user_id: str) -> bool:
        """Whether the user is part of the room now: seated, or whom it was made for."""
        made_for = (self.record.host_id, self.record.payer_id, *self.record.players)
        return user_id in self.seats or user_id in made_for

    def with_players(self, scores: dict[str, int]) -> dict[str, int]:
        """The scores with those of a battle who have none yet."""
        host = () if self.record.host_id is None else (self.record.host_id,)
        return dict.fromkeys((*host, *self.record.players), 0) | scores

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
