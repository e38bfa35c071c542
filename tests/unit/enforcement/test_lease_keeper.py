"""The loops that keep leases alive go on beating, whatever happens in a round."""

import asyncio

from curtaincall.enforcement.leases import LeaseKeeper
from curtaincall.observability.metrics import Metrics
from support.platform_world import PlatformWorld

BEAT_S = 0.01


async def test_a_failed_renewal_of_paid_leases_does_not_stop_the_unpaid_ones_or_the_next_round(
    world: PlatformWorld,
) -> None:
    await world.conference()
    _, seat = await world.rooms.take_seat("room", "ann", "Ann")
    metrics = Metrics()
    tried = asyncio.Semaphore(0)

    async def failing() -> None:
        tried.release()
        raise RuntimeError("the database is gone")

    world.charging.renew_leases = failing  # type: ignore[method-assign]
    keeper = LeaseKeeper(world.charging, world.rooms, world.bus, world.clock, metrics, BEAT_S)
    keeper.start()
    for _ in range(5):
        await tried.acquire()
    await keeper.stop()
    assert world.media.unpaid[seat.lease_id] > 3
    assert b"curtaincall_lease_renewal_failures_total 5.0" in metrics.exposition()
