"""The tariff against exact fractions: rounding never favours the house twice, and never adds up."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from curtaincall.charging.tariff import (
    Books,
    QuotaRules,
    Tariff,
    first_quota,
    least_paid_minor,
    least_to_begin_minor,
    reach_ms,
    settle,
    size_renewal,
    still_included_ms,
)

RULES = QuotaRules()
DURATIONS = st.integers(0, 4 * 3_600_000)
AMOUNTS = st.integers(0, 1_000_000)


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    return Tariff(
        price_per_minute_minor=draw(st.integers(1, 100_000)),
        currency="EUR",
        increment_ms=draw(st.sampled_from([100, 250, 1_000, 6_000, 60_000])),
        minimum_ms=draw(st.sampled_from([0, 1_500, 10_000, 60_000, 90_000])),
        fee_bp=draw(st.integers(0, 10_000)),
        included_ms=draw(st.sampled_from([0, 0, 0, 1, 9_999, 25_000, 3_600_000])),
    )


@given(tariffs(), DURATIONS)
def test_a_charge_is_the_exact_price_of_the_billed_time_rounded_up_once(tariff: Tariff, delivered_ms: int) -> None:
    paid_ms = max(0, delivered_ms - tariff.included_ms)
    billed_ms = ceil(Fraction(paid_ms, tariff.increment_ms)) * tariff.increment_ms
    assert tariff.charge_minor(delivered_ms) == ceil(Fraction(billed_ms * tariff.price_per_minute_minor, 60_000))


@given(tariffs(), AMOUNTS)
def test_a_grant_is_the_largest_number_of_increments_that_the_money_covers(tariff: Tariff, amount_minor: int) -> None:
    granted_ms = tariff.affordable_ms(amount_minor)
    assert (granted_ms - tariff.included_ms) % tariff.increment_ms == 0
    assert tariff.charge_minor(granted_ms) <= amount_minor
    assert tariff.charge_minor(granted_ms + tariff.increment_ms) > amount_minor


@given(tariffs(), st.lists(AMOUNTS, max_size=20))
def test_shares_of_the_steps_add_up_to_the_shares_of_the_whole(tariff: Tariff, steps: list[int]) -> None:
    charged_minor = fees_minor = creators_minor = 0
    for step_minor in steps:
        after_minor = charged_minor + step_minor
        fee_minor = tariff.fee_minor(after_minor) - tariff.fee_minor(charged_minor)
        creator_minor = tariff.creator_minor(after_minor) - tariff.creator_minor(charged_minor)
        assert fee_minor >= 0
        assert creator_minor >= 0
        assert fee_minor + creator_minor == step_minor
        charged_minor, fees_minor, creators_minor = (
            after_minor,
            fees_minor + fee_minor,
            creators_minor + creator_minor,
        )
    assert fees_minor == charged_minor * tariff.fee_bp // 10_000
    assert creators_minor == charged_minor - fees_minor


@given(tariffs(), AMOUNTS)
def test_a_first_hold_covers_the_minimum_or_there_is_none(tariff: Tariff, available_minor: int) -> None:
    quota = first_quota(tariff, RULES, available_minor)
    least_minor = least_to_begin_minor(tariff, RULES)
    if available_minor < least_minor:
        assert quota is None
        return
    assert quota is not None
    assert least_minor <= quota.hold_minor <= available_minor
    assert quota.granted_ms >= RULES.floor_ms
    assert tariff.charge_minor(quota.granted_ms) <= quota.hold_minor
    if quota.granted_ms > tariff.included_ms:
        assert quota.hold_minor >= least_paid_minor(tariff, RULES)
        assert quota.granted_ms - tariff.included_ms >= max(tariff.least_billed_ms, RULES.floor_ms)
    else:
        assert quota.hold_minor == 0  # included time is not held for


@st.composite
def running(draw: st.DrawFn) -> tuple[Tariff, Books]:
    """A session somewhere in its life, with at most one open hold that covers its grant."""
    tariff = draw(tariffs())
    if draw(st.booleans()) and tariff.included_ms >= RULES.floor_ms:
        granted_ms = draw(st.integers(RULES.floor_ms, tariff.included_ms))
        return tariff, Books(granted_ms, draw(st.integers(0, granted_ms)), 1, 0, 0)
    held_minor = draw(st.integers(least_paid_minor(tariff, RULES), 2_000_000))
    granted_ms = tariff.affordable_ms(held_minor)
    posted_ms = draw(st.integers(0, granted_ms))
    used_ms = draw(st.integers(posted_ms, granted_ms))
    posted_minor = tariff.charge_minor(posted_ms) if posted_ms >= RULES.void_below_ms else 0
    return tariff, Books(granted_ms, used_ms, 1, held_minor - posted_minor, posted_minor)


@given(running(), AMOUNTS)
def test_a_renewal_takes_no_more_than_the_wallet_has_and_grants_more_time(
    session: tuple[Tariff, Books], available_minor: int
) -> None:
    tariff, books = session
    renewal = size_renewal(tariff, RULES, books, available_minor)
    if renewal is None:
        assert reach_ms(tariff, RULES, books, available_minor) <= books.granted_ms
        return
    returned_minor = books.held_minor - renewal.post_minor
    assert 0 <= renewal.post_minor <= books.held_minor
    assert 0 <= renewal.hold_minor <= returned_minor + available_minor
    assert renewal.granted_ms > books.granted_ms
    covered_minor = books.posted_minor + renewal.post_minor + renewal.hold_minor
    assert tariff.charge_minor(renewal.granted_ms) <= covered_minor
    if renewal.granted_ms <= tariff.included_ms:
        assert (renewal.hold_minor, renewal.granted_ms <= books.granted_ms + RULES.slice_ms) == (0, True)
    elif books.granted_ms <= tariff.included_ms:
        assert covered_minor >= least_paid_minor(tariff, RULES)  # the minimum, before the first paid millisecond


@given(running(), AMOUNTS)
def test_renewals_go_on_to_exactly_where_the_money_reaches(session: tuple[Tariff, Books], available_minor: int) -> None:
    tariff, books = session
    end_ms = reach_ms(tariff, RULES, books, available_minor)
    if end_ms > books.granted_ms + 100 * RULES.slice_ms:
        return
    while (renewal := size_renewal(tariff, RULES, books, available_minor)) is not None:
        available_minor -= renewal.post_minor + renewal.hold_minor - books.held_minor
        assert available_minor >= 0
        posted_minor = books.posted_minor + renewal.post_minor
        books = Books(renewal.granted_ms, books.used_ms, books.hold_number + 1, renewal.hold_minor, posted_minor)
    assert books.granted_ms == end_ms


@given(running(), st.integers(0, 4_000_000))
def test_what_was_granted_stays_granted_whatever_the_subscription_includes_by_now(
    session: tuple[Tariff, Books], allowance_ms: int
) -> None:
    tariff, books = session
    now = replace(tariff, included_ms=still_included_ms(tariff, books, allowance_ms))
    assert now.charge_minor(books.granted_ms) <= books.covered_minor
    assert now.charge_minor(books.used_ms) >= books.posted_minor
    assert now.included_ms <= max(books.granted_ms, allowance_ms, tariff.included_ms)


@given(running(), st.booleans(), st.booleans())
def test_a_settlement_charges_the_delivered_time_and_never_more_than_was_held(
    session: tuple[Tariff, Books], minimum_applies: bool, may_void: bool
) -> None:
    tariff, books = session
    outcome = settle(tariff, RULES, books, minimum_applies=minimum_applies, may_void=may_void)
    assert books.posted_minor <= outcome.charged_minor <= books.covered_minor
    assert outcome.fee_minor + outcome.creator_minor == outcome.charged_minor
    if outcome.voided:
        assert (outcome.charged_minor, books.used_ms < 10_000, may_void) == (0, True, True)
        return
    paid_ms = max(0, books.used_ms - tariff.included_ms)
    if minimum_applies and (paid_ms > 0 or tariff.included_ms == 0):
        paid_ms = max(paid_ms, tariff.minimum_ms)
    assert outcome.charged_minor == tariff.price_minor(paid_ms)
