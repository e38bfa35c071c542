"""What every MediaEngine promises (media/ports.py), asked of each of them by peers that share no code with us."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from curtaincall.kernel.clock import SystemClock
from curtaincall.kernel.events import EventBus
from curtaincall.media.embedded import EmbeddedEngine
from curtaincall.media.placement import PlacedEngine
from curtaincall.media.ports import (
    Grant,
    LeaseEnd,
    LeaseEnded,
    MediaEngine,
    MediaError,
    MediaEvent,
    MediaFlowing,
    MeterRead,
    OpenLease,
    OpenSeat,
    Slot,
    SpeakerChanged,
    StatsSampled,
    Subscription,
    TracksChanged,
    TransportChanged,
    TransportState,
)
from curtaincall.media.pump import MediaEventPump
from curtaincall.settings import ClientTls
from support.engine_peer import HEIGHT, PATIENCE_S, EnginePeer
from support.media_nodes import NodeHere

ROOM, LEASE, FAN, STAR = "room", "lease", "fan", "star"
MAX_SEATS = 4

E = TypeVar("E", bound=MediaEvent)


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[MediaEngine]:
    engine = EmbeddedEngine(bind_ip="0.0.0.0", public_ips=[], base_port=0, shards=1, max_seats_per_room=MAX_SEATS)
    yield engine
    await engine.close()


@asynccontextmanager
async def on_a_node(folder: Path) -> AsyncIterator[MediaEngine]:
    async with NodeHere(folder / "node.sock", MAX_SEATS) as node:
        engine = PlacedEngine([node.address], ClientTls(), SystemClock())
        yield engine
        await engine.close()


@asynccontextmanager
async def on_two_nodes(folder: Path) -> AsyncIterator[MediaEngine]:
    async with NodeHere(folder / "one.sock", MAX_SEATS) as one, NodeHere(folder / "two.sock", MAX_SEATS) as two:
        engine = PlacedEngine([one.address, two.address], ClientTls(), SystemClock())
        await engine.all_lines()
        yield engine
        await engine.close()


@pytest.fixture(params=[embedded, on_a_node, on_two_nodes])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MediaEngine]:
    made: AbstractAsyncContextManager[MediaEngine] = request.param(tmp_path)
    async with made as engine:
        yield engine


class Listener:
    """Reads an engine's events and keeps them all; acknowledges none."""

    def __init__(self, engine: MediaEngine) -> None:
        self.heard: list[MediaEvent] = []
        self._engine = engine
        self._last = 0

    async def next(self, kind: type[E], fits: Callable[[E], bool] = lambda _: True) -> E:
        """The first event of a kind that fits and was not returned before."""
        passed = 0
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for place, event in enumerate(self.heard[passed:], passed):
                    if isinstance(event, kind) and fits(event):
                        del self.heard[place]
                        return event
                passed = len(self.heard)
                told = await self._engine.events(self._last, 100)
                self._last = told[-1].number
                self.heard += told


@pytest.fixture
async def listener(engine: MediaEngine) -> Listener:
    return Listener(engine)


async def open_call(engine: MediaEngine, room: str = ROOM) -> None:
    """A room with a lease that meters what the fan receives of the star, and a seat for each."""
    await engine.open_room(room)
    await engine.open_lease(OpenLease(room, LEASE, payer_id=FAN, payee_id=STAR))
    for user in (FAN, STAR):
        await engine.open_seat(OpenSeat(room, user, LEASE))


def grant(
    engine: MediaEngine,
    epoch: int,
    seq: int,
    *,
    granted_ms: int | None = None,
    lease_ms: int = 60_000,
    room: str = ROOM,
) -> None:
    engine.grant(Grant(room, LEASE, epoch, seq, granted_ms, lease_ms))


def peers(engine: MediaEngine, room: str = ROOM) -> tuple[EnginePeer, EnginePeer]:
    return EnginePeer(engine, room, FAN), EnginePeer(engine, room, STAR)


async def connected(listener: Listener, *users: str) -> None:
    for user in users:
        event = await listener.next(TransportChanged, lambda event, user=user: event.user_id == user)
        assert event.state is TransportState.CONNECTED


# ---- the lease ------------------------------------------------------------------------------------------------------


async def test_nothing_is_forwarded_without_a_grant(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        await connected(listener, FAN, STAR)
        await fan.sent()
        await star.sent()
        assert fan.frames == star.frames == {"audio": 0, "video": 0}


async def test_a_grant_forwards_both_ways_and_says_that_media_flows(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        grant(engine, 1, 1)
        await fan.received()
        await star.received()
        flowing = await listener.next(MediaFlowing)
        assert (flowing.room_id, flowing.lease_id, flowing.epoch) == (ROOM, LEASE, 1)
        assert (await listener.next(MeterRead, lambda event: event.running)).lease_id == LEASE


async def test_the_quota_cuts_by_itself_and_bills_what_was_granted(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        grant(engine, 1, 1, granted_ms=700)
        ended = await listener.next(LeaseEnded)
        assert (ended.cause, ended.billable_us, ended.packets_after_deadline) == (LeaseEnd.QUOTA, 700_000, 0)
        assert 0 < ended.last_forward_us <= ended.deadline_us <= SystemClock().monotonic_us()
        grant(engine, 1, 2, granted_ms=1_400)
        assert (await listener.next(LeaseEnded)).billable_us == 1_400_000


async def test_a_lease_that_nobody_renews_lapses_and_a_newer_grant_goes_on(
    engine: MediaEngine, listener: Listener
) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        await connected(listener, FAN, STAR)
        before_us = SystemClock().monotonic_us()
        grant(engine, 1, 1, lease_ms=400)
        ended = await listener.next(LeaseEnded)
        assert ended.cause is LeaseEnd.LAPSED
        assert 400_000 <= ended.deadline_us - before_us < 500_000
        assert ended.last_forward_us <= ended.deadline_us
        grant(engine, 1, 2)
        await fan.received()


async def test_a_stale_grant_extends_nothing(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    before_us = SystemClock().monotonic_us()
    grant(engine, 2, 2, lease_ms=300)
    for epoch, seq in ((2, 2), (2, 1), (1, 9)):
        grant(engine, epoch, seq, lease_ms=60_000)
    ended = await listener.next(LeaseEnded)
    assert (ended.cause, ended.epoch) == (LeaseEnd.LAPSED, 2)
    assert ended.deadline_us - before_us < 400_000


async def test_a_revocation_holds_until_a_higher_epoch(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        grant(engine, 1, 1)
        await fan.received()
        engine.revoke(ROOM, LEASE)
        assert (await listener.next(LeaseEnded)).cause is LeaseEnd.REVOKED
        grant(engine, 1, 2)
        await star.sent()
        seen = dict(fan.frames)
        await star.sent()
        assert fan.frames == seen
        grant(engine, 2, 1)
        await fan.received()
        assert (await listener.next(MediaFlowing, lambda event: event.epoch == 2)).lease_id == LEASE


async def test_closing_tells_the_final_meter_exactly_once(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        grant(engine, 1, 1)
        await fan.received()
        for _ in range(3):
            engine.close_lease(ROOM, LEASE)
        ended = await listener.next(LeaseEnded)
        assert ended.cause is LeaseEnd.CLOSED
        assert ended.billable_us > 0
        grant(engine, 9, 9)
        await engine.close_room(ROOM)
        await open_call(engine, "fence")
        engine.close_lease("fence", LEASE)
        assert (await listener.next(LeaseEnded)).room_id == "fence", "nothing further was said of the first"


async def test_closing_a_room_closes_its_leases(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    await engine.close_room(ROOM)
    assert (await listener.next(LeaseEnded)).cause is LeaseEnd.CLOSED


async def test_the_meter_stands_still_while_the_payee_is_silent(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        grant(engine, 1, 1)
        await fan.received()
        star.mute()
        stopped = await listener.next(MeterRead, lambda event: not event.running and event.billable_us > 0)
        await fan.sent()
        grant(engine, 1, 2)
        same = await listener.next(MeterRead, lambda event: event.number > stopped.number)
        assert (same.billable_us, same.running) == (stopped.billable_us, False)
        star.unmute()
        again = await listener.next(MeterRead, lambda event: event.number > same.number and event.running)
        assert again.billable_us >= stopped.billable_us


# ---- rooms, seats and sessions --------------------------------------------------------------------------------------


async def test_two_rooms_never_see_each_others_media(engine: MediaEngine, listener: Listener) -> None:
    for room in ("one", "two"):
        await open_call(engine, room)
        grant(engine, 1, 1, room=room)
    first, _ = peers(engine, "one")
    _, other = peers(engine, "two")
    async with first, other:
        await connected(listener, FAN, STAR)
        await first.sent()
        await other.sent()
        assert first.frames == other.frames == {"audio": 0, "video": 0}
        tracks = [event for event in listener.heard if isinstance(event, TracksChanged)]
        assert all(slot.user_id is None for event in tracks for slot in event.slots)


async def test_slots_are_told_in_full_and_emptied_when_somebody_leaves(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    fan, star = peers(engine)
    async with fan, star:
        shown = await listener.next(TracksChanged, lambda event: event.slots[0].user_id == STAR)
        assert shown.slots == (
            Slot("2", "audio", STAR, "microphone", paused="lease"),
            Slot("3", "video", STAR, "camera", paused="lease"),
        )
        await engine.close_seat(ROOM, STAR)
        left = await listener.next(TracksChanged, lambda event: event.user_id == FAN and event.number > shown.number)
        assert left.slots == (Slot("2", "audio", None, None), Slot("3", "video", None, None))


async def test_height_0_pauses_the_video_of_one_and_not_the_sound(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    fan, star = peers(engine)
    async with fan, star:
        await fan.received()
        await engine.subscribe(Subscription(ROOM, FAN, STAR, 0, 0))
        await fan.sound_alone()
        await star.received()
        await engine.subscribe(Subscription(ROOM, FAN, STAR, 720, 0))
        await fan.received()


async def test_why_a_picture_stands_still_is_told(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    fan, star = peers(engine)

    async def told(paused: str | None) -> None:
        await listener.next(TracksChanged, lambda event: event.user_id == FAN and event.slots[1].paused == paused)

    async with fan, star:
        await fan.received()
        await listener.next(TracksChanged, lambda event: event.user_id == FAN and event.slots[1].height == HEIGHT)
        await engine.subscribe(Subscription(ROOM, FAN, STAR, 0, 0))
        await told("subscription")
        await engine.subscribe(Subscription(ROOM, FAN, STAR, 720, 0))
        await told(None)
        engine.revoke(ROOM, LEASE)
        await told("lease")


async def test_who_speaks_is_told_to_everybody_who_may_hear(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    async with EnginePeer(engine, ROOM, FAN), EnginePeer(engine, ROOM, STAR, speaks=True):
        for user in (FAN, STAR):
            told = await listener.next(SpeakerChanged, lambda event, user=user: event.user_id == user)
            assert told.speaker_id == STAR
        engine.revoke(ROOM, LEASE)
        for user in (FAN, STAR):
            told = await listener.next(SpeakerChanged, lambda event, user=user: event.user_id == user)
            assert told.speaker_id is None


async def test_the_figures_of_each_link_are_told_again_and_again(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    fan, star = peers(engine)

    def is_known(event: StatsSampled) -> bool:
        return event.user_id == FAN and event.rtt_us is not None and event.down.loss_permille is not None

    async with fan, star:
        await fan.received()
        first = await listener.next(StatsSampled, is_known)
        second = await listener.next(StatsSampled, lambda event: is_known(event) and event.number > first.number)
        assert second.at_us - first.at_us >= 900_000
        assert second.up.rate_bps > 0
        assert [slot.mid for slot in second.slots] == ["3"]
        assert second.down.rate_bps > second.slots[0].rate_bps > 0


async def test_a_further_offer_adds_slots_to_the_running_session(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    fan, star = peers(engine)
    async with fan, star:
        await fan.received()
        await fan.offer(pairs=1)
        grown = await listener.next(TracksChanged, lambda event: len(event.slots) == 4)
        assert [slot.user_id for slot in grown.slots] == [STAR, STAR, None, None]
        await fan.received()


async def test_a_new_session_on_a_seat_replaces_the_old_one(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    fan, star = peers(engine)
    async with fan, star:
        await connected(listener, FAN)
        await fan.received()
        async with EnginePeer(engine, ROOM, FAN) as again:
            await again.received()
            seen = dict(fan.frames)
            await star.sent()
            assert fan.frames == seen
            states = [await listener.next(TransportChanged, lambda event: event.user_id == FAN) for _ in range(2)]
            assert [event.state for event in states] == [TransportState.DISCONNECTED, TransportState.CONNECTED]


async def test_closing_the_session_is_told(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    async with EnginePeer(engine, ROOM, FAN) as fan:
        await connected(listener, FAN)
        await fan.sent(1)
    assert (await listener.next(TransportChanged)).state is TransportState.DISCONNECTED


async def test_a_cut_seat_gets_nothing_more_and_cannot_come_back(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    fan, star = peers(engine)
    async with fan, star:
        await fan.received()
        await star.received()
        engine.cut_seat(ROOM, FAN)
        await listener.next(TracksChanged, lambda event: event.user_id == STAR and event.slots[0].user_id is None)
        await star.sent()
        seen = dict(fan.frames), dict(star.frames)
        await star.sent()
        assert seen == (fan.frames, star.frames)
        with pytest.raises(MediaError) as refusal:
            await fan.offer(pairs=0)
        assert refusal.value.refusal == "seat_unknown"


async def test_who_may_not_publish_is_shown_to_nobody(engine: MediaEngine, listener: Listener) -> None:
    await engine.open_room(ROOM)
    await engine.open_lease(OpenLease(ROOM, LEASE))
    await engine.open_seat(OpenSeat(ROOM, FAN, LEASE, may_publish=False))
    await engine.open_seat(OpenSeat(ROOM, STAR, LEASE))
    grant(engine, 1, 1)
    fan, star = peers(engine)
    async with fan, star:
        await fan.received()
        await fan.sent()
        assert star.frames == {"audio": 0, "video": 0}


# ---- refusals and repetitions ---------------------------------------------------------------------------------------


async def refusal_of(command: Callable[[], object]) -> str:
    with pytest.raises(MediaError) as refusal:
        await command()  # type: ignore[misc]
    return refusal.value.refusal


async def test_refusals_have_codes(engine: MediaEngine) -> None:
    assert await refusal_of(lambda: engine.open_lease(OpenLease("nowhere", LEASE))) == "room_unknown"
    assert await refusal_of(lambda: engine.open_seat(OpenSeat("nowhere", FAN, LEASE))) == "room_unknown"
    assert await refusal_of(lambda: engine.offer("nowhere", FAN, "v=0\r\n")) == "seat_unknown"
    await open_call(engine)
    assert await refusal_of(lambda: engine.offer(ROOM, "nobody", "v=0\r\n")) == "seat_unknown"
    assert await refusal_of(lambda: engine.offer(ROOM, FAN, "v=0\r\n")) == "sdp_invalid"
    assert await refusal_of(lambda: engine.offer(ROOM, FAN, "not even SDP")) == "sdp_invalid"
    for seat in range(MAX_SEATS - 2):
        await engine.open_seat(OpenSeat(ROOM, f"guest{seat}", LEASE))
    assert await refusal_of(lambda: engine.open_seat(OpenSeat(ROOM, "too-many", LEASE))) == "media_overloaded"


async def test_commands_about_the_unknown_are_left_alone(engine: MediaEngine) -> None:
    grant(engine, 1, 1, room="nowhere")
    engine.revoke("nowhere", LEASE)
    engine.close_lease("nowhere", LEASE)
    engine.cut_seat("nowhere", FAN)
    await engine.close_seat("nowhere", FAN)
    await engine.close_room("nowhere")
    await engine.subscribe(Subscription("nowhere", FAN, STAR, 720, 1))


async def test_repeating_a_command_changes_nothing(engine: MediaEngine, listener: Listener) -> None:
    await open_call(engine)
    grant(engine, 1, 1)
    fan, star = peers(engine)
    async with fan, star:
        await fan.received()
        await open_call(engine)
        grant(engine, 1, 1)
        await fan.received()
        assert not [event for event in listener.heard if isinstance(event, LeaseEnded)]
        for _ in range(2):
            engine.revoke(ROOM, LEASE)
        for _ in range(2):
            engine.cut_seat(ROOM, FAN)
            await engine.close_seat(ROOM, FAN)
        for _ in range(2):
            engine.close_lease(ROOM, LEASE)
            await engine.close_room(ROOM)
        causes = [(await listener.next(LeaseEnded)).cause for _ in range(2)]
        assert causes == [LeaseEnd.REVOKED, LeaseEnd.CLOSED]


# ---- events ---------------------------------------------------------------------------------------------------------


async def test_events_are_numbered_and_told_again_until_they_are_acknowledged(engine: MediaEngine) -> None:
    for room in ("one", "two", "three"):
        await open_call(engine, room)
        engine.close_lease(room, LEASE)
    told: list[MediaEvent] = []
    while len(told) < 3:
        told += await engine.events(len(told), 1)
    assert [(event.number, event.room_id) for event in told] == [(1, "one"), (2, "two"), (3, "three")]
    assert await engine.events(0, 10) == told
    engine.acknowledge(2)
    assert await engine.events(0, 10) == told[2:]


async def test_a_wait_for_events_ends_with_the_next_one(engine: MediaEngine) -> None:
    waiting = [asyncio.create_task(engine.events(0, 10)) for _ in range(2)]
    await open_call(engine)
    engine.close_lease(ROOM, LEASE)
    async with asyncio.timeout(PATIENCE_S):
        for task in waiting:
            assert isinstance((await task)[0], LeaseEnded)


async def test_the_pump_publishes_in_order_and_acknowledges_what_was_handled(engine: MediaEngine) -> None:
    bus, heard, done = EventBus(), [], asyncio.Event()

    async def handle(event: LeaseEnded) -> None:
        heard.append((event.number, event.room_id))
        if len(heard) == 3:
            done.set()

    bus.subscribe(LeaseEnded, handle)
    pump = asyncio.create_task(MediaEventPump(engine, bus).run())
    for room in ("one", "two", "three"):
        await open_call(engine, room)
        engine.close_lease(room, LEASE)
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
        assert heard == [(1, "one"), (2, "two"), (3, "three")]
        pump.cancel()
        await open_call(engine, "four")
        engine.close_lease("four", LEASE)
        assert [event.number for event in await engine.events(0, 10)] == [4]
