"""Several writers at the same time, on PostgreSQL: nobody sees what may be undone, and whoever is in the way is waited
for, but not for long."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from curtaincall.storage import postgresql
from curtaincall.storage.database import Database, open_database
from curtaincall.storage.errors import DataInUse, StorageUnavailable, ValueRefused
from curtaincall.storage.executor import WriteExecutor
from support.postgres import Cluster

WRITERS = 2


class Refused(Exception):
    pass


class Meeting:
    """Makes the first `parties` commands that come by wait for each other, so that they are in flight together."""

    def __init__(self, parties: int = WRITERS) -> None:
        self._barrier = threading.Barrier(parties, timeout=10)
        self._left = parties
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                return
        self._barrier.wait()


def run(connection: Connection, sql: str) -> None:
    connection.execute(text(sql))


def insert(connection: Connection, value: int) -> int:
    run(connection, f"INSERT INTO numbers VALUES ({value}, 0)")
    return value


def numbers(connection: Connection) -> list[tuple[int, int]]:
    rows = connection.execute(text("SELECT value, touched FROM numbers ORDER BY value"))
    return [(row.value, row.touched) for row in rows]


@pytest.fixture
def database_kind() -> str:
    """SQLite has one writer."""
    return "postgresql"


@pytest.fixture
def database(tmp_path: Path, empty_database_url: str) -> Iterator[Database]:
    database = open_database(tmp_path, empty_database_url, writers=WRITERS)
    with database.writer.begin() as connection:
        run(connection, "CREATE TABLE numbers (value BIGINT UNIQUE, touched BIGINT NOT NULL)")
    yield database
    database.close()


@pytest.fixture
async def executor(database: Database) -> AsyncIterator[WriteExecutor]:
    executor = WriteExecutor(database)
    yield executor
    await executor.close()


async def busy_writers(executor: WriteExecutor) -> Callable[[], None]:
    """Occupy every writer, so that what is submitted meanwhile forms groups; call what is returned to let them go."""
    entered = threading.Barrier(WRITERS + 1, timeout=10)
    may_go = threading.Event()

    def wait(_connection: Connection, _command: None) -> None:
        entered.wait()
        assert may_go.wait(timeout=10)

    tasks = [asyncio.ensure_future(executor.submit(wait, None)) for _ in range(WRITERS)]
    await asyncio.to_thread(entered.wait)

    def go() -> None:
        may_go.set()
        asyncio.gather(*tasks)

    return go


async def test_a_twin_that_lost_the_race_is_run_again_and_sees_the_row(executor: WriteExecutor) -> None:
    meeting = Meeting()

    def once(connection: Connection, value: int) -> bool:
        there = connection.execute(text("SELECT 1 FROM numbers WHERE value = :value"), {"value": value}).first()
        meeting.wait()  # both have looked before either has written
        if there is None:
            insert(connection, value)
        return there is None

    assert sorted(await asyncio.gather(executor.submit(once, 7), executor.submit(once, 7))) == [False, True]
    assert await executor.read(numbers) == [(7, 0)]


async def test_a_row_that_is_simply_there_is_an_error_after_the_second_look(executor: WriteExecutor) -> None:
    await executor.submit(insert, 7)
    tried: list[int] = []

    def again(connection: Connection, value: int) -> None:
        tried.append(value)
        insert(connection, value)

    with pytest.raises(IntegrityError):
        await executor.submit(again, 7)
    assert len(tried) == 2


async def test_what_is_not_committed_is_seen_by_nobody(executor: WriteExecutor) -> None:
    written, looked = threading.Event(), threading.Event()

    def write_and_refuse(connection: Connection, _command: None) -> None:
        insert(connection, 1)
        written.set()
        assert looked.wait(timeout=10)
        raise Refused

    def look(connection: Connection, _command: None) -> list[tuple[int, int]]:
        assert written.wait(timeout=10)
        found = numbers(connection)
        looked.set()
        return found

    refused = asyncio.create_task(executor.submit(write_and_refuse, None))
    assert await executor.submit(look, None) == []
    with pytest.raises(Refused):
        await refused
    assert await executor.read(numbers) == []


async def test_a_refusal_after_writes_costs_its_neighbours_nothing_but_time(executor: WriteExecutor) -> None:
    def insert_then_refuse(connection: Connection, value: int) -> None:
        insert(connection, value)
        raise Refused

    go = await busy_writers(executor)
    tasks = [
        asyncio.ensure_future(executor.submit(insert_then_refuse if value % 3 == 0 else insert, value))
        for value in range(40)
    ]
    await asyncio.sleep(0)
    go()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, Refused) for result in results] == [value % 3 == 0 for value in range(40)]
    assert [value for value, _ in await executor.read(numbers)] == [value for value in range(40) if value % 3]


async def test_a_use_case_that_goes_on_after_an_error_is_not_acknowledged(executor: WriteExecutor) -> None:
    def careless(connection: Connection, _command: None) -> str:
        insert(connection, 1)
        try:
            run(connection, "SELECT nonsense")
        except Exception:
            return "fine"
        return "finer"

    go = await busy_writers(executor)
    tasks = [asyncio.ensure_future(executor.submit(careless, None))]
    tasks += [asyncio.ensure_future(executor.submit(insert, value)) for value in (2, 3, 4)]
    await asyncio.sleep(0)
    go()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], Exception)
    assert results[1:] == [2, 3, 4]
    assert await executor.read(numbers) == [(2, 0), (3, 0), (4, 0)]


async def test_two_that_wait_for_each_other_both_get_through(executor: WriteExecutor) -> None:
    await asyncio.gather(*(executor.submit(insert, value) for value in (1, 2)))
    meeting = Meeting()

    def touch_both(connection: Connection, order: tuple[int, int]) -> None:
        run(connection, f"UPDATE numbers SET touched = touched + 1 WHERE value = {order[0]}")
        meeting.wait()
        run(connection, f"UPDATE numbers SET touched = touched + 1 WHERE value = {order[1]}")

    await asyncio.gather(executor.submit(touch_both, (1, 2)), executor.submit(touch_both, (2, 1)))
    assert await executor.read(numbers) == [(1, 2), (2, 2)]


async def test_waiting_for_somebody_elses_lock_is_bounded(
    executor: WriteExecutor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curtaincall.storage.executor.ATTEMPTS", 2)
    await executor.submit(insert, 1)
    with psycopg.connect(_conninfo(database)) as other:
        other.execute("SELECT 1 FROM numbers WHERE value = 1 FOR UPDATE")
        with pytest.raises(StorageUnavailable):
            await executor.submit(run, "UPDATE numbers SET touched = 1")
        assert await executor.submit(insert, 2) == 2  # the others go on
    await executor.submit(run, "UPDATE numbers SET touched = 2")
    assert await executor.read(numbers) == [(1, 2), (2, 2)]


async def test_a_lost_connection_is_told_and_the_next_command_has_a_new_one(
    executor: WriteExecutor, empty_database_url: str, postgres: Cluster
) -> None:
    await executor.submit(insert, 1)
    await executor.read(numbers)

    def cut(connection: Connection, value: int) -> None:
        insert(connection, value)
        postgres.end_connections(empty_database_url)
        insert(connection, value + 1)

    with pytest.raises(StorageUnavailable):
        await executor.submit(cut, 2)
    results = [await _outcome(executor.submit(insert, value)) for value in range(10, 10 + 2 * WRITERS)]
    assert results[-1] == 10 + 2 * WRITERS - 1
    assert {type(result) for result in results} <= {int, StorageUnavailable}
    reads = [await _outcome(executor.read(numbers)) for _ in range(2)]
    assert isinstance(reads[-1], list)
    assert (2, 0) not in reads[-1]


async def test_a_read_sees_one_moment(executor: WriteExecutor) -> None:
    await executor.submit(insert, 1)
    looked, written = threading.Event(), threading.Event()

    def look_twice(connection: Connection) -> tuple[object, object]:
        before = numbers(connection)
        looked.set()
        assert written.wait(timeout=10)
        return before, numbers(connection)

    reading = asyncio.create_task(executor.read(look_twice))
    await asyncio.to_thread(looked.wait)
    await executor.submit(insert, 2)
    written.set()
    assert await reading == ([(1, 0)], [(1, 0)])
    assert await executor.read(numbers) == [(1, 0), (2, 0)]


def test_there_is_one_server_on_a_database(database: Database) -> None:
    claim = database.claim()
    with pytest.raises(DataInUse):
        database.claim()
    claim.release()
    database.claim().release()


async def test_a_value_that_cannot_be_kept_is_refused(executor: WriteExecutor) -> None:
    def look(connection: Connection, value: str) -> object:
        return connection.execute(text("SELECT :value"), {"value": value}).scalar()

    assert await executor.submit(look, "fine") == "fine"
    with pytest.raises(ValueRefused):
        await executor.submit(look, "a\0b")
    with pytest.raises(ValueRefused):
        await executor.read(lambda connection: look(connection, "a\0b"))


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = open_database(tmp_path, f"postgresql://nobody@/nothing?host={tmp_path}")
    executor = WriteExecutor(database)
    with pytest.raises(StorageUnavailable):
        await executor.submit(insert, 1)
    with pytest.raises(StorageUnavailable):
        await executor.read(numbers)
    await executor.close()
    database.close()


async def _outcome(work: object) -> object:
    (result,) = await asyncio.gather(work, return_exceptions=True)  # type: ignore[call-overload] # any awaitable
    return result


def _conninfo(database: Database) -> str:
    return database.writer.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_the_wait_for_a_lock_ends_before_the_server_looks_for_deadlocks(database: Database) -> None:
    with database.writer.begin() as connection:
        settings = {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in ("lock_timeout", "fsync")}
    assert settings == {"lock_timeout": f"{postgresql.LOCK_TIMEOUT_MS}ms", "fsync": "on"}
