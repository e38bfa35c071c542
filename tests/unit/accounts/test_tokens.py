"""Tokens: each proves one thing, for a while, and none can stand in for another."""

import stat
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from curtaincall.accounts.errors import JoinTokenUsed, NotAuthenticated, TokenExpired
from curtaincall.accounts.model import JoinClaim, Role, ServicePrincipal
from curtaincall.accounts.tokens import ACCESS, KEY_FILE, Tokens, signing_key
from support.virtual_clock import VirtualClock

CLAIM = JoinClaim("ann", "room", "participant")
KEY = Ed25519PrivateKey.generate()


class Ids:
    """Counts up."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> str:
        self.last += 1
        return f"id-{self.last}"


def tokens(clock: VirtualClock | None = None, key: Ed25519PrivateKey = KEY, ids: Ids | None = None) -> Tokens:
    return Tokens(key, clock or VirtualClock(), ids or Ids())


def test_a_service_token_names_the_service() -> None:
    made = tokens()
    assert made.principal(made.service("shop", 60)) == ServicePrincipal("shop")


def test_a_join_token_is_spent_by_its_first_use() -> None:
    made = tokens()
    token = made.join(CLAIM, 60)
    assert made.spend_join(token) == CLAIM
    with pytest.raises(JoinTokenUsed):
        made.spend_join(token)


def test_a_join_token_lives_as_long_as_it_says() -> None:
    clock = VirtualClock()
    made = tokens(clock)
    token = made.join(CLAIM, 60)
    clock.advance_us(60_000_000)
    with pytest.raises(TokenExpired):
        made.spend_join(token)


def test_a_join_token_does_not_outlive_the_boot_that_knows_whether_it_was_used() -> None:
    ids = Ids()
    token = tokens(ids=ids).join(CLAIM, 60)
    with pytest.raises(TokenExpired):
        tokens(ids=ids).spend_join(token)


def test_used_join_tokens_are_forgotten_once_they_have_expired() -> None:
    clock = VirtualClock()
    made = tokens(clock)
    for _ in range(100):
        made.spend_join(made.join(CLAIM, 1))
    clock.advance_us(2_000_000)
    made.spend_join(made.join(CLAIM, 1))
    assert len(made._used) == 1


def test_no_kind_of_token_stands_in_for_another() -> None:
    made = tokens()
    access, service, join = made.access("ann", Role.FAN, "s", 60), made.service("shop", 60), made.join(CLAIM, 60)
    for wrong in (access, service):
        with pytest.raises(NotAuthenticated):
            made.spend_join(wrong)
    with pytest.raises(NotAuthenticated):
        made.principal(join)


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(NotAuthenticated):
        tokens().principal(tokens(key=Ed25519PrivateKey.generate()).service("shop", 60))


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_no_other_algorithm_is_accepted(algorithm: str) -> None:
    secret = None if algorithm == "none" else "x" * 32
    claims = {"aud": ACCESS, "sub": "ann", "role": "fan", "sid": "s", "iat": 0, "exp": 1 << 40}
    with pytest.raises(NotAuthenticated):
        tokens().principal(jwt.encode(claims, secret, algorithm))


@pytest.mark.parametrize("nonsense", ["", "x", "a.b.c", "\x00", "é" * 10, "x" * 100_000])
def test_nonsense_is_no_token(nonsense: str) -> None:
    with pytest.raises(NotAuthenticated):
        tokens().principal(nonsense)


def test_the_key_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    first, second = signing_key(tmp_path), signing_key(tmp_path)
    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
