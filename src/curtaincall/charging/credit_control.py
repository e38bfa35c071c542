"""Credit control as the transports call it, and the loop that settles sessions nobody reports any more."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from curtaincall.accounts.events import AccountSuspended
from curtaincall.charging import credit_store
from curtaincall.charging.credit import (
    Authorize,
    CloseAllOf,
    CloseSilent,
    CreditAnswer,
    CreditBooks,
    CreditRequest,
    FailSeat,
    Terminate,
    Update,
)
from curtaincall.charging.model import EndReason
from curtaincall.charging.records import StoredSession
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.payments.events import DisputeChanged
from curtaincall.payments.ports import DisputeState
from curtaincall.storage.executor import WriteExecutor

SWEEP_EVERY_S: Final = 1.0
SWEEP_BATCH: Final = 256
"""Sessions settled in one round; those that are left wait for the next."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CreditChanged:
    """A session that somebody else meters was granted more, or is over. Published after the commit."""

    session_id: str
    room_id: str


class CreditControl:
    """Answers numbered requests. Used from one event loop."""

    def __init__(self, executor: WriteExecutor, books: CreditBooks, clock: Clock, bus: EventBus) -> None:
        self._executor = executor
        self._books = books
        self._clock = clock
        self._bus = bus
        self._sweeping: asyncio.Task[None] | None = None
        bus.subscribe(AccountSuspended, self._on_suspended)
        bus.subscribe(DisputeChanged, self._on_dispute)

    def start(self) -> None:
        self._sweeping = asyncio.create_task(self._sweep_on(), name="credit-sweep")

    async def stop(self) -> None:
        """Let no further round begin. Open sessions stay open: whoever meters them may be back in time."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)

    async def answer(
        self, service: str, session_id: str, number: int, body: Authorize | Update | Terminate
    ) -> CreditAnswer:
        """Do what a service asks, once. Raises as `CreditBooks.answer` does."""
        request = CreditRequest(service, session_id, number, body, self._clock.now_ms())
        answer = await self._executor.submit(self._books.answer, request)
        await self._bus.publish(CreditChanged(session_id, answer.room_id))
        return answer

    async def fail(self, room_id: str, user_id: str) -> bool:
        """Settle the sessions of a seat whose payment failed; False if no such seat is known. Idempotent."""
        closed = await self._executor.submit(self._books.fail, FailSeat(room_id, user_id, self._clock.now_ms()))
        for session in closed or ():
            await self._over(session)
        return closed is not None

    async def sweep(self) -> None:
        """Settle the sessions that were silent past their validity."""
        now_ms = self._clock.now_ms()
        for session_id in await self._executor.read(lambda tx: credit_store.lapsed(tx, now_ms, SWEEP_BATCH)):
            session = await self._executor.submit(self._books.close_silent, CloseSilent(session_id, now_ms))
            if session is not None:
                await self._over(session)

    async def _on_suspended(self, event: AccountSuspended) -> None:
        await self._close_all_of(event.user_id, EndReason.ADMIN_TERMINATED, payer_only=False)

    async def _on_dispute(self, event: DisputeChanged) -> None:
        """Whoever wants money back gets no more for it."""
        if event.state is DisputeState.OPENED:
            await self._close_all_of(event.user_id, EndReason.PAYMENT_FAILED, payer_only=True)

    async def _close_all_of(self, user_id: str, reason: EndReason, *, payer_only: bool) -> None:
        command = CloseAllOf(user_id, reason, payer_only, self._clock.now_ms())
        for session in await self._executor.submit(self._books.close_all_of, command):
            await self._over(session)

    async def _over(self, session: StoredSession) -> None:
        log.info(
            "credit_session_closed",
            extra={"session_id": session.session_id, "reason": session.end_reason, "used_ms": session.books.used_ms},
        )
        await self._bus.publish(CreditChanged(session.session_id, session.room_id))

    async def _sweep_on(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception:
                log.exception("credit_sweep_failed")
            await asyncio.sleep(SWEEP_EVERY_S)
