"""Every way to earn, from the public API to the rows of the ledger: the posting table of the design, line by line."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from support.clock_shift import LAUNCHER, ClockShift
from support.media_files import media_files
from support.people import PASSWORD, Json, People, Person
from support.problems import code
from support.server import Server
from support.signaling import Signaling
from support.swarm import SwarmPeer
from support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEYOND_THE_VOID_MS = 10_500
"""A call of less than ten seconds costs nothing."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shift(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClockShift]:
    shift = ClockShift(tmp_path_factory.mktemp("clock") / "shift")
    yield shift
    shift.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory, shift: ClockShift) -> AsyncIterator[Server]:
    """A server of this module's own: its clock is moved."""
    environment = {**shift.environment, "CURTAINCALL_SUBSCRIPTIONS__TICK_S": "0.2"}
    folder = tmp_path_factory.mktemp("server")
    async with Server(folder, environment=environment, launcher=("-c", LAUNCHER)) as server:
        yield server


@pytest.fixture
def people(server: Server) -> People:
    return server.people


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


async def post(people: People, path: str, body: Json, person: Person) -> httpx.Response:
    return await people.http.post(path, json=body, headers={**person.bearer, **key()})


async def made(people: People, path: str, body: Json, person: Person) -> Json:
    answer = await post(people, path, body, person)
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


async def card(people: People, fan: Person, token: str = "pm_card_visa") -> str:
    body = {"gateway": "sandbox", "token": token}
    return str((await made(people, "/api/wallet/payment-methods", body, fan))["paymentMethodId"])


async def signed_in(people: People, person: Person) -> Person:
    """The same person, whose token has expired while the clock was moved."""
    answer = await people.http.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
    people.http.cookies.clear()
    assert answer.status_code == 200, answer.text
    return Person(person.user_id, person.email, answer.json()["accessToken"])


def rows(server: Server, **names: str) -> dict[tuple[str, str, str], int]:
    """What has moved, by purpose, payer and payee, among these accounts; they are called by the names given here.

    The house's and the gateway's accounts are always there. Several rows of the same kind are added up.
    """
    owners = {owner_id: name for name, owner_id in names.items()}
    owners |= {"house": "house", "sandbox": "gateway"}

    def named(account_id: str) -> str | None:
        kind, _, owner_id = account_id.split(":", 2)
        return f"{owners[owner_id]} {kind}" if owner_id in owners else None

    found: dict[tuple[str, str, str], int] = {}
    for purpose, debit, credit, amount_minor in server.query(
        "SELECT purpose, debit_account_id, credit_account_id, amount_minor FROM ledger_transfers"
        " WHERE kind IN ('single', 'post') ORDER BY seq"
    ):
        payer, payee = named(str(debit)), named(str(credit))
        if payer is not None and payee is not None:
            movement = (str(purpose), payer, payee)
            found[movement] = found.get(movement, 0) + int(str(amount_minor))
    return found


async def admin(server: Server) -> dict[str, str]:
    """The headers of an operator's service, whose token outlives the moving of the clock."""
    status, printed = await server.command("token", "--service", "office", "--admin", "--ttl", str(400 * 86_400))
    assert status == 0, printed
    return {"Authorization": f"Bearer {printed.strip()}", **key()}


async def test_four_minutes_at_three_a_minute(server: Server, people: People) -> None:
    """Four minutes are the creator's minimum, so that nobody has to wait for them to pass."""
    star = await people.creator(price_per_minute_minor=300, minimumMs=240_000)
    fan = await people.fan(balance_minor=5_000)
    call = await people.request_call(fan, star)
    await people.accept_call(star, call["callId"])
    clip = media_files(width=320, height=180, frames_per_s=15)
    async with AsyncExitStack() as stack:
        for person in (star, fan):
            peer = SwarmPeer.join(
                server.url,
                call["roomId"],
                person.user_id,
                bearer=person.token,
                video=clip.vp8,
                audio=clip.opus,
                options=["--slots", "1"],
            )
            await stack.enter_async_context(peer)

        async def long_enough() -> bool:
            return int((await people.call(fan, call["callId"]))["usedMs"]) >= BEYOND_THE_VOID_MS

        await until(long_enough)
        await people.end_call(fan, call["callId"])
    receipt = await people.receipt(fan, call["callId"])
    assert (receipt["chargedMinor"], receipt["creatorMinor"], receipt["feeMinor"]) == (1_200, 960, 240)
    assert rows(server, fan=fan.user_id, star=star.user_id) == {
        ("top_up", "gateway gateway_clearing", "fan wallet"): 5_000,
        ("call", "fan wallet", "star creator_pending"): 960,
        ("call", "fan wallet", "house platform_fee"): 240,
    }
    assert await people.wallet(fan) == {
        "currency": "EUR",
        "balanceMinor": 3_800,
        "heldMinor": 0,
        "availableMinor": 3_800,
    }


async def test_a_subscription_of_ten(server: Server, people: People, shift: ClockShift) -> None:
    star = await people.creator(subscriptionMonthlyMinor=1_000, subscriptionCalls="all")
    fan, other = await people.fan(), await people.fan()
    body = {"modelId": star.user_id, "paymentMethodId": await card(people, fan)}
    view = await made(people, "/api/subscriptions", body, fan)
    assert (view["state"], view["priceMinor"], view["cancelAtPeriodEnd"]) == ("active", 1_000, False)
    names = {"fan": fan.user_id, "star": star.user_id, "subscription": view["subscriptionId"]}
    paid = {("subscription", "gateway gateway_clearing", "subscription deferred_subscription"): 1_000}
    assert rows(server, **names) == paid

    (entitlement,) = (await people.get("/api/entitlements", fan))["items"]
    assert (entitlement["feature"], entitlement["scopeId"]) == ("subscription", star.user_id)
    assert entitlement["until"] == view["currentPeriodEnd"]
    assert (await people.get("/api/entitlements", other))["items"] == []
    assert (await people.get(f"/api/models/{star.user_id}", fan))["subscribed"] is True
    assert (await people.get(f"/api/models/{star.user_id}", other))["subscribed"] is False
    assert code(await post(people, "/api/subscriptions", body, fan)) == (409, "already_subscribed")
    assert code(await post(people, "/api/subscriptions", body, other)) == (404, "payment_method_unknown")
    path = f"/api/subscriptions/{view['subscriptionId']}"
    assert code(await people.http.delete(path, headers=other.bearer)) == (404, "subscription_not_found")
    assert (await people.get("/api/subscriptions", other))["items"] == []

    cancelled = (await people.http.delete(path, headers=fan.bearer)).json()
    assert (cancelled["state"], cancelled["cancelAtPeriodEnd"]) == ("cancelled", True)
    shift.pass_days(32)
    earned = {
        ("subscription", "subscription deferred_subscription", "star creator_pending"): 800,
        ("subscription", "subscription deferred_subscription", "house platform_fee"): 200,
    }

    async def all_earned() -> bool:
        return rows(server, **names) == paid | earned

    await until(all_earned)
    fan = await signed_in(people, fan)

    async def ended() -> bool:
        (item,) = (await people.get("/api/subscriptions", fan))["items"]
        return bool(item["state"] == "ended")

    await until(ended)
    assert (await people.get("/api/entitlements", fan))["items"] == []


async def test_a_subscription_is_renewed_and_then_declined(server: Server, people: People, shift: ClockShift) -> None:
    star, fan = await people.creator(subscriptionMonthlyMinor=1_000), await people.fan()
    method = await card(people, fan, "pm_card_fails_after_3")
    body = {"modelId": star.user_id, "paymentMethodId": method}
    view = await made(people, "/api/subscriptions", body, fan)
    names = {"star": star.user_id, "subscription": view["subscriptionId"]}
    payment = ("subscription", "gateway gateway_clearing", "subscription deferred_subscription")
    shift.pass_days(31.5)

    async def renewed() -> bool:
        return rows(server, **names)[payment] == 2_000

    await until(renewed)
    fan = await signed_in(people, fan)
    (item,) = (await people.get("/api/subscriptions", fan))["items"]
    assert (item["state"], item["subscriptionId"]) == ("active", view["subscriptionId"])
    shift.pass_days(31.5)
    fan = await signed_in(people, fan)

    async def past_due() -> bool:
        (item,) = (await people.get("/api/subscriptions", fan))["items"]
        return bool(item["state"] == "past_due")

    await until(past_due)
    assert len((await people.get("/api/entitlements", fan))["items"]) == 1
    bad = await card(people, fan, "pm_card_chargeDeclined")
    answer = await post(people, "/api/subscriptions", {**body, "paymentMethodId": bad}, fan)
    assert code(answer) == (402, "payment_declined")
    again = await made(people, "/api/subscriptions", {**body, "paymentMethodId": await card(people, fan)}, fan)
    assert again["state"] == "active"
    assert rows(server, **names)[payment] == 3_000


async def test_a_card_that_declines_subscribes_to_nothing(server: Server, people: People) -> None:
    star, fan = await people.creator(subscriptionMonthlyMinor=1_000), await people.fan()
    body = {"modelId": star.user_id, "paymentMethodId": await card(people, fan, "pm_card_chargeDeclined")}
    headers = {**fan.bearer, **key()}
    for _ in range(2):
        answer = await people.http.post("/api/subscriptions", json=body, headers=headers)
        assert code(answer) == (402, "payment_declined")
    assert rows(server, fan=fan.user_id, star=star.user_id) == {}
    assert (await people.get("/api/entitlements", fan))["items"] == []


async def test_an_instant_unlock_of_five(server: Server, people: People) -> None:
    star = await people.creator(instantUnlockMinor=500)
    fan, poor = await people.fan(balance_minor=1_000), await people.fan(balance_minor=499)
    body = {"modelId": star.user_id}
    sold = await made(people, "/api/unlocks", body, fan)
    assert (sold["chargedMinor"], sold["currency"]) == (500, "EUR")
    again = await made(people, "/api/unlocks", body, fan)
    assert (again["entitlementId"], again["chargedMinor"]) == (sold["entitlementId"], 0)
    assert rows(server, fan=fan.user_id, star=star.user_id) == {
        ("top_up", "gateway gateway_clearing", "fan wallet"): 1_000,
        ("instant_unlock", "fan wallet", "star creator_pending"): 400,
        ("instant_unlock", "fan wallet", "house platform_fee"): 100,
    }
    of_fan = "SELECT DISTINCT key FROM ledger_transfers WHERE purpose = 'instant_unlock' AND debit_account_id = ?"
    ((transfer_key,),) = server.query(of_fan, f"wallet:EUR:{fan.user_id}")
    assert str(transfer_key).startswith(f"unlock:{fan.user_id}:{star.user_id}")
    assert code(await post(people, "/api/unlocks", body, poor)) == (402, "insufficient_funds")
    assert (await people.get("/api/entitlements", poor))["items"] == []
    assert code(await post(people, "/api/unlocks", {"modelId": fan.user_id}, fan)) == (404, "user_not_found")
    cheap = await people.creator()
    assert code(await post(people, "/api/unlocks", {"modelId": cheap.user_id}, fan)) == (409, "not_for_sale")
    keyless = await people.http.post("/api/unlocks", json=body, headers=fan.bearer)
    assert code(keyless) == (400, "idempotency_key_missing")


async def test_an_hd_pass_of_two(server: Server, people: People) -> None:
    star = await people.creator(premiumHdMinor=200)
    fan, other = await people.fan(balance_minor=1_000), await people.fan()
    room = await made(people, "/api/rooms", {"kind": "broadcast", "title": "Show"}, star)
    assert room["hdPassMinor"] == 200
    path = f"/api/rooms/{room['roomId']}"
    assert [(await made(people, f"{path}/hd-pass", {}, fan))["chargedMinor"] for _ in "ab"] == [200, 0]
    assert rows(server, fan=fan.user_id, star=star.user_id) == {
        ("top_up", "gateway gateway_clearing", "fan wallet"): 1_000,
        ("premium_hd", "fan wallet", "star creator_pending"): 160,
        ("premium_hd", "fan wallet", "house platform_fee"): 40,
    }
    assert (await people.get(path, fan))["hd"] is True
    assert (await people.get(path, other))["hd"] is False
    assert code(await post(people, f"{path}/hd-pass", {}, other)) == (402, "insufficient_funds")
    assert code(await post(people, f"{path}/hd-pass", {}, star)) == (409, "not_needed")


async def test_a_battle_is_entered_tipped_in_and_settled(server: Server, people: People) -> None:
    star, rival = await people.creator(), await people.creator()
    fan, other = await people.fan(balance_minor=2_000), await people.fan()
    body = {"kind": "battle", "title": "Final", "entryFeeMinor": 500, "players": [rival.user_id]}
    room = await made(people, "/api/rooms", body, star)
    room_id, path = room["roomId"], f"/api/rooms/{room['roomId']}"
    assert room["scores"] == {star.user_id: 0, rival.user_id: 0}
    listed = (await people.get("/api/rooms?kind=battle", other))["items"]
    assert room_id in [item["roomId"] for item in listed]

    async with Signaling(people.url, headers=fan.bearer) as early:
        await early.join(room_id, fan.user_id)
        assert await early.refusal() == ("entry_required", 4402)
    assert [(await made(people, f"{path}/entry", {}, fan))["chargedMinor"] for _ in "ab"] == [500, 0]
    seen = await people.get(path, fan)
    assert (seen["potMinor"], seen["entered"], seen["entryFeeMinor"]) == (500, True, 500)
    assert (await people.get(path, other))["entered"] is False
    assert code(await post(people, f"{path}/entry", {}, other)) == (402, "insufficient_funds")
    assert code(await post(people, f"{path}/entry", {}, rival)) == (409, "not_needed")

    async with Signaling(people.url, headers=fan.bearer) as seat, Signaling(people.url, headers=rival.bearer) as play:
        await seat.join(room_id, fan.user_id)
        assert (await seat.wait_for("JOINED"))["role"] == "participant"
        await play.join(room_id, rival.user_id)
        await play.wait_for("JOINED")
        tip = {"to": rival.user_id, "amountMinor": 600, "currency": "EUR", "message": "Go!"}
        tip_id = (await made(people, f"{path}/tips", tip, fan))["tipId"]
        for line in (seat, play):
            told = await line.wait_for("TIP")
            assert told == {
                "type": "TIP",
                "tipId": tip_id,
                "from": fan.user_id,
                "to": rival.user_id,
                "amountMinor": 600,
                "currency": "EUR",
                "message": "Go!",
            }
            assert (await line.wait_for("SCORE"))["scores"] == {star.user_id: 0, rival.user_id: 600}
        assert code(await people.http.post(f"{path}/end", json={}, headers=rival.bearer)) == (404, "room_not_found")
        ended = await people.http.post(f"{path}/end", headers=star.bearer)
        assert ended.status_code == 200, ended.text
        assert await seat.refusal() == ("HOST_ENDED", 4410)
    assert rows(server, fan=fan.user_id, star=star.user_id, rival=rival.user_id, room=room_id) == {
        ("top_up", "gateway gateway_clearing", "fan wallet"): 2_000,
        ("battle_entry", "fan wallet", "room battle_pot"): 500,
        ("tip", "fan wallet", "rival creator_pending"): 480,
        ("tip", "fan wallet", "house platform_fee"): 120,
        ("battle_pot", "room battle_pot", "star creator_pending"): 400,
        ("battle_pot", "room battle_pot", "house platform_fee"): 100,
    }
    assert code(await post(people, f"{path}/tips", tip, fan)) == (410, "room_ended")


async def test_a_cancelled_battle_gives_the_entries_back(server: Server, people: People) -> None:
    star, fan = await people.creator(), await people.fan(balance_minor=500)
    room = await made(people, "/api/rooms", {"kind": "battle", "entryFeeMinor": 500}, star)
    path = f"/api/rooms/{room['roomId']}"
    await made(people, f"{path}/entry", {}, fan)
    async with Signaling(people.url, "/api/events", headers=fan.bearer) as events:
        for _ in range(2):
            answer = await people.http.post(f"{path}/end", json={"cancel": True}, headers=star.bearer)
            assert answer.status_code == 200, answer.text
        assert (await events.wait_for("WALLET"))["balanceMinor"] == 500
    assert rows(server, fan=fan.user_id, star=star.user_id, room=room["roomId"]) == {
        ("top_up", "gateway gateway_clearing", "fan wallet"): 500,
        ("battle_entry", "fan wallet", "room battle_pot"): 500,
        ("battle_pot", "room battle_pot", "fan wallet"): 500,
    }


async def test_a_disputed_card_takes_the_tip_and_the_seat_back(server: Server, people: People) -> None:
    star, fan = await people.creator(), await people.fan()
    room = await made(people, "/api/rooms", {"kind": "battle", "entryFeeMinor": 500}, star)
    room_id, path = room["roomId"], f"/api/rooms/{room['roomId']}"
    assert await people.top_up(fan, 1_100, card="pm_card_createDispute") == "succeeded"
    await made(people, f"{path}/entry", {}, fan)
    await made(people, f"{path}/tips", {"to": star.user_id, "amountMinor": 600, "currency": "EUR"}, fan)
    async with Signaling(people.url, headers=fan.bearer) as seat:
        await seat.join(room_id, fan.user_id)
        await seat.wait_for("JOINED")
        assert await seat.refusal() == ("PAYMENT_FAILED", 4410)
    moved = rows(server, fan=fan.user_id, star=star.user_id, room=room_id)
    assert moved == {
        ("top_up", "gateway gateway_clearing", "fan wallet"): 1_100,
        ("battle_entry", "fan wallet", "room battle_pot"): 500,
        ("tip", "fan wallet", "star creator_pending"): 480,
        ("tip", "fan wallet", "house platform_fee"): 120,
    }
    of_pot = "SELECT credit_account_id FROM ledger_transfers WHERE purpose = 'chargeback' AND debit_account_id = ?"
    ((dispute,),) = server.query(of_pot, f"battle_pot:EUR:{room_id}")
    names = {"star": star.user_id, "room": room_id, "dispute": str(dispute).split(":", 2)[2]}
    taken = {movement: minor for movement, minor in rows(server, **names).items() if movement[0] == "chargeback"}
    assert taken == {
        ("chargeback", "room battle_pot", "dispute dispute_pending"): 500,
        ("chargeback", "star creator_pending", "dispute dispute_pending"): 480,
        ("chargeback", "house platform_fee", "dispute dispute_pending"): 120,
    }
    assert (await people.get(path, star))["scores"] == {star.user_id: 0}


async def test_a_refund_goes_the_way_back_and_takes_what_was_bought(server: Server, people: People) -> None:
    star = await people.creator(instantUnlockMinor=500)
    fan = await people.fan(balance_minor=1_600)
    room = await made(people, "/api/rooms", {"kind": "battle", "entryFeeMinor": 500}, star)
    room_id, path = room["roomId"], f"/api/rooms/{room['roomId']}"
    await made(people, "/api/unlocks", {"modelId": star.user_id}, fan)
    await made(people, f"{path}/entry", {}, fan)
    await made(people, f"{path}/tips", {"to": star.user_id, "amountMinor": 600, "currency": "EUR"}, fan)
    history = {item["kind"]: item["id"] for item in (await people.get("/api/wallet/transactions", fan))["items"]}
    office = await admin(server)
    async with Signaling(people.url, headers=fan.bearer) as seat:
        await seat.join(room_id, fan.user_id)
        await seat.wait_for("JOINED")
        for kind in ("tip", "instant_unlock", "battle_entry"):
            body = {"transactionId": history[kind], "reason": "asked for it"}
            for _ in range(2):
                answer = await people.http.post("/api/admin/refunds", json=body, headers={**office, **key()})
            assert code(answer) == (409, "already_refunded")
        assert (await seat.wait_for("SCORE"))["scores"] == {star.user_id: 0}
        assert await seat.refusal() == ("PAYMENT_FAILED", 4410)
    moved = rows(server, fan=fan.user_id, star=star.user_id, room=room_id)
    assert {movement: minor for movement, minor in moved.items() if movement[0] == "refund"} == {
        ("refund", "star creator_pending", "fan wallet"): 880,
        ("refund", "house platform_fee", "fan wallet"): 220,
        ("refund", "room battle_pot", "fan wallet"): 500,
    }
    assert (await people.get("/api/entitlements", fan))["items"] == []
    assert (await people.wallet(fan))["balanceMinor"] == 1_600


async def test_a_refunded_subscription_is_over(server: Server, people: People) -> None:
    star, fan = await people.creator(subscriptionMonthlyMinor=1_000), await people.fan()
    body = {"modelId": star.user_id, "paymentMethodId": await card(people, fan)}
    view = await made(people, "/api/subscriptions", body, fan)
    names = {"star": star.user_id, "subscription": view["subscriptionId"]}
    find = "SELECT transfer_id FROM ledger_transfers WHERE credit_account_id = ?"
    ((payment,),) = server.query(find, f"deferred_subscription:EUR:{view['subscriptionId']}")
    order = {"transactionId": payment, "reason": "asked for it"}
    answer = await people.http.post("/api/admin/refunds", json=order, headers=await admin(server))
    assert answer.status_code == 201, answer.text

    async def over() -> bool:
        (item,) = (await people.get("/api/subscriptions", fan))["items"]
        return bool(item["state"] == "ended")

    await until(over)
    assert rows(server, **names) == {
        ("subscription", "gateway gateway_clearing", "subscription deferred_subscription"): 1_000,
        ("refund", "subscription deferred_subscription", "gateway gateway_clearing"): 1_000,
    }
    assert (await people.get("/api/entitlements", fan))["items"] == []


async def test_earnings_are_paid_out(server: Server, people: People) -> None:
    star, fan = await people.creator(instantUnlockMinor=500), await people.fan(balance_minor=500)
    await made(people, "/api/unlocks", {"modelId": star.user_id}, fan)
    payout = await made(people, "/api/creator/payouts", {}, star)
    names = {"star": star.user_id, "payout": payout["payoutId"]}
    paid_out = {
        ("release", "star creator_pending", "star creator_payable"): 400,
        ("payout", "star creator_payable", "payout payout_in_transit"): 400,
        ("payout", "payout payout_in_transit", "gateway gateway_clearing"): 400,
    }

    async def arrived() -> bool:
        return rows(server, **names) == paid_out

    await until(arrived)
