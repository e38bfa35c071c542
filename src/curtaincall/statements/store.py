"""Reads the ledger's rows for statements. Nothing is written here."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    text,
    union_all,
)

from curtaincall.ledger.model import MAX_LEGS, Account, Purpose, TransferKind, platform_fee
from curtaincall.ledger.store import EARNED, MOVING, transfers
from curtaincall.statements.model import DAY_MS, NOT_EARNED, OF_CREATORS, DayOfEarnings, Movement, OpenHold

t = transfers


def newest_movements(tx: Connection, account: Account, before: int | None, limit: int) -> Sequence[Movement]:
    """Up to `limit` movements of an account, newest first, from the one before row `before`."""
    return _movements(tx, account, and_(True) if before is None else t.c.seq < before, limit, newest_first=True)


def oldest_movements(
    tx: Connection, account: Account, after: int, from_ms: int, until_ms: int, limit: int
) -> Sequence[Movement]:
    """Up to `limit` movements of a time [from, until), oldest first, from the one after row `after`."""
    within = and_(t.c.seq > after, t.c.created_at_ms >= from_ms, t.c.created_at_ms < until_ms)
    return _movements(tx, account, within, limit, newest_first=False)


def _movements(tx: Connection, account: Account, within: Any, limit: int, *, newest_first: bool) -> Sequence[Movement]:
    order = t.c.seq.desc() if newest_first else t.c.seq

    def side(mine: Any, signed: Any) -> Any:
        # A command has at most so many legs: more rows than this are never needed, however long the history is.
        rows = select(t.c.seq, t.c.key, t.c.transfer_id, t.c.purpose, t.c.ref, t.c.created_at_ms, signed)
        limited = rows.where(mine == account.id, t.c.kind.in_(MOVING), within).order_by(order).limit(limit * MAX_LEGS)
        return select(limited.subquery())

    both = union_all(
        side(t.c.credit_account_id, t.c.amount_minor.label("signed")),
        side(t.c.debit_account_id, (-t.c.amount_minor).label("signed")),
    ).subquery()
    seq = func.min(both.c.seq).label("seq")
    query = (
        select(both.c.key, seq, func.min(both.c.transfer_id).label("transfer_id"), both.c.purpose, both.c.ref)
        .add_columns(func.max(both.c.seq).label("last_seq"), func.min(both.c.created_at_ms).label("at_ms"))
        .add_columns(func.sum(both.c.signed).label("amount_minor"))
        .group_by(both.c.key, both.c.purpose, both.c.ref)
        .order_by(seq.desc() if newest_first else seq)
        .limit(limit)
    )
    return [
        Movement(
            first_seq=row.seq,
            last_seq=row.last_seq,
            key=row.key,
            transaction_id=row.transfer_id,
            purpose=Purpose(row.purpose),
            amount_minor=int(row.amount_minor),
            created_at_ms=row.at_ms,
            ref=row.ref,
        )
        for row in tx.execute(query)
    ]


def touched(tx: Connection, keys: Collection[str]) -> dict[str, tuple[Account, ...]]:
    """Every account that the legs of each command touch, and whom the hold that it resolves was meant for."""
    hold = transfers.alias("hold")
    query = (
        select(t.c.key, t.c.debit_account_id, t.c.credit_account_id, hold.c.credit_account_id.label("meant_for"))
        .join_from(t, hold, hold.c.seq == t.c.pending_seq, isouter=True)
        .where(t.c.key.in_(keys))
        .order_by(t.c.key, t.c.leg)
    )
    found: dict[str, list[Account]] = defaultdict(list)
    for row in tx.execute(query):
        ids = (row.debit_account_id, row.credit_account_id, row.meant_for)
        found[row.key] += [Account.of_id(account_id) for account_id in ids if account_id is not None]
    return {key: tuple(accounts) for key, accounts in found.items()}


def open_holds(tx: Connection, account: Account, limit: int) -> tuple[OpenHold, ...]:
    """Holds on an account that nothing has resolved, newest first."""
    resolution = transfers.alias("resolution")
    query = (
        select(t)
        .where(t.c.debit_account_id == account.id, t.c.kind == TransferKind.PENDING)
        .where(~exists().where(resolution.c.pending_seq == t.c.seq))
        .order_by(t.c.seq.desc())
        .limit(limit)
    )
    return tuple(
        OpenHold(row.key, Purpose(row.purpose), row.amount_minor, row.created_at_ms, row.ref)
        for row in tx.execute(query)
    )


# ---- earnings -------------------------------------------------------------------------------------------------------


def earnings_by_day(
    tx: Connection, creator_id: str, currency: str, from_ms: int, until_ms: int
) -> tuple[DayOfEarnings, ...]:
    """What a creator earned in [from, until), by day and source, oldest first."""
    accounts = [Account(kind, creator_id, currency).id for kind in OF_CREATORS]
    own = _own_rows(accounts, from_ms, until_ms)
    # A post is part of a call; every other command is something of its own.
    once = case((own.c.kind == TransferKind.POST, own.c.ref), else_=own.c.key)
    nets = select(
        own.c.day_ms, own.c.purpose, func.sum(own.c.signed).label("net_minor"), func.count(once.distinct()).label("n")
    ).group_by(own.c.day_ms, own.c.purpose)
    fees = _fees(own, accounts, currency, from_ms, until_ms)
    fee_of = {(row.day_ms, row.purpose): int(row.fee_minor) for row in tx.execute(fees)}
    days = [
        DayOfEarnings(
            day_ms=row.day_ms,
            source=Purpose(row.purpose),
            gross_minor=int(row.net_minor) + fee_of.get((row.day_ms, row.purpose), 0),
            fee_minor=fee_of.get((row.day_ms, row.purpose), 0),
            net_minor=int(row.net_minor),
            count=row.n,
        )
        for row in tx.execute(nets)
    ]
    return tuple(sorted(days, key=lambda day: (day.day_ms, day.source)))


def _own_rows(accounts: list[str], from_ms: int, until_ms: int) -> Subquery:
    """The rows that added to a creator's money or took from it; the partial indexes have just these."""

    def side(name: str, signed: Any) -> Select[Any]:
        return select(t.c.key, t.c.kind, t.c.ref, t.c.purpose, _day().label("day_ms"), signed.label("signed")).where(
            t.c[f"{name}_account_id"].in_(accounts),
            text(EARNED.format(side=name)),
            t.c.created_at_ms >= from_ms,
            t.c.created_at_ms < until_ms,
            t.c.purpose.not_in(NOT_EARNED),
        )

    return union_all(side("credit", t.c.amount_minor), side("debit", -t.c.amount_minor)).subquery("own")


def _fees(own: Subquery, own_accounts: list[str], currency: str, from_ms: int, until_ms: int) -> Select[Any]:
    """What the house took of the same commands; of a call also by a post that left nothing for the creator."""
    fee = platform_fee(currency).id
    signed = case((t.c.credit_account_id == fee, t.c.amount_minor), else_=-t.c.amount_minor).label("fee_minor")
    columns = (_day().label("day_ms"), t.c.purpose, signed)
    of_fee = or_(t.c.credit_account_id == fee, t.c.debit_account_id == fee)
    # A dispute may take from several creators at once: what the house gave back of it is then nobody's in particular.
    others = transfers.alias("others")
    shared = exists().where(
        others.c.key == own.c.key,
        or_(
            *(
                and_(func.substr(column, 1, 8) == "creator_", column.not_in(own_accounts))
                for column in (others.c.debit_account_id, others.c.credit_account_id)
            )
        ),
    )
    single = select(own.c.key).where(own.c.kind == TransferKind.SINGLE, ~shared).distinct().subquery()
    posted = select(own.c.ref, own.c.purpose).where(own.c.kind == TransferKind.POST).distinct().subquery()
    both: CompoundSelect[Any] = union_all(
        select(*columns).join(single, single.c.key == t.c.key).where(of_fee),
        select(*columns)
        .join(posted, and_(posted.c.ref == t.c.ref, posted.c.purpose == t.c.purpose))
        .where(of_fee, t.c.kind == TransferKind.POST, t.c.created_at_ms >= from_ms, t.c.created_at_ms < until_ms),
    )
    rows = both.subquery()
    return select(rows.c.day_ms, rows.c.purpose, func.sum(rows.c.fee_minor).label("fee_minor")).group_by(
        rows.c.day_ms, rows.c.purpose
    )


def _day() -> Any:
    return t.c.created_at_ms - t.c.created_at_ms % DAY_MS
