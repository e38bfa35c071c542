"""What charging tells the layers above, on the kernel's bus. A session's news keep their order."""

from dataclasses import dataclass

from curtaincall.charging.model import EndReason
from curtaincall.charging.views import Receipt, SessionView


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """Another state, another hold, or a top-up."""

    view: SessionView


@dataclass(frozen=True, slots=True)
class LowBalance:
    """What is left of the grant and what the wallet still buys has crossed a threshold."""

    session_id: str
    room_id: str
    payer_id: str
    seconds_left: int


@dataclass(frozen=True, slots=True)
class SessionEnding:
    """The session is over and its media has stopped already; the settlement follows."""

    view: SessionView
    reason: EndReason


@dataclass(frozen=True, slots=True)
class SessionSettled:
    """The money has moved, and is committed."""

    view: SessionView
    receipt: Receipt
