"""The write executor of the simulation: the same use cases on the same database, on one thread and in one order.

The real one has threads, and what they finish first depends on the machine: here the same seed must write the same
rows. Commands share a commit as they do there, only more of them; a result is heard of before the commit, which nothing
in a simulation can tell, because nothing in it crashes.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import DBAPIError

from curtaincall.storage.database import Database
from curtaincall.storage.errors import StorageClosed
from curtaincall.storage.executor import WriteExecutor

GROUP: Final = 256
"""Commands that share a commit, and its fsync."""

C = TypeVar("C")
R = TypeVar("R")


class StepExecutor(WriteExecutor):
    """Runs every use case at once, where it is submitted. A refusal undoes its own writes and nothing else."""

    def __init__(self, database: Database) -> None:  # without the threads of the other
        self._connection = database.writer.connect()
        self._transaction: RootTransaction | None = None
        self._commands = 0
        self._closed = False

    async def submit(self, use_case: Callable[[Connection, C], R], command: C) -> R:
        connection = self._open()
        savepoint = connection.begin_nested()
        try:
            result = use_case(connection, command)
        except DBAPIError:
            raise  # the transaction is not to be trusted: the simulation ends here
        except Exception:
            savepoint.rollback()
            raise
        savepoint.commit()
        self._commands += 1
        if self._commands >= GROUP:
            self.commit()
        return result

    async def read(self, query: Callable[[Connection], R]) -> R:
        return query(self._open())

    def commit(self) -> None:
        """Make everything durable that was written so far."""
        if self._transaction is not None:
            self._transaction.commit()
            self._transaction = None
            self._commands = 0

    async def close(self) -> None:
        if not self._closed:
            self.commit()
            self._closed = True
            self._connection.close()

    def _open(self) -> Connection:
        if self._closed:
            raise StorageClosed("The database is closed.")
        if self._transaction is None:
            self._transaction = self._connection.begin()
        return self._connection
