"""The ledger's tables and the SQL on them. Only `ledger.service` writes here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    FromClause,
    Index,
    Integer,
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
from curtaincall.storage.prepared import Prepared
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


NOTHING = Delta()


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
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The first row of a command, and how it was resolved if it is a hold."""

    key: str
    body_hash: str
    kind: str
    seq: int
    debit_account_id: str
    credit_account_id: str
    amount_minor: int
    purpose: str
    ref: str
    expires_at_ms: int | None
    resolution: str | None


# Each command runs two to five of these statements: see storage/prepared.py.

_OPEN_ACCOUNT = Prepared(
    insert(accounts)
    .values({name: bindparam(name) for name in ("account_id", "kind", "owner_id", "currency")})
    .on_conflict_do_nothing()
)

_OPEN_BALANCE = Prepared(
    insert(balances)
    .values(account_id=bindparam("account_id"), credits_posted_minor=0, debits_posted_minor=0, debits_pending_minor=0)
    .on_conflict_do_nothing()
)

AVAILABLE = balances.c.credits_posted_minor - balances.c.debits_posted_minor - balances.c.debits_pending_minor

_LOCK = Prepared(select(AVAILABLE).where(balances.c.account_id == bindparam("of_account")).with_for_update())

_APPLY_DELTA = Prepared(
    update(balances)
    .where(balances.c.account_id == bindparam("of_account"), AVAILABLE + bindparam("available_delta") >= 0)
    .values(
        credits_posted_minor=balances.c.credits_posted_minor + bindparam("credits_delta"),
        debits_posted_minor=balances.c.debits_posted_minor + bindparam("debits_delta"),
        debits_pending_minor=balances.c.debits_pending_minor + bindparam("pending_delta"),
    )
)

_BODY_HASH = Prepared(select(transfers.c.body_hash).where(transfers.c.key == bindparam("of_key"), transfers.c.leg == 0))

_resolutions = transfers.alias("resolutions")

_WRITTEN = Prepared(
    select(
        *(transfers.c[name] for name in ("key", "body_hash", "kind", "seq", "debit_account_id", "credit_account_id")),
        *(transfers.c[name] for name in ("amount_minor", "purpose", "ref", "expires_at_ms")),
        _resolutions.c.kind,
    )
    .select_from(
        transfers.outerjoin(_resolutions, and_(_resolutions.c.pending_seq == transfers.c.seq, _resolutions.c.leg == 0))
    )
    .where(or_(transfers.c.key == bindparam("a_key"), transfers.c.key == bindparam("another_key")))
    .where(transfers.c.leg == 0)
)

_BALANCE = Prepared(
    select(balances.c.credits_posted_minor - balances.c.debits_posted_minor, balances.c.debits_pending_minor).where(
        balances.c.account_id == bindparam("of_account")
    )
)

COLUMNS = tuple(column for column in transfers.c if column.name != "seq")

# Writes nothing unless both accounts are there: so nobody has to ask for that before.
_APPEND = Prepared(
    transfers.insert().from_select(
        [column.name for column in COLUMNS],
        select(*(bindparam(column.name, type_=column.type) for column in COLUMNS)).where(
            exists().where(accounts.c.account_id == bindparam("debit_account_id")),
            exists().where(accounts.c.account_id == bindparam("credit_account_id")),
        ),
    )
)


def open_account(tx: Connection, account: Account) -> None:
    """Make the account's row, and its balance if it is guarded, unless they are there."""
    values = {
        "account_id": account.id,
        "kind": account.kind.value,
        "owner_id": account.owner_id,
        "currency": account.currency,
    }
    _OPEN_ACCOUNT.write(tx, values)
    if account.guarded:
        _OPEN_BALANCE.write(tx, values)


def lock(tx: Connection, account: Account) -> int:
    """What is available on a guarded account, which nobody else changes until this transaction ends."""
    found = _LOCK.rows(tx, {"of_account": account.id})
    return int(found[0][0]) if found else 0


def apply_delta(tx: Connection, account: Account, delta: Delta) -> bool:
    """Change a guarded account's balance, unless that would take it below zero or it has none: then False, and nothing
    changed."""
    values = {
        "of_account": account.id,
        "available_delta": delta.available_minor,
        "credits_delta": delta.credits_posted_minor,
        "debits_delta": delta.debits_posted_minor,
        "pending_delta": delta.debits_pending_minor,
    }
    return _APPLY_DELTA.write(tx, values) == 1


def append(tx: Connection, new: NewTransfer, legs: Sequence[tuple[str, Leg]]) -> None:
    """Write one row for each (id, leg), and the accounts that are not there yet."""
    for number, (transfer_id, leg) in enumerate(legs):
        values = columns_of(new, number, transfer_id, leg)
        if _APPEND.write(tx, values) == 0:
            open_account(tx, leg.debit)
            open_account(tx, leg.credit)
            _APPEND.write(tx, values)


def columns_of(new: NewTransfer, number: int, transfer_id: str, leg: Leg) -> dict[str, object]:
    """A row's values, by the names of `COLUMNS`."""
    return {
        "transfer_id": transfer_id,
        "key": new.key,
        "leg": number,
        "body_hash": new.body_hash,
        "kind": new.kind.value,
        "purpose": new.purpose,
        "ref": new.ref,
        "pending_seq": new.pending_seq,
        "debit_account_id": leg.debit.id,
        "credit_account_id": leg.credit.id,
        "amount_minor": leg.amount_minor,
        "currency": leg.debit.currency,
        "created_at_ms": new.created_at_ms,
        "expires_at_ms": new.expires_at_ms,
    }


def body_hash_of(tx: Connection, key: str) -> str | None:
    """The hash of the command with this key, None if there is none."""
    found = _BODY_HASH.rows(tx, {"of_key": key})
    return found[0][0] if found else None


def written(tx: Connection, *keys: str) -> dict[str, Written]:
    """The commands with these one or two keys, as far as they are there."""
    rows = _WRITTEN.rows(tx, {"a_key": keys[0], "another_key": keys[-1]})
    return {row[0]: Written(*row) for row in rows}


def expired_holds(tx: Connection, since_ms: int, now_ms: int, limit: int) -> list[str]:
    """The keys of holds that expired at `since_ms` or later, and that nothing has resolved, oldest first."""
    t, resolution = transfers, transfers.alias("resolution")
    query = (
        select(t.c.key)
        .where(t.c.expires_at_ms >= since_ms, t.c.expires_at_ms <= now_ms)
        .where(~exists().where(resolution.c.pending_seq == t.c.seq))
        .order_by(t.c.expires_at_ms, t.c.seq)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def guarded_balance(tx: Connection, account_id: str) -> Balance:
    """The materialised balance; nothing yet is zero."""
    found = _BALANCE.rows(tx, {"of_account": account_id})
    return Balance(*found[0]) if found else Balance(0, 0)


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
    """One page of what moved the account's balance, newest first: one entry a command, however many legs.

    The cursor is the number of the row with which a command first touched the account: another writer's rows may lie
    between those of one command, and none of its legs must be left to the next page.
    """
    t, earlier, leg = transfers, transfers.alias("earlier"), transfers.alias("leg")
    amount = (
        select(func.sum(case((leg.c.credit_account_id == account.id, leg.c.amount_minor), else_=-leg.c.amount_minor)))
        .where(leg.c.key == t.c.key, _touches(leg, account))
        .scalar_subquery()
    )
    query = (
        select(t.c.seq, t.c.transfer_id, t.c.purpose, t.c.ref, t.c.created_at_ms, amount.label("amount_minor"))
        .where(_touches(t, account), t.c.kind.in_(MOVING))
        .where(~exists().where(earlier.c.key == t.c.key, earlier.c.leg < t.c.leg, _touches(earlier, account)))
        .where(and_(True) if before is None else t.c.seq < before)
        .order_by(t.c.seq.desc())
        .limit(limit + 1)
    )
    rows = tx.execute(query).all()
    items = tuple(
        StatementEntry(
            transaction_id=row.transfer_id,
            purpose=Purpose(row.purpose),
            amount_minor=int(row.amount_minor),
            currency=account.currency,
            created_at_ms=row.created_at_ms,
            ref=row.ref,
        )
        for row in rows[:limit]
    )
    return Page(items, str(rows[limit - 1].seq) if len(rows) > limit else None)


def _touches(rows: FromClause, account: Account) -> ColumnElement[bool]:
    return or_(rows.c.credit_account_id == account.id, rows.c.debit_account_id == account.id)
