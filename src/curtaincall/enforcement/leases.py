"""LeaseKeeper: the loops that keep leases alive. When they stop, for whatever reason, media goes dark by itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from curtaincall.charging.service import ChargingService
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import LeaseEnded
from curtaincall.observability.metrics import Metrics
from curtaincall.rooms.service import RoomsService

TICK_S: Final = 0.1
"""How often the timers of paid sessions and lost seats are looked at."""

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews paid leases (meters made durable first), unpaid leases, and drives the timers, each in a loop of its own.

    Separate loops, because a slow database must darken paid streams only, and timers must run even then.
    """

    def __init__(
        self,
        charging: ChargingService,
        rooms: RoomsService,
        bus: EventBus,
        clock: Clock,
        metrics: Metrics,
        renew_every_s: float,
    ) -> None:
        self._charging = charging
        self._rooms = rooms
        self._clock = clock
        self._metrics = metrics
        self._renew_every_s = renew_every_s
        self._loops: list[asyncio.Task[None]] = []
        bus.subscribe(LeaseEnded, self._on_lease_ended)

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._every(self._renew_every_s, self._renew_paid), name="renew-paid-leases"),
            asyncio.create_task(self._every(self._renew_every_s, self._renew_unpaid), name="renew-unpaid-leases"),
            asyncio.create_task(self._every(TICK_S, self._tick), name="session-timers"),
        ]

    async def stop(self) -> None:
        """Let no loop begin another round."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _every(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` on a fixed beat. A round that fails is logged, the next tries again; late beats are skipped."""
        loop = asyncio.get_running_loop()
        beat = loop.time()
        while True:
            try:
                await work()
            except Exception:
                log.exception("lease_keeper_round_failed", extra={"loop": getattr(work, "__name__", "")})
            beat = max(beat + period_s, loop.time())
            await asyncio.sleep(beat - loop.time())

    async def _renew_paid(self) -> None:
        began_us = self._clock.monotonic_us()
        try:
            await self._charging.renew_leases()
        except Exception:
            self._metrics.renewal_failures.inc()
            raise
        self._metrics.renewal_seconds.observe((self._clock.monotonic_us() - began_us) / 1_000_000)

    async def _renew_unpaid(self) -> None:
        self._rooms.renew_unpaid_leases()

    async def _tick(self) -> None:
        await self._charging.tick()
        await self._rooms.sweep()

    async def _on_lease_ended(self, event: LeaseEnded) -> None:
        log.info(
            "lease_ended",
            extra={
                "room_id": event.room_id,
                "lease_id": event.lease_id,
                "cause": event.cause.value,
                "epoch": event.epoch,
                "billable_us": event.billable_us,
                "deadline_us": event.deadline_us,
                "last_forward_us": event.last_forward_us,
                "packets_after_deadline": event.packets_after_deadline,
            },
        )
