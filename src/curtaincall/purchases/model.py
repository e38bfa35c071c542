"""What was bought, as values; and the bounds of what can be."""

from dataclasses import dataclass
from typing import Final

from curtaincall.kernel.money import CurrencyMismatch, MoneyError
from curtaincall.purchases.errors import TipToOneself

MAX_TIP_MINOR: Final = 1_000_000
"""The most that one tip gives."""

MAX_MESSAGE_CHARS: Final = 200
"""The longest message that goes with a tip."""


@dataclass(frozen=True, slots=True)
class PurchaseRules:
    """The currency of the house, and its share in basis points."""

    currency: str = "EUR"
    fee_bp: int = 2_000


@dataclass(frozen=True, slots=True)
class NewTip:
    """A tip somebody wants to give. `request_key` is the giver's: it names the request for ever."""

    room_id: str
    from_id: str
    to_id: str
    amount_minor: int
    currency: str
    message: str | None
    request_key: str


@dataclass(frozen=True, slots=True)
class Tip:
    """A tip that was given."""

    tip_id: str
    room_id: str
    from_id: str
    to_id: str
    amount_minor: int
    currency: str
    message: str | None
    created_at_ms: int


def check_tip(tip: NewTip, currency: str) -> None:
    """Raises MoneyError (`amount_invalid`), CurrencyMismatch, TipToOneself."""
    if not 0 < tip.amount_minor <= MAX_TIP_MINOR:
        raise MoneyError("The amount of a tip is out of bounds.", max_minor=MAX_TIP_MINOR)
    if tip.currency != currency:
        raise CurrencyMismatch("Money is in another currency here.", currency=currency)
    if tip.from_id == tip.to_id:
        raise TipToOneself("A tip is for somebody else.")
