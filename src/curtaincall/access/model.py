"""An entitlement: that a user may have something, of one scope, for a time. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Feature(StrEnum):
    """What can be had. The scope says of whom or where: a creator's id, or a room's."""

    SUBSCRIPTION = "subscription"
    """Of a creator; its terms say which calls are included."""
    INSTANT_UNLOCK = "instant_unlock"
    """Of a creator: one call that skips the queue and the ring."""
    PREMIUM_HD = "premium_hd"
    """In a room."""
    BATTLE_ENTRY = "battle_entry"
    """Into a room of kind battle."""


Terms = Mapping[str, int | str]
"""Further facts of an entitlement, as they were agreed when it was granted."""


@dataclass(frozen=True, slots=True)
class NewEntitlement:
    """What is to be granted. `source_key` names the purchase: it grants once, however often it is repeated."""

    entitlement_id: str
    user_id: str
    feature: Feature
    scope_id: str
    from_ms: int
    until_ms: int | None
    source_key: str
    source_ref: str
    """What it was paid with: the ref of the transfer."""
    terms: Terms


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Valid in [from, until) unless it was revoked, or spent: whatever is bought for one use is used up by it."""

    entitlement_id: str
    user_id: str
    feature: Feature
    scope_id: str
    from_ms: int
    until_ms: int | None
    revoked_at_ms: int | None
    spent_on: str | None
    source_key: str
    source_ref: str
    terms: Terms

    def valid(self, now_ms: int) -> bool:
        begun = self.from_ms <= now_ms and (self.until_ms is None or now_ms < self.until_ms)
        return begun and self.revoked_at_ms is None and self.spent_on is None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the user may have it now, until when (None: until something ends it), and by which entitlement."""

    allowed: bool
    until_ms: int | None = None
    entitlement_id: str | None = None


class SubscriptionCalls(StrEnum):
    """Which of a subscriber's calls cost nothing further."""

    NONE = "none"
    MINUTES = "minutes"
    """So many minutes a month, then by the minute."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class IncludedCalls:
    """The calls that a subscription pays for in its current period: `minutes_ms` of them, or all (`kind`)."""

    entitlement_id: str
    kind: SubscriptionCalls
    minutes_ms: int
    period_from_ms: int
    period_until_ms: int


@dataclass(frozen=True, slots=True)
class SubscriptionTerms:
    """What a subscription's entitlement says of one period."""

    calls: SubscriptionCalls
    minutes_ms: int
    period_from_ms: int
    period_until_ms: int

    def as_terms(self) -> Terms:
        return {
            "calls": self.calls.value,
            "minutes_ms": self.minutes_ms,
            "period_from_ms": self.period_from_ms,
            "period_until_ms": self.period_until_ms,
        }

    @classmethod
    def of(cls, terms: Terms) -> "SubscriptionTerms":
        return cls(
            SubscriptionCalls(str(terms["calls"])),
            int(terms["minutes_ms"]),
            int(terms["period_from_ms"]),
            int(terms["period_until_ms"]),
        )
