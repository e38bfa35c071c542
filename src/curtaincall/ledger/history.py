"""Reading the books back: what a command wrote, where an account's money went, and what is there to be taken.

For those who reverse what was moved (refunds, disputes) or move it on when its time has come (releases).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from curtaincall.ledger.model import Account, AccountKind, Leg, Purpose
from curtaincall.ledger.store import MOVING, accounts, balances, transfers


@dataclass(frozen=True, slots=True)
class Movement:
    """One row that moved money."""

    seq: int
    transfer_id: str
    key: str
    purpose: Purpose
    ref: str
    leg: Leg
    created_at_ms: int


def command_of(tx: Connection, transaction_id: str) -> tuple[Movement, ...]:
    """All rows of the command that wrote this transaction (as a statement names it); none if there is none."""
    t = transfers
    key = select(t.c.key).where(t.c.transfer_id == transaction_id).scalar_subquery()
    return _movements(tx, t.c.key == key)


def movements_of(tx: Connection, key: str) -> tuple[Movement, ...]:
    """What the command with this key moved; nothing if it was never written, or is an open hold."""
    return _movements(tx, transfers.c.key == key)


def outflow(tx: Connection, account: Account, before_seq: int | None, limit: int) -> tuple[Movement, ...]:
    """What was paid from an account, newest first; before a row, if one is given."""
    t = transfers
    where = [t.c.debit_account_id == account.id]
    if before_seq is not None:
        where.append(t.c.seq < before_seq)
    return _movements(tx, *where, newest_first=True, limit=limit)


def credited_since(tx: Connection, account: Account, since_ms: int) -> int:
    """How much came into an account after a moment."""
    t = transfers
    query = select(func.coalesce(func.sum(t.c.amount_minor), 0)).where(
        t.c.credit_account_id == account.id, t.c.created_at_ms > since_ms, t.c.kind.in_(MOVING)
    )
    return int(tx.execute(query).scalar_one())


def locked_available(tx: Connection, account: Account) -> int:
    """What is available on a guarded account, which nobody else changes before this transaction ends."""
    b = balances
    row = tx.execute(select(b).where(b.c.account_id == account.id).with_for_update()).one_or_none()
    if row is None:
        return 0
    return int(row.credits_posted_minor - row.debits_posted_minor - row.debits_pending_minor)


def accounts_with_money(tx: Connection, kind: AccountKind, after_id: str | None, limit: int) -> tuple[Account, ...]:
    """Accounts of a guarded kind on which something is available, by id."""
    a, b = accounts, balances
    available = b.c.credits_posted_minor - b.c.debits_posted_minor - b.c.debits_pending_minor
    query = select(a.c.account_id).join(b, b.c.account_id == a.c.account_id).where(a.c.kind == kind, available > 0)
    if after_id is not None:
        query = query.where(a.c.account_id > after_id)
    return tuple(Account.of_id(found) for found in tx.execute(query.order_by(a.c.account_id).limit(limit)).scalars())


def _movements(
    tx: Connection, *where: ColumnElement[bool], newest_first: bool = False, limit: int | None = None
) -> tuple[Movement, ...]:
    t = transfers
    order = t.c.seq.desc() if newest_first else t.c.seq
    rows = tx.execute(select(t).where(*where, t.c.kind.in_(MOVING)).order_by(order).limit(limit))
    return tuple(_movement(row) for row in rows)


def _movement(row: Row[Any]) -> Movement:
    leg = Leg(Account.of_id(row.debit_account_id), Account.of_id(row.credit_account_id), row.amount_minor)
    return Movement(row.seq, row.transfer_id, row.key, Purpose(row.purpose), row.ref, leg, row.created_at_ms)
