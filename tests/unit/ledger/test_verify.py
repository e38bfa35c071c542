"""Verification: every invariant is broken by force, past the constraints and triggers, and the row is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, inspect, text

from curtaincall.ledger.model import (
    Hold,
    Leg,
    Post,
    Purpose,
    Share,
    Sweep,
    Transfer,
    Void,
    creator_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.ledger.store import transfers
from curtaincall.ledger.verify import _CHECKS, verify
from support.virtual_clock import VirtualClock

CLEARING = gateway_clearing("sandbox", "EUR")
FAN = wallet("fan", "EUR")
STAR = creator_pending("star", "EUR")
HOUSE = platform_fee("EUR")

IMMUTABLE_TABLES = ("ledger_accounts", "ledger_transfers")


@dataclass(frozen=True)
class Forgery:
    """Statements that break one invariant, and the row that has to be named for it."""

    finding: str
    named: str
    statements: tuple[str, ...]


def copy_of(source: str, **changed: str) -> str:
    """An INSERT that copies the first row of a command, with some columns changed to these SQL expressions."""
    columns = [column.name for column in transfers.c if column.name != "seq"]
    values = {name: name for name in columns} | {"transfer_id": "'forged'", "key": "'forged'"} | changed
    chosen = ", ".join(values[name] for name in columns)
    return (
        f"INSERT INTO ledger_transfers ({', '.join(columns)})"
        f" SELECT {chosen} FROM ledger_transfers WHERE key = '{source}' AND leg = 0"
    )


def of_transfer(key: str, change: str) -> str:
    return f"UPDATE ledger_transfers SET {change} WHERE key = '{key}'"


FORGERIES = (
    Forgery(
        "account is not what its id says",
        "wallet:EUR:fan",
        ("UPDATE ledger_accounts SET owner_id = 'thief' WHERE account_id = 'wallet:EUR:fan'",),
    ),
    Forgery("transfer is of a kind or purpose that is not known", "t", (of_transfer("t", "purpose = 'gift'"),)),
    Forgery(
        "transfer is with an account that is not there",
        "t",
        (of_transfer("t", "debit_account_id = 'gateway_clearing:EUR:nobody'"),),
    ),
    Forgery("transfer and accounts differ in currency", "t", (of_transfer("t", "currency = 'USD'"),)),
    Forgery("amount is not positive", "t", (of_transfer("t", "amount_minor = -5000"),)),
    Forgery("account pays itself", "t", (of_transfer("t", "debit_account_id = credit_account_id"),)),
    Forgery(
        "legs of a command are not one command's", "p", ("DELETE FROM ledger_transfers WHERE key = 'p' AND leg = 0",)
    ),
    Forgery("legs of a command are not one command's", "t", (copy_of("t", key="key", leg="2"),)),
    Forgery(
        "legs of a command are not one command's",
        "p",
        ("UPDATE ledger_transfers SET body_hash = 'other' WHERE key = 'p' AND leg = 1",),
    ),
    Forgery(
        "books of a currency do not sum to zero",
        "EUR",
        (of_transfer("t", "debit_account_id = 'gateway_clearing:EUR:nobody'"),),
    ),
    Forgery(
        "guarded account is below zero",
        "wallet:EUR:fan",
        ("UPDATE ledger_balances SET debits_posted_minor = 1000000 WHERE account_id = 'wallet:EUR:fan'",),
    ),
    Forgery(
        "guarded account is below zero",
        "creator_pending:EUR:star",
        ("UPDATE ledger_balances SET debits_pending_minor = -1 WHERE account_id = 'creator_pending:EUR:star'",),
    ),
    Forgery(
        "guarded account has no balance",
        "creator_pending:EUR:star",
        ("DELETE FROM ledger_balances WHERE account_id = 'creator_pending:EUR:star'",),
    ),
    Forgery(
        "balance is of an account that is not guarded",
        "platform_fee:EUR:house",
        ("INSERT INTO ledger_balances VALUES ('platform_fee:EUR:house', 20, 0, 0)",),
    ),
    Forgery(
        "balance differs from the sum of its transfers",
        "wallet:EUR:fan",
        ("UPDATE ledger_balances SET credits_posted_minor = 5001 WHERE account_id = 'wallet:EUR:fan'",),
    ),
    Forgery(
        "balance differs from the sum of its transfers",
        "wallet:EUR:fan",
        ("DELETE FROM ledger_transfers WHERE key = 'open'",),
    ),
    Forgery(
        "hold was resolved more than once",
        "posted",
        (copy_of("p"),),
    ),
    Forgery("more was posted or voided than held", "posted", (of_transfer("p", "amount_minor = 151"),)),
    Forgery("more was posted or voided than held", "voided", (of_transfer("v", "amount_minor = 1"),)),
    Forgery(
        "hold was resolved for another payer",
        "posted",
        ("UPDATE ledger_transfers SET debit_account_id = 'wallet:EUR:other' WHERE key = 'p' AND leg = 1",),
    ),
    Forgery("hold was posted after it had expired", "posted", (of_transfer("posted", "expires_at_ms = 1"),)),
    Forgery(
        "hold expired before its time",
        "expired",
        (of_transfer("expired", "expires_at_ms = expires_at_ms + 86400000"),),
    ),
    Forgery("hold expired before its time", "voided", (of_transfer("v", "kind = 'expire'"),)),
    Forgery("resolution refers to what is no hold", "v", (of_transfer("v", "pending_seq = 1"),)),
    Forgery("resolution refers to what is no hold", "v", (of_transfer("v", "pending_seq = NULL"),)),
    Forgery("resolution refers to what is no hold", "t", (of_transfer("t", "pending_seq = 2"),)),
)


@pytest.fixture
def books(ledger: Ledger, tx: Connection, clock: VirtualClock) -> Connection:
    """A ledger with something of everything: row 1 is the top-up, row 2 a hold."""
    ledger.transfer(tx, Transfer("t", Purpose.TOP_UP, "t", (Leg(CLEARING, FAN, 5_000),)))
    for key, lasts_ms in (("posted", None), ("voided", None), ("open", None), ("expired", 1_000)):
        ledger.hold(tx, Hold(key, Purpose.CALL, "call", FAN, STAR, 300, lasts_ms))
    ledger.transfer(tx, Transfer("other", Purpose.TOP_UP, "t", (Leg(CLEARING, wallet("other", "EUR"), 1),)))
    ledger.post(tx, Post("p", "posted", (Share(STAR, 80), Share(HOUSE, 20))))
    ledger.void(tx, Void("v", "voided"))
    clock.advance_us(1_000_000)
    ledger.expire(tx, Sweep(0))
    return tx


@contextmanager
def by_force(tx: Connection) -> Iterator[None]:
    """With every constraint and trigger out of the way, and all undone at the end."""
    savepoint = tx.begin_nested()
    if tx.dialect.name == "sqlite":
        _without_constraints(tx)
    else:
        tx.execute(text("SET LOCAL session_replication_role = replica"))  # triggers, and foreign keys, are triggers
        for table in ("ledger_transfers", "ledger_balances"):
            inspector = inspect(tx)
            names = [check["name"] for check in inspector.get_check_constraints(table)]
            names += [unique["name"] for unique in inspector.get_unique_constraints(table)]
            for name in names:
                tx.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{name}" CASCADE'))
    yield
    savepoint.rollback()


def _without_constraints(tx: Connection) -> None:
    """SQLite drops no constraint: the tables are replaced by copies that have none."""
    tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    for table in ("ledger_transfers", "ledger_balances", "ledger_accounts"):
        tx.execute(text(f"CREATE TABLE {table}_copy AS SELECT * FROM {table}"))
        tx.execute(text(f"ALTER TABLE {table} RENAME TO {table}_before"))
        tx.execute(text(f"ALTER TABLE {table}_copy RENAME TO {table}"))


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: f"{forgery.finding}: {forgery.named}")
def test_the_row_that_breaks_an_invariant_is_named(books: Connection, forgery: Forgery) -> None:
    with by_force(books):
        for statement in forgery.statements:
            books.execute(text(statement))
        assert f"{forgery.finding}: {forgery.named}" in verify(books).problems
    assert verify(books).problems == ()


def test_every_invariant_has_a_forgery() -> None:
    assert {forgery.finding for forgery in FORGERIES} == {what for what, _query in _CHECKS}


@pytest.mark.parametrize("table", IMMUTABLE_TABLES)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_ledger_that_could_be_rewritten_is_found(tx: Connection, table: str, verb: str) -> None:
    savepoint = tx.begin_nested()
    on_table = f" ON {table}" if tx.dialect.name == "postgresql" else ""
    tx.execute(text(f"DROP TRIGGER {table}_refuse_{verb}{on_table}"))
    assert verify(tx).problems == (f"history could be rewritten without this trigger: {table}_refuse_{verb}",)
    savepoint.rollback()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)  # SQLite cannot switch one off
def test_a_trigger_that_is_there_but_switched_off_is_found(tx: Connection) -> None:
    savepoint = tx.begin_nested()
    tx.execute(text("ALTER TABLE ledger_transfers DISABLE TRIGGER ledger_transfers_refuse_truncate"))
    assert verify(tx).problems == ("history could be rewritten without this trigger: ledger_transfers_refuse_truncate",)
    savepoint.rollback()


def test_what_is_in_the_books_is_counted(books: Connection) -> None:
    report = verify(books)
    assert (report.ok, report.accounts, report.transfers, report.open_holds, report.held_minor) == (True, 5, 10, 1, 300)
