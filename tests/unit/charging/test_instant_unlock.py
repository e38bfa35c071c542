"""Instant unlock: paid with the first hold or not at all, and returned if the call never becomes live."""

import asyncio

import pytest
from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access.model import Entitlement, Feature, NewEntitlement
from curtaincall.charging.errors import PaymentRequired, SessionOver, UnlockUnavailable
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.ledger.model import Leg, Purpose, Transfer, creator_payable, creator_pending, creator_receivable
from support.money_world import FAN, STAR, MoneyWorld


@pytest.fixture
async def ringing(world: MoneyWorld) -> MoneyWorld:
    """A call that rings at a creator who sells unlocks for 5.00."""
    await world.priced(300, instant_unlock_minor=500)
    await world.pay_in(1_000)
    await world.ring()
    return world


async def bought(world: MoneyWorld) -> Entitlement:
    new = NewEntitlement(
        entitlement_id=world.new_id(),
        user_id=FAN,
        feature=Feature.INSTANT_UNLOCK,
        scope_id=STAR,
        from_ms=world.clock.now_ms(),
        until_ms=None,
        source_key=world.new_id(),
        source_ref="purchase",
        terms={},
    )
    return await world.executor.submit(access.grant, new)


async def earned_minor(world: MoneyWorld) -> int:
    return (await world.wallets.earnings(STAR)).pending_minor


async def test_the_unlock_and_the_first_hold_are_taken_together(ringing: MoneyWorld) -> None:
    view = await ringing.charging.unlock("call")
    assert view.state is SessionState.CONNECTING
    wallet = await ringing.wallet()
    assert (wallet.balance_minor, wallet.held_minor) == (500, 300)
    assert await earned_minor(ringing) == 400
    await ringing.charging.unlock("call")
    await ringing.charging.accept("call")
    assert (await ringing.wallet()).balance_minor == 500
    for user_id in (FAN, STAR):
        await ringing.charging.joined("call", user_id)
    await ringing.run(30_000)
    receipt = await ringing.end(EndReason.HOST_ENDED)
    assert (receipt.charged_minor, receipt.unlock_minor) == (150, 500)
    assert "UNLOCKED" in [entry.event for entry in receipt.timeline]
    assert (await ringing.wallet()).balance_minor == 350


async def test_an_unlock_without_the_minimum_charges_nothing_and_goes_on_ringing(world: MoneyWorld) -> None:
    await world.priced(300, instant_unlock_minor=500)
    await world.pay_in(799)
    await world.ring()
    for _ in range(2):
        with pytest.raises(PaymentRequired):
            await world.charging.unlock("call")
    assert (await world.session()).state is SessionState.REQUESTED
    assert (await world.wallet()).available_minor == 799
    await world.charging.accept("call")
    assert (await world.session()).state is SessionState.CONNECTING


async def test_a_creator_who_sells_none_is_not_unlocked(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    with pytest.raises(UnlockUnavailable):
        await world.charging.unlock("call")
    assert (await world.session()).state is SessionState.REQUESTED


async def test_the_price_is_that_of_the_request(ringing: MoneyWorld) -> None:
    await ringing.priced(300, instant_unlock_minor=700)
    await ringing.charging.unlock("call")
    assert (await ringing.wallet()).balance_minor == 500


async def test_an_acceptance_during_a_refused_unlock_is_an_acceptance(world: MoneyWorld) -> None:
    await world.priced(300, instant_unlock_minor=500)
    await world.pay_in(400)
    await world.ring()
    unlocking = asyncio.create_task(world.charging.unlock("call"))
    await asyncio.sleep(0)
    accepting = asyncio.create_task(world.charging.accept("call"))
    assert (await accepting).state is SessionState.CONNECTING
    with pytest.raises(PaymentRequired):
        await unlocking


async def test_the_unlock_of_a_call_that_never_became_live_is_returned(ringing: MoneyWorld) -> None:
    await ringing.charging.unlock("call")
    await ringing.run(31_000)
    assert (await ringing.session()).state is SessionState.CANCELLED
    assert (await ringing.wallet()).available_minor == 1_000
    assert await earned_minor(ringing) == 0
    assert (await ringing.charging.receipt("call")).unlock_minor == 0
    with pytest.raises(SessionOver):
        await ringing.charging.unlock("call")


async def test_a_crash_before_the_first_packet_returns_it_too(ringing: MoneyWorld) -> None:
    await ringing.charging.unlock("call")
    await ringing.crash()
    assert (await ringing.wallet()).available_minor == 1_000


async def test_an_unlock_is_returned_also_out_of_what_was_paid_out_meanwhile(ringing: MoneyWorld) -> None:
    await ringing.charging.unlock("call")
    pending, payable = creator_pending(STAR, "EUR"), creator_payable(STAR, "EUR")

    def move(tx: Connection, amount_minor: int) -> None:
        ringing.ledger.transfer(tx, Transfer("release", Purpose.RELEASE, STAR, (Leg(pending, payable, amount_minor),)))
        leg = Leg(payable, creator_receivable(STAR, "EUR"), 100)
        ringing.ledger.transfer(tx, Transfer("gone", Purpose.ADJUSTMENT, STAR, (leg,)))

    await ringing.executor.submit(move, 350)
    await ringing.charging.end("call", EndReason.PAYER_ENDED)
    assert (await ringing.wallet()).available_minor == 1_000
    earned = await ringing.wallets.earnings(STAR)
    assert (earned.pending_minor, earned.payable_minor) == (0, 0)

    def owed(tx: Connection) -> int:
        return ringing.ledger.balance(tx, creator_receivable(STAR, "EUR")).balance_minor

    assert await ringing.executor.read(owed) == 0  # the 100 that had gone there, less what is owed now


async def test_an_unlock_bought_before_is_spent_instead_and_comes_back_with_a_call_that_never_was(
    ringing: MoneyWorld,
) -> None:
    entitlement = await bought(ringing)

    def allowed(tx: Connection) -> bool:
        return access.may(tx, FAN, Feature.INSTANT_UNLOCK, STAR, ringing.clock.now_ms()).allowed

    await ringing.charging.unlock("call")
    assert (await ringing.wallet()).balance_minor == 1_000
    assert not await ringing.executor.read(allowed)
    await ringing.charging.end("call", EndReason.PAYER_ENDED)
    assert await ringing.executor.read(allowed)
    assert entitlement.entitlement_id


async def test_an_end_while_the_unlock_is_being_paid_returns_it(ringing: MoneyWorld) -> None:
    unlocking = asyncio.create_task(ringing.charging.unlock("call"))
    await asyncio.sleep(0)
    await ringing.charging.decline("call")
    with pytest.raises(SessionOver):
        await unlocking
    assert (await ringing.wallet()).available_minor == 1_000
