"""The sandbox and its cards: what pays, what waits, what somebody must confirm; and nothing twice."""

import pytest

from curtaincall.payments import cards
from curtaincall.payments.errors import IdempotencyConflict, PaymentMethodInvalid
from curtaincall.payments.events import CardPaymentChanged, WalletCredited
from curtaincall.payments.ports import Charge, Declined, PayOut, Pending, RefundCharge, RequiresRedirect, Succeeded
from curtaincall.payments.sandbox import rules
from curtaincall.payments.sandbox.rules import CARDS, SandboxRules, delays_ms
from support.payments_world import FAN, PaymentsWorld


async def charge(world: PaymentsWorld, token: str, key: str = "key", *, off_session: bool = False) -> object:
    saved = await world.sandbox.save_method(FAN, token)
    return await world.sandbox.charge(Charge(key, saved.gateway_ref, 1_000, "EUR", FAN, off_session))


@pytest.mark.parametrize("token", sorted(CARDS))
async def test_every_card_does_what_its_name_says(world: PaymentsWorld, token: str) -> None:
    result = await charge(world, token)
    card = CARDS[token]
    if card.declines:
        assert isinstance(result, Declined)
        assert result.code == card.declines
    elif card.redirects:
        assert isinstance(result, RequiresRedirect)
    elif card.pending_until_paid or card.pending_until_failed:
        assert isinstance(result, Pending)
    else:
        assert isinstance(result, Succeeded)


async def test_the_same_key_is_the_same_charge_and_another_body_is_refused(world: PaymentsWorld) -> None:
    saved = await world.sandbox.save_method(FAN, "pm_card_visa")
    first = await world.sandbox.charge(Charge("key", saved.gateway_ref, 1_000, "EUR"))
    assert await world.sandbox.charge(Charge("key", saved.gateway_ref, 1_000, "EUR")) == first
    with pytest.raises(IdempotencyConflict):
        await world.sandbox.charge(Charge("key", saved.gateway_ref, 1_001, "EUR"))


async def test_a_card_that_was_forgotten_pays_no_more(world: PaymentsWorld) -> None:
    saved = await world.sandbox.save_method(FAN, "pm_card_visa")
    await world.sandbox.forget_method(saved.gateway_ref)
    assert await world.sandbox.charge(Charge("key", saved.gateway_ref, 1_000, "EUR")) == Declined("card_unknown")
    with pytest.raises(PaymentMethodInvalid):
        await world.sandbox.save_method(FAN, "pm_card_of_nobody")


async def test_a_charge_settles_later_and_everybody_hears_once(world: PaymentsWorld) -> None:
    top_up = await world.top_up(5_000, "pm_card_pending_then_succeeds")
    assert top_up.status == "pending"
    assert await world.balances() == {}
    await world.run(10_000)
    assert (await world.wallets.top_up_status(FAN, top_up.top_up_id)).status == "succeeded"
    assert await world.balances() == {"wallet": 5_000, "clearing": -5_000}
    assert world.told(WalletCredited) == [WalletCredited(FAN, 5_000, "EUR")]
    statuses = [event.status for event in world.told(CardPaymentChanged) if isinstance(event, CardPaymentChanged)]
    assert statuses == ["pending", "succeeded"]


async def test_a_charge_fails_later_and_moves_nothing(world: PaymentsWorld) -> None:
    top_up = await world.top_up(5_000, "pm_card_pending_then_fails")
    await world.run(10_000)
    status = await world.wallets.top_up_status(FAN, top_up.top_up_id)
    assert (status.status, status.decline_code) == ("declined", rules.PENDING_FAILURE)
    assert await world.balances() == {}


@pytest.mark.parametrize(("confirms", "status"), [(True, "succeeded"), (False, "declined")])
async def test_a_holder_confirms_or_refuses(world: PaymentsWorld, confirms: bool, status: str) -> None:
    top_up = await world.top_up(5_000, "pm_card_authenticationRequired")
    assert top_up.status == "requires_action"
    assert top_up.redirect_url is not None
    charge_id = top_up.redirect_url.rpartition("/")[2]
    assert (await world.sandbox.waits_for_holder(charge_id)) is not None
    assert await world.sandbox.holder_decides(charge_id, confirms=confirms)
    assert not await world.sandbox.holder_decides(charge_id, confirms=not confirms)
    await world.run(3_000)
    decided = await world.wallets.top_up_status(FAN, top_up.top_up_id)
    assert (decided.status, decided.redirect_url) == (status, None)
    assert await world.balances() == ({"wallet": 5_000, "clearing": -5_000} if confirms else {})


async def test_without_its_holder_a_card_that_wants_confirmation_declines(world: PaymentsWorld) -> None:
    result = await charge(world, "pm_card_authenticationRequired", off_session=True)
    assert isinstance(result, Declined)
    assert result.code == "authentication_required"


async def test_who_never_confirms_is_declined_in_the_end(world: PaymentsWorld) -> None:
    top_up = await world.top_up(5_000, "pm_card_authenticationRequired")
    await world.run(cards.REDIRECT_WINDOW_MS + 700_000, step_ms=60_000)
    decided = await world.wallets.top_up_status(FAN, top_up.top_up_id)
    assert (decided.status, decided.decline_code) == ("declined", "canceled")


async def test_a_charge_gives_back_no_more_than_it_took(world: PaymentsWorld) -> None:
    made = await charge(world, "pm_card_visa")
    assert isinstance(made, Succeeded)
    first = await world.sandbox.refund(RefundCharge("a", made.gateway_id, 600, "EUR"))
    assert await world.sandbox.refund(RefundCharge("a", made.gateway_id, 600, "EUR")) == first
    assert isinstance(await world.sandbox.refund(RefundCharge("b", made.gateway_id, 600, "EUR")), Declined)
    assert isinstance(await world.sandbox.refund(RefundCharge("c", made.gateway_id, 400, "EUR")), Succeeded)


async def test_payouts_arrive_later_and_those_of_13_cents_come_back(world: PaymentsWorld) -> None:
    good = await world.sandbox.payout(PayOut("a", "star", 1_000, "EUR"))
    bad = await world.sandbox.payout(PayOut("b", "star", 1_013, "EUR"))
    assert isinstance(good, Pending)
    assert isinstance(bad, Pending)
    await world.run(6_000)
    assert await world.sandbox.payout_status(good.gateway_id or "") == Succeeded(good.gateway_id or "")
    assert await world.sandbox.payout_status(bad.gateway_id or "") == Declined(rules.PAYOUT_FAILURE, bad.gateway_id)


def test_the_seed_decides_which_webhooks_come_twice_late_and_out_of_order() -> None:
    events = [f"charge.succeeded:ch_{number}" for number in range(400)]
    told = [delays_ms(SandboxRules(seed=7), event) for event in events]
    assert told == [delays_ms(SandboxRules(seed=7), event) for event in events]
    assert told != [delays_ms(SandboxRules(seed=8), event) for event in events]
    twice = sum(len(delays) == 2 for delays in told)
    assert 60 < twice < 140
    assert max(max(delays) for delays in told) <= SandboxRules().max_delay_ms
    assert told != sorted(told)
