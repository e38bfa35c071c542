"""The ledger's tables and the SQL on them. Only `ledger.service` writes here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from curtaincall.ledger.model import Account, Balance, Leg, Purpose, StatementEntry, TransferKind
from curtaincall.storage.paging import Page
from curtaincall.storage.schema import RowNumber, metadata
from curtaincall.storage.upsert import insert

accounts = Table(
    "ledger_accounts",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("owner_id", String, nullable=False),
    Column("currency", String(3), nullable=False),
)

balances = Table(
    "ledger_balances",
    metadata,
    Column("account_id", ForeignKey("ledger_accounts.account_id"), primary_key=True),
    Column("credits_posted_minor", BigInteger, nullable=False, default=0),
    Column("debits_posted_minor", BigInteger, nullable=False, default=0),
    Column("debits_pending_minor", BigInteger, nullable=False, default=0),
    CheckConstraint(
        "credits_posted_minor - debits_posted_minor - debits_pending_minor >= 0", name="available_not_negative"
    ),
    CheckConstraint("debits_pending_minor >= 0", name="pending_not_negative"),
)

EARNED: Final = "kind IN ('single', 'post') AND substr({side}_account_id, 1, 8) = 'creator_'"
"""Rows that move a creator's money: the partial indexes on them serve queries that say so in the same words."""

transfers = Table(
    "ledger_transfers",
    metadata,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("transfer_id", String, nullable=False, unique=True),
    Column("key", String, nullable=False),
    Column("leg", Integer, nullable=False),
    Column("body_hash", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("ref", String, nullable=False),
    Column("pending_seq", ForeignKey("ledger_transfers.seq")),
    Column("debit_account_id", ForeignKey("ledger_accounts.account_id"), nullable=False),
    Column("credit_account_id", ForeignKey("ledger_accounts.account_id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    # The two rules that make a repeat harmless: a command is written once, and a hold is resolved once.
    UniqueConstraint("key", "leg"),
    UniqueConstraint("pending_seq", "leg"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
    CheckConstraint("kind IN ('single', 'pending', 'post', 'void', 'expire')", name="kind_known"),
    CheckConstraint("(kind IN ('post', 'void', 'expire')) = (pending_seq IS NOT NULL)", name="only_resolutions_refer"),
    CheckConstraint("kind = 'pending' OR expires_at_ms IS NULL", name="only_holds_expire"),
    Index("ix_ledger_transfers_debit_account_id_seq", "debit_account_id", "seq"),
    Index("ix_ledger_transfers_credit_account_id_seq", "credit_account_id", "seq"),
    Index("ix_ledger_transfers_ref", "ref"),
    Index(
        "ix_ledger_transfers_expires_at_ms",
        "expires_at_ms",
        sqlite_where=text("expires_at_ms IS NOT NULL"),
        postgresql_where=text("expires_at_ms IS NOT NULL"),
    ),
    *(
        Index(
            f"ix_ledger_transfers_{side}_earned",
            f"{side}_account_id",
            "created_at_ms",
            sqlite_where=text(EARNED.format(side=side)),
            postgresql_where=text(EARNED.format(side=side)),
        )
        for side in ("debit", "credit")
    ),
    sqlite_autoincrement=True,  # a row number is never used again: cursors and references stay true
)

MOVING = (TransferKind.SINGLE, TransferKind.POST)
"""Kinds that change balances; a pending transfer reserves, a void lets go."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a command does to one account."""

    credits_posted_minor: int = 0
    debits_posted_minor: int = 0
    debits_pending_minor: int = 0

    @property
    def available_minor(self) -> int:
        return self.credits_posted_minor - self.debits_posted_minor - self.debits_pending_minor

    def __add__(self, other: "Delta") -> "Delta":
        return Delta(
            self.credits_posted_minor + other.credits_posted_minor,
            self.debits_posted_minor + other.debits_posted_minor,
            self.debits_pending_minor + other.debits_pending_minor,
        )


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """The columns that all rows of one command share."""

    key: str
    body_hash: str
    kind: TransferKind
    purpose: str
    ref: str
    pending_seq: int | None
    created_at_ms: int


# Statements are built once: the ledger is written more often than anything else, and building costs more than running.

_OPEN_ACCOUNT = (
    insert(accounts)
    .values(
        account_id=bindparam("account_id"),
        kind=bindparam("kind"),
        owner_id=bindparam("owner_id"),
        currency=bindparam("currency"),
    )
    .on_conflict_do_nothing()
)

_OPEN_BALANCE = (
    insert(balances)
    .values(account_id=bindparam("account_id"), credits_posted_minor=0, debits_posted_minor=0, debits_pending_minor=0)
    .on_conflict_do_nothing()
)

_APPLY_DELTA = (
    update(balances)
    .where(
        balances.c.account_id == bindparam("of_account"),
        balances.c.credits_posted_minor
        - balances.c.debits_posted_minor
        - balances.c.debits_pending_minor
        + bindparam("available_delta")
        >= 0,
    )
    .values(
        credits_posted_minor=balances.c.credits_posted_minor + bindparam("credits_delta"),
        debits_posted_minor=balances.c.debits_posted_minor + bindparam("debits_delta"),
        debits_pending_minor=balances.c.debits_pending_minor + bindparam("pending_delta"),
    )
)

_FIRST_LEG = select(transfers).where(transfers.c.key == bindparam("of_key"), transfers.c.leg == 0)

_RESOLUTION = select(transfers.c.kind).where(transfers.c.pending_seq == bindparam("hold_seq"), transfers.c.leg == 0)

_BALANCE = select(balances).where(balances.c.account_id == bindparam("of_account"))

_APPEND = transfers.insert()


def open_account(tx: Connection, account: Account) -> None:
    """Make the account's row, and its balance if it is guarded, unless they are there."""
    values = {
        "account_id": account.id,
        "kind": account.kind,
        "owner_id": account.owner_id,
        "currency": account.currency,
    }
    tx.execute(_OPEN_ACCOUNT, values)
    if account.guarded:
        tx.execute(_OPEN_BALANCE, {"account_id": account.id})


def apply_delta(tx: Connection, account: Account, delta: Delta) -> bool:
    """Change a guarded account's balance, unless that would take it below zero: then False, and nothing changed."""
    values = {
        "of_account": account.id,
        "available_delta": delta.available_minor,
        "credits_delta": delta.credits_posted_minor,
        "debits_delta": delta.debits_posted_minor,
        "pending_delta": delta.debits_pending_minor,
    }
    return tx.execute(_APPLY_DELTA, values).rowcount == 1


def append(tx: Connection, new: NewTransfer, legs: Sequence[tuple[str, Leg]]) -> None:
    """Write one row for each (id, leg)."""
    tx.execute(
        _APPEND,
        [
            {
                "transfer_id": transfer_id,
                "key": new.key,
                "leg": number,
                "body_hash": new.body_hash,
                "kind": new.kind,
                "purpose": new.purpose,
                "ref": new.ref,
                "pending_seq": new.pending_seq,
                "debit_account_id": leg.debit.id,
                "credit_account_id": leg.credit.id,
                "amount_minor": leg.amount_minor,
                "currency": leg.debit.currency,
                "created_at_ms": new.created_at_ms,
            }
            for number, (transfer_id, leg) in enumerate(legs)
        ],
    )


def first_leg(tx: Connection, key: str) -> Row[Any] | None:
    """The first row of the command with this key."""
    return tx.execute(_FIRST_LEG, {"of_key": key}).one_or_none()


def resolution_of(tx: Connection, pending_seq: int) -> TransferKind | None:
    """How the hold was resolved, None if it is open."""
    kind = tx.execute(_RESOLUTION, {"hold_seq": pending_seq}).scalar_one_or_none()
    return None if kind is None else TransferKind(kind)


def guarded_balance(tx: Connection, account_id: str) -> Balance:
    """The materialised balance; nothing yet is zero."""
    row = tx.execute(_BALANCE, {"of_account": account_id}).one_or_none()
    if row is None:
        return Balance(0, 0)
    return Balance(row.credits_posted_minor - row.debits_posted_minor, row.debits_pending_minor)


def rolled_up_balance(tx: Connection, account_id: str) -> int:
    """Credits less debits of all transfers of an account, summed up now."""
    t = transfers
    credit = t.c.credit_account_id == account_id
    signed = case((credit, t.c.amount_minor), else_=-t.c.amount_minor)
    query = select(func.coalesce(func.sum(signed), 0)).where(
        or_(credit, t.c.debit_account_id == account_id), t.c.kind.in_(MOVING)
    )
    return int(tx.execute(query).scalar_one())


def open_hold_keys(tx: Connection, ref: str) -> list[str]:
    """The keys of the holds for `ref` that nothing has resolved."""
    t, resolution = transfers, transfers.alias("resolution")
    query = (
        select(t.c.key)
        .where(t.c.ref == ref, t.c.kind == TransferKind.PENDING)
        .where(~exists().where(resolution.c.pending_seq == t.c.seq))
        .order_by(t.c.seq)
    )
    return list(tx.execute(query).scalars())


def statement(tx: Connection, account: Account, before: int | None, limit: int) -> Page[StatementEntry]:
    """One page of what moved the account's balance, newest first: one entry a command, however many legs."""
    t = transfers
    credit = t.c.credit_account_id == account.id
    amount = func.sum(case((credit, t.c.amount_minor), else_=-t.c.amount_minor)).label("amount_minor")
    seq = func.min(t.c.seq).label("seq")
    # The legs of a command are consecutive rows, so that a cursor never falls inside one.
    query = (
        select(t.c.key, seq, func.min(t.c.transfer_id).label("transfer_id"), t.c.purpose, t.c.ref, amount)
        .add_columns(func.min(t.c.created_at_ms).label("created_at_ms"))
        .where(or_(credit, t.c.debit_account_id == account.id), t.c.kind.in_(MOVING))
        .where(and_(True) if before is None else t.c.seq < before)
        .group_by(t.c.key, t.c.purpose, t.c.ref)
        .order_by(seq.desc())
        .limit(limit + 1)
    )
    rows = tx.execute(query).all()
    items = tuple(
        StatementEntry(
            transaction_id=row.transfer_id,
            purpose=Purpose(row.purpose),
            amount_minor=row.amount_minor,
            currency=account.currency,
            created_at_ms=row.created_at_ms,
            ref=row.ref,
        )
        for row in rows[:limit]
    )
    return Page(items, str(rows[limit - 1].seq) if len(rows) > limit else None)
