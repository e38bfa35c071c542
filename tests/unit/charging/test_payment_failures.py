"""What a declined card and a dispute do to calls that run, and to calls that have been paid."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Connection, text

from curtaincall.charging.model import EndReason, PaymentFailurePolicy, SessionState
from curtaincall.ledger.model import Purpose
from curtaincall.payments import dispute_store
from curtaincall.payments.events import CardPaymentChanged, DisputeChanged
from curtaincall.payments.model import CardPayment, PaymentStatus
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.recharge import KEY_PREFIX
from support.money_world import FAN, MoneyWorld


@dataclass
class Card:
    """Auto-recharge as charging sees it: it is asked, and pays in, declines, or cannot say yet."""

    outcome: PaymentStatus | None
    world: MoneyWorld
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def trigger(self, user_id: str, ref: str) -> CardPayment | None:
        self.asked.append((user_id, ref))
        if self.outcome is None:
            return None
        if self.outcome is PaymentStatus.SUCCEEDED:
            await self.world.pay_in(600, user_id)
        return CardPayment(f"recharge-{len(self.asked)}", self.outcome, None, None)


async def running(world: MoneyWorld, outcome: PaymentStatus | None, **settings: object) -> Card:
    """A call with money for 90 s and a card behind it."""
    card = Card(outcome, world)
    world.recharge = card
    await world.restart_with(**settings)
    await world.priced(300)
    await world.pay_in(450)
    await world.call()
    await world.run(20_000)
    return card


# ---- auto-recharge --------------------------------------------------------------------------------------------------


async def test_the_card_is_charged_before_the_last_minute_and_the_call_goes_on(world: MoneyWorld) -> None:
    card = await running(world, PaymentStatus.SUCCEEDED)
    assert card.asked == []
    await world.run(10_000)
    assert card.asked == [(FAN, "call:1")]
    await world.run(110_000)
    assert (await world.session()).state is SessionState.ACTIVE
    assert len(card.asked) == 1
    await world.run(40_000)
    assert len(card.asked) == 2  # the next minute but one is the last again
    assert (await world.end(EndReason.HOST_ENDED)).charged_minor == 900


async def test_without_a_recharge_the_money_runs_out(world: MoneyWorld) -> None:
    await running(world, None)
    await world.run(71_000)
    assert (await world.charging.receipt("call")).ended_reason is EndReason.TIME_EXPIRED


async def test_a_declined_card_ends_the_call_at_once_and_voids_what_was_not_used(world: MoneyWorld) -> None:
    await running(world, PaymentStatus.DECLINED)
    await world.run(10_500)
    assert not world.media.leases["call"].open
    receipt = await world.charging.receipt("call")
    assert receipt.ended_reason is EndReason.PAYMENT_FAILED
    assert receipt.charged_minor == -(-receipt.billable_ms // 1_000) * 5  # to the second: no minimum
    assert receipt.billable_ms < 31_000


async def test_a_declined_card_may_let_the_paid_time_run(world: MoneyWorld) -> None:
    await running(world, PaymentStatus.DECLINED, payment_failure_policy=PaymentFailurePolicy.AT_PAID_UNTIL)
    await world.run(11_000)
    view = await world.session()
    assert (view.state, view.granted_ms) == (SessionState.FINAL, 60_000)
    await world.run(30_000)
    receipt = await world.charging.receipt("call")
    assert (receipt.ended_reason, receipt.billable_ms) == (EndReason.TIME_EXPIRED, 60_000)
    assert (await world.wallet()).available_minor == 150  # which was there, and was not taken


async def test_money_that_comes_in_after_a_declined_card_goes_on(world: MoneyWorld) -> None:
    await running(world, PaymentStatus.DECLINED, payment_failure_policy=PaymentFailurePolicy.AT_PAID_UNTIL)
    await world.run(11_000)
    await world.pay_in(600)
    await world.hear_media()
    assert (await world.session()).state is SessionState.ACTIVE
    await world.run(40_000)
    assert (await world.session()).used_ms == 71_000


async def test_a_recharge_may_be_declined_only_later(world: MoneyWorld) -> None:
    await running(world, PaymentStatus.PENDING)
    await world.run(11_000)
    assert (await world.session()).state is SessionState.ACTIVE
    status = PaymentStatus.DECLINED

    async def decline(user_id: str, key: str) -> None:
        event = CardPaymentChanged("p", user_id, Purpose.TOP_UP, "p", key, status, "card_declined", 600, "EUR")
        await world.bus.publish(event)
        await world.hear_media()

    await decline(FAN, "a top-up by hand")
    await decline("somebody else", f"{KEY_PREFIX}call:1")
    assert (await world.session()).state is SessionState.ACTIVE
    await decline(FAN, f"{KEY_PREFIX}call:1")
    assert (await world.charging.receipt("call")).ended_reason is EndReason.PAYMENT_FAILED


async def test_a_slow_gateway_holds_up_no_renewal(world: MoneyWorld) -> None:
    released = asyncio.Event()

    class Slow:
        async def trigger(self, user_id: str, ref: str) -> CardPayment | None:
            await released.wait()
            return None

    world.recharge, world.gateways_are_slow = Slow(), True
    await world.restart_with()
    await world.priced(300)
    await world.pay_in(450)
    await world.call()

    await world.run(50_000)
    assert (await world.session()).granted_ms == 90_000
    released.set()
    await world.charging.recharged()


@pytest.mark.parametrize("policy", list(PaymentFailurePolicy))
async def test_an_operator_always_cuts_at_once(world: MoneyWorld, policy: PaymentFailurePolicy) -> None:
    await running(world, None, payment_failure_policy=policy)
    world.charging.revoke("call", EndReason.PAYMENT_FAILED)
    assert not world.media.leases["call"].open
    await world.hear_media()
    assert (await world.charging.receipt("call")).charged_minor == 100


# ---- disputes -------------------------------------------------------------------------------------------------------


def dispute(state: DisputeState, *session_ids: str, dispute_id: str = "dispute") -> DisputeChanged:
    refs = tuple((Purpose.CALL, session_id) for session_id in session_ids)
    return DisputeChanged(dispute_id, "payment", FAN, state, 450, "EUR", (*refs, (Purpose.TIP, "tip")))


async def settled(world: MoneyWorld, name: str = "call") -> None:
    await world.call(name)
    await world.run(20_000)
    await world.end(EndReason.HOST_ENDED, name)


async def paying(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(2_000)


@pytest.mark.parametrize(
    ("outcome", "state"), [(DisputeState.WON, SessionState.WON), (DisputeState.LOST, SessionState.LOST)]
)
async def test_a_settled_call_is_disputed_and_won_or_lost(
    world: MoneyWorld, outcome: DisputeState, state: SessionState
) -> None:
    await paying(world)
    await settled(world)
    await world.bus.publish(dispute(DisputeState.INQUIRY, "call"))
    assert (await world.session()).state is SessionState.SETTLED
    for _ in range(2):
        await world.bus.publish(dispute(DisputeState.OPENED, "call"))
        assert (await world.session()).state is SessionState.DISPUTED
    for _ in range(2):
        await world.bus.publish(dispute(outcome, "call"))
        assert (await world.session()).state is state
    await world.bus.publish(dispute(DisputeState.OPENED, "call"))  # late: it is decided
    assert (await world.session()).state is state
    receipt = await world.charging.receipt("call")
    assert [entry.event for entry in receipt.timeline][-3:] == ["SETTLED", "DISPUTED", state.value]
    assert receipt.charged_minor == 100


async def test_the_worst_of_two_disputes_counts(world: MoneyWorld) -> None:
    await paying(world)
    await settled(world)
    await world.bus.publish(dispute(DisputeState.OPENED, "call", dispute_id="one"))
    await world.bus.publish(dispute(DisputeState.OPENED, "call", dispute_id="two"))
    await world.bus.publish(dispute(DisputeState.LOST, "call", dispute_id="one"))
    assert (await world.session()).state is SessionState.DISPUTED
    await world.bus.publish(dispute(DisputeState.WON, "call", dispute_id="two"))
    assert (await world.session()).state is SessionState.LOST


async def test_a_dispute_cuts_the_payers_live_calls_and_marks_them_once_settled(world: MoneyWorld) -> None:
    await paying(world)
    await settled(world, "before")
    await world.call("live")
    await world.run(20_000)
    await world.ring("ringing")
    await world.bus.publish(dispute(DisputeState.OPENED, "before", "live", "unknown"))
    assert not world.media.leases["live"].open
    await world.hear_media()
    receipt = await world.charging.receipt("live")
    assert (receipt.ended_reason, receipt.charged_minor) == (EndReason.PAYMENT_FAILED, 100)
    states = {name: (await world.session(name)).state for name in ("before", "live", "ringing")}
    assert states == {
        "before": SessionState.DISPUTED,
        "live": SessionState.DISPUTED,
        "ringing": SessionState.CANCELLED,
    }


async def test_a_dispute_that_a_crash_kept_us_from_hearing_of_is_found_at_the_start(world: MoneyWorld) -> None:
    await paying(world)
    await settled(world)

    def dispute_without_news(tx: Connection, now_ms: int) -> None:
        payment_id = tx.execute(text("SELECT payment_id FROM card_payments")).scalar_one()
        new = dispute_store.NewDispute("dispute", "sandbox", "dp_1", payment_id, FAN, "EUR", now_ms)
        dispute_store.known_or_new(tx, new)
        refs = json.dumps([[Purpose.CALL.value, "call"], [Purpose.TIP.value, "tip"]])
        dispute_store.change(tx, "dispute", {"state": DisputeState.OPENED, "refs": refs})

    await world.executor.submit(dispute_without_news, world.clock.now_ms())
    assert (await world.session()).state is SessionState.SETTLED
    for _ in range(2):
        await world.crash()
        assert (await world.session()).state is SessionState.DISPUTED


async def test_somebody_elses_calls_go_on(world: MoneyWorld) -> None:
    await paying(world)
    await world.call()
    await world.run(5_000)
    event = DisputeChanged("dispute", "payment", "other", DisputeState.OPENED, 450, "EUR", ())
    await world.bus.publish(event)
    assert (await world.session()).state is SessionState.ACTIVE
