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
    """What a creator has earned: not to be paid out yet, and to be paid out."""

    currency: str
    pending_minor: int
    payable_minor: int


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


class TopUpStatus(StrEnum):
    """Only advances: requested -> pending or requires_action -> succeeded or declined."""

    REQUESTED = "requested"
    """Recorded; what the gateway says is not."""
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"


FINAL = frozenset({TopUpStatus.SUCCEEDED, TopUpStatus.DECLINED})


@dataclass(frozen=True, slots=True)
class TopUp:
    """A purchase of wallet money, as its buyer sees it."""

    top_up_id: str
    status: TopUpStatus
    decline_code: str | None
