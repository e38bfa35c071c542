"""The table of refunds, and the SQL on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    select,
    true,
    update,
)

from curtaincall.ledger.model import Purpose
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert


class RefundStatus(StrEnum):
    """Only advances: requested -> pending -> succeeded or failed. A spend is reversed at once: succeeded."""

    REQUESTED = "requested"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


OPEN = (RefundStatus.REQUESTED, RefundStatus.PENDING)

refunds = Table(
    "refunds",
    metadata,
    Column("refund_id", String, primary_key=True),
    Column("transaction_key", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("transaction_id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("ref", String, nullable=False),
    Column("payment_id", ForeignKey("card_payments.payment_id")),
    Column("gateway_id", String),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("status", String, nullable=False),
    Column("failure_code", String),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("next_question_at_ms", BigInteger, nullable=False),
    Column("questions", Integer, nullable=False),
    UniqueConstraint("transaction_key", "attempt"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index("ix_refunds_status_next_question_at_ms", "status", "next_question_at_ms"),
    Index("ix_refunds_payment_id", "payment_id"),
)
"""`attempt` counts the refunds of a transaction that failed before: of each transaction at most one is not failed."""


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as an operator sees it. `payment_id` is that of the card payment given back; None: a spend."""

    refund_id: str
    transaction_id: str
    user_id: str
    purpose: Purpose
    ref: str
    payment_id: str | None
    gateway_id: str | None
    amount_minor: int
    currency: str
    reason: str
    actor: str
    status: RefundStatus
    failure_code: str | None
    created_at_ms: int
    questions: int

    @property
    def hold_key(self) -> str:
        return f"refund:{self.refund_id}:hold"


@dataclass(frozen=True, slots=True)
class NewRefund:
    refund_id: str
    transaction_key: str
    transaction_id: str
    user_id: str
    purpose: Purpose
    ref: str
    payment_id: str | None
    amount_minor: int
    currency: str
    reason: str
    actor: str
    status: RefundStatus
    now_ms: int
    next_question_at_ms: int


def insert_refund(tx: Connection, new: NewRefund) -> bool:
    """Record a refund; False if the transaction is refunded, or about to be."""
    t = refunds
    earlier = select(t.c.status).where(t.c.transaction_key == new.transaction_key)
    statuses = list(tx.execute(earlier).scalars())
    if any(status != RefundStatus.FAILED for status in statuses):
        return False
    statement = insert(t).values(
        refund_id=new.refund_id,
        transaction_key=new.transaction_key,
        attempt=len(statuses),
        transaction_id=new.transaction_id,
        user_id=new.user_id,
        purpose=new.purpose,
        ref=new.ref,
        payment_id=new.payment_id,
        amount_minor=new.amount_minor,
        currency=new.currency,
        reason=new.reason,
        actor=new.actor,
        status=new.status,
        created_at_ms=new.now_ms,
        updated_at_ms=new.now_ms,
        next_question_at_ms=new.next_question_at_ms,
        questions=0,
    )
    # A twin that was quicker has this attempt: its commit is waited for.
    statement = statement.on_conflict_do_nothing(index_elements=["transaction_key", "attempt"])
    return tx.execute(statement.returning(t.c.refund_id)).first() is not None


def refund_by_id(tx: Connection, refund_id: str, *, lock: bool = False) -> Refund | None:
    query = select(refunds).where(refunds.c.refund_id == refund_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _refund(row)


def refund_at_gateway(tx: Connection, gateway_id: str, key: str | None) -> Refund | None:
    """The refund that a gateway means, by its own id or by ours."""
    t = refunds
    row = tx.execute(select(t).where((t.c.gateway_id == gateway_id) | (t.c.refund_id == key))).first()
    return None if row is None else _refund(row)


def due_refunds(tx: Connection, now_ms: int | None, limit: int) -> Sequence[Refund]:
    """Refunds that are to be asked about by now (None: some time), the longest waiting first."""
    t = refunds
    due: ColumnElement[bool] = true() if now_ms is None else t.c.next_question_at_ms <= now_ms
    query = select(t).where(t.c.status.in_(OPEN), due).order_by(t.c.next_question_at_ms, t.c.refund_id).limit(limit)
    return [_refund(row) for row in tx.execute(query)]


def change_refund(tx: Connection, refund_id: str, values: dict[str, object]) -> Refund:
    """Change a refund that is known to exist."""
    tx.execute(
        update(refunds).where(refunds.c.refund_id == refund_id).values({**values, "questions": refunds.c.questions + 1})
    )
    found = refund_by_id(tx, refund_id)
    assert found is not None
    return found


def refunded_minor(tx: Connection, payment_id: str) -> int:
    """How much of a card payment was given back to the card, or is about to be."""
    t = refunds
    query = select(func.coalesce(func.sum(t.c.amount_minor), 0)).where(
        t.c.payment_id == payment_id, t.c.status != RefundStatus.FAILED
    )
    return int(tx.execute(query).scalar_one())


def _refund(row: Row[Any]) -> Refund:
    return Refund(
        refund_id=row.refund_id,
        transaction_id=row.transaction_id,
        user_id=row.user_id,
        purpose=Purpose(row.purpose),
        ref=row.ref,
        payment_id=row.payment_id,
        gateway_id=row.gateway_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        actor=row.actor,
        status=RefundStatus(row.status),
        failure_code=row.failure_code,
        created_at_ms=row.created_at_ms,
        questions=row.questions,
    )
