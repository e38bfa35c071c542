"""Settings: every source, its rank, and nothing that is not known."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from curtaincall.settings import IceServer, RoomsSettings, Settings, UnknownSetting, load


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("CURTAINCALL_"):
            monkeypatch.delenv(name)


def test_the_defaults_are_those_of_the_protocol_page() -> None:
    settings = load()
    assert (settings.server.host, settings.server.port, settings.media.port) == ("127.0.0.1", 8080, 10_000)
    assert (settings.grpc.port, settings.packager.port) == (50_054, 8081)
    assert (settings.rooms.max_participants, settings.currency) == (20, "EUR")
    assert (settings.limits.join_per_user, settings.limits.join_per_address) == ("10/minute", "60/minute")
    assert settings.payments.gateway == "none"


def test_names_of_the_environment_are_nested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURTAINCALL_ROOMS__MAX_PARTICIPANTS", "500")
    monkeypatch.setenv("CURTAINCALL_MEDIA__PUBLIC_IP", "203.0.113.10")
    monkeypatch.setenv("CURTAINCALL_CURRENCY", "USD")
    settings = load()
    assert (settings.rooms.max_participants, settings.media.public_ip, settings.currency) == (
        500,
        "203.0.113.10",
        "USD",
    )


def test_the_command_line_outranks_the_environment_and_that_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('currency = "CHF"\n[server]\nhost = "192.0.2.1"\nport = 1\n[media]\nport = 2\n')
    monkeypatch.setenv("CURTAINCALL_CONFIG", str(file))
    monkeypatch.setenv("CURTAINCALL_SERVER__PORT", "3")
    settings = load(server={"host": "192.0.2.9"})
    assert (settings.currency, settings.server.host, settings.server.port, settings.media.port) == (
        "CHF",
        "192.0.2.9",
        3,
        2,
    )


@pytest.mark.parametrize("name", ["CURTAINCALL_MAX_PARTICIPANTS", "CURTAINCALL_ROOMS__SIZE", "CURTAINCALL_MEDIA_PORT"])
def test_an_unknown_name_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(UnknownSetting, match=name):
        load()


def test_the_token_that_tools_send_us_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURTAINCALL_SERVICE_TOKEN", "x")
    load()


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[rooms]\nmax_partisipants = 3\n")
    with pytest.raises(ValidationError):
        load(file)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    "overrides",
    [
        {"limits": {"join_per_user": "often"}},
        {"rooms": {"max_participants": 1}},
        {"accounts": {"minimum_age_years": 16}},
        {"accounts": {"join_token_ttl_s": 61}},
        {"charging": {"lease_ms": 5_001}},
        {"currency": "euro"},
    ],
)
def test_figures_out_of_bounds_are_refused(overrides: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        load(**overrides)


def test_the_sandbox_is_switched_on_by_the_demo_or_by_name_only() -> None:
    assert load(demo=True).payments.gateway == "sandbox"
    assert load(payments={"gateway": "sandbox"}).payments.gateway == "sandbox"
    assert load(demo=True, payments={"gateway": "none"}).payments.gateway == "none"


def test_stripe_is_not_switched_on_without_all_that_it_needs() -> None:
    whole = {"secret_key": "sk", "publishable_key": "pk", "webhook_secret": "wh", "return_url": "https://x.example"}
    assert load(payments={"gateway": "stripe", "stripe": whole}).payments.gateways == ("stripe",)
    for name in whole:
        lacking = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(ValidationError):
            load(payments={"gateway": "stripe", "stripe": lacking})


def test_secrets_do_not_show_in_the_dump() -> None:
    server = IceServer(urls=("turn:turn.example",), username="u", credential="very secret")  # type: ignore[arg-type]
    dumped = str(Settings(rooms=RoomsSettings(ice_servers=(server,))).redacted())
    assert "turn:turn.example" in dumped
    assert "very secret" not in dumped


def test_the_tree_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load().rooms.max_participants = 5  # type: ignore[misc]


def test_a_database_url_is_one_of_postgresql_and_its_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().database.url.get_secret_value() == ""
    url = "postgresql://curtaincall:hush@db.example.org/curtaincall"
    monkeypatch.setenv("CURTAINCALL_DATABASE__URL", url)
    settings = load()
    assert settings.database.url.get_secret_value() == url
    assert "hush" not in str(settings.redacted())
    assert "hush" not in repr(settings)
    monkeypatch.setenv("CURTAINCALL_DATABASE__URL", "mysql://curtaincall:hush@db.example.org/curtaincall")
    with pytest.raises(ValidationError, match="begins with postgresql"):
        load()
