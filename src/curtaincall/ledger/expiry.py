"""Returns what expired holds reserved, now and then, for as long as the server runs."""

import asyncio
import logging
from typing import Final

from curtaincall.kernel.clock import Clock
from curtaincall.ledger.model import Sweep
from curtaincall.ledger.service import Ledger
from curtaincall.storage.errors import StorageError
from curtaincall.storage.executor import WriteExecutor

SWEEP_EVERY_S: Final = 15.0
"""An expired hold cannot be posted at once; what it reserved is available again after so long at most."""

LOOK_BACK_MS: Final = 3_600_000
"""How far before the last sweep the next one looks: no command takes that long between its clock and its commit."""

log = logging.getLogger(__name__)


class HoldExpiry:
    """Sweeps on a timer. The first sweep looks at all holds; the later ones at those that expired since the last."""

    def __init__(self, executor: WriteExecutor, ledger: Ledger, clock: Clock) -> None:
        self._executor = executor
        self._ledger = ledger
        self._clock = clock
        self._since_ms = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="hold-expiry")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> tuple[str, ...]:
        """Return what every expired hold reserved; the keys of those holds. Raises StorageError."""
        began_ms = self._clock.now_ms()
        keys: list[str] = []
        more = True
        while more:  # bounded by the holds there are: each step resolves some
            swept = await self._executor.submit(self._ledger.expire, Sweep(self._since_ms))
            keys += swept.hold_keys
            more = swept.more
        self._since_ms = max(0, began_ms - LOOK_BACK_MS)
        return tuple(keys)

    async def _run(self) -> None:
        while True:
            try:
                keys = await self.sweep()
            except StorageError as error:
                log.warning("hold_expiry_postponed", extra={"code": error.code})
            else:
                if keys:
                    log.info("holds_expired", extra={"holds": len(keys)})
            await asyncio.sleep(SWEEP_EVERY_S)
