"""Proof of identity as it arrives: a Bearer header, or the session cookie together with our own Origin.

A cookie travels by itself, wherever a page elsewhere sends it. So a WebSocket that relies on it must come from exactly
our origin, and a request that changes something must not come from another one.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.requests import HTTPConnection

from curtaincall.accounts.model import Principal
from curtaincall.accounts.service import AccountsService
from curtaincall.transports.errors import TransportError

SESSION_COOKIE: Final = "curtaincall_session"
REFRESH_COOKIE: Final = "curtaincall_refresh"

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator:
    """Finds out who a connection belongs to, without any I/O."""

    def __init__(self, accounts: AccountsService, further_origins: tuple[str, ...]) -> None:
        self._accounts = accounts
        self._further_origins = frozenset(further_origins)

    def bearer(self, connection: HTTPConnection) -> Principal | None:
        """The principal of the Authorization header, None if there is none. Raises NotAuthenticated, TokenExpired."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        return self._accounts.authenticate(token.strip())

    def request(self, connection: HTTPConnection) -> Principal | None:
        """Who sent an HTTP request, None if nobody says. Raises NotAuthenticated, TokenExpired, `origin_forbidden`."""
        principal = self.bearer(connection)
        if principal is not None:
            return principal
        token = cookie(connection.headers, SESSION_COOKIE)
        if token is None:
            return None
        self.refuse_foreign_origin(connection)
        return self._accounts.authenticate(token)

    def socket(self, connection: HTTPConnection) -> Principal | None:
        """Who opened a WebSocket, None if nobody says. Raises NotAuthenticated, TokenExpired, `origin_forbidden`."""
        principal = self.bearer(connection)
        if principal is not None:
            return principal
        token = cookie(connection.headers, SESSION_COOKIE)
        if token is None:
            return None
        if connection.headers.get("origin") not in self._own_origins(connection):
            raise TransportError("origin_forbidden", "This page may not use your session.")
        return self._accounts.authenticate(token)

    def token(self, token: str) -> Principal:
        """Raises NotAuthenticated, TokenExpired."""
        return self._accounts.authenticate(token)

    def refuse_foreign_origin(self, connection: HTTPConnection) -> None:
        """Refuse what another site's page sends with the user's cookies.

        Browsers name the origin of every request that is not a plain read; programs that are no browsers name none,
        and carry nobody else's cookies. Raises TransportError `origin_forbidden`.
        """
        if connection.scope.get("method", "GET") in SAFE_METHODS:
            return
        origin = connection.headers.get("origin")
        site = connection.headers.get("sec-fetch-site", "same-origin")
        if (origin is None and site == "same-origin") or origin in self._own_origins(connection):
            return
        raise TransportError("origin_forbidden", "This page may not use your session.")

    def _own_origins(self, connection: HTTPConnection) -> frozenset[str]:
        secure = connection.scope["scheme"] in ("https", "wss")
        host = connection.headers.get("host", "")
        return self._further_origins | {f"{'https' if secure else 'http'}://{host}"}


def cookie(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a cookie, None if it is missing or the header cannot be read."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return morsel.value if morsel else None
