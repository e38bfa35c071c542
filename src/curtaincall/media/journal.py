"""Events of several sources under one numbering, kept until they are acknowledged."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from curtaincall.media.ports import MediaEvent

MAX_UNACKNOWLEDGED: Final = 16_384
"""Events kept before their sources are made to wait, which keep them then."""


@dataclass(frozen=True, slots=True)
class _Kept:
    event: MediaEvent
    acknowledge: Callable[[], None] | None


class EventJournal:
    """What `MediaEngine.events` and `acknowledge` promise, for events that were numbered elsewhere."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()
        self._last = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def has_room(self) -> None:
        """Wait until a source may `put` further events."""
        await self._room.wait()

    def put(self, event: MediaEvent, acknowledge: Callable[[], None] | None = None) -> None:
        """Keep an event under the next number; its source is told by `acknowledge` when it may forget it."""
        self._last += 1
        self._kept.append(_Kept(replace(event, number=self._last), acknowledge))
        self._news.set()
        if len(self._kept) >= MAX_UNACKNOWLEDGED:
            self._room.clear()

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        """Wait until there is an event numbered above `after`, and return up to `limit` of them in order."""
        while self._last <= after or not self._kept:
            self._news.clear()
            await self._news.wait()
        skipped = max(0, after - self._kept[0].event.number + 1)
        return [self._kept[place].event for place in range(skipped, min(len(self._kept), skipped + limit))]

    def acknowledge(self, number: int) -> None:
        """Forget events up to and including `number`."""
        while self._kept and self._kept[0].event.number <= number:
            kept = self._kept.popleft()
            if kept.acknowledge is not None:
                kept.acknowledge()
        if len(self._kept) < MAX_UNACKNOWLEDGED:
            self._room.set()
