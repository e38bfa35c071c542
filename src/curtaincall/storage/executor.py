"""The one writer: commands queue up, are run in one thread, and are committed in groups.

A *use case* is a synchronous function `(connection, command) -> result`. It may be run more than once for one command
(when a neighbour's database error rolled back their group), so it must have no effect outside its transaction. It
refuses by raising: its own writes are then undone (each command runs within a savepoint) and its neighbours go on.
A caller hears of its result only after the commit.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from curtaincall.storage.database import READER_CONNECTIONS, Database
from curtaincall.storage.errors import Overloaded, StorageClosed, StorageUnavailable

QUEUE_LIMIT: Final = 4_096
"""The most commands that wait for the writer; beyond it `submit` refuses at once."""

GROUP_LIMIT: Final = 64
"""The most commands that share a commit: what one waits for its neighbours stays small beside the fsync."""

READ_LIMIT: Final = 1_024
"""The most reads in flight, running or waiting for one of the reader connections."""

OUT_OF_ORDER: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}
)
"""What SQLite says when the database cannot be worked with, whatever the statement."""

C = TypeVar("C")
R = TypeVar("R")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """One submitted command, and where its caller waits."""

    use_case: Callable[[Connection, Any], Any]
    command: Any
    future: "Future[Any]" = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a job: the result, or the refusal."""

    result: Any = None
    refusal: BaseException | None = None


class _Stop:
    """Queued last: everything before it is still committed."""


class WriteExecutor:
    """Runs use cases on the database: writes on one thread with group commit, reads on a few beside it.

    Used from one event loop. If a caller is cancelled, a command that has not begun is dropped; one that has is
    completed, and only its result is lost.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.Queue[_Job | _Stop] = queue.Queue(QUEUE_LIMIT)
        self._closed = False
        self._reads = 0
        self._readers = ThreadPoolExecutor(READER_CONNECTIONS, thread_name_prefix="storage-reader")
        self._writer = threading.Thread(target=self._write_until_stopped, name="storage-writer", daemon=True)
        self._writer.start()

    async def submit(self, use_case: Callable[[Connection, C], R], command: C) -> R:
        """Run a write command; returns after its commit.

        Raises Overloaded when the queue is full, StorageClosed after `close`, StorageUnavailable when the database
        cannot write (nothing was written then), and whatever the use case raises.
        """
        if self._closed:
            raise StorageClosed("The database is closed.")
        job = _Job(use_case, command)
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise Overloaded("Too many writes are waiting.", limit=QUEUE_LIMIT) from None
        result: R = await asyncio.wrap_future(job.future)
        return result

    async def read(self, query: Callable[[Connection], R]) -> R:
        """Run a query on a snapshot that includes every write acknowledged before.

        Raises Overloaded, StorageClosed, StorageUnavailable.
        """
        if self._closed:
            raise StorageClosed("The database is closed.")
        if self._reads >= READ_LIMIT:
            raise Overloaded("Too many reads are waiting.", limit=READ_LIMIT)
        self._reads += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, query)
        finally:
            self._reads -= 1

    async def close(self) -> None:
        """Commit what is queued and stop both sides. Idempotent."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._queue.put, _Stop())
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)

    def _query(self, query: Callable[[Connection], R]) -> R:
        try:
            with self._database.reader.begin() as connection:
                return query(connection)
        except OperationalError as error:
            raise _told(error) from error.orig

    # ---- on the writer thread ---------------------------------------------------------------------------------------

    def _write_until_stopped(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._next_group()
            jobs = [job for job in group if job.future.set_running_or_notify_cancel()]
            if jobs:
                self._write(jobs)

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for a command, then take what else is there: the slower the disk, the larger the groups."""
        group: list[_Job] = []
        while len(group) < GROUP_LIMIT:
            try:
                item = self._queue.get(block=not group)
            except queue.Empty:
                break
            if isinstance(item, _Stop):
                return group, True
            group.append(item)
        return group, False

    def _write(self, jobs: list[_Job]) -> None:
        try:
            outcomes = self._commit(jobs)
        except Exception as error:
            if len(jobs) > 1:
                log.warning("write_group_rolled_back", extra={"commands": len(jobs), "error": type(error).__name__})
                for job in jobs:
                    self._write([job])
                return
            outcomes = [_Outcome(refusal=_told(error))]
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.refusal is not None:
                job.future.set_exception(outcome.refusal)
            else:
                job.future.set_result(outcome.result)

    def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        """Run the jobs in one transaction. Raises only if the database did: then nothing of it remains."""
        with self._database.writer.connect() as connection:
            try:
                transaction = connection.begin()
            except OperationalError as error:
                # No command is to blame: to try them one by one would only wait for the lock as many times.
                return [_Outcome(refusal=_told(error)) for _ in jobs]
            with transaction:
                return [self._run(connection, job) for job in jobs]

    def _run(self, connection: Connection, job: _Job) -> _Outcome:
        savepoint = connection.begin_nested()
        try:
            result = job.use_case(connection, job.command)
        except DBAPIError:
            # Some errors of SQLite end the whole transaction: whatever the savepoint says, the group is not trusted.
            raise
        except Exception as refusal:
            savepoint.rollback()
            return _Outcome(refusal=refusal)
        savepoint.commit()
        return _Outcome(result=result)


def _told(error: Exception) -> Exception:
    """The error as its caller hears of it: a database that is out of order is told from a statement that is wrong."""
    said = error.orig if isinstance(error, DBAPIError) else None
    if getattr(said, "sqlite_errorcode", 0) & 0xFF not in OUT_OF_ORDER:  # the low byte; the others say where
        return error
    log.error("database_unavailable", extra={"error": str(said)})
    refusal = StorageUnavailable("The database does not answer. Try again in a moment.")
    refusal.__cause__ = said
    return refusal
