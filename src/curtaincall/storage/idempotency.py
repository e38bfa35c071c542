"""Idempotency-Key for REST: one key, one body, one movement, one answer.

The answer is kept with a hash of the body, within the scope (user, path, key). Behind it the money commands carry keys
of their own, derived from the same request, so that a crash between the movement and the record moves nothing twice.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, String, Table, Text, select

from curtaincall.kernel.clock import Clock
from curtaincall.storage.errors import IdempotencyConflict, IdempotencyInFlight, Overloaded
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

WAIT_S: Final = 10.0
"""How long a repeat waits for the first request with its key."""

IN_FLIGHT_LIMIT: Final = 1_024
"""The most keyed requests worked on at the same time."""

RETENTION_MS: Final = 7 * 24 * 3_600_000
"""How long an answer can be had again."""

idempotent_answers = Table(
    "idempotent_answers",
    metadata,
    Column("user_id", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("body_hash", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index("ix_idempotent_answers_created_at_ms", "created_at_ms"),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose key, on which path."""

    user_id: str
    path: str
    key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer to be given again: status and body text."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class _Kept:
    scope: Scope
    body_hash: str
    answer: Answer
    now_ms: int


@dataclass(frozen=True, slots=True)
class _Working:
    body_hash: str
    task: "asyncio.Task[Answer]"


class IdempotencyStore:
    """Answers a repeated request with the first one's answer. Used from one event loop."""

    def __init__(self, executor: WriteExecutor, clock: Clock) -> None:
        self._executor = executor
        self._clock = clock
        self._working: dict[Scope, _Working] = {}

    async def answer(self, scope: Scope, body: bytes, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the kept answer, or do the work and keep its answer.

        The work goes on if the caller is cancelled (a client that hung up still wants one movement, not a half). What
        it raises is raised to everyone waiting and is not kept: the same key may be tried again.
        Raises IdempotencyConflict, IdempotencyInFlight, Overloaded.
        """
        body_hash = hashlib.sha256(body).hexdigest()
        working = self._working.get(scope)
        if working is None:
            if len(self._working) >= IN_FLIGHT_LIMIT:
                raise Overloaded("Too many requests are in flight.", limit=IN_FLIGHT_LIMIT)
            working = _Working(body_hash, asyncio.create_task(self._answer_once(scope, body_hash, work)))
            self._working[scope] = working
            working.task.add_done_callback(lambda task: self._forget(scope, task))
        if working.body_hash != body_hash:
            raise IdempotencyConflict("This Idempotency-Key was used with another body.")
        try:
            return await asyncio.wait_for(asyncio.shield(working.task), WAIT_S)
        except TimeoutError:
            if working.task.done():
                raise  # the work's own timeout, not ours
            raise IdempotencyInFlight("A request with this Idempotency-Key is still in flight.") from None

    async def drain(self) -> None:
        """Wait for the work in flight (bounded by what it is itself bounded by): called before the database closes."""
        await asyncio.gather(*(working.task for working in self._working.values()), return_exceptions=True)

    def _forget(self, scope: Scope, task: "asyncio.Task[Answer]") -> None:
        del self._working[scope]
        if not task.cancelled():
            task.exception()  # seen: every caller may have gone

    async def _answer_once(self, scope: Scope, body_hash: str, work: Callable[[], Awaitable[Answer]]) -> Answer:
        kept = await self._executor.read(lambda connection: _load(connection, scope))
        if kept is not None:
            kept_hash, answer = kept
            if kept_hash != body_hash:
                raise IdempotencyConflict("This Idempotency-Key was used with another body.")
            return answer
        answer = await work()
        await self._executor.submit(_keep, _Kept(scope, body_hash, answer, self._clock.now_ms()))
        return answer


def _load(connection: Connection, scope: Scope) -> tuple[str, Answer] | None:
    t = idempotent_answers
    row = connection.execute(
        select(t.c.body_hash, t.c.status, t.c.body).where(
            t.c.user_id == scope.user_id, t.c.path == scope.path, t.c.key == scope.key
        )
    ).one_or_none()
    return None if row is None else (row.body_hash, Answer(row.status, row.body))


def _keep(connection: Connection, kept: _Kept) -> None:
    connection.execute(
        insert(idempotent_answers)
        .values(
            user_id=kept.scope.user_id,
            path=kept.scope.path,
            key=kept.scope.key,
            body_hash=kept.body_hash,
            status=kept.answer.status,
            body=kept.answer.body,
            created_at_ms=kept.now_ms,
        )
        .on_conflict_do_nothing()
    )
    expired = idempotent_answers.c.created_at_ms < kept.now_ms - RETENTION_MS
    connection.execute(idempotent_answers.delete().where(expired))
