"""The table of entitlements and the SQL on it. Functions take the open transaction."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Row, String, Table, Text, func, or_, select, update

from curtaincall.access.model import Entitlement, Feature, NewEntitlement, Terms
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

entitlements = Table(
    "entitlements",
    metadata,
    Column("entitlement_id", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("feature", String(32), nullable=False),
    Column("scope_id", String(64), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=True),
    Column("revoked_at_ms", BigInteger, nullable=True),
    Column("revoked_reason", String(64), nullable=True),
    Column("spent_on", String(64), nullable=True),
    Column("source_key", String(255), nullable=False, unique=True),
    Column("source_ref", String(255), nullable=False, index=True),
    Column("terms", Text, nullable=False),
    Index("ix_entitlements_user_id_feature_scope_id", "user_id", "feature", "scope_id"),
    Index("ix_entitlements_scope_id_feature", "scope_id", "feature"),
)


def add(tx: Connection, new: NewEntitlement) -> None:
    """Write the entitlement, unless its source has granted one. Waits for a twin that is just being written."""
    tx.execute(
        insert(entitlements)
        .values(
            entitlement_id=new.entitlement_id,
            user_id=new.user_id,
            feature=new.feature.value,
            scope_id=new.scope_id,
            from_ms=new.from_ms,
            until_ms=new.until_ms,
            source_key=new.source_key,
            source_ref=new.source_ref,
            terms=json.dumps(dict(new.terms), sort_keys=True),
        )
        .on_conflict_do_nothing(index_elements=["source_key"])
    )


def find(tx: Connection, entitlement_id: str) -> Entitlement | None:
    return _one(tx, entitlements.c.entitlement_id == entitlement_id)


def find_by_source(tx: Connection, source_key: str) -> Entitlement | None:
    return _one(tx, entitlements.c.source_key == source_key)


def of_source_ref(tx: Connection, source_ref: str) -> list[Entitlement]:
    """Everything that was paid with the transfers of this ref."""
    rows = tx.execute(select(entitlements).where(entitlements.c.source_ref == source_ref))
    return [_entitlement(row) for row in rows]


def valid(tx: Connection, user_id: str, now_ms: int, *where: Any) -> list[Entitlement]:
    """What the user may have now, that which lasts longest first."""
    t = entitlements
    query = select(t).where(
        t.c.user_id == user_id,
        t.c.from_ms <= now_ms,
        or_(t.c.until_ms.is_(None), t.c.until_ms > now_ms),
        t.c.revoked_at_ms.is_(None),
        t.c.spent_on.is_(None),
        *where,
    )
    lasting = _longest_first(t.c.until_ms)
    return [_entitlement(row) for row in tx.execute(query.order_by(*lasting, t.c.entitlement_id))]


def in_scope(tx: Connection, feature: Feature, scope_id: str) -> list[Entitlement]:
    """Everybody's entitlements to one thing, whatever became of them, in the order of their ids."""
    t = entitlements
    query = select(t).where(t.c.scope_id == scope_id, t.c.feature == feature.value).order_by(t.c.entitlement_id)
    return [_entitlement(row) for row in tx.execute(query)]


def count_in_scope(tx: Connection, feature: Feature, scope_id: str) -> int:
    t = entitlements
    query = select(func.count()).select_from(t).where(t.c.scope_id == scope_id, t.c.feature == feature.value)
    return int(tx.execute(query).scalar_one())


def history(tx: Connection, user_id: str, feature: Feature, scope_id: str) -> list[Entitlement]:
    """Every entitlement to it that the user has or had."""
    t = entitlements
    query = select(t).where(t.c.user_id == user_id, t.c.feature == feature.value, t.c.scope_id == scope_id)
    return [_entitlement(row) for row in tx.execute(query.order_by(t.c.entitlement_id))]


def revoke(tx: Connection, entitlement_id: str, now_ms: int, reason: str) -> bool:
    """Returns whether it is this call that revoked it."""
    result = tx.execute(
        update(entitlements)
        .where(entitlements.c.entitlement_id == entitlement_id, entitlements.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=now_ms, revoked_reason=reason)
    )
    return result.rowcount == 1


def end_scope(tx: Connection, features: Sequence[Feature], scope_id: str, now_ms: int) -> None:
    t = entitlements
    tx.execute(
        update(t)
        .where(t.c.scope_id == scope_id, t.c.feature.in_([feature.value for feature in features]))
        .where(or_(t.c.until_ms.is_(None), t.c.until_ms > now_ms))
        .values(until_ms=now_ms)
    )


def prolong(tx: Connection, entitlement_id: str, until_ms: int, terms: Terms | None) -> None:
    """Move the end, later only; the terms are replaced if there are new ones."""
    t = entitlements
    later = t.c.until_ms < until_ms
    tx.execute(update(t).where(t.c.entitlement_id == entitlement_id, later).values(until_ms=until_ms))
    if terms is not None:
        text = json.dumps(dict(terms), sort_keys=True)
        tx.execute(update(t).where(t.c.entitlement_id == entitlement_id).values(terms=text))


def spend(tx: Connection, entitlement_id: str, ref: str) -> bool:
    """Use it up for `ref`; False if it is over. Of two at the same time, one gets it."""
    t = entitlements
    result = tx.execute(
        update(t)
        .where(t.c.entitlement_id == entitlement_id, t.c.revoked_at_ms.is_(None), t.c.spent_on.is_(None))
        .values(spent_on=ref)
    )
    return result.rowcount == 1


def unspend(tx: Connection, entitlement_id: str, ref: str) -> bool:
    """Give back what was used up for `ref`."""
    t = entitlements
    result = tx.execute(
        update(t).where(t.c.entitlement_id == entitlement_id, t.c.spent_on == ref).values(spent_on=None)
    )
    return result.rowcount == 1


def _one(tx: Connection, where: Any) -> Entitlement | None:
    row = tx.execute(select(entitlements).where(where)).one_or_none()
    return None if row is None else _entitlement(row)


def _entitlement(row: Row[Any]) -> Entitlement:
    return Entitlement(
        entitlement_id=row.entitlement_id,
        user_id=row.user_id,
        feature=Feature(row.feature),
        scope_id=row.scope_id,
        from_ms=row.from_ms,
        until_ms=row.until_ms,
        revoked_at_ms=row.revoked_at_ms,
        spent_on=row.spent_on,
        source_key=row.source_key,
        source_ref=row.source_ref,
        terms=json.loads(row.terms),
    )


def _longest_first(until_ms: Any) -> tuple[Any, Any]:
    """An order in which no end comes before the latest end, on any database."""
    return until_ms.is_not(None), until_ms.desc()
