"""What can come between: lost connections, timers, operators, a slow or failing database, crashes."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection

from curtaincall.charging import store
from curtaincall.charging.errors import SessionOver, SessionUnknown, TooManySessions
from curtaincall.charging.events import SessionChanged, SessionEnding, SessionSettled
from curtaincall.charging.live_session import NEWS_LIMIT
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.charging.settlement import SessionBooks
from curtaincall.media.ports import Grant, MediaError, TransportState
from support.money_world import FAN, STAR, MoneyWorld


@pytest.fixture
async def call(world: MoneyWorld) -> MoneyWorld:
    """A call that has been running for 20 s, with money for more."""
    await world.priced(300)
    await world.pay_in(5_000)
    await world.call()
    await world.run(20_000)
    return world


@asynccontextmanager
async def stuck_database(world: MoneyWorld) -> AsyncIterator[None]:
    """Nothing is written while the block lasts."""
    entered, released = threading.Event(), threading.Event()

    def block(_tx: Connection, _command: None) -> None:
        entered.set()
        assert released.wait(timeout=10)

    blocking = asyncio.create_task(world.executor.submit(block, None))
    await asyncio.to_thread(entered.wait)
    try:
        yield
    finally:
        released.set()
        await blocking


# ---- connections ----------------------------------------------------------------------------------------------------


async def test_a_lost_connection_is_not_billed_and_comes_back_under_a_new_epoch(call: MoneyWorld) -> None:
    call.media.transport("room-call", FAN, TransportState.DISCONNECTED)
    await call.run(10_000)
    view = await call.session()
    assert (view.state, view.used_ms, view.paid_until_ms) == (SessionState.PAUSED, 20_000, None)
    assert (await call.wallet()).held_minor == 300
    call.media.transport("room-call", FAN, TransportState.CONNECTED)
    await call.hear_media()
    assert (await call.session()).state is SessionState.ACTIVE
    assert call.media.leases["call"].epoch == 2
    await call.run(5_000)
    assert (await call.end(EndReason.HOST_ENDED)).billable_ms == 25_000


@pytest.mark.parametrize("user_id", [FAN, STAR])
async def test_thirty_seconds_without_a_connection_end_the_call(call: MoneyWorld, user_id: str) -> None:
    call.media.transport("room-call", user_id, TransportState.DISCONNECTED)
    await call.run(29_750)
    assert (await call.session()).state is SessionState.PAUSED
    await call.run(1_000)
    receipt = await call.charging.receipt("call")
    assert (receipt.ended_reason, receipt.charged_minor) == (EndReason.CONNECTION_LOST, 100)


async def test_a_user_whose_socket_died_must_rejoin(call: MoneyWorld) -> None:
    await call.charging.left("call", STAR)
    assert not call.media.leases["call"].open
    await call.run(5_000)
    assert (await call.session()).state is SessionState.PAUSED
    await call.charging.joined("call", STAR)
    assert call.media.leases["call"].open
    await call.run(1_000)
    assert (await call.session()).used_ms == 21_000


async def test_a_lapsed_lease_is_not_an_end(call: MoneyWorld) -> None:
    call.renewals_fail = True
    await call.run(6_000)
    used_ms = (await call.session()).used_ms
    assert 23_000 <= used_ms <= 25_000
    assert not call.media.leases["call"].open
    assert (await call.session()).state is SessionState.ACTIVE
    call.renewals_fail = False
    await call.run(2_000)
    assert call.media.leases["call"].open


# ---- never live -----------------------------------------------------------------------------------------------------


async def test_a_request_that_nobody_answers_is_cancelled(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    view = await world.ring()
    assert view.expires_at_ms == world.clock.now_ms() + 60_000
    await world.run(60_000)
    view = await world.session()
    assert (view.state, view.end_reason) == (SessionState.CANCELLED, EndReason.RING_TIMEOUT)
    with pytest.raises(SessionOver):
        await world.charging.accept("call")


async def test_a_declined_request_is_rejected(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    for _ in range(2):
        view = await world.charging.decline("call")
        assert (view.state, view.end_reason) == (SessionState.REJECTED, EndReason.DECLINED)
    assert [event.view.state for event in world.told(SessionChanged)] == [SessionState.REJECTED]  # type: ignore[attr-defined]


async def test_media_that_never_arrives_costs_nothing(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    world.media.sending = False
    await world.call()
    await world.run(30_500)
    assert (await world.session()).state is SessionState.CANCELLED
    wallet = await world.wallet()
    assert (wallet.balance_minor, wallet.held_minor) == (1_000, 0)
    assert world.media.leases["call"].closed
    assert [event.reason for event in world.told(SessionEnding)] == [EndReason.CONNECTION_LOST]  # type: ignore[attr-defined]


async def test_a_call_ended_while_it_connects_costs_nothing(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    await world.charging.accept("call")
    view = await world.charging.end("call", EndReason.PAYER_ENDED)
    assert (view.state, view.end_reason) == (SessionState.CANCELLED, EndReason.PAYER_ENDED)
    assert (await world.wallet()).available_minor == 1_000


async def test_a_call_ended_while_its_hold_is_placed_costs_nothing(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    async with stuck_database(world):
        accepting = asyncio.create_task(world.charging.accept("call"))
        await asyncio.sleep(0)
        cancelling = asyncio.create_task(world.charging.cancel("call"))
        await asyncio.sleep(0)
    assert (await cancelling).state is SessionState.CANCELLED
    with pytest.raises(SessionOver):
        await accepting
    assert (await world.wallet()).available_minor == 1_000
    assert (await world.books()).ok


async def test_a_media_engine_that_refuses_the_lease_cancels_the_call(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    await world.media.close_room("room-call")
    with pytest.raises(MediaError):
        await world.charging.accept("call")
    assert (await world.session()).state is SessionState.CANCELLED
    assert (await world.wallet()).held_minor == 0


# ---- the cut --------------------------------------------------------------------------------------------------------


async def test_a_revocation_reaches_media_although_the_database_is_stuck(call: MoneyWorld) -> None:
    async with stuck_database(call):
        call.charging.revoke("call", EndReason.PAYMENT_FAILED)
        assert not call.media.leases["call"].open  # and nothing was awaited
    await call.hear_media()
    receipt = await call.charging.receipt("call")
    assert (receipt.ended_reason, receipt.charged_minor) == (EndReason.PAYMENT_FAILED, 100)


async def test_the_first_reason_counts(call: MoneyWorld) -> None:
    call.charging.revoke("call", EndReason.PAYMENT_FAILED)
    call.charging.revoke("call", EndReason.PAYER_ENDED)
    assert (await call.end(EndReason.HOST_ENDED)).ended_reason is EndReason.PAYMENT_FAILED


async def test_no_grant_follows_a_revocation(call: MoneyWorld) -> None:
    async with stuck_database(call):
        renewing = asyncio.create_task(call.charging.renew_leases())
        await asyncio.sleep(0)
        call.charging.revoke("call", EndReason.ADMIN_TERMINATED)
        call.media.commands.clear()
    await renewing
    assert not [command for command in call.media.commands if isinstance(command, Grant)]


async def test_meters_that_cannot_be_made_durable_extend_no_lease(
    call: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_tx: Connection, _meters: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(store, "save_meters", full_disk)
    call.media.commands.clear()
    with pytest.raises(OSError, match="disk full"):
        await call.charging.renew_leases()
    assert call.media.commands == []


async def test_a_renewal_that_fails_leaves_what_was_paid_and_is_asked_for_again(
    call: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = SessionBooks.renew

    def broken(*_arguments: object) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(SessionBooks, "renew", broken)
    await call.run(30_000)
    view = await call.session()
    assert (view.granted_ms, view.used_ms) == (60_000, 50_000)
    monkeypatch.setattr(SessionBooks, "renew", working)
    await call.run(2_000)
    assert (await call.session()).granted_ms == 90_000


async def test_a_renewal_that_never_comes_ends_the_call_when_the_quota_does(
    call: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(SessionBooks, "renew", broken)
    await call.run(45_000)
    receipt = await call.charging.receipt("call")
    assert (receipt.ended_reason, receipt.charged_minor) == (EndReason.TIME_EXPIRED, 300)


async def test_a_settlement_that_fails_is_tried_again(call: MoneyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    working = SessionBooks.settle

    def broken(*_arguments: object) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(SessionBooks, "settle", broken)
    call.charging.revoke("call", EndReason.HOST_ENDED)
    await call.run(3_000)
    assert (await call.session()).state is SessionState.ENDING
    monkeypatch.setattr(SessionBooks, "settle", working)
    await call.run(1_500)
    assert (await call.charging.receipt("call")).charged_minor == 100


async def test_a_final_reading_that_never_comes_is_waited_for_two_seconds(call: MoneyWorld) -> None:
    call.media.silent = True
    call.charging.revoke("call", EndReason.HOST_ENDED)
    await call.run(1_750)
    assert (await call.session()).state is SessionState.ENDING
    await call.run(500)
    assert (await call.session()).state is SessionState.SETTLED


async def test_a_listener_may_end_the_call_that_is_ending(call: MoneyWorld) -> None:
    ended: list[SessionState] = []

    async def end_too(event: SessionEnding) -> None:
        ended.append((await call.charging.end(event.view.session_id, EndReason.HOST_ENDED)).state)

    call.bus.subscribe(SessionEnding, end_too)
    call.charging.revoke("call", EndReason.PAYER_ENDED)
    for event in await call.media.events(0, 10):
        await call.bus.publish(event)
    await call.charging.quiesce()
    assert ended == [SessionState.SETTLED]


# ---- stop and crash -------------------------------------------------------------------------------------------------


async def test_a_graceful_stop_settles_every_call(call: MoneyWorld) -> None:
    await call.ring("ringing")
    stopping = asyncio.create_task(call.charging.stop())
    await asyncio.sleep(0)
    for event in await call.media.events(0, 10):
        await call.bus.publish(event)
    await stopping
    receipt = await call.charging.receipt("call")
    assert (receipt.ended_reason, receipt.charged_minor) == (EndReason.ADMIN_TERMINATED, 100)
    assert (await call.session("ringing")).state is SessionState.CANCELLED
    assert [type(event) for event in call.told(SessionSettled)] == [SessionSettled]
    with pytest.raises(TooManySessions):
        await call.ring("late")


async def test_a_crash_charges_the_durable_meter_at_most_and_voids_the_rest(call: MoneyWorld) -> None:
    await call.run(1_500)
    delivered_ms = call.media.billable_ms("call")
    await call.crash()
    receipt = await call.charging.receipt("call")
    assert delivered_ms - 2_000 <= receipt.billable_ms <= delivered_ms
    assert receipt.charged_minor == -(-receipt.billable_ms // 1_000) * 5
    assert [entry.event for entry in receipt.timeline][-2:] == ["CRASH_RECOVERED", "SETTLED"]
    assert (await call.wallet()).held_minor == 0
    books = await call.books()
    assert (books.ok, books.open_holds) == (True, 0)


async def test_calls_that_run_together_are_renewed_together_and_crash_together(world: MoneyWorld) -> None:
    await world.priced(300)
    await world.pay_in(5_000)
    names = [f"call-{number}" for number in range(3)]
    for name in names:
        await world.call(name)
    await world.run(70_000)
    for name in names:
        assert world.media.leases[name].open
        assert (await world.session(name)).used_ms == 70_000
    await world.crash()
    for name in names:
        receipt = await world.charging.receipt(name)
        assert 68_000 <= receipt.billable_ms <= 70_000
    assert (await world.wallet()).held_minor == 0


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_crash_before_the_first_packet_costs_nothing(world: MoneyWorld, accepted: bool) -> None:
    await world.priced(300)
    await world.pay_in(1_000)
    await world.ring()
    if accepted:
        await world.charging.accept("call")
    await world.crash()
    assert (await world.session()).state is SessionState.CANCELLED
    assert (await world.wallet()).available_minor == 1_000


async def test_a_crash_does_not_apply_the_minimum_to_a_payer_who_was_leaving(call: MoneyWorld) -> None:
    call.charging.revoke("call", EndReason.PAYER_ENDED)
    await call.charging.quiesce()  # the end is on record, the settlement is not
    await call.crash()
    receipt = await call.charging.receipt("call")
    assert (receipt.ended_reason, receipt.charged_minor) == (EndReason.PAYER_ENDED, 100)


async def test_what_is_not_known_is_said_to_be_unknown(world: MoneyWorld) -> None:
    with pytest.raises(SessionUnknown):
        await world.charging.end("nothing", EndReason.HOST_ENDED)
    world.charging.revoke("nothing", EndReason.PAYMENT_FAILED)
    assert world.charging.session_in_room("nowhere") is None


# ---- slow listeners -------------------------------------------------------------------------------------------------


async def test_however_slow_the_listeners_the_end_is_told(call: MoneyWorld) -> None:
    go_on = asyncio.Event()

    async def listen_slowly(_: SessionChanged) -> None:
        await go_on.wait()

    call.bus.subscribe(SessionChanged, listen_slowly)
    for _ in range(2 * NEWS_LIMIT):
        await call.charging.left("call", FAN)
        await call.charging.joined("call", FAN)
    call.charging.revoke("call", EndReason.HOST_ENDED)
    assert call.told(SessionEnding) == []
    go_on.set()
    await call.hear_media()
    await call.charging.end("call", EndReason.HOST_ENDED)
    await call.charging.quiesce()
    assert len(call.told(SessionEnding)) == len(call.told(SessionSettled)) == 1
    assert len(call.told(SessionChanged)) < 2 * NEWS_LIMIT
