"""A cookie proves somebody only to our own pages; a Bearer header proves them anywhere."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.requests import HTTPConnection

from curtaincall.accounts.model import Role, UserPrincipal
from curtaincall.accounts.service import AccountRules, AccountsService
from curtaincall.accounts.tokens import Tokens
from curtaincall.transports.authentication import SESSION_COOKIE, Authenticator
from curtaincall.transports.errors import TransportError
from support.virtual_clock import VirtualClock

TOKENS = Tokens(Ed25519PrivateKey.generate(), VirtualClock(), lambda: "id")
ANN = UserPrincipal("ann", Role.FAN, "s")
TOKEN = TOKENS.access("ann", Role.FAN, "s", 60)
OWN = "http://call.example:8080"


@pytest.fixture
def authenticator() -> Authenticator:
    # Tokens are all that is asked of accounts here: there is no database behind them.
    accounts = AccountsService(None, None, TOKENS, VirtualClock(), lambda: "id", AccountRules(60, 60, 18))  # type: ignore[arg-type]
    return Authenticator(accounts, ("https://cdn.example",))


def connection(kind: str, method: str = "POST", scheme: str | None = None, **headers: str) -> HTTPConnection:
    named = {"host": "call.example:8080", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return HTTPConnection(
        {
            "type": kind,
            "method": method,
            "scheme": scheme or ("http" if kind == "http" else "ws"),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
    )


COOKIE = f"{SESSION_COOKIE}={TOKEN}"


def test_a_bearer_header_needs_no_origin(authenticator: Authenticator) -> None:
    asked = connection("websocket", authorization=f"Bearer {TOKEN}", origin="http://elsewhere.example")
    assert authenticator.socket(asked) == ANN
    assert authenticator.request(connection("http", authorization=f"bearer {TOKEN}")) == ANN


@pytest.mark.parametrize("origin", [OWN, "https://cdn.example"])
def test_the_cookie_counts_from_our_own_pages(authenticator: Authenticator, origin: str) -> None:
    assert authenticator.socket(connection("websocket", cookie=COOKIE, origin=origin)) == ANN
    assert authenticator.request(connection("http", cookie=COOKIE, origin=origin)) == ANN


@pytest.mark.parametrize(
    "origin",
    [
        "http://elsewhere.example",
        "http://call.example",
        "https://call.example:8080",
        "http://call.example:8080.evil.example",
        "null",
        "",
    ],
)
def test_the_cookie_does_not_count_from_any_other_page(authenticator: Authenticator, origin: str) -> None:
    for ask in (
        lambda: authenticator.socket(connection("websocket", cookie=COOKIE, origin=origin)),
        lambda: authenticator.request(connection("http", cookie=COOKIE, origin=origin)),
    ):
        with pytest.raises(TransportError) as refusal:
            ask()
        assert refusal.value.refusal == "origin_forbidden"


def test_a_socket_by_cookie_must_name_its_origin(authenticator: Authenticator) -> None:
    with pytest.raises(TransportError):
        authenticator.socket(connection("websocket", cookie=COOKIE))


def test_programs_that_are_no_browsers_name_no_origin(authenticator: Authenticator) -> None:
    assert authenticator.request(connection("http", cookie=COOKIE)) == ANN
    with pytest.raises(TransportError):
        authenticator.request(connection("http", cookie=COOKIE, sec_fetch_site="cross-site"))


def test_reading_by_cookie_is_harmless(authenticator: Authenticator) -> None:
    assert authenticator.request(connection("http", "GET", cookie=COOKIE, origin="http://elsewhere.example")) == ANN


def test_a_secure_page_is_another_origin(authenticator: Authenticator) -> None:
    asked = connection("websocket", scheme="wss", cookie=COOKIE, origin="https://call.example:8080")
    assert authenticator.socket(asked) == ANN


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic x"}, {"authorization": "Bearer "}, {"cookie": "a=b"}])
def test_nobody_says_who_they_are(authenticator: Authenticator, headers: dict[str, str]) -> None:
    assert authenticator.socket(connection("websocket", **headers)) is None
    assert authenticator.request(connection("http", **headers)) is None
