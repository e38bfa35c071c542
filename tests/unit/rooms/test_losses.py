"""A room whose media node is gone."""

import asyncio

from curtaincall.charging.model import EndReason, SessionState
from curtaincall.media.ports import MediaError, RoomLost
from curtaincall.rooms.events import ParticipantLeft
from support.platform_world import PlatformWorld


async def lose(world: PlatformWorld, room_id: str) -> None:
    await world.bus.publish(RoomLost(number=1, at_us=world.clock.monotonic_us(), room_id=room_id))


async def test_everybody_in_a_conference_is_hung_up_on_and_may_come_back(world: PlatformWorld) -> None:
    room = await world.conference()
    lines = [await world.join("room", user) for user in ("ann", "bob")]
    await lose(world, "room")
    for line in lines:
        assert isinstance(line.dismissed, MediaError)
        assert (line.dismissed.refusal, line.terminated) == ("media_unavailable", None)
    assert (room.seats, room.media_open, room.end_reason) == ({}, False, None)
    left = world.told(ParticipantLeft)
    assert left == [ParticipantLeft("room", user, "CONNECTION_LOST") for user in ("ann", "bob")]
    again = await world.join("room", "ann")
    assert (list(room.seats), room.media_open, again.dismissed) == (["ann"], True, None)


async def test_a_call_without_a_lease_yet_is_over_and_gives_its_hold_back(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    await world.calls.accept(view.session_id, creator.user_id)
    await lose(world, view.room_id)
    await asyncio.gather(world.charging.end(view.session_id, EndReason.PAYER_ENDED))
    ended = await world.calls.view(view.session_id, fan.user_id)
    assert (ended.state, ended.end_reason) == (SessionState.CANCELLED, EndReason.CONNECTION_LOST)


async def test_a_room_that_is_unknown_or_lost_twice_is_no_matter(world: PlatformWorld) -> None:
    await world.conference()
    await lose(world, "nowhere")
    await lose(world, "room")
    await lose(world, "room")
    await world.join("room", "ann")
