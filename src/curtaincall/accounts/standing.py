"""Who may not do anything any more, and who may do more than others: frozen accounts and admins.

An account that is frozen is refused in one place, `refuse_frozen`: within the transaction of whatever would move its
money, and (by `AccountsService`, from memory) wherever it shows who it is. Both rights are rows of their own: there is
no column of `users` that a registration could set.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from curtaincall.accounts import store
from curtaincall.accounts.errors import AccountFrozen
from curtaincall.accounts.store import admins, frozen_accounts
from curtaincall.storage.upsert import insert


@dataclass(frozen=True, slots=True)
class Freeze:
    user_id: str
    reason: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Frozen:
    """Since when (epoch ms) and why an account is frozen."""

    since_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class AdminRight:
    user_id: str
    granted: bool
    now_ms: int


def refuse_frozen(tx: Connection, *user_ids: str) -> None:
    """Raise AccountFrozen if any of these accounts is frozen."""
    query = select(frozen_accounts.c.user_id).where(frozen_accounts.c.user_id.in_(user_ids)).limit(1)
    if tx.execute(query).first() is not None:
        raise AccountFrozen("This account is frozen.")


def frozen(tx: Connection, user_id: str) -> Frozen | None:
    row = tx.execute(select(frozen_accounts).where(frozen_accounts.c.user_id == user_id)).one_or_none()
    return None if row is None else Frozen(row.since_ms, row.reason)


def all_frozen(tx: Connection) -> frozenset[str]:
    """Everybody who is frozen."""
    return frozenset(tx.execute(select(frozen_accounts.c.user_id)).scalars())


def freeze(tx: Connection, command: Freeze) -> list[str]:
    """Freeze an account, for the first reason given, and end its sign-ins, whose ids are returned."""
    tx.execute(
        insert(frozen_accounts)
        .values(user_id=command.user_id, reason=command.reason, since_ms=command.now_ms)
        .on_conflict_do_nothing()
    )
    return store.end_sign_ins_of(tx, command.user_id, command.now_ms)


def unfreeze(tx: Connection, user_id: str) -> bool:
    """Returns False if it was not frozen."""
    return tx.execute(delete(frozen_accounts).where(frozen_accounts.c.user_id == user_id)).rowcount == 1


def set_admin(tx: Connection, command: AdminRight) -> list[str]:
    """Give or take the right of an admin; what was signed in under the old right ends, its ids are returned."""
    if is_admin(tx, command.user_id) == command.granted:
        return []
    if command.granted:
        tx.execute(insert(admins).values(user_id=command.user_id, since_ms=command.now_ms).on_conflict_do_nothing())
    else:
        tx.execute(delete(admins).where(admins.c.user_id == command.user_id))
    return store.end_sign_ins_of(tx, command.user_id, command.now_ms)


def is_admin(tx: Connection, user_id: str) -> bool:
    return tx.execute(select(admins.c.user_id).where(admins.c.user_id == user_id)).first() is not None
