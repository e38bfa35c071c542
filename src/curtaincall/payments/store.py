"""The tables of payment methods and card payments, and the SQL on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    Text,
    UniqueConstraint,
    and_,
    func,
    or_,
    select,
    true,
    update,
)

from curtaincall.ledger.model import Account, Purpose
from curtaincall.payments.model import FINAL, CardPayment, PaymentMethod, PaymentStatus
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

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
    Column("removed_at_ms", BigInteger),
    Index("ix_payment_methods_user_id", "user_id"),
)

card_payments = Table(
    "card_payments",
    metadata,
    Column("payment_id", String, primary_key=True),
    Column("user_id", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body_hash", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("ref", String, nullable=False),
    Column("credit_account_id", String, nullable=False),
    Column("payment_method_id", ForeignKey("payment_methods.payment_method_id"), nullable=False),
    Column("gateway", String, nullable=False),
    Column("gateway_id", String),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("off_session", Boolean, nullable=False),
    Column("description", String, nullable=False),
    Column("status", String, nullable=False),
    Column("decline_code", String),
    Column("redirect_url", Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("next_question_at_ms", BigInteger, nullable=False),
    Column("questions", Integer, nullable=False),
    UniqueConstraint("user_id", "key"),
    UniqueConstraint("gateway", "gateway_id"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index("ix_card_payments_status_next_question_at_ms", "status", "next_question_at_ms"),
    Index("ix_card_payments_ref", "ref"),
)

OPEN = tuple(status for status in PaymentStatus if status not in FINAL)


@dataclass(frozen=True, slots=True)
class NewMethod:
    user_id: str
    gateway: str
    gateway_ref: str
    created_at_ms: int
    shown: PaymentMethod


@dataclass(frozen=True, slots=True)
class Intent:
    """A card payment as it is recorded before the gateway is asked."""

    payment_id: str
    user_id: str
    key: str
    body_hash: str
    purpose: Purpose
    ref: str
    credit: Account
    payment_method_id: str
    amount_minor: int
    currency: str
    off_session: bool
    description: str
    now_ms: int
    next_question_at_ms: int


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """A recorded card payment: whom to ask, for what, and what is known."""

    payment_id: str
    user_id: str
    key: str
    body_hash: str
    purpose: Purpose
    ref: str
    credit: Account
    gateway: str
    method_ref: str
    gateway_id: str | None
    amount_minor: int
    currency: str
    off_session: bool
    description: str
    status: PaymentStatus
    decline_code: str | None
    redirect_url: str | None
    created_at_ms: int
    questions: int

    @property
    def ledger_key(self) -> str:
        """The key of the transfer that a success writes."""
        return f"card:{self.payment_id}"

    @property
    def shown(self) -> CardPayment:
        return CardPayment(self.payment_id, self.status, self.decline_code, self.redirect_url)


@dataclass(frozen=True, slots=True)
class Advance:
    """What is known of a payment from now on."""

    status: PaymentStatus
    gateway_id: str | None
    decline_code: str | None
    redirect_url: str | None
    next_question_at_ms: int


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
            removed_at_ms=None,
        )
    )


def methods_of(tx: Connection, user_id: str) -> tuple[PaymentMethod, ...]:
    """The user's payment methods, newest first."""
    t = payment_methods
    query = select(t).where(t.c.user_id == user_id, t.c.removed_at_ms.is_(None))
    rows = tx.execute(query.order_by(t.c.created_at_ms.desc(), t.c.payment_method_id.desc()))
    return tuple(PaymentMethod(row.payment_method_id, row.brand, row.last4) for row in rows)


def count_methods(tx: Connection, user_id: str) -> int:
    t = payment_methods
    query = select(func.count()).select_from(t).where(t.c.user_id == user_id, t.c.removed_at_ms.is_(None))
    return int(tx.execute(query).scalar_one())


def method_of(tx: Connection, user_id: str, payment_method_id: str) -> Row[Any] | None:
    """The user's method with this id, None if there is none, or not any more."""
    t = payment_methods
    mine = and_(t.c.payment_method_id == payment_method_id, t.c.user_id == user_id, t.c.removed_at_ms.is_(None))
    return tx.execute(select(t).where(mine)).one_or_none()


def remove_method(tx: Connection, payment_method_id: str, now_ms: int) -> None:
    """Keep the row, which payments refer to, but not the card."""
    t = payment_methods
    tx.execute(update(t).where(t.c.payment_method_id == payment_method_id).values(removed_at_ms=now_ms))


def insert_payment(tx: Connection, intent: Intent, gateway: str) -> bool:
    """Record an intent; False if the user has one with this key."""
    statement = insert(card_payments).values(
        payment_id=intent.payment_id,
        user_id=intent.user_id,
        key=intent.key,
        body_hash=intent.body_hash,
        purpose=intent.purpose,
        ref=intent.ref,
        credit_account_id=intent.credit.id,
        payment_method_id=intent.payment_method_id,
        gateway=gateway,
        gateway_id=None,
        amount_minor=intent.amount_minor,
        currency=intent.currency,
        off_session=intent.off_session,
        description=intent.description,
        status=PaymentStatus.REQUESTED,
        created_at_ms=intent.now_ms,
        updated_at_ms=intent.now_ms,
        next_question_at_ms=intent.next_question_at_ms,
        questions=0,
    )
    statement = statement.on_conflict_do_nothing(index_elements=["user_id", "key"])
    return tx.execute(statement.returning(card_payments.c.payment_id)).first() is not None


def payment_by_key(tx: Connection, user_id: str, key: str) -> PaymentRecord | None:
    return _only(tx, card_payments.c.user_id == user_id, card_payments.c.key == key)


def payment_by_id(tx: Connection, payment_id: str) -> PaymentRecord | None:
    return _only(tx, card_payments.c.payment_id == payment_id)


def payment_at_gateway(tx: Connection, gateway: str, gateway_id: str, key: str | None) -> PaymentRecord | None:
    """The payment that a gateway means, by its own id or by ours (its answer with the id may still be on its way)."""
    t = card_payments
    ours = and_(t.c.payment_id == key, t.c.gateway_id.is_(None))
    return _only(tx, t.c.gateway == gateway, or_(t.c.gateway_id == gateway_id, ours))


def locked_payment(tx: Connection, payment_id: str) -> PaymentRecord:
    """A payment that is known to exist, with its row kept for this transaction."""
    # Locked first and read afterwards: the join would lock the payment method too.
    tx.execute(
        select(card_payments.c.payment_id).where(card_payments.c.payment_id == payment_id).with_for_update()
    ).one()
    found = payment_by_id(tx, payment_id)
    assert found is not None
    return found


def due_payments(tx: Connection, now_ms: int | None, limit: int) -> Sequence[PaymentRecord]:
    """Open payments that are to be asked about by now (None: some time), the longest waiting first."""
    t = card_payments
    due = true() if now_ms is None else t.c.next_question_at_ms <= now_ms
    return _records(tx, t.c.status.in_(OPEN), due, limit=limit)


def open_off_session(tx: Connection, user_id: str, purpose: Purpose) -> PaymentRecord | None:
    """A charge in the holder's absence that is not decided."""
    t = card_payments
    found = _records(tx, t.c.user_id == user_id, t.c.purpose == purpose, t.c.off_session, t.c.status.in_(OPEN), limit=1)
    return found[0] if found else None


def advance_payment(tx: Connection, record: PaymentRecord, to: Advance, now_ms: int) -> bool:
    """Advance a payment; False if it was final already, and nothing is changed."""
    t = card_payments
    result = tx.execute(
        update(t)
        .where(t.c.payment_id == record.payment_id, t.c.status.in_(OPEN))
        .values(
            status=to.status,
            gateway_id=to.gateway_id,
            decline_code=to.decline_code,
            redirect_url=to.redirect_url,
            updated_at_ms=now_ms,
            next_question_at_ms=to.next_question_at_ms,
            questions=t.c.questions + 1,
        )
    )
    return result.rowcount == 1


def _only(tx: Connection, *where: ColumnElement[bool]) -> PaymentRecord | None:
    found = _records(tx, *where, limit=1)
    return found[0] if found else None


def _records(tx: Connection, *where: ColumnElement[bool], limit: int) -> list[PaymentRecord]:
    t = card_payments
    query = (
        select(t, payment_methods.c.gateway_ref.label("method_ref"))
        .join(payment_methods)
        .where(*where)
        .order_by(t.c.next_question_at_ms, t.c.payment_id)
        .limit(limit)
    )
    return [_record(row) for row in tx.execute(query)]


def _record(row: Row[Any]) -> PaymentRecord:
    return PaymentRecord(
        payment_id=row.payment_id,
        user_id=row.user_id,
        key=row.key,
        body_hash=row.body_hash,
        purpose=Purpose(row.purpose),
        ref=row.ref,
        credit=Account.of_id(row.credit_account_id),
        gateway=row.gateway,
        method_ref=row.method_ref,
        gateway_id=row.gateway_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        off_session=row.off_session,
        description=row.description,
        status=PaymentStatus(row.status),
        decline_code=row.decline_code,
        redirect_url=row.redirect_url,
        created_at_ms=row.created_at_ms,
        questions=row.questions,
    )
