"""The tariff against exact fractions: rounding never favours the house twice, and never adds up."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from curtaincall.charging.tariff import (
    Books,
    QuotaRules,
    Tariff,
    first_hold_minor,
    least_to_begin_minor,
    settle,
    size_renewal,
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
    )


@given(tariffs(), DURATIONS)
def test_a_charge_is_the_exact_price_of_the_billed_time_rounded_up_once(tariff: Tariff, delivered_ms: int) -> None:
    billed_ms = ceil(Fraction(delivered_ms, tariff.increment_ms)) * tariff.increment_ms
    assert tariff.charge_minor(delivered_ms) == ceil(Fraction(billed_ms * tariff.price_per_minute_minor, 60_000))


@given(tariffs(), AMOUNTS)
def test_a_grant_is_the_largest_number_of_increments_that_the_money_covers(tariff: Tariff, amount_minor: int) -> None:
    granted_ms = tariff.affordable_ms(amount_minor)
    assert granted_ms % tariff.increment_ms == 0
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
    hold_minor = first_hold_minor(tariff, RULES, available_minor)
    least_minor = least_to_begin_minor(tariff, RULES)
    if available_minor < least_minor:
        assert hold_minor is None
        return
    assert hold_minor is not None
    assert least_minor <= hold_minor <= available_minor
    assert tariff.affordable_ms(hold_minor) >= max(tariff.least_billed_ms, RULES.floor_ms)


@st.composite
def running(draw: st.DrawFn) -> tuple[Tariff, Books]:
    """A session somewhere in its life, with one open hold that covers its grant."""
    tariff = draw(tariffs())
    held_minor = draw(st.integers(least_to_begin_minor(tariff, RULES), 2_000_000))
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
        reach_ms = tariff.affordable_ms(books.covered_minor + available_minor)
        assert reach_ms <= books.granted_ms
        return
    returned_minor = books.held_minor - renewal.post_minor
    assert 0 <= renewal.post_minor <= books.held_minor
    assert renewal.hold_minor <= returned_minor + available_minor
    assert renewal.granted_ms > books.granted_ms
    assert tariff.charge_minor(renewal.granted_ms) <= books.posted_minor + renewal.post_minor + renewal.hold_minor


@given(running(), st.booleans(), st.integers(0, 5))
def test_a_settlement_charges_the_delivered_time_and_never_more_than_was_held(
    session: tuple[Tariff, Books], minimum_applies: bool, voids_today: int
) -> None:
    tariff, books = session
    outcome = settle(tariff, RULES, books, minimum_applies=minimum_applies, voids_today=voids_today)
    assert books.posted_minor <= outcome.charged_minor <= books.covered_minor
    assert outcome.fee_minor + outcome.creator_minor == outcome.charged_minor
    if outcome.voided:
        assert (outcome.charged_minor, books.used_ms < 10_000, voids_today < 3) == (0, True, True)
    else:
        billed_ms = max(books.used_ms, tariff.minimum_ms) if minimum_applies else books.used_ms
        assert outcome.charged_minor == tariff.charge_minor(billed_ms)
