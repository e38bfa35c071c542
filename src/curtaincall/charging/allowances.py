"""What is counted over many sessions: the minutes of a subscription's period, and void calls of a day.

Two sessions may count at the same time: each count is one row, changed by a guarded UPDATE or under its lock.
"""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Integer, String, Table, select, update

from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

DAY_MS: Final = 86_400_000

included_minutes = Table(
    "included_minutes",
    metadata,
    Column("entitlement_id", String, primary_key=True),
    Column("period_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("taken_ms", BigInteger, nullable=False),
    CheckConstraint("taken_ms >= 0", name="taken_not_negative"),
)

session_voids = Table(
    "session_voids",
    metadata,
    Column("payer_id", String, primary_key=True),
    Column("payee_id", String, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("voids", Integer, nullable=False),
)


def minutes_left_ms(tx: Connection, entitlement_id: str, period_ms: int, allowance_ms: int) -> int:
    """What is left of the minutes of the period that began at `period_ms`."""
    t = included_minutes
    query = select(t.c.taken_ms).where(t.c.entitlement_id == entitlement_id, t.c.period_ms == period_ms)
    return max(0, allowance_ms - (tx.execute(query).scalar_one_or_none() or 0))


def take_minutes(tx: Connection, entitlement_id: str, period_ms: int, allowance_ms: int, wanted_ms: int) -> int:
    """Keep minutes of the period for one session: as many as it wants, or what is left. Returns how many, in ms."""
    t = included_minutes
    tx.execute(
        insert(t).values(entitlement_id=entitlement_id, period_ms=period_ms, taken_ms=0).on_conflict_do_nothing()
    )
    this = (t.c.entitlement_id == entitlement_id, t.c.period_ms == period_ms)
    taken_ms = int(tx.execute(select(t.c.taken_ms).where(*this).with_for_update()).scalar_one())
    got_ms = max(0, min(wanted_ms, allowance_ms - taken_ms))
    tx.execute(update(t).where(*this).values(taken_ms=t.c.taken_ms + got_ms))
    return got_ms


def return_minutes(tx: Connection, entitlement_id: str, period_ms: int, unused_ms: int) -> None:
    """Give back what a session did not use."""
    t = included_minutes
    tx.execute(
        update(t)
        .where(t.c.entitlement_id == entitlement_id, t.c.period_ms == period_ms)
        .values(taken_ms=t.c.taken_ms - unused_ms)
    )


def take_void(tx: Connection, payer_id: str, payee_id: str, now_ms: int, limit: int) -> bool:
    """Count a void call of the two on this day (UTC), unless they have had as many as they may."""
    t = session_voids
    day = now_ms // DAY_MS
    tx.execute(insert(t).values(payer_id=payer_id, payee_id=payee_id, day=day, voids=0).on_conflict_do_nothing())
    taken = tx.execute(
        update(t)
        .where(t.c.payer_id == payer_id, t.c.payee_id == payee_id, t.c.day == day, t.c.voids < limit)
        .values(voids=t.c.voids + 1)
    )
    return taken.rowcount == 1
