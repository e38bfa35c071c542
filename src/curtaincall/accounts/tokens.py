"""Signed tokens (JWT, EdDSA): access tokens of users, tokens of services, join tokens of rooms.

The audience keeps the three apart, so that one can never stand in for another. Expiry is checked against our own
clock. A join token is bound to this boot of the server, because the list of used ones lives in memory.
"""

import os
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from curtaincall.accounts.errors import JoinTokenUsed, NotAuthenticated, TokenExpired
from curtaincall.accounts.model import JoinClaim, Principal, Role, ServicePrincipal, UserPrincipal
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.ids import IdFactory

ALGORITHM: Final = "EdDSA"
ACCESS: Final = "curtaincall:access"
SERVICE: Final = "curtaincall:service"
JOIN: Final = "curtaincall:join"

ADMIN_SCOPE: Final = "admin"
"""In the `scope` claim of whoever may use `/api/admin`; a token without it has no scope claim."""

KEY_FILE: Final = "signing.key"
MAX_TOKEN_CHARS: Final = 2048
"""Longer strings are refused before any cryptography."""

MAX_USED_JOIN_TOKENS: Final = 200_000
"""Bound on remembered join tokens; each is forgotten when it expires, at most 60 s after it was made."""

MAX_VERIFIED: Final = 4_096
"""Tokens whose signature need not be checked again; the oldest are forgotten first."""


def signing_key(data_dir: Path) -> Ed25519PrivateKey:
    """Load the server's key from the data folder; the first caller makes it, readable by its owner only."""
    path = data_dir / KEY_FILE
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # Written whole beside its place and linked there: of two processes that start at once, one wins, and neither
        # ever reads half a key.
        unfinished = path.with_name(f"{KEY_FILE}.{os.getpid()}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, path)
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds no Ed25519 key.")
    return key


class Tokens:
    """Makes and reads tokens. Synchronous and in memory: cheap enough to stand before the cut of a stream."""

    def __init__(self, key: Ed25519PrivateKey, clock: Clock, ids: IdFactory) -> None:
        self._key = key
        self._public = key.public_key()
        self._clock = clock
        self._ids = ids
        self._boot = ids()
        self._used: dict[str, int] = {}
        self._verified: dict[str, dict[str, Any]] = {}

    def access(self, user_id: str, role: Role, session_id: str, ttl_s: int, *, admin: bool = False) -> str:
        return self._sign(ACCESS, ttl_s, sub=user_id, role=role.value, sid=session_id, **_scope(admin))

    def service(self, name: str, ttl_s: int, *, admin: bool = False) -> str:
        return self._sign(SERVICE, ttl_s, sub=name, **_scope(admin))

    def join(self, claim: JoinClaim, ttl_s: int) -> str:
        """A token for one entry; spent by `spend_join`."""
        return self._sign(
            JOIN, ttl_s, sub=claim.user_id, room=claim.room_id, role=claim.role, boot=self._boot, jti=self._ids()
        )

    def principal(self, token: str) -> Principal:
        """Read a Bearer token of a user or a service. Raises NotAuthenticated, TokenExpired."""
        claims = self._verified.get(token) or self._verify(token, [ACCESS, SERVICE])
        self._check_expiry(claims)
        self._verified[token] = claims
        if len(self._verified) > MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]
        admin = claims.get("scope") == ADMIN_SCOPE
        if claims["aud"] == SERVICE:
            return ServicePrincipal(name=str(claims["sub"]), admin=admin)
        return UserPrincipal(
            user_id=str(claims["sub"]), role=Role(claims["role"]), session_id=str(claims["sid"]), admin=admin
        )

    def spend_join(self, token: str) -> JoinClaim:
        """Use up a join token. Raises NotAuthenticated, TokenExpired, JoinTokenUsed."""
        claims = self._verify(token, [JOIN])
        self._check_expiry(claims)
        if claims["boot"] != self._boot:
            raise TokenExpired("The join token was made before the server started again.")
        token_id = str(claims["jti"])
        self._forget_expired()
        if token_id in self._used:
            raise JoinTokenUsed("The join token has been used.")
        self._used[token_id] = int(claims["exp"])
        return JoinClaim(user_id=str(claims["sub"]), room_id=str(claims["room"]), role=str(claims["role"]))

    def _sign(self, audience: str, ttl_s: int, **claims: Any) -> str:
        now_s = self._clock.now_ms() // 1000
        return jwt.encode({"aud": audience, "iat": now_s, "exp": now_s + ttl_s, **claims}, self._key, ALGORITHM)

    def _verify(self, token: str, audiences: list[str]) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARS:
            raise NotAuthenticated("The token is not valid.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=audiences,
                options={"require": ["exp", "iat", "sub", "aud"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            raise NotAuthenticated("The token is not valid.") from None
        return claims

    def _check_expiry(self, claims: dict[str, Any]) -> None:
        if self._clock.now_ms() >= int(claims["exp"]) * 1000:
            raise TokenExpired("The token has expired.")

    def _forget_expired(self) -> None:
        """Forget used tokens that could not be used again anyway. Insertion order is roughly expiry order."""
        now_s = self._clock.now_ms() // 1000
        while self._used:
            oldest = next(iter(self._used))
            if self._used[oldest] > now_s and len(self._used) < MAX_USED_JOIN_TOKENS:
                return
            if self._used[oldest] > now_s:
                raise NotAuthenticated("Too many joins at once.")
            del self._used[oldest]


def _scope(admin: bool) -> dict[str, str]:
    return {"scope": ADMIN_SCOPE} if admin else {}
