"""The tables of the sandbox, and the SQL on them. No other module reads or writes here."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    exists,
    or_,
    select,
    update,
)

from curtaincall.storage.schema import metadata

BATCH: Final = 100
"""The most rows of each table that one turn works on."""

cards = Table(
    "sandbox_cards",
    metadata,
    Column("card_id", String, primary_key=True),
    Column("customer_id", String, nullable=False),
    Column("token", String, nullable=False),
    Column("charges", Integer, nullable=False),
    Column("removed_at_ms", BigInteger),
)

payments = Table(
    "sandbox_payments",
    metadata,
    Column("charge_id", String, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("card_id", ForeignKey("sandbox_cards.card_id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("off_session", Boolean, nullable=False),
    Column("status", String, nullable=False),
    Column("code", String),
    Column("refunded_minor", BigInteger, nullable=False),
    Column("due_at_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_sandbox_payments_due_at_ms", "due_at_ms"),
)
"""`due_at_ms`: when what is pending is decided; `code` then says how (None: it pays)."""

refunds = Table(
    "sandbox_refunds",
    metadata,
    Column("refund_id", String, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("charge_id", ForeignKey("sandbox_payments.charge_id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("code", String),
    Column("due_at_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_sandbox_refunds_due_at_ms", "due_at_ms"),
)

payouts = Table(
    "sandbox_payouts",
    metadata,
    Column("payout_id", String, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("recipient_id", String, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("code", String),
    Column("due_at_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_sandbox_payouts_due_at_ms", "due_at_ms"),
)

disputes = Table(
    "sandbox_disputes",
    metadata,
    Column("dispute_id", String, primary_key=True),
    Column("charge_id", ForeignKey("sandbox_payments.charge_id"), nullable=False, unique=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("becomes", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("due_at_ms", BigInteger),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_sandbox_disputes_due_at_ms", "due_at_ms"),
)
"""`status` is `planned` until the holder goes to the bank."""

deliveries = Table(
    "sandbox_deliveries",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("event_id", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    Index("ix_sandbox_deliveries_due_at_ms", "due_at_ms"),
)
"""Webhooks still to be sent; a row goes when its webhook has been taken."""

IDENTITY: Final = {
    cards.name: cards.c.card_id,
    payments.name: payments.c.charge_id,
    refunds.name: refunds.c.refund_id,
    payouts.name: payouts.c.payout_id,
    disputes.name: disputes.c.dispute_id,
}
"""The column that names an object, of each table of objects."""


def by_key(tx: Connection, table: Table, key: str) -> Row[Any] | None:
    return tx.execute(select(table).where(table.c.key == key)).one_or_none()


def by_id(tx: Connection, table: Table, object_id: str) -> Row[Any] | None:
    return tx.execute(select(table).where(IDENTITY[table.name] == object_id)).one_or_none()


def locked_card(tx: Connection, card_id: str) -> Row[Any] | None:
    """A card that was not removed, kept for this transaction: its charges are counted."""
    query = select(cards).where(cards.c.card_id == card_id, cards.c.removed_at_ms.is_(None))
    return tx.execute(query.with_for_update()).one_or_none()


def locked_charge(tx: Connection, charge_id: str) -> Row[Any] | None:
    """A charge, kept for this transaction: its refunds are counted."""
    return tx.execute(select(payments).where(payments.c.charge_id == charge_id).with_for_update()).one_or_none()


def count_charge(tx: Connection, card_id: str) -> None:
    tx.execute(update(cards).where(cards.c.card_id == card_id).values(charges=cards.c.charges + 1))


def take_from_charge(tx: Connection, charge_id: str, amount_minor: int) -> bool:
    """Count a refund against its charge; False if it has not that much left. A negative amount gives it back."""
    t = payments
    left = t.c.amount_minor - t.c.refunded_minor >= amount_minor
    result = tx.execute(
        update(t)
        .where(t.c.charge_id == charge_id, t.c.status == "succeeded", left)
        .values(refunded_minor=t.c.refunded_minor + amount_minor)
    )
    return result.rowcount == 1


def set_status(tx: Connection, table: Table, object_id: str, before: str, **values: object) -> bool:
    """Change an object that is still as it was; False if somebody was quicker."""
    result = tx.execute(
        update(table).where(IDENTITY[table.name] == object_id, table.c.status == before).values(**values)
    )
    return result.rowcount == 1


def due(tx: Connection, table: Table, now_ms: int) -> Sequence[Row[Any]]:
    """What happens by now, oldest first."""
    query = select(table).where(table.c.due_at_ms <= now_ms).order_by(table.c.due_at_ms).limit(BATCH)
    return tx.execute(query).all()


CHANGING: Final = (payments, refunds, payouts, disputes)
"""Tables of objects that change by themselves when their `due_at_ms` has come."""


def anything_due(tx: Connection, now_ms: int) -> bool:
    """Whether any object is about to change by itself."""
    changes = [exists().where(table.c.due_at_ms <= now_ms) for table in CHANGING]
    return bool(tx.execute(select(or_(*changes))).scalar_one())


def postpone_delivery(tx: Connection, delivery_id: str, due_at_ms: int) -> None:
    t = deliveries
    tx.execute(update(t).where(t.c.delivery_id == delivery_id).values(due_at_ms=due_at_ms, attempts=t.c.attempts + 1))


def drop_delivery(tx: Connection, delivery_id: str) -> None:
    tx.execute(delete(deliveries).where(deliveries.c.delivery_id == delivery_id))
