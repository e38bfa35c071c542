"""The webhook inbox: verified, stored once, answered at once; worked on afterwards.

A webhook is a hint that an object has changed: the object is fetched again from its gateway, so it does not matter in
which order hints come, how often, or how late. What fails is tried again, a bounded number of times.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Row, String, Table, Text, delete, select, update

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.payments.errors import PaymentUnknown
from curtaincall.payments.gateways import GATEWAY_TIMEOUT_S, Gateways
from curtaincall.payments.ports import EventKind, WebhookEvent
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

BATCH: Final = 50
"""The most webhooks worked on in one round."""

MAX_ATTEMPTS: Final = 10
"""How often a webhook is worked on; then it is dead, and an operator is told by the log."""

RETRY_MS: Final = 1_000
"""From the first attempt to the second; doubled each time, so that the last comes some ten minutes after the first."""

STUCK_AFTER_MS: Final = 60_000
"""A webhook whose worker has said nothing for so long (it crashed) is taken up by another; a gateway answers sooner."""

RETENTION_MS: Final = 90 * 24 * 3_600_000
"""How long a webhook is remembered: far longer than any gateway repeats one."""

MAX_KEPT_CHARS: Final = 65_536
"""As much of the body is kept for whoever looks into it later."""

assert GATEWAY_TIMEOUT_S * 1000 < STUCK_AFTER_MS

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    Column("gateway", String, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("event_type", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("object_id", String, nullable=False),
    Column("key", String),
    Column("body", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", String),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("next_attempt_at_ms", BigInteger, nullable=False),
    Index("ix_webhook_inbox_status_next_attempt_at_ms", "status", "next_attempt_at_ms"),
    Index("ix_webhook_inbox_received_at_ms", "received_at_ms"),
)

Worker = Callable[[str, WebhookEvent], Awaitable[object]]
"""Fetches what the event is about from the gateway of this name, and records what it is now."""

log = logging.getLogger(__name__)


class InboxStatus(StrEnum):
    """Only advances: received -> processed, ignored (nobody here wants it) or dead (nobody could)."""

    RECEIVED = "received"
    PROCESSED = "processed"
    IGNORED = "ignored"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class _Received:
    gateway: str
    event: WebhookEvent
    raw_body: bytes
    now_ms: int


@dataclass(frozen=True, slots=True)
class _Attempt:
    row: Row[Any]
    status: InboxStatus
    error: str | None
    now_ms: int


class WebhookInbox:
    """Takes webhooks of every gateway that is switched on."""

    def __init__(
        self, executor: WriteExecutor, gateways: Gateways, clock: Clock, workers: Mapping[EventKind, Worker]
    ) -> None:
        self._executor = executor
        self._gateways = gateways
        self._clock = clock
        self._workers = workers

    async def receive(self, gateway: str, headers: Mapping[str, str], raw_body: bytes) -> bool:
        """Verify and store a webhook; False if it is here already. `headers` has lower-case names.

        Raises GatewayUnknown, WebhookForged, WebhookStale, WebhookFromFuture, WebhookMalformed.
        """
        now_ms = self._clock.now_ms()
        event = self._gateways.named(gateway).verify_webhook(headers, raw_body, now_ms)
        return await self._executor.submit(_store, _Received(gateway, event, raw_body, now_ms))

    async def work(self) -> int:
        """Work on what is due, oldest first. Returns how many webhooks were taken up."""
        now_ms = self._clock.now_ms()
        due = await self._executor.read(lambda tx: _due(tx, now_ms))
        taken = 0
        for row in due:
            if await self._executor.submit(_claim, (row, now_ms)):
                taken += 1
                await self._executor.submit(_record, await self._attempt(row))
        return taken

    async def forget(self) -> None:
        """Drop what is older than anything a gateway would repeat."""
        before_ms = self._clock.now_ms() - RETENTION_MS
        t = webhook_inbox
        await self._executor.submit(lambda tx, _: tx.execute(delete(t).where(t.c.received_at_ms < before_ms)), None)

    async def _attempt(self, row: Row[Any]) -> _Attempt:
        event = WebhookEvent(row.event_id, row.event_type, EventKind(row.kind), row.object_id, row.key)
        last = row.attempts + 1 >= MAX_ATTEMPTS
        error: str | None = None
        status = InboxStatus.PROCESSED
        try:
            await self._workers[event.kind](row.gateway, event)
        except PaymentUnknown:
            # Its answer may not be recorded yet. If it never is, the object is none of ours.
            error, status = PaymentUnknown.code, InboxStatus.IGNORED if last else InboxStatus.RECEIVED
        except CurtaincallError as refusal:
            error, status = refusal.code, InboxStatus.DEAD if last else InboxStatus.RECEIVED
        except Exception as broken:
            log.exception("webhook_broken", extra={"event_id": row.event_id})
            error, status = type(broken).__name__, InboxStatus.DEAD if last else InboxStatus.RECEIVED
        if status is InboxStatus.DEAD:
            log.error("webhook_dead", extra={"gateway": row.gateway, "event_id": row.event_id, "error": error})
        return _Attempt(row, status, error, self._clock.now_ms())


def _store(tx: Connection, received: _Received) -> bool:
    event = received.event
    wanted = event.kind is not EventKind.UNKNOWN
    statement = insert(webhook_inbox).values(
        gateway=received.gateway,
        event_id=event.event_id,
        event_type=event.type,
        kind=event.kind,
        object_id=event.object_id,
        key=event.key,
        body=received.raw_body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_KEPT_CHARS],
        status=InboxStatus.RECEIVED if wanted else InboxStatus.IGNORED,
        attempts=0,
        received_at_ms=received.now_ms,
        next_attempt_at_ms=received.now_ms,
    )
    new = tx.execute(statement.on_conflict_do_nothing().returning(webhook_inbox.c.event_id))
    return new.first() is not None


def _due(tx: Connection, now_ms: int) -> list[Row[Any]]:
    t = webhook_inbox
    query = select(t).where(t.c.status == InboxStatus.RECEIVED, t.c.next_attempt_at_ms <= now_ms)
    return list(tx.execute(query.order_by(t.c.next_attempt_at_ms, t.c.event_id).limit(BATCH)))


def _claim(tx: Connection, claim: tuple[Row[Any], int]) -> bool:
    """Take a row up for `STUCK_AFTER_MS`; False if another worker was quicker."""
    row, now_ms = claim
    t = webhook_inbox
    as_seen = (t.c.status == row.status) & (t.c.attempts == row.attempts)
    result = tx.execute(
        update(t)
        .where(t.c.gateway == row.gateway, t.c.event_id == row.event_id, as_seen)
        .values(attempts=row.attempts + 1, next_attempt_at_ms=now_ms + STUCK_AFTER_MS)
    )
    return result.rowcount == 1


def _record(tx: Connection, attempt: _Attempt) -> None:
    t, row = webhook_inbox, attempt.row
    wait_ms = RETRY_MS << row.attempts
    tx.execute(
        update(t)
        .where(t.c.gateway == row.gateway, t.c.event_id == row.event_id, t.c.attempts == row.attempts + 1)
        .values(status=attempt.status, last_error=attempt.error, next_attempt_at_ms=attempt.now_ms + wait_ms)
    )
