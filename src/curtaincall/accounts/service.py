"""Use cases of accounts: register, sign in, refresh, sign out, and who a token belongs to."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Connection

from curtaincall.accounts import standing, store
from curtaincall.accounts.errors import (
    AccountFrozen,
    InvalidCredentials,
    NotAuthenticated,
    RefreshReused,
    UnderAge,
    UserUnknown,
)
from curtaincall.accounts.model import (
    Principal,
    Role,
    SignedIn,
    User,
    UserPrincipal,
    age_years,
    normalise_email,
)
from curtaincall.accounts.passwords import Passwords
from curtaincall.accounts.tokens import Tokens
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.ids import IdFactory
from curtaincall.storage.executor import WriteExecutor

REFRESH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Registration:
    email: str
    password: str
    display_name: str
    role: Role
    birth_date: date


@dataclass(frozen=True, slots=True)
class AccountRules:
    """Figures of this domain, from the settings."""

    access_ttl_s: int
    refresh_ttl_s: int
    minimum_age_years: int


class AccountsService:
    """Users and their sessions.

    Access tokens are checked without the database; sessions that ended while their access tokens were still young
    are remembered in memory for as long as such a token may live, and frozen accounts for as long as they are.
    """

    def __init__(
        self,
        executor: WriteExecutor,
        passwords: Passwords,
        tokens: Tokens,
        clock: Clock,
        ids: IdFactory,
        rules: AccountRules,
    ) -> None:
        self._executor = executor
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._ids = ids
        self._rules = rules
        self._ended: dict[str, int] = {}
        self._frozen: set[str] = set()

    async def start(self) -> None:
        """Recall the sessions that ended lately, and who is frozen."""
        since_ms = self._clock.now_ms() - self._rules.access_ttl_s * 1000
        self._ended = dict(await self._executor.read(lambda tx: store.ended_since(tx, since_ms)))
        self._frozen = set(await self._executor.read(standing.all_frozen))

    async def register(self, registration: Registration) -> User:
        """Raises UnderAge, EmailTaken, AccountsOverloaded."""
        now_ms = self._clock.now_ms()
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        if age_years(registration.birth_date, today) < self._rules.minimum_age_years:
            raise UnderAge(f"You must be at least {self._rules.minimum_age_years} years old.")
        user = User(
            user_id=self._ids(),
            email=normalise_email(registration.email),
            display_name=registration.display_name,
            role=registration.role,
            birth_date=registration.birth_date,
            created_at_ms=now_ms,
        )
        password_hash = await self._passwords.hash(registration.password)
        await self._executor.submit(store.add_user, store.NewUser(user, password_hash))
        return user

    async def sign_in(self, email: str, password: str) -> SignedIn:
        """Raises InvalidCredentials, AccountFrozen, AccountsOverloaded."""
        normal = normalise_email(email)
        found = await self._executor.read(lambda tx: store.credentials(tx, normal))
        if not await self._passwords.matches(found[1] if found else None, password) or found is None:
            raise InvalidCredentials("Email or password is wrong.")
        return await self.begin_session(found[0])

    async def begin_session(self, user: User) -> SignedIn:
        """Sign a user in who has proved to be who they are. Raises AccountFrozen."""
        session_id = self._ids()
        secret = secrets.token_urlsafe(REFRESH_BYTES)
        expires_at_ms = self._clock.now_ms() + self._rules.refresh_ttl_s * 1000
        self.refuse_frozen(user.user_id)
        await self._executor.submit(
            _begin_session, store.NewSignIn(session_id, user.user_id, _hash(secret), expires_at_ms)
        )
        return await self._signed_in(user, session_id, secret)

    async def refresh(self, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for new tokens; it works once.

        Raises RefreshReused (and the session ends) for one that was used before, NotAuthenticated for one that is over.
        """
        session_id, _, secret = refresh_token.partition(".")
        fresh = secrets.token_urlsafe(REFRESH_BYTES)
        now_ms = self._clock.now_ms()
        rotation = store.Rotation(
            session_id=session_id,
            old_hash=_hash(secret),
            new_hash=_hash(fresh),
            now_ms=now_ms,
            expires_at_ms=now_ms + self._rules.refresh_ttl_s * 1000,
        )
        rotated = await self._executor.submit(store.rotate, rotation)
        if rotated.ended_now:
            self._remember_ended(session_id)
            raise RefreshReused("The refresh token was used before: the session has been ended. Sign in again.")
        if rotated.user_id is None:
            raise NotAuthenticated("The session is over. Sign in again.")
        self.refuse_frozen(rotated.user_id)
        return await self._signed_in(await self.user(rotated.user_id), session_id, fresh)

    async def sign_out(self, session_id: str) -> None:
        """End a session: its tokens stop working at once. Idempotent."""
        self._remember_ended(session_id)
        await self._executor.submit(store.end_sign_in, (session_id, self._clock.now_ms()))

    def authenticate(self, token: str) -> Principal:
        """Who a Bearer token or session cookie belongs to. No I/O.

        Raises NotAuthenticated, TokenExpired, AccountFrozen.
        """
        principal = self._tokens.principal(token)
        if isinstance(principal, UserPrincipal):
            self.refuse_frozen(principal.user_id)
            if principal.session_id in self._ended:
                raise NotAuthenticated("The session is over. Sign in again.")
        return principal

    # ---- standing ---------------------------------------------------------------------------------------------------

    def refuse_frozen(self, *user_ids: str) -> None:
        """Raise AccountFrozen if any of these accounts is frozen. No I/O: `standing` asks the database."""
        if not self._frozen.isdisjoint(user_ids):
            raise AccountFrozen("This account is frozen.")

    def suspend(self, user_id: str) -> None:
        """Refuse an account from this moment on; `freeze` makes it last. No I/O."""
        self._frozen.add(user_id)

    async def freeze(self, user_id: str, reason: str) -> None:
        """Refuse an account until `unfreeze`, and end its sessions. Idempotent: the first reason stays.

        If it cannot be recorded the account stays refused for as long as this process lives.
        """
        self.suspend(user_id)
        command = standing.Freeze(user_id, reason, self._clock.now_ms())
        for session_id in await self._executor.submit(standing.freeze, command):
            self._remember_ended(session_id)

    async def unfreeze(self, user_id: str) -> bool:
        """Let an account go on: they sign in again. Returns False if it was not frozen."""
        was_frozen = await self._executor.submit(standing.unfreeze, user_id)
        self._frozen.discard(user_id)
        return was_frozen

    async def frozen(self, user_id: str) -> standing.Frozen | None:
        return await self._executor.read(lambda tx: standing.frozen(tx, user_id))

    async def set_admin(self, user_id: str, granted: bool) -> None:
        """Give or take the right to `/api/admin`; a change ends the user's sessions. Raises UserUnknown."""
        await self.user(user_id)
        command = standing.AdminRight(user_id, granted, self._clock.now_ms())
        for session_id in await self._executor.submit(standing.set_admin, command):
            self._remember_ended(session_id)

    # ---- ending sessions, finding people ----------------------------------------------------------------------------

    async def sign_out_with(self, refresh_token: str) -> None:
        """End the session of a refresh token; an access token of it that somebody still has stops working too."""
        session_id, _, secret = refresh_token.partition(".")
        if await self._executor.submit(store.end_sign_in_with, (session_id, _hash(secret), self._clock.now_ms())):
            self._remember_ended(session_id)

    async def user(self, user_id: str) -> User:
        """Raises UserUnknown."""
        user = await self.find(user_id)
        if user is None:
            raise UserUnknown("There is no such user.")
        return user

    async def find(self, user_id: str) -> User | None:
        return await self._executor.read(lambda tx: store.user_by_id(tx, user_id))

    async def find_active(self, user_id: str) -> User | None:
        """The user, unless they are frozen: to others, a frozen account is not there."""
        return None if user_id in self._frozen else await self.find(user_id)

    async def names(self, user_ids: Collection[str]) -> dict[str, str]:
        """The names to show of those users that we know."""
        return await self._executor.read(lambda tx: store.names(tx, user_ids))

    async def find_by_email(self, email: str) -> User | None:
        found = await self._executor.read(lambda tx: store.credentials(tx, normalise_email(email)))
        return found[0] if found else None

    async def creators(self, after: str, limit: int) -> list[User]:
        return await self._executor.read(lambda tx: store.creators(tx, after, limit))

    def close(self) -> None:
        """Stop the threads that hash passwords."""
        self._passwords.close()

    async def _signed_in(self, user: User, session_id: str, secret: str) -> SignedIn:
        admin = await self._executor.read(lambda tx: standing.is_admin(tx, user.user_id))
        return SignedIn(
            user=user,
            access_token=self._tokens.access(
                user.user_id, user.role, session_id, self._rules.access_ttl_s, admin=admin
            ),
            access_expires_in_s=self._rules.access_ttl_s,
            refresh_token=f"{session_id}.{secret}",
            refresh_expires_in_s=self._rules.refresh_ttl_s,
        )

    def _remember_ended(self, session_id: str) -> None:
        now_ms = self._clock.now_ms()
        self._ended[session_id] = now_ms
        # Older ones have no access token left that could still be valid.
        while self._ended:
            oldest = next(iter(self._ended))
            if self._ended[oldest] >= now_ms - self._rules.access_ttl_s * 1000:
                return
            del self._ended[oldest]


def _begin_session(tx: Connection, command: store.NewSignIn) -> None:
    standing.refuse_frozen(tx, command.user_id)
    store.add_sign_in(tx, command)


def _hash(secret: str) -> str:
    # The secret is random, so a fast hash is enough; the label keeps it from being any other hash of the same bytes.
    return hmac.new(b"curtaincall refresh token", secret.encode(), hashlib.sha256).hexdigest()
