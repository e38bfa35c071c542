"""PaymentWatch: asks somebody else's Monetization Service about every seated payer, all the time, and cuts on bad news.

Beside our own ledger, not instead of it. Each payer is watched by stream, for speed, and by poll, for certainty. A good
word holds for so long; then silence counts as failure, whatever its cause. Time is the clock's, looked at by `tick`, so
that a test can own it.
"""

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from curtaincall.charging.model import EndReason
from curtaincall.charging.payment_status import PaymentState, PaymentStatus
from curtaincall.enforcement.errors import MonetizationUnavailable, PaymentUnconfirmed
from curtaincall.enforcement.ports import PaymentSource
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.rooms.events import ParticipantJoined, RoomClosed
from curtaincall.rooms.service import RoomsService

TICK_S: Final = 0.25

RETRY_US: Final = 2_000_000
"""Until the next poll after one that failed."""

FIRST_BACKOFF_US: Final = 500_000
LONGEST_BACKOFF_US: Final = 8_000_000
"""Bounds of the pause before a broken stream is opened again; it doubles in between."""

CUT: Final = {PaymentState.FAILED: EndReason.PAYMENT_FAILED, PaymentState.EXPIRED: EndReason.TIME_EXPIRED}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchRules:
    """Figures from the settings, in microseconds."""

    validity_us: int
    poll_every_us: int


@dataclass(slots=True, eq=False)
class Watched:
    """A payer in a call. Times are monotonic."""

    room_id: str
    user_id: str
    good_until_us: int
    """When the last good word stops to count."""
    poll_at_us: int
    stream_at_us: int
    backoff_us: int = FIRST_BACKOFF_US
    polling: "asyncio.Task[None] | None" = None
    streaming: "asyncio.Task[None] | None" = None
    cut: bool = False


class PaymentWatch:
    """Keeps every paid call under watch. Used from one event loop."""

    def __init__(
        self,
        source: PaymentSource,
        rooms: RoomsService,
        enforcement: PaymentEnforcementService,
        bus: EventBus,
        clock: Clock,
        rules: WatchRules,
    ) -> None:
        self._source = source
        self._rooms = rooms
        self._enforcement = enforcement
        self._clock = clock
        self._rules = rules
        self._watched: dict[str, Watched] = {}
        """By room: a private call has one payer. Bounded as charging bounds its sessions."""
        self._cutting: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None
        bus.subscribe(ParticipantJoined, self._on_joined)
        bus.subscribe(RoomClosed, self._on_closed)

    def start(self) -> None:
        self._beating = asyncio.create_task(self._beat(), name="payment-watch")

    async def stop(self) -> None:
        """Ask no more. Calls have been ended before."""
        tasks = [self._beating, *self._cutting]
        for watched in self._watched.values():
            tasks += [watched.polling, watched.streaming]
        self._watched.clear()
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._source.close()

    async def confirm(self, room_id: str, user_id: str) -> None:
        """Before the payer of a call takes the seat: somebody has to say that it is paid for.

        Raises PaymentUnconfirmed, MonetizationUnavailable. A seat that nobody pays for needs no word.
        """
        if not self._pays(room_id, user_id):
            return
        status = await self._source.status(room_id, user_id)
        if status.state is not PaymentState.PAID:
            raise PaymentUnconfirmed("This call is not paid for.", state=status.state.value)

    def tick(self) -> None:
        """Cut what nobody vouches for any more; begin the polls and streams that are due. Does not wait."""
        now_us = self._clock.monotonic_us()
        for watched in tuple(self._watched.values()):
            room = self._rooms.in_memory(watched.room_id)
            if room is None or room.end_reason is not None:
                self._forget(watched.room_id)
            elif now_us >= watched.good_until_us:
                self._cut(watched, EndReason.PAYMENT_FAILED, "silent")
            else:
                self._ask(watched, now_us)

    # ---- who is watched ---------------------------------------------------------------------------------------------

    def _pays(self, room_id: str, user_id: str) -> bool:
        room = self._rooms.in_memory(room_id)
        if room is None or room.end_reason is not None:
            return False  # nobody comes in: the room says so itself
        return room.is_private_call and user_id == room.record.payer_id

    async def _on_joined(self, event: ParticipantJoined) -> None:
        room_id, user_id = event.room_id, event.seat.user_id
        if room_id in self._watched or not self._pays(room_id, user_id):
            return
        now_us = self._clock.monotonic_us()
        # The word given at the door was asked for a moment ago; the first poll, now, gives one of its own.
        watched = Watched(room_id, user_id, now_us + self._rules.validity_us, poll_at_us=now_us, stream_at_us=now_us)
        self._watched[room_id] = watched
        self._ask(watched, now_us)

    async def _on_closed(self, event: RoomClosed) -> None:
        self._forget(event.room_id)

    def _forget(self, room_id: str) -> None:
        watched = self._watched.pop(room_id, None)
        if watched is None:
            return
        for task in (watched.polling, watched.streaming):
            if task is not None:
                task.cancel()

    # ---- asking -----------------------------------------------------------------------------------------------------

    def _ask(self, watched: Watched, now_us: int) -> None:
        if watched.polling is None and now_us >= watched.poll_at_us:
            watched.polling = asyncio.create_task(self._poll(watched), name="payment-poll")
        if watched.streaming is None and now_us >= watched.stream_at_us:
            watched.streaming = asyncio.create_task(self._stream(watched), name="payment-stream")

    async def _poll(self, watched: Watched) -> None:
        asked_us = self._clock.monotonic_us()
        try:
            status = await self._source.status(watched.room_id, watched.user_id)
        except Exception as error:
            _tell(watched, "poll", error)
            watched.poll_at_us = self._clock.monotonic_us() + min(RETRY_US, self._rules.poll_every_us)
        else:
            watched.poll_at_us = asked_us + self._rules.poll_every_us
            self._heard(watched, status, asked_us)  # it is good from when it was asked for, however late it came
        finally:
            watched.polling = None

    async def _stream(self, watched: Watched) -> None:
        try:
            async with aclosing(self._source.watch(watched.room_id, watched.user_id)) as told:
                async for status in told:
                    watched.backoff_us = FIRST_BACKOFF_US
                    self._heard(watched, status, self._clock.monotonic_us())
        except Exception as error:
            _tell(watched, "stream", error)
        finally:
            watched.streaming = None
            watched.stream_at_us = self._clock.monotonic_us() + watched.backoff_us
            watched.backoff_us = min(2 * watched.backoff_us, LONGEST_BACKOFF_US)

    # ---- what is done about it --------------------------------------------------------------------------------------

    def _heard(self, watched: Watched, status: PaymentStatus, as_of_us: int) -> None:
        if status.state is PaymentState.PAID:
            watched.good_until_us = max(watched.good_until_us, as_of_us + self._rules.validity_us)
        elif status.state in CUT:
            self._cut(watched, CUT[status.state], status.state.value)
        # UNKNOWN is no good word: what was said before holds until it is too old.

    def _cut(self, watched: Watched, reason: EndReason, heard: str) -> None:
        """End the call, in a task of its own: it begins with the packets, and takes its time over the rest."""
        if watched.cut:
            return
        watched.cut = True
        log.warning(
            "payment_watch_cut",
            extra={"room_id": watched.room_id, "user_id": watched.user_id, "heard": heard, "reason": reason.value},
        )
        task = asyncio.create_task(self._end(watched, reason), name="payment-cut")
        self._cutting.add(task)
        task.add_done_callback(self._cutting.discard)

    async def _end(self, watched: Watched, reason: EndReason) -> None:
        try:
            await self._enforcement.handle_payment_failure(watched.room_id, watched.user_id, reason)
        except Exception:
            watched.cut = False  # if the room is still open, the next tick cuts again
            watched.good_until_us = 0
            log.exception("payment_watch_end_failed", extra={"room_id": watched.room_id})

    async def _beat(self) -> None:
        while True:
            try:
                self.tick()
            except Exception:
                log.exception("payment_watch_round_failed")
            await asyncio.sleep(TICK_S)


def _tell(watched: Watched, way: str, error: Exception) -> None:
    code = str(error.facts.get("status")) if isinstance(error, MonetizationUnavailable) else type(error).__name__
    log.warning(
        "payment_status_unanswered",
        extra={"room_id": watched.room_id, "user_id": watched.user_id, "way": way, "error": code},
    )
