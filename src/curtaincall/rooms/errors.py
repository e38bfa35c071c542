"""Refusals of the rooms domain."""

from curtaincall.kernel.errors import CurtaincallError


class RoomsError(CurtaincallError):
    """Base of this domain's refusals."""

    code = "rooms_error"


class RoomUnknown(RoomsError):
    code = "room_not_found"


class RoomExists(RoomsError):
    code = "room_exists"


class RoomEnded(RoomsError):
    code = "room_ended"


class RoomFull(RoomsError):
    code = "room_full"


class CapacityTooLarge(RoomsError):
    code = "capacity_too_large"


class KindUnavailable(RoomsError):
    """Rooms of this kind cannot be made this way."""

    code = "kind_unavailable"


class HostRequired(RoomsError):
    """A room of this kind is somebody's: who publishes in it, or gets its pot."""

    code = "host_required"


class EntryRequired(RoomsError):
    """A seat in this battle costs the entry, and this user has not paid it."""

    code = "entry_required"


class Removed(RoomsError):
    """The participant was removed; the room goes on without them."""

    code = "removed"


class NotInvited(RoomsError):
    """A private call is between two people, and this is neither."""

    code = "forbidden"


class CallNotAccepted(RoomsError):
    code = "call_not_accepted"


class Blocked(RoomsError):
    """One of the two has blocked the other; which of them is not said."""

    code = "blocked"


class CallUnknown(RoomsError):
    code = "call_not_found"


class TooManyCalls(RoomsError):
    code = "too_many_calls"


class TooManyRooms(RoomsError):
    code = "overloaded"


class TooManyRoomsOfHost(RoomsError):
    code = "too_many_rooms"


class CreatorOffline(RoomsError):
    """Nobody is there to be put through to at once."""

    code = "creator_offline"
