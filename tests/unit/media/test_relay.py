"""URLs and credentials of the relay; that the real one takes them is tests/integration/test_relay.py's to show."""

import pytest

from curtaincall.media.relay import Carrier, RelayUrl, credentials, parse_url

NOW_S = 1_800_000_000


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("turn:turn.example.org", RelayUrl("turn.example.org", 3478, Carrier.UDP)),
        ("turn:turn.example.org:80?transport=tcp", RelayUrl("turn.example.org", 80, Carrier.TCP)),
        ("turns:turn.example.org?transport=tcp", RelayUrl("turn.example.org", 5349, Carrier.TLS)),
        ("turns:[2001:db8::7]:443", RelayUrl("2001:db8::7", 443, Carrier.TLS)),
    ],
)
def test_urls_are_taken_apart(url: str, parsed: RelayUrl) -> None:
    assert parse_url(url) == parsed


def test_credentials_name_their_end_and_their_user() -> None:
    mine = credentials("secret", "ann", NOW_S, 600)
    assert mine.username == f"{NOW_S + 600}:ann"


def test_each_secret_user_and_time_has_its_own_password() -> None:
    passwords = {
        credentials(secret, user, NOW_S, ttl_s).password
        for secret in ("one", "other")
        for user in ("ann", "bob")
        for ttl_s in (60, 61)
    }
    assert len(passwords) == 8
