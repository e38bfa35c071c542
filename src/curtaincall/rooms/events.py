"""News of rooms, for whoever talks to people: published on the kernel's bus."""

from dataclasses import dataclass

from curtaincall.charging.model import EndReason
from curtaincall.rooms.model import Seat


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    room_id: str
    seat: Seat


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """`reason` is `LEFT` or one of those of TERMINATE_CALL (protocol.md)."""

    room_id: str
    user_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoomClosed:
    """The room has ended for everybody; its media has stopped already."""

    room_id: str
    reason: EndReason


@dataclass(frozen=True, slots=True)
class RoomDark:
    """What forwarded the room's media is gone, and every seat with it. Whoever takes a seat has it placed anew."""

    room_id: str


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a battle: for each player, the tips received there in minor units."""

    room_id: str
    scores: dict[str, int]


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """A creator went online or offline."""

    user_id: str
    online: bool
