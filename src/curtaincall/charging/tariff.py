"""The arithmetic of charging: integers only, always on cumulative totals, so that rounding never adds up.

Times are milliseconds, amounts minor units of the tariff's currency. See design/charging.md.
"""

from dataclasses import dataclass
from typing import Final

MINUTE_MS: Final = 60_000
BASIS_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Tariff:
    """A creator's price as it stood when the session was requested."""

    price_per_minute_minor: int
    currency: str
    increment_ms: int = 1_000
    minimum_ms: int = 60_000
    fee_bp: int = 2_000
    """The platform's share, in basis points."""

    def billed_ms(self, delivered_ms: int) -> int:
        """Delivered time rounded up to the increment."""
        return -(-delivered_ms // self.increment_ms) * self.increment_ms

    @property
    def least_billed_ms(self) -> int:
        """The minimum, rounded up to the increment."""
        return self.billed_ms(self.minimum_ms)

    def charge_minor(self, delivered_ms: int) -> int:
        """What the delivered time costs in total, rounded up to a minor unit."""
        return -(-self.billed_ms(delivered_ms) * self.price_per_minute_minor // MINUTE_MS)

    def affordable_ms(self, amount_minor: int) -> int:
        """The largest whole number of increments, in ms, that costs no more than the amount."""
        longest_ms = amount_minor * MINUTE_MS // self.price_per_minute_minor
        return longest_ms // self.increment_ms * self.increment_ms

    def fee_minor(self, charged_minor: int) -> int:
        """The platform's part of everything charged so far, rounded down; the creator gets the rest."""
        return charged_minor * self.fee_bp // BASIS_POINTS

    def creator_minor(self, charged_minor: int) -> int:
        """The creator's part of everything charged so far."""
        return charged_minor - self.fee_minor(charged_minor)


@dataclass(frozen=True, slots=True)
class Books:
    """How a session stands with the ledger. There is at most one open hold, number `hold_number`."""

    granted_ms: int = 0
    """What the holds so far allow to be delivered, cumulative."""
    used_ms: int = 0
    """What was delivered, cumulative, as the SFU metered it."""
    hold_number: int = 0
    held_minor: int = 0
    posted_minor: int = 0

    @property
    def covered_minor(self) -> int:
        """What the session can charge in total without another hold."""
        return self.posted_minor + self.held_minor


@dataclass(frozen=True, slots=True)
class QuotaRules:
    """How much is held at a time."""

    first_hold_ms: int = 60_000
    slice_ms: int = 30_000
    floor_ms: int = 10_000
    """No session begins on less than this, whatever the creator's minimum."""
    void_below_ms: int = 10_000
    """A session shorter than this is void, so nothing is posted before."""
    voids_per_day: int = 3


def least_to_begin_minor(tariff: Tariff, rules: QuotaRules) -> int:
    """What a wallet must have available for a session to begin."""
    return tariff.charge_minor(max(tariff.least_billed_ms, rules.floor_ms))


def first_hold_minor(tariff: Tariff, rules: QuotaRules, available_minor: int) -> int | None:
    """The first hold: the usual one, or all there is if that covers the minimum; None if it does not."""
    if available_minor < least_to_begin_minor(tariff, rules):
        return None
    wanted_ms = max(rules.first_hold_ms, tariff.least_billed_ms)
    return min(available_minor, tariff.charge_minor(wanted_ms))


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal does: post the difference from hold n, put hold n+1 in its place."""

    post_minor: int
    hold_minor: int
    granted_ms: int


def size_renewal(tariff: Tariff, rules: QuotaRules, books: Books, available_minor: int) -> Renewal | None:
    """The next slice, or as much of one as the wallet allows; None if that is not a single increment more.

    What hold n has not used returns to the wallet first, so the new hold covers the rest of the grant as well.
    """
    due_minor = tariff.charge_minor(books.used_ms) if books.used_ms >= rules.void_below_ms else 0
    post_minor = max(0, due_minor - books.posted_minor)
    posted_minor = books.posted_minor + post_minor
    wanted_minor = tariff.charge_minor(books.granted_ms + rules.slice_ms) - posted_minor
    hold_minor = min(wanted_minor, books.held_minor - post_minor + available_minor)
    granted_ms = tariff.affordable_ms(posted_minor + hold_minor)
    if granted_ms <= books.granted_ms:
        return None
    return Renewal(post_minor, hold_minor, granted_ms)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a session: `charged = fee + creator`."""

    used_ms: int
    charged_minor: int
    fee_minor: int
    creator_minor: int
    voided: bool


def settle(tariff: Tariff, rules: QuotaRules, books: Books, *, minimum_applies: bool, voids_today: int) -> Settlement:
    """What a session costs in the end.

    Too short a session is void while this fan has voids left today with this creator; else the minimum counts if the
    reason of the end is one to which it applies. Never more than was held, never less than was posted.
    """
    voided = books.used_ms < rules.void_below_ms and voids_today < rules.voids_per_day and books.posted_minor == 0
    if voided:
        charged_minor = 0
    else:
        billed_ms = max(books.used_ms, tariff.minimum_ms) if minimum_applies else books.used_ms
        charged_minor = max(books.posted_minor, min(tariff.charge_minor(billed_ms), books.covered_minor))
    return Settlement(
        used_ms=books.used_ms,
        charged_minor=charged_minor,
        fee_minor=tariff.fee_minor(charged_minor),
        creator_minor=tariff.creator_minor(charged_minor),
        voided=voided,
    )
