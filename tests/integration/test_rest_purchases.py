"""What is bought in rooms, over REST: what cannot be, and what a repeat does. The money's way is in revenue_models."""

import uuid

import httpx
import pytest

from support.people import Json, People, Person
from support.problems import code
from support.server import Server
from support.signaling import Signaling

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def people(server: Server) -> People:
    return server.people


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


async def post(people: People, path: str, body: Json, person: Person) -> httpx.Response:
    return await people.http.post(path, json=body, headers={**person.bearer, **key()})


async def room_of(people: People, star: Person, kind: str) -> str:
    answer = await post(people, "/api/rooms", {"kind": kind}, star)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["roomId"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amountMinor": 0}, (422, "amount_invalid")),
        ({"amountMinor": -600}, (422, "amount_invalid")),
        ({"amountMinor": 10**15}, (422, "amount_invalid")),
        ({"amountMinor": 2**63}, (422, "amount_invalid")),
        ({"amountMinor": 1.5}, (422, "invalid_request")),
        ({"amountMinor": "600"}, (422, "invalid_request")),
        ({"amountMinor": 5_000}, (402, "insufficient_funds")),
        ({"currency": "USD"}, (422, "currency_mismatch")),
        ({"to": "nobody"}, (422, "tip_recipient_invalid")),
        ({"to": "myself"}, (422, "tip_to_oneself")),
        ({"message": "x" * 201}, (422, "invalid_request")),
    ],
)
async def test_tips_that_cannot_be(people: People, changes: Json, expected: tuple[int, str]) -> None:
    star, fan = await people.creator(), await people.fan(balance_minor=1_000)
    room_id = await room_of(people, star, "broadcast")
    body = {"to": star.user_id, "amountMinor": 600, "currency": "EUR", **changes}
    if body["to"] == "myself":
        body["to"] = fan.user_id
    assert code(await post(people, f"/api/rooms/{room_id}/tips", body, fan)) == expected
    assert (await people.wallet(fan))["balanceMinor"] == 1_000


async def test_the_same_key_tips_once_and_another_body_is_refused(people: People) -> None:
    star, fan = await people.creator(), await people.fan(balance_minor=1_000)
    room_id = await room_of(people, star, "conference")
    path, headers = f"/api/rooms/{room_id}/tips", {**fan.bearer, **key()}
    body = {"to": star.user_id, "amountMinor": 300, "currency": "EUR"}
    answers = [await people.http.post(path, json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    other = await people.http.post(path, json={**body, "amountMinor": 301}, headers=headers)
    assert code(other) == (409, "idempotency_conflict")
    assert (await people.wallet(fan))["balanceMinor"] == 700


async def test_a_broadcast_is_the_hosts(people: People) -> None:
    star, fan = await people.creator(), await people.fan()
    room_id = await room_of(people, star, "broadcast")
    async with Signaling(people.url, headers=fan.bearer) as seat:
        await seat.join(room_id, fan.user_id)
        assert (await seat.wait_for("JOINED"))["role"] == "participant"
    answer = await people.http.post(f"/api/rooms/{room_id}/join-token", json={"isSpectator": True}, headers=fan.bearer)
    assert code(answer) == (403, "spectators_unavailable")
