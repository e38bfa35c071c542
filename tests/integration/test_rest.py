"""REST: what is asked for wrongly, by the wrong person, or twice."""

import uuid
from pathlib import Path

import httpx
import pytest

from curtaincall.accounts.tokens import Tokens, signing_key
from curtaincall.kernel.clock import SystemClock
from support.people import PASSWORD, Json, People, Person
from support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def people(server: Server) -> People:
    return server.people


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem document, whose shape is checked on the way."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:curtaincall:problem:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    return answer.status_code, problem["code"]


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


# ---- signing in -----------------------------------------------------------------------------------------------------


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


# ---- malformed ------------------------------------------------------------------------------------------------------


async def test_a_body_that_is_not_json(people: People) -> None:
    fan = await people.fan()
    answer = await people.http.post(
        "/api/calls", content=b"{", headers={**fan.bearer, "Content-Type": "application/json"}
    )
    assert code(answer) == (400, "malformed_json")


async def test_a_body_that_is_too_large_declared_or_not(people: People) -> None:
    fan = await people.fan()
    large = b" " * (64 * 1024 + 1)

    async def undeclared() -> object:
        yield large

    for content in (large, undeclared()):
        answer = await people.http.post(
            "/api/calls", content=content, headers={**fan.bearer, "Content-Type": "application/json"}
        )
        assert code(answer) == (413, "body_too_large")


async def test_nothing_is_where_nothing_is(people: People) -> None:
    assert code(await people.http.get("/api/nowhere")) == (404, "not_found")
    assert code(await people.http.delete("/api/calls")) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "banquet"},
        {"kind": "conference", "roomId": "a b"},
        {"kind": "conference", "roomId": "x" * 65},
        {"kind": "conference", "maxParticipants": 0},
        {"kind": "conference", "maxParticipants": "many"},
    ],
)
async def test_rooms_that_cannot_be(people: People, body: Json) -> None:
    assert code(await people.http.post("/api/rooms", json=body, headers=people.service)) == (422, "invalid_request")


# ---- who may --------------------------------------------------------------------------------------------------------

CLOSED = [
    ("GET", "/api/me"),
    ("GET", "/api/models"),
    ("GET", "/api/models/x"),
    ("POST", "/api/rooms"),
    ("GET", "/api/rooms/x"),
    ("POST", "/api/rooms/x/join-token"),
    ("POST", "/api/rooms/x/end"),
    ("POST", "/api/calls"),
    ("GET", "/api/calls"),
    ("GET", "/api/calls/x"),
    ("POST", "/api/calls/x/accept"),
    ("POST", "/api/calls/x/decline"),
    ("POST", "/api/calls/x/end"),
    ("GET", "/api/calls/x/receipt"),
    ("GET", "/api/wallet"),
    ("GET", "/api/wallet/transactions"),
    ("GET", "/api/wallet/payment-methods"),
    ("POST", "/api/wallet/payment-methods"),
    ("POST", "/api/wallet/top-ups"),
    ("GET", "/api/creator/rates"),
    ("PUT", "/api/creator/rates"),
    ("GET", "/api/creator/earnings"),
    ("POST", "/api/rtc/terminate-stream"),
]

BODY: Json = {
    "kind": "conference",
    "modelId": "x",
    "roomId": "x",
    "userId": "x",
    "reason": "PAYMENT_FAILED",
    "gateway": "sandbox",
    "token": "pm_card_visa",
    "amountMinor": 100,
    "pricePerMinuteMinor": 100,
    "currency": "EUR",
    "paymentMethodId": "x",
}


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_every_endpoint_asks_who_it_is(people: People, method: str, path: str) -> None:
    body = BODY if method != "GET" else None
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
        answer = await people.http.request(method, path, json=body, headers={**headers, **key()})
        assert code(answer) == (401, "not_authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_list_of_closed_endpoints_is_complete(people: People) -> None:
    described = (await people.http.get("/api/openapi.json")).json()["paths"]
    closed = {(method, path.replace("x", "{}")) for method, path in CLOSED}
    for path, operations in described.items():
        for method in operations:
            if not path.startswith("/api/auth/") and path.startswith("/api/"):
                shape = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
                assert (method.upper(), shape) in closed, f"{method} {path} has no authorisation test"


async def test_somebody_elses_call_does_not_exist(people: People) -> None:
    creator, fan, stranger = await people.creator(), await people.fan(balance_minor=1_000), await people.creator()
    call = await people.request_call(fan, creator)
    path = f"/api/calls/{call['callId']}"
    for method, action in (
        ("GET", ""),
        ("GET", "/receipt"),
        ("POST", "/accept"),
        ("POST", "/decline"),
        ("POST", "/end"),
    ):
        answer = await people.http.request(method, path + action, headers=stranger.bearer)
        assert code(answer) == (404, "call_not_found")
    room = f"/api/rooms/{call['roomId']}"
    for method, action in (("GET", ""), ("POST", "/join-token"), ("POST", "/end")):
        answer = await people.http.request(
            method, room + action, headers=stranger.bearer, json={} if method == "POST" else None
        )
        assert code(answer) == (404, "room_not_found")
    assert (await people.get("/api/calls", stranger))["items"] == []
    assert (await people.get("/api/calls?state=REQUESTED", creator))["items"][0]["callId"] == call["callId"]
    assert (await people.get("/api/calls?state=SETTLED", creator))["items"] == []


async def test_only_its_host_or_a_service_ends_a_room(people: People) -> None:
    host, guest = await people.creator(), await people.fan()
    room = (await people.http.post("/api/rooms", json={"kind": "conference"}, headers=host.bearer)).json()
    path = f"/api/rooms/{room['roomId']}/end"
    assert code(await people.http.post(path, headers=guest.bearer)) == (404, "room_not_found")
    for _ in range(2):
        answer = await people.http.post(path, headers=host.bearer)
        assert (answer.status_code, answer.json()["endedReason"]) == (200, "HOST_ENDED")


async def test_fans_make_no_rooms_and_set_no_rates(people: People) -> None:
    fan = await people.fan()
    for method, path in (("POST", "/api/rooms"), ("PUT", "/api/creator/rates"), ("GET", "/api/creator/earnings")):
        answer = await people.http.request(method, path, json=BODY if method != "GET" else None, headers=fan.bearer)
        assert code(answer) == (403, "role_forbidden")


async def test_services_have_no_wallet(people: People) -> None:
    for path in ("/api/me", "/api/wallet", "/api/calls"):
        assert code(await people.http.get(path, headers=people.service)) == (403, "role_forbidden")


async def test_only_services_ask_for_the_tokens_of_others(people: People) -> None:
    room_id = f"room-{uuid.uuid4().hex[:12]}"
    await people.conference(room_id)
    fan, path = await people.fan(), f"/api/rooms/{room_id}/join-token"
    own = await people.http.post(path, json={"isSpectator": False}, headers=fan.bearer)
    assert own.status_code == 200
    assert own.json()["expiresAt"].endswith("Z")
    assert code(await people.http.post(path, json={"userId": "ann"}, headers=fan.bearer)) == (403, "user_mismatch")
    assert code(await people.http.post(path, json={}, headers=people.service)) == (422, "invalid_request")
    spectator = await people.http.post(path, json={"isSpectator": True}, headers=fan.bearer)
    assert code(spectator) == (403, "spectators_unavailable")


async def test_a_service_token_works_until_it_expires_and_on_its_own_server_only(
    server: Server, tmp_path: Path
) -> None:
    code_of_exit, printed = await server.command("token", "--service", "shop", "--ttl", "3600")
    assert code_of_exit == 0
    clock = SystemClock()
    own = Tokens(signing_key(server.data_dir), clock, lambda: "id")
    foreign = Tokens(signing_key(tmp_path), clock, lambda: "id")

    async def make_room(token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await server.people.http.post("/api/rooms", json={"kind": "conference"}, headers=headers)

    assert (await make_room(printed.strip())).status_code == 201
    assert code(await make_room(own.service("shop", ttl_s=-1))) == (401, "token_expired")
    assert code(await make_room(foreign.service("shop", ttl_s=60))) == (401, "not_authenticated")


async def test_who_may_terminate_whom(people: People) -> None:
    room_id = f"room-{uuid.uuid4().hex[:12]}"
    await people.conference(room_id)
    fan = await people.fan()

    async def terminate(user_id: str, reason: str, headers: dict[str, str], room: str = room_id) -> httpx.Response:
        body = {"roomId": room, "userId": user_id, "reason": reason}
        return await people.http.post("/api/rtc/terminate-stream", json=body, headers=headers)

    assert code(await terminate("ann", "PAYMENT_FAILED", fan.bearer)) == (404, "seat_not_found")
    assert code(await terminate(fan.user_id, "PAYMENT_FAILED", fan.bearer)) == (404, "seat_not_found")
    assert code(await terminate(fan.user_id, "ADMIN_TERMINATED", fan.bearer)) == (403, "role_forbidden")
    assert code(await terminate("ann", "PAYMENT_FAILED", people.service)) == (404, "seat_not_found")
    assert code(await terminate("ann", "PAYMENT_FAILED", people.service, "nowhere")) == (404, "room_not_found")
    assert code(await terminate("ann", "BOREDOM", people.service)) == (422, "invalid_request")


# ---- money ----------------------------------------------------------------------------------------------------------


async def card(people: People, fan: Person, token: str = "pm_card_visa") -> str:
    answer = await people.http.post(
        "/api/wallet/payment-methods", json={"gateway": "sandbox", "token": token}, headers=fan.bearer
    )
    assert answer.status_code == 201
    return str(answer.json()["paymentMethodId"])


async def test_one_key_one_body_one_movement_one_answer(people: People) -> None:
    fan = await people.fan()
    body = {"amountMinor": 500, "currency": "EUR", "paymentMethodId": await card(people, fan)}
    headers = {**fan.bearer, **key()}
    first = await people.http.post("/api/wallet/top-ups", json=body, headers=headers)
    again = await people.http.post("/api/wallet/top-ups", json=dict(reversed(body.items())), headers=headers)
    assert (first.status_code, first.json()["status"]) == (201, "succeeded")
    assert (again.status_code, again.json()) == (201, first.json())
    other = await people.http.post("/api/wallet/top-ups", json={**body, "amountMinor": 501}, headers=headers)
    assert code(other) == (409, "idempotency_conflict")
    assert await people.wallet(fan) == {"currency": "EUR", "balanceMinor": 500, "heldMinor": 0, "availableMinor": 500}
    history = await people.get("/api/wallet/transactions", fan)
    assert [(item["kind"], item["amountMinor"]) for item in history["items"]] == [("top_up", 500)]


async def test_the_same_key_of_another_user_is_another_key(people: People) -> None:
    headers = key()
    for _ in range(2):
        fan = await people.fan()
        body = {"amountMinor": 500, "currency": "EUR", "paymentMethodId": await card(people, fan)}
        answer = await people.http.post("/api/wallet/top-ups", json=body, headers={**fan.bearer, **headers})
        assert answer.json()["status"] == "succeeded"
        assert (await people.wallet(fan))["balanceMinor"] == 500


async def test_money_moves_only_with_a_key(people: People) -> None:
    fan = await people.fan()
    body = {"amountMinor": 500, "currency": "EUR", "paymentMethodId": await card(people, fan)}
    for headers in ({}, {"Idempotency-Key": ""}, {"Idempotency-Key": "x" * 256}):
        answer = await people.http.post("/api/wallet/top-ups", json=body, headers={**fan.bearer, **headers})
        assert code(answer) == (400, "idempotency_key_missing")


async def test_a_declined_card_is_an_answer(people: People) -> None:
    fan = await people.fan()
    method = await card(people, fan, "pm_card_chargeDeclinedInsufficientFunds")
    body = {"amountMinor": 500, "currency": "EUR", "paymentMethodId": method}
    answer = await people.http.post("/api/wallet/top-ups", json=body, headers={**fan.bearer, **key()})
    assert answer.status_code == 201
    assert (answer.json()["status"], bool(answer.json()["declineCode"])) == ("declined", True)
    assert (await people.wallet(fan))["balanceMinor"] == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"currency": "USD"}, (422, "currency_mismatch")),
        ({"amountMinor": 0}, (422, "amount_invalid")),
        ({"amountMinor": -5}, (422, "invalid_request")),
        ({"amountMinor": 5.5}, (422, "invalid_request")),
        ({"amountMinor": "5"}, (422, "invalid_request")),
        ({"amountMinor": 10**15}, (422, "invalid_request")),
    ],
)
async def test_amounts_that_cannot_be(people: People, changes: Json, expected: tuple[int, str]) -> None:
    fan = await people.fan()
    body = {"amountMinor": 500, "currency": "EUR", "paymentMethodId": await card(people, fan), **changes}
    answer = await people.http.post("/api/wallet/top-ups", json=body, headers={**fan.bearer, **key()})
    assert code(answer) == expected


async def test_somebody_elses_card_does_not_exist(people: People) -> None:
    owner, thief = await people.fan(), await people.fan()
    body = {"amountMinor": 500, "currency": "EUR", "paymentMethodId": await card(people, owner)}
    answer = await people.http.post("/api/wallet/top-ups", json=body, headers={**thief.bearer, **key()})
    assert code(answer) == (404, "payment_method_unknown")
    assert (await people.get("/api/wallet/payment-methods", thief))["items"] == []


async def test_rates_are_in_the_currency_of_the_house(people: People) -> None:
    creator = await people.creator(minimumMs=10_000)
    assert (await people.get("/api/creator/rates", creator))["minimumMs"] == 10_000
    answer = await people.http.put(
        "/api/creator/rates", json={"pricePerMinuteMinor": 100, "currency": "USD"}, headers=creator.bearer
    )
    assert code(answer) == (422, "rates_invalid")


async def test_a_call_needs_rates_and_money(people: People) -> None:
    priceless = await people.register("creator")
    creator, poor, rich = await people.creator(), await people.fan(), await people.fan(balance_minor=1_000)

    async def ring(fan: Person, model_id: str) -> httpx.Response:
        return await people.http.post("/api/calls", json={"modelId": model_id}, headers=fan.bearer)

    assert code(await ring(rich, priceless.user_id)) == (409, "rates_missing")
    assert code(await ring(poor, creator.user_id)) == (402, "payment_required")
    assert code(await ring(rich, poor.user_id)) == (404, "call_not_found")
    assert (await ring(rich, creator.user_id)).status_code == 201


async def test_money_that_went_elsewhere_meanwhile_rejects_the_call_at_the_door(people: People) -> None:
    creator, fan = await people.creator(), await people.fan(balance_minor=300)
    first, second = await people.request_call(fan, creator), await people.request_call(fan, creator)
    await people.accept_call(creator, first["callId"])
    answer = await people.http.post(f"/api/calls/{second['callId']}/accept", headers=creator.bearer)
    assert code(answer) == (402, "payment_required")
    assert (await people.call(fan, second["callId"]))["state"] == "REJECTED"
    not_yet = await people.http.get(f"/api/calls/{first['callId']}/receipt", headers=fan.bearer)
    assert code(not_yet) == (409, "not_settled")


async def test_the_sandbox_is_refused_unless_asked_for(strict_server: Server) -> None:
    people = strict_server.people
    fan = await people.register("fan")
    answer = await people.http.post(
        "/api/wallet/payment-methods", json={"gateway": "sandbox", "token": "pm_card_visa"}, headers=fan.bearer
    )
    assert code(answer) == (422, "gateway_unknown")


# ---- the rest -------------------------------------------------------------------------------------------------------


async def test_models_show_rates_and_presence(people: People) -> None:
    creator, fan = await people.creator(price_per_minute_minor=450), await people.fan()
    shown = await people.get(f"/api/models/{creator.user_id}", fan)
    assert (shown["online"], shown["rates"]["pricePerMinuteMinor"]) == (False, 450)
    listed: list[str] = []
    cursor = ""
    while True:
        page = await people.get(f"/api/models?limit=2&cursor={cursor}", fan)
        listed += [item["modelId"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert creator.user_id in listed
    assert fan.user_id not in listed
    assert code(await people.http.get(f"/api/models/{fan.user_id}", headers=fan.bearer)) == (404, "user_not_found")


async def test_browsers_are_told_to_be_careful(people: People) -> None:
    for path in ("/", "/healthz", "/api/openapi.json", "/api/me"):
        headers = (await people.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["permissions-policy"].startswith("camera=(self), microphone=(self)")
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert f"ws://{people.http.base_url.netloc.decode()}" in policy


async def test_the_operators_endpoints(people: People) -> None:
    assert (await people.http.get("/healthz")).json() == {"status": "ok"}
    assert (await people.http.get("/readyz")).json() == {"status": "ok"}
    metrics = (await people.http.get("/metrics")).text
    assert "curtaincall_http_requests_total" in metrics
    assert "curtaincall_lease_renewal_seconds_count" in metrics
