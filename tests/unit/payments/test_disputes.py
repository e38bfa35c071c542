"""Disputes: money taken back from whoever has it, the newest spending first, and returned, or lost."""

import pytest

from curtaincall.ledger.model import (
    Leg,
    Purpose,
    Transfer,
    battle_pot,
    creator_payable,
    creator_pending,
    deferred_subscription,
    gateway_clearing,
    house_adjustment,
    payout_in_transit,
    platform_fee,
    wallet,
)
from curtaincall.payments.dispute_store import Dispute
from curtaincall.payments.errors import DisputeDecided, NotRefundable, PaymentUnknown
from curtaincall.payments.events import DisputeChanged
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.refunds import RefundRequest
from support.payments_world import FAN, STAR, PaymentsWorld

OPENED_MS = 8_000
DECIDED_MS = 130_000


async def disputed(world: PaymentsWorld) -> Dispute:
    await world.run(OPENED_MS)
    (dispute,) = await world.disputes.newest()
    return dispute


def states(world: PaymentsWorld) -> list[DisputeState]:
    return [event.state for event in world.told(DisputeChanged) if isinstance(event, DisputeChanged)]


async def test_what_was_not_spent_comes_from_the_wallet(world: PaymentsWorld) -> None:
    top_up = await world.top_up(5_000, "pm_card_createDispute")
    dispute = await disputed(world)
    assert (dispute.payment_id, dispute.amount_minor, dispute.state) == (top_up.top_up_id, 5_000, DisputeState.OPENED)
    assert dispute.refs == ()
    assert await world.balances() == {"clearing": -5_000}
    (chargeback, _) = (await world.wallets.transactions(FAN, None, 10)).items
    assert (chargeback.kind, chargeback.amount_minor, chargeback.ref) == ("chargeback", -5_000, top_up.top_up_id)


async def test_the_newest_spending_is_taken_back_first_each_share_in_proportion(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    await world.top_up(1_000)
    await world.spend(500, "old", "first")
    await world.spend(1_000, "new", "second")
    dispute = await disputed(world)  # 500 are in the wallet: half of the newest tip makes the rest
    assert dispute.refs == ((Purpose.TIP, "new"),)
    assert await world.balances("first") == {"pending": 400, "fee": 200, "clearing": -2_000}
    assert await world.balances("second") == {"pending": 400, "fee": 200, "clearing": -2_000}


async def test_won_everything_goes_back_where_it_came_from(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_dispute_won")
    await world.spend(700, "tip")
    before = await world.balances()
    await disputed(world)
    assert await world.balances() == {"clearing": -1_000}
    await world.run(DECIDED_MS)
    assert await world.balances() == before
    assert states(world) == [DisputeState.OPENED, DisputeState.WON]


async def test_lost_the_gateway_has_it(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    await world.spend(700, "tip")
    await disputed(world)
    await world.run(DECIDED_MS)
    assert await world.balances() == {}
    assert states(world) == [DisputeState.OPENED, DisputeState.LOST]


async def test_a_creator_who_was_paid_out_owes_it(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    await world.spend(1_000, "tip")
    pending, payable = creator_pending(STAR, "EUR"), creator_payable(STAR, "EUR")
    await world.move(Transfer("release", Purpose.RELEASE, STAR, (Leg(pending, payable, 500),)))
    transit = payout_in_transit("payout", "EUR")
    await world.move(Transfer("payout", Purpose.PAYOUT, "payout", (Leg(payable, transit, 400),)))
    await disputed(world)
    assert await world.balances() == {"clearing": -1_000, "owed": 400}


async def test_a_pot_gives_back_what_is_in_it_and_the_host_what_was(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    payer, pot = wallet(FAN, "EUR"), battle_pot("battle", "EUR")
    await world.move(Transfer("entry", Purpose.BATTLE_ENTRY, "entry", (Leg(payer, pot, 1_000),)))
    legs = (Leg(pot, creator_pending(STAR, "EUR"), 640), Leg(pot, platform_fee("EUR"), 160))
    await world.move(Transfer("settled", Purpose.BATTLE_POT, "battle", legs))
    dispute = await disputed(world)
    assert await world.balance(pot) == 0
    assert await world.balances() == {"clearing": -1_000}
    assert (Purpose.BATTLE_ENTRY, "entry") in dispute.refs


async def test_a_subscription_gives_back_what_is_unearned_and_what_was_earned(world: PaymentsWorld) -> None:
    deferred = deferred_subscription("subscription", "EUR")
    await world.pay(deferred, Purpose.SUBSCRIPTION, 1_000, "pm_card_createDispute")
    legs = (Leg(deferred, creator_pending(STAR, "EUR"), 240), Leg(deferred, platform_fee("EUR"), 60))
    await world.move(Transfer("earned", Purpose.SUBSCRIPTION, "subscription", legs))
    dispute = await disputed(world)
    assert dispute.refs == ((Purpose.SUBSCRIPTION, "subscription"),)
    assert await world.balance(deferred) == 0
    assert await world.balances() == {"clearing": -1_000}


async def test_what_cannot_be_traced_is_borne_by_the_house(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    legs = (Leg(wallet(FAN, "EUR"), house_adjustment("EUR"), 300),)
    await world.move(Transfer("adjustment", Purpose.ADJUSTMENT, "adjustment", legs))
    gone = (Leg(wallet(FAN, "EUR"), gateway_clearing("sandbox", "EUR"), 700),)
    await world.move(Transfer("gone", Purpose.REFUND, "gone", gone))
    await disputed(world)
    assert await world.balance(house_adjustment("EUR")) == 0
    assert await world.balances() == {"clearing": -300, "fee": -700}


async def test_two_disputes_take_nothing_back_twice(world: PaymentsWorld) -> None:
    for number in range(2):
        await world.top_up(1_000, "pm_card_createDispute")
        await world.spend(1_000, f"tip-{number}")
    await world.run(OPENED_MS)
    refs = {dispute.refs for dispute in await world.disputes.newest()}
    assert refs == {((Purpose.TIP, "tip-0"),), ((Purpose.TIP, "tip-1"),)}
    assert await world.balances() == {"clearing": -2_000}


async def test_a_dispute_of_many_creators_needs_several_commands(world: PaymentsWorld) -> None:
    await world.top_up(2_000, "pm_card_dispute_won")
    for number in range(20):
        await world.spend(100, f"tip-{number}", f"star-{number}")
    await disputed(world)
    assert [await world.balances(f"star-{number}") for number in range(20)] == [{"clearing": -2_000}] * 20
    await world.run(DECIDED_MS)
    expected = {"clearing": -2_000, "pending": 80, "fee": 400}
    assert [await world.balances(f"star-{number}") for number in range(20)] == [expected] * 20


async def test_an_inquiry_moves_nothing(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDisputeInquiry")
    dispute = await disputed(world)
    assert (dispute.state, dispute.amount_minor) == (DisputeState.INQUIRY, 0)
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}
    await world.run(DECIDED_MS)
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}
    assert states(world) == [DisputeState.WON]


@pytest.mark.parametrize("outcome", [DisputeState.WON, DisputeState.LOST])
async def test_an_operator_decides_once_whatever_the_gateway_says_later(
    world: PaymentsWorld, outcome: DisputeState
) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    dispute = await disputed(world)
    decided = await world.disputes.resolve(dispute.dispute_id, outcome)
    assert decided.state is outcome
    after = await world.balances()
    assert after == ({"wallet": 1_000, "clearing": -1_000} if outcome is DisputeState.WON else {})
    with pytest.raises(DisputeDecided):
        await world.disputes.resolve(dispute.dispute_id, DisputeState.WON)
    with pytest.raises(PaymentUnknown):
        await world.disputes.resolve("nothing", DisputeState.WON)
    await world.run(DECIDED_MS)
    assert await world.balances() == after


async def test_what_is_disputed_is_not_refunded_besides(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    await disputed(world)
    await world.top_up(1_000)
    page = await world.wallets.transactions(FAN, None, 10)
    disputed_top_up = page.items[-1]
    with pytest.raises(NotRefundable):
        await world.refunds.refund(RefundRequest(disputed_top_up.id, "please", "admin"))


async def test_a_dispute_after_a_refund_takes_only_the_rest(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    await world.spend(300, "tip")
    refund = await world.refunds.refund(RefundRequest(await world.transaction("top_up"), "please", "admin"))
    assert refund.amount_minor == 700
    dispute = await disputed(world)
    assert dispute.amount_minor == 300
    assert await world.balances() == {"clearing": -300}


async def test_a_dispute_that_overtakes_everything_waits_for_its_charge(world: PaymentsWorld) -> None:
    """The hint of a dispute is worked on while our own question about the charge is still open."""
    await world.top_up(1_000, "pm_card_createDispute")
    world.clock.advance_us(OPENED_MS * 1_000)
    await world.sandbox.work()
    with pytest.raises(PaymentUnknown):
        await world.disputes.refresh("sandbox", "dp_of_nobody")
    await world.run(2_000)
    assert (await world.disputes.newest())[0].state is DisputeState.OPENED
