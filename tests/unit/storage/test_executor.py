"""The write executor: acknowledged after the commit, grouped, and no command can spoil its neighbour's."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError

from curtaincall.storage import executor as executor_module
from curtaincall.storage import sqlite as sqlite_module
from curtaincall.storage.database import Database, open_database
from curtaincall.storage.errors import Overloaded, StorageClosed, StorageUnavailable
from curtaincall.storage.executor import WriteExecutor


class Refused(Exception):
    pass


def insert(connection: Connection, value: int) -> int:
    connection.execute(text("INSERT INTO numbers (value) VALUES (:value)"), {"value": value})
    return value


def insert_then_refuse(connection: Connection, value: int) -> int:
    insert(connection, value)
    raise Refused(value)


def numbers(connection: Connection) -> list[int]:
    return [row.value for row in connection.execute(text("SELECT value FROM numbers ORDER BY value"))]


only_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
def database(tmp_path: Path, empty_database_url: str) -> Iterator[Database]:
    """With one writer on either database, so that what waits together is one group."""
    database = open_database(tmp_path, empty_database_url, writers=1)
    with database.writer.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (value BIGINT UNIQUE)"))
    yield database
    database.close()


@pytest.fixture
async def executor(database: Database) -> AsyncIterator[WriteExecutor]:
    executor = WriteExecutor(database)
    yield executor
    await executor.close()


class Gate:
    """Holds the writer inside a command, so that what is submitted meanwhile forms a group."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def use_case(self, _connection: Connection, _command: None) -> None:
        self.entered.set()
        assert self.opened.wait(timeout=10)


async def test_a_write_is_visible_to_every_reader_once_acknowledged(executor: WriteExecutor) -> None:
    assert await executor.submit(insert, 7) == 7
    assert await executor.read(numbers) == [7]


async def test_commands_that_wait_together_are_committed_together(executor: WriteExecutor, database: Database) -> None:
    gate = Gate()
    commits: list[int] = []
    event.listen(database.writer, "commit", lambda _connection: commits.append(1))
    held = asyncio.create_task(executor.submit(gate.use_case, None))
    await asyncio.to_thread(gate.entered.wait)
    waiting = [asyncio.create_task(executor.submit(insert, value)) for value in range(40)]
    await asyncio.sleep(0)
    gate.opened.set()
    await held
    assert await asyncio.gather(*waiting) == list(range(40))
    assert len(commits) == 2


async def test_a_refusal_undoes_only_its_own_writes(executor: WriteExecutor) -> None:
    gate = Gate()
    held = asyncio.create_task(executor.submit(gate.use_case, None))
    await asyncio.to_thread(gate.entered.wait)
    before = asyncio.create_task(executor.submit(insert, 1))
    refused = asyncio.create_task(executor.submit(insert_then_refuse, 2))
    after = asyncio.create_task(executor.submit(insert, 3))
    await asyncio.sleep(0)
    gate.opened.set()
    await held
    assert await before == 1
    with pytest.raises(Refused):
        await refused
    assert await after == 3
    assert await executor.read(numbers) == [1, 3]


async def test_a_database_error_reaches_its_own_caller_only(executor: WriteExecutor) -> None:
    await executor.submit(insert, 5)
    gate = Gate()
    held = asyncio.create_task(executor.submit(gate.use_case, None))
    await asyncio.to_thread(gate.entered.wait)
    group = [asyncio.create_task(executor.submit(insert, value)) for value in (4, 5, 6)]
    await asyncio.sleep(0)
    gate.opened.set()
    await held
    results = await asyncio.gather(*group, return_exceptions=True)
    assert results[0] == 4
    assert isinstance(results[1], IntegrityError)
    assert results[2] == 6
    assert await executor.read(numbers) == [4, 5, 6]


@only_sqlite  # PostgreSQL has no lock on everything
async def test_while_another_process_has_the_lock_all_are_refused_and_then_all_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_kind: str
) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_TIMEOUT_MS", 1)
    database = open_database(tmp_path)
    with database.writer.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (value INTEGER UNIQUE)"))
    executor = WriteExecutor(database)
    begun: list[Connection] = []
    event.listen(database.writer, "begin", begun.append)
    with closing(sqlite3.connect(tmp_path / sqlite_module.FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        group = [executor.submit(insert, value) for value in range(20)]
        refusals = await asyncio.gather(*group, return_exceptions=True)
        assert {type(refusal) for refusal in refusals} == {StorageUnavailable}
        assert len(begun) <= 2  # of however many commands: the lock was waited for once for each group
        other.execute("ROLLBACK")
    assert await executor.submit(insert, 1) == 1
    await executor.close()


@only_sqlite  # PostgreSQL has no limit that a session may set
async def test_a_full_disk_refuses_what_it_cannot_hold_and_keeps_what_it_had(executor: WriteExecutor) -> None:
    def limit_pages(connection: Connection, pages: int) -> None:
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    def insert_many(connection: Connection, count: int) -> None:
        for value in range(count):
            insert(connection, value)

    await executor.submit(insert, -1)
    await executor.submit(limit_pages, 1)  # as few as there are
    with pytest.raises(StorageUnavailable):
        await executor.submit(insert_many, 5_000)
    assert await executor.read(numbers) == [-1]
    await executor.submit(limit_pages, 1_000_000)
    await executor.submit(insert_many, 5_000)
    assert len(await executor.read(numbers)) == 5_001


async def test_a_full_queue_refuses_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "QUEUE_LIMIT", 2)
    executor = WriteExecutor(database)
    gate = Gate()
    held = asyncio.create_task(executor.submit(gate.use_case, None))
    await asyncio.to_thread(gate.entered.wait)
    waiting = [asyncio.create_task(executor.submit(insert, value)) for value in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await executor.submit(insert, 3)
    gate.opened.set()
    await asyncio.gather(held, *waiting)
    await executor.close()


async def test_a_caller_that_has_gone_before_the_writer_began_writes_nothing(executor: WriteExecutor) -> None:
    gate = Gate()
    held = asyncio.create_task(executor.submit(gate.use_case, None))
    await asyncio.to_thread(gate.entered.wait)
    gone = asyncio.create_task(executor.submit(insert, 9))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    gate.opened.set()
    await held
    assert await executor.read(numbers) == []


async def test_closing_commits_what_was_queued_and_refuses_the_rest(database: Database) -> None:
    executor = WriteExecutor(database)
    writes = [asyncio.create_task(executor.submit(insert, value)) for value in range(10)]
    await asyncio.sleep(0)
    await executor.close()
    assert await asyncio.gather(*writes) == list(range(10))
    with pytest.raises(StorageClosed):
        await executor.submit(insert, 11)
    with pytest.raises(StorageClosed):
        await executor.read(numbers)
    with database.reader.begin() as connection:
        assert numbers(connection) == list(range(10))
    database.close()


async def test_a_reader_cannot_write(executor: WriteExecutor) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await executor.read(lambda connection: insert(connection, 1))


@only_sqlite
async def test_the_file_is_in_the_durable_mode(executor: WriteExecutor) -> None:
    def pragmas(connection: Connection, _command: None) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names}

    assert await executor.submit(pragmas, None) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
