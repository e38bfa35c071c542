"""What the state machine of a paid session asks to be done: pure data, carried out by `charging.live`."""

from dataclasses import dataclass
from enum import StrEnum


class Do(StrEnum):
    """Actions without facts of their own. The first three reach the SFU at once, without waiting for anything."""

    REVOKE_LEASE = "revoke_lease"
    CLOSE_LEASE = "close_lease"
    GRANT_LEASE = "grant_lease"
    OPEN_LEASE = "open_lease"
    PLACE_HOLD = "place_hold"
    UNLOCK = "unlock"
    RENEW = "renew"
    RECHARGE = "recharge"
    SETTLE = "settle"
    VOID_HOLD = "void_hold"
    TELL_CHANGED = "tell_changed"
    TELL_ENDING = "tell_ending"
    TELL_SETTLED = "tell_settled"


@dataclass(frozen=True, slots=True)
class Note:
    """Put a line on the session's timeline and make its state durable."""

    event: str


@dataclass(frozen=True, slots=True)
class TellLowBalance:
    seconds_left: int


Action = Do | Note | TellLowBalance
