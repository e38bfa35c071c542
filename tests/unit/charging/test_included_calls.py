"""Calls that a subscription includes: all of them, or so many minutes of a month and then by the minute."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from curtaincall.access import service as access
from curtaincall.access.model import Entitlement, Feature, NewEntitlement, SubscriptionCalls, SubscriptionTerms
from curtaincall.charging.errors import PaymentRequired
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.media.ports import TransportState
from support.money_world import FAN, STAR, MoneyWorld

MINUTE_MS = 60_000


async def subscribe(
    world: MoneyWorld, calls: SubscriptionCalls, minutes_ms: int = 0, lasts_ms: int = 30 * 86_400_000
) -> Entitlement:
    """As a subscription does when a period of it is paid."""
    now_ms = world.clock.now_ms()
    terms = SubscriptionTerms(calls, minutes_ms, now_ms, now_ms + lasts_ms)
    new = NewEntitlement(
        entitlement_id=world.new_id(),
        user_id=FAN,
        feature=Feature.SUBSCRIPTION,
        scope_id=STAR,
        from_ms=now_ms,
        until_ms=now_ms + lasts_ms,
        source_key=world.new_id(),
        source_ref="subscription",
        terms=terms.as_terms(),
    )
    return await world.executor.submit(access.grant, new)


async def test_a_subscriber_whose_calls_are_all_included_needs_no_money(world: MoneyWorld) -> None:
    await world.priced(300)
    await subscribe(world, SubscriptionCalls.ALL)
    await world.call()
    assert (await world.wallet()).held_minor == 0
    assert (await world.session()).granted_ms == MINUTE_MS  # a slice, not the month
    await world.run(200_000)
    receipt = await world.end(EndReason.PAYER_ENDED)
    assert (receipt.billable_ms, receipt.included_ms, receipt.charged_minor) == (200_000, 200_000, 0)


async def test_included_minutes_are_used_first_and_the_rest_is_paid(world: MoneyWorld) -> None:
    await world.priced(300, minimum_ms=10_000)
    await world.pay_in(1_000)
    await subscribe(world, SubscriptionCalls.MINUTES, 2 * MINUTE_MS)
    await world.call()
    await world.run(150_000)
    receipt = await world.end(EndReason.HOST_ENDED)
    assert (receipt.billable_ms, receipt.included_ms, receipt.charged_minor) == (150_000, 120_000, 150)
    assert (await world.wallet()).balance_minor == 850
    await world.call("next")
    await world.run(30_000)
    receipt = await world.end(EndReason.HOST_ENDED, "next")
    assert (receipt.included_ms, receipt.charged_minor) == (0, 150)


async def test_unused_minutes_return_at_the_settlement(world: MoneyWorld) -> None:
    await world.priced(300)
    await subscribe(world, SubscriptionCalls.MINUTES, 2 * MINUTE_MS)
    for name, lasts_ms in (("first", 45_000), ("second", 45_000)):
        await world.call(name)
        await world.run(lasts_ms)
        assert (await world.end(EndReason.PAYER_ENDED, name)).charged_minor == 0
    await world.call("third")
    assert (await world.session("third")).granted_ms == 30_000
    await world.run(31_000)
    receipt = await world.charging.receipt("third")
    assert (receipt.ended_reason, receipt.billable_ms) == (EndReason.TIME_EXPIRED, 30_000)
    with pytest.raises(PaymentRequired):
        await world.ring("fourth")


async def test_two_calls_cannot_use_the_same_minutes(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await subscribe(world, SubscriptionCalls.MINUTES, MINUTE_MS)
    await world.ring("one")
    await world.ring("two")
    await asyncio.gather(world.charging.accept("one"), world.charging.accept("two"))
    holds = [(await world.session(name)).granted_ms for name in ("one", "two")]
    assert (await world.wallet()).held_minor == 300  # one of the two pays
    assert holds == [MINUTE_MS, MINUTE_MS]
    for name in ("one", "two"):
        assert (await world.charging.end(name, EndReason.HOST_ENDED)).state is SessionState.CANCELLED
    assert (await world.wallet()).held_minor == 0
    await world.call("three")
    assert (await world.wallet()).held_minor == 0  # the minutes of the cancelled call are back


async def test_the_minimum_applies_to_paid_time_only(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await subscribe(world, SubscriptionCalls.MINUTES, MINUTE_MS)
    await world.call("within")
    await world.run(20_000)
    assert (await world.end(EndReason.PAYER_ENDED, "within")).charged_minor == 0
    await world.call("beyond")
    await world.run(45_000)
    receipt = await world.end(EndReason.PAYER_ENDED, "beyond")
    assert (receipt.included_ms, receipt.charged_minor) == (40_000, 300)  # 5 s to be paid, at least a minute


async def test_paid_time_begins_only_if_the_minimum_of_it_is_covered(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(299)
    await subscribe(world, SubscriptionCalls.MINUTES, MINUTE_MS)
    await world.call()
    await world.run(50_000)
    assert (await world.session()).state is SessionState.FINAL
    await world.pay_in(1)
    await world.hear_media()
    assert ((await world.session()).state, (await world.session()).granted_ms) == (SessionState.ACTIVE, 120_000)
    await world.run(71_000)
    receipt = await world.charging.receipt("call")
    assert (receipt.ended_reason, receipt.charged_minor) == (EndReason.TIME_EXPIRED, 300)


async def test_no_grant_of_included_time_goes_beyond_the_end_of_the_subscription(world: MoneyWorld) -> None:
    await world.priced(300)
    await subscribe(world, SubscriptionCalls.ALL, lasts_ms=100_000)
    await world.call()
    await world.run(20_000)
    world.media.transport("room-call", FAN, TransportState.DISCONNECTED)
    await world.run(15_000)  # while nothing is delivered, the subscription runs on
    world.media.transport("room-call", FAN, TransportState.CONNECTED)
    await world.run(66_000)
    receipt = await world.charging.receipt("call")
    assert receipt.ended_reason is EndReason.TIME_EXPIRED
    assert 84_000 <= receipt.billable_ms <= 85_000  # by the reading at the last renewal, never later
    assert receipt.charged_minor == 0


async def test_a_subscription_that_is_renewed_during_the_call_goes_on_including_it(world: MoneyWorld) -> None:
    await world.priced(300)
    entitlement = await subscribe(world, SubscriptionCalls.ALL, lasts_ms=100_000)
    await world.call()
    await world.run(30_000)
    later = world.clock.now_ms() + 86_400_000
    terms = replace(SubscriptionTerms.of(entitlement.terms), period_until_ms=later)

    def renew(tx: Connection, until_ms: int) -> Entitlement:
        return access.extend(tx, entitlement.entitlement_id, until_ms, terms.as_terms())

    await world.executor.submit(renew, later)
    await world.run(150_000)
    assert (await world.session()).state is SessionState.ACTIVE
    assert (await world.end(EndReason.HOST_ENDED)).charged_minor == 0


async def test_a_subscription_that_is_revoked_includes_no_further_slice(world: MoneyWorld) -> None:
    await world.priced(300)
    entitlement = await subscribe(world, SubscriptionCalls.ALL)
    await world.call()
    await world.run(20_000)

    def revoke(tx: Connection, now_ms: int) -> None:
        access.revoke(tx, entitlement.entitlement_id, now_ms, "disputed")

    await world.executor.submit(revoke, world.clock.now_ms())
    await world.run(41_000)
    receipt = await world.charging.receipt("call")
    assert (receipt.ended_reason, receipt.billable_ms) == (EndReason.TIME_EXPIRED, MINUTE_MS)


async def test_a_crash_returns_the_minutes_that_were_not_used(world: MoneyWorld) -> None:
    await world.priced(300)
    await subscribe(world, SubscriptionCalls.MINUTES, 2 * MINUTE_MS)
    await world.call()
    await world.run(30_000)
    await world.crash()
    used_ms = (await world.charging.receipt("call")).billable_ms
    assert 28_000 <= used_ms <= 30_000

    def taken(tx: Connection) -> int:
        return int(tx.execute(text("SELECT taken_ms FROM included_minutes")).scalar_one())

    assert await world.executor.read(taken) == used_ms


async def test_too_few_included_seconds_do_not_begin_a_call(world: MoneyWorld) -> None:
    await world.priced(300)
    await subscribe(world, SubscriptionCalls.MINUTES, 9_000)
    with pytest.raises(PaymentRequired):
        await world.ring()
    await world.pay_in(300)
    await world.call()
    assert (await world.session()).granted_ms == 9_000 + MINUTE_MS
