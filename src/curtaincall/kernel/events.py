"""News that must travel up the layers travels as an event on this bus; nothing below knows who listens."""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

E = TypeVar("E")

Handler = Callable[[Any], Awaitable[None]]

log = logging.getLogger(__name__)


class EventBus:
    """In-process publish and subscribe by event class.

    `publish` awaits the handlers in the order of subscription, so the publisher knows that they have run (media
    events are acknowledged only then). A handler that raises is logged and does not keep the others from hearing.
    """

    def __init__(self) -> None:
        self._handlers: dict[type, list[Handler]] = defaultdict(list)

    def subscribe(self, kind: type[E], handler: Callable[[E], Awaitable[None]]) -> None:
        """Have `handler` called for each event of exactly this class."""
        self._handlers[kind].append(handler)

    async def publish(self, event: object) -> bool:
        """Tell every subscriber. Returns False if any of them raised."""
        clean = True
        for handler in tuple(self._handlers[type(event)]):
            try:
                await handler(event)
            except Exception:
                clean = False
                log.exception("event_handler_failed", extra={"event": type(event).__name__})
        return clean
