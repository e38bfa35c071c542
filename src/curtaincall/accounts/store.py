"""Tables and SQL of accounts. Functions take the open transaction; refusals are results of the guarded statement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    String,
    Table,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Row

from curtaincall.accounts.errors import EmailTaken
from curtaincall.accounts.model import Role, User
from curtaincall.storage.schema import metadata

users = Table(
    "users",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("display_name", String(80), nullable=False),
    Column("role", String(16), nullable=False),
    Column("birth_date", String(10), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    CheckConstraint("role IN ('fan', 'creator')", name="role_known"),
    Index("ix_users_role", "role", "user_id"),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("session_id", String(36), primary_key=True),
    Column("user_id", String(64), ForeignKey("users.user_id"), nullable=False, index=True),
    Column("refresh_hash", String(64), nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger, nullable=True, index=True),
)
"""A signed-in device. It knows the hash of its newest refresh token only: any other is an old one, presented again."""

frozen_accounts = Table(
    "frozen_accounts",
    metadata,
    Column("user_id", String(64), ForeignKey("users.user_id"), primary_key=True),
    Column("reason", String(500), nullable=False),
    Column("since_ms", BigInteger, nullable=False),
)

admins = Table(
    "admins",
    metadata,
    Column("user_id", String(64), ForeignKey("users.user_id"), primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
)
"""Who may do nothing, and who may do more than others: rows of their own, so that no registration can set them."""


@dataclass(frozen=True, slots=True)
class NewUser:
    user: User
    password_hash: str


@dataclass(frozen=True, slots=True)
class NewSignIn:
    session_id: str
    user_id: str
    refresh_hash: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Rotation:
    session_id: str
    old_hash: str
    new_hash: str
    now_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """Whose session it is, None if it is over; and whether this very attempt ended it."""

    user_id: str | None
    ended_now: bool


def add_user(tx: Connection, command: NewUser) -> None:
    """Raises EmailTaken."""
    user = command.user
    taken = tx.execute(select(users.c.user_id).where(users.c.email == user.email)).first()
    if taken is not None:
        raise EmailTaken("There is an account with this email address.")
    # A twin that commits in between is a unique violation: the executor runs this again, and it is seen above.
    tx.execute(
        insert(users).values(
            user_id=user.user_id,
            email=user.email,
            display_name=user.display_name,
            role=user.role.value,
            birth_date=user.birth_date.isoformat(),
            password_hash=command.password_hash,
            created_at_ms=user.created_at_ms,
        )
    )


def credentials(tx: Connection, email: str) -> tuple[User, str] | None:
    row = tx.execute(select(users).where(users.c.email == email)).first()
    return None if row is None else (_user(row), row.password_hash)


def user_by_id(tx: Connection, user_id: str) -> User | None:
    row = tx.execute(select(users).where(users.c.user_id == user_id)).first()
    return None if row is None else _user(row)


def names(tx: Connection, user_ids: Collection[str]) -> dict[str, str]:
    query = select(users.c.user_id, users.c.display_name).where(users.c.user_id.in_(user_ids))
    return {row.user_id: row.display_name for row in tx.execute(query)}


def creators(tx: Connection, after: str, limit: int) -> list[User]:
    """Creators in the order of their ids, from the one after `after`, without those who are frozen."""
    frozen = exists().where(frozen_accounts.c.user_id == users.c.user_id)
    query = select(users).where(users.c.role == Role.CREATOR.value, users.c.user_id > after, ~frozen)
    return [_user(row) for row in tx.execute(query.order_by(users.c.user_id).limit(limit))]


def add_sign_in(tx: Connection, command: NewSignIn) -> None:
    tx.execute(
        insert(sign_ins).values(
            session_id=command.session_id,
            user_id=command.user_id,
            refresh_hash=command.refresh_hash,
            expires_at_ms=command.expires_at_ms,
        )
    )


def rotate(tx: Connection, command: Rotation) -> Rotated:
    """Replace the refresh token; one that is not the newest ends the session.

    It has been used before then: whoever holds the other copy must not stay signed in either.
    """
    row = tx.execute(select(sign_ins).where(sign_ins.c.session_id == command.session_id)).first()
    if row is None or row.ended_at_ms is not None or row.expires_at_ms <= command.now_ms:
        return Rotated(user_id=None, ended_now=False)
    if row.refresh_hash != command.old_hash:
        end_sign_in(tx, (command.session_id, command.now_ms))
        return Rotated(user_id=None, ended_now=True)
    tx.execute(
        update(sign_ins)
        .where(sign_ins.c.session_id == command.session_id)
        .values(refresh_hash=command.new_hash, expires_at_ms=command.expires_at_ms)
    )
    return Rotated(user_id=row.user_id, ended_now=False)


def end_sign_in(tx: Connection, command: tuple[str, int]) -> None:
    session_id, now_ms = command
    tx.execute(
        update(sign_ins)
        .where(sign_ins.c.session_id == session_id, sign_ins.c.ended_at_ms.is_(None))
        .values(ended_at_ms=now_ms)
    )


def end_sign_in_with(tx: Connection, command: tuple[str, str, int]) -> bool:
    """End a session for whoever holds its newest refresh token; False for anybody else."""
    session_id, refresh_hash, now_ms = command
    query = select(sign_ins.c.session_id).where(
        sign_ins.c.session_id == session_id, sign_ins.c.refresh_hash == refresh_hash
    )
    if tx.execute(query).first() is None:
        return False
    end_sign_in(tx, (session_id, now_ms))
    return True


def end_sign_ins_of(tx: Connection, user_id: str, now_ms: int) -> list[str]:
    """End every session of a user; returns the ids of those that were open."""
    still_open = sign_ins.c.ended_at_ms.is_(None)
    query = select(sign_ins.c.session_id).where(sign_ins.c.user_id == user_id, still_open)
    session_ids = list(tx.execute(query).scalars())
    tx.execute(update(sign_ins).where(sign_ins.c.user_id == user_id, still_open).values(ended_at_ms=now_ms))
    return session_ids


def ended_since(tx: Connection, since_ms: int) -> list[tuple[str, int]]:
    """Sessions that ended at or after `since_ms`: their access tokens may not have expired yet."""
    query = select(sign_ins.c.session_id, sign_ins.c.ended_at_ms).where(sign_ins.c.ended_at_ms >= since_ms)
    return [(row.session_id, row.ended_at_ms) for row in tx.execute(query)]


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(
        user_id=row.user_id,
        email=row.email,
        display_name=row.display_name,
        role=Role(row.role),
        birth_date=date.fromisoformat(row.birth_date),
        created_at_ms=row.created_at_ms,
    )
