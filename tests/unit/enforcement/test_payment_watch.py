"""Somebody else's word on every paid call: bad news cut it, and so does silence, on virtual time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import pytest

from curtaincall.charging.model import EndReason, SessionState
from curtaincall.charging.payment_status import PaymentState, PaymentStatus
from curtaincall.charging.views import SessionView
from curtaincall.enforcement.errors import MonetizationUnavailable, PaymentUnconfirmed
from curtaincall.enforcement.monetization import PaymentWatch, WatchRules
from support.platform_world import LiveCall, PlatformWorld

VALIDITY_MS = 30_000
POLL_MS = 10_000
RULES = WatchRules(VALIDITY_MS * 1_000, POLL_MS * 1_000)
SETTLE_TURNS = 50


@dataclass
class Oracle:
    """A Monetization Service that says what it is told to, counts, and can be made silent or unreachable."""

    state: PaymentState = PaymentState.PAID
    reachable: bool = True
    streams: bool = True
    silent: bool = False
    asked: int = 0
    opened: int = 0
    told: list["asyncio.Queue[PaymentState | None]"] = field(default_factory=list)

    async def status(self, room_id: str, user_id: str) -> PaymentStatus:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if not self.reachable:
            raise MonetizationUnavailable("nobody there")
        return PaymentStatus(room_id, user_id, self.state)

    async def watch(self, room_id: str, user_id: str) -> AsyncGenerator[PaymentStatus, None]:
        self.opened += 1
        if not self.streams:
            raise MonetizationUnavailable("nobody there")
        news: asyncio.Queue[PaymentState | None] = asyncio.Queue()
        self.told.append(news)
        yield PaymentStatus(room_id, user_id, self.state)
        while (state := await news.get()) is not None:
            yield PaymentStatus(room_id, user_id, state)

    async def close(self) -> None:
        pass

    def tell(self, state: PaymentState | None) -> None:
        """To whoever watches now; None breaks the streams."""
        for news in self.told:
            news.put_nowait(state)


@dataclass
class Watching:
    world: PlatformWorld
    oracle: Oracle
    watch: PaymentWatch
    call: LiveCall

    async def run(self, duration_ms: int) -> None:
        """Let time go on, with the watch's beat beside the others."""
        while duration_ms > 0:
            step_ms = min(250, duration_ms)
            duration_ms -= step_ms
            await self.world.run(step_ms)
            self.watch.tick()
            for _ in range(SETTLE_TURNS):
                await asyncio.sleep(0)
            await self.world.hear_media()

    async def over(self) -> bool:
        """Whether the call has been cut; waits for its settlement then."""
        room = self.world.rooms.in_memory(self.call.room_id)
        assert room is not None
        if room.end_reason is None:
            return False
        while (await self.session()).state is not SessionState.SETTLED:
            await self.world.hear_media()
        return True

    async def session(self) -> SessionView:
        return await self.world.charging.session(self.call.call_id)

    async def reason(self) -> EndReason | None:
        assert await self.over()
        assert self.call.fan_line.terminated is not None
        assert not self.world.media.leases[self.call.call_id].open
        return (await self.session()).end_reason


@pytest.fixture
async def watching(world: PlatformWorld) -> AsyncIterator[Watching]:
    oracle = Oracle()
    watch = PaymentWatch(oracle, world.rooms, world.enforcement, world.bus, world.clock, RULES)
    call = await world.live_call()
    yield Watching(world, oracle, watch, call)
    await watch.stop()


async def test_a_call_that_is_paid_for_goes_on_and_is_asked_about_often_enough(watching: Watching) -> None:
    await watching.run(100_000)
    assert not await watching.over()
    assert 10 <= watching.oracle.asked <= 13  # at the join, then every 10 s
    assert watching.oracle.opened == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [(PaymentState.FAILED, EndReason.PAYMENT_FAILED), (PaymentState.EXPIRED, EndReason.TIME_EXPIRED)],
)
async def test_bad_news_on_the_stream_cut_at_once(watching: Watching, state: PaymentState, reason: EndReason) -> None:
    await watching.run(5_000)
    asked = watching.oracle.asked
    watching.oracle.tell(state)
    await watching.run(250)
    assert await watching.reason() is reason
    assert watching.oracle.asked == asked


@pytest.mark.parametrize(
    ("state", "reason"),
    [(PaymentState.FAILED, EndReason.PAYMENT_FAILED), (PaymentState.EXPIRED, EndReason.TIME_EXPIRED)],
)
async def test_bad_news_are_polled_where_there_is_no_stream(
    watching: Watching, state: PaymentState, reason: EndReason
) -> None:
    watching.oracle.streams = False
    watching.oracle.tell(None)
    await watching.run(5_000)
    watching.oracle.state = state
    await watching.run(POLL_MS + 250)
    assert await watching.reason() is reason


async def test_silence_cuts_when_the_last_good_word_is_too_old(watching: Watching) -> None:
    await watching.run(5_000)
    watching.oracle.silent = True
    await watching.run(VALIDITY_MS - 6_000)
    assert not await watching.over()
    await watching.run(7_000)
    assert await watching.reason() is EndReason.PAYMENT_FAILED


async def test_an_unreachable_server_cuts_too_and_is_asked_again_until_then(watching: Watching) -> None:
    await watching.run(1_000)
    watching.oracle.reachable = watching.oracle.streams = False
    watching.oracle.tell(None)
    asked = watching.oracle.asked
    await watching.run(VALIDITY_MS + 1_000)
    assert await watching.reason() is EndReason.PAYMENT_FAILED
    assert watching.oracle.asked - asked > 5


async def test_one_that_comes_back_in_time_changes_nothing(watching: Watching) -> None:
    await watching.run(1_000)
    watching.oracle.reachable = False
    await watching.run(VALIDITY_MS - 5_000)
    watching.oracle.reachable = True
    await watching.run(VALIDITY_MS + 5_000)
    assert not await watching.over()


async def test_knowing_nothing_is_no_good_word(watching: Watching) -> None:
    await watching.run(1_000)
    watching.oracle.state = PaymentState.UNKNOWN
    await watching.run(VALIDITY_MS + 1_000)
    assert await watching.reason() is EndReason.PAYMENT_FAILED


async def test_a_broken_stream_is_opened_again_ever_more_slowly_while_polls_go_on(watching: Watching) -> None:
    await watching.run(1_000)
    watching.oracle.streams = False
    watching.oracle.tell(None)
    await watching.run(60_000)
    assert 8 <= watching.oracle.opened - 1 <= 14
    assert not await watching.over()
    watching.oracle.streams = True
    await watching.run(9_000)
    watching.oracle.tell(PaymentState.FAILED)
    await watching.run(250)
    assert await watching.reason() is EndReason.PAYMENT_FAILED


async def test_nobody_is_asked_about_a_call_that_is_over(watching: Watching) -> None:
    await watching.run(1_000)
    ending = asyncio.create_task(watching.world.charging.end(watching.call.call_id, EndReason.HOST_ENDED))
    while not ending.done():
        await watching.world.hear_media()
        await asyncio.sleep(0)
    asked = watching.oracle.asked
    await watching.run(VALIDITY_MS * 2)
    await watching.watch.confirm(watching.call.room_id, watching.call.fan.user_id)  # that it is over is said elsewhere
    assert watching.oracle.asked == asked
    assert (await watching.session()).end_reason is EndReason.HOST_ENDED


async def test_the_payer_comes_in_on_a_good_word_only_and_others_need_none(watching: Watching) -> None:
    confirm, call = watching.watch.confirm, watching.call
    await confirm(call.room_id, call.fan.user_id)
    await confirm(call.room_id, call.creator.user_id)
    for state in (PaymentState.FAILED, PaymentState.EXPIRED, PaymentState.UNKNOWN):
        watching.oracle.state = state
        with pytest.raises(PaymentUnconfirmed):
            await confirm(call.room_id, call.fan.user_id)
    watching.oracle.reachable = False
    with pytest.raises(MonetizationUnavailable):
        await confirm(call.room_id, call.fan.user_id)
    await confirm(call.room_id, call.creator.user_id)
    await confirm("nowhere", call.fan.user_id)
    await watching.world.conference("talk")
    await confirm("talk", call.fan.user_id)
