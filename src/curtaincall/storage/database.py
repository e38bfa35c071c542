"""Opens the database: a SQLite file in the data folder, or PostgreSQL where a URL says so. Both look the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from curtaincall.storage.backend import Backend, Claim
from curtaincall.storage.changes import watch_changes
from curtaincall.storage.postgresql import Postgresql
from curtaincall.storage.sqlite import Sqlite

READER_CONNECTIONS: Final = 4
"""The most connections that read at the same time."""

WRITERS: Final = 3
"""Transactions that write to PostgreSQL at the same time, unless the settings say otherwise: enough to keep it busy,
and few enough that who all pay one creator share a commit."""


@dataclass(frozen=True, slots=True)
class Database:
    """The two engines on one database. Whoever opened it closes it."""

    backend: Backend
    writer: Engine
    reader: Engine

    def claim(self) -> Claim:
        """Become the one server on this data, until the claim is released. Raises DataInUse."""
        return self.backend.claim()

    def close(self) -> None:
        """Close every connection. The executor must have been closed before."""
        self.reader.dispose()
        self.writer.dispose()


def open_database(data_dir: Path, url: str = "", writers: int = WRITERS) -> Database:
    """Open the database at `url` (`postgresql://user:password@host/name`); without one, the SQLite file in `data_dir`.

    The folder is made if missing, readable by its owner only. Connects at the first use.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    backend: Backend = Postgresql(url, writers) if url else Sqlite(data_dir)
    writer = backend.writer()
    watch_changes(writer)
    return Database(backend=backend, writer=writer, reader=backend.reader(READER_CONNECTIONS))


def migrate(database: Database) -> None:
    """Bring the schema to the newest revision; nothing happens when it is there already."""
    with database.writer.begin() as connection:
        database.backend.serialise_migrations(connection)
        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration on an open transaction; the scripts are found inside the package, installed or not."""
    config = Config()
    config.set_main_option("script_location", "curtaincall.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
