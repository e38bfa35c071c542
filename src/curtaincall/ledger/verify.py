"""Proves the books: what must hold of every ledger at every moment, checked from the rows themselves.

Used by `curtaincall ledger verify`, by the tests, and after every crash of the crash test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from curtaincall.ledger.model import GUARDED

PROBLEM_LIMIT: Final = 100
"""The most problems of one kind that a report lists."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found: no problems means that the books are in order."""

    problems: tuple[str, ...]
    accounts: int
    transfers: int
    open_holds: int
    held_minor: int

    @property
    def ok(self) -> bool:
        return not self.problems


_GUARDED_KINDS: Final = ", ".join(f"'{kind}'" for kind in sorted(GUARDED))

_WITH_HOLDS: Final = """
    WITH holds AS (
    SELECT p.seq, p.key, p.debit_account_id, p.currency, p.amount_minor,
           COUNT(DISTINCT r.key) AS resolutions, COUNT(DISTINCT r.kind) AS kinds,
           COALESCE(SUM(CASE WHEN r.kind = 'post' THEN r.amount_minor END), 0) AS posted_minor,
           COALESCE(SUM(CASE WHEN r.kind = 'void' THEN r.amount_minor END), 0) AS voided_minor,
           COALESCE(SUM(r.debit_account_id <> p.debit_account_id), 0) AS strangers
    FROM ledger_transfers p LEFT JOIN ledger_transfers r ON r.pending_seq = p.seq
    WHERE p.kind = 'pending' GROUP BY p.seq)
"""
"""Every hold with what resolved it; put before each query."""

_OPEN_HOLDS: Final = "SELECT COUNT(*), COALESCE(SUM(amount_minor), 0) FROM holds WHERE resolutions = 0"

_CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "transfer and accounts differ in currency",
        """SELECT t.key FROM ledger_transfers t
           JOIN ledger_accounts d ON d.account_id = t.debit_account_id
           JOIN ledger_accounts c ON c.account_id = t.credit_account_id
           WHERE t.currency <> d.currency OR t.currency <> c.currency""",
    ),
    (
        "amount is not positive",
        "SELECT key FROM ledger_transfers WHERE amount_minor <= 0",
    ),
    (
        "books of a currency do not sum to zero",
        """SELECT currency FROM (
             SELECT currency, amount_minor AS signed FROM ledger_transfers WHERE kind IN ('single', 'post')
               AND credit_account_id IN (SELECT account_id FROM ledger_accounts)
             UNION ALL
             SELECT currency, -amount_minor FROM ledger_transfers WHERE kind IN ('single', 'post')
               AND debit_account_id IN (SELECT account_id FROM ledger_accounts)
           ) GROUP BY currency HAVING SUM(signed) <> 0""",
    ),
    (
        "guarded account is below zero",
        """SELECT account_id FROM ledger_balances
           WHERE credits_posted_minor - debits_posted_minor - debits_pending_minor < 0""",
    ),
    (
        "guarded account has no balance",
        # The kinds are our own constants.
        f"""SELECT account_id FROM ledger_accounts
           WHERE kind IN ({_GUARDED_KINDS}) AND account_id NOT IN (SELECT account_id FROM ledger_balances)""",  # noqa: S608
    ),
    (
        "balance differs from the sum of its transfers",
        """SELECT b.account_id FROM ledger_balances b WHERE
             b.credits_posted_minor <> COALESCE((SELECT SUM(amount_minor) FROM ledger_transfers
               WHERE credit_account_id = b.account_id AND kind IN ('single', 'post')), 0)
             OR b.debits_posted_minor <> COALESCE((SELECT SUM(amount_minor) FROM ledger_transfers
               WHERE debit_account_id = b.account_id AND kind IN ('single', 'post')), 0)
             OR b.debits_pending_minor <> COALESCE((SELECT SUM(amount_minor) FROM holds h
               WHERE h.debit_account_id = b.account_id AND h.resolutions = 0), 0)""",
    ),
    (
        "hold was resolved more than once",
        "SELECT key FROM holds WHERE resolutions > 1 OR kinds > 1",
    ),
    (
        "more was posted or voided than held",
        "SELECT key FROM holds WHERE posted_minor > amount_minor OR voided_minor NOT IN (0, amount_minor)",
    ),
    (
        "hold was resolved for another payer",
        "SELECT key FROM holds WHERE strangers > 0",
    ),
    (
        "resolution refers to what is no hold",
        """SELECT r.key FROM ledger_transfers r JOIN ledger_transfers p ON p.seq = r.pending_seq
           WHERE p.kind <> 'pending'""",
    ),
    (
        "history could be rewritten without this trigger",
        """SELECT needed FROM (
             SELECT 'ledger_transfers_refuse_update' AS needed UNION ALL SELECT 'ledger_transfers_refuse_delete'
             UNION ALL SELECT 'ledger_accounts_refuse_update' UNION ALL SELECT 'ledger_accounts_refuse_delete'
           ) WHERE needed NOT IN (SELECT name FROM sqlite_master WHERE type = 'trigger')""",
    ),
)
"""(what is wrong, a query that finds it): each must come back empty."""


def verify(tx: Connection) -> Report:
    """Check every invariant on one snapshot and report what does not hold."""
    held = tx.execute(text(_WITH_HOLDS + _OPEN_HOLDS)).one()
    return Report(
        problems=tuple(_problems(tx)),
        accounts=tx.execute(text("SELECT COUNT(*) FROM ledger_accounts")).scalar_one(),
        transfers=tx.execute(text("SELECT COUNT(*) FROM ledger_transfers")).scalar_one(),
        open_holds=held[0],
        held_minor=held[1],
    )


def _problems(tx: Connection) -> Iterator[str]:
    for what, query in _CHECKS:
        for row in tx.execute(text(_WITH_HOLDS + query)).fetchmany(PROBLEM_LIMIT):
            yield f"{what}: {row[0]}"
