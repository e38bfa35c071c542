"""An operator at work: over REST as an admin, by commands beside a running server and without one; and all others."""

import csv
import io
import json
import uuid
from pathlib import Path

import pytest

from support.people import Json, People, Person
from support.problems import code
from support.server import Server
from support.signaling import Signaling

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADMIN_PATHS = [
    ("GET", "/api/admin/users/{user}/money"),
    ("POST", "/api/admin/adjustments"),
    ("POST", "/api/admin/refunds"),
    ("GET", "/api/admin/disputes"),
    ("POST", "/api/admin/disputes/any/resolve"),
    ("POST", "/api/admin/users/{user}/freeze"),
    ("POST", "/api/admin/users/{user}/unfreeze"),
    ("POST", "/api/admin/users/{user}/admin"),
    ("GET", "/api/admin/audit"),
]


@pytest.fixture
def people(server: Server) -> People:
    return server.people


async def admin_of(server: Server) -> dict[str, str]:
    code, printed = await server.command("token", "--service", "office", "--admin")
    assert code == 0
    return {"Authorization": f"Bearer {printed.strip()}", "Idempotency-Key": uuid.uuid4().hex}


def adjustment(user: Person, amount_minor: int = 250) -> Json:
    return {"userId": user.user_id, "amountMinor": amount_minor, "currency": "EUR", "reason": "a gift"}


@pytest.mark.parametrize(("method", "path"), ADMIN_PATHS)
async def test_for_anybody_else_there_is_nothing_here(people: People, method: str, path: str) -> None:
    fan, creator = await people.fan(), await people.creator()
    body = {**adjustment(fan), "admin": True}
    for who in ({}, fan.bearer, creator.bearer, people.service):
        headers = {**who, "Idempotency-Key": uuid.uuid4().hex}
        answer = await people.http.request(method, path.format(user=fan.user_id), json=body, headers=headers)
        assert code(answer) == (404, "not_found")
    assert "/api/admin" not in (await people.http.get("/api/openapi.json")).text


async def test_an_admin_adjusts_once_for_one_key(server: Server, people: People) -> None:
    fan, headers = await people.fan(), await admin_of(server)
    answers = [
        await people.http.post("/api/admin/adjustments", json=adjustment(fan), headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (await people.wallet(fan))["balanceMinor"] == 250
    other = await people.http.post("/api/admin/adjustments", json=adjustment(fan, 251), headers=headers)
    assert code(other) == (409, "idempotency_conflict")
    (line,) = (await people.get("/api/wallet/transactions", fan))["items"]
    assert (line["kind"], line["label"], line["amountMinor"]) == ("adjustment", "Adjustment by the house", 250)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amountMinor": -251}, (402, "insufficient_funds")),
        ({"amountMinor": 0}, (422, "adjustment_invalid")),
        ({"amountMinor": 2.5}, (422, "invalid_request")),
        ({"amountMinor": 10**15}, (422, "invalid_request")),
        ({"currency": "USD"}, (422, "adjustment_invalid")),
        ({"reason": ""}, (422, "invalid_request")),
        ({"reason": " "}, (422, "reason_missing")),
        ({"userId": "nobody"}, (404, "user_not_found")),
    ],
)
async def test_adjustments_that_cannot_be(
    server: Server, people: People, changes: Json, expected: tuple[int, str]
) -> None:
    body = {**adjustment(await people.fan()), **changes}
    answer = await people.http.post("/api/admin/adjustments", json=body, headers=await admin_of(server))
    assert code(answer) == expected


async def test_a_top_up_is_given_back_to_its_card(server: Server, people: People) -> None:
    fan = await people.fan(balance_minor=700)
    (line,) = (await people.get("/api/wallet/transactions", fan))["items"]
    result, printed = await server.command("admin", "refund", line["id"], "--reason", "did not want it")
    assert (result, "7.00 EUR" in printed) == (0, True), printed
    result, printed = await server.command("admin", "refund", line["id"], "--reason", "once more")
    assert (result, "already_refunded" in printed) == (1, True), printed
    result, printed = await server.command("admin", "refund", "nothing", "--reason", "a typo")
    assert (result, "payment_unknown" in printed) == (1, True), printed


async def test_a_user_becomes_an_admin_by_command_only(server: Server, people: People) -> None:
    ann, fan = await people.register("fan"), await people.fan()
    result, printed = await server.command("admin", "grant", ann.email, "--reason", "joins the team")
    assert (result, "an admin" in printed) == (0, True), printed
    assert code(await people.http.get("/api/me", headers=ann.bearer)) == (401, "not_authenticated")
    answer = await people.http.post(
        "/api/auth/login", json={"email": ann.email, "password": "correct horse battery staple"}
    )
    bearer = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
    shown = await people.http.get(f"/api/admin/users/{fan.email}/money", headers=bearer)
    assert (shown.status_code, shown.json()["userId"]) == (200, fan.user_id)
    log = (await people.http.get(f"/api/admin/audit?subject={fan.user_id}", headers=bearer)).json()["items"]
    assert [(entry["act"], entry["actor"]) for entry in log] == [("look_up", f"user:{ann.user_id}")]


async def test_a_frozen_user_is_refused_everywhere_and_cut_off(server: Server, people: People) -> None:
    fan, creator = await people.fan(balance_minor=1_000), await people.creator()
    call = await people.request_call(fan, creator)
    await people.accept_call(creator, call["callId"])
    async with Signaling(server.url, headers=fan.bearer) as socket:
        await socket.join(call["roomId"], fan.user_id)
        await socket.wait_for("JOINED")
        result, printed = await server.command("admin", "freeze", fan.user_id, "--reason", "stolen cards")
        assert (result, printed.strip().endswith("frozen")) == (0, True), printed
        assert (await socket.wait_for("TERMINATE_CALL"))["reason"] == "ADMIN_TERMINATED"
    for method, path in (
        ("GET", "/api/me"),
        ("GET", "/api/wallet"),
        ("POST", "/api/calls"),
        ("POST", "/api/wallet/top-ups"),
    ):
        answer = await people.http.request(
            method, path, json={"modelId": creator.user_id}, headers={**fan.bearer, "Idempotency-Key": "k"}
        )
        assert code(answer) == (403, "account_frozen")
    login = {"email": fan.email, "password": "correct horse battery staple"}
    assert code(await people.http.post("/api/auth/login", json=login)) == (403, "account_frozen")
    token = await people.http.post("/api/rooms/any/join-token", json={"userId": fan.user_id}, headers=people.service)
    assert code(token) == (403, "account_frozen")
    assert (await people.call(creator, call["callId"]))["state"] == "CANCELLED"


async def test_others_do_not_see_a_frozen_creator(server: Server, people: People) -> None:
    fan, creator = await people.fan(balance_minor=1_000), await people.creator()
    await server.command("admin", "freeze", creator.user_id, "--reason", "a complaint")
    answer = await people.http.post("/api/calls", json={"modelId": creator.user_id}, headers=fan.bearer)
    assert code(answer) == (404, "call_not_found")


async def test_statements_are_ones_own(people: People) -> None:
    fan, creator, stranger = await people.fan(balance_minor=500), await people.creator(), await people.fan()
    mine = await people.http.get("/api/wallet/transactions.csv", headers=fan.bearer)
    assert mine.headers["content-type"].startswith("text/csv")
    assert "attachment" in mine.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(mine.text, newline=""))
    assert (row["label"], row["amount_minor"]) == ("Top-up", "500")
    theirs = await people.http.get(f"/api/wallet/transactions.csv?userId={fan.user_id}", headers=stranger.bearer)
    assert len(theirs.text.splitlines()) == 1
    daily = await people.get("/api/creator/earnings/daily?days=7", creator)
    assert daily == {"currency": "EUR", "items": []}
    for path in ("/api/creator/earnings/daily", "/api/creator/earnings.csv"):
        assert code(await people.http.get(path, headers=fan.bearer)) == (403, "role_forbidden")
    for path in ("/api/wallet/transactions.csv", "/api/creator/earnings/daily", "/api/creator/earnings.csv"):
        assert code(await people.http.get(path)) == (401, "not_authenticated")
    for query in ("from=2026-02-01&to=2026-01-01", "from=0001-01-01&to=9999-12-31", "from=soon"):
        answer = await people.http.get(f"/api/wallet/transactions.csv?{query}", headers=fan.bearer)
        assert code(answer) == (422, "invalid_request")


async def test_commands_work_without_a_server_as_they_do_beside_one(tmp_path: Path) -> None:
    server = Server(tmp_path)
    async with server:
        fan = await server.people.fan(balance_minor=500)
    for arguments, expected in (
        (("adjust", fan.email, "-200", "--reason", "a mistake of ours"), 0),
        (("adjust", fan.email, "-301", "--reason", "more than there is"), 1),
        (("freeze", fan.user_id, "--reason", "asked to"), 0),
        (("freeze", "nobody@example.org", "--reason", "asked to"), 1),
    ):
        result, printed = await server.command("admin", *arguments)
        assert result == expected, printed
    result, printed = await server.command("admin", "user", fan.user_id)
    assert result == 0
    assert "3.00 EUR" in printed
    assert "FROZEN" in printed
    result, printed = await server.command("admin", "user", fan.user_id, "--json")
    assert json.loads(printed)["wallet"]["balanceMinor"] == 300
    async with server:
        result, printed = await server.command("admin", "audit", "--subject", fan.user_id)
        assert printed.count("refused") == 1
        assert "code=insufficient_funds" in printed
        assert code(await server.people.http.get("/api/me", headers=fan.bearer)) == (403, "account_frozen")
    result, printed = await server.command("ledger", "verify")
    assert result == 0, printed
