"""Idempotency-Key: one key, one body, one movement, one answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from curtaincall.storage import idempotency as idempotency_module
from curtaincall.storage.database import migrate, open_database
from curtaincall.storage.errors import IdempotencyConflict, IdempotencyInFlight
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.idempotency import RETENTION_MS, Answer, IdempotencyStore, Scope
from support.virtual_clock import VirtualClock

SCOPE = Scope("fan", "/api/wallet/top-ups", "key")


class Work:
    """Counts how often it is done, and can be made to wait or fail."""

    def __init__(self) -> None:
        self.done = 0
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.failure: Exception | None = None

    async def __call__(self) -> Answer:
        self.done += 1
        self.begun.set()
        await self.may_go_on.wait()
        if self.failure is not None:
            raise self.failure
        return Answer(201, f'{{"number": {self.done}}}')


class World:
    def __init__(self, executor: WriteExecutor) -> None:
        self.clock = VirtualClock()
        self.executor = executor
        self.store = IdempotencyStore(executor, self.clock)


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    database = open_database(tmp_path, database_url)
    migrate(database)
    world = World(WriteExecutor(database))
    yield world
    await world.store.drain()
    await world.executor.close()
    database.close()


async def test_a_repeat_gets_the_first_answer_also_from_another_process(world: World) -> None:
    work = Work()
    first = await world.store.answer(SCOPE, b"body", work)
    assert await world.store.answer(SCOPE, b"body", work) == first
    restarted = IdempotencyStore(world.executor, world.clock)
    assert await restarted.answer(SCOPE, b"body", work) == first
    assert work.done == 1


async def test_another_body_is_a_conflict(world: World) -> None:
    work = Work()
    await world.store.answer(SCOPE, b"body", work)
    with pytest.raises(IdempotencyConflict):
        await world.store.answer(SCOPE, b"other", work)
    assert work.done == 1


async def test_keys_are_scoped_to_user_and_path(world: World) -> None:
    work = Work()
    for scope in (SCOPE, Scope("other", SCOPE.path, "key"), Scope("fan", "/api/unlocks", "key")):
        await world.store.answer(scope, b"body", work)
    assert work.done == 3


async def test_a_request_in_flight_is_waited_for(world: World) -> None:
    work = Work()
    work.may_go_on.clear()
    first = asyncio.create_task(world.store.answer(SCOPE, b"body", work))
    await work.begun.wait()
    second = asyncio.create_task(world.store.answer(SCOPE, b"body", work))
    with pytest.raises(IdempotencyConflict):
        await world.store.answer(SCOPE, b"other", work)
    work.may_go_on.set()
    assert await first == await second
    assert work.done == 1


async def test_waiting_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency_module, "WAIT_S", 0.01)
    work = Work()
    work.may_go_on.clear()
    with pytest.raises(IdempotencyInFlight):
        await world.store.answer(SCOPE, b"body", work)
    work.may_go_on.set()
    monkeypatch.undo()
    assert (await world.store.answer(SCOPE, b"body", work)).status == 201
    assert work.done == 1


async def test_a_client_that_hangs_up_does_not_interrupt_the_work(world: World) -> None:
    work = Work()
    work.may_go_on.clear()
    gone = asyncio.create_task(world.store.answer(SCOPE, b"body", work))
    await work.begun.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    work.may_go_on.set()
    assert (await world.store.answer(SCOPE, b"body", work)).status == 201
    assert work.done == 1


async def test_a_failure_is_not_kept(world: World) -> None:
    work = Work()
    work.failure = RuntimeError("out of order")
    with pytest.raises(RuntimeError):
        await world.store.answer(SCOPE, b"body", work)
    work.failure = None
    assert (await world.store.answer(SCOPE, b"body", work)).status == 201


async def test_an_answer_is_forgotten_after_its_time(world: World) -> None:
    work = Work()
    await world.store.answer(SCOPE, b"body", work)
    world.clock.advance_us((RETENTION_MS + 1) * 1_000)
    await world.store.answer(Scope("fan", SCOPE.path, "later"), b"body", work)
    await world.store.answer(SCOPE, b"body", work)
    assert work.done == 3
