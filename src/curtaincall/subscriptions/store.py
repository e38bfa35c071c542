"""The tables of subscriptions and their periods, and the SQL on them. Functions take the open transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    UniqueConstraint,
    select,
    text,
    update,
)

from curtaincall.access.model import SubscriptionCalls
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert
from curtaincall.subscriptions.model import Agreed, EndCause, Period, Subscription, SubscriptionState

ONE_OPEN = text("state <> 'ended'")
"""Of a fan and a creator there is at most one subscription that is not over."""

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("subscription_id", String(64), primary_key=True),
    Column("request_key", String(512), nullable=False),
    Column("fan_id", String(64), nullable=False),
    Column("creator_id", String(64), nullable=False),
    Column("payment_method_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("anchor_ms", BigInteger, nullable=True),
    Column("period", Integer, nullable=False),
    Column("from_ms", BigInteger, nullable=True),
    Column("until_ms", BigInteger, nullable=True),
    Column("asking", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("retry_at_ms", BigInteger, nullable=True),
    Column("entitlement_id", String(64), nullable=True),
    Column("redirect_url", Text, nullable=True),
    Column("decline_code", String(64), nullable=True),
    Column("ended_at_ms", BigInteger, nullable=True),
    Column("end_cause", String(16), nullable=True),
    Column("due_at_ms", BigInteger, nullable=True),
    UniqueConstraint("fan_id", "request_key"),
    Index(
        "uq_subscriptions_open", "fan_id", "creator_id", unique=True, sqlite_where=ONE_OPEN, postgresql_where=ONE_OPEN
    ),
    Index("ix_subscriptions_due_at_ms", "due_at_ms"),
)

subscription_periods = Table(
    "subscription_periods",
    metadata,
    Column("subscription_id", String(64), ForeignKey("subscriptions.subscription_id"), primary_key=True),
    Column("period", Integer, primary_key=True, autoincrement=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("fee_bp", Integer, nullable=False),
    Column("calls", String(16), nullable=False),
    Column("minutes_ms", BigInteger, nullable=False),
    Column("paid_key", String(255), nullable=True),
    Column("from_ms", BigInteger, nullable=True),
    Column("until_ms", BigInteger, nullable=True),
    Column("earned_minor", BigInteger, nullable=False),
    Column("stopped", Boolean, nullable=False),
)
"""`paid_key` is the key of the payment that paid it, null while it is asked for. One that is stopped earns no more."""


@dataclass(frozen=True, slots=True)
class NewSubscription:
    subscription: Subscription
    request_key: str


def add(tx: Connection, new: NewSubscription) -> bool:
    """False, and nothing written, if the fan has one of this creator. Waits for a twin that is being written."""
    values = {**_values(new.subscription), "request_key": new.request_key, "due_at_ms": None}
    tx.execute(insert(subscriptions).values(**values).on_conflict_do_nothing())
    return find(tx, new.subscription.subscription_id) is not None


def save(tx: Connection, subscription: Subscription, due_at_ms: int | None) -> None:
    t = subscriptions
    values = {**_values(subscription), "due_at_ms": due_at_ms}
    tx.execute(update(t).where(t.c.subscription_id == subscription.subscription_id).values(**values))


def postpone(tx: Connection, subscription_id: str, due_at_ms: int) -> None:
    """Look at it later, without any other change."""
    t = subscriptions
    tx.execute(update(t).where(t.c.subscription_id == subscription_id).values(due_at_ms=due_at_ms))


def locked(tx: Connection, subscription_id: str) -> Subscription | None:
    """The subscription, which nobody else changes until the transaction ends."""
    t = subscriptions
    row = tx.execute(select(t).where(t.c.subscription_id == subscription_id).with_for_update()).one_or_none()
    return None if row is None else _subscription(row)


def find(tx: Connection, subscription_id: str) -> Subscription | None:
    return _one(tx, subscriptions.c.subscription_id == subscription_id)


def by_request(tx: Connection, fan_id: str, request_key: str) -> Subscription | None:
    return _one(tx, subscriptions.c.fan_id == fan_id, subscriptions.c.request_key == request_key)


def open_between(tx: Connection, fan_id: str, creator_id: str) -> Subscription | None:
    """The one that is not over, locked as `locked` does."""
    t = subscriptions
    query = select(t).where(
        t.c.fan_id == fan_id, t.c.creator_id == creator_id, t.c.state != SubscriptionState.ENDED.value
    )
    row = tx.execute(query.with_for_update()).one_or_none()
    return None if row is None else _subscription(row)


def open_of(tx: Connection, fan_id: str) -> list[Subscription]:
    """Those of a fan that are not over, and those that are and had begun, newest first, 100 at most."""
    t = subscriptions
    query = select(t).where(t.c.fan_id == fan_id, (t.c.state != SubscriptionState.ENDED.value) | (t.c.period >= 0))
    return [_subscription(row) for row in tx.execute(query.order_by(t.c.created_at_ms.desc()).limit(100))]


def due(tx: Connection, now_ms: int, limit: int) -> Sequence[str]:
    """The ids of those for which something is due, longest overdue first."""
    t = subscriptions
    query = select(t.c.subscription_id).where(t.c.due_at_ms <= now_ms).order_by(t.c.due_at_ms, t.c.subscription_id)
    return list(tx.execute(query.limit(limit)).scalars())


def ask_period(tx: Connection, subscription_id: str, period: int, agreed: Agreed) -> None:
    """Note what a period costs and includes whose payment is being asked for; a later attempt replaces it."""
    terms = {
        "price_minor": agreed.price_minor,
        "fee_bp": agreed.fee_bp,
        "calls": agreed.calls.value,
        "minutes_ms": agreed.minutes_ms,
    }
    tx.execute(
        insert(subscription_periods)
        .values(subscription_id=subscription_id, period=period, earned_minor=0, stopped=False, **terms)
        .on_conflict_do_update(index_elements=["subscription_id", "period"], set_=terms)
    )


def agreed(tx: Connection, subscription_id: str, period: int) -> Agreed:
    """What was noted for a period that is, or was, asked for."""
    t = subscription_periods
    row = tx.execute(select(t).where(t.c.subscription_id == subscription_id, t.c.period == period)).one()
    return _agreed(row)


def pay_period(tx: Connection, subscription_id: str, period: Period, paid_key: str) -> None:
    t = subscription_periods
    tx.execute(
        update(t)
        .where(t.c.subscription_id == subscription_id, t.c.period == period.period)
        .values(paid_key=paid_key, from_ms=period.from_ms, until_ms=period.until_ms)
    )


def paid_with(tx: Connection, subscription_id: str, key: str) -> bool:
    """Whether a period was paid by the payment with this key."""
    t = subscription_periods
    query = select(t.c.period).where(t.c.subscription_id == subscription_id, t.c.paid_key == key)
    return tx.execute(query).first() is not None


def earning(tx: Connection, subscription_id: str) -> list[Period]:
    """The paid periods that are not earned in full, oldest first."""
    t = subscription_periods
    query = select(t).where(
        t.c.subscription_id == subscription_id,
        t.c.paid_key.is_not(None),
        t.c.stopped.is_(False),
        t.c.earned_minor < t.c.price_minor,
    )
    return [
        Period(row.period, row.from_ms, row.until_ms, _agreed(row), row.earned_minor)
        for row in tx.execute(query.order_by(t.c.period))
    ]


def set_earned(tx: Connection, subscription_id: str, period: int, earned_minor: int) -> None:
    t = subscription_periods
    tx.execute(
        update(t).where(t.c.subscription_id == subscription_id, t.c.period == period).values(earned_minor=earned_minor)
    )


def stop_earning(tx: Connection, subscription_id: str, stopped: bool) -> None:
    """Have the periods that are not earned in full earn no more, or again."""
    t = subscription_periods
    tx.execute(
        update(t)
        .where(t.c.subscription_id == subscription_id, t.c.earned_minor < t.c.price_minor)
        .values(stopped=stopped)
    )


def _one(tx: Connection, *where: Any) -> Subscription | None:
    row = tx.execute(select(subscriptions).where(*where)).one_or_none()
    return None if row is None else _subscription(row)


def _agreed(row: Row[Any]) -> Agreed:
    return Agreed(row.price_minor, row.fee_bp, SubscriptionCalls(row.calls), row.minutes_ms)


def _values(subscription: Subscription) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(subscription, name) for name in Subscription.__dataclass_fields__}
    values["state"] = subscription.state.value
    values["end_cause"] = None if subscription.end_cause is None else subscription.end_cause.value
    return values


def _subscription(row: Row[Any]) -> Subscription:
    values = {name: row._mapping[name] for name in Subscription.__dataclass_fields__}
    values["state"] = SubscriptionState(row.state)
    values["end_cause"] = None if row.end_cause is None else EndCause(row.end_cause)
    return Subscription(**values)
