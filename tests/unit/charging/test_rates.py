"""What creators may ask, and what is filled in for them."""

import pytest
from sqlalchemy import Connection, text

from curtaincall.access.model import SubscriptionCalls
from curtaincall.charging.errors import RatesInvalid
from curtaincall.charging.model import EndReason
from curtaincall.charging.rates import Rates
from curtaincall.charging.verify import verify_sessions
from support.money_world import STAR, MoneyWorld


async def test_a_creator_who_set_nothing_has_no_rates(world: MoneyWorld) -> None:
    assert await world.charging.rates(STAR) is None
    assert await world.charging.rates_of([STAR, "other"]) == {}


async def test_defaults_are_filled_in_and_later_rates_replace_earlier_ones(world: MoneyWorld) -> None:
    first = await world.charging.set_rates(STAR, Rates(300, "EUR", subscription_monthly_minor=1_000))
    assert (first.minimum_ms, first.increment_ms) == (60_000, 1_000)
    second = await world.charging.set_rates(STAR, Rates(400, "EUR", minimum_ms=10_000, increment_ms=6_000))
    assert await world.charging.rates_of([STAR]) == {STAR: second}
    assert second.subscription_monthly_minor is None


async def test_a_subscription_may_include_calls(world: MoneyWorld) -> None:
    asked = Rates(300, "EUR", subscription_calls=SubscriptionCalls.MINUTES, subscription_minutes=120)
    await world.charging.set_rates(STAR, asked)
    kept = await world.charging.rates(STAR)
    assert kept is not None
    assert (kept.subscription_calls, kept.subscription_minutes) == (SubscriptionCalls.MINUTES, 120)


@pytest.mark.parametrize(
    "rates",
    [
        Rates(300, "USD"),
        Rates(0, "EUR"),
        Rates(-1, "EUR"),
        Rates(10**12, "EUR"),
        Rates(300, "EUR", minimum_ms=-1),
        Rates(300, "EUR", increment_ms=0),
        Rates(300, "EUR", premium_hd_minor=0),
        Rates(300, "EUR", subscription_calls=SubscriptionCalls.MINUTES),
        Rates(300, "EUR", subscription_calls=SubscriptionCalls.MINUTES, subscription_minutes=0),
        Rates(300, "EUR", subscription_calls=SubscriptionCalls.MINUTES, subscription_minutes=10**6),
        Rates(300, "EUR", subscription_calls=SubscriptionCalls.ALL, subscription_minutes=10),
    ],
)
async def test_rates_out_of_bounds_are_refused(world: MoneyWorld, rates: Rates) -> None:
    with pytest.raises(RatesInvalid):
        await world.charging.set_rates(STAR, rates)


async def test_a_call_keeps_the_price_it_was_requested_at(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.call()
    await world.priced(900)
    await world.run(20_000)
    assert (await world.end(EndReason.HOST_ENDED)).charged_minor == 100


async def test_the_minimum_is_rounded_up_to_the_increment(world: MoneyWorld) -> None:
    await world.priced(300, minimum_ms=10_000, increment_ms=6_000)
    await world.pay_in(1_000)
    await world.call()
    await world.run(10_000)
    receipt = await world.end(EndReason.PAYER_ENDED)
    assert (receipt.billable_ms, receipt.charged_minor) == (10_000, 60)


async def test_verification_finds_a_session_that_says_something_else_than_the_ledger(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.call()
    await world.run(20_000)
    await world.end(EndReason.HOST_ENDED)

    def cook(tx: Connection, posted_minor: int) -> None:
        tx.execute(text("UPDATE paid_sessions SET posted_minor = :posted_minor"), {"posted_minor": posted_minor})

    await world.executor.submit(cook, 301)
    assert await world.executor.read(verify_sessions) == (
        "session and ledger differ: call",
        "more was charged than the tariff says: call",
    )
    await world.executor.submit(cook, 100)
