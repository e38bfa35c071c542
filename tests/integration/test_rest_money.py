"""Money over REST: one key, one movement; and what anybody may look at."""

import uuid

import httpx
import pytest

from support.people import Json, People, Person
from support.problems import code
from support.server import Server

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


async def test_a_call_tells_its_whole_tariff_as_it_stood_at_the_start(people: People) -> None:
    creator = await people.creator(price_per_minute_minor=600, minimumMs=45_000, incrementMs=10_000)
    fan = await people.fan(balance_minor=1_000)
    call = await people.request_call(fan, creator)
    rates = {"pricePerMinuteMinor": 900, "currency": "EUR", "minimumMs": 10_000, "incrementMs": 1_000}
    answer = await people.http.put("/api/creator/rates", json=rates, headers=creator.bearer)
    assert answer.status_code == 200
    for shown in (call, await people.call(fan, call["callId"]), await people.end_call(fan, call["callId"])):
        tariff = {key: shown[key] for key in ("pricePerMinuteMinor", "minimumMs", "incrementMs")}
        assert tariff == {"pricePerMinuteMinor": 600, "minimumMs": 50_000, "incrementMs": 10_000}


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
