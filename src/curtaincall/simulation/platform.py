"""The simulated platform: the app as `bootstrap` builds it, and time, which goes on when it is told.

Nothing of the app's own loops is started: what they would do is done here, at the moments at which there is something
to do. Everything runs on one thread and in one order, so that the same seed writes the same rows.
"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from random import Random
from typing import Final, TypeVar

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from curtaincall.bootstrap import App, Overrides, build
from curtaincall.charging.events import SessionChanged
from curtaincall.charging.model import OVER
from curtaincall.kernel.ids import uuid7
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.settings import PaymentsSettings, SandboxSettings, Settings
from curtaincall.simulation.agenda import Agenda
from curtaincall.simulation.clock import VirtualClock
from curtaincall.simulation.engine import SimulatedEngine
from curtaincall.simulation.executor import StepExecutor
from curtaincall.storage.database import Database
from curtaincall.transports.services import Services

START_MS: Final = 1_788_220_800_000
"""2026-09-01 00:00 UTC, a Tuesday."""

TICK_US: Final = 5_000_000
"""How often the timers of open calls are looked at: a renewal is asked for 15 s before it is needed."""

EVENTS_AT_A_TIME: Final = 1_000

HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S

R = TypeVar("R")


class _FixedSettings(Settings):
    """Settings that come from the simulation alone: the environment must not change the books."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class Platform:
    """Build with `open`, spend time with `run_until`, close. Times are microseconds since the beginning."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.clock = VirtualClock(START_MS)
        self.engine = SimulatedEngine(self.clock)
        self.agenda = Agenda()
        self._entropy = Random(f"ids:{seed}")  # noqa: S311 - names, not secrets
        self._open_calls: dict[str, None] = {}
        self._ticked_at_us = 0
        settings = _FixedSettings(data_dir=data_dir, payments=_payments(seed))
        self._app: App = build(
            settings,
            Overrides(
                clock=self.clock,
                ids=self.new_id,
                media=lambda _: self.engine,
                executor=self._new_executor,
                web_root=data_dir / "no-pages",
            ),
        )
        self.services: Services = self._app.services
        self.services.bus.subscribe(SessionChanged, self._on_session_changed)

    @property
    def sandbox(self) -> SandboxGateway:
        gateway = self.services.gateways.named("sandbox")
        assert isinstance(gateway, SandboxGateway)
        return gateway

    @property
    def now_us(self) -> int:
        return self.clock.elapsed_us

    def new_id(self) -> str:
        return uuid7(self.clock.now_ms(), self._entropy.randbytes(10))

    async def run_until(self, end_us: int) -> None:
        """Let everything happen that is due by then, each thing at its moment.

        Time stops for what is on the agenda, and wherever a quota runs out or the timers of calls are to be looked at.
        """
        while True:
            act_us, stop_us = self.agenda.next_us, self._next_stop_us()
            next_us = min(moment for moment in (act_us, stop_us, end_us) if moment is not None)
            self.clock.advance_us(max(0, next_us - self.now_us))
            if next_us == stop_us and next_us != act_us:
                self.engine.catch_up()
                await self.through(self._tick())
            elif next_us == act_us:
                await self.through(self.agenda.take()())
            else:
                return

    async def through(self, work: Awaitable[R]) -> R:
        """Do something, and everything that follows from it at this moment."""
        task = asyncio.ensure_future(work)
        while True:
            quiet = not await self._carry_events_up()
            await self.services.charging.quiesce()
            if task.done() and quiet:
                return task.result()
            await asyncio.sleep(0)

    async def end(self) -> None:
        """End the calls that are still on, as a server that is stopped does, and settle them."""
        await self.through(self.services.charging.stop())

    async def close(self) -> None:
        await self._app.stop()

    def _next_stop_us(self) -> int | None:
        moments = [self._ticked_at_us + TICK_US] if self._open_calls else []
        deadline_us = self.engine.next_deadline_us()
        if deadline_us is not None:
            moments.append(deadline_us - self.clock.monotonic_us() + self.now_us)
        return min(moments, default=None)

    async def _tick(self) -> None:
        self._ticked_at_us = self.now_us
        await self._carry_events_up()
        await self.services.charging.tick()

    async def _carry_events_up(self) -> bool:
        """What the media pump does, until there is nothing more. Returns whether there was anything."""
        found = False
        while events := await self.engine.events(0, EVENTS_AT_A_TIME):
            found = True
            for event in events:
                await self.services.bus.publish(event)
            self.engine.acknowledge(events[-1].number)
        return found

    def _new_executor(self, database: Database) -> StepExecutor:
        return StepExecutor(database)

    async def _on_session_changed(self, event: SessionChanged) -> None:
        if event.view.state in OVER:
            self._open_calls.pop(event.view.session_id, None)
            return
        if not self._open_calls:
            self._ticked_at_us = self.now_us
        self._open_calls[event.view.session_id] = None


def _payments(seed: int) -> PaymentsSettings:
    """A sandbox that takes its time, as banks do."""
    sandbox = SandboxSettings(
        seed=seed,
        settle_after_s=HOUR_S,
        dispute_after_s=3 * DAY_S,
        decide_after_s=7 * DAY_S,
        payout_after_s=DAY_S,
    )
    return PaymentsSettings(gateway="sandbox", release_after_days=7, sandbox=sandbox)
