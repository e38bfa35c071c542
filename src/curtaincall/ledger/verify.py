"""Proves the books: what must hold of every ledger at every moment, checked from the rows themselves.

Used by `curtaincall ledger verify`, by the tests, and after every crash of the crash test. Much of it the database
refuses by itself; it is checked here too, because whoever repairs a database by hand can drop a constraint.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from curtaincall.ledger.model import GUARDED, AccountKind, Purpose, TransferKind

PROBLEM_LIMIT: Final = 100
"""The most problems of one kind that a report lists, the oldest rows first."""


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


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))  # our own constants


# ruff: noqa: S608 - the queries are put together from the constants of this module and of the model, nothing else.

_IMMUTABLE: Final = ("ledger_accounts", "ledger_transfers")

_DERIVED: Final = """
    WITH resolutions AS (
      SELECT pending_seq, COUNT(DISTINCT key) AS commands, MIN(kind) AS kind, MIN(created_at_ms) AS at_ms,
             SUM(amount_minor) AS amount_minor, MIN(debit_account_id) AS payer, MAX(debit_account_id) AS other_payer
      FROM ledger_transfers WHERE pending_seq IS NOT NULL GROUP BY pending_seq),
    holds AS (
      SELECT p.seq, p.key, p.debit_account_id, p.amount_minor, p.expires_at_ms,
             r.commands, r.kind AS resolution, r.at_ms, r.amount_minor AS resolved_minor, r.payer, r.other_payer
      FROM ledger_transfers p LEFT JOIN resolutions r ON r.pending_seq = p.seq WHERE p.kind = 'pending'),
    movements AS (
      SELECT account_id, SUM(credit) AS credits, SUM(debit) AS debits, SUM(pending) AS pending FROM (
        SELECT credit_account_id AS account_id, amount_minor AS credit, 0 AS debit, 0 AS pending
          FROM ledger_transfers WHERE kind IN ('single', 'post')
        UNION ALL SELECT debit_account_id, 0, amount_minor, 0 FROM ledger_transfers WHERE kind IN ('single', 'post')
        UNION ALL SELECT debit_account_id, 0, 0, amount_minor FROM holds WHERE resolution IS NULL
      ) AS rows_of_accounts GROUP BY account_id)
"""
"""Every hold with what resolved it, and what the transfers say of each account; put before each query."""

_OPEN_HOLDS: Final = "SELECT COUNT(*), COALESCE(SUM(amount_minor), 0) FROM holds WHERE resolution IS NULL"

_CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "account is not what its id says",
        f"""SELECT account_id FROM ledger_accounts WHERE account_id <> kind || ':' || currency || ':' || owner_id
              OR kind NOT IN ({_listed(AccountKind)}) ORDER BY account_id""",
    ),
    (
        "transfer is of a kind or purpose that is not known",
        f"""SELECT key FROM ledger_transfers WHERE kind NOT IN ({_listed(TransferKind)})
              OR purpose NOT IN ({_listed(Purpose)}) ORDER BY seq""",
    ),
    (
        "transfer is with an account that is not there",
        """SELECT t.key FROM ledger_transfers t LEFT JOIN ledger_accounts d ON d.account_id = t.debit_account_id
             LEFT JOIN ledger_accounts c ON c.account_id = t.credit_account_id
           WHERE d.account_id IS NULL OR c.account_id IS NULL ORDER BY t.seq""",
    ),
    (
        "transfer and accounts differ in currency",
        """SELECT t.key FROM ledger_transfers t JOIN ledger_accounts d ON d.account_id = t.debit_account_id
             JOIN ledger_accounts c ON c.account_id = t.credit_account_id
           WHERE t.currency <> d.currency OR t.currency <> c.currency ORDER BY t.seq""",
    ),
    ("amount is not positive", "SELECT key FROM ledger_transfers WHERE amount_minor <= 0 ORDER BY seq"),
    (
        "account pays itself",
        "SELECT key FROM ledger_transfers WHERE debit_account_id = credit_account_id ORDER BY seq",
    ),
    (
        "legs of a command are not one command's",
        """SELECT key FROM ledger_transfers GROUP BY key HAVING MIN(leg) <> 0 OR MAX(leg) <> COUNT(*) - 1
             OR COUNT(DISTINCT leg) <> COUNT(*) OR MIN(body_hash) <> MAX(body_hash) OR MIN(kind) <> MAX(kind)
             OR MIN(purpose) <> MAX(purpose) OR MIN(ref) <> MAX(ref) OR MIN(currency) <> MAX(currency)
             OR COUNT(DISTINCT COALESCE(pending_seq, 0)) <> 1 ORDER BY MIN(seq)""",
    ),
    (
        "books of a currency do not sum to zero",
        """SELECT currency FROM (
             SELECT currency, amount_minor AS signed FROM ledger_transfers WHERE kind IN ('single', 'post')
               AND credit_account_id IN (SELECT account_id FROM ledger_accounts)
             UNION ALL
             SELECT currency, -amount_minor FROM ledger_transfers WHERE kind IN ('single', 'post')
               AND debit_account_id IN (SELECT account_id FROM ledger_accounts)
           ) AS signed_rows GROUP BY currency HAVING SUM(signed) <> 0 ORDER BY currency""",
    ),
    (
        "guarded account is below zero",
        """SELECT account_id FROM ledger_balances
           WHERE credits_posted_minor - debits_posted_minor - debits_pending_minor < 0 OR debits_pending_minor < 0
           ORDER BY account_id""",
    ),
    (
        "guarded account has no balance",
        f"""SELECT a.account_id FROM ledger_accounts a LEFT JOIN ledger_balances b ON b.account_id = a.account_id
            WHERE a.kind IN ({_listed(GUARDED)}) AND b.account_id IS NULL ORDER BY a.account_id""",
    ),
    (
        "balance is of an account that is not guarded",
        f"""SELECT b.account_id FROM ledger_balances b LEFT JOIN ledger_accounts a ON a.account_id = b.account_id
            WHERE a.kind IS NULL OR a.kind NOT IN ({_listed(GUARDED)}) ORDER BY b.account_id""",
    ),
    (
        "balance differs from the sum of its transfers",
        """SELECT b.account_id FROM ledger_balances b LEFT JOIN movements m ON m.account_id = b.account_id
           WHERE b.credits_posted_minor <> COALESCE(m.credits, 0) OR b.debits_posted_minor <> COALESCE(m.debits, 0)
             OR b.debits_pending_minor <> COALESCE(m.pending, 0) ORDER BY b.account_id""",
    ),
    ("hold was resolved more than once", "SELECT key FROM holds WHERE commands > 1 ORDER BY seq"),
    (
        "more was posted or voided than held",
        """SELECT key FROM holds WHERE resolved_minor > amount_minor
             OR (resolution IN ('void', 'expire') AND resolved_minor <> amount_minor) ORDER BY seq""",
    ),
    (
        "hold was resolved for another payer",
        "SELECT key FROM holds WHERE payer <> debit_account_id OR other_payer <> debit_account_id ORDER BY seq",
    ),
    (
        "hold was posted after it had expired",
        "SELECT key FROM holds WHERE resolution = 'post' AND at_ms >= expires_at_ms ORDER BY seq",
    ),
    (
        "hold expired before its time",
        """SELECT key FROM holds WHERE resolution = 'expire' AND (expires_at_ms IS NULL OR at_ms < expires_at_ms)
           ORDER BY seq""",
    ),
    (
        "resolution refers to what is no hold",
        """SELECT r.key FROM ledger_transfers r LEFT JOIN ledger_transfers p ON p.seq = r.pending_seq
           WHERE (r.kind IN ('post', 'void', 'expire') AND (p.kind IS NULL OR p.kind <> 'pending'))
             OR (r.kind NOT IN ('post', 'void', 'expire') AND r.pending_seq IS NOT NULL) ORDER BY r.seq""",
    ),
)
"""(what is wrong, a query that finds it): each must come back empty."""

_TRIGGERS: Final = {
    "sqlite": (
        ("update", "delete"),
        "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    ),
    "postgresql": (
        ("update", "delete", "truncate"),
        "SELECT tgname FROM pg_trigger WHERE tgenabled = 'O' OR tgenabled = 'A'",
    ),
}
"""What triggers must refuse, and a query for the names of those that are at work."""


def verify(tx: Connection) -> Report:
    """Check every invariant on one snapshot and report what does not hold."""
    open_holds, held_minor = tx.execute(text(_DERIVED + _OPEN_HOLDS)).one()
    return Report(
        problems=(*_broken_rows(tx), *_missing_triggers(tx)),
        accounts=tx.execute(text("SELECT COUNT(*) FROM ledger_accounts")).scalar_one(),
        transfers=tx.execute(text("SELECT COUNT(*) FROM ledger_transfers")).scalar_one(),
        open_holds=open_holds,
        held_minor=int(held_minor),
    )


def _broken_rows(tx: Connection) -> Iterator[str]:
    for what, query in _CHECKS:
        for row in tx.execute(text(_DERIVED + query)).fetchmany(PROBLEM_LIMIT):
            yield f"{what}: {row[0]}"


def _missing_triggers(tx: Connection) -> Iterator[str]:
    refused, query = _TRIGGERS[tx.dialect.name]
    there = set(tx.execute(text(query)).scalars())
    for needed in (f"{table}_refuse_{verb}" for table in _IMMUTABLE for verb in refused):
        if needed not in there:
            yield f"history could be rewritten without this trigger: {needed}"
