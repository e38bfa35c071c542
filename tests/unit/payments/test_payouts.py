"""Earnings: released when their time has come, paid out, or back when the bank says no; and debts first."""

import pytest

from curtaincall.ledger.model import Leg, Purpose, Transfer, creator_receivable, platform_fee
from curtaincall.payments.errors import AmountInvalid, GatewayUnsuitable, IdempotencyConflict, NothingToPayOut
from curtaincall.payments.events import PayoutChanged
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.payout_store import Payout, PayoutStatus
from curtaincall.payments.payouts import MAX_PAYOUT_MINOR, PayoutRequest, Payouts
from curtaincall.payments.ports import PayOut, PayoutResult, Pending
from curtaincall.payments.sandbox import rules
from support.payments_world import DAY_MS, STAR, PaymentsWorld


async def payout(world: PaymentsWorld, amount_minor: int | None = None, key: str = "key") -> Payout:
    return await world.payouts.request(PayoutRequest(STAR, amount_minor, key))


async def earned(world: PaymentsWorld, amount_minor: int = 1_000, ref: str = "tip") -> None:
    await world.top_up(amount_minor)
    await world.spend(amount_minor, ref)


async def old_earnings(world: PaymentsWorld) -> None:
    """800 that may be paid out."""
    await earned(world)
    world.clock.advance_us(7 * DAY_MS * 1_000)


async def test_earnings_wait_their_days(world: PaymentsWorld) -> None:
    await earned(world)
    world.clock.advance_us((7 * DAY_MS - 1) * 1_000)
    assert await world.payouts.release(STAR) == 0
    await earned(world, 500, "young")
    world.clock.advance_us(1_000)
    assert await world.payouts.release_all() == 1
    assert await world.payouts.release_all() == 0
    assert await world.balances() == {"clearing": -1_500, "fee": 300, "pending": 400, "payable": 800}


async def test_what_was_taken_back_meanwhile_counts_against_the_old(world: PaymentsWorld) -> None:
    await old_earnings(world)
    await world.top_up(1_000, "pm_card_createDispute")
    await world.spend(500, "young")
    await world.run(8_000)  # the dispute has taken 500 from the wallet, and the young tip
    assert await world.payouts.release(STAR) == 0  # the loop's first round has released the old ones
    assert await world.balances() == {"clearing": -2_000, "fee": 200, "payable": 800}


async def test_a_payout_arrives(world: PaymentsWorld) -> None:
    await old_earnings(world)
    made = await payout(world, 300)
    assert made.status is PayoutStatus.PENDING
    assert await world.balances() == {"clearing": -1_000, "fee": 200, "payable": 500, "in_transit": 300}
    await world.run(8_000)
    assert (await world.payouts.payout(made.payout_id)).status is PayoutStatus.PAID
    assert await world.balances() == {"clearing": -700, "fee": 200, "payable": 500}
    told = [event.status for event in world.told(PayoutChanged) if isinstance(event, PayoutChanged)]
    assert told == ["pending", "paid"]


async def test_a_payout_comes_back(world: PaymentsWorld) -> None:
    await old_earnings(world)
    made = await payout(world, 713)
    await world.run(8_000)
    failed = await world.payouts.payout(made.payout_id)
    assert (failed.status, failed.failure_code) == (PayoutStatus.FAILED, rules.PAYOUT_FAILURE)
    assert await world.balances() == {"clearing": -1_000, "fee": 200, "payable": 800}


async def test_without_an_amount_all_there_is_goes_out(world: PaymentsWorld) -> None:
    await old_earnings(world)
    assert (await payout(world)).amount_minor == 800
    with pytest.raises(NothingToPayOut):
        await payout(world, key="another")


async def test_the_same_key_is_the_same_payout(world: PaymentsWorld) -> None:
    await old_earnings(world)
    first = await payout(world, 300)
    again = await payout(world, 300)
    assert again.payout_id == first.payout_id
    assert await world.balances() == {"clearing": -1_000, "fee": 200, "payable": 500, "in_transit": 300}
    with pytest.raises(IdempotencyConflict):
        await payout(world, 301)
    page = await world.payouts.payouts(STAR, None, 10)
    assert [item.payout_id for item in page.items] == [first.payout_id]
    assert (await world.payouts.payouts("somebody", None, 10)).items == ()


@pytest.mark.parametrize("amount_minor", [0, -1, MAX_PAYOUT_MINOR + 1])
async def test_amounts_that_cannot_be_are_refused(world: PaymentsWorld, amount_minor: int) -> None:
    await old_earnings(world)
    with pytest.raises(AmountInvalid):
        await payout(world, amount_minor)
    with pytest.raises(NothingToPayOut):
        await payout(world, 801)


async def test_a_gateway_that_pays_nothing_out_is_not_asked(world: PaymentsWorld) -> None:
    none = Payouts(world.executor, world.ledger, Gateways({}), world.clock, world.new_id, world.bus, "EUR", 0)
    await old_earnings(world)
    with pytest.raises(GatewayUnsuitable):
        await none.request(PayoutRequest(STAR, None, "key"))


async def test_debts_are_paid_first(world: PaymentsWorld) -> None:
    await old_earnings(world)
    owed = (Leg(creator_receivable(STAR, "EUR"), platform_fee("EUR"), 500),)
    await world.move(Transfer("owed", Purpose.CHARGEBACK, "owed", owed))
    assert (await world.wallets.earnings(STAR)).owed_minor == 500
    assert (await payout(world)).amount_minor == 300
    more = (Leg(creator_receivable(STAR, "EUR"), platform_fee("EUR"), 50),)
    await earned(world, 100, "more")
    world.clock.advance_us(7 * DAY_MS * 1_000)
    await world.payouts.release(STAR)
    await world.move(Transfer("more", Purpose.CHARGEBACK, "more", more))
    assert (await payout(world, key="another")).amount_minor == 30
    assert (await world.wallets.earnings(STAR)).owed_minor == 0


async def test_an_answer_lost_on_the_way_pays_once(world: PaymentsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await old_earnings(world)
    really = world.sandbox.payout

    async def lost(command: PayOut) -> PayoutResult:
        await really(command)
        return Pending()

    monkeypatch.setattr(world.sandbox, "payout", lost)
    made = await payout(world, 300)
    assert made.gateway_id is None
    monkeypatch.undo()
    await world.crash()
    await world.run(8_000)
    assert (await world.payouts.payout(made.payout_id)).status is PayoutStatus.PAID
    assert await world.balances() == {"clearing": -700, "fee": 200, "payable": 500}
