"""The arithmetic of charging: integers only, always on cumulative totals, so that rounding never adds up.

Times are milliseconds, amounts minor units of the tariff's currency. See design/charging.md.
"""

from dataclasses import dataclass, replace
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
    included_ms: int = 0
    """Delivered time that a subscription includes: it is used first, and costs nothing."""

    def billed_ms(self, paid_ms: int) -> int:
        """Time to be paid, rounded up to the increment."""
        return -(-paid_ms // self.increment_ms) * self.increment_ms

    @property
    def least_billed_ms(self) -> int:
        """The minimum, rounded up to the increment."""
        return self.billed_ms(self.minimum_ms)

    def price_minor(self, paid_ms: int) -> int:
        """What so much time costs beyond the included, rounded up to a minor unit."""
        return -(-self.billed_ms(paid_ms) * self.price_per_minute_minor // MINUTE_MS)

    def charge_minor(self, delivered_ms: int) -> int:
        """What the delivered time costs in total."""
        return self.price_minor(max(0, delivered_ms - self.included_ms))

    def owed_minor(self, delivered_ms: int) -> int:
        """What the delivered time costs where the minimum applies, which it does to paid time only."""
        if 0 < self.included_ms >= delivered_ms:
            return 0
        return max(self.charge_minor(delivered_ms), self.price_minor(self.minimum_ms))

    def affordable_ms(self, amount_minor: int) -> int:
        """What is included, and the largest whole number of increments, in ms, that costs no more than the amount."""
        longest_ms = amount_minor * MINUTE_MS // self.price_per_minute_minor
        return self.included_ms + longest_ms // self.increment_ms * self.increment_ms

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


def least_paid_minor(tariff: Tariff, rules: QuotaRules) -> int:
    """What must be held before the first millisecond that is to be paid."""
    return tariff.price_minor(max(tariff.least_billed_ms, rules.floor_ms))


def least_to_begin_minor(tariff: Tariff, rules: QuotaRules) -> int:
    """What a wallet must have available for a session to begin."""
    return 0 if tariff.included_ms >= rules.floor_ms else least_paid_minor(tariff, rules)


@dataclass(frozen=True, slots=True)
class Quota:
    """A hold, and how far all holds reach with it. Included time needs none: a hold of zero is no hold."""

    hold_minor: int
    granted_ms: int


def first_quota(tariff: Tariff, rules: QuotaRules, available_minor: int) -> Quota | None:
    """The first hold: the usual one, or all there is if that covers the minimum; None if it does not."""
    if available_minor < least_to_begin_minor(tariff, rules):
        return None
    return _reach(tariff, rules, Books(), rules.first_hold_ms, available_minor)


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
    posted = replace(books, posted_minor=books.posted_minor + post_minor)
    budget_minor = books.held_minor - post_minor + available_minor
    quota = _reach(tariff, rules, posted, books.granted_ms + rules.slice_ms, budget_minor)
    return None if quota is None else Renewal(post_minor, quota.hold_minor, quota.granted_ms)


def _reach(tariff: Tariff, rules: QuotaRules, books: Books, target_ms: int, budget_minor: int) -> Quota | None:
    """Grant up to the target, or as far as the budget goes; None if that is no further than before.

    The first hold for time that is to be paid covers the minimum, or there is none and what is included is the end.
    """
    if target_ms <= tariff.included_ms:
        quota = Quota(0, target_ms)
    else:
        begins = books.granted_ms <= tariff.included_ms
        least_minor = least_paid_minor(tariff, rules) if begins else 0
        hold_minor = min(max(tariff.charge_minor(target_ms) - books.posted_minor, least_minor), budget_minor)
        if hold_minor >= least_minor:
            quota = Quota(hold_minor, tariff.affordable_ms(books.posted_minor + hold_minor))
        else:
            quota = Quota(0, tariff.included_ms)
    return quota if quota.granted_ms > books.granted_ms else None


def reach_ms(tariff: Tariff, rules: QuotaRules, books: Books, available_minor: int) -> int:
    """How far the session comes in all on what is granted, included, held, and available, if nothing else takes it."""
    amount_minor = books.covered_minor + available_minor
    begins = books.granted_ms <= tariff.included_ms
    if begins and amount_minor < least_paid_minor(tariff, rules):
        return tariff.included_ms
    return max(books.granted_ms, tariff.affordable_ms(amount_minor))


def still_included_ms(tariff: Tariff, books: Books, allowance_ms: int) -> int:
    """The included time of a session that is under way, when the subscription now allows so much in all.

    What was granted stays granted; and once time that is to be paid was granted, the tariff does not change any more.
    """
    if books.granted_ms > tariff.included_ms:
        return tariff.included_ms
    return max(books.granted_ms, allowance_ms)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a session: `charged = fee + creator`."""

    used_ms: int
    charged_minor: int
    fee_minor: int
    creator_minor: int
    voided: bool


def settle(tariff: Tariff, rules: QuotaRules, books: Books, *, minimum_applies: bool, may_void: bool) -> Settlement:
    """What a session costs in the end.

    Too short a session is void while this fan may have another void one today with this creator; else the minimum
    counts if the reason of the end is one to which it applies. Never more than was held, never less than was posted.
    """
    owed_minor = tariff.owed_minor(books.used_ms) if minimum_applies else tariff.charge_minor(books.used_ms)
    charged_minor = max(books.posted_minor, min(owed_minor, books.covered_minor))
    short = books.used_ms < rules.void_below_ms and books.posted_minor == 0
    voided = may_void and short and charged_minor > 0
    if voided:
        charged_minor = 0
    return Settlement(
        used_ms=books.used_ms,
        charged_minor=charged_minor,
        fee_minor=tariff.fee_minor(charged_minor),
        creator_minor=tariff.creator_minor(charged_minor),
        voided=voided,
    )
