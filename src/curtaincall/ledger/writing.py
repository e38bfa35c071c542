"""How a command's changes of balances and its rows get into the database.

One statement after another on SQLite, where a statement costs microseconds. On PostgreSQL each is a round trip, made
while the rows of the balances are locked for everybody else: there a single statement does it all, or nothing.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    Connection,
    ScalarSelect,
    bindparam,
    exists,
    func,
    literal,
    select,
    union_all,
    update,
)

from curtaincall.ledger.model import Account, Leg
from curtaincall.ledger.store import (
    AVAILABLE,
    COLUMNS,
    Delta,
    NewTransfer,
    accounts,
    append,
    apply_delta,
    balances,
    columns_of,
    open_account,
    transfers,
)
from curtaincall.storage.prepared import Prepared

Change = tuple[Account, Delta]


def write(tx: Connection, changes: Sequence[Change], new: NewTransfer, legs: Sequence[tuple[str, Leg]]) -> bool:
    """Change guarded accounts in the order given, and write one row for each (id, leg). Makes missing accounts.

    Only the first change may find too little money: False then, and nothing was written.
    """
    if tx.dialect.name == "postgresql" and _write_at_once(tx, changes, new, legs):
        return True
    for number, (account, delta) in enumerate(changes):
        if apply_delta(tx, account, delta):
            continue
        if number == 0 and delta.available_minor < 0:
            return False
        open_account(tx, account)  # it is the account's first time
        apply_delta(tx, account, delta)
    append(tx, new, legs)
    return True


def _write_at_once(
    tx: Connection, changes: Sequence[Change], new: NewTransfer, legs: Sequence[tuple[str, Leg]]
) -> bool:
    """False, and nothing was written, if an account is not there yet or the first change finds too little."""
    ids = {account.id for _, leg in legs for account in (leg.debit, leg.credit)}
    values: dict[str, Any] = {f"account_{number}": account_id for number, account_id in enumerate(ids)}
    for number, (account, delta) in enumerate(changes):
        values[f"of_account_{number}"] = account.id
        values[f"available_{number}"] = delta.available_minor
        values[f"credits_{number}"] = delta.credits_posted_minor
        values[f"debits_{number}"] = delta.debits_posted_minor
        values[f"pending_{number}"] = delta.debits_pending_minor
    for number, (transfer_id, leg) in enumerate(legs):
        for name, value in columns_of(new, number, transfer_id, leg).items():
            values[f"{name}_{number}"] = value
    return _statement(len(ids), len(changes), len(legs)).write(tx, values) > 0


@cache  # there are as many as there are forms of commands: a handful
def _statement(ids: int, changes: int, legs: int) -> Prepared:
    """Each part is run only if the one before it found its row: all of it is written, or nothing.

    The parts after the first always do: accounts are never removed, and a guarded one has had a balance from the start.
    """
    wanted: list[BindParameter[str]] = [bindparam(f"account_{number}") for number in range(ids)]
    there: ScalarSelect[int] = (
        select(func.count()).select_from(accounts).where(accounts.c.account_id.in_(wanted)).scalar_subquery()
    )
    goes_on = there == ids
    parts: list[CTE] = []
    for number in range(changes):
        part = (
            update(balances)
            .where(balances.c.account_id == bindparam(f"of_account_{number}"))
            .where(AVAILABLE + bindparam(f"available_{number}") >= 0, goes_on)
            .values(
                credits_posted_minor=balances.c.credits_posted_minor + bindparam(f"credits_{number}"),
                debits_posted_minor=balances.c.debits_posted_minor + bindparam(f"debits_{number}"),
                debits_pending_minor=balances.c.debits_pending_minor + bindparam(f"pending_{number}"),
            )
            .returning(literal(1).label("done"))
            .cte(f"change_{number}")
        )
        parts.append(part)
        goes_on = exists().select_from(part)
    rows = [
        select(*(bindparam(f"{column.name}_{number}", type_=column.type) for column in COLUMNS)).where(goes_on)
        for number in range(legs)
    ]
    insert = transfers.insert().from_select([column.name for column in COLUMNS], union_all(*rows))
    return Prepared(insert.add_cte(*parts))
