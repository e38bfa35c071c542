"""The Stripe adapter against a stateful server that speaks Stripe's published API; nothing lost is done twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from curtaincall.payments.errors import GatewayUnavailable, IdempotencyConflict, PaymentMethodInvalid, PaymentUnknown
from curtaincall.payments.ports import (
    Charge,
    Declined,
    DisputeState,
    PayOut,
    Pending,
    RefundCharge,
    RequiresRedirect,
    Succeeded,
)
from curtaincall.payments.stripe.gateway import StripeAccount, StripeGateway
from curtaincall.storage.database import migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.stripe_server import StripeServer
from support.stripe_server.server import SECRET_KEY, WEBHOOK_SECRET

RETURN_URL = "https://fans.example/wallet"


@dataclass(slots=True)
class World:
    stripe: StripeServer
    gateway: StripeGateway
    executor: WriteExecutor

    def account(self, secret_key: str = SECRET_KEY) -> StripeAccount:
        return StripeAccount(
            SecretStr(secret_key), "pk_test", SecretStr(WEBHOOK_SECRET), RETURN_URL, base_url=self.stripe.url
        )

    async def charge_of(self, card: str, key: str = "charge-1", *, off_session: bool = False) -> Charge:
        saved = await self.gateway.save_method("fan", card)
        return Charge(key, saved.gateway_ref, 1_500, "EUR", customer_id="fan", off_session=off_session)

    def made(self, kind: str) -> list[dict[str, object]]:
        return [thing for thing in self.stripe.desk.known.values() if thing["object"] == kind]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = open_database(tmp_path)
    migrate(database)
    executor = WriteExecutor(database)
    async with StripeServer().running() as server:
        account = StripeAccount(
            SecretStr(SECRET_KEY), "pk_test", SecretStr(WEBHOOK_SECRET), RETURN_URL, base_url=server.url
        )
        gateway = StripeGateway(account, executor)
        yield World(server, gateway, executor)
        await gateway.close()
        assert server.violations == []
    await executor.close()
    database.close()


async def test_a_charge_is_taken_from_the_saved_card(world: World) -> None:
    result = await world.gateway.charge(await world.charge_of("pm_card_visa"))
    assert isinstance(result, Succeeded)
    [charge] = world.made("charge")
    assert (charge["amount"], charge["currency"]) == (1_500, "eur")


async def test_the_same_key_again_is_the_same_charge(world: World) -> None:
    command = await world.charge_of("pm_card_visa")
    results = [await world.gateway.charge(command) for _ in range(3)]
    assert results[0] == results[1] == results[2]
    assert len(world.made("charge")) == 1


async def test_a_charge_is_not_repeated_when_stripe_has_forgotten_the_idempotency_key(world: World) -> None:
    command = await world.charge_of("pm_card_visa")
    first = await world.gateway.charge(command)
    world.stripe.forget_keys()
    assert await world.gateway.charge(command) == first
    assert len(world.made("charge")) == 1


@pytest.mark.parametrize("lost", range(1, 7))
async def test_a_lost_answer_neither_loses_nor_doubles_the_charge(world: World, lost: int) -> None:
    """Whatever the answer that got lost, and if the key is forgotten by the time we ask again."""
    command = await world.charge_of("pm_card_visa")
    world.stripe.lose_answers = lost
    result: object = None
    while not isinstance(result, Succeeded):
        try:
            result = await world.gateway.charge(command)
        except GatewayUnavailable:
            world.stripe.forget_keys()
    assert len(world.made("charge")) == 1


async def test_the_same_key_for_another_amount_is_refused(world: World) -> None:
    command = await world.charge_of("pm_card_visa")
    await world.gateway.charge(command)
    with pytest.raises(IdempotencyConflict):
        await world.gateway.charge(replace(command, amount_minor=1_600))


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("pm_card_chargeCustomerFail", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
async def test_a_decline_says_why_and_is_final(world: World, card: str, code: str) -> None:
    command = await world.charge_of(card)
    declined = await world.gateway.charge(command)
    assert isinstance(declined, Declined)
    assert declined.code == code
    [intent] = world.made("payment_intent")
    assert intent["status"] == "canceled", "a declined charge must not be payable later"
    again = await world.gateway.charge(command)
    assert isinstance(again, Declined)


async def test_a_holder_who_must_confirm_is_sent_to_the_bank(world: World) -> None:
    redirect = await world.gateway.charge(await world.charge_of("pm_card_authenticationRequired"))
    assert isinstance(redirect, RequiresRedirect)
    assert redirect.url.startswith("https://hooks.stripe.com/")
    world.stripe.desk.concluded(redirect.gateway_id, paid=True)
    assert await world.gateway.charge_status(redirect.gateway_id) == Succeeded(redirect.gateway_id)


async def test_a_holder_who_refuses_at_the_bank_has_declined(world: World) -> None:
    redirect = await world.gateway.charge(await world.charge_of("pm_card_authenticationRequired"))
    assert isinstance(redirect, RequiresRedirect)
    world.stripe.desk.concluded(redirect.gateway_id, paid=False)
    assert isinstance(await world.gateway.charge_status(redirect.gateway_id), Declined)


async def test_off_session_a_card_that_needs_its_holder_declines(world: World) -> None:
    command = await world.charge_of("pm_card_authenticationRequired", off_session=True)
    declined = await world.gateway.charge(command)
    assert isinstance(declined, Declined)
    assert declined.code == "authentication_required"


async def test_cancelling_a_charge_that_has_just_succeeded_says_so(world: World) -> None:
    redirect = await world.gateway.charge(await world.charge_of("pm_card_authenticationRequired"))
    assert isinstance(redirect, RequiresRedirect)
    world.stripe.desk.concluded(redirect.gateway_id, paid=True)
    assert await world.gateway.cancel_charge(redirect.gateway_id) == Succeeded(redirect.gateway_id)


async def test_a_slow_payment_is_pending_until_it_is_decided(world: World) -> None:
    pending = await world.gateway.charge(await world.charge_of("pm_card_pendingCharge"))
    assert isinstance(pending, Pending)
    assert pending.gateway_id is not None
    world.stripe.desk.concluded(pending.gateway_id, paid=True)
    assert await world.gateway.charge_status(pending.gateway_id) == Succeeded(pending.gateway_id)


async def test_a_card_that_stripe_does_not_take_is_refused_when_it_is_saved(world: World) -> None:
    for token in ("pm_card_chargeDeclined", "pm_unknown"):
        with pytest.raises(PaymentMethodInvalid):
            await world.gateway.save_method("fan", token)


async def test_one_customer_is_made_for_a_user_however_many_cards(world: World) -> None:
    await asyncio.gather(*(world.gateway.save_method("fan", "pm_card_visa") for _ in range(3)))
    assert len(world.made("customer")) == 1


async def test_the_page_gets_a_secret_to_enter_a_card_with(world: World) -> None:
    setup = await world.gateway.begin_setup("fan")
    assert setup.client_secret
    assert setup.publishable_key == "pk_test"


async def test_a_refund_returns_money_once_and_never_more_than_was_charged(world: World) -> None:
    charged = await world.gateway.charge(await world.charge_of("pm_card_visa"))
    assert isinstance(charged, Succeeded)
    refund = RefundCharge("refund-1", charged.gateway_id, 1_000, "EUR")
    first = await world.gateway.refund(refund)
    world.stripe.forget_keys()
    assert await world.gateway.refund(refund) == first
    assert isinstance(first, Succeeded)
    assert await world.gateway.refund_status(first.gateway_id) == first
    assert isinstance(await world.gateway.refund(RefundCharge("refund-2", charged.gateway_id, 1_000, "EUR")), Declined)
    assert len(world.made("refund")) == 1


async def test_a_payout_needs_an_account_that_may_receive(world: World) -> None:
    payout = PayOut("payout-1", "star", 5_000, "EUR")
    assert await world.gateway.payout(payout) == Declined("account_not_ready")
    assert (await world.gateway.begin_onboarding("star")).startswith("https://connect.stripe.com/")
    assert isinstance(await world.gateway.payout(payout), Declined)
    [account] = world.made("account")
    world.stripe.desk.onboarded(str(account["id"]))
    sent = await world.gateway.payout(replace(payout, key="payout-2"))
    assert isinstance(sent, Succeeded)
    world.stripe.forget_keys()
    assert await world.gateway.payout(replace(payout, key="payout-2")) == sent
    assert len(world.made("transfer")) == 1


async def test_a_dispute_is_read_with_the_charge_it_is_about(world: World) -> None:
    charged = await world.gateway.charge(await world.charge_of("pm_card_createDispute"))
    assert isinstance(charged, Succeeded)
    [dispute] = world.made("dispute")
    found = await world.gateway.dispute(str(dispute["id"]))
    assert (found.charge_id, found.amount_minor, found.currency) == (charged.gateway_id, 1_500, "EUR")
    assert found.state is DisputeState.OPENED
    world.stripe.desk.decided(found.gateway_id, "lost")
    assert (await world.gateway.dispute(found.gateway_id)).state is DisputeState.LOST
    with pytest.raises(PaymentUnknown):
        await world.gateway.dispute("du_unknown")


async def test_a_key_that_stripe_does_not_take_is_no_decline(world: World) -> None:
    stranger = StripeGateway(world.account("sk_test_of_somebody_else"), world.executor)
    with pytest.raises(GatewayUnavailable):
        await stranger.save_method("fan", "pm_card_visa")
    await stranger.close()
