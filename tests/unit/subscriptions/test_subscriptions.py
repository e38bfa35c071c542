"""Subscriptions from the first payment to the end: earned daily, renewed monthly, through declines and crashes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, select

from curtaincall.access import service as access
from curtaincall.access.events import EntitlementGranted, EntitlementRevoked
from curtaincall.access.model import Feature, SubscriptionCalls
from curtaincall.accounts.errors import DealingBlocked, UserUnknown
from curtaincall.ledger.model import Leg, Purpose, Transfer, deferred_subscription, gateway_clearing
from curtaincall.ledger.store import transfers
from curtaincall.payments.errors import PaymentMethodUnknown
from curtaincall.payments.events import DisputeChanged, RefundMade
from curtaincall.payments.ports import Declined, DisputeState, Pending, RequiresRedirect, Succeeded
from curtaincall.payments.takeback import payment_reversals
from curtaincall.storage.executor import WriteExecutor
from curtaincall.subscriptions.errors import AlreadySubscribed, NotOffered, PaymentDeclined, SubscriptionUnknown
from curtaincall.subscriptions.model import EndCause, SubscriptionState
from support.subscription_world import SubscriptionWorld


async def allowed(world: SubscriptionWorld) -> bool:
    answer = await world.purchases.may(world.fan_id, Feature.SUBSCRIPTION, world.star_id)
    return answer.allowed


async def test_a_subscription_is_paid_deferred_and_earned(world: SubscriptionWorld) -> None:
    await world.set_stage()
    world.bus.subscribe(EntitlementGranted, world._heard)
    view = await world.subscribe()
    assert (view.subscription.state, view.creator_name) == (SubscriptionState.ACTIVE, "Star")
    assert await allowed(world)
    assert len(world.told(EntitlementGranted)) == 1
    assert await world.money() == (1_000, 0, 0)
    await world.pass_days(1)
    days = (view.subscription.until_ms - view.subscription.from_ms) // 86_400_000
    earned_minor = 1_000 // days
    fee_minor = earned_minor * 2_000 // 10_000
    assert await world.money() == (1_000 - earned_minor, earned_minor - fee_minor, fee_minor)
    await world.subscriptions.cancel(view.subscription.subscription_id, world.fan_id)
    await world.pass_days(days - 1)
    assert await world.money() == (0, 800, 200)
    assert await world.state() is SubscriptionState.ENDED
    assert not await allowed(world)
    await world.pass_days(40)
    assert await world.money() == (0, 800, 200)
    assert len(world.charges) == 1


async def test_it_is_renewed_each_month_without_a_gap(world: SubscriptionWorld) -> None:
    await world.set_stage()
    first = (await world.subscribe()).subscription
    for _ in range(4 * 92):
        world.clock.advance_us(21_600_000_000)
        await world.subscriptions.tick()
        assert await allowed(world)
    assert [charge.off_session for charge in world.charges] == [False, True, True, True]
    now = (await world.shown()).subscription
    assert (now.period, now.state) == (3, SubscriptionState.ACTIVE)
    assert now.until_ms > world.clock.now_ms()
    deferred_minor, creator_minor, fee_minor = await world.money()
    assert deferred_minor + creator_minor + fee_minor == 4_000
    assert creator_minor >= 2_400
    assert first.subscription_id == now.subscription_id


async def test_the_same_request_is_the_same_subscription(world: SubscriptionWorld) -> None:
    await world.set_stage()
    views = await asyncio.gather(*(world.subscribe() for _ in range(4)), return_exceptions=True)
    again = await world.subscribe()
    found = {view.subscription.subscription_id for view in views if not isinstance(view, BaseException)}
    assert found == {again.subscription.subscription_id}
    assert len({charge.key for charge in world.charges}) == 1
    with pytest.raises(AlreadySubscribed):
        await world.subscribe("another key")
    assert await world.money() == (1_000, 0, 0)


async def test_of_two_requests_at_the_same_time_one_pays(world: SubscriptionWorld) -> None:
    await world.set_stage()
    views = await asyncio.gather(*(world.subscribe(f"key-{number}") for number in range(6)), return_exceptions=True)
    refused = [view for view in views if isinstance(view, BaseException)]
    assert len(refused) == 5
    assert all(isinstance(refusal, AlreadySubscribed) for refusal in refused)
    assert await world.money() == (1_000, 0, 0)


async def test_a_card_that_declines_begins_nothing(world: SubscriptionWorld) -> None:
    await world.set_stage("pm_card_chargeDeclined")
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await world.subscribe()
    assert await world.subscriptions.of_fan(world.fan_id) == ()
    assert not await allowed(world)
    assert len(world.charges) == 1
    await world.subscribe("another key", await world.new_card())
    assert await allowed(world)


async def test_what_is_not_offered_cannot_be_had(world: SubscriptionWorld) -> None:
    await world.set_stage()
    with pytest.raises(UserUnknown):
        await world.subscriptions.subscribe(world.fan_id, "nobody", world.card, "key")
    with pytest.raises(NotOffered):
        await world.subscriptions.subscribe(world.star_id, world.star_id, world.card, "key")
    thief = await world.fan("thief", 0)
    with pytest.raises(PaymentMethodUnknown):
        await world.subscriptions.subscribe(thief.user_id, world.star_id, world.card, "key")
    await world.offer(None)
    with pytest.raises(NotOffered):
        await world.subscribe()
    await world.offer(1_000)
    await world.blocks.block(world.star_id, world.fan_id)
    with pytest.raises(DealingBlocked):
        await world.subscribe()
    assert world.charges == []


async def test_somebody_elses_subscription_does_not_exist(world: SubscriptionWorld) -> None:
    await world.set_stage()
    view = await world.subscribe()
    for other in (world.star_id, "nobody"):
        with pytest.raises(SubscriptionUnknown):
            await world.subscriptions.cancel(view.subscription.subscription_id, other)
    assert await world.subscriptions.of_fan(world.star_id) == ()


async def test_a_declined_renewal_is_kept_through_the_grace_and_then_ends(world: SubscriptionWorld) -> None:
    await world.set_stage("pm_card_fails_after_2")
    world.bus.subscribe(EntitlementRevoked, world._heard)
    view = await world.subscribe()
    days = (view.subscription.until_ms - view.subscription.from_ms) // 86_400_000
    await world.pass_days(days)
    assert await world.state() is SubscriptionState.PAST_DUE
    await world.pass_days(7.75)
    assert await allowed(world)
    assert len(world.charges) == 6
    await world.pass_days(1)
    assert await world.state() is SubscriptionState.ENDED
    assert (await world.shown()).subscription.end_cause is EndCause.DECLINED
    assert not await allowed(world)
    assert len(world.told(EntitlementRevoked)) == 1
    assert await world.money() == (0, 800, 200)
    assert len({charge.key for charge in world.charges}) == 6


async def test_a_retry_that_pays_saves_the_subscription(world: SubscriptionWorld) -> None:
    await world.set_stage()
    view = await world.subscribe()
    world.answer(Declined("card_declined"))
    days = (view.subscription.until_ms - view.subscription.from_ms) // 86_400_000
    await world.pass_days(days)
    assert await world.state() is SubscriptionState.PAST_DUE
    await world.pass_days(1.25)
    now = (await world.shown()).subscription
    assert (now.state, now.from_ms) == (SubscriptionState.ACTIVE, view.subscription.until_ms)


async def test_another_card_is_tried_at_once(world: SubscriptionWorld) -> None:
    await world.set_stage("pm_card_fails_after_2")
    view = await world.subscribe()
    await world.pass_days((view.subscription.until_ms - view.subscription.from_ms) // 86_400_000)
    with pytest.raises(PaymentDeclined):
        await world.subscribe("a bad card", await world.new_card("pm_card_chargeDeclined"))
    assert await world.state() is SubscriptionState.PAST_DUE
    again = await world.subscribe("a good card", await world.new_card())
    assert (again.subscription.state, again.subscription.period) == (SubscriptionState.ACTIVE, 1)
    assert again.subscription.subscription_id == view.subscription.subscription_id


async def test_a_cancelled_one_is_resumed_without_a_charge(world: SubscriptionWorld) -> None:
    await world.set_stage()
    view = await world.subscribe()
    cancelled = await world.subscriptions.cancel(view.subscription.subscription_id, world.fan_id)
    assert cancelled.subscription.state is SubscriptionState.CANCELLED
    assert await allowed(world)
    resumed = await world.subscribe("another key")
    assert resumed.subscription.state is SubscriptionState.ACTIVE
    assert len(world.charges) == 1
    await world.pass_days(31)
    assert len(world.charges) == 2


async def test_a_payment_to_be_confirmed_is_incomplete_until_it_is(world: SubscriptionWorld) -> None:
    await world.set_stage()
    world.answer(RequiresRedirect("pi_1", "https://bank.example"))
    view = await world.subscribe()
    assert (view.subscription.state, view.subscription.redirect_url) == (
        SubscriptionState.INCOMPLETE,
        "https://bank.example",
    )
    assert not await allowed(world)
    with pytest.raises(AlreadySubscribed):
        await world.subscribe("another key")
    world.decide(Succeeded("pi_1"))
    await world.cards.refresh("sandbox", "pi_1")
    assert await world.state() is SubscriptionState.ACTIVE
    assert await allowed(world)


async def test_an_outcome_that_nobody_told_is_asked_for(world: SubscriptionWorld) -> None:
    await world.set_stage()
    world.answer(Pending("pi_1"))
    await world.subscribe()
    world.decide(Succeeded("pi_1"))
    await world.pass_days(0.25)
    assert await world.state() is SubscriptionState.ACTIVE


async def test_what_is_paid_after_the_end_goes_to_the_wallet(world: SubscriptionWorld) -> None:
    await world.set_stage()
    world.answer(Pending("pi_1"))
    view = await world.subscribe()
    ended = await world.subscriptions.cancel(view.subscription.subscription_id, world.fan_id)
    assert ended.subscription.state is SubscriptionState.ENDED
    world.decide(Succeeded("pi_1"))
    for _ in range(2):
        await world.pass_days(0.25)
    assert (await world.wallet(world.fan_id)).balance_minor == 1_000
    assert not await allowed(world)


async def test_a_higher_price_is_for_new_subscribers_a_lower_one_for_all(world: SubscriptionWorld) -> None:
    await world.set_stage()
    await world.subscribe()
    await world.offer(5_000)
    await world.pass_days(31)
    await world.offer(700)
    await world.pass_days(31)
    assert [charge.amount_minor for charge in world.charges] == [1_000, 1_000, 700]


async def test_what_is_offered_no_more_is_renewed_no_more(world: SubscriptionWorld) -> None:
    await world.set_stage()
    await world.subscribe()
    await world.offer(None)
    await world.pass_days(31)
    assert await world.state() is SubscriptionState.ENDED
    assert len(world.charges) == 1


async def test_the_calls_included_are_those_of_the_day_of_the_payment(world: SubscriptionWorld) -> None:
    await world.set_stage(subscription_calls=SubscriptionCalls.MINUTES, subscription_minutes=30)
    view = await world.subscribe()

    async def included():
        now_ms = world.clock.now_ms()
        return await world.executor.read(lambda tx: access.calls_included(tx, world.fan_id, world.star_id, now_ms))

    first = await included()
    assert (first.minutes_ms, first.period_from_ms) == (1_800_000, view.subscription.from_ms)
    await world.offer(1_000, subscription_calls=SubscriptionCalls.ALL)
    assert await included() == first
    await world.pass_days(31)
    assert (await included()).kind is SubscriptionCalls.ALL


async def test_a_refund_ends_it_and_nothing_more_is_earned(world: SubscriptionWorld) -> None:
    await world.set_stage()
    world.bus.subscribe(EntitlementRevoked, world._heard)
    subscription = (await world.subscribe()).subscription
    await world.pass_days(2)
    before = await world.money()
    refund = RefundMade("r", "t", world.fan_id, Purpose.SUBSCRIPTION, subscription.subscription_id, 1_000, "EUR")
    for _ in range(2):
        await world.bus.publish(refund)
    assert (await world.shown()).subscription.end_cause is EndCause.REVERSED
    assert not await allowed(world)
    assert len(world.told(EntitlementRevoked)) == 1
    await world.pass_days(40)
    assert await world.money() == before


async def test_money_that_is_gone_ends_it_even_if_nobody_told(world: SubscriptionWorld) -> None:
    await world.set_stage()
    subscription = (await world.subscribe()).subscription
    leg = Leg(deferred_subscription(subscription.subscription_id, "EUR"), gateway_clearing("sandbox", "EUR"), 1_000)
    taken = Transfer("taken", Purpose.REFUND, subscription.subscription_id, (leg,))
    await world.executor.submit(world.ledger.transfer, taken)
    await world.pass_days(1)
    assert (await world.shown()).subscription.end_cause is EndCause.REVERSED
    assert not await allowed(world)


async def test_a_won_dispute_is_earned_after_all(world: SubscriptionWorld) -> None:
    await world.set_stage()
    subscription = (await world.subscribe()).subscription
    refs = ((Purpose.SUBSCRIPTION, subscription.subscription_id),)
    for state in (DisputeState.OPENED, DisputeState.WON):
        await world.bus.publish(DisputeChanged("d", "p", world.fan_id, state, 1_000, "EUR", refs))
    await world.pass_days(32)
    assert await world.money() == (0, 800, 200)
    assert not await allowed(world)


async def test_after_a_long_stop_what_was_earned_is_earned_and_nothing_renewed(world: SubscriptionWorld) -> None:
    await world.set_stage()
    await world.subscribe()
    world.clock.advance_us(120 * 86_400_000_000)
    await world.subscriptions.tick()
    assert await world.money() == (0, 800, 200)
    assert await world.state() is SubscriptionState.ENDED
    assert len(world.charges) == 1


class Crash(BaseException):
    """The process is gone: nothing in it catches that."""


class MortalExecutor:
    """Commits `commits` more commands, and then the process is gone: its caller never hears of the last one."""

    def __init__(self, executor: WriteExecutor, commits: int) -> None:
        self._executor = executor
        self._left = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    async def submit(self, use_case: Callable[..., Any], command: object) -> Any:
        result = await self._executor.submit(use_case, command)
        self._left -= 1
        if self._left < 0:
            raise Crash
        return result


async def test_a_crash_after_any_commit_neither_loses_nor_doubles_money(world: SubscriptionWorld) -> None:
    """Again and again the process dies after the n-th commit, and another one goes on from what was committed."""
    await world.set_stage()
    crashes = 0
    for life in range(120):
        world.work_through(MortalExecutor(world.executor, life % 7))
        try:
            if not await world.subscriptions.of_fan(world.fan_id):
                await world.subscribe(f"key-{life}")
            await world.pass_days(1)
        except Crash:
            crashes += 1
            await world.crash()
    assert crashes > 20
    await world.crash()
    await world.pass_days(2)
    now = (await world.shown()).subscription
    payments = {charge.key for charge in world.charges}
    # A first payment that took longer than a day to be recorded is for nothing any more: it is in the wallet.
    repaid_minor = (await world.wallet(world.fan_id)).balance_minor
    assert (now.state, now.period + 1) == (SubscriptionState.ACTIVE, len(payments) - repaid_minor // 1_000)
    assert sum(await world.money()) == 1_000 * len(payments) - repaid_minor
    assert await allowed(world)


async def test_a_start_ends_what_was_reversed_while_nobody_listened(world: SubscriptionWorld) -> None:
    await world.set_stage()
    subscription = (await world.subscribe()).subscription
    await world.pass_days(2)

    def take_back(tx: Connection, ref: str) -> None:
        (row, *_) = tx.execute(select(transfers.c.transfer_id).where(transfers.c.ref == ref).order_by(transfers.c.seq))
        reversal = {"cause_id": "d", "transfer_id": row.transfer_id, "amount_minor": 1, "undone": False}
        tx.execute(payment_reversals.insert().values(**reversal))

    await world.executor.submit(take_back, subscription.subscription_id)
    await world.crash()
    for _ in range(2):
        await world.subscriptions.start()
    assert (await world.shown()).subscription.end_cause is EndCause.REVERSED
    assert not await allowed(world)
