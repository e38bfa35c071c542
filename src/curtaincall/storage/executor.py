"""The writers: commands queue up, are run by a few threads (on SQLite by one), and are committed in groups.

A *use case* is a synchronous function `(connection, command) -> result`. It may be run more than once for one command
(when a neighbour's error rolled back their group, when a concurrent transaction was in the way), so it must have no
effect outside its transaction. It refuses by raising: its own writes are then undone and its neighbours go on. A caller
hears of its result only after the commit.

A group is first run without savepoints, since few commands refuse after they have written. If one does, the group is
rolled back and run again with a savepoint around each command; if the database raises, its commands are run one by one.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from curtaincall.storage.backend import Fault
from curtaincall.storage.changes import changes
from curtaincall.storage.database import READER_CONNECTIONS, Database
from curtaincall.storage.errors import Overloaded, StorageClosed, StorageUnavailable, ValueRefused

QUEUE_LIMIT: Final = 4_096
"""The most commands that wait for a writer; beyond it `submit` refuses at once."""

GROUP_LIMIT: Final = 64
"""The most commands that share a commit: what one waits for its neighbours stays small beside the fsync."""

READ_LIMIT: Final = 1_024
"""The most reads in flight, running or waiting for one of the reader connections."""

ATTEMPTS: Final = 20
"""How often one command is tried when a concurrent transaction is in its way: for 5 s, if it waits for a row."""

C = TypeVar("C")
R = TypeVar("R")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """One submitted command, and where its caller waits."""

    use_case: Callable[[Connection, Any], Any]
    command: Any
    future: "asyncio.Future[Any]"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a job: the result, or the refusal."""

    result: Any = None
    refusal: BaseException | None = None


class _Stop:
    """Queued last, once for each writer: everything before it is still committed."""


class _Spoilt(Exception):
    """A command refused after it had written, in a group without savepoints."""


class _Broken(Exception):
    """A use case caught an error of the database and went on; the transaction cannot be committed."""


class WriteExecutor:
    """Runs use cases on the database: writes on the writer threads with group commit, reads on a few beside them.

    Used from one event loop. If a caller is cancelled, a command that has not begun is dropped; one that has is
    completed, and only its result is lost. Two commands submitted at the same time may be run in either order.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._backend = database.backend
        self._queue: queue.SimpleQueue[_Job | _Stop] = queue.SimpleQueue()
        self._closed = False
        self._reads = 0
        self._readers = ThreadPoolExecutor(READER_CONNECTIONS, thread_name_prefix="storage-reader")
        self._writers = [
            threading.Thread(target=self._write_until_stopped, name=f"storage-writer-{number}", daemon=True)
            for number in range(database.backend.writers)
        ]
        for writer in self._writers:
            writer.start()

    async def submit(self, use_case: Callable[[Connection, C], R], command: C) -> R:
        """Run a write command; returns after its commit.

        Raises Overloaded when the queue is full, StorageClosed after `close`, StorageUnavailable when the database
        cannot write, and whatever the use case raises. After StorageUnavailable nothing was written, unless the
        connection broke during the commit itself: a command is repeated with its key, and so is written once.
        """
        if self._closed:
            raise StorageClosed("The database is closed.")
        if self._queue.qsize() >= QUEUE_LIMIT:
            raise Overloaded("Too many writes are waiting.", limit=QUEUE_LIMIT)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.put(_Job(use_case, command, future))
        return await future

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
            for _ in self._writers:
                self._queue.put(_Stop())
        for writer in self._writers:
            await asyncio.to_thread(writer.join)
        await asyncio.to_thread(self._readers.shutdown)

    def _query(self, query: Callable[[Connection], R]) -> R:
        try:
            with self._database.reader.begin() as connection:
                return query(connection)
        except DBAPIError as error:
            raise self._told(error) from error.orig

    # ---- on a writer thread -----------------------------------------------------------------------------------------

    def _write_until_stopped(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._next_group()
            jobs = [job for job in group if not job.future.cancelled()]
            if jobs:
                self._write(jobs)

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for a command, then take this writer's share of what else is there.

        The slower the disk, the larger the groups.
        """
        group: list[_Job] = []
        limit = GROUP_LIMIT
        while len(group) < limit:
            try:
                item = self._queue.get(block=not group)
            except queue.Empty:
                break
            if isinstance(item, _Stop):
                return group, True
            if not group:
                limit = min(GROUP_LIMIT, 1 + self._queue.qsize() // len(self._writers))
            group.append(item)
        return group, False

    def _write(self, jobs: list[_Job]) -> None:
        """Run the jobs, together if that can be, and tell their callers."""
        if len(jobs) == 1:
            _deliver(jobs, [self._write_alone(jobs[0])])
            return
        try:
            try:
                outcomes = self._commit(jobs, savepoints=False)
            except _Spoilt:
                outcomes = self._commit(jobs, savepoints=True)
        except Exception as error:
            fault = self._backend.fault(error)
            log.warning("write_group_rolled_back", extra={"commands": len(jobs), "fault": fault.value})
            if fault is Fault.LOST:
                # Perhaps it was committed: to run them again could write them twice.
                refusal = self._told(error)
                _deliver(jobs, [_Outcome(refusal=refusal) for _ in jobs])
                return
            for job in jobs:
                _deliver([job], [self._write_alone(job)])
            return
        _deliver(jobs, outcomes)

    def _write_alone(self, job: _Job) -> _Outcome:
        """Run one job in a transaction of its own, again if that may help."""
        attempts_left = ATTEMPTS
        while True:
            attempts_left -= 1
            try:
                return self._commit([job], savepoints=False)[0]
            except Exception as error:
                fault = self._backend.fault(error)
                if fault is Fault.TWIN:
                    attempts_left = min(attempts_left, 1)  # it is there now, and is seen the next time
                if fault not in (Fault.CONFLICT, Fault.TWIN) or attempts_left <= 0:
                    return _Outcome(refusal=self._told(error))
                log.info("write_tried_again", extra={"fault": fault.value})

    def _commit(self, jobs: list[_Job], *, savepoints: bool) -> list[_Outcome]:
        """Run the jobs in one transaction. Raises if the database did or a job spoilt it: then nothing remains."""
        outcomes: list[_Outcome] = []
        with ExitStack() as stack:
            try:
                tx = stack.enter_context(self._database.writer.connect())
                transaction = tx.begin()
            except DBAPIError as error:
                # No command is to blame: to try them one by one would only wait for the lock as many times.
                refusal = self._told(error)
                return [_Outcome(refusal=refusal) for _ in jobs]
            stack.enter_context(transaction)
            for job in jobs:
                before = changes(tx)
                outcome = _run_in_savepoint(tx, job) if savepoints else _run(tx, job)
                if outcome.refusal is not None and not savepoints and changes(tx) != before and len(jobs) > 1:
                    raise _Spoilt
                outcomes.append(outcome)
            if len(jobs) == 1 and outcomes[0].refusal is not None:
                transaction.rollback()
            elif not self._backend.intact(tx):
                raise _Broken
        return outcomes

    def _told(self, error: Exception) -> Exception:
        """The error as its caller hears of it: a statement that is wrong stays what it is, a hostile value is refused.

        The rest, and a command that others were in the way of every time, says that the database is out of order.
        """
        fault = self._backend.fault(error)
        if fault in (Fault.STATEMENT, Fault.TWIN):
            return error
        if fault is Fault.VALUE:
            return ValueRefused("A value has a character in it that cannot be kept.")
        said = error.orig if isinstance(error, DBAPIError) else error
        log.error("database_unavailable", extra={"fault": fault.value, "error": str(said)})
        refusal = StorageUnavailable("The database does not answer. Try again in a moment.")
        refusal.__cause__ = said
        return refusal


def _run(tx: Connection, job: _Job) -> _Outcome:
    try:
        return _Outcome(result=job.use_case(tx, job.command))
    except DBAPIError:
        raise  # some errors end the whole transaction: the group is not trusted any more
    except Exception as refusal:
        return _Outcome(refusal=refusal)


def _run_in_savepoint(tx: Connection, job: _Job) -> _Outcome:
    savepoint = tx.begin_nested()
    outcome = _run(tx, job)
    if outcome.refusal is None:
        savepoint.commit()
    else:
        savepoint.rollback()
    return outcome


def _deliver(jobs: list[_Job], outcomes: list[_Outcome]) -> None:
    """Tell the callers, all in one step of their event loop: waking it costs more than a command does."""

    def tell() -> None:
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():
                continue  # cancelled: nobody waits any more
            if outcome.refusal is not None:
                job.future.set_exception(outcome.refusal)
            else:
                job.future.set_result(outcome.result)

    try:
        jobs[0].future.get_loop().call_soon_threadsafe(tell)
    except RuntimeError:
        log.warning("callers_gone", extra={"commands": len(jobs)})  # their event loop is closed
