"""The table of disputes, and the SQL on it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
    update,
)

from curtaincall.ledger.model import Purpose
from curtaincall.payments.ports import DisputeState
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

PAGE: Final = 500

LIST_LIMIT: Final = 200
"""The most disputes that are listed at once."""

TAKING: Final = (DisputeState.OPENED, DisputeState.LOST)
"""States in which a dispute holds money, or has cost it."""

disputes = Table(
    "disputes",
    metadata,
    Column("dispute_id", String, primary_key=True),
    Column("gateway", String, nullable=False),
    Column("gateway_id", String, nullable=False),
    Column("payment_id", ForeignKey("card_payments.payment_id"), nullable=False),
    Column("user_id", String, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", String, nullable=False),
    Column("refs", Text, nullable=False),
    Column("opened_at_ms", BigInteger, nullable=False),
    Column("decided_at_ms", BigInteger),
    UniqueConstraint("gateway", "gateway_id"),
    CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
    Index("ix_disputes_state_opened_at_ms", "state", "opened_at_ms"),
    Index("ix_disputes_payment_id", "payment_id"),
)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute as an operator sees it. `amount_minor` is what was taken: never more than is left of the payment."""

    dispute_id: str
    gateway: str
    gateway_id: str
    payment_id: str
    user_id: str
    amount_minor: int
    currency: str
    state: DisputeState
    refs: tuple[tuple[Purpose, str], ...]
    opened_at_ms: int
    decided_at_ms: int | None


@dataclass(frozen=True, slots=True)
class NewDispute:
    """A dispute that is heard of: an inquiry, until it is opened."""

    dispute_id: str
    gateway: str
    gateway_id: str
    payment_id: str
    user_id: str
    currency: str
    now_ms: int


def known_or_new(tx: Connection, new: NewDispute) -> Dispute:
    """The dispute of this gateway's id, made if it is new, kept for this transaction."""
    t = disputes
    statement = insert(t).values(
        dispute_id=new.dispute_id,
        gateway=new.gateway,
        gateway_id=new.gateway_id,
        payment_id=new.payment_id,
        user_id=new.user_id,
        amount_minor=0,
        currency=new.currency,
        state=DisputeState.INQUIRY,
        refs="[]",
        opened_at_ms=new.now_ms,
    )
    tx.execute(statement.on_conflict_do_nothing(index_elements=["gateway", "gateway_id"]))
    query = select(t).where(t.c.gateway == new.gateway, t.c.gateway_id == new.gateway_id)
    return _dispute(tx.execute(query.with_for_update()).one())


def dispute_by_id(tx: Connection, dispute_id: str, *, lock: bool = False) -> Dispute | None:
    query = select(disputes).where(disputes.c.dispute_id == dispute_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _dispute(row)


def change(tx: Connection, dispute_id: str, values: dict[str, object]) -> Dispute:
    """Change a dispute that is known to exist."""
    tx.execute(update(disputes).where(disputes.c.dispute_id == dispute_id).values(values))
    found = dispute_by_id(tx, dispute_id)
    assert found is not None
    return found


def newest(tx: Connection, state: DisputeState | None, user_id: str | None) -> tuple[Dispute, ...]:
    """The newest disputes (in a state, of a user), newest first."""
    t = disputes
    query = select(t).order_by(t.c.opened_at_ms.desc(), t.c.dispute_id.desc()).limit(LIST_LIMIT)
    if state is not None:
        query = query.where(t.c.state == state)
    if user_id is not None:
        query = query.where(t.c.user_id == user_id)
    return tuple(_dispute(row) for row in tx.execute(query))


def told(tx: Connection) -> Iterator[Dispute]:
    """Every dispute that took money, or was decided, oldest first: for whoever missed the news of some."""
    t = disputes
    query = select(t).where(t.c.state != DisputeState.INQUIRY).order_by(t.c.opened_at_ms, t.c.dispute_id)
    for row in tx.execute(query.execution_options(yield_per=PAGE)):
        yield _dispute(row)


def has_dispute(tx: Connection, payment_id: str) -> bool:
    """Whether the payment is disputed, or was with success: then it is not refunded besides."""
    t = disputes
    query = select(t.c.dispute_id).where(t.c.payment_id == payment_id, t.c.state.in_(TAKING)).limit(1)
    return tx.execute(query).one_or_none() is not None


def taken_minor(tx: Connection, payment_id: str) -> int:
    """What other disputes of the payment hold, or have cost."""
    t = disputes
    query = select(t.c.amount_minor).where(t.c.payment_id == payment_id, t.c.state.in_(TAKING))
    return sum(tx.execute(query).scalars())


def _dispute(row: Row[Any]) -> Dispute:
    return Dispute(
        dispute_id=row.dispute_id,
        gateway=row.gateway,
        gateway_id=row.gateway_id,
        payment_id=row.payment_id,
        user_id=row.user_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=DisputeState(row.state),
        refs=tuple((Purpose(purpose), ref) for purpose, ref in json.loads(row.refs)),
        opened_at_ms=row.opened_at_ms,
        decided_at_ms=row.decided_at_ms,
    )
