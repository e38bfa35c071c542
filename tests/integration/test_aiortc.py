"""aiortc, which shares no code with us, joins over the public signaling, publishes and receives."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from support.aiortc_peer import AiortcPeer
from support.media_files import media_files
from support.people import Json, Person
from support.server import Server
from support.signaling import Signaling

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def participant(
    server: Server, room_id: str, user_id: str, *, token: str | None = None, bearer: dict[str, str] | None = None
) -> AsyncIterator[AiortcPeer]:
    """A peer that has joined and offered, with a real clip to show."""
    async with Signaling(server.url, headers=bearer) as signaling:
        await signaling.join(room_id, user_id, token=token)
        await signaling.wait_for("JOINED")
        async with AiortcPeer(signaling, await asyncio.to_thread(media_files)) as peer:
            await peer.negotiate()
            yield peer


async def test_a_conference_of_two(server: Server) -> None:
    people, room_id = server.people, f"talk-{uuid.uuid4().hex[:12]}"
    await people.conference(room_id)
    tokens = [await people.join_token(room_id, user_id) for user_id in ("ann", "bob")]
    async with (
        participant(server, room_id, "ann", token=tokens[0]) as ann,
        participant(server, room_id, "bob", token=tokens[1]) as bob,
    ):
        assert (await ann.signaling.wait_for("PARTICIPANT_JOINED"))["userId"] == "bob"
        tracks = await bob.signaling.wait_for("TRACKS", lambda message: len(sources(message)) == 2)
        assert sources(tracks) == {("ann", "camera"), ("ann", "microphone")}
        for peer in (ann, bob):
            await peer.frames_on("video")
            await peer.frames_on("audio")
        for peer in (ann, bob):
            # Loss is known from the first report, the round trip from the first that answers one of ours.
            stats = await peer.signaling.wait_for(
                "STATS", lambda message: None not in (message["down"]["lossPercent"], message["rttMs"])
            )
            assert stats["up"]["rateBps"] > 0
            assert stats["rttMs"] > 0
            # Of one's own link only, and of nobody by name.
            assert not {"ann", "bob", room_id} & set(json.dumps(stats).split('"'))
        await bob.signaling.send("LEAVE_ROOM")
        assert await ann.signaling.wait_for("PARTICIPANT_LEFT") == {
            "type": "PARTICIPANT_LEFT",
            "userId": "bob",
            "reason": "LEFT",
        }
        assert sources(await ann.signaling.wait_for("TRACKS", lambda message: not sources(message))) == set()


def sources(tracks: Json) -> set[tuple[str, str]]:
    return {(slot["userId"], slot["source"]) for slot in tracks["slots"] if slot["userId"] is not None}


@dataclass(frozen=True, slots=True)
class Call:
    """An accepted private call."""

    creator: Person
    fan: Person
    call_id: str
    room_id: str

    def side(self, server: Server, person: Person) -> AbstractAsyncContextManager[AiortcPeer]:
        return participant(server, self.room_id, person.user_id, bearer=person.bearer)


async def accepted_call(server: Server, balance_minor: int) -> Call:
    people = server.people
    creator = await people.creator(price_per_minute_minor=600, minimumMs=5_000)
    fan = await people.fan(balance_minor=balance_minor)
    call = await people.request_call(fan, creator)
    assert (await people.accept_call(creator, call["callId"]))["state"] == "CONNECTING"
    return Call(creator, fan, call["callId"], call["roomId"])


async def test_a_call_lives_as_long_as_the_money(server: Server) -> None:
    people = server.people
    call = await accepted_call(server, balance_minor=100)  # ten seconds at 6.00 a minute
    async with call.side(server, call.creator) as creator, call.side(server, call.fan) as fan:
        active = await fan.signaling.wait_for("SESSION", lambda message: message["state"] != "CONNECTING")
        assert active["sessionId"] == call.call_id
        assert active["grantedMs"] == 10_000
        assert active["balanceMinor"] == 100
        await fan.frames_on("video")
        await creator.frames_on("video")
        earned = await creator.signaling.wait_for("SESSION", lambda message: message["state"] != "CONNECTING")
        assert "balanceMinor" not in earned
        low = await fan.signaling.wait_for("LOW_BALANCE")
        assert low["secondsLeft"] <= 10
        assert low["topUpUrl"]
        for side in (fan, creator):
            end = await side.signaling.wait_for("TERMINATE_CALL")
            assert (end["reason"], end["redirectUrl"]) == ("TIME_EXPIRED", "/models")
        settled = await fan.signaling.wait_for("SESSION", lambda message: message["state"] == "SETTLED")
        assert (settled["usedMs"], settled["balanceMinor"]) == (10_000, 0)
        for side in (fan, creator):
            assert await side.signaling.refusal() == ("", 4410)
    receipt = await people.receipt(call.fan, call.call_id)
    assert (receipt["billableMs"], receipt["chargedMinor"], receipt["creatorMinor"]) == (10_000, 100, 80)
    assert receipt["endedReason"] == "TIME_EXPIRED"
    assert (await people.wallet(call.fan))["balanceMinor"] == 0
    assert (await people.get("/api/creator/earnings", call.creator))["pendingMinor"] == 80
    async with Signaling(server.url, headers=call.fan.bearer) as way_back:
        await way_back.join(call.room_id, call.fan.user_id)
        assert await way_back.refusal() == ("room_ended", 4410)


async def test_terminate_stream_ends_the_call_for_both_and_charges_only_what_was_delivered(server: Server) -> None:
    people = server.people
    call = await accepted_call(server, balance_minor=1_000)
    async with call.side(server, call.creator) as creator, call.side(server, call.fan) as fan:
        await fan.frames_on("video")
        for _ in range(2):
            assert await people.terminate(call.room_id, call.fan.user_id, "PAYMENT_FAILED") == {"success": True}
        for side in (fan, creator):
            assert (await side.signaling.wait_for("TERMINATE_CALL"))["reason"] == "PAYMENT_FAILED"
    receipt = await people.receipt(call.fan, call.call_id)
    assert receipt["endedReason"] == "PAYMENT_FAILED"
    assert receipt["billableMs"] < 10_000
    assert receipt["chargedMinor"] == 0  # a call of less than ten seconds is void
    assert await people.wallet(call.fan) == {
        "currency": "EUR",
        "balanceMinor": 1_000,
        "heldMinor": 0,
        "availableMinor": 1_000,
    }


async def test_a_fan_who_drops_out_and_comes_back_finds_the_call_waiting(server: Server) -> None:
    people = server.people
    call = await accepted_call(server, balance_minor=1_000)
    async with call.side(server, call.creator) as creator:
        async with call.side(server, call.fan) as fan:
            await fan.frames_on("video")
        await creator.signaling.wait_for("SESSION", lambda message: message["state"] == "PAUSED")
        assert (await people.call(call.fan, call.call_id))["paidUntil"] is None
        async with call.side(server, call.fan) as fan:
            await fan.frames_on("video")
            assert (await people.call(call.fan, call.call_id))["state"] == "ACTIVE"
            await fan.signaling.send("LEAVE_ROOM")
            assert (await creator.signaling.wait_for("TERMINATE_CALL"))["reason"] == "PAYER_ENDED"


async def test_a_second_window_takes_the_call_over_and_is_not_billed_twice(server: Server) -> None:
    people = server.people
    call = await accepted_call(server, balance_minor=1_000)
    async with call.side(server, call.creator), call.side(server, call.fan) as first:
        await first.frames_on("video")
        async with call.side(server, call.fan) as second:
            replaced = await first.signaling.wait_for("TERMINATE_CALL")
            assert (replaced["reason"], replaced["redirectUrl"]) == ("REPLACED", None)
            await second.frames_on("video")
            assert (await people.call(call.fan, call.call_id))["state"] == "ACTIVE"
            assert (await people.wallet(call.fan))["heldMinor"] == 600
            await people.end_call(call.fan, call.call_id)
