"""The simulated engine: meters to the microsecond, whenever somebody looks."""

import pytest

from curtaincall.media.ports import Grant, LeaseEnd, LeaseEnded, MediaEvent, MediaFlowing, MeterRead, OpenLease
from curtaincall.simulation.clock import VirtualClock
from curtaincall.simulation.engine import SimulatedEngine

LEASE = OpenLease("room", "lease", "fan", "star")


class Stage:
    """An engine with one open lease."""

    def __init__(self) -> None:
        self.clock = VirtualClock(0)
        self.engine = SimulatedEngine(self.clock)
        self.seq = 0

    async def open(self) -> "Stage":
        await self.engine.open_room("room")
        await self.engine.open_lease(LEASE)
        return self

    def grant(self, granted_ms: int, epoch: int = 1) -> None:
        self.seq += 1
        self.engine.grant(Grant("room", "lease", epoch, self.seq, granted_ms, 5_000))

    async def heard(self) -> list[MediaEvent]:
        events = await self.engine.events(0, 1_000)
        if events:
            self.engine.acknowledge(events[-1].number)
        return events


@pytest.fixture
async def stage() -> Stage:
    return await Stage().open()


async def test_a_quota_ends_at_its_microsecond_however_far_time_jumps(stage: Stage) -> None:
    stage.grant(60_000)
    started = await stage.heard()
    assert [type(event) for event in started] == [MediaFlowing, MeterRead]
    assert stage.engine.next_deadline_us() == stage.clock.monotonic_us() + 60_000_000
    stage.clock.advance_us(600_000_000)
    stage.engine.catch_up()
    (ended,) = await stage.heard()
    assert isinstance(ended, LeaseEnded)
    assert (ended.cause, ended.billable_us) == (LeaseEnd.QUOTA, 60_000_000)
    assert stage.engine.next_deadline_us() is None


async def test_a_longer_grant_goes_on_where_the_meter_stands(stage: Stage) -> None:
    stage.grant(60_000)
    stage.clock.advance_us(45_000_000)
    stage.grant(90_000)
    assert stage.engine.next_deadline_us() == stage.clock.monotonic_us() + 45_000_000
    reading = (await stage.heard())[-1]
    assert isinstance(reading, MeterRead)
    assert (reading.billable_us, reading.running) == (45_000_000, True)


async def test_only_a_newer_grant_counts_and_none_of_a_revoked_epoch(stage: Stage) -> None:
    stage.grant(60_000)
    stage.engine.revoke("room", "lease")
    stage.grant(90_000)
    assert stage.engine.next_deadline_us() is None
    stage.grant(90_000, epoch=2)
    assert stage.engine.next_deadline_us() is not None


async def test_a_lost_network_stops_the_meter_and_the_end_is_told_once(stage: Stage) -> None:
    stage.grant(60_000)
    stage.clock.advance_us(10_000_000)
    stage.engine.lose("lease", "fan")
    stage.clock.advance_us(10_000_000)
    stage.engine.close_lease("room", "lease")
    stage.engine.close_lease("room", "lease")
    closed = [event for event in await stage.heard() if isinstance(event, LeaseEnded)]
    assert [(event.cause, event.billable_us) for event in closed] == [(LeaseEnd.CLOSED, 10_000_000)]


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        VirtualClock(0).advance_us(-1)
