"""After a crash: every open session is closed at its last durable meter, in the payer's favour. None resumes."""

import asyncio
import logging
from typing import Final

from sqlalchemy import Connection

from curtaincall.charging import credit_store, store
from curtaincall.charging.model import EndReason, SessionState
from curtaincall.charging.records import StoredSession
from curtaincall.charging.settlement import CancelSession, SessionBooks, SettleSession
from curtaincall.kernel.clock import Clock
from curtaincall.storage.executor import WriteExecutor

BATCH: Final = 256
"""Sessions closed at the same time: they share commits, and do not fill the writer's queue."""

NEVER_LIVE: Final = frozenset({SessionState.REQUESTED, SessionState.AUTHORIZING, SessionState.CONNECTING})

log = logging.getLogger(__name__)


async def close_interrupted(executor: WriteExecutor, books: SessionBooks, clock: Clock) -> int:
    """Settle or cancel what a crash left open, and return how many sessions that were.

    The holds of each are posted as far as its durable meter says (about a lease renewal less than was delivered, never
    more) and the rest is voided; the minimum does not apply.
    """
    interrupted = await executor.read(_metered_here)
    for begin in range(0, len(interrupted), BATCH):
        batch = interrupted[begin : begin + BATCH]
        await asyncio.gather(*(_close(executor, books, session, clock.now_ms()) for session in batch))
    if interrupted:
        log.warning("sessions_closed_after_crash", extra={"sessions": len(interrupted)})
    return len(interrupted)


def _metered_here(tx: Connection) -> list[StoredSession]:
    """The open sessions whose media stopped with us. Those that another system meters go on, or lapse (`credit`)."""
    elsewhere = credit_store.open_ids(tx)
    return [session for session in store.open_sessions(tx) if session.session_id not in elsewhere]


async def _close(executor: WriteExecutor, books: SessionBooks, session: StoredSession, now_ms: int) -> None:
    reason = session.end_reason or EndReason.CONNECTION_LOST
    if session.state in NEVER_LIVE and session.books.used_ms == 0:
        cancel = CancelSession(session.session_id, reason, now_ms, crashed=True)
        await executor.submit(books.cancel, cancel)
        return
    settle = SettleSession(session.session_id, session.books.used_ms, reason, now_ms, crashed=True)
    await executor.submit(books.settle, settle)
