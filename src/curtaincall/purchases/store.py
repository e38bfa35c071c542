"""The table of tips and the SQL on it. Functions take the open transaction."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    select,
    update,
)

from curtaincall.purchases.model import Tip
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

tips = Table(
    "tips",
    metadata,
    Column("tip_id", String(64), primary_key=True),
    Column("request_key", String(512), nullable=False),
    Column("room_id", String(64), nullable=False),
    Column("from_id", String(64), nullable=False),
    Column("to_id", String(64), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("message", String(200), nullable=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("reversed_at_ms", BigInteger, nullable=True),
    UniqueConstraint("from_id", "request_key"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index("ix_tips_room_id", "room_id"),
)


@dataclass(frozen=True, slots=True)
class TipRow:
    """A tip with the key of its request."""

    tip: Tip
    request_key: str


def add_tip(tx: Connection, row: TipRow) -> Tip:
    """Write the tip, or return the one that this request has given already. Waits for a twin being written."""
    tip = row.tip
    tx.execute(
        insert(tips)
        .values(
            tip_id=tip.tip_id,
            request_key=row.request_key,
            room_id=tip.room_id,
            from_id=tip.from_id,
            to_id=tip.to_id,
            amount_minor=tip.amount_minor,
            currency=tip.currency,
            message=tip.message,
            created_at_ms=tip.created_at_ms,
        )
        .on_conflict_do_nothing(index_elements=["from_id", "request_key"])
    )
    query = select(tips).where(tips.c.from_id == tip.from_id, tips.c.request_key == row.request_key)
    return _tip(tx.execute(query).one())


def reverse_tip(tx: Connection, tip_id: str, now_ms: int) -> Tip | None:
    """Count a tip no longer; None if it is not counted already, or is none."""
    result = tx.execute(
        update(tips).where(tips.c.tip_id == tip_id, tips.c.reversed_at_ms.is_(None)).values(reversed_at_ms=now_ms)
    )
    return _tip(tx.execute(select(tips).where(tips.c.tip_id == tip_id)).one()) if result.rowcount == 1 else None


def scores(tx: Connection, room_ids: Collection[str]) -> dict[str, dict[str, int]]:
    """For each room, how much each receiver was tipped there, in minor units."""
    query = (
        select(tips.c.room_id, tips.c.to_id, func.sum(tips.c.amount_minor).label("total_minor"))
        .where(tips.c.room_id.in_(room_ids), tips.c.reversed_at_ms.is_(None))
        .group_by(tips.c.room_id, tips.c.to_id)
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in tx.execute(query):
        found[row.room_id][row.to_id] = int(row.total_minor)
    return found


def _tip(row: Row[Any]) -> Tip:
    return Tip(
        tip_id=row.tip_id,
        room_id=row.room_id,
        from_id=row.from_id,
        to_id=row.to_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        message=row.message,
        created_at_ms=row.created_at_ms,
    )
