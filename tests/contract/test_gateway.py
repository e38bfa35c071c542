"""What every payment gateway promises, on each of them: the sandbox, and Stripe as its published API describes it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from curtaincall.payments.errors import (
    GatewayUnsuitable,
    IdempotencyConflict,
    PaymentMethodInvalid,
    PaymentUnknown,
    WebhookForged,
    WebhookFromFuture,
    WebhookMalformed,
    WebhookStale,
)
from curtaincall.payments.ports import (
    Charge,
    Declined,
    DisputeState,
    EventKind,
    PayOut,
    Pending,
    RefundCharge,
    RequiresRedirect,
    Succeeded,
)
from curtaincall.storage.database import migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.gateways import Card, GatewayBench, sandbox_bench, stripe_bench

BENCHES = {"sandbox": sandbox_bench, "stripe": stripe_bench}
TOLERANCE_MS = 300_000


@pytest.fixture(params=BENCHES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GatewayBench]:
    database = open_database(tmp_path)
    migrate(database)
    executor = WriteExecutor(database)
    async with BENCHES[request.param](executor) as bench:
        yield bench
    await executor.close()
    database.close()


async def charge_of(bench: GatewayBench, card: Card, *, off_session: bool = False) -> Charge:
    saved = await bench.gateway.save_method("fan", bench.token(card))
    return Charge("charge-1", saved.gateway_ref, 1_500, "EUR", customer_id="fan", off_session=off_session)


async def paid(bench: GatewayBench, card: Card = Card.PAYS) -> str:
    result = await bench.gateway.charge(await charge_of(bench, card))
    assert isinstance(result, Succeeded)
    return result.gateway_id


# ---- charges --------------------------------------------------------------------------------------------------------


async def test_the_same_key_is_the_same_charge(bench: GatewayBench) -> None:
    command = await charge_of(bench, Card.PAYS)
    first = await bench.gateway.charge(command)
    assert isinstance(first, Succeeded)
    assert await bench.gateway.charge(command) == first
    assert await bench.gateway.charge_status(first.gateway_id) == first


@pytest.mark.parametrize("other", [{"amount_minor": 1_600}, {"currency": "USD"}])
async def test_the_same_key_for_something_else_is_refused(bench: GatewayBench, other: dict[str, object]) -> None:
    command = await charge_of(bench, Card.PAYS)
    await bench.gateway.charge(command)
    with pytest.raises(IdempotencyConflict):
        await bench.gateway.charge(replace(command, **other))


@pytest.mark.parametrize("card", [Card.DECLINES, Card.LACKS_FUNDS])
async def test_a_decline_is_an_answer_and_final(bench: GatewayBench, card: Card) -> None:
    command = await charge_of(bench, card)
    for _ in range(2):
        declined = await bench.gateway.charge(command)
        assert isinstance(declined, Declined)
        assert declined.code


@pytest.mark.parametrize("confirms", [True, False])
async def test_the_holder_decides_about_a_charge_that_asks(bench: GatewayBench, confirms: bool) -> None:
    asked = await bench.gateway.charge(await charge_of(bench, Card.ASKS_HOLDER))
    assert isinstance(asked, RequiresRedirect)
    assert asked.url
    await bench.holder_decides(asked.gateway_id, confirms=confirms)
    decided = await bench.gateway.charge_status(asked.gateway_id)
    assert isinstance(decided, Succeeded if confirms else Declined)


async def test_a_charge_that_nobody_confirms_can_be_cancelled_for_good(bench: GatewayBench) -> None:
    asked = await bench.gateway.charge(await charge_of(bench, Card.ASKS_HOLDER))
    assert isinstance(asked, RequiresRedirect)
    assert isinstance(await bench.gateway.cancel_charge(asked.gateway_id), Declined)
    assert isinstance(await bench.gateway.charge_status(asked.gateway_id), Declined)


async def test_cancelling_too_late_says_that_the_money_came(bench: GatewayBench) -> None:
    gateway_id = await paid(bench)
    assert isinstance(await bench.gateway.cancel_charge(gateway_id), Succeeded)


async def test_without_its_holder_a_card_that_asks_declines(bench: GatewayBench) -> None:
    declined = await bench.gateway.charge(await charge_of(bench, Card.ASKS_HOLDER, off_session=True))
    assert isinstance(declined, Declined)
    assert declined.code == "authentication_required"


@pytest.mark.parametrize(("card", "outcome"), [(Card.PAYS_LATER, Succeeded), (Card.FAILS_LATER, Declined)])
async def test_a_slow_charge_is_pending_until_it_is_known(bench: GatewayBench, card: Card, outcome: type) -> None:
    pending = await bench.gateway.charge(await charge_of(bench, card))
    assert isinstance(pending, Pending)
    assert pending.gateway_id is not None
    await bench.time_goes_by()
    assert isinstance(await bench.gateway.charge_status(pending.gateway_id), outcome)


async def test_what_is_no_card_is_not_saved(bench: GatewayBench) -> None:
    with pytest.raises(PaymentMethodInvalid):
        await bench.gateway.save_method("fan", "pm_card_of_nobody")


async def test_a_forgotten_card_is_not_charged(bench: GatewayBench) -> None:
    command = await charge_of(bench, Card.PAYS)
    for _ in range(2):
        await bench.gateway.forget_method(command.gateway_ref)
    assert isinstance(await bench.gateway.charge(command), Declined)


# ---- refunds and payouts --------------------------------------------------------------------------------------------


async def test_a_refund_is_made_once_and_never_of_more_than_was_charged(bench: GatewayBench) -> None:
    command = RefundCharge("refund-1", await paid(bench), 1_000, "EUR")
    first = await bench.gateway.refund(command)
    assert isinstance(first, Succeeded)
    assert await bench.gateway.refund(command) == first
    assert await bench.gateway.refund_status(first.gateway_id) == first
    assert isinstance(await bench.gateway.refund(replace(command, key="refund-2")), Declined)
    with pytest.raises(IdempotencyConflict):
        await bench.gateway.refund(replace(command, amount_minor=900))


async def test_a_payout_is_sent_once(bench: GatewayBench) -> None:
    await bench.may_be_paid("star")
    command = PayOut("payout-1", "star", 5_000, "EUR")
    first = await bench.gateway.payout(command)
    assert isinstance(first, Succeeded | Pending)
    again = await bench.gateway.payout(command)
    assert isinstance(again, Succeeded | Pending)
    assert again.gateway_id == first.gateway_id
    with pytest.raises(IdempotencyConflict):
        await bench.gateway.payout(replace(command, amount_minor=6_000))
    await bench.time_goes_by()
    assert first.gateway_id is not None
    assert isinstance(await bench.gateway.payout_status(first.gateway_id), Succeeded)


async def test_what_the_gateway_does_not_know_is_not_invented(bench: GatewayBench) -> None:
    for question in (
        bench.gateway.charge_status("nothing"),
        bench.gateway.refund_status("nothing"),
        bench.gateway.payout_status("nothing"),
        bench.gateway.dispute("nothing"),
        bench.gateway.refund(RefundCharge("refund-1", "nothing", 100, "EUR")),
    ):
        with pytest.raises(PaymentUnknown):
            await question


async def test_the_capabilities_are_what_it_can_do(bench: GatewayBench) -> None:
    can = bench.gateway.capabilities
    for ability, question in (
        (can.setup_intents, bench.gateway.begin_setup("fan")),
        (can.onboarding, bench.gateway.begin_onboarding("star")),
    ):
        if ability:
            assert await question
        else:
            with pytest.raises(GatewayUnsuitable):
                await question


# ---- webhooks and disputes ------------------------------------------------------------------------------------------


async def test_a_charge_is_told_by_the_id_that_it_can_be_fetched_by(bench: GatewayBench) -> None:
    gateway_id = await paid(bench)
    events = [bench.gateway.verify_webhook(*webhook, bench.now_ms()) for webhook in await bench.webhooks()]
    told = [event for event in events if event.kind is EventKind.CHARGE]
    assert told
    assert {event.object_id for event in told} == {gateway_id}
    assert {event.key for event in told} <= {"charge-1", None}


async def test_a_dispute_is_told_and_names_the_charge(bench: GatewayBench) -> None:
    gateway_id = await paid(bench, Card.DISPUTES)
    await bench.time_goes_by()
    events = [bench.gateway.verify_webhook(*webhook, bench.now_ms()) for webhook in await bench.webhooks()]
    disputes = {event.object_id for event in events if event.kind is EventKind.DISPUTE}
    assert len(disputes) == 1
    found = await bench.gateway.dispute(disputes.pop())
    assert (found.charge_id, found.amount_minor, found.currency) == (gateway_id, 1_500, "EUR")
    assert found.state in (DisputeState.OPENED, DisputeState.LOST)


async def test_a_webhook_that_was_altered_or_signed_by_another_is_forged(bench: GatewayBench) -> None:
    await paid(bench)
    [(headers, raw_body), *_] = await bench.webhooks()
    for forged in (
        (headers, raw_body + b" "),
        ({}, raw_body),
        (dict.fromkeys(headers, "t=1,v1=00"), raw_body),
        (dict.fromkeys(headers, "nonsense"), raw_body),
        bench.resigned(raw_body, bench.now_ms(), secret="of somebody else"),
    ):
        with pytest.raises(WebhookForged):
            bench.gateway.verify_webhook(*forged, bench.now_ms())


async def test_a_webhook_of_another_time_is_refused(bench: GatewayBench) -> None:
    await paid(bench)
    [(_, raw_body), *_] = await bench.webhooks()
    now_ms = bench.now_ms()
    with pytest.raises(WebhookStale):
        bench.gateway.verify_webhook(*bench.resigned(raw_body, now_ms - TOLERANCE_MS - 2_000), now_ms)
    with pytest.raises(WebhookFromFuture):
        bench.gateway.verify_webhook(*bench.resigned(raw_body, now_ms + TOLERANCE_MS + 2_000), now_ms)
    bench.gateway.verify_webhook(*bench.resigned(raw_body, now_ms - TOLERANCE_MS + 2_000), now_ms)


@pytest.mark.parametrize(
    "raw_body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"id": 1, "type": 2, "data": {"object": {}}}',
        b"\xff",
        json.dumps({"id": "x"}).encode(),
    ],
)
async def test_what_is_signed_but_no_event_is_malformed(bench: GatewayBench, raw_body: bytes) -> None:
    with pytest.raises(WebhookMalformed):
        bench.gateway.verify_webhook(*bench.resigned(raw_body, bench.now_ms()), bench.now_ms())
