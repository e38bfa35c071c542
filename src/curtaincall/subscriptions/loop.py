"""The loop that turns `SubscriptionsService.tick` in a running server."""

import asyncio
import logging

from curtaincall.subscriptions.service import SubscriptionsService

log = logging.getLogger(__name__)


class SubscriptionLoop:
    """One task; a round that fails is logged, and the next tries again."""

    def __init__(self, subscriptions: SubscriptionsService, every_s: float) -> None:
        self._subscriptions = subscriptions
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="subscriptions")

    async def stop(self) -> None:
        """Begin no further round; one that is under way is broken off, and made good by a later one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._subscriptions.tick()
            except Exception:
                log.exception("subscription_round_failed")
            await asyncio.sleep(self._every_s)
