"""SQLite: WAL, `synchronous=FULL`, foreign keys, and transactions that begin when we say so.

Two engines on one file: the *writer*, whose transactions take the write lock at once (BEGIN IMMEDIATE: a deferred one
that writes later may fail in the middle), and the *reader*, whose transactions are snapshots that never wait.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from curtaincall.storage.backend import Fault
from curtaincall.storage.errors import DataInUse

FILE_NAME: Final = "curtaincall.sqlite3"

CLAIM_FILE: Final = "server.lock"

BUSY_TIMEOUT_MS: Final = 5_000
"""How long a connection waits for another process (a migration, a backup) before it gives up."""

WAL_PAGES: Final = 4_000
"""How many pages (16 MiB) are kept in the log before they are copied into the file: a page that changes often, as an
index's last one does, is copied once for all its changes."""

OUT_OF_ORDER: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN}
)
"""What SQLite says when the database cannot be worked with, whatever the statement."""


class Sqlite:
    """The database is one file in the data folder; one transaction writes at a time."""

    name = "sqlite"
    writers = 1

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    def writer(self) -> Engine:
        return self._engine(begin="BEGIN IMMEDIATE", connections=1, read_only=False)

    def reader(self, connections: int) -> Engine:
        return self._engine(begin="BEGIN", connections=connections, read_only=True)

    def intact(self, tx: Connection) -> bool:
        return bool(tx.connection.driver_connection.in_transaction)  # type: ignore[union-attr] # sqlite3's; some errors end the whole transaction

    def fault(self, error: Exception) -> Fault:
        said = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(said, "sqlite_errorcode", None) or 0
        return Fault.OUT_OF_ORDER if code & 0xFF in OUT_OF_ORDER else Fault.STATEMENT  # the low byte; the others: where

    def serialise_migrations(self, tx: Connection) -> None:
        """Nothing to do: the transaction has the write lock."""

    def claim(self) -> "FileClaim":
        return FileClaim(self._data_dir)

    def _engine(self, *, begin: str, connections: int, read_only: bool) -> Engine:
        path = self._data_dir / FILE_NAME
        engine = create_engine(
            URL.create("sqlite", database=str(path)),
            pool_size=connections,
            max_overflow=0,
            pool_reset_on_return="rollback",
        )

        def on_connect(connection: Any, _record: Any) -> None:
            # The driver must not begin transactions on its own: it would begin deferred ones, and none before DDL.
            connection.isolation_level = None
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
            cursor.execute("PRAGMA foreign_keys = ON")
            if read_only:
                cursor.execute("PRAGMA query_only = ON")
            cursor.close()

        def on_begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        event.listen(engine, "connect", on_connect)
        event.listen(engine, "begin", on_begin)
        return engine


class FileClaim:
    """A lock on a file of the data folder, which the system lets go of when the process ends."""

    def __init__(self, data_dir: Path) -> None:
        self._file = os.open(data_dir / CLAIM_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise DataInUse(f"Another server works on the data in {data_dir}.") from None

    def release(self) -> None:
        os.close(self._file)
