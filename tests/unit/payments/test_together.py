"""The same thing asked for many times at once: it happens once, on either database."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from curtaincall.kernel.errors import CurtaincallError
from curtaincall.ledger.model import Purpose, wallet
from curtaincall.payments.errors import AlreadyRefunded, NothingToPayOut
from curtaincall.payments.payouts import PayoutRequest
from curtaincall.payments.refunds import RefundRequest
from support.payments_world import DAY_MS, FAN, STAR, PaymentsWorld

TWINS = 8


async def together(*work: Coroutine[Any, Any, Any]) -> tuple[list[Any], list[type]]:
    """Results, and the kinds of the refusals."""
    answers = await asyncio.gather(*work, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, CurtaincallError):
            raise answer
    results = [answer for answer in answers if not isinstance(answer, BaseException)]
    return results, [type(answer) for answer in answers if isinstance(answer, BaseException)]


async def test_one_key_charges_once(world: PaymentsWorld) -> None:
    card = await world.card()

    def pay() -> Coroutine[Any, Any, Any]:
        return world.cards.pay(
            user_id=FAN,
            payment_method_id=card,
            amount_minor=1_000,
            currency="EUR",
            key="key",
            purpose=Purpose.TOP_UP,
            credit=wallet(FAN, "EUR"),
        )

    made, refusals = await together(*(pay() for _ in range(TWINS)))
    assert (len({payment.payment_id for payment in made}), refusals) == (1, [])
    assert await world.balances() == {"wallet": 1_000, "clearing": -1_000}


async def test_one_transaction_is_refunded_once(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    await world.spend(500, "tip")
    for kind, left in (("tip", {"wallet": 1_000, "clearing": -1_000}), ("top_up", {})):
        request = RefundRequest(await world.transaction(kind), "please", "admin")
        made, refusals = await together(*(world.refunds.refund(request) for _ in range(TWINS)))
        assert (len(made), set(refusals)) == (1, {AlreadyRefunded})
        assert await world.balances() == left


async def test_earnings_are_released_and_paid_out_once(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    await world.spend(1_000, "tip")
    world.clock.advance_us(7 * DAY_MS * 1_000)
    released, _ = await together(*(world.payouts.release(STAR) for _ in range(TWINS)))
    assert sorted(released) == [0] * (TWINS - 1) + [800]
    requests = [PayoutRequest(STAR, None, f"key-{number}") for number in range(TWINS)]
    made, refusals = await together(*(world.payouts.request(request) for request in requests))
    assert (len(made), set(refusals)) == (1, {NothingToPayOut})
    again, _ = await together(*(world.payouts.request(PayoutRequest(STAR, 800, "other")) for _ in range(TWINS)))
    assert again == []


async def test_one_payout_key_pays_once(world: PaymentsWorld) -> None:
    await world.top_up(1_000)
    await world.spend(1_000, "tip")
    world.clock.advance_us(7 * DAY_MS * 1_000)
    request = PayoutRequest(STAR, 300, "key")
    made, refusals = await together(*(world.payouts.request(request) for _ in range(TWINS)))
    assert (len({payout.payout_id for payout in made}), refusals) == (1, [])
    assert (await world.balances())["payable"] == 500


async def test_one_dispute_takes_once_however_often_it_is_told(world: PaymentsWorld) -> None:
    await world.top_up(1_000, "pm_card_createDispute")
    await world.spend(600, "tip")
    await world.run(8_000)
    (dispute,) = await world.disputes.newest()
    await together(*(world.disputes.refresh("sandbox", dispute.gateway_id) for _ in range(TWINS)))
    assert await world.balances() == {"clearing": -1_000}
    world.clock.advance_us(130_000_000)
    await world.sandbox.work()
    await together(*(world.disputes.refresh("sandbox", dispute.gateway_id) for _ in range(TWINS)))
    assert await world.balances() == {}


async def test_disputes_and_refunds_at_once_take_nothing_twice(world: PaymentsWorld) -> None:
    for number in range(3):
        await world.top_up(1_000, "pm_card_createDispute")
        await world.spend(900, f"tip-{number}")
    world.clock.advance_us(10_000_000)
    await world.sandbox.work()
    spends = [item.id for item in (await world.wallets.transactions(FAN, None, 50)).items if item.kind == "tip"]
    refunds = [world.refunds.refund(RefundRequest(spend, "please", "admin")) for spend in spends]
    await together(*refunds, world.loop.round(), world.loop.round())
    await world.run(20_000)
    taken = sum(dispute.amount_minor for dispute in await world.disputes.newest())
    assert taken == 3_000
    left = await world.balances()
    assert left.pop("clearing") == -3_000
    # A refund that came second gave back what the disputes had taken: the wallet has it, and its creator owes it.
    assert left.get("wallet", 0) + left.get("fee", 0) + left.get("pending", 0) == left.get("owed", 0)
