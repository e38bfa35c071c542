"""REST: blocks and reports, and that nobody sees anybody else's."""

import pytest

from support.people import People, Person
from support.problems import code
from support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def people(server: Server) -> People:
    return server.people


async def block(people: People, blocker: Person, blocked: Person) -> None:
    answer = await people.http.post("/api/blocks", json={"userId": blocked.user_id}, headers=blocker.bearer)
    assert answer.status_code == 201, answer.text


async def test_who_is_blocked_cannot_call(people: People) -> None:
    fan, creator = await people.fan(balance_minor=1_000), await people.creator()
    await block(people, creator, fan)
    answer = await people.http.post("/api/calls", json={"modelId": creator.user_id}, headers=fan.bearer)
    assert code(answer) == (403, "blocked")
    answer = await people.http.delete(f"/api/blocks/{fan.user_id}", headers=creator.bearer)
    assert answer.status_code == 204
    assert (await people.request_call(fan, creator))["state"] == "REQUESTED"


async def test_only_the_one_who_blocked_knows_and_can_take_it_back(people: People) -> None:
    fan, creator = await people.fan(), await people.creator()
    await block(people, creator, fan)
    assert (await people.get("/api/blocks", fan))["items"] == []
    assert [item["userId"] for item in (await people.get("/api/blocks", creator))["items"]] == [fan.user_id]
    await people.http.delete(f"/api/blocks/{creator.user_id}", headers=fan.bearer)
    assert len((await people.get("/api/blocks", creator))["items"]) == 1


async def test_a_report_is_filed_and_read_by_nobody_else(people: People) -> None:
    fan, creator = await people.fan(), await people.creator()
    body = {"userId": creator.user_id, "roomId": "room-1", "reason": "fraud", "details": "It was a recording."}
    answer = await people.http.post("/api/reports", json=body, headers=fan.bearer)
    assert answer.status_code == 201, answer.text
    assert answer.json()["reportId"]
    assert code(await people.http.get("/api/reports", headers=creator.bearer)) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [{"userId": "nobody", "reason": "fraud"}, {"userId": "a b", "reason": "fraud"}, {"userId": "x", "reason": "envy"}],
)
async def test_a_report_that_makes_no_sense_is_refused(people: People, body: dict[str, str]) -> None:
    fan = await people.fan()
    answer = await people.http.post("/api/reports", json=body, headers=fan.bearer)
    assert answer.status_code in (404, 422), answer.text


async def test_whoever_is_not_signed_in_neither_blocks_nor_reports(people: People) -> None:
    for path in ("/api/blocks", "/api/reports"):
        answer = await people.http.post(path, json={"userId": "x", "reason": "fraud"})
        assert code(answer) == (401, "not_authenticated")
