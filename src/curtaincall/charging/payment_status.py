"""Whether a seat is paid for: one answer for whoever asks, from inside or over the wire."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access.events import EntitlementGranted, EntitlementRevoked
from curtaincall.access.model import Feature
from curtaincall.charging import credit_store, store
from curtaincall.charging.credit_control import CreditChanged
from curtaincall.charging.errors import TooManyWatchers
from curtaincall.charging.events import SessionChanged, SessionEnding
from curtaincall.charging.model import LIVE, OVER, EndReason, SessionState
from curtaincall.charging.views import SessionView
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.storage.executor import WriteExecutor

RECHECK_S: Final = 5.0
"""How often a watched seat is looked up besides, for what other processes change."""

PAID_FOR: Final = LIVE | {SessionState.CONNECTING}
"""Money is held for the session, and media may flow."""

FAILED_BY: Final = frozenset({EndReason.PAYMENT_FAILED, EndReason.PAYMENT_REQUIRED})


class PaymentState(StrEnum):
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """A seat's payment at one moment.

    Units are milliseconds, cumulative; `paid_until_ms` is epoch, None unless time runs.
    """

    room_id: str
    user_id: str
    state: PaymentState
    paid_until_ms: int | None = None
    granted_ms: int = 0
    used_ms: int = 0
    over: bool = False
    """Nothing will change any more."""


SessionOfRoom = Callable[[str], SessionView | None]
"""The open session of a room in this process's memory, where its meter is fresher than in the database."""


class PaymentStatuses:
    """Answers about seats, and tells who watches them. Used from one event loop."""

    def __init__(
        self, executor: WriteExecutor, bus: EventBus, clock: Clock, session_of_room: SessionOfRoom, max_watchers: int
    ) -> None:
        self._executor = executor
        self._clock = clock
        self._session_of_room = session_of_room
        self._max_watchers = max_watchers
        self._watchers = 0
        self._closed = False
        self._wakeups: dict[str, set[asyncio.Event]] = defaultdict(set)
        bus.subscribe(SessionChanged, self._on_session)
        bus.subscribe(SessionEnding, self._on_session)
        bus.subscribe(CreditChanged, self._on_credit)
        bus.subscribe(EntitlementGranted, self._on_entitlement)
        bus.subscribe(EntitlementRevoked, self._on_entitlement)

    async def of_seat(self, room_id: str, user_id: str) -> PaymentStatus:
        """The status of now; UNKNOWN if no payment for this seat is known."""
        view = self._session_of_room(room_id)
        if view is not None and user_id in (view.payer_id, view.payee_id):
            return _of_session(view, user_id, view.paid_until_ms)
        now_ms = self._clock.now_ms()
        return await self._executor.read(lambda tx: _read(tx, room_id, user_id, now_ms))

    async def watch(self, room_id: str, user_id: str) -> AsyncGenerator[PaymentStatus, None]:
        """The status of now, then each change, until nothing can change any more. Raises TooManyWatchers."""
        if self._watchers >= self._max_watchers:
            raise TooManyWatchers("Too many seats are being watched.")
        self._watchers += 1
        changed = asyncio.Event()
        self._wakeups[room_id].add(changed)
        try:
            told: PaymentStatus | None = None
            while not self._closed and (told is None or not told.over):
                changed.clear()
                status = await self.of_seat(room_id, user_id)
                if status != told:
                    told = status
                    yield status
                    continue
                await _wait(changed)
        finally:
            self._watchers -= 1
            self._wakeups[room_id].discard(changed)
            if not self._wakeups[room_id]:
                del self._wakeups[room_id]

    def close(self) -> None:
        """Let every watcher end: nothing more is told."""
        self._closed = True
        for room_id in tuple(self._wakeups):
            self._wake(room_id)

    async def _on_session(self, event: SessionChanged | SessionEnding) -> None:
        self._wake(event.view.room_id)

    async def _on_credit(self, event: CreditChanged) -> None:
        self._wake(event.room_id)

    async def _on_entitlement(self, event: EntitlementGranted | EntitlementRevoked) -> None:
        self._wake(event.scope_id)  # a room, or nothing that anybody waits for

    def _wake(self, room_id: str) -> None:
        for changed in self._wakeups.get(room_id, ()):
            changed.set()


async def _wait(changed: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(RECHECK_S):
            await changed.wait()
    except TimeoutError:
        pass


def _read(tx: Connection, room_id: str, user_id: str, now_ms: int) -> PaymentStatus:
    session_id = credit_store.newest_of_seat(tx, room_id, user_id)
    if session_id is None:
        return _by_entitlement(tx, room_id, user_id, now_ms)
    view = store.load(tx, session_id).view
    credit = credit_store.find(tx, session_id)
    if credit is None or not credit.is_open:
        return _of_session(view, user_id, None)
    if credit.valid_until_ms <= now_ms:
        return _of_session(view, user_id, None, lapsed=True)
    return _of_session(view, user_id, credit.updated_at_ms + view.granted_ms - view.used_ms)


def _by_entitlement(tx: Connection, room_id: str, user_id: str, now_ms: int) -> PaymentStatus:
    """Seats that are paid for by a ticket: the entry into a battle room."""
    entry = access.may(tx, user_id, Feature.BATTLE_ENTRY, room_id, now_ms)
    if entry.allowed:
        return PaymentStatus(room_id, user_id, PaymentState.PAID, paid_until_ms=entry.until_ms)
    return PaymentStatus(room_id, user_id, PaymentState.UNKNOWN)


def _of_session(view: SessionView, user_id: str, paid_until_ms: int | None, *, lapsed: bool = False) -> PaymentStatus:
    if view.state in PAID_FOR:
        spent = lapsed or view.used_ms >= view.granted_ms
        state = PaymentState.EXPIRED if spent else PaymentState.PAID
    elif view.end_reason is None:
        state = PaymentState.UNKNOWN
    else:
        state = PaymentState.FAILED if view.end_reason in FAILED_BY else PaymentState.EXPIRED
    return PaymentStatus(
        room_id=view.room_id,
        user_id=user_id,
        state=state,
        paid_until_ms=paid_until_ms if state is PaymentState.PAID else None,
        granted_ms=view.granted_ms,
        used_ms=view.used_ms,
        over=view.state in OVER,
    )
