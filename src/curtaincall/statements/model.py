"""What a statement shows, and the words for it. Pure values."""

from dataclasses import dataclass
from typing import Final

from curtaincall.ledger.model import Account, AccountKind, Purpose

DAY_MS: Final = 86_400_000

OF_CREATORS: Final = (AccountKind.CREATOR_PENDING, AccountKind.CREATOR_PAYABLE, AccountKind.CREATOR_RECEIVABLE)
"""The accounts in which a creator's earnings are, wherever they are on their way."""

NOT_EARNED: Final = frozenset({Purpose.RELEASE, Purpose.PAYOUT})
"""Movements of earnings that are neither earned nor lost by them."""

_WITH_NAME: Final = {
    Purpose.CALL: "Call with {}",
    Purpose.INSTANT_UNLOCK: "Instant unlock of {}",
    Purpose.PREMIUM_HD: "Premium HD of {}",
    Purpose.SUBSCRIPTION: "Subscription to {}",
    Purpose.TIP: "Tip to {}",
    Purpose.REFUND: "Refund from {}",
}

_PLAIN: Final = {
    Purpose.TOP_UP: "Top-up",
    Purpose.CALL: "Call",
    Purpose.INSTANT_UNLOCK: "Instant unlock",
    Purpose.PREMIUM_HD: "Premium HD",
    Purpose.SUBSCRIPTION: "Subscription",
    Purpose.BATTLE_ENTRY: "Battle entry",
    Purpose.BATTLE_POT: "Battle entry returned",
    Purpose.TIP: "Tip",
    Purpose.REFUND: "Refund",
    Purpose.CHARGEBACK: "Card dispute",
    Purpose.RELEASE: "Earnings released",
    Purpose.PAYOUT: "Payout",
    Purpose.ADJUSTMENT: "Adjustment by the house",
}


@dataclass(frozen=True, slots=True)
class Movement:
    """What one command did to an account: `amount_minor` is negative for what left it."""

    first_seq: int
    last_seq: int
    """Of its rows: the position for going back in time, and the one for going on."""
    key: str
    transaction_id: str
    purpose: Purpose
    amount_minor: int
    created_at_ms: int
    ref: str


@dataclass(frozen=True, slots=True)
class Line:
    """A movement as its owner reads it."""

    id: str
    kind: Purpose
    label: str
    amount_minor: int
    currency: str
    created_at_ms: int
    ref: str


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Money that is reserved and neither spent nor returned."""

    key: str
    purpose: Purpose
    amount_minor: int
    created_at_ms: int
    ref: str


@dataclass(frozen=True, slots=True)
class DayOfEarnings:
    """What a creator earned on one day (UTC) from one source: `gross = fee + net`; negative where it was given back.

    `count` is how many calls, tips, ... that were.
    """

    day_ms: int
    source: Purpose
    gross_minor: int
    fee_minor: int
    net_minor: int
    count: int


def label(purpose: Purpose, counterparty: str | None) -> str:
    """A movement in words; `counterparty` is the name of the creator on the other side, None if there is none."""
    if counterparty is not None and purpose in _WITH_NAME:
        return _WITH_NAME[purpose].format(counterparty)
    return _PLAIN[purpose]


def creator_of(accounts: tuple[Account, ...]) -> str | None:
    """The creator among the accounts that a command touched."""
    return next((account.owner_id for account in accounts if account.kind in OF_CREATORS), None)
