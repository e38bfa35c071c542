"""`/api/events`: what a signed-in user hears of things outside a room."""

import pytest

from support.people import Json, Person
from support.server import Server
from support.signaling import Signaling

pytestmark = pytest.mark.asyncio(loop_scope="session")


def events_of(server: Server, person: Person) -> Signaling:
    return Signaling(server.url, "/api/events", headers=person.bearer)


async def test_a_call_rings_at_the_creators_and_both_hear_how_it_goes_on(server: Server) -> None:
    people = server.people
    creator, fan = await people.creator(price_per_minute_minor=600), await people.fan(balance_minor=1_000)
    async with events_of(server, creator) as studio, events_of(server, fan) as phone:
        await studio.wait_for("PRESENCE")
        call = await people.request_call(fan, creator)
        rings = await studio.wait_for("CALL_REQUESTED")
        assert (rings["callId"], rings["fan"]["userId"]) == (call["callId"], fan.user_id)
        assert (rings["pricePerMinuteMinor"], rings["expiresAt"][-1]) == (600, "Z")
        await people.accept_call(creator, call["callId"])
        await people.end_call(fan, call["callId"])
        for socket in (studio, phone):
            for state in ("CONNECTING", "CANCELLED"):
                await socket.wait_for("CALL_STATE", lambda message, state=state: is_state(message, call, state))


def is_state(message: Json, call: Json, state: str) -> bool:
    return (message["callId"], message["state"]) == (call["callId"], state)


async def test_a_creator_who_comes_late_is_reminded_of_what_rings(server: Server) -> None:
    people = server.people
    creator, fan = await people.creator(), await people.fan(balance_minor=1_000)
    call = await people.request_call(fan, creator)
    async with events_of(server, creator) as studio:
        assert (await studio.wait_for("CALL_REQUESTED"))["callId"] == call["callId"]


async def test_everybody_hears_who_is_online(server: Server) -> None:
    people = server.people
    creator, fan = await people.creator(), await people.fan()

    async def is_shown_online() -> bool:
        return bool((await people.get(f"/api/models/{creator.user_id}", fan))["online"])

    def about_them(message: Json) -> bool:
        return bool(message["modelId"] == creator.user_id)

    async with events_of(server, fan) as phone:
        async with events_of(server, creator) as studio:
            for wish in (None, False, True):
                if wish is not None:
                    await studio.send("SET_PRESENCE", online=wish)
                online = (await phone.wait_for("PRESENCE", about_them))["online"]
                assert online is (wish is not False)
                assert await is_shown_online() is online
        assert (await phone.wait_for("PRESENCE", about_them))["online"] is False
        assert not await is_shown_online()


async def test_a_fan_is_never_online(server: Server) -> None:
    people = server.people
    fan, other = await people.fan(), await people.fan()
    async with events_of(server, other) as phone, events_of(server, fan) as own:
        await own.send("SET_PRESENCE", online=True)
        assert await people.top_up(other, 100) == "succeeded"
        heard = await phone.receive()
        while heard["type"] == "PRESENCE":
            assert heard["modelId"] != fan.user_id
            heard = await phone.receive()
        assert heard["type"] == "WALLET"


async def test_money_that_came_in_is_told_to_its_owner(server: Server) -> None:
    people = server.people
    fan = await people.fan()
    async with events_of(server, fan) as phone:
        await phone.send("SET_PRESENCE", online=False)
        assert await people.top_up(fan, 700) == "succeeded"
        assert await phone.wait_for("WALLET") == {
            "type": "WALLET",
            "currency": "EUR",
            "balanceMinor": 700,
            "heldMinor": 0,
            "availableMinor": 700,
        }


async def test_who_cannot_set_headers_says_it_first(server: Server) -> None:
    fan = await server.people.fan()
    async with Signaling(server.url, "/api/events") as phone:
        await phone.send("AUTHENTICATE", token=fan.token)
        assert await server.people.top_up(fan, 700) == "succeeded"
        await phone.wait_for("WALLET")


async def test_who_says_nothing_or_nonsense_is_refused(server: Server) -> None:
    async with Signaling(server.url, "/api/events") as socket:
        await socket.send("AUTHENTICATE", token="x")
        assert await socket.refusal() == ("not_authenticated", 4401)
    async with Signaling(server.url, "/api/events") as socket:
        await socket.send("SET_PRESENCE", online=True)
        assert await socket.refusal() == ("not_authenticated", 4401)
    async with Signaling(server.url, "/api/events", headers=server.people.service) as socket:
        assert await socket.refusal() == ("forbidden", 4403)
    fan = await server.people.fan()
    async with events_of(server, fan) as socket:
        await socket.send("JOIN_ROOM")
        await socket.send("JOIN_ROOM")
        assert await socket.refusal() == ("unknown_type", 4400)


async def test_so_many_windows_of_one_user_and_no_more(server: Server) -> None:
    fan = await server.people.fan()
    windows = [events_of(server, fan) for _ in range(16)]
    for window in windows:
        await window.__aenter__()
    async with events_of(server, fan) as one_too_many:
        assert await one_too_many.refusal() == ("rate_limited", 4429)
    for window in windows:
        await window.socket.close()
