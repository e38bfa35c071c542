"""The table of payouts, and the SQL on it."""

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

from curtaincall.storage.paging import Page, position_of
from curtaincall.storage.schema import metadata


class PayoutStatus(StrEnum):
    """Only advances: requested -> pending -> paid or failed."""

    REQUESTED = "requested"
    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"


OPEN = (PayoutStatus.REQUESTED, PayoutStatus.PENDING)

payouts = Table(
    "payouts",
    metadata,
    Column("payout_id", String, primary_key=True),
    Column("creator_id", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body_hash", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("gateway", String, nullable=False),
    Column("gateway_id", String),
    Column("status", String, nullable=False),
    Column("failure_code", String),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("next_question_at_ms", BigInteger, nullable=False),
    Column("questions", Integer, nullable=False),
    UniqueConstraint("creator_id", "key"),
    UniqueConstraint("creator_id", "number"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index("ix_payouts_status_next_question_at_ms", "status", "next_question_at_ms"),
)
"""`number` counts the payouts of a creator: their order, and the cursor of their list."""


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as its creator sees it, with what is needed to ask about it."""

    payout_id: str
    creator_id: str
    body_hash: str
    number: int
    amount_minor: int
    currency: str
    gateway: str
    gateway_id: str | None
    status: PayoutStatus
    failure_code: str | None
    created_at_ms: int
    questions: int


@dataclass(frozen=True, slots=True)
class NewPayout:
    payout_id: str
    creator_id: str
    key: str
    body_hash: str
    amount_minor: int
    currency: str
    gateway: str
    now_ms: int
    next_question_at_ms: int


def insert_payout(tx: Connection, new: NewPayout) -> None:
    """Record an intent; the creator's payable balance is kept for this transaction, so the number is free."""
    t = payouts
    latest = select(func.coalesce(func.max(t.c.number), 0)).where(t.c.creator_id == new.creator_id)
    tx.execute(
        t.insert().values(
            payout_id=new.payout_id,
            creator_id=new.creator_id,
            key=new.key,
            body_hash=new.body_hash,
            number=int(tx.execute(latest).scalar_one()) + 1,
            amount_minor=new.amount_minor,
            currency=new.currency,
            gateway=new.gateway,
            status=PayoutStatus.REQUESTED,
            created_at_ms=new.now_ms,
            updated_at_ms=new.now_ms,
            next_question_at_ms=new.next_question_at_ms,
            questions=0,
        )
    )


def payout_by_id(tx: Connection, payout_id: str, *, lock: bool = False) -> Payout | None:
    query = select(payouts).where(payouts.c.payout_id == payout_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _payout(row)


def payout_by_key(tx: Connection, creator_id: str, key: str) -> Payout | None:
    t = payouts
    row = tx.execute(select(t).where(t.c.creator_id == creator_id, t.c.key == key)).one_or_none()
    return None if row is None else _payout(row)


def payout_at_gateway(tx: Connection, gateway: str, gateway_id: str, key: str | None) -> Payout | None:
    """The payout that a gateway means, by its own id or by ours."""
    t = payouts
    meant = (t.c.gateway_id == gateway_id) | (t.c.payout_id == key)
    row = tx.execute(select(t).where(t.c.gateway == gateway, meant)).first()
    return None if row is None else _payout(row)


def payouts_of(tx: Connection, creator_id: str, cursor: str | None, limit: int) -> Page[Payout]:
    """One page of a creator's payouts, newest first. Raises CursorInvalid."""
    t, before = payouts, position_of(cursor)
    query = select(t).where(t.c.creator_id == creator_id).order_by(t.c.number.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(t.c.number < before)
    found = [_payout(row) for row in tx.execute(query)]
    return Page(tuple(found[:limit]), str(found[limit - 1].number) if len(found) > limit else None)


def in_transit_minor(tx: Connection, creator_id: str) -> int:
    """What is on its way to a creator."""
    t = payouts
    query = select(func.coalesce(func.sum(t.c.amount_minor), 0))
    return int(tx.execute(query.where(t.c.creator_id == creator_id, t.c.status.in_(OPEN))).scalar_one())


def due_payouts(tx: Connection, now_ms: int | None, limit: int) -> Sequence[Payout]:
    """Payouts that are to be asked about by now (None: some time), the longest waiting first."""
    t = payouts
    due: ColumnElement[bool] = true() if now_ms is None else t.c.next_question_at_ms <= now_ms
    query = select(t).where(t.c.status.in_(OPEN), due).order_by(t.c.next_question_at_ms, t.c.payout_id).limit(limit)
    return [_payout(row) for row in tx.execute(query)]


def change_payout(tx: Connection, payout_id: str, values: dict[str, object]) -> Payout:
    """Change a payout that is known to exist."""
    t = payouts
    tx.execute(update(t).where(t.c.payout_id == payout_id).values({**values, "questions": t.c.questions + 1}))
    found = payout_by_id(tx, payout_id)
    assert found is not None
    return found


def _payout(row: Row[Any]) -> Payout:
    return Payout(
        payout_id=row.payout_id,
        creator_id=row.creator_id,
        body_hash=row.body_hash,
        number=row.number,
        amount_minor=row.amount_minor,
        currency=row.currency,
        gateway=row.gateway,
        gateway_id=row.gateway_id,
        status=PayoutStatus(row.status),
        failure_code=row.failure_code,
        created_at_ms=row.created_at_ms,
        questions=row.questions,
    )
