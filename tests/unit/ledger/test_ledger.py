"""The ledger: double entry, holds resolved once, nothing below zero, and every command written once."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from curtaincall.ledger.errors import (
    HoldAlreadyPosted,
    HoldAlreadyVoided,
    HoldExceeded,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientFunds,
    TransferInvalid,
)
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
from curtaincall.storage.errors import CursorInvalid

CLEARING = gateway_clearing("sandbox", "EUR")
FAN = wallet("fan", "EUR")
STAR = creator_pending("star", "EUR")
HOUSE = platform_fee("EUR")


def top_up(key: str, amount_minor: int, account: Account = FAN) -> Transfer:
    return Transfer(key, Purpose.TOP_UP, key, (Leg(CLEARING, account, amount_minor),))


def hold(key: str, amount_minor: int) -> Hold:
    return Hold(key, Purpose.CALL, "call", FAN, STAR, amount_minor)


def refused(tx: Connection, command: Callable[[], object], error: type[Exception]) -> None:
    """The command is refused with this error, and leaves no trace (as in the executor)."""
    savepoint = tx.begin_nested()
    with pytest.raises(error):
        command()
    savepoint.rollback()


def test_a_top_up_moves_money_from_the_gateway_to_the_wallet(ledger: Ledger, tx: Connection) -> None:
    assert ledger.transfer(tx, top_up("t", 5_000))
    assert ledger.balance(tx, FAN) == Balance(5_000, 0)
    assert ledger.balance(tx, CLEARING) == Balance(-5_000, 0)


def test_a_hold_counts_at_once_and_its_rest_returns(ledger: Ledger, tx: Connection) -> None:
    ledger.transfer(tx, top_up("t", 5_000))
    ledger.hold(tx, hold("h", 1_500))
    assert ledger.balance(tx, FAN) == Balance(5_000, 1_500)
    assert ledger.balance(tx, FAN).available_minor == 3_500
    ledger.post(tx, Post("p", "h", (Share(STAR, 960), Share(HOUSE, 240))))
    assert ledger.balance(tx, FAN) == Balance(3_800, 0)
    assert ledger.balance(tx, STAR) == Balance(960, 0)
    assert ledger.balance(tx, HOUSE) == Balance(240, 0)


def test_a_void_returns_everything(ledger: Ledger, tx: Connection) -> None:
    ledger.transfer(tx, top_up("t", 500))
    ledger.hold(tx, hold("h", 500))
    ledger.void(tx, Void("v", "h"))
    assert ledger.balance(tx, FAN) == Balance(500, 0)
    assert ledger.open_holds(tx, "call") == []


def test_a_wallet_never_spends_more_than_is_available(ledger: Ledger, tx: Connection) -> None:
    ledger.transfer(tx, top_up("t", 500))
    ledger.hold(tx, hold("h", 400))
    refused(tx, lambda: ledger.hold(tx, hold("h2", 101)), InsufficientFunds)
    spend = Transfer("s", Purpose.CALL, "call", (Leg(FAN, STAR, 101),))
    refused(tx, lambda: ledger.transfer(tx, spend), InsufficientFunds)
    assert ledger.hold(tx, hold("h3", 100))


def test_an_account_that_never_was_credited_has_nothing(ledger: Ledger, tx: Connection) -> None:
    assert ledger.balance(tx, FAN) == Balance(0, 0)
    refused(tx, lambda: ledger.hold(tx, hold("h", 1)), InsufficientFunds)


def test_the_same_command_is_written_once(ledger: Ledger, tx: Connection) -> None:
    commands: list[Callable[[], bool]] = [
        lambda: ledger.transfer(tx, top_up("t", 5_000)),
        lambda: ledger.hold(tx, hold("h", 300)),
        lambda: ledger.post(tx, Post("p", "h", (Share(STAR, 80), Share(HOUSE, 20)))),
        lambda: ledger.hold(tx, hold("h2", 300)),
        lambda: ledger.void(tx, Void("v", "h2")),
    ]
    for command in commands:
        assert command() is True
        assert command() is False
    assert ledger.balance(tx, FAN) == Balance(4_900, 0)


def test_a_key_belongs_to_one_body(ledger: Ledger, tx: Connection) -> None:
    ledger.transfer(tx, top_up("t", 5_000))
    ledger.hold(tx, hold("h", 300))
    ledger.hold(tx, hold("h2", 300))
    ledger.post(tx, Post("p", "h", (Share(STAR, 80),)))
    refused(tx, lambda: ledger.transfer(tx, top_up("t", 5_001)), IdempotencyConflict)
    refused(tx, lambda: ledger.hold(tx, hold("h", 301)), IdempotencyConflict)
    refused(tx, lambda: ledger.post(tx, Post("p", "h", (Share(STAR, 81),))), IdempotencyConflict)
    refused(tx, lambda: ledger.void(tx, Void("p", "h2")), IdempotencyConflict)


def test_a_hold_is_resolved_once_and_the_second_try_is_told_how(ledger: Ledger, tx: Connection) -> None:
    ledger.transfer(tx, top_up("t", 5_000))
    ledger.hold(tx, hold("posted", 300))
    ledger.hold(tx, hold("voided", 300))
    ledger.post(tx, Post("p", "posted", (Share(STAR, 300),)))
    ledger.void(tx, Void("v", "voided"))
    for key, error in (("posted", HoldAlreadyPosted), ("voided", HoldAlreadyVoided), ("nothing", HoldUnknown)):
        again = Post(f"again-{key}", key, (Share(STAR, 1),))
        refused(tx, lambda again=again: ledger.post(tx, again), error)  # type: ignore[misc]
        refused(tx, lambda key=key: ledger.void(tx, Void(f"void-{key}", key)), error)  # type: ignore[misc]


def test_no_more_is_posted_than_was_held(ledger: Ledger, tx: Connection) -> None:
    ledger.transfer(tx, top_up("t", 5_000))
    ledger.hold(tx, hold("h", 300))
    refused(tx, lambda: ledger.post(tx, Post("p", "h", (Share(STAR, 200), Share(HOUSE, 101)))), HoldExceeded)


@pytest.mark.parametrize(
    "legs",
    [
        (),
        (Leg(CLEARING, FAN, 0),),
        (Leg(CLEARING, FAN, -5),),
        (Leg(CLEARING, FAN, 10**13),),
        (Leg(FAN, FAN, 5),),
        (Leg(CLEARING, wallet("fan", "USD"), 5),),
        (Leg(CLEARING, FAN, 1),) * 9,
    ],
)
def test_what_double_entry_cannot_write_is_refused(ledger: Ledger, tx: Connection, legs: tuple[Leg, ...]) -> None:
    refused(tx, lambda: ledger.transfer(tx, Transfer("t", Purpose.TOP_UP, "t", legs)), TransferInvalid)


def test_a_statement_has_one_signed_entry_a_command_and_no_holds(ledger: Ledger, tx: Connection) -> None:
    ledger.transfer(tx, top_up("t", 5_000))
    ledger.hold(tx, hold("h", 300))
    ledger.post(tx, Post("p", "h", (Share(STAR, 80), Share(HOUSE, 20))))
    ledger.hold(tx, hold("h2", 300))
    ledger.void(tx, Void("v", "h2"))
    items = ledger.statement(tx, FAN, None, 10).items
    assert [(item.purpose, item.amount_minor, item.ref) for item in items] == [
        ("call", -100, "call"),
        ("top_up", 5_000, "t"),
    ]
    assert [item.amount_minor for item in ledger.statement(tx, STAR, None, 10).items] == [80]


def test_a_statement_is_read_page_by_page(ledger: Ledger, tx: Connection) -> None:
    for number in range(7):
        ledger.transfer(tx, top_up(f"t{number}", 100 + number))
    amounts: list[int] = []
    cursor = None
    while True:
        page = ledger.statement(tx, FAN, cursor, 3)
        amounts += [item.amount_minor for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert amounts == [106, 105, 104, 103, 102, 101, 100]
    for hostile in ("", "-1", "x", "9" * 30, "١"):
        with pytest.raises(CursorInvalid):
            ledger.statement(tx, FAN, hostile, 3)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_transfers SET amount_minor = 1",
        "DELETE FROM ledger_transfers",
        "UPDATE ledger_accounts SET owner_id = 'thief'",
        "UPDATE ledger_balances SET debits_posted_minor = 1000000",
        "UPDATE ledger_balances SET debits_pending_minor = -1",
    ],
)
def test_the_database_itself_refuses_to_rewrite_history(ledger: Ledger, tx: Connection, statement: str) -> None:
    ledger.transfer(tx, top_up("t", 5_000))
    refused(tx, lambda: tx.execute(text(statement)), IntegrityError)


def test_a_statement_is_right_when_the_rows_of_two_commands_lie_between_each_other(
    ledger: Ledger, tx: Connection
) -> None:
    """As on PostgreSQL, where several writers draw row numbers at the same time."""
    row = (
        "INSERT INTO ledger_transfers (transfer_id, key, leg, body_hash, kind, purpose, ref, debit_account_id,"
        " credit_account_id, amount_minor, currency, created_at_ms)"
        " VALUES (:id, :key, :leg, 'hash', 'single', 'tip', :key, 'wallet:EUR:fan', :credit, :amount, 'EUR', 1)"
    )
    ledger.transfer(tx, top_up("t", 5_000))
    ledger.transfer(tx, Transfer("s", Purpose.TIP, "s", (Leg(FAN, STAR, 1), Leg(FAN, HOUSE, 1))))
    for number, (key, leg, credit, amount) in enumerate(
        [("a", 0, STAR.id, 80), ("b", 0, STAR.id, 8), ("a", 1, HOUSE.id, 20), ("b", 1, HOUSE.id, 2)]
    ):
        values = {"id": f"by-hand-{number}", "key": key, "leg": leg, "credit": credit, "amount": amount}
        tx.execute(text(row), values)
    tx.execute(
        text("UPDATE ledger_balances SET debits_posted_minor = debits_posted_minor + 110 WHERE account_id = :fan"),
        {"fan": FAN.id},
    )
    tx.execute(
        text("UPDATE ledger_balances SET credits_posted_minor = credits_posted_minor + 88 WHERE account_id = :star"),
        {"star": STAR.id},
    )
    amounts: list[int] = []
    cursor = None
    for _ in range(4):
        page = ledger.statement(tx, FAN, cursor, 1)
        amounts += [item.amount_minor for item in page.items]
        cursor = page.next_cursor
    assert (amounts, cursor) == ([-10, -100, -2, 5_000], None)
    assert [item.amount_minor for item in ledger.statement(tx, HOUSE, None, 10).items] == [2, 20, 1]
