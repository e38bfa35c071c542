"""Blocks and reports: one of two people wants nothing to do with the other, and what an operator should look at."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    or_,
    select,
)
from sqlalchemy import func as sql

from curtaincall.accounts import store
from curtaincall.accounts.errors import TooManyBlocks, TooManyReports, UserUnknown
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

MAX_BLOCKS: Final = 1_000
"""People that one user may block."""

MAX_REPORTS_A_DAY: Final = 50
"""Reports that one user may file within 24 hours."""

DAY_MS: Final = 86_400_000

blocks = Table(
    "blocks",
    metadata,
    Column("blocker_id", String(64), ForeignKey("users.user_id"), primary_key=True),
    Column("blocked_id", String(64), ForeignKey("users.user_id"), primary_key=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_blocks_blocked_id", "blocked_id"),
)

reports = Table(
    "reports",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("report_id", String(64), nullable=False, unique=True),
    Column("reporter_id", String(64), ForeignKey("users.user_id"), nullable=False),
    Column("reported_id", String(64), ForeignKey("users.user_id"), nullable=False),
    Column("room_id", String(64), nullable=True),
    Column("reason", String(32), nullable=False),
    Column("details", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_reports_reporter_id_created_at_ms", "reporter_id", "created_at_ms"),
)


@dataclass(frozen=True, slots=True)
class UserBlocked:
    """Published once the block is committed: whatever the two have open together ends."""

    blocker_id: str
    blocked_id: str


@dataclass(frozen=True, slots=True)
class Block:
    blocker_id: str
    blocked_id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """`room_id` is where it happened, if it was in a room."""

    report_id: str
    reporter_id: str
    reported_id: str
    room_id: str | None
    reason: str
    details: str
    now_ms: int


class Blocks:
    """Who has blocked whom. A block works in both directions, and only the one who made it knows of it."""

    def __init__(self, executor: WriteExecutor, bus: EventBus, clock: Clock, ids: IdFactory) -> None:
        self._executor = executor
        self._bus = bus
        self._clock = clock
        self._ids = ids

    async def block(self, blocker_id: str, blocked_id: str) -> None:
        """Idempotent. Raises UserUnknown (also for oneself), TooManyBlocks."""
        await self._executor.submit(_block, Block(blocker_id, blocked_id, self._clock.now_ms()))
        await self._bus.publish(UserBlocked(blocker_id, blocked_id))

    async def unblock(self, blocker_id: str, blocked_id: str) -> None:
        """Idempotent."""
        await self._executor.submit(_unblock, (blocker_id, blocked_id))

    async def blocked_by(self, blocker_id: str) -> dict[str, str]:
        """Whom the user has blocked: names by id."""

        def query(tx: Connection) -> dict[str, str]:
            of_user = select(blocks.c.blocked_id).where(blocks.c.blocker_id == blocker_id)
            return store.names(tx, list(tx.execute(of_user).scalars()))

        return await self._executor.read(query)

    async def between(self, one_id: str, other_id: str) -> bool:
        """Whether either of the two has blocked the other."""
        return await self._executor.read(lambda tx: between(tx, one_id, other_id))

    async def report(self, reporter_id: str, reported_id: str, room_id: str | None, reason: str, details: str) -> str:
        """File a report for the operator; returns its id. Raises UserUnknown (also for oneself), TooManyReports."""
        report = Report(self._ids(), reporter_id, reported_id, room_id, reason, details, self._clock.now_ms())
        await self._executor.submit(_report, report)
        return report.report_id


def between(tx: Connection, one_id: str, other_id: str) -> bool:
    """Whether either of the two has blocked the other."""
    query = select(blocks.c.blocker_id).where(
        or_(
            and_(blocks.c.blocker_id == one_id, blocks.c.blocked_id == other_id),
            and_(blocks.c.blocker_id == other_id, blocks.c.blocked_id == one_id),
        )
    )
    return tx.execute(query).first() is not None


def _block(tx: Connection, command: Block) -> None:
    _check_other(tx, command.blocker_id, command.blocked_id)
    count = select(sql.count()).where(blocks.c.blocker_id == command.blocker_id)
    if tx.execute(count).scalar_one() >= MAX_BLOCKS:
        raise TooManyBlocks("Unblock somebody first.", limit=MAX_BLOCKS)
    tx.execute(
        insert(blocks)
        .values(blocker_id=command.blocker_id, blocked_id=command.blocked_id, created_at_ms=command.now_ms)
        .on_conflict_do_nothing()
    )


def _unblock(tx: Connection, command: tuple[str, str]) -> None:
    blocker_id, blocked_id = command
    tx.execute(blocks.delete().where(blocks.c.blocker_id == blocker_id, blocks.c.blocked_id == blocked_id))


def _report(tx: Connection, report: Report) -> None:
    _check_other(tx, report.reporter_id, report.reported_id)
    lately = select(sql.count()).where(
        reports.c.reporter_id == report.reporter_id, reports.c.created_at_ms > report.now_ms - DAY_MS
    )
    if tx.execute(lately).scalar_one() >= MAX_REPORTS_A_DAY:
        raise TooManyReports("You have filed many reports today. Try again tomorrow.", limit=MAX_REPORTS_A_DAY)
    tx.execute(
        reports.insert().values(
            report_id=report.report_id,
            reporter_id=report.reporter_id,
            reported_id=report.reported_id,
            room_id=report.room_id,
            reason=report.reason,
            details=report.details,
            created_at_ms=report.now_ms,
        )
    )


def _check_other(tx: Connection, user_id: str, other_id: str) -> None:
    if user_id == other_id or store.user_by_id(tx, other_id) is None:
        raise UserUnknown("There is no such user.")
