"""Settings of the Monetization Service, served and consumed: what cannot work is refused at the start."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from curtaincall.settings import GrpcSettings, MonetizationSettings


def test_the_defaults_serve_locally_and_ask_nobody() -> None:
    assert (GrpcSettings().host, GrpcSettings().port) == ("127.0.0.1", 50_054)
    assert MonetizationSettings().address == ""
    assert MonetizationSettings().poll_every_s <= 30


@pytest.mark.parametrize(
    "given",
    [
        {"tls_cert": Path("server.crt")},
        {"tls_key": Path("server.key")},
        {"client_ca": Path("ca.crt")},
        {"validity_s": 1},
        {"port": 70_000},
    ],
)
def test_what_cannot_be_served_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GrpcSettings.model_validate(given)


@pytest.mark.parametrize("address", ["billing.example.org:50054", "127.0.0.1:1", "[2001:db8::1]:50054", ""])
def test_addresses_of_others(address: str) -> None:
    assert MonetizationSettings(address=address).address == address


@pytest.mark.parametrize(
    "given",
    [
        {"address": "billing.example.org"},
        {"address": "http://billing.example.org:50054"},
        {"address": "billing.example.org:port"},
        {"poll_every_s": 31},
        {"poll_every_s": 20, "validity_s": 20},
        {"tls_ca": Path("ca.crt")},
        {"tls": True, "tls_cert": Path("our.crt")},
    ],
)
def test_what_cannot_be_asked_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MonetizationSettings.model_validate(given)


def test_the_token_is_not_in_the_log() -> None:
    dumped = MonetizationSettings(address="a:1", token="unmistakable").model_dump(mode="json")
    assert "unmistakable" not in str(dumped)
