"""Cards, webhooks and payouts over REST: every outcome of a charge, and nobody else's business."""

import asyncio
import json
import time
import uuid
from pathlib import Path

import httpx
import pytest

from curtaincall.payments import signature
from support.people import Json, People, Person
from support.problems import code
from support.server import Server
from support.signaling import Signaling
from support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


@pytest.fixture
def people(server: Server) -> People:
    return server.people


async def card(people: People, fan: Person, token: str = "pm_card_visa") -> str:
    answer = await people.http.post(
        "/api/wallet/payment-methods", json={"gateway": "sandbox", "token": token}, headers=fan.bearer
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["paymentMethodId"])


async def top_up(people: People, fan: Person, token: str, amount_minor: int = 1_000) -> Json:
    body = {"amountMinor": amount_minor, "currency": "EUR", "paymentMethodId": await card(people, fan, token)}
    answer = await people.http.post("/api/wallet/top-ups", json=body, headers={**fan.bearer, **key()})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def status(people: People, fan: Person, top_up_id: str) -> Json:
    return await people.get(f"/api/wallet/top-ups/{top_up_id}", fan)


async def test_a_holder_confirms_on_the_banks_page(people: People) -> None:
    fan = await people.fan()
    made = await top_up(people, fan, "pm_card_authenticationRequired")
    assert made["status"] == "requires_action"
    assert made["redirectUrl"].startswith(people.url)
    page = await people.http.get(made["redirectUrl"])
    assert (page.status_code, "10.00 EUR" in page.text) == (200, True)
    assert "form-action 'self'" in page.headers["content-security-policy"]
    answered = await people.http.post(made["redirectUrl"], content=b"answer=confirm")
    assert (answered.status_code, answered.headers["location"]) == (303, "/wallet")
    assert code(await people.http.post(made["redirectUrl"], content=b"answer=confirm")) == (404, "payment_unknown")

    async def done() -> bool:
        return (await status(people, fan, made["topUpId"]))["status"] == "succeeded"

    await until(done)
    assert (await people.wallet(fan))["balanceMinor"] == 1_000
    assert (await status(people, fan, made["topUpId"]))["redirectUrl"] is None


async def test_a_holder_refuses(people: People) -> None:
    fan = await people.fan()
    made = await top_up(people, fan, "pm_card_authenticationRequired")
    await people.http.post(made["redirectUrl"], content=b"answer=refuse")

    async def done() -> bool:
        return (await status(people, fan, made["topUpId"]))["status"] == "declined"

    await until(done)
    assert (await people.wallet(fan))["balanceMinor"] == 0


async def test_a_pending_charge_is_told_by_a_webhook(people: People) -> None:
    fan = await people.fan()
    made = await top_up(people, fan, "pm_card_pending_then_succeeds")
    assert made["status"] == "pending"

    async def done() -> bool:
        return (await status(people, fan, made["topUpId"]))["status"] == "succeeded"

    await until(done)
    assert (await people.wallet(fan))["balanceMinor"] == 1_000


async def test_a_dispute_takes_the_money_back_and_its_owner_is_told(people: People) -> None:
    fan = await people.fan()
    async with Signaling(people.url, "/api/events", headers=fan.bearer) as events:
        await top_up(people, fan, "pm_card_createDispute")
        assert (await events.wait_for("WALLET"))["balanceMinor"] == 1_000
        await events.wait_for("WALLET", lambda message: message["balanceMinor"] == 0)
    history = await people.get("/api/wallet/transactions", fan)
    assert [(item["kind"], item["amountMinor"]) for item in history["items"]] == [
        ("chargeback", -1_000),
        ("top_up", 1_000),
    ]


async def test_somebody_elses_top_up_and_card_do_not_exist(people: People) -> None:
    owner, thief = await people.fan(), await people.fan()
    made = await top_up(people, owner, "pm_card_visa")
    seen = await people.http.get(f"/api/wallet/top-ups/{made['topUpId']}", headers=thief.bearer)
    assert code(seen) == (404, "payment_unknown")
    method = await card(people, owner)
    taken = await people.http.delete(f"/api/wallet/payment-methods/{method}", headers=thief.bearer)
    assert code(taken) == (404, "payment_method_unknown")
    rules = {"enabled": True, "paymentMethodId": method, "amountMinor": 500}
    abused = await people.http.put("/api/wallet/auto-recharge", json=rules, headers=thief.bearer)
    assert code(abused) == (404, "payment_method_unknown")
    for path in ("/api/wallet/gateways", "/api/wallet/auto-recharge", f"/api/wallet/top-ups/{made['topUpId']}"):
        assert code(await people.http.get(path)) == (401, "not_authenticated")


async def test_a_card_is_removed(people: People) -> None:
    fan = await people.fan()
    method = await card(people, fan)
    assert (await people.http.delete(f"/api/wallet/payment-methods/{method}", headers=fan.bearer)).status_code == 204
    assert (await people.get("/api/wallet/payment-methods", fan))["items"] == []
    body = {"amountMinor": 500, "currency": "EUR", "paymentMethodId": method}
    answer = await people.http.post("/api/wallet/top-ups", json=body, headers={**fan.bearer, **key()})
    assert code(answer) == (404, "payment_method_unknown")


async def test_no_card_number_is_taken(people: People) -> None:
    fan = await people.fan()
    body = {"gateway": "sandbox", "token": "4242424242424242"}
    answer = await people.http.post("/api/wallet/payment-methods", json=body, headers=fan.bearer)
    assert code(answer) == (422, "card_number_refused")
    assert "4242" not in answer.text


async def test_how_cards_are_entered(people: People) -> None:
    fan = await people.fan()
    listed = await people.get("/api/wallet/gateways", fan)
    assert listed["items"] == [{"gateway": "sandbox", "cardEntry": "sandbox_tokens", "publishableKey": None}]
    for gateway, expected in (("sandbox", "gateway_unsuitable"), ("nobody", "gateway_unknown")):
        answer = await people.http.post(
            "/api/wallet/payment-methods/setup", json={"gateway": gateway}, headers=fan.bearer
        )
        assert code(answer) == (422, expected)


async def test_auto_recharge_is_allowed_and_forbidden(people: People) -> None:
    fan = await people.fan()
    nothing = {"enabled": False, "paymentMethodId": None, "amountMinor": None, "maxPerDay": 3}
    assert await people.get("/api/wallet/auto-recharge", fan) == nothing
    rules = {"enabled": True, "paymentMethodId": await card(people, fan), "amountMinor": 500, "maxPerDay": 2}
    answer = await people.http.put("/api/wallet/auto-recharge", json=rules, headers=fan.bearer)
    assert (answer.status_code, answer.json()) == (200, rules)
    off = await people.http.put("/api/wallet/auto-recharge", json={"enabled": False}, headers=fan.bearer)
    assert off.json() == {**rules, "enabled": False}
    for changes, expected in (
        ({"amountMinor": 0}, "amount_invalid"),
        ({"amountMinor": -1}, "invalid_request"),
        ({"maxPerDay": 100}, "invalid_request"),
    ):
        refused = await people.http.put("/api/wallet/auto-recharge", json={**rules, **changes}, headers=fan.bearer)
        assert code(refused) == (422, expected)


# ---- webhooks -------------------------------------------------------------------------------------------------------


def event(event_id: str = "evt_of_the_test") -> bytes:
    return json.dumps({"id": event_id, "type": "customer.updated", "data": {"object": {"id": "cus_1"}}}).encode()


def signed(data_dir: Path, raw: bytes, ahead_s: int = 0) -> dict[str, str]:
    secret = (data_dir / "sandbox-webhook.secret").read_text()
    return {"Sandbox-Signature": signature.sign(secret, raw, int(time.time()) + ahead_s)}


async def deliver(people: People, raw: bytes, headers: dict[str, str], gateway: str = "sandbox") -> httpx.Response:
    return await people.http.post(f"/api/webhooks/{gateway}", content=raw, headers=headers)


async def test_a_webhook_is_taken_and_taken_again(server: Server) -> None:
    raw = event()
    for _ in range(2):
        answer = await deliver(server.people, raw, signed(server.data_dir, raw))
        assert (answer.status_code, answer.json()) == (202, {"received": True})
    kept = server.query("SELECT status FROM webhook_inbox WHERE event_id = 'evt_of_the_test'")
    assert kept == [("ignored",)]


async def test_webhooks_that_are_not_believed(server: Server) -> None:
    people, raw = server.people, event("evt_refused")
    good = signed(server.data_dir, raw)
    assert code(await deliver(people, raw, {})) == (400, "webhook_forged")
    assert code(await deliver(people, raw + b" ", good)) == (400, "webhook_forged")
    assert code(await deliver(people, raw, signed(server.data_dir, raw, -301))) == (400, "webhook_stale")
    assert code(await deliver(people, raw, signed(server.data_dir, raw, +330))) == (400, "webhook_from_future")
    assert code(await deliver(people, b"{", signed(server.data_dir, b"{"))) == (400, "webhook_malformed")
    assert code(await deliver(people, raw, good, "nobody")) == (422, "gateway_unknown")
    large = b" " * (65 * 1024)
    assert code(await deliver(people, large, signed(server.data_dir, large))) == (413, "body_too_large")
    assert server.query("SELECT * FROM webhook_inbox WHERE event_id = 'evt_refused'") == []


# ---- payouts --------------------------------------------------------------------------------------------------------


async def test_a_creator_is_paid_out(people: People) -> None:
    creator = await people.creator(instantUnlockMinor=1_000)
    fan = await people.fan(balance_minor=1_000)
    sold = await people.http.post("/api/unlocks", json={"modelId": creator.user_id}, headers={**fan.bearer, **key()})
    assert sold.status_code == 201, sold.text
    earned = await people.get("/api/creator/earnings", creator)
    assert earned == {
        "currency": "EUR",
        "pendingMinor": 800,
        "payableMinor": 0,
        "owedMinor": 0,
        "inTransitMinor": 0,
    }
    headers = {**creator.bearer, **key()}
    made = await people.http.post("/api/creator/payouts", json={"amountMinor": 300}, headers=headers)
    again = await people.http.post("/api/creator/payouts", json={"amountMinor": 300}, headers=headers)
    assert (made.status_code, made.json()["status"], made.json()["amountMinor"]) == (201, "pending", 300)
    assert again.json() == made.json()
    moving = await people.get("/api/creator/earnings", creator)
    assert (moving["payableMinor"], moving["inTransitMinor"]) == (500, 300)

    async def arrived() -> bool:
        (payout,) = (await people.get("/api/creator/payouts", creator))["items"]
        return bool(payout["status"] == "paid")

    await until(arrived)
    too_much = await people.http.post(
        "/api/creator/payouts", json={"amountMinor": 501}, headers={**creator.bearer, **key()}
    )
    assert code(too_much) == (409, "nothing_to_pay_out")


async def test_payouts_are_for_their_creator(people: People) -> None:
    creator, other, fan = await people.creator(), await people.creator(), await people.fan()
    assert (await people.get("/api/creator/payouts", other))["items"] == []
    refused = await people.http.post("/api/creator/payouts", json={}, headers={**fan.bearer, **key()})
    assert code(refused) == (403, "role_forbidden")
    for body in ({"amountMinor": 0}, {"amountMinor": -5}, {"amountMinor": 10**15}, {"amountMinor": 1.5}):
        answer = await people.http.post("/api/creator/payouts", json=body, headers={**creator.bearer, **key()})
        assert code(answer) == (422, "invalid_request")
    keyless = await people.http.post("/api/creator/payouts", json={}, headers=creator.bearer)
    assert code(keyless) == (400, "idempotency_key_missing")
    nothing = await people.http.post("/api/creator/payouts", json={}, headers={**creator.bearer, **key()})
    assert code(nothing) == (409, "nothing_to_pay_out")


async def test_two_payouts_at_once_pay_once(people: People) -> None:
    creator = await people.creator(instantUnlockMinor=1_000)
    fan = await people.fan(balance_minor=1_000)
    await people.http.post("/api/unlocks", json={"modelId": creator.user_id}, headers={**fan.bearer, **key()})

    async def everything() -> int:
        answer = await people.http.post("/api/creator/payouts", json={}, headers={**creator.bearer, **key()})
        return answer.status_code

    assert sorted(await asyncio.gather(*(everything() for _ in range(4)))) == [201, 409, 409, 409]
