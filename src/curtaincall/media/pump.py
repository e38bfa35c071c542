"""Carries media events up: from the engine onto the bus, acknowledged once their handlers have run."""

import logging
from typing import Final

from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import MediaEngine

BATCH: Final = 256
"""Events fetched at a time."""

log = logging.getLogger(__name__)


class MediaEventPump:
    """Run `run()` as a task for the life of the engine; cancel it to stop.

    Handlers hear the events in the order of their numbers. One that raises is logged by the bus and the event is
    acknowledged all the same: told again and again it would hold up every event behind it. What must not be lost is
    asked for by deadline instead (charging settles from its last durable meter when a final one does not come).
    """

    def __init__(self, engine: MediaEngine, bus: EventBus) -> None:
        self._engine = engine
        self._bus = bus
        self._seen = 0

    async def run(self) -> None:
        while True:
            for event in await self._engine.events(self._seen, BATCH):
                if not await self._bus.publish(event):
                    log.warning("media_event_handler_failed", extra={"number": event.number})
                self._seen = event.number
                self._engine.acknowledge(event.number)
