"""The back office: each act does what it says, once, and is on record whatever came of it."""

import pytest
from sqlalchemy.exc import DBAPIError

from curtaincall.accounts import standing
from curtaincall.accounts.errors import AccountFrozen, UserUnknown
from curtaincall.backoffice.audit import Act, Phase
from curtaincall.backoffice.errors import AdjustmentInvalid, NotFrozen, ReasonMissing
from curtaincall.backoffice.model import Order
from curtaincall.charging.model import EndReason
from curtaincall.charging.rates import Rates
from curtaincall.ledger.errors import InsufficientFunds
from curtaincall.payments.errors import AlreadyRefunded
from curtaincall.payments.payouts import PayoutRequest
from curtaincall.rooms.errors import CallUnknown
from support.platform_world import PASSWORD, PlatformWorld


def order(key: str = "key", reason: str = "asked for by mail") -> Order:
    return Order("user:boss", key, reason)


async def log_of(world: PlatformWorld, subject: str) -> list[tuple[Act, Phase]]:
    page = await world.backoffice.audit(subject, None, 100)
    return [(entry.act, entry.phase) for entry in reversed(page.items)]


async def test_an_adjustment_gives_and_takes_wallet_money(world: PlatformWorld) -> None:
    fan = await world.fan(balance_minor=1_000)
    await world.backoffice.adjust(order("give"), fan.user_id, 250, "EUR")
    assert (await world.wallet(fan.user_id)).balance_minor == 1_250
    await world.backoffice.adjust(order("take"), fan.email, -1_250, "EUR")
    assert (await world.wallet(fan.user_id)).balance_minor == 0
    assert await log_of(world, fan.user_id) == [(Act.ADJUST, Phase.BEGUN), (Act.ADJUST, Phase.DONE)] * 2


async def test_the_same_order_twice_moves_money_once(world: PlatformWorld) -> None:
    fan = await world.fan(balance_minor=0)
    made = [await world.backoffice.adjust(order(), fan.user_id, 250, "EUR") for _ in range(2)]
    assert made[0] == made[1]
    assert (await world.wallet(fan.user_id)).balance_minor == 250


async def test_an_adjustment_takes_no_more_than_there_is_and_the_attempt_is_on_record(world: PlatformWorld) -> None:
    fan = await world.fan(balance_minor=100)
    with pytest.raises(InsufficientFunds):
        await world.backoffice.adjust(order(), fan.user_id, -101, "EUR")
    newest = (await world.backoffice.audit(fan.user_id, None, 1)).items[0]
    assert (newest.phase, newest.actor, newest.reason) == (Phase.REFUSED, "user:boss", "asked for by mail")
    assert newest.details == {"amount_minor": -101, "currency": "EUR", "code": "insufficient_funds"}


@pytest.mark.parametrize(
    ("amount_minor", "currency"), [(0, "EUR"), (1_000_001, "EUR"), (-1_000_001, "EUR"), (5, "USD")]
)
async def test_an_adjustment_has_bounds(world: PlatformWorld, amount_minor: int, currency: str) -> None:
    fan = await world.fan()
    with pytest.raises(AdjustmentInvalid):
        await world.backoffice.adjust(order(), fan.user_id, amount_minor, currency)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "two\nlines"])
async def test_every_act_needs_a_reason(world: PlatformWorld, reason: str) -> None:
    fan = await world.fan()
    with pytest.raises(ReasonMissing):
        await world.backoffice.adjust(order(reason=reason), fan.user_id, 5, "EUR")
    with pytest.raises(ReasonMissing):
        await world.backoffice.freeze(order(reason=reason), fan.user_id)
    world.accounts.refuse_frozen(fan.user_id)


async def test_money_given_goes_to_a_call_that_had_run_out(world: PlatformWorld) -> None:
    call = await world.live_call()
    await world.backoffice.adjust(order(), call.fan.user_id, 500, "EUR")
    assert (await world.session(call.call_id)).charged_minor >= 0
    assert (await world.wallet(call.fan.user_id)).balance_minor == 1_500


async def test_who_is_frozen_can_neither_sign_in_nor_go_on(world: PlatformWorld) -> None:
    fan = await world.fan()
    session = await world.accounts.begin_session(fan)
    await world.backoffice.freeze(order(), fan.email)
    with pytest.raises(AccountFrozen):
        world.accounts.authenticate(session.access_token)
    with pytest.raises(AccountFrozen):
        await world.accounts.sign_in(fan.email, PASSWORD)
    with pytest.raises(Exception, match="over"):
        await world.accounts.refresh(session.refresh_token)


async def test_a_freeze_lasts_over_a_restart(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    await world.backoffice.freeze(order(), fan.user_id)
    await world.crash()
    with pytest.raises(AccountFrozen):
        await world.calls.request(fan.user_id, creator.user_id)


async def test_a_frozen_creator_is_not_there_to_be_called(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    await world.backoffice.freeze(order(), creator.user_id)
    assert await world.accounts.creators("", 10) == []
    with pytest.raises(CallUnknown):
        await world.calls.request(fan.user_id, creator.user_id)


@pytest.mark.parametrize("side", ["fan", "creator"])
async def test_a_freeze_cuts_the_live_call_before_it_is_recorded(world: PlatformWorld, side: str) -> None:
    call = await world.live_call()
    user = call.fan if side == "fan" else call.creator
    world.accounts.suspend(user.user_id)
    await world.backoffice.freeze(order(), user.user_id)
    revoked = world.media.said.index(f"revoke {call.call_id}")
    assert revoked < world.media.said.index(f"tell {call.fan.user_id} ADMIN_TERMINATED")
    assert call.creator_line.terminated == ("ADMIN_TERMINATED", "/models")
    await world.hear_media()
    assert (await world.session(call.call_id)).end_reason is EndReason.ADMIN_TERMINATED


async def test_a_call_that_rang_before_cannot_be_accepted_after(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    await world.executor.submit(standing.freeze, standing.Freeze(fan.user_id, "by another process", 0))
    with pytest.raises(AccountFrozen):
        await world.calls.accept(view.session_id, creator.user_id)
    assert (await world.wallet(fan.user_id)).held_minor == 0


async def test_a_freeze_removes_from_a_conference_that_goes_on(world: PlatformWorld) -> None:
    await world.conference("room")
    ann, ben = await world.person("ann"), await world.person("ben")
    line, other = await world.join("room", ann.user_id), await world.join("room", ben.user_id)
    await world.backoffice.freeze(order(), ann.user_id)
    assert line.terminated == ("ADMIN_TERMINATED", "/models")
    assert other.terminated is None


async def test_whoever_is_unfrozen_signs_in_again(world: PlatformWorld) -> None:
    fan = await world.fan()
    await world.backoffice.freeze(order("1"), fan.user_id)
    await world.backoffice.unfreeze(order("2"), fan.user_id)
    assert (await world.accounts.sign_in(fan.email, PASSWORD)).user == fan
    with pytest.raises(NotFrozen):
        await world.backoffice.unfreeze(order("3"), fan.user_id)
    assert (await log_of(world, fan.user_id))[-1] == (Act.UNFREEZE, Phase.REFUSED)


async def test_an_admin_is_made_and_unmade_with_their_sessions_ended(world: PlatformWorld) -> None:
    ann = await world.person("ann")
    plain = await world.accounts.begin_session(ann)
    assert not world.accounts.authenticate(plain.access_token).admin
    await world.backoffice.set_admin(order("1"), ann.user_id, True)
    with pytest.raises(Exception, match="over"):
        world.accounts.authenticate(plain.access_token)
    entitled = await world.accounts.begin_session(ann)
    assert world.accounts.authenticate(entitled.access_token).admin
    assert world.accounts.authenticate((await world.accounts.refresh(entitled.refresh_token)).access_token).admin
    await world.backoffice.set_admin(order("2"), ann.user_id, False)
    with pytest.raises(Exception, match="over"):
        world.accounts.authenticate(entitled.access_token)
    assert not world.accounts.authenticate((await world.accounts.begin_session(ann)).access_token).admin


async def test_money_is_shown_with_its_holds_and_that_somebody_looked_is_on_record(world: PlatformWorld) -> None:
    call = await world.live_call()
    money = await world.backoffice.money_of("user:boss", call.fan.user_id)
    assert (money.wallet.balance_minor, money.wallet.held_minor) == (1_000, 300)
    assert [(hold.purpose, hold.amount_minor, hold.ref) for hold in money.holds] == [("call", 300, call.call_id)]
    assert [(line.label, line.amount_minor) for line in money.transactions] == [("Top-up", 1_000)]
    assert await log_of(world, call.fan.user_id) == [(Act.LOOK_UP, Phase.DONE)]
    with pytest.raises(UserUnknown):
        await world.backoffice.money_of("user:boss", "nobody")


async def test_a_purchase_is_given_back_once_and_its_refusals_are_on_record(world: PlatformWorld) -> None:
    call = await world.live_call()
    await world.run(60_000)
    await world.end(EndReason.HOST_ENDED, call.call_id)
    charged = (await world.charging.receipt(call.call_id)).charged_minor
    lines = (await world.statements.transactions(call.fan.user_id, None, 10)).items
    bought = [line for line in lines if line.kind == "call"]
    assert -sum(line.amount_minor for line in bought) == charged
    for number, line in enumerate(bought):
        refund = await world.backoffice.refund(order(f"refund {number}"), line.id)
        assert refund.amount_minor == -line.amount_minor
    assert (await world.wallet(call.fan.user_id)).balance_minor == 1_000
    with pytest.raises(AlreadyRefunded):
        await world.backoffice.refund(order("again"), bought[0].id)
    assert await log_of(world, bought[0].id) == [
        (Act.REFUND, Phase.BEGUN),
        (Act.REFUND, Phase.DONE),
        (Act.REFUND, Phase.BEGUN),
        (Act.REFUND, Phase.REFUSED),
    ]
    newest = (await world.statements.transactions(call.fan.user_id, None, 1)).items[0]
    assert (newest.label, newest.amount_minor > 0) == ("Refund from Star", True)


async def test_a_frozen_account_moves_no_money_of_its_own(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    await world.charging.set_rates(creator.user_id, Rates(300, "EUR", instant_unlock_minor=500))
    method = await world.wallets.add_payment_method(fan.user_id, "sandbox", "pm_card_visa")
    await world.backoffice.freeze(order("1"), fan.user_id)
    await world.backoffice.freeze(order("2"), creator.user_id)
    with pytest.raises(AccountFrozen):
        await world.wallets.top_up(fan.user_id, 500, "EUR", method.payment_method_id, "key")
    with pytest.raises(AccountFrozen):
        await world.purchases.unlock(fan.user_id, creator.user_id)
    with pytest.raises(AccountFrozen):
        await world.payouts.request(PayoutRequest(creator.user_id, None, "key"))
    with pytest.raises(AccountFrozen):
        await world.charging.request(session_id="call", room_id="room", payer_id=fan.user_id, payee_id=creator.user_id)
    assert (await world.wallet(fan.user_id)).balance_minor == 1_000


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET reason = ''", "DELETE FROM audit_log"])
async def test_the_database_refuses_to_rewrite_the_log(world: PlatformWorld, statement: str) -> None:
    fan = await world.fan()
    await world.backoffice.adjust(order(), fan.user_id, 5, "EUR")
    with pytest.raises(DBAPIError, match="immutable"):
        await world.executor.submit(lambda tx, _: tx.exec_driver_sql(statement), None)
    assert len(await log_of(world, fan.user_id)) == 2
