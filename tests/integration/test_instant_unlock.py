"""`POST /api/calls/{id}/unlock`: paid, put through at once, and nobody else's to ask for."""

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


def studio(server: Server, creator: Person) -> Signaling:
    """The open events socket by which a creator is online."""
    return Signaling(server.url, "/api/events", headers=creator.bearer)


async def unlock(people: People, person: Person, call: Json, key: str = "") -> httpx.Response:
    headers = {**person.bearer, "Idempotency-Key": key or uuid.uuid4().hex}
    return await people.http.post(f"/api/calls/{call['callId']}/unlock", headers=headers)


async def test_a_fan_pays_not_to_wait(server: Server, people: People) -> None:
    creator = await people.creator(instantUnlockMinor=500)
    fan = await people.fan(balance_minor=1_000)
    async with studio(server, creator) as socket:
        await socket.wait_for("PRESENCE")
        call = await people.request_call(fan, creator)
        first = await unlock(people, fan, call, "once")
        assert (first.status_code, first.json()["state"]) == (200, "CONNECTING")
        assert (await unlock(people, fan, call, "once")).json() == first.json()
        assert (await unlock(people, fan, call, "twice")).status_code == 200
        told = await socket.wait_for("CALL_STATE")
        assert (told["callId"], told["state"]) == (call["callId"], "CONNECTING")
    wallet = await people.wallet(fan)
    assert (wallet["balanceMinor"], wallet["heldMinor"]) == (500, 300)
    legs = server.query(
        "SELECT key, amount_minor FROM ledger_transfers WHERE ref = ? AND purpose = 'instant_unlock' ORDER BY leg",
        call["callId"],
    )
    key = f"unlock:{fan.user_id}:{call['callId']}"
    assert legs == [(key, 400), (key, 100)]
    await people.end_call(fan, call["callId"])  # before any media: all of it comes back
    assert (await people.wallet(fan))["availableMinor"] == 1_000
    assert (await people.receipt(fan, call["callId"]))["unlockMinor"] == 0


async def test_what_an_unlock_needs(server: Server, people: People) -> None:
    creator, free = await people.creator(instantUnlockMinor=500), await people.creator()
    fan, stranger = await people.fan(balance_minor=799), await people.fan(balance_minor=1_000)
    call = await people.request_call(fan, creator)
    assert code(await unlock(people, fan, call)) == (409, "creator_offline")
    assert code(await unlock(people, stranger, call)) == (404, "call_not_found")
    assert (await unlock(people, creator, call)).status_code == 403
    keyless = await people.http.post(f"/api/calls/{call['callId']}/unlock", headers=fan.bearer)
    assert code(keyless) == (400, "idempotency_key_missing")
    async with studio(server, creator) as socket, studio(server, free) as other:
        await socket.wait_for("PRESENCE")
        await other.wait_for("PRESENCE")
        assert code(await unlock(people, fan, call)) == (402, "payment_required")
        assert (await people.call(fan, call["callId"]))["state"] == "REQUESTED"
        assert (await people.wallet(fan))["availableMinor"] == 799
        unsold = await people.request_call(stranger, free)
        assert code(await unlock(people, stranger, unsold)) == (409, "unlock_unavailable")
