"""The tables of paid sessions and the SQL on them."""

from collections import namedtuple
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    or_,
    select,
    update,
)

from curtaincall.charging.model import OVER, Books, EndReason, SessionState, Tariff
from curtaincall.charging.records import Inclusion, Meter, NewSession, Progress, StoredSession, Unlock
from curtaincall.charging.views import Receipt, TimelineEntry
from curtaincall.storage.paging import Page
from curtaincall.storage.prepared import Prepared
from curtaincall.storage.schema import RowNumber, metadata

TIMELINE_LIMIT: Final = 10_000
"""The most lines of a timeline that a receipt shows."""

paid_sessions = Table(
    "paid_sessions",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("session_id", String, nullable=False, unique=True),
    Column("room_id", String, nullable=False),
    Column("payer_id", String, nullable=False),
    Column("payee_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("end_reason", String),
    Column("price_per_minute_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("increment_ms", BigInteger, nullable=False),
    Column("minimum_ms", BigInteger, nullable=False),
    Column("fee_bp", Integer, nullable=False),
    Column("granted_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),
    Column("hold_number", Integer, nullable=False),
    Column("held_minor", BigInteger, nullable=False),
    Column("posted_minor", BigInteger, nullable=False),
    Column("voided", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("settled_at_ms", BigInteger),
    Column("included_ms", BigInteger, nullable=False, server_default="0"),
    Column("included_entitlement_id", String),
    Column("included_period_ms", BigInteger),
    Column("reserved_ms", BigInteger, nullable=False, server_default="0"),
    Column("unlock_price_minor", BigInteger),
    Column("unlock_minor", BigInteger, nullable=False, server_default="0"),
    Column("unlock_entitlement_id", String),
    CheckConstraint("used_ms >= 0 AND used_ms <= granted_ms", name="used_within_granted"),
    CheckConstraint("held_minor >= 0 AND posted_minor >= 0", name="amounts_not_negative"),
    CheckConstraint("payer_id <> payee_id", name="two_people"),
    Index("ix_paid_sessions_payer_id_seq", "payer_id", "seq"),
    Index("ix_paid_sessions_payee_id_seq", "payee_id", "seq"),
    Index("ix_paid_sessions_state", "state"),
    Index("ix_paid_sessions_room_id", "room_id"),
    Index("ix_paid_sessions_included_entitlement_id", "included_entitlement_id", "included_period_ms"),
    sqlite_autoincrement=True,
)

paid_session_events = Table(
    "paid_session_events",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("session_id", ForeignKey("paid_sessions.session_id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("event", String, nullable=False),
    Index("ix_paid_session_events_session_id_seq", "session_id", "seq"),
    sqlite_autoincrement=True,
)


# What runs with every renewal: see storage/prepared.py.

_COLUMNS: Final = [column.name for column in paid_sessions.c]
_SessionRow = namedtuple("_SessionRow", _COLUMNS)  # type: ignore[misc] # the table says which

_LOAD: Final = select(paid_sessions).where(paid_sessions.c.session_id == bindparam("of_session"))

_LOCK: Final = Prepared(_LOAD.with_for_update())

_SAVED: Final = ("state", "end_reason", "granted_ms", "used_ms", "hold_number", "held_minor", "posted_minor")

_SAVE_BOOKS: Final = Prepared(
    update(paid_sessions)
    .where(paid_sessions.c.session_id == bindparam("of_session"))
    .values({name: bindparam(f"new_{name}") for name in _SAVED})
)

_SAVE_METER: Final = Prepared(
    update(paid_sessions)
    .where(
        paid_sessions.c.session_id == bindparam("of_session"),
        paid_sessions.c.used_ms < bindparam("reading_ms"),
        paid_sessions.c.granted_ms >= bindparam("reading_ms"),
        *(paid_sessions.c.state != state.value for state in sorted(OVER)),
    )
    .values(used_ms=bindparam("reading_ms"))
)

_NOTE: Final = Prepared(
    paid_session_events.insert().values(
        session_id=bindparam("of_session"), at_ms=bindparam("at_ms"), event=bindparam("event")
    )
)


def insert(tx: Connection, new: NewSession) -> None:
    tx.execute(
        paid_sessions.insert().values(
            session_id=new.session_id,
            room_id=new.room_id,
            payer_id=new.payer_id,
            payee_id=new.payee_id,
            state=SessionState.REQUESTED,
            price_per_minute_minor=new.tariff.price_per_minute_minor,
            currency=new.tariff.currency,
            increment_ms=new.tariff.increment_ms,
            minimum_ms=new.tariff.minimum_ms,
            fee_bp=new.tariff.fee_bp,
            granted_ms=0,
            used_ms=0,
            hold_number=0,
            held_minor=0,
            posted_minor=0,
            voided=False,
            created_at_ms=new.created_at_ms,
            expires_at_ms=new.expires_at_ms,
            unlock_price_minor=new.unlock_price_minor,
        )
    )
    note(tx, new.session_id, (TimelineEntry(new.created_at_ms, SessionState.REQUESTED),))


def find(tx: Connection, session_id: str) -> StoredSession | None:
    row = tx.execute(select(paid_sessions).where(paid_sessions.c.session_id == session_id)).one_or_none()
    return None if row is None else _stored(row)


def load(tx: Connection, session_id: str) -> StoredSession:
    """Load a session that is known to exist."""
    return _stored(tx.execute(_LOAD, {"of_session": session_id}).one())


def lock(tx: Connection, session_id: str) -> StoredSession:
    """Load a session in order to change it: a twin of the change waits until this transaction is over."""
    (row,) = _LOCK.rows(tx, {"of_session": session_id})
    return _stored(_SessionRow._make(row))


def open_sessions(tx: Connection) -> list[StoredSession]:
    """Every session that is not over, oldest first."""
    query = select(paid_sessions).where(paid_sessions.c.state.not_in(OVER)).order_by(paid_sessions.c.seq)
    return [_stored(row) for row in tx.execute(query)]


def every_session(tx: Connection) -> Iterator[StoredSession]:
    """All sessions there ever were, oldest first, read as they are asked for."""
    query = select(paid_sessions).order_by(paid_sessions.c.seq).execution_options(yield_per=1_000)
    for row in tx.execute(query):
        yield _stored(row)


def page_of(
    tx: Connection, user_id: str, state: SessionState | None, before: int | None, limit: int
) -> Page[StoredSession]:
    """One page of the sessions in which the user pays or is paid, newest first."""
    t = paid_sessions
    query = (
        select(t)
        .where(or_(t.c.payer_id == user_id, t.c.payee_id == user_id))
        .where(and_(True) if state is None else t.c.state == state)
        .where(and_(True) if before is None else t.c.seq < before)
        .order_by(t.c.seq.desc())
        .limit(limit + 1)
    )
    rows = tx.execute(query).all()
    next_cursor = str(rows[limit - 1].seq) if len(rows) > limit else None
    return Page(tuple(_stored(row) for row in rows[:limit]), next_cursor)


def save_books(
    tx: Connection, session_id: str, state: SessionState, books: Books, end_reason: EndReason | None = None
) -> None:
    """Write what a movement of money made of the session, in the movement's transaction."""
    values = {
        "of_session": session_id,
        "new_state": state.value,
        "new_end_reason": None if end_reason is None else end_reason.value,
        "new_granted_ms": books.granted_ms,
        "new_used_ms": books.used_ms,
        "new_hold_number": books.hold_number,
        "new_held_minor": books.held_minor,
        "new_posted_minor": books.posted_minor,
    }
    _SAVE_BOOKS.write(tx, values)


def save_inclusion(tx: Connection, session_id: str, inclusion: Inclusion) -> None:
    tx.execute(
        update(paid_sessions)
        .where(paid_sessions.c.session_id == session_id)
        .values(
            included_ms=inclusion.included_ms,
            included_entitlement_id=inclusion.entitlement_id,
            included_period_ms=inclusion.period_ms,
            reserved_ms=inclusion.reserved_ms,
        )
    )


def save_unlock(tx: Connection, session_id: str, charged_minor: int, entitlement_id: str | None) -> None:
    tx.execute(
        update(paid_sessions)
        .where(paid_sessions.c.session_id == session_id)
        .values(unlock_minor=charged_minor, unlock_entitlement_id=entitlement_id)
    )


def save_state(tx: Connection, session_id: str, state: SessionState) -> None:
    """Write a state that no movement of ours made."""
    tx.execute(update(paid_sessions).where(paid_sessions.c.session_id == session_id).values(state=state))


def save_settled(tx: Connection, session_id: str, voided: bool, now_ms: int) -> None:
    tx.execute(
        update(paid_sessions)
        .where(paid_sessions.c.session_id == session_id)
        .values(voided=voided, settled_at_ms=now_ms)
    )


def save_meters(tx: Connection, meters: Sequence[Meter]) -> None:
    """Make readings durable. A reading never goes down, and one of a session that is over is too late."""
    if not meters:
        return
    _SAVE_METER.write_many(tx, ({"of_session": meter.session_id, "reading_ms": meter.used_ms} for meter in meters))


def save_progress(tx: Connection, progress: Progress) -> None:
    """Record a state and its timeline; a session that is over stays so."""
    t = paid_sessions
    tx.execute(
        update(t)
        .where(t.c.session_id == progress.session_id, t.c.state.not_in(OVER))
        .values(state=progress.state, end_reason=progress.end_reason)
    )
    note(tx, progress.session_id, progress.timeline)


def note(tx: Connection, session_id: str, timeline: Iterable[TimelineEntry]) -> None:
    """Add lines to a session's timeline."""
    for entry in timeline:
        _NOTE.write(tx, {"of_session": session_id, "at_ms": entry.at_ms, "event": str(entry.event)})


def receipt(tx: Connection, session: StoredSession) -> Receipt:
    """The receipt of a session that is over."""
    t = paid_session_events
    query = select(t).where(t.c.session_id == session.session_id).order_by(t.c.seq).limit(TIMELINE_LIMIT)
    charged_minor = session.books.posted_minor
    return Receipt(
        session_id=session.session_id,
        billable_ms=session.books.used_ms,
        charged_minor=charged_minor,
        fee_minor=session.tariff.fee_minor(charged_minor),
        creator_minor=session.tariff.creator_minor(charged_minor),
        currency=session.tariff.currency,
        ended_reason=session.end_reason or EndReason.CONNECTION_LOST,
        timeline=tuple(TimelineEntry(row.at_ms, row.event) for row in tx.execute(query)),
        included_ms=min(session.books.used_ms, session.tariff.included_ms),
        unlock_minor=session.unlock.charged_minor,
    )


def _stored(row: Any) -> StoredSession:
    """Of a row of the table, as SQLAlchemy or as the driver gives it."""
    return StoredSession(
        session_id=row.session_id,
        room_id=row.room_id,
        payer_id=row.payer_id,
        payee_id=row.payee_id,
        state=SessionState(row.state),
        end_reason=None if row.end_reason is None else EndReason(row.end_reason),
        tariff=Tariff(
            price_per_minute_minor=row.price_per_minute_minor,
            currency=row.currency,
            increment_ms=row.increment_ms,
            minimum_ms=row.minimum_ms,
            fee_bp=row.fee_bp,
            included_ms=row.included_ms,
        ),
        books=Books(
            granted_ms=row.granted_ms,
            used_ms=row.used_ms,
            hold_number=row.hold_number,
            held_minor=row.held_minor,
            posted_minor=row.posted_minor,
        ),
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms if row.state == SessionState.REQUESTED else None,
        voided=bool(row.voided),
        inclusion=_inclusion(row),
        unlock=Unlock(row.unlock_price_minor, row.unlock_minor, row.unlock_entitlement_id),
    )


def _inclusion(row: Any) -> Inclusion | None:
    if row.included_entitlement_id is None:
        return None
    return Inclusion(row.included_entitlement_id, row.included_period_ms, row.included_ms, row.reserved_ms)
