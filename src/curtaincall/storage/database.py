"""Opens the SQLite database: WAL, `synchronous=FULL`, foreign keys, and transactions that begin when we say so.

Two engines on one file: the *writer*, whose transactions take the write lock at once (BEGIN IMMEDIATE: a deferred one
that writes later may fail in the middle), and the *reader*, whose transactions are snapshots that never wait.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from curtaincall.storage.errors import DataInUse

FILE_NAME: Final = "curtaincall.sqlite3"

CLAIM_FILE: Final = "server.lock"

BUSY_TIMEOUT_MS: Final = 5_000
"""How long a connection waits for another process (a migration, a backup) before it gives up."""

READER_CONNECTIONS: Final = 4
"""The most connections that read at the same time."""


@dataclass(frozen=True, slots=True)
class Database:
    """The two engines on one database file. Whoever opened it closes it."""

    path: Path
    writer: Engine
    reader: Engine

    def close(self) -> None:
        """Close every connection. The executor must have been closed before."""
        self.reader.dispose()
        self.writer.dispose()


class Claim:
    """The right to be the one server on a data folder, from the making until `release` or the end of the process.

    A second one would take the first one's open calls for what a crash left behind and settle them, while the first
    went on granting what is no longer held. Raises DataInUse.
    """

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(data_dir / CLAIM_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise DataInUse(f"Another server works on the data in {data_dir}.") from None

    def release(self) -> None:
        os.close(self._file)


def open_database(data_dir: Path) -> Database:
    """Open (or make) the database in `data_dir`, which is made if missing, readable by its owner only."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data_dir / FILE_NAME
    return Database(
        path=path,
        writer=_engine(path, begin="BEGIN IMMEDIATE", connections=1, read_only=False),
        reader=_engine(path, begin="BEGIN", connections=READER_CONNECTIONS, read_only=True),
    )


def migrate(database: Database) -> None:
    """Bring the schema to the newest revision; nothing happens when it is there already."""
    with database.writer.begin() as connection:
        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration on an open transaction; the scripts are found inside the package, installed or not."""
    config = Config()
    config.set_main_option("script_location", "curtaincall.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _engine(path: Path, *, begin: str, connections: int, read_only: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)), pool_size=connections, max_overflow=0, pool_reset_on_return="rollback"
    )

    def on_connect(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions on its own: it would begin deferred ones, and none before DDL.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine
