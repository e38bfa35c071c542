"""Months of the calendar, what is due next, and what a period has earned by when."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curtaincall.access.model import SubscriptionCalls
from curtaincall.subscriptions import model
from curtaincall.subscriptions.model import (
    DAY_MS,
    Agreed,
    Due,
    EndCause,
    Period,
    Step,
    Subscription,
    SubscriptionRules,
    SubscriptionState,
    months_after,
    next_due,
)

RULES = SubscriptionRules()


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def active(until: str = "2026-02-28T10:00") -> Subscription:
    new = Subscription("s", "fan", "star", "card", SubscriptionState.INCOMPLETE, 1_000, "EUR", at("2026-01-31T10:00"))
    subscription = model.paid(new, at("2026-01-31T10:00"))
    assert subscription.until_ms == at(until)
    return subscription


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        ("2026-01-31T10:00", 1, "2026-02-28T10:00"),
        ("2026-01-31T10:00", 2, "2026-03-31T10:00"),
        ("2028-01-31T10:00", 1, "2028-02-29T10:00"),
        ("2028-02-29T00:00", 12, "2029-02-28T00:00"),
        ("2026-12-15T23:59", 1, "2027-01-15T23:59"),
        ("2026-11-30T00:00", 3, "2027-02-28T00:00"),
        ("2026-05-05T05:05", 0, "2026-05-05T05:05"),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last_one(anchor: str, months: int, expected: str) -> None:
    assert months_after(at(anchor), months) == at(expected)


@given(st.integers(at("1990-01-01T00:00"), at("2090-01-01T00:00")), st.integers(0, 240))
def test_months_follow_one_another_in_whole_days(anchor_ms: int, months: int) -> None:
    begin_ms, end_ms = months_after(anchor_ms, months), months_after(anchor_ms, months + 1)
    assert (end_ms - begin_ms) % DAY_MS == 0
    assert 28 <= (end_ms - begin_ms) // DAY_MS <= 31


@given(
    price_minor=st.integers(1, 10_000_000),
    fee_bp=st.integers(0, 10_000),
    days=st.integers(28, 31),
    readings=st.lists(st.integers(-DAY_MS, 40 * DAY_MS), max_size=50),
)
def test_what_is_earned_is_what_was_paid_whenever_it_is_looked_at(
    price_minor: int, fee_bp: int, days: int, readings: list[int]
) -> None:
    period = Period(0, 0, days * DAY_MS, Agreed(price_minor, fee_bp, SubscriptionCalls.NONE, 0))
    earned_minor = fees_minor = creators_minor = 0
    for now_ms in (*sorted(readings), days * DAY_MS):
        due_minor = period.due_minor(now_ms)
        assert earned_minor <= due_minor <= price_minor
        fee_minor = period.fee_minor(due_minor) - period.fee_minor(earned_minor)
        assert 0 <= fee_minor <= due_minor - earned_minor
        fees_minor += fee_minor
        creators_minor += due_minor - earned_minor - fee_minor
        earned_minor = due_minor
    assert earned_minor == price_minor
    assert fees_minor == price_minor * fee_bp // 10_000
    assert creators_minor == price_minor - fees_minor


def test_a_day_earns_its_part() -> None:
    period = Period(0, 0, 30 * DAY_MS, Agreed(1_000, 2_000, SubscriptionCalls.NONE, 0))
    assert [period.due_minor(day * DAY_MS) for day in (0, 1, 2, 15, 29, 30, 31)] == [0, 33, 66, 500, 966, 1_000, 1_000]
    assert period.due_minor(DAY_MS - 1) == 0


def test_the_first_payment_begins_the_first_month() -> None:
    subscription = active()
    assert (subscription.state, subscription.period) == (SubscriptionState.ACTIVE, 0)
    assert subscription.payment_key == "subscription:s:1"


def test_a_renewal_is_due_before_the_month_is_over() -> None:
    subscription = active()
    assert next_due(subscription, RULES, 0) == Due(Step.RENEW, at("2026-02-28T09:00"))
    renewed = model.paid(model.asked(subscription, present=False), at("2026-02-28T09:00"))
    assert (renewed.from_ms, renewed.until_ms) == (at("2026-02-28T10:00"), at("2026-03-31T10:00"))


def test_a_declined_renewal_is_tried_on_the_days_of_the_schedule_and_then_ends() -> None:
    subscription = model.declined(model.asked(active(), present=False), "no", at("2026-02-28T09:00"), RULES)
    keys, days = [subscription.payment_key], []
    while (due := next_due(subscription, RULES, 0)) is not None and due.step is Step.RENEW:
        days.append((due.at_ms - at("2026-02-28T10:00")) // DAY_MS)
        subscription = model.asked(subscription, present=False)
        keys.append(subscription.payment_key)
        subscription = model.declined(subscription, "no", due.at_ms, RULES)
        assert subscription.state is SubscriptionState.PAST_DUE
    assert days == [1, 3, 5, 7]
    assert len(set(keys)) == 5
    assert due == Due(Step.END, at("2026-03-08T10:00"))
    assert model.ran_out(subscription, due.at_ms).end_cause is EndCause.DECLINED


def test_a_retry_that_pays_goes_on_where_the_month_ended() -> None:
    subscription = model.declined(model.asked(active(), present=False), "no", at("2026-02-28T09:00"), RULES)
    subscription = model.paid(model.asked(subscription, present=False), at("2026-03-03T10:00"))
    assert subscription.state is SubscriptionState.ACTIVE
    assert (subscription.from_ms, subscription.attempt) == (at("2026-02-28T10:00"), 0)


def test_what_is_long_overdue_ends_without_a_charge() -> None:
    due = next_due(active(), RULES, at("2026-06-01T00:00"))
    assert due is not None
    assert due.step is Step.END


def test_cancelled_is_kept_to_the_end_and_not_renewed() -> None:
    subscription = model.cancelled(active(), at("2026-02-10T10:00"))
    assert subscription.state is SubscriptionState.CANCELLED
    assert next_due(subscription, RULES, 0) == Due(Step.END, at("2026-02-28T10:00"))
    assert model.cancelled(subscription, at("2026-02-11T10:00")) == subscription
    resumed = model.resumed(subscription, "another card")
    assert next_due(resumed, RULES, 0) == Due(Step.RENEW, at("2026-02-28T09:00"))


def test_cancelling_what_is_not_paid_ends_it() -> None:
    unpaid = model.declined(model.asked(active(), present=False), "no", at("2026-02-28T09:00"), RULES)
    assert model.cancelled(unpaid, at("2026-03-01T00:00")).state is SubscriptionState.ENDED
    new = Subscription("s", "fan", "star", "card", SubscriptionState.INCOMPLETE, 1_000, "EUR", 0)
    assert model.cancelled(new, 1).end_cause is EndCause.CANCELLED


def test_an_abandoned_payment_ends_what_never_began() -> None:
    new = Subscription("s", "fan", "star", "card", SubscriptionState.INCOMPLETE, 1_000, "EUR", 0)
    assert next_due(new, RULES, 0) == Due(Step.END, DAY_MS)
    assert model.ran_out(new, DAY_MS).end_cause is EndCause.ABANDONED
    assert model.declined(new, "no", 1, RULES).end_cause is EndCause.DECLINED
    assert next_due(replace(new, state=SubscriptionState.ENDED), RULES, 0) is None


def test_a_confirmation_that_is_owed_makes_a_renewal_past_due() -> None:
    asked = model.asked(active(), present=False)
    waiting = model.waiting(asked, "https://bank.example")
    assert (waiting.state, waiting.redirect_url) == (SubscriptionState.PAST_DUE, "https://bank.example")
    assert model.waiting(asked, None).state is SubscriptionState.ACTIVE
    assert model.paid(waiting, at("2026-03-01T00:00")).state is SubscriptionState.ACTIVE
