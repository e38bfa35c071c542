"""A private call: two people, one room, and what each of them may do when."""

import asyncio
import sqlite3
from typing import NoReturn

import pytest
from sqlalchemy.exc import OperationalError

from curtaincall.charging import store
from curtaincall.charging.errors import PaymentRequired
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.rooms.calls import MAX_OPEN_CALLS, CallRequested
from curtaincall.rooms.errors import CallNotAccepted, CallUnknown, NotInvited, RoomEnded, TooManyCalls
from support.platform_world import PlatformWorld


async def test_the_creator_hears_of_the_call_once_its_room_is_there(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    assert world.told(CallRequested) == [CallRequested(view, fan)]
    assert (await world.rooms.room(view.room_id)).record.call_id == view.session_id


async def test_nobody_enters_before_the_call_is_accepted(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    for user in (fan, creator):
        with pytest.raises(CallNotAccepted):
            await world.rooms.take_seat(view.room_id, user.user_id, user.display_name)


async def test_nobody_else_enters_at_all(world: PlatformWorld) -> None:
    call = await world.live_call()
    with pytest.raises(NotInvited):
        await world.rooms.take_seat(call.room_id, "stranger", "Stranger")


async def test_both_seats_hang_on_the_lease_of_the_session(world: PlatformWorld) -> None:
    call = await world.live_call()
    assert set(world.media.seats.values()) == {call.call_id}
    assert world.media.unpaid == {}
    assert (await world.calls.view(call.call_id, call.fan.user_id)).state is SessionState.ACTIVE


async def test_only_a_creator_can_be_called_and_nobody_calls_themselves(world: PlatformWorld) -> None:
    fan, creator, other = await world.fan(), await world.creator(), await world.fan("other", 0)
    for callee in (other.user_id, "nobody"):
        with pytest.raises(CallUnknown):
            await world.calls.request(fan.user_id, callee)
    with pytest.raises(CallUnknown):
        await world.calls.request(creator.user_id, creator.user_id)


async def test_without_money_nothing_rings_and_no_room_is_left_behind(world: PlatformWorld) -> None:
    fan, creator = await world.fan(balance_minor=0), await world.creator()
    with pytest.raises(PaymentRequired):
        await world.calls.request(fan.user_id, creator.user_id)
    assert world.rooms.open_calls_of(fan.user_id) == 0


async def test_a_strangers_eyes_see_no_call(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    for use_case in (world.calls.view, world.calls.accept, world.calls.decline, world.calls.end, world.calls.receipt):
        with pytest.raises(CallUnknown):
            await use_case(view.session_id, "stranger")


async def test_the_fan_may_not_accept_or_decline_their_own_call(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    for use_case in (world.calls.accept, world.calls.decline):
        with pytest.raises(NotInvited):
            await use_case(view.session_id, fan.user_id)


async def test_a_declined_call_is_rejected_and_its_room_is_over(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    declined = await world.calls.decline(view.session_id, creator.user_id)
    await world.hear_media()
    assert declined.state is SessionState.REJECTED
    with pytest.raises(RoomEnded):
        await world.rooms.take_seat(view.room_id, fan.user_id, "Fan")


async def test_hanging_up_while_it_rings_cancels(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    assert (await world.calls.end(view.session_id, fan.user_id)).state is SessionState.CANCELLED


async def test_a_call_that_nobody_answers_ends_with_its_room(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    await world.run(61_000)
    assert (await world.calls.view(view.session_id, fan.user_id)).end_reason is EndReason.RING_TIMEOUT
    assert world.rooms.open_calls_of(fan.user_id) == 0


async def test_a_fan_has_so_many_calls_open_and_no_more(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    for _ in range(MAX_OPEN_CALLS):
        await world.calls.request(fan.user_id, creator.user_id)
    with pytest.raises(TooManyCalls):
        await world.calls.request(fan.user_id, creator.user_id)


async def test_nobody_enters_from_the_moment_of_the_end(world: PlatformWorld) -> None:
    call = await world.live_call()
    world.charging.revoke(call.call_id, EndReason.TIME_EXPIRED)  # and nobody above charging has heard of it yet
    with pytest.raises(RoomEnded):
        await world.rooms.take_seat(call.room_id, call.fan.user_id, "Fan")
    await world.hear_media()


async def test_requests_that_come_all_at_once_are_counted_too(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    requests = (world.calls.request(fan.user_id, creator.user_id) for _ in range(2 * MAX_OPEN_CALLS))
    answers = await asyncio.gather(*requests, return_exceptions=True)
    assert sum(isinstance(answer, TooManyCalls) for answer in answers) == MAX_OPEN_CALLS
    assert world.rooms.open_calls_of(fan.user_id) == MAX_OPEN_CALLS


@pytest.mark.parametrize("side", ["fan", "creator"])
async def test_either_side_ends_the_call_for_both(world: PlatformWorld, side: str) -> None:
    call = await world.live_call()
    user = call.fan if side == "fan" else call.creator
    reason = EndReason.PAYER_ENDED if side == "fan" else EndReason.HOST_ENDED
    world.charging.revoke(call.call_id, reason)
    await world.hear_media()
    view = await world.calls.end(call.call_id, user.user_id)
    assert (view.state, view.end_reason) == (SessionState.SETTLED, reason)
    assert call.fan_line.terminated == call.creator_line.terminated == (reason.value, "/models")
    assert world.media.rooms == set()


async def test_the_engine_forgets_a_call_also_when_its_receipt_cannot_be_read(
    world: PlatformWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await world.live_call()

    def fail(*_: object) -> NoReturn:
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))

    with monkeypatch.context() as broken:
        broken.setattr(store, "receipt", fail)
        world.charging.revoke(call.call_id, EndReason.HOST_ENDED)
        await world.hear_media()
    assert (await world.calls.view(call.call_id, call.fan.user_id)).state is SessionState.SETTLED
    assert world.media.rooms == set()


async def test_the_room_of_a_crashed_call_is_over(world: PlatformWorld) -> None:
    call = await world.live_call()
    await world.crash()
    with pytest.raises(RoomEnded):
        await world.rooms.take_seat(call.room_id, call.fan.user_id, "Fan")
    assert (await world.calls.view(call.call_id, call.fan.user_id)).state is SessionState.SETTLED


async def test_time_that_is_spent_darkens_the_call_and_tells_both(world: PlatformWorld) -> None:
    call = await world.live_call()
    await world.run(200_000)  # 10.00 buys 200 s at 3.00 a minute
    assert call.fan_line.terminated == call.creator_line.terminated == ("TIME_EXPIRED", "/models")
    assert world.media.billable_ms(call.call_id) == 200_000
    assert (await world.wallet(call.fan.user_id)).balance_minor == 0
