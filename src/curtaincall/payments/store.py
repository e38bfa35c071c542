"""The tables of payment methods and top-ups, and the SQL on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    UniqueConstraint,
    func,
    select,
    update,
)

from curtaincall.payments.model import FINAL, PaymentMethod, TopUp, TopUpStatus
from curtaincall.storage.schema import metadata

payment_methods = Table(
    "payment_methods",
    metadata,
    Column("payment_method_id", String, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("gateway", String, nullable=False),
    Column("gateway_ref", String, nullable=False),
    Column("brand", String, nullable=False),
    Column("last4", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_payment_methods_user_id", "user_id"),
)

top_ups = Table(
    "top_ups",
    metadata,
    Column("top_up_id", String, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body_hash", String, nullable=False),
    Column("payment_method_id", ForeignKey("payment_methods.payment_method_id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("decline_code", String),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    UniqueConstraint("user_id", "key"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index("ix_top_ups_status", "status"),
)


@dataclass(frozen=True, slots=True)
class NewMethod:
    user_id: str
    gateway: str
    gateway_ref: str
    created_at_ms: int
    shown: PaymentMethod


@dataclass(frozen=True, slots=True)
class TopUpIntent:
    """A top-up as it is recorded before the gateway is asked, with what is needed to ask."""

    top_up_id: str
    user_id: str
    key: str
    body_hash: str
    payment_method_id: str
    amount_minor: int
    currency: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class TopUpRecord:
    """A recorded top-up: whom to ask, for what, and what is known."""

    top_up_id: str
    user_id: str
    body_hash: str
    gateway: str
    gateway_ref: str
    amount_minor: int
    currency: str
    status: TopUpStatus
    decline_code: str | None

    @property
    def shown(self) -> TopUp:
        return TopUp(self.top_up_id, self.status, self.decline_code)


def add_method(tx: Connection, new: NewMethod) -> None:
    tx.execute(
        payment_methods.insert().values(
            payment_method_id=new.shown.payment_method_id,
            user_id=new.user_id,
            gateway=new.gateway,
            gateway_ref=new.gateway_ref,
            brand=new.shown.brand,
            last4=new.shown.last4,
            created_at_ms=new.created_at_ms,
        )
    )


def methods_of(tx: Connection, user_id: str) -> tuple[PaymentMethod, ...]:
    """The user's payment methods, newest first."""
    t = payment_methods
    query = select(t).where(t.c.user_id == user_id).order_by(t.c.created_at_ms.desc(), t.c.payment_method_id.desc())
    return tuple(PaymentMethod(row.payment_method_id, row.brand, row.last4) for row in tx.execute(query))


def count_methods(tx: Connection, user_id: str) -> int:
    query = select(func.count()).select_from(payment_methods).where(payment_methods.c.user_id == user_id)
    return int(tx.execute(query).scalar_one())


def owns_method(tx: Connection, user_id: str, payment_method_id: str) -> bool:
    t = payment_methods
    query = select(t.c.user_id).where(t.c.payment_method_id == payment_method_id, t.c.user_id == user_id)
    return tx.execute(query).one_or_none() is not None


def insert_top_up(tx: Connection, intent: TopUpIntent) -> None:
    tx.execute(
        top_ups.insert().values(
            top_up_id=intent.top_up_id,
            user_id=intent.user_id,
            key=intent.key,
            body_hash=intent.body_hash,
            payment_method_id=intent.payment_method_id,
            amount_minor=intent.amount_minor,
            currency=intent.currency,
            status=TopUpStatus.REQUESTED,
            decline_code=None,
            created_at_ms=intent.now_ms,
            updated_at_ms=intent.now_ms,
        )
    )


def top_up_by_key(tx: Connection, user_id: str, key: str) -> TopUpRecord | None:
    rows = _records(tx, top_ups.c.user_id == user_id, top_ups.c.key == key)
    return rows[0] if rows else None


def top_up(tx: Connection, top_up_id: str) -> TopUpRecord:
    """Load a top-up that is known to exist."""
    return _records(tx, top_ups.c.top_up_id == top_up_id)[0]


def open_top_ups(tx: Connection, limit: int) -> Sequence[TopUpRecord]:
    """Top-ups whose outcome is not known, oldest first."""
    open_states = [status for status in TopUpStatus if status not in FINAL]
    return _records(tx, top_ups.c.status.in_(open_states), limit=limit)


def set_outcome(tx: Connection, top_up_id: str, status: TopUpStatus, decline_code: str | None, now_ms: int) -> bool:
    """Advance a top-up; False if its outcome was known already, and nothing is changed."""
    t = top_ups
    result = tx.execute(
        update(t)
        .where(t.c.top_up_id == top_up_id, t.c.status.not_in(FINAL))
        .values(status=status, decline_code=decline_code, updated_at_ms=now_ms)
    )
    return result.rowcount == 1


def _records(tx: Connection, *where: Any, limit: int = 1) -> list[TopUpRecord]:
    query = (
        select(top_ups, payment_methods.c.gateway, payment_methods.c.gateway_ref)
        .join(payment_methods)
        .where(*where)
        .order_by(top_ups.c.created_at_ms, top_ups.c.top_up_id)
        .limit(limit)
    )
    return [_record(row) for row in tx.execute(query)]


def _record(row: Row[Any]) -> TopUpRecord:
    return TopUpRecord(
        top_up_id=row.top_up_id,
        user_id=row.user_id,
        body_hash=row.body_hash,
        gateway=row.gateway,
        gateway_ref=row.gateway_ref,
        amount_minor=row.amount_minor,
        currency=row.currency,
        status=TopUpStatus(row.status),
        decline_code=row.decline_code,
    )
