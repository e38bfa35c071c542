"""What the wallet shows, and the states of a top-up."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Wallet:
    """`balance = held + available`."""

    currency: str
    balance_minor: int
    held_minor: int
    available_minor: int


@dataclass(frozen=True, slots=True)
class Earnings:
    """What a creator has earned: not to be paid out yet, to be paid out, owed to the house, on its way to the bank."""

    currency: str
    pending_minor: int
    payable_minor: int
    owed_minor: int = 0
    in_transit_minor: int = 0


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A card that the gateway keeps for a user."""

    payment_method_id: str
    brand: str
    last4: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A movement of the wallet: `amount_minor` is negative when it paid. `ref` is the call or the top-up."""

    id: str
    kind: str
    amount_minor: int
    currency: str
    created_at_ms: int
    ref: str


class PaymentStatus(StrEnum):
    """Only advances: requested -> pending or requires_action (either may follow the other) -> succeeded or declined."""

    REQUESTED = "requested"
    """Recorded; what the gateway says is not."""
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"


TopUpStatus = PaymentStatus
"""A top-up is a card payment into the wallet."""

FINAL = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.DECLINED})


@dataclass(frozen=True, slots=True)
class CardPayment:
    """A payment by card, as whoever asked for it sees it."""

    payment_id: str
    status: PaymentStatus
    decline_code: str | None = None
    redirect_url: str | None = None
    """Where the holder confirms, while the status is `requires_action`."""


@dataclass(frozen=True, slots=True)
class TopUp:
    """A purchase of wallet money, as its buyer sees it."""

    top_up_id: str
    status: PaymentStatus
    decline_code: str | None
    redirect_url: str | None = None
