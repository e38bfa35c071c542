"""Refunds: a spend goes back to the wallet, a card payment to its card; each once, and seen on the statement."""

import pytest

from curtaincall.ledger.model import (
    Hold,
    Leg,
    Post,
    Purpose,
    Share,
    Transfer,
    creator_payable,
    creator_pending,
    deferred_subscription,
    platform_fee,
    wallet,
)
from curtaincall.payments.errors import AlreadyRefunded, NotRefundable, PaymentUnknown
from curtaincall.payments.events import RefundMade, WalletCredited
from curtaincall.payments.ports import Pending, RefundCharge, RefundResult
from curtaincall.payments.refund_store import Refund, RefundStatus
from curtaincall.payments.refunds import RefundRequest
from support.payments_world import FAN, STAR, PaymentsWorld


async def refund(world: PaymentsWorld, transaction_id: str) -> Refund:
    return await world.refunds.refund(RefundRequest(transaction_id, "It was dark.", "admin"))


async def test_a_spend_comes_back_from_whoever_was_paid(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    await world.spend(500, "tip-1")
    made = await refund(world, await world.transaction("tip"))
    assert (made.status, made.amount_minor, made.purpose, made.ref) == (RefundStatus.SUCCEEDED, 500, "tip", "tip-1")
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}
    newest = (await world.wallets.transactions(FAN, None, 10)).items[0]
    assert (newest.kind, newest.amount_minor, newest.ref) == ("refund", 500, "tip-1")
    (told,) = world.told(RefundMade)
    assert isinstance(told, RefundMade)
    assert (told.user_id, told.purpose, told.ref, told.amount_minor) == (FAN, Purpose.TIP, "tip-1", 500)
    assert WalletCredited(FAN, 500, "EUR") in world.news


async def test_a_spend_is_refunded_once(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    await world.spend(500, "tip-1")
    transaction = await world.transaction("tip")
    await refund(world, transaction)
    with pytest.raises(AlreadyRefunded):
        await refund(world, transaction)
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}


async def test_a_part_of_a_call_comes_back_as_it_was_posted(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    payer, payee = wallet(FAN, "EUR"), creator_pending(STAR, "EUR")
    hold = Hold("hold:call:1", Purpose.CALL, "call", payer, payee, 300)
    await world.executor.submit(world.ledger.hold, hold)
    shares = (Share(payee, 160), Share(platform_fee("EUR"), 40))
    await world.executor.submit(world.ledger.post, Post("post:call:1", "hold:call:1", shares))
    made = await refund(world, await world.transaction("call"))
    assert (made.amount_minor, made.purpose, made.ref) == (200, Purpose.CALL, "call")
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}


async def test_a_creator_who_has_it_no_longer_owes_it(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    await world.spend(1_000, "tip")
    legs = (Leg(creator_pending(STAR, "EUR"), creator_payable(STAR, "EUR"), 700),)
    await world.move(Transfer("release", Purpose.RELEASE, STAR, legs))
    gone = (Leg(creator_payable(STAR, "EUR"), platform_fee("EUR"), 600),)
    await world.move(Transfer("gone", Purpose.PAYOUT, STAR, gone))
    await refund(world, await world.transaction("tip"))
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000, "owed": 600, "fee": 600}


async def test_a_top_up_goes_back_to_its_card(world: PaymentsWorld) -> None:
    top_up = await world.top_up(1_000)
    made = await refund(world, await world.transaction("top_up"))
    assert (made.status, made.amount_minor, made.payment_id) == (RefundStatus.SUCCEEDED, 1_000, top_up.top_up_id)
    assert await world.balances() == {}
    newest = (await world.wallets.transactions(FAN, None, 10)).items[0]
    assert (newest.kind, newest.amount_minor, newest.ref) == ("refund", -1_000, top_up.top_up_id)
    with pytest.raises(AlreadyRefunded):
        await refund(world, await world.transaction("top_up"))


async def test_a_top_up_gives_back_no_more_than_is_left(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    await world.spend(600, "tip")
    assert (await refund(world, await world.transaction("top_up"))).amount_minor == 400
    assert await world.balances() == {"clearing": -600, "pending": 480, "fee": 120}
    await world.top_up(500)
    await world.spend(500, "another")
    with pytest.raises(NotRefundable):
        await refund(world, await world.transaction("top_up"))


async def test_a_subscription_gives_back_what_is_not_earned_yet(world: PaymentsWorld) -> None:
    deferred = deferred_subscription("subscription", "EUR")
    payment = await world.pay(deferred, Purpose.SUBSCRIPTION, 1_000, "pm_card_visa")
    legs = (Leg(deferred, creator_pending(STAR, "EUR"), 300),)
    await world.move(Transfer("earned", Purpose.SUBSCRIPTION, "subscription", legs))
    statement = await world.executor.read(lambda tx: world.ledger.statement(tx, deferred, None, 10))
    made = await refund(world, statement.items[-1].transaction_id)
    assert (made.amount_minor, made.payment_id) == (700, payment.payment_id)
    (told,) = world.told(RefundMade)
    assert isinstance(told, RefundMade)
    assert (told.purpose, told.ref) == (Purpose.SUBSCRIPTION, "subscription")


async def test_while_the_gateway_thinks_the_money_is_held(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_pendingRefund")
    made = await refund(world, await world.transaction("top_up"))
    assert made.status is RefundStatus.PENDING
    shown = await world.wallets.wallet(FAN)
    assert (shown.balance_minor, shown.held_minor, shown.available_minor) == (1_000, 1_000, 0)
    assert world.told(RefundMade) == []
    await world.run(8_000)
    assert await world.balances() == {}
    assert len(world.told(RefundMade)) == 1


async def test_a_refund_that_fails_can_be_tried_again(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_refundFail")
    transaction = await world.transaction("top_up")
    first = await refund(world, transaction)
    with pytest.raises(AlreadyRefunded):
        await refund(world, transaction)
    await world.run(8_000)
    shown = await world.wallets.wallet(FAN)
    assert (shown.available_minor, world.told(RefundMade)) == (1_000, [])
    second = await refund(world, transaction)
    assert second.refund_id != first.refund_id
    await world.run(8_000)
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}


async def test_an_answer_lost_on_the_way_refunds_once(world: PaymentsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.top_up(1_000)
    asked: list[str] = []
    really = world.sandbox.refund

    async def lost(command: RefundCharge) -> RefundResult:
        asked.append(command.key)
        await really(command)
        return Pending()

    monkeypatch.setattr(world.sandbox, "refund", lost)
    made = await refund(world, await world.transaction("top_up"))
    assert made.status is RefundStatus.PENDING
    monkeypatch.undo()
    await world.crash()
    assert await world.balances() == {}
    assert asked == [made.refund_id]


async def test_what_is_no_purchase_is_not_refunded(world: PaymentsWorld) -> None:
    with pytest.raises(PaymentUnknown):
        await refund(world, "nothing")
    await world.top_up(1_000)
    await world.spend(500, "tip")
    await refund(world, await world.transaction("tip"))
    with pytest.raises(NotRefundable):
        await refund(world, await world.transaction("refund"))
