"""Accounts over REST: registering, signing in and out, and cookies that only our own pages may use."""

import uuid

import httpx
import pytest

from support.people import PASSWORD, Json, People
from support.problems import code
from support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def people(server: Server) -> People:
    return server.people


def registration(**changes: object) -> Json:
    email = f"{uuid.uuid4().hex}@example.org"
    return {
        "email": email,
        "password": PASSWORD,
        "displayName": "Ann",
        "role": "fan",
        "birthDate": "1990-01-31",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"birthDate": "2015-01-01"}, (403, "under_age")),
        ({"birthDate": "yesterday"}, (422, "invalid_request")),
        ({"email": "nobody"}, (422, "invalid_request")),
        ({"password": "short"}, (422, "invalid_request")),
        ({"role": "admin"}, (422, "invalid_request")),
        ({"displayName": "  "}, (422, "invalid_request")),
        ({"displayName": "\u202e\u0000"}, (422, "invalid_request")),
        ({"displayName": None}, (422, "invalid_request")),
    ],
)
async def test_registrations_that_are_refused(people: People, changes: Json, expected: tuple[int, str]) -> None:
    answer = await people.http.post("/api/auth/register", json=registration(**changes))
    assert code(answer) == expected
    assert PASSWORD not in answer.text


async def test_an_address_is_registered_once(people: People) -> None:
    body = registration()
    assert (await people.http.post("/api/auth/register", json=body)).status_code == 201
    people.http.cookies.clear()
    assert code(await people.http.post("/api/auth/register", json=body)) == (409, "email_taken")


async def test_a_session_lives_in_cookies_that_scripts_cannot_read(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as browser:
        body = registration()
        answer = await browser.post("/api/auth/register", json=body)
        assert {"userId", "accessToken", "expiresIn"} == answer.json().keys()
        cookies = answer.headers.get_list("set-cookie")
        assert len(cookies) == 2
        assert all("HttpOnly" in cookie and "SameSite=strict" in cookie for cookie in cookies)
        me = (await browser.get("/api/me")).json()
        assert (me["email"], me["role"]) == (body["email"], "fan")
        assert (await browser.post("/api/auth/logout")).status_code == 204
        assert code(await browser.get("/api/me")) == (401, "not_authenticated")
        signed_in = await browser.post("/api/auth/login", json={"email": body["email"], "password": PASSWORD})
        assert signed_in.status_code == 200
        assert (await browser.get("/api/me")).status_code == 200


async def test_a_refresh_cookie_works_once_and_a_stolen_one_ends_the_session(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as browser, httpx.AsyncClient(base_url=server.url) as thief:
        await browser.post("/api/auth/register", json=registration())
        stolen = browser.cookies.get("curtaincall_refresh", path="/api/auth")
        assert stolen is not None
        first = await browser.post("/api/auth/refresh")
        assert first.status_code == 200
        cookie = {"Cookie": f"curtaincall_refresh={stolen}"}
        assert code(await thief.post("/api/auth/refresh", headers=cookie)) == (401, "refresh_reused")
        assert code(await browser.post("/api/auth/refresh")) == (401, "not_authenticated")
        assert code(await browser.get("/api/me")) == (401, "not_authenticated")


async def test_a_page_of_another_site_cannot_act_with_the_cookies(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url) as browser:
        await browser.post("/api/auth/register", json=registration())
        evil = {"Origin": "https://evil.example"}
        for path in ("/api/calls", "/api/wallet/top-ups", "/api/auth/refresh", "/api/auth/logout"):
            assert code(await browser.post(path, json={}, headers=evil)) == (403, "origin_forbidden")
        own = {"Origin": server.url}
        assert (await browser.post("/api/auth/refresh", headers=own)).status_code == 200


async def test_too_many_sign_ins_for_one_account(strict_server: Server) -> None:
    http = strict_server.people.http
    body = {"email": "nobody@example.org", "password": "guess"}
    for _ in range(10):
        assert code(await http.post("/api/auth/login", json=body)) == (401, "invalid_credentials")
    answer = await http.post("/api/auth/login", json=body)
    assert code(answer) == (429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
