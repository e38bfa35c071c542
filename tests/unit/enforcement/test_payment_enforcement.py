"""The stream stops first, then the people are told, then it is written down."""

import asyncio

import pytest

from curtaincall.charging.model import EndReason, SessionState
from curtaincall.enforcement.errors import SeatUnknown
from curtaincall.rooms.errors import RoomUnknown
from curtaincall.storage.errors import StorageClosed
from support.platform_world import PlatformWorld


async def terminate(
    world: PlatformWorld, room_id: str, user_id: str, reason: EndReason, asked_by: str | None = None
) -> None:
    """As a request does it, with the media events coming in meanwhile."""
    ending = asyncio.create_task(world.enforcement.handle_payment_failure(room_id, user_id, reason, asked_by=asked_by))
    while not ending.done():
        await world.hear_media()
        await asyncio.sleep(0)
    await ending


async def test_the_packet_path_hears_before_anything_is_awaited(world: PlatformWorld) -> None:
    call = await world.live_call()
    world.media.said.clear()
    ending = world.enforcement.handle_payment_failure(call.room_id, call.fan.user_id, EndReason.PAYMENT_FAILED)
    ending.send(None)  # run to the first await and no further
    assert world.media.said[0] == f"revoke {call.call_id}"
    assert not world.media.leases[call.call_id].open
    assert call.fan_line.terminated == ("PAYMENT_FAILED", "/models")
    ending.close()


async def test_people_are_told_after_the_cut_in_a_call_and_in_a_conference(world: PlatformWorld) -> None:
    call = await world.live_call()
    world.media.said.clear()
    await terminate(world, call.room_id, call.fan.user_id, EndReason.PAYMENT_FAILED)
    first_told = min(world.media.said.index(f"tell {user.user_id} PAYMENT_FAILED") for user in (call.fan, call.creator))
    assert f"revoke {call.call_id}" in world.media.said[:first_told]
    await world.conference()
    await world.join("room", "ann")
    world.media.said.clear()
    await terminate(world, "room", "ann", EndReason.PAYMENT_FAILED)
    assert world.media.said[:2] == ["cut ann", "tell ann PAYMENT_FAILED"]


async def test_a_database_that_is_gone_stops_neither_the_cut_nor_the_message(world: PlatformWorld) -> None:
    await world.conference()
    line = await world.join("room", "ann")
    await world.executor.close()
    with pytest.raises(StorageClosed):
        await world.enforcement.handle_payment_failure("room", "ann", EndReason.PAYMENT_FAILED)
    assert ("room", "ann") in world.media.cut
    assert line.terminated == ("PAYMENT_FAILED", "/models")
    await world.crash()  # and the books, on the database that is back, are as they were
    await world.crash()  # the database comes back with the next start


async def test_whoever_is_removed_hears_no_more_and_frees_the_seat_without_a_database_too(world: PlatformWorld) -> None:
    room = await world.conference()
    ann, bob = await world.join("room", "ann"), await world.join("room", "bob")
    await world.executor.close()
    with pytest.raises(StorageClosed):
        await world.enforcement.handle_payment_failure("room", "ann", EndReason.PAYMENT_FAILED)
    assert ann.terminated == ("PAYMENT_FAILED", "/models")
    assert world.enforcement.connections_in("room") == {"bob": bob}
    assert list(room.seats) == ["bob"]
    await world.crash()


@pytest.mark.parametrize("side", ["fan", "creator"])
@pytest.mark.parametrize("reason", [EndReason.PAYMENT_FAILED, EndReason.TIME_EXPIRED, EndReason.ADMIN_TERMINATED])
async def test_either_seat_ends_the_private_call_for_both(world: PlatformWorld, side: str, reason: EndReason) -> None:
    call = await world.live_call()
    user = call.fan if side == "fan" else call.creator
    await terminate(world, call.room_id, user.user_id, reason)
    assert call.fan_line.terminated == call.creator_line.terminated == (reason.value, "/models")
    view = await world.calls.view(call.call_id, call.fan.user_id)
    assert (view.state, view.end_reason) == (SessionState.SETTLED, reason)


@pytest.mark.parametrize("reason", [EndReason.PAYMENT_FAILED, EndReason.TIME_EXPIRED])
async def test_the_word_of_either_side_does_not_decide_about_the_minimum(
    world: PlatformWorld, reason: EndReason
) -> None:
    charged_minor = {}
    for side in ("fan", "creator"):
        call = await world.live_call(side)
        await world.run(29_000)
        user = call.fan if side == "fan" else call.creator
        await terminate(world, call.room_id, user.user_id, reason, asked_by=user.user_id)
        receipt = await world.charging.receipt(call.call_id)
        assert receipt.ended_reason is reason
        charged_minor[side] = receipt.charged_minor
    assert charged_minor == {"fan": 300, "creator": 150}


async def test_a_conference_goes_on_without_the_one_who_was_removed(world: PlatformWorld) -> None:
    await world.conference()
    ann, bob = await world.join("room", "ann"), await world.join("room", "bob")
    await terminate(world, "room", "ann", EndReason.PAYMENT_FAILED)
    assert ann.terminated is not None
    assert bob.terminated is None
    assert ("room", "bob") in world.media.seats


async def test_the_first_reason_stands_and_repeats_change_nothing(world: PlatformWorld) -> None:
    call = await world.live_call()
    await terminate(world, call.room_id, call.fan.user_id, EndReason.PAYMENT_FAILED)
    await terminate(world, call.room_id, call.creator.user_id, EndReason.TIME_EXPIRED)
    assert (await world.calls.view(call.call_id, call.fan.user_id)).end_reason is EndReason.PAYMENT_FAILED
    assert call.fan_line.terminated == ("PAYMENT_FAILED", "/models")
    await world.crash()
    await terminate(world, call.room_id, call.fan.user_id, EndReason.TIME_EXPIRED)


async def test_somebody_who_left_can_still_be_kept_out(world: PlatformWorld) -> None:
    await world.conference()
    await world.join("room", "ann")
    await world.rooms.leave("room", "ann")
    await terminate(world, "room", "ann", EndReason.PAYMENT_FAILED)
    assert "ann" in (await world.rooms.room("room")).removed


async def test_a_seat_that_never_was_is_unknown(world: PlatformWorld) -> None:
    await world.conference()
    with pytest.raises(SeatUnknown):
        await world.enforcement.handle_payment_failure("room", "nobody", EndReason.PAYMENT_FAILED)
    with pytest.raises(RoomUnknown):
        await world.enforcement.handle_payment_failure("nowhere", "ann", EndReason.PAYMENT_FAILED)


async def test_a_second_connection_replaces_the_first(world: PlatformWorld) -> None:
    await world.conference()
    first = await world.join("room", "ann")
    second = await world.join("room", "ann")
    assert first.terminated == ("REPLACED", None)
    assert second.terminated is None
    assert not world.enforcement.unregister_connection("room", "ann", first)
    assert world.enforcement.connection("room", "ann") is second
    assert world.enforcement.unregister_connection("room", "ann")
    assert world.enforcement.connections_in("room") == {}
