"""A block: neither calls the other any more, and what they have open together ends."""

import pytest

from curtaincall.accounts.blocks import MAX_REPORTS_A_DAY
from curtaincall.accounts.errors import TooManyReports, UserUnknown
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.rooms.errors import Blocked
from support.platform_world import PlatformWorld


@pytest.mark.parametrize("by_creator", [True, False])
async def test_neither_of_the_two_can_ring_the_other(world: PlatformWorld, by_creator: bool) -> None:
    fan, creator = await world.fan(), await world.creator()
    blocker, blocked = (creator, fan) if by_creator else (fan, creator)
    await world.blocks.block(blocker.user_id, blocked.user_id)
    with pytest.raises(Blocked):
        await world.calls.request(fan.user_id, creator.user_id)


async def test_a_call_that_rings_cannot_be_accepted_after_a_block(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    view = await world.calls.request(fan.user_id, creator.user_id)
    await world.blocks.block(creator.user_id, fan.user_id)
    await world.hear_media()
    assert (await world.calls.view(view.session_id, fan.user_id)).state is SessionState.CANCELLED


@pytest.mark.parametrize(("by_creator", "reason"), [(True, EndReason.HOST_ENDED), (False, EndReason.PAYER_ENDED)])
async def test_blocking_the_other_side_ends_the_call(world: PlatformWorld, by_creator: bool, reason: EndReason) -> None:
    call = await world.live_call()
    await world.run(12_000)
    blocker, blocked = (call.creator, call.fan) if by_creator else (call.fan, call.creator)
    await world.blocks.block(blocker.user_id, blocked.user_id)
    await world.hear_media()
    view = await world.calls.view(call.call_id, call.fan.user_id)
    assert (view.state, view.end_reason) == (SessionState.SETTLED, reason)


async def test_others_are_not_touched(world: PlatformWorld) -> None:
    fan, creator, other = await world.fan(), await world.creator(), await world.fan("other")
    await world.blocks.block(creator.user_id, other.user_id)
    assert (await world.calls.request(fan.user_id, creator.user_id)).state is SessionState.REQUESTED


async def test_a_block_can_be_taken_back(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    await world.blocks.block(creator.user_id, fan.user_id)
    assert list(await world.blocks.blocked_by(creator.user_id)) == [fan.user_id]
    assert await world.blocks.blocked_by(fan.user_id) == {}
    await world.blocks.unblock(creator.user_id, fan.user_id)
    assert (await world.calls.request(fan.user_id, creator.user_id)).state is SessionState.REQUESTED


async def test_nobody_blocks_or_reports_themselves_or_a_stranger(world: PlatformWorld) -> None:
    fan = await world.fan()
    for other in (fan.user_id, "nobody"):
        with pytest.raises(UserUnknown):
            await world.blocks.block(fan.user_id, other)
        with pytest.raises(UserUnknown):
            await world.blocks.report(fan.user_id, other, None, "other", "")


async def test_reports_are_bounded(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    for _ in range(MAX_REPORTS_A_DAY):
        await world.blocks.report(fan.user_id, creator.user_id, "room", "fraud", "It was not live.")
    with pytest.raises(TooManyReports):
        await world.blocks.report(fan.user_id, creator.user_id, "room", "fraud", "Again.")
