"""A ledger on each kind of database."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from curtaincall.ledger.service import Ledger
from curtaincall.ledger.verify import verify
from curtaincall.storage.database import Database, migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.virtual_clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def ledger(clock: VirtualClock) -> Ledger:
    numbers = itertools.count()
    return Ledger(clock, lambda: f"transfer-{next(numbers)}")


@pytest.fixture
def database(tmp_path: Path, database_url: str) -> Iterator[Database]:
    database = open_database(tmp_path, database_url)
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def tx(database: Database) -> Iterator[Connection]:
    """An open transaction on a ledger that must be in order at the end of every test."""
    with database.writer.begin() as connection:
        yield connection
        assert verify(connection).problems == ()


@pytest.fixture
async def executor(database: Database) -> AsyncIterator[WriteExecutor]:
    """The real executor, on a ledger that must be in order at the end of every test."""
    executor = WriteExecutor(database)
    yield executor
    assert (await executor.read(verify)).problems == ()
    await executor.close()
