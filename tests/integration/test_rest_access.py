"""REST: what is asked for wrongly, or by the wrong person."""

import uuid
from pathlib import Path

import httpx
import pytest

from curtaincall.accounts.tokens import Tokens, signing_key
from curtaincall.kernel.clock import SystemClock
from support.people import Json, People
from support.problems import code
from support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


@pytest.fixture
def people(server: Server) -> People:
    return server.people


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


CLOSED = [
    ("GET", "/api/me"),
    ("GET", "/api/models"),
    ("GET", "/api/models/x"),
    ("POST", "/api/rooms"),
    ("GET", "/api/rooms"),
    ("GET", "/api/rooms/x"),
    ("POST", "/api/rooms/x/entry"),
    ("POST", "/api/rooms/x/hd-pass"),
    ("POST", "/api/rooms/x/tips"),
    ("POST", "/api/unlocks"),
    ("GET", "/api/entitlements"),
    ("GET", "/api/subscriptions"),
    ("POST", "/api/subscriptions"),
    ("DELETE", "/api/subscriptions/x"),
    ("POST", "/api/rooms/x/join-token"),
    ("POST", "/api/rooms/x/end"),
    ("POST", "/api/calls"),
    ("GET", "/api/calls"),
    ("GET", "/api/calls/x"),
    ("POST", "/api/calls/x/accept"),
    ("POST", "/api/calls/x/decline"),
    ("POST", "/api/calls/x/unlock"),
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
    ("GET", "/api/wallet/transactions.csv"),
    ("POST", "/api/wallet/payment-methods/setup"),
    ("DELETE", "/api/wallet/payment-methods/x"),
    ("GET", "/api/wallet/top-ups/x"),
    ("GET", "/api/wallet/gateways"),
    ("GET", "/api/wallet/auto-recharge"),
    ("PUT", "/api/wallet/auto-recharge"),
    ("GET", "/api/creator/earnings/daily"),
    ("GET", "/api/creator/earnings.csv"),
    ("GET", "/api/creator/payouts"),
    ("POST", "/api/creator/payouts"),
    ("POST", "/api/creator/payouts/onboarding"),
    ("GET", "/api/blocks"),
    ("POST", "/api/blocks"),
    ("DELETE", "/api/blocks/x"),
    ("POST", "/api/reports"),
]

OPEN = {("POST", "/api/webhooks/{}"), ("GET", "/api/sandbox/confirm/{}"), ("POST", "/api/sandbox/confirm/{}")}
"""What is known by a signature, or by an address that nobody can guess."""

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
    shapes = {
        (method.upper(), "/".join("{}" if part.startswith("{") else part for part in path.split("/")))
        for path, operations in described.items()
        for method in operations
        if path.startswith("/api/") and not path.startswith("/api/auth/")
    }
    assert shapes - closed - OPEN == set(), "these have no authorisation test"


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


async def test_rooms_are_made_by_creators_and_services(people: People) -> None:
    star, fan = await people.creator(), await people.fan()
    battle = {"kind": "battle", "entryFeeMinor": 500}

    async def make(headers: dict[str, str], **further: object) -> httpx.Response:
        return await people.http.post("/api/rooms", json={**battle, **further}, headers=headers)

    assert code(await make(fan.bearer)) == (403, "role_forbidden")
    assert code(await make(people.service)) == (422, "host_required")
    made = await make(people.service, hostId=star.user_id)
    assert (made.status_code, made.json()["hostId"]) == (201, star.user_id)
    assert code(await make(people.service, hostId=fan.user_id)) == (404, "user_not_found")
    assert code(await make(star.bearer, hostId=fan.user_id)) == (403, "user_mismatch")
    assert code(await make(star.bearer, kind="conference")) == (422, "kind_unavailable")
    for amounts in ({"entryFeeMinor": -1}, {"hdPassMinor": 0}, {"entryFeeMinor": 10**12}, {"players": ["x y"]}):
        assert code(await make(star.bearer, **amounts)) == (422, "invalid_request")
