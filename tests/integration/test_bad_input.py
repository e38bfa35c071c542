"""Bad input of each kind gets a clear error with its code, and the people in the room notice nothing."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio
import websockets

from curtaincall.accounts.model import JoinClaim
from curtaincall.accounts.tokens import Tokens, signing_key
from curtaincall.kernel.clock import SystemClock
from support.server import Server
from support.signaling import Signaling

pytestmark = pytest.mark.asyncio(loop_scope="session")

SDP_WITHOUT_ICE = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=rtpmap:111 opus/48000/2
a=mid:0
a=recvonly
a=rtcp-mux
a=setup:actpass
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
""".replace("\n", "\r\n")

ICE = """a=ice-ufrag:them
a=ice-pwd:what-nobody-could-guess
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
""".replace("\n", "\r\n")

SDP = SDP_WITHOUT_ICE + ICE


@dataclass
class Party:
    """A conference with somebody in it, who must not notice what the tests do."""

    server: Server
    room_id: str
    bystander: Signaling

    async def token(self, user_id: str) -> str:
        return await self.server.people.join_token(self.room_id, user_id)


@pytest_asyncio.fixture(loop_scope="session")
async def party(server: Server) -> AsyncIterator[Party]:
    room_id = f"party-{uuid.uuid4().hex[:12]}"
    await server.people.conference(room_id)
    async with Signaling(server.url) as bystander:
        await bystander.join(room_id, "bystander", token=await server.people.join_token(room_id, "bystander"))
        await bystander.wait_for("JOINED")
        yield Party(server, room_id, bystander)
        await bystander.send("CHAT", text="still here")
        await bystander.wait_for("CHAT", lambda message: message["text"] == "still here")


async def refused(server: Server, room_id: str, user_id: str, token: str | None = None) -> tuple[str, int]:
    """What becomes of a join."""
    async with Signaling(server.url) as socket:
        await socket.join(room_id, user_id, token=token)
        return await socket.refusal()


# ---- who ------------------------------------------------------------------------------------------------------------


async def test_nobody_in_particular(party: Party) -> None:
    assert await refused(party.server, party.room_id, "ann") == ("not_authenticated", 4401)


async def test_an_unknown_room(server: Server) -> None:
    fan = await server.people.fan()
    async with Signaling(server.url, headers=fan.bearer) as socket:
        await socket.join("nowhere", fan.user_id)
        assert await socket.refusal() == ("room_not_found", 4403)


async def test_somebody_elses_token(party: Party) -> None:
    assert await refused(party.server, party.room_id, "eve", await party.token("ann")) == ("user_mismatch", 4403)


async def test_a_token_of_another_room(party: Party) -> None:
    other = f"other-{uuid.uuid4().hex[:12]}"
    await party.server.people.conference(other)
    assert await refused(party.server, other, "ann", await party.token("ann")) == ("user_mismatch", 4403)


async def test_a_used_token(party: Party) -> None:
    token = await party.token("ann")
    async with Signaling(party.server.url) as socket:
        await socket.join(party.room_id, "ann", token=token)
        await socket.wait_for("JOINED")
        assert await refused(party.server, party.room_id, "ann", token) == ("join_token_used", 4401)


async def test_an_expired_token(party: Party) -> None:
    tokens = Tokens(signing_key(party.server.data_dir), SystemClock(), lambda: uuid.uuid4().hex)
    expired = tokens.join(JoinClaim("ann", party.room_id, "participant"), ttl_s=-1)
    assert await refused(party.server, party.room_id, "ann", expired) == ("token_expired", 4401)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\u0000", "x" * 3_000])
async def test_a_token_that_is_none(party: Party, token: str) -> None:
    assert await refused(party.server, party.room_id, "ann", token) == ("not_authenticated", 4401)


async def test_signed_in_as_somebody_else(party: Party) -> None:
    fan = await party.server.people.fan()
    async with Signaling(party.server.url, headers=fan.bearer) as socket:
        await socket.join(party.room_id, "bystander")
        assert await socket.refusal() == ("user_mismatch", 4403)


async def test_an_access_token_that_is_broken(party: Party) -> None:
    async with Signaling(party.server.url, headers={"Authorization": "Bearer x"}) as socket:
        await socket.join(party.room_id, "ann")
        assert await socket.refusal() == ("not_authenticated", 4401)


async def test_a_page_of_another_site_with_the_users_cookie(party: Party) -> None:
    fan = await party.server.people.fan()
    headers = {"Cookie": f"curtaincall_session={fan.token}", "Origin": "https://evil.example"}
    async with Signaling(party.server.url, headers=headers) as socket:
        await socket.join(party.room_id, fan.user_id)
        assert await socket.refusal() == ("origin_forbidden", 4403)
    async with Signaling(party.server.url, "/api/events", headers=headers) as socket:
        assert await socket.refusal() == ("origin_forbidden", 4403)


async def test_the_users_cookie_on_our_own_page_is_welcome(party: Party) -> None:
    fan = await party.server.people.fan()
    headers = {"Cookie": f"curtaincall_session={fan.token}", "Origin": party.server.url}
    async with Signaling(party.server.url, headers=headers) as socket:
        await socket.join(party.room_id, fan.user_id)
        await socket.wait_for("JOINED")


# ---- where ----------------------------------------------------------------------------------------------------------


async def test_the_twenty_first_participant(server: Server) -> None:
    room_id = f"full-{uuid.uuid4().hex[:12]}"
    people = server.people
    await people.conference(room_id)
    sockets = [Signaling(server.url) for _ in range(20)]
    for number, socket in enumerate(sockets):
        await socket.__aenter__()
        await socket.join(room_id, f"user-{number}", token=await people.join_token(room_id, f"user-{number}"))
        await socket.wait_for("JOINED")
    token = await people.join_token(room_id, "one-too-many")
    assert await refused(server, room_id, "one-too-many", token) == ("room_full", 4409)
    async with Signaling(server.url) as again:  # whoever has a seat may take it over
        await again.join(room_id, "user-3", token=await people.join_token(room_id, "user-3"))
        await again.wait_for("JOINED")
        assert await sockets[3].refusal() == ("REPLACED", 4410)
    for socket in sockets:
        await socket.socket.close()


async def test_a_room_that_has_ended(server: Server) -> None:
    room_id = f"over-{uuid.uuid4().hex[:12]}"
    people = server.people
    await people.conference(room_id)
    token = await people.join_token(room_id, "ann")
    ended = await people.http.post(f"/api/rooms/{room_id}/end", json={}, headers=people.service)
    assert ended.json() == {"roomId": room_id, "endedReason": "ADMIN_TERMINATED"}
    assert await refused(server, room_id, "ann", token) == ("room_ended", 4410)
    for method, path in (("GET", ""), ("POST", "/join-token")):
        answer = await people.http.request(
            method, f"/api/rooms/{room_id}{path}", json={"userId": "ann"}, headers=people.service
        )
        assert (answer.status_code, answer.json()["code"]) == (410, "room_ended")


async def test_a_participant_who_was_removed(party: Party) -> None:
    people = party.server.people
    kept = await party.token("ann")
    async with Signaling(party.server.url) as socket:
        await socket.join(party.room_id, "ann", token=await party.token("ann"))
        await socket.wait_for("JOINED")
        await people.terminate(party.room_id, "ann", "ADMIN_TERMINATED")
        assert await socket.wait_for("TERMINATE_CALL") == {
            "type": "TERMINATE_CALL",
            "reason": "ADMIN_TERMINATED",
            "redirectUrl": "/models",
        }
        assert await socket.refusal() == ("", 4410)
    assert (await party.bystander.wait_for("PARTICIPANT_LEFT"))["reason"] == "ADMIN_TERMINATED"
    assert await refused(party.server, party.room_id, "ann", kept) == ("removed", 4403)
    answer = await people.http.post(
        f"/api/rooms/{party.room_id}/join-token", json={"userId": "ann"}, headers=people.service
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "removed")


async def test_a_private_call_before_it_is_accepted(server: Server) -> None:
    people = server.people
    creator, fan = await people.creator(), await people.fan(balance_minor=1_000)
    call = await people.request_call(fan, creator)
    async with Signaling(server.url, headers=fan.bearer) as socket:
        await socket.join(call["roomId"], fan.user_id)
        assert await socket.refusal() == ("call_not_accepted", 4403)


async def test_spectators_are_refused_until_there_is_a_stream_for_them(party: Party) -> None:
    fan = await party.server.people.fan()
    async with Signaling(party.server.url, headers=fan.bearer) as socket:
        await socket.send("JOIN_ROOM", roomId=party.room_id, userId=fan.user_id, isSpectator=True)
        assert await socket.refusal() == ("spectators_unavailable", 4403)


# ---- what -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def joined(party: Party) -> AsyncIterator[Signaling]:
    async with Signaling(party.server.url) as socket:
        await socket.join(party.room_id, "ann", token=await party.token("ann"))
        await socket.wait_for("JOINED")
        yield socket


@pytest.mark.parametrize("text", ["{", "[]", "null", '"JOIN_ROOM"', '{"type": "CHAT"}', '{"type": "JOIN_ROOM"}'])
async def test_malformed_messages_are_forgiven_once(party: Party, text: str) -> None:
    async with joined(party) as socket:
        await socket.socket.send(text)
        assert (await socket.receive())["code"] == "malformed"
        await socket.send("CHAT", text="sorry")
        assert (await socket.receive())["text"] == "sorry"
        await socket.socket.send(text)
        assert await socket.refusal() == ("malformed", 4400)


@pytest.mark.parametrize("text", ["{", "[]", "null", '"JOIN_ROOM"', '{"type": "JOIN_ROOM"}', '{"roomId": "x"}'])
async def test_malformed_messages_are_forgiven_once_also_before_joining(server: Server, text: str) -> None:
    async with Signaling(server.url) as socket:
        await socket.socket.send(text)
        assert (await socket.receive())["code"] == "malformed"
        await socket.socket.send(text)
        assert await socket.refusal() == ("malformed", 4400)


async def test_an_unknown_type_is_forgiven_once_also_before_joining(party: Party) -> None:
    async with Signaling(party.server.url) as socket:
        await socket.send("SELF_DESTRUCT")
        assert (await socket.receive())["code"] == "unknown_type"
        await socket.send("OFFER", sdp="v=0")
        assert await socket.refusal() == ("not_joined", 4400)


async def test_binary_messages(party: Party) -> None:
    async with joined(party) as socket:
        await socket.socket.send(b"\x00\xff")
        assert (await socket.receive())["code"] == "malformed"


async def test_a_megabyte_after_joining(party: Party) -> None:
    async with joined(party) as socket:
        await socket.socket.send("x" * (1 << 20))
        assert await socket.refusal() == ("", 1009)


@pytest.mark.parametrize("size", [4 * 1024 + 1, 64 * 1024 + 1, 1 << 20])
async def test_a_first_message_that_is_too_large(party: Party, size: int) -> None:
    async with Signaling(party.server.url) as socket:
        await socket.socket.send(json.dumps({"type": "JOIN_ROOM", "padding": "x" * size}))
        assert await socket.refusal() == ("message_too_large", 4400)


async def test_a_message_of_the_largest_size_is_read(party: Party) -> None:
    async with joined(party) as socket:
        await socket.send("OFFER", sdp="x" * 59_000)
        assert (await socket.receive())["code"] == "sdp_invalid"


@pytest.mark.parametrize("sdp", ["", "hello", "v=0\r\n", "\x00\x00", SDP_WITHOUT_ICE])
async def test_sdp_that_cannot_be_answered(party: Party, sdp: str) -> None:
    async with joined(party) as socket:
        await socket.send("OFFER", sdp=sdp)
        assert (await socket.receive())["code"] == "sdp_invalid"
        await socket.send("CHAT", text="still connected")
        assert (await socket.wait_for("CHAT"))["text"] == "still connected"


async def test_silence(server: Server) -> None:
    async with Signaling(server.url) as socket:
        assert await socket.refusal() == ("silent", 4408)


async def test_a_join_after_the_join(party: Party) -> None:
    async with joined(party) as socket:
        await socket.join(party.room_id, "ann", token=await party.token("ann"))
        assert (await socket.receive())["code"] == "already_joined"


# ---- how often ------------------------------------------------------------------------------------------------------


async def test_a_flood_of_joins_is_told_when_to_come_back(strict_server: Server) -> None:
    people = strict_server.people
    room_id = f"flood-{uuid.uuid4().hex[:12]}"
    await people.conference(room_id)
    answers = []
    for _ in range(11):
        async with Signaling(strict_server.url) as socket:
            await socket.join(room_id, "ann", token=await people.join_token(room_id, "ann"))
            answers.append(await socket.receive())
            if answers[-1]["type"] == "ERROR":
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await socket.receive()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4429
    assert [answer["type"] for answer in answers] == ["JOINED"] * 10 + ["ERROR"]
    assert answers[-1]["code"] == "rate_limited"
    assert 0 < answers[-1]["retryAfterMs"] <= 60_000
    async with Signaling(strict_server.url) as other:  # somebody else is not held responsible
        await other.join(room_id, "bob", token=await people.join_token(room_id, "bob"))
        await other.wait_for("JOINED")


async def test_a_flood_of_joins_from_one_address(strict_server: Server) -> None:
    codes = set()
    for number in range(60):
        codes.add(await refused(strict_server, "nowhere", f"user-{number}", "x"))
    assert ("rate_limited", 4429) in codes


async def test_a_flood_of_messages(party: Party) -> None:
    async with joined(party) as socket:
        for _ in range(201):
            await socket.send("ICE_CANDIDATE", candidate=None)
        assert await socket.refusal() == ("rate_limited", 4429)


async def test_a_flood_of_offers(party: Party) -> None:
    async with joined(party) as socket:
        for _ in range(20):
            await socket.send("OFFER", sdp=SDP)
            await socket.wait_for("ANSWER")
        await socket.send("OFFER", sdp=SDP)
        assert await socket.refusal() == ("rate_limited", 4429)


async def test_a_line_that_has_left_its_call_enters_no_other_room(server: Server) -> None:
    people = server.people
    creator, fan = await people.creator(), await people.fan(balance_minor=1_000)
    call, other = await people.request_call(fan, creator), f"other-{uuid.uuid4().hex[:12]}"
    await people.conference(other)
    await people.accept_call(creator, call["callId"])
    async with Signaling(server.url, headers=fan.bearer) as line:
        await line.join(call["roomId"], fan.user_id)
        await line.wait_for("JOINED")
        await line.send("LEAVE_ROOM")
        await line.join(other, fan.user_id)
        assert await line.refusal() == ("PAYER_ENDED", 4410)
    assert (await people.get(f"/api/rooms/{other}", fan))["participants"] == []
