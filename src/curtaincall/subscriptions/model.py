"""A subscription: its states, what can happen to it, and what is due next. Pure values, no I/O.

A period is a month of the calendar, counted from the day of the first payment: begun on the 31st, a subscription is
renewed on the last day of shorter months and on the 31st again. Times are epoch milliseconds, UTC.
"""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from curtaincall.access.model import SubscriptionCalls, SubscriptionTerms

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
BASIS_POINTS: Final = 10_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SubscriptionState(StrEnum):
    INCOMPLETE = "incomplete"
    """The first payment is not decided."""
    ACTIVE = "active"
    PAST_DUE = "past_due"
    """A renewal was declined, or wants the fan's confirmation; kept until the grace is over."""
    CANCELLED = "cancelled"
    """Paid until the period's end, and not renewed."""
    ENDED = "ended"


class EndCause(StrEnum):
    CANCELLED = "cancelled"
    DECLINED = "declined"
    ABANDONED = "abandoned"
    """The first payment was not confirmed in time."""
    REVERSED = "reversed"
    """A payment was refunded or disputed."""


@dataclass(frozen=True, slots=True)
class SubscriptionRules:
    """The figures of renewals and dunning, as settings."""

    currency: str = "EUR"
    fee_bp: int = 2_000
    renew_ahead_ms: int = 3_600_000
    """A renewal is charged so long before the period's end, so that nothing lapses between."""
    retry_days: tuple[int, ...] = (1, 3, 5, 7)
    """Days after the period's end on which a declined renewal is tried again."""
    grace_days: int = 8
    """Days after the period's end for which the fan keeps what is not paid."""
    complete_within_ms: int = DAY_MS
    """How long a first payment may take to be confirmed."""
    ask_again_ms: int = 600_000
    """Pause between two questions about a payment that nobody told the outcome of."""

    @property
    def grace_ms(self) -> int:
        return self.grace_days * DAY_MS


@dataclass(frozen=True, slots=True)
class Agreed:
    """What one period costs and includes: a snapshot of the creator's rates when its payment was asked for."""

    price_minor: int
    fee_bp: int
    calls: SubscriptionCalls
    minutes_ms: int


@dataclass(frozen=True, slots=True)
class Subscription:
    """Everything that decides what happens next.

    `period` counts from 0, and is -1 before the first payment. While `asking`, a payment for the period after it is
    under way: number `attempt` of its payments.
    """

    subscription_id: str
    fan_id: str
    creator_id: str
    payment_method_id: str
    state: SubscriptionState
    price_minor: int
    """What the fan agreed to: a renewal never costs more."""
    currency: str
    created_at_ms: int
    anchor_ms: int | None = None
    period: int = -1
    from_ms: int | None = None
    until_ms: int | None = None
    asking: bool = True
    attempt: int = 0
    present: bool = True
    """The fan was there when the payment was asked for, and can confirm it."""
    retry_at_ms: int | None = None
    entitlement_id: str | None = None
    redirect_url: str | None = None
    decline_code: str | None = None
    ended_at_ms: int | None = None
    end_cause: EndCause | None = None

    @property
    def payment_key(self) -> str:
        """The key of the payment that is asked for, or was last."""
        again = f":{self.attempt}" if self.attempt else ""
        return f"subscription:{self.subscription_id}:{self.period + 1}{again}"

    @property
    def paid_until_ms(self) -> int:
        return self.until_ms if self.until_ms is not None else self.created_at_ms


class Step(StrEnum):
    """What is due by itself."""

    RENEW = "renew"
    """Begin a payment for the next period."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Due:
    step: Step
    at_ms: int


def next_due(subscription: Subscription, rules: SubscriptionRules, now_ms: int) -> Due | None:
    """What happens next by itself, and when; None if nothing does. What is long overdue ends unrenewed."""
    end = _end_due(subscription, rules)
    if end is None or subscription.asking or end.at_ms <= now_ms:
        return end
    if subscription.state is SubscriptionState.ACTIVE:
        return Due(Step.RENEW, subscription.paid_until_ms - rules.renew_ahead_ms)
    if subscription.state is SubscriptionState.PAST_DUE and subscription.retry_at_ms is not None:
        return min(Due(Step.RENEW, subscription.retry_at_ms), end, key=lambda due: due.at_ms)
    return end


def _end_due(subscription: Subscription, rules: SubscriptionRules) -> Due | None:
    match subscription.state:
        case SubscriptionState.ENDED:
            return None
        case SubscriptionState.INCOMPLETE:
            return Due(Step.END, subscription.created_at_ms + rules.complete_within_ms)
        case SubscriptionState.CANCELLED:
            return Due(Step.END, subscription.paid_until_ms)
        case SubscriptionState.ACTIVE | SubscriptionState.PAST_DUE:
            return Due(Step.END, subscription.paid_until_ms + rules.grace_ms)


def asked(subscription: Subscription, *, present: bool) -> Subscription:
    """A payment for the next period begins; the number of an earlier, declined one is not used again."""
    again = subscription.decline_code is not None
    return replace(
        subscription,
        asking=True,
        attempt=subscription.attempt + 1 if again else 0,
        present=present,
        retry_at_ms=None,
        redirect_url=None,
    )


def paid(subscription: Subscription, now_ms: int) -> Subscription:
    """The payment under way succeeded: the next period begins where the last one ends. Not for an ended one."""
    anchor_ms = now_ms if subscription.anchor_ms is None else subscription.anchor_ms
    period = subscription.period + 1
    cancelled = subscription.state is SubscriptionState.CANCELLED
    return replace(
        subscription,
        state=SubscriptionState.CANCELLED if cancelled else SubscriptionState.ACTIVE,
        anchor_ms=anchor_ms,
        period=period,
        from_ms=months_after(anchor_ms, period),
        until_ms=months_after(anchor_ms, period + 1),
        asking=False,
        attempt=0,
        redirect_url=None,
        decline_code=None,
        retry_at_ms=None,
    )


def declined(subscription: Subscription, code: str, now_ms: int, rules: SubscriptionRules) -> Subscription:
    """The payment under way was refused: tried again by the schedule, or at an end."""
    after = replace(subscription, asking=False, redirect_url=None, decline_code=code)
    if subscription.state is SubscriptionState.INCOMPLETE:
        return ended(after, now_ms, EndCause.DECLINED)
    if subscription.state in (SubscriptionState.ENDED, SubscriptionState.CANCELLED):
        return after
    days = (subscription.paid_until_ms + day * DAY_MS for day in rules.retry_days)
    retry_at_ms = next((at_ms for at_ms in days if at_ms > now_ms), None)
    return replace(after, state=SubscriptionState.PAST_DUE, retry_at_ms=retry_at_ms)


def waiting(subscription: Subscription, redirect_url: str | None) -> Subscription:
    """The payment under way is not decided; with a URL, the fan must confirm it there."""
    unpaid = redirect_url is not None and subscription.state is SubscriptionState.ACTIVE
    state = SubscriptionState.PAST_DUE if unpaid else subscription.state
    return replace(subscription, state=state, redirect_url=redirect_url)


def cancelled(subscription: Subscription, now_ms: int) -> Subscription:
    """The fan wants no more of it: what is paid is kept until its end, what is not ends now."""
    if subscription.state is SubscriptionState.ACTIVE and now_ms < subscription.paid_until_ms:
        return replace(subscription, state=SubscriptionState.CANCELLED)
    if subscription.state in (SubscriptionState.ENDED, SubscriptionState.CANCELLED):
        return subscription
    return ended(subscription, now_ms, EndCause.CANCELLED)


def resumed(subscription: Subscription, payment_method_id: str) -> Subscription:
    """A cancelled one is renewed after all, with this card."""
    return replace(subscription, state=SubscriptionState.ACTIVE, payment_method_id=payment_method_id)


def ended(subscription: Subscription, now_ms: int, cause: EndCause) -> Subscription:
    return replace(
        subscription,
        state=SubscriptionState.ENDED,
        retry_at_ms=None,
        redirect_url=None,
        ended_at_ms=now_ms,
        end_cause=cause,
    )


def ran_out(subscription: Subscription, now_ms: int) -> Subscription:
    """Its time is over, for the cause that its state tells."""
    causes = {SubscriptionState.INCOMPLETE: EndCause.ABANDONED, SubscriptionState.CANCELLED: EndCause.CANCELLED}
    return ended(subscription, now_ms, causes.get(subscription.state, EndCause.DECLINED))


@dataclass(frozen=True, slots=True)
class Period:
    """A paid month, and how much of its price the creator and the house have earned together."""

    period: int
    from_ms: int
    until_ms: int
    agreed: Agreed
    earned_minor: int = 0

    @property
    def days(self) -> int:
        return max(1, -(-(self.until_ms - self.from_ms) // DAY_MS))

    def days_over(self, now_ms: int) -> int:
        """How many days of it have passed."""
        return max(0, min((now_ms - self.from_ms) // DAY_MS, self.days))

    def due_minor(self, now_ms: int) -> int:
        """What is earned by now in total: each day its part, rounded down on the sum, all of it at the end."""
        return self.agreed.price_minor * self.days_over(now_ms) // self.days

    def fee_minor(self, earned_minor: int) -> int:
        """The house's part of what is earned in total, rounded down; the creator gets the rest."""
        return earned_minor * self.agreed.fee_bp // BASIS_POINTS

    def next_day_ms(self, now_ms: int) -> int:
        """When the next day of it is over."""
        return self.from_ms + (self.days_over(now_ms) + 1) * DAY_MS

    @property
    def terms(self) -> SubscriptionTerms:
        return SubscriptionTerms(self.agreed.calls, self.agreed.minutes_ms, self.from_ms, self.until_ms)


def months_after(anchor_ms: int, months: int) -> int:
    """The same time of day so many months later, on the anchor's day or on the last one of a month without it."""
    anchor = _EPOCH + timedelta(milliseconds=anchor_ms)
    years, month = divmod(anchor.month - 1 + months, 12)
    year = anchor.year + years
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return (anchor.replace(year=year, month=month + 1, day=day) - _EPOCH) // timedelta(milliseconds=1)
