"""Statements: movements in words and pages, CSV that is safe to open, earnings that add up to the ledger's own sums."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from curtaincall.charging.model import EndReason
from curtaincall.ledger.model import (
    Leg,
    Purpose,
    Transfer,
    creator_payable,
    creator_pending,
    dispute_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.statements import csv as our_csv
from curtaincall.statements import service as statements_service
from curtaincall.statements import store
from curtaincall.statements.model import DAY_MS
from support.platform_world import PlatformWorld

FUTURE_MS = 4_000_000_000_000


async def tip(world: PlatformWorld, fan_id: str, creator_id: str, amount_minor: int) -> None:
    fee_minor = amount_minor // 5
    legs = (
        Leg(wallet(fan_id, "EUR"), creator_pending(creator_id, "EUR"), amount_minor - fee_minor),
        Leg(wallet(fan_id, "EUR"), platform_fee("EUR"), fee_minor),
    )
    await move(world, Purpose.TIP, *(leg for leg in legs if leg.amount_minor))


async def move(world: PlatformWorld, purpose: Purpose, *legs: Leg) -> None:
    key = world.new_id()
    await world.executor.submit(world.ledger.transfer, Transfer(key, purpose, key, legs))


async def text(parts: AsyncIterator[str]) -> str:
    return "".join([part async for part in parts])


def rows(content: str) -> list[dict[str, str]]:
    assert content.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(content, newline="")))


async def test_a_statement_says_with_whom(world: PlatformWorld) -> None:
    call = await world.live_call()
    await world.run(30_000)
    await world.end(EndReason.HOST_ENDED, call.call_id)
    await tip(world, call.fan.user_id, call.creator.user_id, 50)
    page = await world.statements.transactions(call.fan.user_id, None, 10)
    assert [(line.label, line.kind) for line in page.items][::-1] == [
        ("Top-up", "top_up"),
        ("Call with Star", "call"),
        ("Tip to Star", "tip"),
    ]


async def test_pages_and_csv_have_every_movement_once(world: PlatformWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements_service, "CSV_PAGE", 3)
    fan, creator, other = await world.fan(), await world.creator(), await world.fan("other")
    for amount_minor in range(1, 12):
        await tip(world, fan.user_id, creator.user_id, amount_minor)
        await tip(world, other.user_id, creator.user_id, 1)
    paged: list[int] = []
    cursor: str | None = None
    while True:
        page = await world.statements.transactions(fan.user_id, cursor, 4)
        paged += [line.amount_minor for line in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    expected = [1_000, *(-amount_minor for amount_minor in range(1, 12))]
    assert paged[::-1] == expected
    table = rows(await text(world.statements.transactions_csv(fan.user_id, 0, FUTURE_MS)))
    assert [int(row["amount_minor"]) for row in table] == expected
    assert await text(world.statements.transactions_csv(fan.user_id, 0, 1)) == (
        "id,created_at,kind,label,amount_minor,currency,ref\r\n"
    )


async def test_a_creators_name_is_no_formula(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator("=cmd|' /C calc'!A0,\"x\"")
    await tip(world, fan.user_id, creator.user_id, 10)
    row = rows(await text(world.statements.transactions_csv(fan.user_id, 0, FUTURE_MS)))[1]
    assert row["label"] == f"Tip to {creator.display_name}"
    assert our_csv.row([creator.display_name]).startswith("\"'=")


@given(st.lists(st.text(max_size=12) | st.integers(-(10**12), 10**12), min_size=2, max_size=5))
def test_what_is_written_is_read_again(cells: list[str | int]) -> None:
    (read,) = csv.reader(io.StringIO(our_csv.row(cells), newline=""))
    for cell, got in zip(cells, read, strict=True):
        assert got == str(cell) or (got == f"'{cell}" and str(cell)[0] in "=+-@\t\r\n")
        assert isinstance(cell, int) or not got.startswith(our_csv.FORMULA_STARTS)


async def test_earnings_add_up_day_by_day_and_to_the_ledgers_own_sums(world: PlatformWorld) -> None:
    call = await world.live_call()
    await world.run(95_000)
    await world.end(EndReason.PAYER_ENDED, call.call_id)
    await tip(world, call.fan.user_id, call.creator.user_id, 101)
    world.clock.advance_us(DAY_MS * 1_000)
    await tip(world, call.fan.user_id, call.creator.user_id, 3)
    await tip(world, call.fan.user_id, call.creator.user_id, 4)
    days = await world.statements.earnings_by_day(call.creator.user_id, 2)
    assert [(day.source, day.count) for day in days] == [("call", 1), ("tip", 1), ("tip", 2)]
    assert days[1].day_ms + DAY_MS == days[2].day_ms
    assert all(day.gross_minor == day.fee_minor + day.net_minor for day in days)
    receipt = await world.charging.receipt(call.call_id)
    assert (days[0].gross_minor, days[0].fee_minor) == (receipt.charged_minor, receipt.fee_minor)
    balance = await world.executor.read(
        lambda tx: world.ledger.balance(tx, creator_pending(call.creator.user_id, "EUR")).balance_minor
    )
    assert sum(day.net_minor for day in days) == balance
    assert len(await world.statements.earnings_by_day(call.creator.user_id, 1)) == 1
    table = rows(await text(world.statements.earnings_csv(call.creator.user_id, 0, FUTURE_MS)))
    assert [row["net_minor"] for row in table] == [str(day.net_minor) for day in days]


async def test_what_is_given_back_is_negative_and_a_release_is_no_earning(world: PlatformWorld) -> None:
    fan, creator = await world.fan(), await world.creator()
    pending, payable = creator_pending(creator.user_id, "EUR"), creator_payable(creator.user_id, "EUR")
    purse, fee = wallet(fan.user_id, "EUR"), platform_fee("EUR")
    await tip(world, fan.user_id, creator.user_id, 500)
    await move(world, Purpose.RELEASE, Leg(pending, payable, 400))
    await move(world, Purpose.REFUND, Leg(payable, purse, 400), Leg(fee, purse, 100))
    days = await world.statements.earnings_by_day(creator.user_id, 1)
    assert [(day.source, day.gross_minor, day.fee_minor, day.net_minor) for day in days] == [
        ("refund", -500, -100, -400),
        ("tip", 500, 100, 400),
    ]
    await move(world, Purpose.TOP_UP, Leg(gateway_clearing("sandbox", "EUR"), purse, 1))


async def test_what_a_dispute_takes_from_several_is_each_ones_own(world: PlatformWorld) -> None:
    fan, star, other = await world.fan(), await world.creator(), await world.creator("other")
    for creator in (star, other):
        await tip(world, fan.user_id, creator.user_id, 100)
    taken = dispute_pending("dispute", "EUR")
    legs = [Leg(creator_pending(creator.user_id, "EUR"), taken, 80) for creator in (star, other)]
    await move(world, Purpose.CHARGEBACK, *legs, Leg(platform_fee("EUR"), taken, 40))
    for creator in (star, other):
        days = await world.statements.earnings_by_day(creator.user_id, 1)
        assert [(day.source, day.gross_minor, day.fee_minor, day.net_minor) for day in days] == [
            ("chargeback", -80, 0, -80),
            ("tip", 100, 20, 80),
        ]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # how PostgreSQL plans depends on its statistics
async def test_earnings_are_found_by_their_own_index(world: PlatformWorld) -> None:
    creator = await world.creator()
    plans: list[str] = []

    def explain(tx: Connection) -> None:
        asked: list[tuple[str, Any]] = []
        event.listen(tx, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
        store.earnings_by_day(tx, creator.user_id, "EUR", 0, FUTURE_MS)
        for statement, parameters in tuple(asked):
            plans.extend(str(row[3]) for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))

    await world.executor.read(explain)
    assert any("ix_ledger_transfers_credit_earned" in line for line in plans)
    assert any("ix_ledger_transfers_debit_earned" in line for line in plans)
    assert not [line for line in plans if line.startswith("SCAN ledger_transfers")], plans
