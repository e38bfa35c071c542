"""Credit control: numbered requests of a media system outside, on virtual time and the real books."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from curtaincall.access import service as access
from curtaincall.access.events import EntitlementGranted
from curtaincall.access.model import Feature, NewEntitlement
from curtaincall.accounts import standing
from curtaincall.accounts.errors import AccountFrozen
from curtaincall.accounts.events import AccountSuspended
from curtaincall.accounts.store import users
from curtaincall.charging.credit import (
    MAX_UNITS_MS,
    Authorize,
    CreditAnswer,
    CreditBooks,
    Terminate,
    Update,
)
from curtaincall.charging.credit_control import CreditControl
from curtaincall.charging.errors import (
    RatesMissing,
    RequestOutOfOrder,
    SessionConflict,
    SessionOver,
    SessionUnknown,
    TooManySessions,
    TooManyWatchers,
    UnitsInvalid,
)
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.charging.payment_status import PaymentState, PaymentStatus, PaymentStatuses
from curtaincall.payments.events import DisputeChanged
from curtaincall.payments.ports import DisputeState
from curtaincall.storage.errors import IdempotencyConflict
from support.money_world import FAN, STAR, MoneyWorld

VALIDITY_MS = 60_000
ROOM = "elsewhere"
BEGIN = Authorize(ROOM, FAN, STAR, 0)


@dataclass
class Elsewhere:
    """A media system that asks for credit, one request after the other."""

    world: MoneyWorld
    service: str = "conference-system"
    session_id: str = "credit"

    def __post_init__(self) -> None:
        world = self.world
        books = CreditBooks(world.ledger, world.settings, VALIDITY_MS)
        self.control = CreditControl(world.executor, books, world.clock, world.bus)
        self.statuses = PaymentStatuses(world.executor, world.bus, world.clock, world.charging.session_in_room, 2)

    async def ask(self, number: int, body: Authorize | Update | Terminate) -> CreditAnswer:
        return await self.control.answer(self.service, self.session_id, number, body)

    async def status(self, user_id: str = FAN) -> PaymentStatus:
        return await self.statuses.of_seat(ROOM, user_id)

    def wait(self, duration_ms: int) -> None:
        self.world.clock.advance_us(duration_ms * 1_000)


@pytest.fixture
async def elsewhere(world: MoneyWorld) -> AsyncIterator[Elsewhere]:
    await world.priced(300)
    return Elsewhere(world)


async def test_units_are_held_before_they_are_granted_and_settled_as_they_were_used(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.pay_in(1_000)
    begun = await elsewhere.ask(0, BEGIN)
    assert (begun.granted, begun.granted_ms, begun.validity_ms, begun.final) == (True, 60_000, VALIDITY_MS, False)
    assert (await world.wallet()).held_minor == 300
    assert (await elsewhere.status()).state is PaymentState.PAID
    more = await elsewhere.ask(1, Update(used_ms=45_000, requested_ms=0))
    assert (more.granted_ms, more.used_ms) == (90_000, 45_000)
    assert (await world.session("credit")).state is SessionState.ACTIVE
    over = await elsewhere.ask(2, Terminate(70_000, EndReason.HOST_ENDED))
    assert (over.charged_minor, over.fee_minor, over.creator_minor) == (350, 70, 280)
    wallet = await world.wallet()
    assert (wallet.balance_minor, wallet.held_minor) == (650, 0)
    assert (await elsewhere.status()).state is PaymentState.EXPIRED
    assert (await world.charging.receipt("credit")).ended_reason is EndReason.HOST_ENDED


async def test_an_early_report_extends_the_validity_and_holds_nothing_more(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    await elsewhere.ask(0, BEGIN)
    for number in range(1, 6):
        elsewhere.wait(50_000)
        await elsewhere.control.sweep()
        answer = await elsewhere.ask(number, Update(used_ms=1_000 * number, requested_ms=0))
        assert (answer.granted_ms, answer.used_ms) == (60_000, 1_000 * number)
    assert (await elsewhere.world.wallet()).held_minor == 300


async def test_smaller_slices_are_granted_as_asked_and_larger_ones_are_not(elsewhere: Elsewhere) -> None:
    await elsewhere.world.priced(300, minimum_ms=10_000)
    await elsewhere.world.pay_in(10_000)
    assert (await elsewhere.ask(0, replace(BEGIN, requested_ms=20_000))).granted_ms == 20_000
    assert (await elsewhere.ask(1, Update(15_000, requested_ms=5_000))).granted_ms == 25_000
    assert (await elsewhere.ask(2, Update(20_000, requested_ms=MAX_UNITS_MS))).granted_ms == 55_000


async def test_the_last_units_are_announced_and_a_top_up_helps(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.pay_in(300)
    assert (await elsewhere.ask(0, BEGIN)).final
    refused = await elsewhere.ask(1, Update(50_000, 0))
    assert (refused.granted, refused.granted_ms, refused.used_ms, refused.final) == (False, 60_000, 50_000, True)
    await world.pay_in(1_000)
    assert (await elsewhere.ask(2, Update(55_000, 0))).granted_ms == 90_000


async def test_used_units_beyond_the_grant_are_nobodys_debt(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(300)
    await elsewhere.ask(0, BEGIN)
    assert (await elsewhere.ask(1, Update(MAX_UNITS_MS, 0))).used_ms == 60_000
    assert (await elsewhere.status()).state is PaymentState.EXPIRED
    over = await elsewhere.ask(2, Terminate(MAX_UNITS_MS, EndReason.TIME_EXPIRED))
    assert (over.used_ms, over.charged_minor) == (60_000, 300)


async def test_a_wallet_that_does_not_cover_the_minimum_gets_no_session(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(100)
    refused = await elsewhere.ask(0, BEGIN)
    assert (refused.granted, refused.granted_ms) == (False, 0)
    await elsewhere.world.pay_in(1_000)
    assert await elsewhere.ask(0, BEGIN) == refused  # the answer stands, whatever happened since
    with pytest.raises(SessionOver):
        await elsewhere.ask(1, Update(0, 0))
    assert (await elsewhere.status()).state is PaymentState.UNKNOWN


async def test_a_session_without_any_use_is_cancelled(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    await elsewhere.ask(0, BEGIN)
    assert (await elsewhere.ask(1, Terminate(0, EndReason.PAYER_ENDED))).charged_minor == 0
    assert (await elsewhere.world.session("credit")).state is SessionState.CANCELLED
    assert (await elsewhere.world.wallet()).available_minor == 1_000


async def test_a_repeat_gets_the_same_answer_and_moves_nothing(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.pay_in(1_000)
    requests = (BEGIN, Update(45_000, 0), Update(80_000, 0), Terminate(85_000, EndReason.PAYER_ENDED))
    answers = []
    for number, body in enumerate(requests):
        answers.append(await elsewhere.ask(number, body))
        moved = (await world.books()).transfers
        assert await elsewhere.ask(number, body) == answers[-1]
        assert (await world.books()).transfers == moved
    assert [await elsewhere.ask(number, body) for number, body in enumerate(requests)] == answers


async def test_twins_at_the_same_time_are_one_request(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    for number, body in enumerate((BEGIN, Update(45_000, 0), Terminate(60_000, EndReason.PAYER_ENDED))):
        first, *others = await asyncio.gather(*(elsewhere.ask(number, body) for _ in range(8)))
        assert others == [first] * 7
    assert (await elsewhere.world.wallet()).balance_minor == 700


async def test_another_body_under_the_same_number_is_refused(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    await elsewhere.ask(0, BEGIN)
    await elsewhere.ask(1, Update(45_000, 0))
    for number, body in (
        (0, replace(BEGIN, payer_id="somebody-else")),
        (0, Update(0, 0)),
        (1, Update(46_000, 0)),
        (1, Terminate(45_000, EndReason.PAYER_ENDED)),
    ):
        with pytest.raises(IdempotencyConflict):
            await elsewhere.ask(number, body)


async def test_numbers_go_up_by_one(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    with pytest.raises(RequestOutOfOrder):
        await elsewhere.ask(1, BEGIN)
    await elsewhere.ask(0, BEGIN)
    with pytest.raises(RequestOutOfOrder) as refused:
        await elsewhere.ask(2, Update(1_000, 0))
    assert refused.value.facts == {"expected": 1}


async def test_a_session_belongs_to_the_service_that_began_it(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    await elsewhere.ask(0, BEGIN)
    stranger = Elsewhere(elsewhere.world, service="stranger")
    with pytest.raises(SessionUnknown):
        await stranger.ask(1, Update(30_000, 0))
    with pytest.raises(SessionConflict):
        await stranger.ask(0, BEGIN)
    with pytest.raises(SessionUnknown):
        await Elsewhere(elsewhere.world, session_id="never").ask(1, Terminate(0, EndReason.PAYER_ENDED))


async def test_a_call_of_our_own_is_nobody_elses_to_meter(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    await elsewhere.world.call()
    outsider = Elsewhere(elsewhere.world, session_id="call")
    with pytest.raises(SessionConflict):
        await outsider.ask(0, Authorize("room-call", FAN, STAR, 0))
    with pytest.raises(SessionUnknown):
        await outsider.ask(1, Terminate(0, EndReason.PAYER_ENDED))
    with pytest.raises(SessionConflict):
        await Elsewhere(elsewhere.world, session_id="self").ask(0, Authorize(ROOM, FAN, FAN, 0))


@pytest.mark.parametrize("units_ms", [-1, MAX_UNITS_MS + 1, 2**63 - 1, -(2**63)])
def test_counts_that_cannot_be_are_refused(units_ms: int) -> None:
    for build in (
        lambda: Authorize(ROOM, FAN, STAR, units_ms),
        lambda: Update(units_ms, 0),
        lambda: Update(0, units_ms),
        lambda: Terminate(units_ms, EndReason.PAYER_ENDED),
    ):
        with pytest.raises(UnitsInvalid):
            build()


async def test_a_refusal_is_not_kept(world: MoneyWorld) -> None:
    await world.pay_in(1_000)
    elsewhere = Elsewhere(world)
    with pytest.raises(RatesMissing):
        await elsewhere.ask(0, BEGIN)
    await world.priced(300)
    assert (await elsewhere.ask(0, BEGIN)).granted


async def test_whoever_falls_silent_is_settled_at_the_last_report(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.pay_in(1_000)
    await elsewhere.ask(0, BEGIN)
    await elsewhere.ask(1, Update(40_000, 0))
    elsewhere.wait(VALIDITY_MS - 1)
    await elsewhere.control.sweep()
    assert (await world.session("credit")).state is SessionState.ACTIVE
    elsewhere.wait(1)
    with pytest.raises(SessionOver):
        await elsewhere.ask(2, Update(90_000, 0))
    await elsewhere.control.sweep()
    receipt = await world.charging.receipt("credit")
    assert (receipt.billable_ms, receipt.charged_minor, receipt.ended_reason) == (
        40_000,
        200,
        EndReason.CONNECTION_LOST,
    )
    with pytest.raises(SessionOver):
        await elsewhere.ask(2, Update(90_000, 0))


async def test_a_payment_that_fails_ends_the_session_at_once(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    assert not await elsewhere.control.fail(ROOM, FAN)
    await elsewhere.ask(0, BEGIN)
    await elsewhere.ask(1, Update(30_000, 0))
    for _ in range(2):
        assert await elsewhere.control.fail(ROOM, FAN)
        assert (await elsewhere.status()).state is PaymentState.FAILED
    assert (await elsewhere.world.charging.receipt("credit")).charged_minor == 150
    with pytest.raises(SessionOver):
        await elsewhere.ask(2, Update(40_000, 0))


async def test_a_frozen_account_gets_no_credit_and_loses_what_it_had(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.pay_in(1_000)
    await elsewhere.ask(0, BEGIN)
    await elsewhere.ask(1, Update(30_000, 0))
    await world.bus.publish(AccountSuspended(FAN))
    assert (await world.session("credit")).end_reason is EndReason.ADMIN_TERMINATED
    assert (await world.wallet()).balance_minor == 850
    person = {
        "user_id": STAR,
        "email": "",
        "display_name": "",
        "role": "creator",
        "birth_date": "",
        "password_hash": "",
    }
    await world.executor.submit(
        lambda tx, row: tx.execute(users.insert(), row) and None, {**person, "created_at_ms": 0}
    )
    await world.executor.submit(standing.freeze, standing.Freeze(STAR, "by a test", world.clock.now_ms()))
    with pytest.raises(AccountFrozen):
        await Elsewhere(world, session_id="another").ask(0, BEGIN)


@pytest.mark.parametrize(
    ("user_id", "state", "ends"),
    [
        (FAN, DisputeState.OPENED, True),
        (FAN, DisputeState.INQUIRY, False),
        (FAN, DisputeState.WON, False),
        (STAR, DisputeState.OPENED, False),
        ("somebody-else", DisputeState.OPENED, False),
    ],
)
async def test_whoever_wants_money_back_gets_no_more_credit(
    elsewhere: Elsewhere, user_id: str, state: DisputeState, ends: bool
) -> None:
    await elsewhere.world.pay_in(1_000)
    await elsewhere.ask(0, BEGIN)
    await elsewhere.world.bus.publish(DisputeChanged("dispute", "payment", user_id, state, 450, "EUR", ()))
    assert (await elsewhere.status()).state is (PaymentState.FAILED if ends else PaymentState.PAID)


async def test_sessions_metered_elsewhere_outlive_a_crash_and_calls_do_not(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.pay_in(10_000)
    await elsewhere.ask(0, BEGIN)
    await world.call()
    await world.crash()
    assert (await world.session("call")).state in (SessionState.CANCELLED, SessionState.SETTLED)
    assert (await Elsewhere(world).ask(1, Update(45_000, 0))).granted_ms == 90_000


async def test_no_more_sessions_than_the_bound(world: MoneyWorld) -> None:
    world.settings = replace(world.settings, max_sessions=1)
    await world.priced(300)
    await world.pay_in(10_000)
    first = Elsewhere(world, session_id="one")
    await first.ask(0, BEGIN)
    with pytest.raises(TooManySessions):
        await Elsewhere(world, session_id="two").ask(0, BEGIN)
    await first.ask(1, Terminate(0, EndReason.PAYER_ENDED))
    assert (await Elsewhere(world, session_id="two").ask(0, BEGIN)).granted


# ---- what is told of a seat -----------------------------------------------------------------------------------------


async def test_a_live_call_is_paid_for_on_both_seats_and_of_nobody_else(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    await world.pay_in(1_000)
    await world.ring()
    statuses = elsewhere.statuses
    assert (await statuses.of_seat("room-call", FAN)).state is PaymentState.UNKNOWN
    await world.call()
    await world.run(5_000)
    for user_id in (FAN, STAR):
        status = await statuses.of_seat("room-call", user_id)
        assert status.state is PaymentState.PAID
        assert status.granted_ms == 60_000
        assert 4_000 <= status.used_ms <= 5_000
        assert status.paid_until_ms == world.clock.now_ms() + status.granted_ms - status.used_ms
    assert (await statuses.of_seat("room-call", "eve")).state is PaymentState.UNKNOWN


async def test_an_entry_into_a_battle_pays_for_the_seat_and_a_watcher_hears_of_it(elsewhere: Elsewhere) -> None:
    world = elsewhere.world
    told = elsewhere.statuses.watch("arena", FAN)
    assert (await anext(told)).state is PaymentState.UNKNOWN
    entry = NewEntitlement("entry", FAN, Feature.BATTLE_ENTRY, "arena", 0, None, "source", "ref", {})
    await world.executor.submit(access.grant, entry)
    await world.bus.publish(EntitlementGranted(FAN, Feature.BATTLE_ENTRY, "arena", None))
    assert (await anext(told)).state is PaymentState.PAID
    assert (await elsewhere.statuses.of_seat("arena", STAR)).state is PaymentState.UNKNOWN
    await told.aclose()


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (EndReason.PAYMENT_FAILED, PaymentState.FAILED),
        (EndReason.TIME_EXPIRED, PaymentState.EXPIRED),
        (EndReason.HOST_ENDED, PaymentState.EXPIRED),
    ],
)
async def test_a_watcher_hears_the_state_at_once_each_change_and_the_end(
    elsewhere: Elsewhere, reason: EndReason, state: PaymentState
) -> None:
    world = elsewhere.world
    await world.pay_in(1_000)
    await world.call()
    await world.run(2_000)
    told = elsewhere.statuses.watch("room-call", FAN)
    assert (await anext(told)).state is PaymentState.PAID
    await world.end(reason)
    last = [status async for status in told][-1]
    assert (last.state, last.over) == (state, True)


async def test_a_watched_credit_session_tells_of_each_request(elsewhere: Elsewhere) -> None:
    await elsewhere.world.pay_in(1_000)
    told = elsewhere.statuses.watch(ROOM, FAN)
    assert (await anext(told)).state is PaymentState.UNKNOWN
    await elsewhere.ask(0, BEGIN)
    assert (await anext(told)).granted_ms == 60_000
    await elsewhere.ask(1, Update(45_000, 0))
    assert (await anext(told)).granted_ms == 90_000
    await elsewhere.control.fail(ROOM, FAN)
    assert [status.state async for status in told] == [PaymentState.FAILED]


async def test_watchers_are_bounded_and_make_room_when_they_go(elsewhere: Elsewhere) -> None:
    watching = [elsewhere.statuses.watch(ROOM, FAN) for _ in range(2)]
    for told in watching:
        await anext(told)
    with pytest.raises(TooManyWatchers):
        await anext(elsewhere.statuses.watch(ROOM, FAN))
    await watching[0].aclose()
    assert (await anext(elsewhere.statuses.watch(ROOM, FAN))).state is PaymentState.UNKNOWN
    await watching[1].aclose()
