"""The audit log: who did what to whom, why and when. Rows are added, and the database refuses anything else.

An act that changes something has two rows: `begun` is committed before it, `done` or `refused` after it. So also what
failed is on record, and what a crash interrupted is seen by its missing second row.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    select,
)

from curtaincall.storage.paging import Page, page_size, position_of
from curtaincall.storage.schema import RowNumber, metadata
from curtaincall.storage.upsert import insert

MAX_REASON_CHARS: Final = 500

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("act_id", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("act", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("details", Text, nullable=False),
    UniqueConstraint("act_id", "phase"),
    CheckConstraint("phase IN ('begun', 'done', 'refused')", name="phase_known"),
    Index("ix_audit_log_subject_seq", "subject", "seq"),
    sqlite_autoincrement=True,
)


class Act(StrEnum):
    LOOK_UP = "look_up"
    ADJUST = "adjust"
    REFUND = "refund"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    RESOLVE_DISPUTE = "resolve_dispute"
    GRANT_ADMIN = "grant_admin"
    REVOKE_ADMIN = "revoke_admin"


class Phase(StrEnum):
    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `subject` is the user, transaction or dispute; `details` are the facts: amounts, outcomes, codes."""

    act_id: str
    at_ms: int
    actor: str
    act: Act
    subject: str
    phase: Phase
    reason: str
    details: Mapping[str, Any]


def add(tx: Connection, entry: Entry) -> None:
    """Append a row. An act that is tried again (its answer was lost) has each of its rows once."""
    tx.execute(
        insert(audit_log)
        .values(
            act_id=entry.act_id,
            at_ms=entry.at_ms,
            actor=entry.actor,
            act=entry.act,
            subject=entry.subject,
            phase=entry.phase,
            reason=entry.reason,
            details=json.dumps(entry.details, sort_keys=True),
        )
        .on_conflict_do_nothing()
    )


def page_of(tx: Connection, subject: str | None, cursor: str | None, limit: int) -> Page[Entry]:
    """One page of the log, of one subject or of all, newest first. Raises CursorInvalid."""
    before, size = position_of(cursor), page_size(limit)
    query = (
        select(audit_log)
        .where(and_(True) if subject is None else audit_log.c.subject == subject)
        .where(and_(True) if before is None else audit_log.c.seq < before)
        .order_by(audit_log.c.seq.desc())
        .limit(size + 1)
    )
    rows = tx.execute(query).all()
    items = tuple(
        Entry(
            act_id=row.act_id,
            at_ms=row.at_ms,
            actor=row.actor,
            act=Act(row.act),
            subject=row.subject,
            phase=Phase(row.phase),
            reason=row.reason,
            details=json.loads(row.details),
        )
        for row in rows[:size]
    )
    return Page(items, str(rows[size - 1].seq) if len(rows) > size else None)
