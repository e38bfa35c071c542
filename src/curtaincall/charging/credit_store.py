"""The tables of credit given to media systems outside this process, and the SQL on them.

A credit session is a paid session (`paid_sessions`) that somebody else meters: this is what is known of that somebody.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Index,
    String,
    Table,
    Text,
    func,
    or_,
    select,
    update,
)

from curtaincall.charging.store import paid_sessions
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

RETENTION_MS: Final = 7 * 24 * 3_600_000
"""How long an answer can be had again."""

credit_sessions = Table(
    "credit_sessions",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("service", String(128), nullable=False),
    Column("next_number", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("valid_until_ms", BigInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Index("ix_credit_sessions_is_open_valid_until_ms", "is_open", "valid_until_ms"),
)

credit_requests = Table(
    "credit_requests",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_credit_requests_created_at_ms", "created_at_ms"),
)


@dataclass(frozen=True, slots=True)
class CreditSession:
    """Who meters a session, and until when its grant is good. Epoch milliseconds."""

    session_id: str
    service: str
    next_number: int
    updated_at_ms: int
    valid_until_ms: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered to a numbered request, and a hash of what it asked."""

    session_id: str
    number: int
    body_hash: str
    answer: str
    now_ms: int


def begin(tx: Connection, new: CreditSession) -> bool:
    """Take the session id; False if somebody has it already. Waits for a twin that is being recorded."""
    t = credit_sessions
    statement = (
        insert(t)
        .values(
            session_id=new.session_id,
            service=new.service,
            next_number=new.next_number,
            updated_at_ms=new.updated_at_ms,
            valid_until_ms=new.valid_until_ms,
            is_open=new.is_open,
        )
        .on_conflict_do_nothing()
        .returning(t.c.session_id)  # the number of inserted rows is not told by every driver
    )
    return tx.execute(statement).first() is not None


def lock(tx: Connection, session_id: str) -> CreditSession | None:
    """The session, nobody else's to change until the transaction ends; None if there is none."""
    t = credit_sessions
    row = tx.execute(select(t).where(t.c.session_id == session_id).with_for_update()).one_or_none()
    return None if row is None else CreditSession(**row._mapping)


def find(tx: Connection, session_id: str) -> CreditSession | None:
    t = credit_sessions
    row = tx.execute(select(t).where(t.c.session_id == session_id)).one_or_none()
    return None if row is None else CreditSession(**row._mapping)


def save(tx: Connection, session: CreditSession) -> None:
    """Write what a request made of a locked session."""
    t = credit_sessions
    tx.execute(
        update(t)
        .where(t.c.session_id == session.session_id)
        .values(
            next_number=session.next_number,
            updated_at_ms=session.updated_at_ms,
            valid_until_ms=session.valid_until_ms,
            is_open=session.is_open,
        )
    )


def open_count(tx: Connection) -> int:
    return int(tx.execute(select(func.count()).where(credit_sessions.c.is_open)).scalar_one())


def open_ids(tx: Connection) -> frozenset[str]:
    """The sessions that are metered by somebody else, and so go on while this server is away."""
    t = credit_sessions
    return frozenset(tx.execute(select(t.c.session_id).where(t.c.is_open)).scalars())


def lapsed(tx: Connection, now_ms: int, limit: int) -> tuple[str, ...]:
    """Open sessions past their validity, the longest silent first."""
    t = credit_sessions
    query = select(t.c.session_id).where(t.c.is_open, t.c.valid_until_ms <= now_ms).order_by(t.c.valid_until_ms)
    return tuple(tx.execute(query.limit(limit)).scalars())


def kept(tx: Connection, session_id: str, number: int) -> KeptAnswer | None:
    t = credit_requests
    row = tx.execute(select(t).where(t.c.session_id == session_id, t.c.number == number)).one_or_none()
    return None if row is None else KeptAnswer(row.session_id, row.number, row.body_hash, row.answer, row.created_at_ms)


def keep(tx: Connection, answer: KeptAnswer) -> None:
    """Keep an answer, and forget those that nobody asks for again."""
    t = credit_requests
    tx.execute(
        t.insert().values(
            session_id=answer.session_id,
            number=answer.number,
            body_hash=answer.body_hash,
            answer=answer.answer,
            created_at_ms=answer.now_ms,
        )
    )
    tx.execute(t.delete().where(t.c.created_at_ms < answer.now_ms - RETENTION_MS))


def newest_of_seat(tx: Connection, room_id: str, user_id: str) -> str | None:
    """The newest paid session in which the user has a seat in the room, however it is metered."""
    t = paid_sessions
    query = select(t.c.session_id).where(t.c.room_id == room_id, _seated(user_id)).order_by(t.c.seq.desc()).limit(1)
    return tx.execute(query).scalar_one_or_none()


def of_seat(tx: Connection, room_id: str, user_id: str) -> tuple[str, ...]:
    """Every session of the seat that somebody else meters, or metered."""
    t, credit = paid_sessions, credit_sessions
    query = select(t.c.session_id).join(credit, credit.c.session_id == t.c.session_id)
    return tuple(tx.execute(query.where(t.c.room_id == room_id, _seated(user_id)).order_by(t.c.seq)).scalars())


def open_of_user(tx: Connection, user_id: str, *, payer_only: bool) -> tuple[str, ...]:
    """The user's open sessions, in an order that is always the same."""
    t, credit = paid_sessions, credit_sessions
    whose = t.c.payer_id == user_id if payer_only else _seated(user_id)
    query = select(t.c.session_id).join(credit, credit.c.session_id == t.c.session_id)
    return tuple(tx.execute(query.where(credit.c.is_open, whose).order_by(t.c.seq)).scalars())


def _seated(user_id: str) -> ColumnElement[bool]:
    return or_(paid_sessions.c.payer_id == user_id, paid_sessions.c.payee_id == user_id)
