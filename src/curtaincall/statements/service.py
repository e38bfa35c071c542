"""Use cases of statements: all of them read, each for one user, and nobody can name another."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection

from curtaincall.accounts import store as accounts_store
from curtaincall.kernel.clock import Clock, rfc3339
from curtaincall.ledger.model import Account, wallet
from curtaincall.statements import csv, store
from curtaincall.statements.model import DAY_MS, DayOfEarnings, Line, Movement, OpenHold, creator_of, label
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page, page_size, position_of

CSV_PAGE: Final = 500
"""Lines of a CSV that are read, and in memory, at a time."""

MAX_DAYS: Final = 366
"""The longest time that one question about earnings may be about."""

HOLDS_SHOWN: Final = 50


class Statements:
    """Reads the ledger for its owners. Amounts are minor units of the one currency of the house."""

    def __init__(self, executor: WriteExecutor, clock: Clock, currency: str) -> None:
        self._executor = executor
        self._clock = clock
        self._currency = currency

    async def transactions(self, user_id: str, cursor: str | None, limit: int) -> Page[Line]:
        """One page of what moved the wallet's balance, newest first; holds are not movements. Raises CursorInvalid."""
        account, before, size = wallet(user_id, self._currency), position_of(cursor), page_size(limit)

        def query(tx: Connection) -> Page[Line]:
            found = store.newest_movements(tx, account, before, size + 1)
            page = found[:size]
            return Page(_lines(tx, account, page), str(page[-1].first_seq) if len(found) > size else None)

        return await self._executor.read(query)

    async def open_holds(self, user_id: str) -> tuple[OpenHold, ...]:
        """What is reserved on the user's wallet, newest first."""
        account = wallet(user_id, self._currency)
        return await self._executor.read(lambda tx: store.open_holds(tx, account, HOLDS_SHOWN))

    async def transactions_csv(self, user_id: str, from_ms: int, until_ms: int) -> AsyncIterator[str]:
        """The wallet's movements in [from, until) as CSV, oldest first, a page at a time."""
        account = wallet(user_id, self._currency)
        yield csv.row(("id", "created_at", "kind", "label", "amount_minor", "currency", "ref"))
        after = 0
        while True:

            def query(tx: Connection, after: int = after) -> tuple[int | None, tuple[Line, ...]]:
                found = store.oldest_movements(tx, account, after, from_ms, until_ms, CSV_PAGE)
                return found[-1].last_seq if len(found) == CSV_PAGE else None, _lines(tx, account, found)

            last, lines = await self._executor.read(query)
            yield "".join(_record(line) for line in lines)
            if last is None:
                return
            after = last

    async def earnings_by_day(self, creator_id: str, days: int) -> tuple[DayOfEarnings, ...]:
        """What the creator earned today and on the days before (UTC), by source, oldest first."""
        until_ms = self._clock.now_ms() // DAY_MS * DAY_MS + DAY_MS
        return await self.earnings_between(creator_id, until_ms - days * DAY_MS, until_ms)

    async def earnings_between(self, creator_id: str, from_ms: int, until_ms: int) -> tuple[DayOfEarnings, ...]:
        """What the creator earned in [from, until), by day and source, oldest first."""
        return await self._executor.read(
            lambda tx: store.earnings_by_day(tx, creator_id, self._currency, from_ms, until_ms)
        )

    async def earnings_csv(self, creator_id: str, from_ms: int, until_ms: int) -> AsyncIterator[str]:
        """The same as CSV: a line a day and source, read a stretch of days at a time."""
        yield csv.row(("day", "source", "gross_minor", "fee_minor", "net_minor", "currency", "count"))
        for begin_ms in range(from_ms, until_ms, MAX_DAYS * DAY_MS):
            days = await self.earnings_between(creator_id, begin_ms, min(until_ms, begin_ms + MAX_DAYS * DAY_MS))
            yield "".join(
                csv.row(
                    (
                        iso_day(day.day_ms),
                        day.source,
                        day.gross_minor,
                        day.fee_minor,
                        day.net_minor,
                        self._currency,
                        day.count,
                    )
                )
                for day in days
            )


def iso_day(day_ms: int) -> str:
    """The date (UTC) of a moment."""
    return datetime.fromtimestamp(day_ms // 1000, UTC).date().isoformat()


def _lines(tx: Connection, account: Account, movements: Sequence[Movement]) -> tuple[Line, ...]:
    """Put the movements into words, with the names of the creators on the other side."""
    touched = store.touched(tx, [movement.key for movement in movements])
    creators = {key: creator_of(accounts) for key, accounts in touched.items()}
    names = accounts_store.names(tx, {creator_id for creator_id in creators.values() if creator_id is not None})
    return tuple(
        Line(
            id=movement.transaction_id,
            kind=movement.purpose,
            label=label(movement.purpose, names.get(creators.get(movement.key) or "")),
            amount_minor=movement.amount_minor,
            currency=account.currency,
            created_at_ms=movement.created_at_ms,
            ref=movement.ref,
        )
        for movement in movements
    )


def _record(line: Line) -> str:
    return csv.row(
        (line.id, rfc3339(line.created_at_ms), line.kind, line.label, line.amount_minor, line.currency, line.ref)
    )
