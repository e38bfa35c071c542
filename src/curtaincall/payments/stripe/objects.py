"""Which object at Stripe belongs to which key of ours: what keeps a command from being carried out twice.

Stripe forgets an idempotency key after a while; a row here does not.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Column, Connection, String, Table, select

from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

stripe_objects = Table(
    "stripe_objects",
    metadata,
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("object_id", String, nullable=False),
    Column("facts", String, nullable=False),
)


class Kind(StrEnum):
    """What an object is, and what its key is."""

    CUSTOMER = "customer"
    """Key: the user's id."""
    ACCOUNT = "account"
    """A creator's connected account. Key: the user's id."""
    PAYMENT_INTENT = "payment_intent"
    """Key: the charge's key."""


@dataclass(frozen=True, slots=True)
class StripeObject:
    """`facts` is what two commands with one key must agree in."""

    kind: Kind
    key: str
    object_id: str
    facts: str = ""


def find(tx: Connection, kind: Kind, key: str) -> StripeObject | None:
    t = stripe_objects
    row = tx.execute(select(t).where(t.c.kind == kind.value, t.c.key == key)).one_or_none()
    return None if row is None else StripeObject(kind, key, row.object_id, row.facts)


def keep(tx: Connection, made: StripeObject) -> StripeObject:
    """Keep the object unless the key has one; returns the one that it has."""
    tx.execute(
        insert(stripe_objects)
        .values(kind=made.kind.value, key=made.key, object_id=made.object_id, facts=made.facts)
        .on_conflict_do_nothing()
    )
    return find(tx, made.kind, made.key) or made
