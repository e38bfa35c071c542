"""Auto-recharge: as the user has allowed, so often a day, one at a time."""

import asyncio

import pytest

from curtaincall.payments.errors import AmountInvalid, PaymentMethodUnknown
from curtaincall.payments.model import PaymentStatus
from curtaincall.payments.recharge import MAX_PER_DAY, RechargeRules
from support.payments_world import DAY_MS, FAN, PaymentsWorld


async def allow(world: PaymentsWorld, token: str = "pm_card_visa", max_per_day: int = 3) -> str:
    card = await world.card(token)
    await world.recharge.set_rules(FAN, RechargeRules(True, card, 1_000, max_per_day))
    return card


async def test_nothing_is_charged_that_was_not_allowed(world: PaymentsWorld) -> None:
    assert await world.recharge.rules(FAN) == RechargeRules(enabled=False)
    assert await world.recharge.trigger(FAN, "call:1") is None
    await allow(world)
    await world.recharge.set_rules(FAN, RechargeRules(enabled=False))
    assert not (await world.recharge.rules(FAN)).enabled
    assert await world.recharge.trigger(FAN, "call:1") is None


async def test_a_trigger_charges_once(world: PaymentsWorld) -> None:
    card = await allow(world)
    assert await world.recharge.rules(FAN) == RechargeRules(True, card, 1_000, 3)
    first = await world.recharge.trigger(FAN, "call:1")
    assert first is not None
    assert first.status is PaymentStatus.SUCCEEDED
    assert await world.recharge.trigger(FAN, "call:1") == first
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}


async def test_a_day_has_its_bound_and_the_next_one_begins_anew(world: PaymentsWorld) -> None:
    await allow(world, max_per_day=2)
    made = [await world.recharge.trigger(FAN, f"call:{number}") for number in range(4)]
    assert [payment is not None for payment in made] == [True, True, False, False]
    await world.recharge.set_rules(FAN, RechargeRules(True, await world.card(), 1_000, 3))
    assert await world.recharge.trigger(FAN, "call:5") is not None
    assert await world.recharge.trigger(FAN, "call:6") is None
    world.clock.advance_us(DAY_MS * 1_000)
    assert await world.recharge.trigger(FAN, "call:7") is not None


async def test_declines_count_too(world: PaymentsWorld) -> None:
    await allow(world, "pm_card_chargeDeclined", max_per_day=1)
    declined = await world.recharge.trigger(FAN, "call:1")
    assert declined is not None
    assert (declined.status, declined.decline_code) == (PaymentStatus.DECLINED, "card_declined")
    assert await world.recharge.trigger(FAN, "call:2") is None


async def test_one_charge_at_a_time(world: PaymentsWorld) -> None:
    await allow(world, "pm_card_pending_then_succeeds")
    first = await world.recharge.trigger(FAN, "call:1")
    assert first is not None
    assert first.status is PaymentStatus.PENDING
    assert await world.recharge.trigger(FAN, "call:2") is None
    await world.run(8_000)
    assert await world.recharge.trigger(FAN, "call:3") is not None


async def test_triggers_at_the_same_time_charge_once(world: PaymentsWorld) -> None:
    await allow(world, max_per_day=1)
    triggers = (world.recharge.trigger(FAN, f"call:{number}") for number in range(5))
    made = [payment for payment in await asyncio.gather(*triggers) if payment is not None]
    assert len(made) == 1
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}


async def test_who_is_not_there_cannot_confirm(world: PaymentsWorld) -> None:
    await allow(world, "pm_card_authenticationRequired")
    declined = await world.recharge.trigger(FAN, "call:1")
    assert declined is not None
    assert declined.decline_code == "authentication_required"


async def test_a_card_that_was_removed_charges_nothing(world: PaymentsWorld) -> None:
    card = await allow(world)
    await world.wallets.remove_payment_method(FAN, card)
    assert await world.recharge.trigger(FAN, "call:1") is None


async def test_what_cannot_be_allowed_is_refused(world: PaymentsWorld) -> None:
    card = await world.card()
    for amount_minor in (None, 0, 10**9):
        with pytest.raises(AmountInvalid):
            await world.recharge.set_rules(FAN, RechargeRules(True, card, amount_minor))
    for max_per_day in (0, MAX_PER_DAY + 1):
        with pytest.raises(AmountInvalid):
            await world.recharge.set_rules(FAN, RechargeRules(True, card, 1_000, max_per_day))
    with pytest.raises(PaymentMethodUnknown):
        await world.recharge.set_rules("thief", RechargeRules(True, card, 1_000))
