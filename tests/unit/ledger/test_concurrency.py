"""Money under real concurrency: through the real executor, on SQLite and with several writers on PostgreSQL."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from curtaincall.ledger.errors import HoldAlreadyPosted, HoldAlreadyVoided, IdempotencyConflict, InsufficientFunds
from curtaincall.ledger.model import (
    Account,
    Balance,
    Hold,
    Leg,
    Post,
    Purpose,
    Share,
    Transfer,
    Void,
    creator_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.storage.errors import StorageUnavailable
from curtaincall.storage.executor import WriteExecutor
from support.postgres import Cluster

CLEARING = gateway_clearing("sandbox", "EUR")
FAN = wallet("fan", "EUR")
STAR = creator_pending("star", "EUR")
HOUSE = platform_fee("EUR")
AT_ONCE = 40


def pay_in(account: Account, amount_minor: int) -> Transfer:
    return Transfer(f"top-up:{account.id}", Purpose.TOP_UP, "top-up", (Leg(CLEARING, account, amount_minor),))


def tip(key: str, giver: Account, taker: Account, amount_minor: int) -> Transfer:
    return Transfer(key, Purpose.TIP, key, (Leg(giver, taker, amount_minor), Leg(giver, HOUSE, 1)))


async def outcomes(*work: Coroutine[Any, Any, Any]) -> list[object]:
    """What came of each; a refusal stands for itself by its type."""
    results = await asyncio.gather(*work, return_exceptions=True)
    return [type(result) if isinstance(result, Exception) else result for result in results]


async def balance(executor: WriteExecutor, ledger: Ledger, account: Account) -> Balance:
    return await executor.read(lambda tx: ledger.balance(tx, account))


async def test_the_same_command_many_times_at_once_moves_money_once(executor: WriteExecutor, ledger: Ledger) -> None:
    command = pay_in(FAN, 500)
    results = await outcomes(*(executor.submit(ledger.transfer, command) for _ in range(AT_ONCE)))
    assert sorted(results, key=str) == [False] * (AT_ONCE - 1) + [True]
    assert await balance(executor, ledger, FAN) == Balance(500, 0)


async def test_a_command_that_took_the_last_money_is_told_so_however_often_it_is_sent(
    executor: WriteExecutor, ledger: Ledger
) -> None:
    await executor.submit(ledger.transfer, pay_in(FAN, 300))
    hold = Hold("h", Purpose.CALL, "call", FAN, STAR, 300)
    results = await outcomes(*(executor.submit(ledger.hold, hold) for _ in range(AT_ONCE)))
    assert sorted(results, key=str) == [False] * (AT_ONCE - 1) + [True]
    spend = tip("tip", FAN, STAR, 1)
    assert await outcomes(executor.submit(ledger.transfer, spend)) == [InsufficientFunds]


async def test_one_key_with_two_bodies_at_once_is_written_as_one_of_them(
    executor: WriteExecutor, ledger: Ledger
) -> None:
    await executor.submit(ledger.transfer, pay_in(FAN, 10_000))
    holds = [Hold("h", Purpose.CALL, "call", FAN, STAR, 100 + number % 2) for number in range(AT_ONCE)]
    results = await outcomes(*(executor.submit(ledger.hold, hold) for hold in holds))
    assert results.count(True) == 1
    assert results.count(False) == AT_ONCE // 2 - 1
    assert results.count(IdempotencyConflict) == AT_ONCE // 2


async def test_many_who_take_from_one_wallet_never_take_more_than_is_there(
    executor: WriteExecutor, ledger: Ledger
) -> None:
    await executor.submit(ledger.transfer, pay_in(FAN, 1_000))
    work = []
    for number in range(AT_ONCE):
        if number % 2:
            work.append(executor.submit(ledger.transfer, tip(f"tip:{number}", FAN, STAR, 99)))
        else:
            hold = Hold(f"hold:{number}", Purpose.CALL, "call", FAN, STAR, 100)
            work.append(executor.submit(ledger.hold, hold))
    results = await outcomes(*work)
    assert results.count(True) == 10
    assert results.count(InsufficientFunds) == AT_ONCE - 10
    assert (await balance(executor, ledger, FAN)).available_minor == 0


async def test_a_hold_that_is_posted_and_voided_at_once_is_resolved_once(
    executor: WriteExecutor, ledger: Ledger
) -> None:
    await executor.submit(ledger.transfer, pay_in(FAN, 10_000))
    for number in range(8):
        hold = Hold(f"h{number}", Purpose.CALL, "call", FAN, STAR, 100)
        await executor.submit(ledger.hold, hold)
        work: list[Coroutine[Any, Any, Any]] = []
        for turn in range(6):
            post = Post(f"p{number}:{turn}", hold.key, (Share(STAR, 80), Share(HOUSE, 20)))
            void = Void(f"v{number}:{turn}", hold.key)
            work += [executor.submit(ledger.post, post), executor.submit(ledger.void, void)]
        results = await outcomes(*work)
        assert results.count(True) == 1
        refusals = {HoldAlreadyPosted, HoldAlreadyVoided} & set(results)
        assert len(refusals) == 1
        assert results.count(True) + results.count(next(iter(refusals))) == len(work)
    assert (await balance(executor, ledger, FAN)).held_minor == 0


async def test_people_who_pay_each_other_in_circles_all_get_through(executor: WriteExecutor, ledger: Ledger) -> None:
    people = [wallet(f"person-{number}", "EUR") for number in range(4)]
    for person in people:
        await executor.submit(ledger.transfer, pay_in(person, 1_000))
    work = [
        executor.submit(ledger.transfer, tip(f"{turn}:{giver}", people[giver], people[(giver + step) % 4], 2))
        for turn, step in enumerate([1, 2, 3] * 5)
        for giver in range(4)
    ]
    assert await outcomes(*work) == [True] * len(work)
    for person in people:
        assert await balance(executor, ledger, person) == Balance(1_000 - 15, 0)


async def test_an_account_that_many_open_at_once_is_opened_once(executor: WriteExecutor, ledger: Ledger) -> None:
    def gift(number: int) -> Transfer:
        return Transfer(f"t{number}", Purpose.TOP_UP, "t", (Leg(CLEARING, wallet(f"new-{number % 5}", "EUR"), 1),))

    results = await outcomes(*(executor.submit(ledger.transfer, gift(number)) for number in range(AT_ONCE)))
    assert results == [True] * AT_ONCE
    assert await balance(executor, ledger, CLEARING) == Balance(-AT_ONCE, 0)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)  # SQLite has no connection to lose
async def test_a_connection_lost_in_the_middle_of_a_command_moves_nothing(
    executor: WriteExecutor, ledger: Ledger, database_url: str, postgres: Cluster
) -> None:
    await executor.submit(ledger.transfer, pay_in(FAN, 1_000))

    def cut(tx: Any, command: Transfer) -> bool:
        ledger.transfer(tx, command)
        postgres.end_connections(database_url)
        return ledger.transfer(tx, tip("after", FAN, STAR, 1))

    command = tip("before", FAN, STAR, 1)
    assert await outcomes(executor.submit(cut, command)) == [StorageUnavailable]
    results: list[object] = []
    while True not in results:  # each writer, and each reader, may find out that its own connection is gone
        results += await outcomes(executor.submit(ledger.transfer, command))
    assert set(results) <= {StorageUnavailable, True}
    seen: list[object] = []
    while not seen or seen[-1] is StorageUnavailable:
        seen += await outcomes(balance(executor, ledger, FAN))
    assert seen[-1] == Balance(998, 0)
