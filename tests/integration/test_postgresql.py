"""A server whose state is in PostgreSQL: a paid call over the public API, a crash, and the books proved meanwhile."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from support.postgres import Cluster
from support.server import Server


@pytest.fixture
async def site(tmp_path: Path, postgres: Cluster) -> AsyncIterator[tuple[Server, str]]:
    url = postgres.fresh()
    async with Server(tmp_path, environment={"CURTAINCALL_DATABASE__URL": url}) as server:
        yield server, url
    postgres.give_back(url)


async def test_a_call_is_held_for_killed_and_settled_and_the_books_are_proved_while_it_runs(
    site: tuple[Server, str],
) -> None:
    server, _ = site
    creator = await server.people.creator(price_per_minute_minor=600)
    fan = await server.people.fan(balance_minor=5_000)
    call = await server.people.request_call(fan, creator)
    await server.people.accept_call(creator, call["callId"])
    assert (await server.people.wallet(fan))["heldMinor"] == 600
    code, printed = await server.command("ledger", "verify")
    assert code == 0, printed
    assert "the books balance" in printed
    await server.kill()
    await server.start()
    assert (await server.people.wallet(fan))["heldMinor"] == 0
    code, printed = await server.command("ledger", "verify")
    assert code == 0, printed


async def test_a_row_changed_by_hand_is_named_on_the_live_database(site: tuple[Server, str]) -> None:
    server, url = site
    fan = await server.people.fan(balance_minor=5_000)
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE ledger_balances SET credits_posted_minor = credits_posted_minor + 1 WHERE account_id = %s",
            (f"wallet:EUR:{fan.user_id}",),
        )
    code, printed = await server.command("ledger", "verify")
    assert code == 1
    assert f"balance differs from the sum of its transfers: wallet:EUR:{fan.user_id}" in printed


async def test_there_is_one_server_on_a_database_whatever_its_data_folder(
    site: tuple[Server, str], tmp_path: Path
) -> None:
    _, url = site
    second = Server(tmp_path / "elsewhere", environment={"CURTAINCALL_DATABASE__URL": url})
    with pytest.raises(RuntimeError, match="Another server works on the database"):
        await second.start()


async def test_text_that_postgresql_cannot_keep_is_refused_and_not_a_fault(site: tuple[Server, str]) -> None:
    server, _ = site
    body = {
        "email": "nul@example.org",
        "password": "correct horse battery staple",
        "displayName": "N\0l",
        "role": "fan",
        "birthDate": "1990-01-31",
    }
    answer = await server.people.http.post("/api/auth/register", json=body)
    assert answer.status_code == 422
    assert (await server.people.http.get("/healthz")).status_code == 200


async def test_the_log_does_not_show_the_password(tmp_path: Path, postgres: Cluster) -> None:
    url = postgres.fresh()
    secret = url.replace("postgres@", "postgres:hush-hush@")
    async with Server(tmp_path, environment={"CURTAINCALL_DATABASE__URL": secret}) as server:
        assert any('"event": "settings"' in line or "settings" in line for line in server.log)
        assert not any("hush-hush" in line for line in server.log)
    postgres.give_back(url)
