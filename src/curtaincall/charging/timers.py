"""When time alone changes a session, and who is due: so that a tick looks at those, and not at all of them."""

import heapq
from typing import Final, Generic, TypeVar

from curtaincall.charging.model import DELIVERING, PaidSession, SessionState

SLOT_US: Final = 50_000
"""Timers that run out within so much of each other run out together; each is late by no more than that."""

HORIZON_US: Final = 60_000_000
"""What is due later is looked at once on the way: so that there are at most HORIZON / SLOT + 1 slots."""

K = TypeVar("K")


def due_us(session: PaidSession) -> int | None:
    """The earliest moment at which a Tick may mean something to the session, if nothing else happens before.

    It may mean nothing then (a tick is never wrong), but it means nothing earlier.
    """
    due = session.deadline_us
    if session.state not in DELIVERING:
        return due
    settings = session.settings
    if len(session.warned_s) < len(settings.low_balance_s):
        # The next threshold is the highest that was not warned of. Whole seconds are told: 60.999 s are 60 s left.
        next_s = max(threshold for threshold in settings.low_balance_s if threshold not in session.warned_s)
        due = _earlier(due, _used_up_us(session, session.reach_ms - (next_s + 1) * 1_000 + 1))
    if session.state is SessionState.ACTIVE:
        asks_us = _used_up_us(session, session.books.granted_ms - settings.ask_early_ms)
        if asks_us is not None:
            due = _earlier(due, max(asks_us, session.ask_not_before_us))
    return due


def _earlier(one_us: int | None, other_us: int | None) -> int | None:
    if one_us is None or other_us is None:
        return one_us if other_us is None else other_us
    return min(one_us, other_us)


def _used_up_us(session: PaidSession, used_ms: int) -> int | None:
    """When so much will have been used; None if the meter stands still before that."""
    missing_ms = used_ms - session.books.used_ms
    if missing_ms <= 0:
        return session.metered_at_us
    return session.metered_at_us + missing_ms * 1_000 if session.meter_runs else None


class Timers(Generic[K]):
    """Keys, each with at most one moment at which it is due. Arming again replaces the moment; nothing piles up."""

    def __init__(self) -> None:
        self._slot_of: dict[K, int] = {}
        self._slots: dict[int, dict[K, None]] = {}
        self._order: list[int] = []
        """A heap of the numbers of `_slots`, each once."""

    def __len__(self) -> int:
        return len(self._slot_of)

    def arm(self, key: K, at_us: int | None, now_us: int) -> None:
        """Have the key be due then, or at the horizon if that comes first; None: not at all."""
        slot = None if at_us is None else -(-min(at_us, now_us + HORIZON_US) // SLOT_US)
        armed = self._slot_of.get(key)
        if slot == armed:
            return
        if armed is not None:
            del self._slots[armed][key]
            del self._slot_of[key]
        if slot is not None:
            in_slot = self._slots.get(slot)
            if in_slot is None:
                in_slot = self._slots[slot] = {}
                heapq.heappush(self._order, slot)
            in_slot[key] = None
            self._slot_of[key] = slot

    def due(self, now_us: int) -> list[K]:
        """Those whose moment has come, earliest first; they are not armed any more."""
        due: list[K] = []
        while self._order and self._order[0] * SLOT_US <= now_us:
            keys = self._slots.pop(heapq.heappop(self._order))
            for key in keys:
                del self._slot_of[key]
            due += keys
        return due
