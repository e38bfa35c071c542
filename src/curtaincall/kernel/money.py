"""Money: integer minor units of one ISO 4217 currency. There is no float anywhere near it."""

from dataclasses import dataclass
from typing import Final, Self

from curtaincall.kernel.errors import CurtaincallError

MAX_AMOUNT_MINOR: Final = 10**12
"""Bound on any single amount, far below 2**63, so that sums of many never overflow the database's integers."""


class MoneyError(CurtaincallError):
    """An amount that cannot be: out of bounds, or of another currency."""

    code = "amount_invalid"


class CurrencyMismatch(MoneyError):
    """Two amounts of different currencies met."""

    code = "currency_mismatch"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cents). Raises MoneyError beyond `MAX_AMOUNT_MINOR` on either side of zero."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int or abs(self.amount_minor) > MAX_AMOUNT_MINOR:
            raise MoneyError("The amount is out of bounds.", amount_minor=self.amount_minor)
        if len(self.currency) != 3 or not self.currency.isascii() or not self.currency.isupper():
            raise MoneyError("The currency must be an ISO 4217 code.", currency=self.currency)

    def __add__(self, other: Self) -> "Money":
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: Self) -> "Money":
        return Money(self.amount_minor - self._same(other), self.currency)

    def _same(self, other: Self) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch("The currencies differ.", left=self.currency, right=other.currency)
        return other.amount_minor
