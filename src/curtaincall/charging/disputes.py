"""Sessions whose payment is disputed: SETTLED -> DISPUTED -> WON or LOST. The money itself is moved by payments."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Connection, ForeignKey, Index, String, Table, select, update

from curtaincall.charging import store
from curtaincall.charging.model import CHARGED, SessionState, disputed_state
from curtaincall.charging.records import StoredSession
from curtaincall.charging.views import TimelineEntry
from curtaincall.ledger.model import Purpose
from curtaincall.payments import dispute_store
from curtaincall.payments.events import DisputeChanged
from curtaincall.payments.ports import DisputeState
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

OF_SESSIONS: Final = frozenset({Purpose.CALL, Purpose.INSTANT_UNLOCK})
"""Purposes whose ref may be a session."""

session_disputes = Table(
    "session_disputes",
    metadata,
    Column("dispute_id", String, primary_key=True),
    Column("session_id", ForeignKey("paid_sessions.session_id"), primary_key=True),
    Column("state", String(16), nullable=False),
    Index("ix_session_disputes_session_id", "session_id"),
)


@dataclass(frozen=True, slots=True)
class RecordDispute:
    """What became of a dispute, and which sessions the disputed money had paid for."""

    dispute_id: str
    session_ids: tuple[str, ...]
    state: DisputeState
    now_ms: int


def of_news(event: DisputeChanged, now_ms: int) -> RecordDispute:
    return RecordDispute(event.dispute_id, _sessions(event.refs), event.state, now_ms)


def missed(tx: Connection, now_ms: int) -> list[RecordDispute]:
    """What payments have on record of disputes, and we have not: a crash came between the commit and the news."""
    recorded: dict[str, set[str]] = {}
    for row in tx.execute(select(session_disputes.c.dispute_id, session_disputes.c.state)):
        recorded.setdefault(row.dispute_id, set()).add(row.state)
    found = []
    for dispute in dispute_store.told(tx):
        session_ids = _sessions(dispute.refs)
        if session_ids and recorded.get(dispute.dispute_id) != {dispute.state.value}:
            found.append(RecordDispute(dispute.dispute_id, session_ids, dispute.state, now_ms))
    return found


def record(tx: Connection, command: RecordDispute) -> tuple[str, ...]:
    """Mark the sessions that are settled; those that are not yet are marked with their settlement.

    Returns the ids of those whose state has changed. Ids that are no session's are passed over. Repeated, or told in
    another order, it comes to the same: a dispute that is decided stays so.
    """
    changed: list[str] = []
    for session_id in sorted(set(command.session_ids)):
        if store.find(tx, session_id) is None:
            continue
        session = store.lock(tx, session_id)
        _advance(tx, command, session_id)
        if session.state in CHARGED and mark(tx, session, command.now_ms):
            changed.append(session_id)
    return tuple(changed)


def mark(tx: Connection, session: StoredSession, now_ms: int) -> bool:
    """Give a settled session the state that the disputes over it say. Returns whether that is another one."""
    t = session_disputes
    states = tx.execute(select(t.c.state).where(t.c.session_id == session.session_id)).scalars()
    state = disputed_state([DisputeState(row) for row in states])
    known = session.state if session.state in CHARGED else SessionState.SETTLED
    if state is known:
        return False
    store.save_state(tx, session.session_id, state)
    store.note(tx, session.session_id, (TimelineEntry(now_ms, state),))
    return True


def _sessions(refs: Iterable[tuple[Purpose, str]]) -> tuple[str, ...]:
    return tuple(ref for purpose, ref in refs if purpose in OF_SESSIONS)


def _advance(tx: Connection, command: RecordDispute, session_id: str) -> None:
    t = session_disputes
    new = {"dispute_id": command.dispute_id, "session_id": session_id, "state": command.state}
    tx.execute(insert(t).values(new).on_conflict_do_nothing())
    tx.execute(
        update(t)
        .where(
            t.c.dispute_id == command.dispute_id,
            t.c.session_id == session_id,
            t.c.state == DisputeState.OPENED,
        )
        .values(state=command.state)
    )
