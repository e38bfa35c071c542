"""A conference: who gets a seat, who does not, and what becomes of seats."""

import asyncio

import pytest

from curtaincall.charging.model import EndReason
from curtaincall.rooms import service
from curtaincall.rooms.errors import (
    CapacityTooLarge,
    KindUnavailable,
    Removed,
    RoomEnded,
    RoomExists,
    RoomFull,
    RoomUnknown,
    TooManyRooms,
    TooManyRoomsOfHost,
)
from curtaincall.rooms.events import ParticipantJoined, ParticipantLeft, RoomClosed
from curtaincall.rooms.model import NewRoom, Room, RoomKind, SeatRole
from support.platform_world import GRACE_US, PlatformWorld


async def test_a_seat_is_opened_under_a_lease_of_its_own(world: PlatformWorld) -> None:
    await world.conference()
    _, ann = await world.rooms.take_seat("room", "ann", "Ann")
    _, bob = await world.rooms.take_seat("room", "bob", "Bob")
    assert world.media.seats == {("room", "ann"): ann.lease_id, ("room", "bob"): bob.lease_id}
    assert ann.lease_id != bob.lease_id
    assert world.media.unpaid == {ann.lease_id: 1, bob.lease_id: 1}


async def test_the_maker_is_the_host(world: PlatformWorld) -> None:
    await world.rooms.create(NewRoom(RoomKind.CONFERENCE, "room", "Talk", "star", None))
    _, star = await world.rooms.take_seat("room", "star", "Star")
    _, ann = await world.rooms.take_seat("room", "ann", "Ann")
    assert (star.role, ann.role) == (SeatRole.HOST, SeatRole.PARTICIPANT)


async def test_the_twenty_first_participant_is_refused_and_a_free_seat_is_taken_again(world: PlatformWorld) -> None:
    await world.conference()
    for number in range(20):
        await world.rooms.take_seat("room", f"user-{number}", "User")
    with pytest.raises(RoomFull):
        await world.rooms.take_seat("room", "one-too-many", "User")
    await world.rooms.leave("room", "user-7")
    await world.rooms.take_seat("room", "one-too-many", "User")


async def test_a_second_connection_takes_the_seat_over(world: PlatformWorld) -> None:
    await world.conference(capacity=2)
    _, first = await world.rooms.take_seat("room", "ann", "Ann")
    await world.rooms.take_seat("room", "bob", "Bob")
    _, again = await world.rooms.take_seat("room", "ann", "Ann")
    assert again is first
    assert len(world.told(ParticipantJoined)) == 2


async def test_leaving_closes_seat_and_lease_and_the_last_one_closes_the_room(world: PlatformWorld) -> None:
    await world.conference()
    await world.rooms.take_seat("room", "ann", "Ann")
    await world.rooms.leave("room", "ann")
    await world.rooms.leave("room", "ann")
    assert (world.media.seats, world.media.unpaid, world.media.rooms) == ({}, {}, set())
    assert world.told(ParticipantLeft) == [ParticipantLeft("room", "ann", "LEFT")]


async def test_unpaid_leases_are_renewed_with_newer_grants(world: PlatformWorld) -> None:
    await world.conference()
    _, seat = await world.rooms.take_seat("room", "ann", "Ann")
    world.rooms.renew_unpaid_leases()
    world.rooms.renew_unpaid_leases()
    assert world.media.unpaid == {seat.lease_id: 3}


async def test_a_lost_socket_keeps_its_seat_for_the_grace_and_no_longer(world: PlatformWorld) -> None:
    await world.conference()
    await world.rooms.take_seat("room", "ann", "Ann")
    await world.rooms.lost("room", "ann")
    world.clock.advance_us(GRACE_US - 1)
    await world.rooms.sweep()
    assert ("room", "ann") in world.media.seats
    world.clock.advance_us(1)
    await world.rooms.sweep()
    assert ("room", "ann") not in world.media.seats
    assert world.told(ParticipantLeft) == [ParticipantLeft("room", "ann", "CONNECTION_LOST")]


async def test_coming_back_within_the_grace_keeps_the_seat(world: PlatformWorld) -> None:
    await world.conference()
    _, before = await world.rooms.take_seat("room", "ann", "Ann")
    await world.rooms.lost("room", "ann")
    _, after = await world.rooms.take_seat("room", "ann", "Ann")
    world.clock.advance_us(2 * GRACE_US)
    await world.rooms.sweep()
    assert after is before
    assert ("room", "ann") in world.media.seats


async def test_coming_back_at_the_very_end_of_the_grace_keeps_the_seat(world: PlatformWorld) -> None:
    room = await world.conference()
    await world.join("room", "ann")
    await world.rooms.lost("room", "ann")
    world.clock.advance_us(GRACE_US)
    async with room.changing:
        back = asyncio.create_task(world.rooms.take_seat("room", "ann", "Ann"))
        await asyncio.sleep(0)
        sweeping = asyncio.create_task(world.rooms.sweep())
        await asyncio.sleep(0)
    await asyncio.gather(back, sweeping)
    assert "ann" in room.seats
    assert ("room", "ann") in world.media.seats


async def test_a_removed_participant_is_refused_until_the_room_ends_also_after_a_restart(world: PlatformWorld) -> None:
    await world.conference()
    await world.rooms.take_seat("room", "ann", "Ann")
    world.rooms.cut("room", "ann", "ADMIN_TERMINATED")
    with pytest.raises(Removed):
        await world.rooms.take_seat("room", "ann", "Ann")
    await world.rooms.record_removal("room", "ann", "ADMIN_TERMINATED")
    await world.crash()
    with pytest.raises(Removed):
        await world.rooms.take_seat("room", "ann", "Ann")
    await world.rooms.take_seat("room", "bob", "Bob")


async def test_somebody_removed_while_being_seated_is_cut_again(world: PlatformWorld) -> None:
    await world.conference()
    world.media.while_opening = lambda: world.rooms.cut("room", "ann", "PAYMENT_FAILED")
    with pytest.raises(Removed):
        await world.rooms.take_seat("room", "ann", "Ann")
    assert world.media.said.count("cut ann") == 2


async def test_an_ended_room_stays_ended_and_tells_everybody_once_the_media_has_stopped(world: PlatformWorld) -> None:
    await world.conference()
    _, seat = await world.rooms.take_seat("room", "ann", "Ann")
    line = world.line("room", "ann")
    await world.rooms.end("room", EndReason.HOST_ENDED)
    assert world.media.said[-2:] == [f"revoke {seat.lease_id}", "tell ann HOST_ENDED"]
    assert line.terminated == ("HOST_ENDED", "/models")
    assert isinstance(world.told(RoomClosed)[0], RoomClosed)
    for _ in range(2):
        with pytest.raises(RoomEnded):
            await world.rooms.take_seat("room", "ann", "Ann")
        await world.crash()


async def test_room_ids_are_never_used_twice(world: PlatformWorld) -> None:
    await world.conference()
    await world.rooms.end("room", EndReason.HOST_ENDED)
    with pytest.raises(RoomExists):
        await world.conference()


async def test_an_unknown_room_is_unknown(world: PlatformWorld) -> None:
    with pytest.raises(RoomUnknown):
        await world.rooms.take_seat("nowhere", "ann", "Ann")


async def test_a_room_holds_no_more_than_the_settings_allow(world: PlatformWorld) -> None:
    with pytest.raises(CapacityTooLarge):
        await world.conference(capacity=21)


async def test_one_creator_cannot_take_all_rooms_nor_any_from_the_calls(
    world: PlatformWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_ROOMS_OF_HOST", 2)
    monkeypatch.setattr(service, "MAX_OPEN_ROOMS", 3)
    rooms = [NewRoom(RoomKind.CONFERENCE, None, None, "star", None) for _ in range(4)]
    made = await asyncio.gather(*(world.rooms.create(room) for room in rooms), return_exceptions=True)
    assert [type(room) for room in made] == [Room, Room, TooManyRoomsOfHost, TooManyRoomsOfHost]
    await world.conference()
    with pytest.raises(TooManyRooms):
        await world.conference("another")
    await world.live_call()


async def test_private_calls_are_not_made_as_rooms(world: PlatformWorld) -> None:
    with pytest.raises(KindUnavailable):
        await world.rooms.create(NewRoom(RoomKind.PRIVATE_CALL, "room", None, "star", None))
