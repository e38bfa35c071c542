"""A server whose calls somebody else vouches for: what that one says, or does not say any more, cuts them."""

import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from curtaincall.monetization.v1 import monetization_pb2 as pb
from support.media_files import media_files
from support.monetization import Client, Script, ScriptedServer
from support.people import Json, Person
from support.pki import Pki
from support.server import Server
from support.signaling import Signaling
from support.swarm import SwarmPeer

VALIDITY_S = 4
POLL_EVERY_S = 1
TOKEN = "a-token-of-theirs"
ALONE = ("monetization", "--port", "0")


def asking(address: str, token: str = TOKEN) -> dict[str, str]:
    """The environment of a server that asks there."""
    return {
        "CURTAINCALL_MONETIZATION__ADDRESS": address,
        "CURTAINCALL_MONETIZATION__TOKEN": token,
        "CURTAINCALL_MONETIZATION__VALIDITY_S": str(VALIDITY_S),
        "CURTAINCALL_MONETIZATION__POLL_EVERY_S": str(POLL_EVERY_S),
    }


@dataclass(frozen=True, slots=True)
class Call:
    """An accepted call on a server; nobody has joined it yet."""

    server: Server
    fan: Person
    creator: Person
    call_id: str
    room_id: str

    def line(self, person: Person) -> Signaling:
        return Signaling(self.server.url, headers=person.bearer)

    async def view(self) -> Json:
        return await self.server.people.call(self.fan, self.call_id)


async def accepted_call(server: Server, fan: Person | None = None, creator: Person | None = None) -> Call:
    people = server.people
    fan, creator = fan or await people.fan(balance_minor=1_000), creator or await people.creator()
    call = await people.request_call(fan, creator)
    await people.accept_call(creator, call["callId"])
    return Call(server, fan, creator, call["callId"], call["roomId"])


@asynccontextmanager
async def seated(call: Call) -> AsyncIterator[tuple[Signaling, Signaling]]:
    """Both in the room, the payer last."""
    async with call.line(call.creator) as creator, call.line(call.fan) as fan:
        await creator.join(call.room_id, call.creator.user_id)
        await creator.wait_for("JOINED")
        await fan.join(call.room_id, call.fan.user_id)
        await fan.wait_for("JOINED")
        yield fan, creator


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[tuple[Script, Server]]:
    """A server that asks a script."""
    async with ScriptedServer() as oracle, Server(folder, environment=asking(oracle.address)) as server:
        yield oracle.script, server


async def reasons(*lines: Signaling) -> set[str]:
    return {(await line.wait_for("TERMINATE_CALL"))["reason"] for line in lines}


@pytest.mark.parametrize(
    ("state", "reason"),
    [(pb.PAYMENT_STATE_FAILED, "PAYMENT_FAILED"), (pb.PAYMENT_STATE_EXPIRED, "TIME_EXPIRED")],
)
@pytest.mark.parametrize("streams", [True, False], ids=["by stream", "by poll"])
async def test_bad_news_end_the_call_for_both(tmp_path: Path, state: int, reason: str, streams: bool) -> None:
    async with scripted(tmp_path) as (script, server):
        script.streams = streams
        call = await accepted_call(server)
        async with seated(call) as lines:
            await script.polled(3)
            await script.say(state)
            assert await reasons(*lines) == {reason}
            assert (await call.view())["state"] in ("CANCELLED", "SETTLED")
        assert script.tokens == {f"Bearer {TOKEN}"}
        assert TOKEN not in "\n".join(server.log)
        code, printed = await server.command("ledger", "verify")
        assert code == 0, printed


async def test_a_call_goes_on_while_it_is_vouched_for_and_a_server_that_falls_silent_ends_it(tmp_path: Path) -> None:
    async with scripted(tmp_path) as (script, server):
        call = await accepted_call(server)
        async with seated(call) as lines:
            await script.polled(VALIDITY_S // POLL_EVERY_S + 3)  # longer than one good word holds
            assert (await call.view())["state"] == "CONNECTING"
            script.silent = True
            assert await reasons(*lines) == {"PAYMENT_FAILED"}
        async with call.line(call.fan) as late:
            await late.join(call.room_id, call.fan.user_id)
            assert await late.refusal() == ("room_ended", 4410)


async def test_nobody_joins_a_call_that_is_not_vouched_for(tmp_path: Path) -> None:
    async with scripted(tmp_path) as (script, server):
        call = await accepted_call(server)
        for state in (
            pb.PAYMENT_STATE_FAILED,
            pb.PAYMENT_STATE_EXPIRED,
            pb.PAYMENT_STATE_UNKNOWN,
            pb.PAYMENT_STATE_UNSPECIFIED,
            99,
        ):
            await script.say(state)
            async with call.line(call.fan) as line:
                await line.join(call.room_id, call.fan.user_id)
                assert await line.refusal() == ("payment_required", 4402)
        await script.say(pb.PAYMENT_STATE_PAID)
        async with seated(call):
            pass


async def test_a_server_that_is_not_there_keeps_people_out_of_calls_and_of_nothing_else(tmp_path: Path) -> None:
    async with Server(tmp_path, environment=asking("127.0.0.1:9")) as server:
        call = await accepted_call(server)
        async with call.line(call.fan) as line:
            await line.join(call.room_id, call.fan.user_id)
            assert await line.refusal() == ("monetization_unavailable", 1013)
        await server.people.conference("talk")
        token = await server.people.join_token("talk", call.fan.user_id)
        async with Signaling(server.url) as line:
            await line.join("talk", call.fan.user_id, token=token)
            await line.wait_for("JOINED")


# ---- two servers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """`server` has rooms; `money` vouches for them, by credit that `bank` asks of it. Both know the same people."""

    server: Server
    money: Server
    bank: Client
    fan: Person
    creator: Person

    async def vouched_call(self) -> Call:
        """A call that the money side has authorized."""
        call = await accepted_call(self.server, self.fan, self.creator)
        request = pb.AuthorizeRequest(
            session_id=call.call_id, room_id=call.room_id, payer_id=self.fan.user_id, payee_id=self.creator.user_id
        )
        assert (await self.bank.call("Authorize", request)).result_code == pb.RESULT_CODE_SUCCESS
        return call


@asynccontextmanager
async def two_servers(folder: Path, credit_validity_s: int = 60) -> AsyncIterator[Pair]:
    async with Server(folder / "rooms") as server:
        fan, creator = await server.people.fan(balance_minor=1_000), await server.people.creator()
    shutil.copytree(folder / "rooms", folder / "money")
    environment = {"CURTAINCALL_GRPC__VALIDITY_S": str(credit_validity_s)}
    async with AsyncExitStack() as stack:
        money = Server(folder / "money", environment=environment, arguments=(), subcommand=ALONE)
        await stack.enter_async_context(money)
        token = money.people.service_token
        server = Server(folder / "rooms", environment=asking(money.grpc_address, token))
        await stack.enter_async_context(server)
        bank = await stack.enter_async_context(Client(money.grpc_address, token))
        yield Pair(server, money, bank, fan, creator)


async def test_a_failure_that_is_reported_to_one_server_ends_the_call_on_the_other(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as pair:
        stranger = await accepted_call(pair.server, pair.fan, pair.creator)
        async with stranger.line(pair.fan) as line:
            await line.join(stranger.room_id, pair.fan.user_id)
            assert await line.refusal() == ("payment_required", 4402)
        await pair.server.people.end_call(pair.creator, stranger.call_id)
        call = await pair.vouched_call()
        async with seated(call) as lines:
            await pair.bank.fail(call.room_id, pair.fan.user_id)
            assert await reasons(*lines) == {"PAYMENT_FAILED"}


async def test_credit_that_lapses_on_one_server_ends_the_call_on_the_other(tmp_path: Path) -> None:
    async with two_servers(tmp_path, credit_validity_s=5) as pair:
        call = await pair.vouched_call()
        async with seated(call) as lines:
            assert await reasons(*lines) == {"TIME_EXPIRED"}


async def test_a_wrong_token_is_no_good_word(tmp_path: Path) -> None:
    async with (
        Server(tmp_path / "money", arguments=(), subcommand=ALONE) as money,
        Server(tmp_path / "rooms", environment=asking(money.grpc_address, "nonsense")) as server,
    ):
        call = await accepted_call(server)
        async with call.line(call.fan) as line:
            await line.join(call.room_id, call.fan.user_id)
            assert await line.refusal() == ("monetization_unavailable", 1013)


async def test_the_picture_stops_when_the_vouching_server_is_stopped(tmp_path: Path) -> None:
    clip = media_files(width=320, height=180, frames_per_s=15)
    async with two_servers(tmp_path) as pair, AsyncExitStack() as stack:
        call = await pair.vouched_call()

        async def peer(person: Person) -> SwarmPeer:
            joining = SwarmPeer.join(
                pair.server.url,
                call.room_id,
                person.user_id,
                bearer=person.token,
                video=clip.vp8,
                audio=clip.opus,
                options=["--slots", "1"],
            )
            return await stack.enter_async_context(joining)

        await peer(pair.creator)
        watching = await peer(pair.fan)
        await watching.wait_for("first_video_packet")
        pair.money.signal(signal.SIGSTOP)
        stopped_s = time.monotonic()
        try:
            ended = await watching.wait_for("terminate", timeout_s=20)
        finally:
            pair.money.signal(signal.SIGCONT)
        assert ended["reason"] == "PAYMENT_FAILED"
        assert VALIDITY_S - POLL_EVERY_S - 1 <= time.monotonic() - stopped_s <= VALIDITY_S + 3


async def test_the_other_server_is_asked_over_mutual_tls(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    (server_cert, server_key), (our_cert, our_key) = pki.issue("127.0.0.1"), pki.issue("rooms")
    theirs = {
        "CURTAINCALL_GRPC__TLS_CERT": str(server_cert),
        "CURTAINCALL_GRPC__TLS_KEY": str(server_key),
        "CURTAINCALL_GRPC__CLIENT_CA": str(pki.authority),
    }
    async with Server(tmp_path / "money", environment=theirs, arguments=(), subcommand=ALONE) as money:
        trusting = {
            **asking(money.grpc_address, token=""),
            "CURTAINCALL_MONETIZATION__TLS": "true",
            "CURTAINCALL_MONETIZATION__TLS_CA": str(pki.authority),
        }
        certified = {
            "CURTAINCALL_MONETIZATION__TLS_CERT": str(our_cert),
            "CURTAINCALL_MONETIZATION__TLS_KEY": str(our_key),
        }
        refusals = []
        for number, environment in enumerate(({**trusting, **certified}, trusting)):
            async with Server(tmp_path / f"rooms-{number}", environment=environment) as server:
                call = await accepted_call(server)
                async with call.line(call.fan) as line:
                    await line.join(call.room_id, call.fan.user_id)
                    refusals.append(await line.refusal())
    # With a certificate we are answered (that it knows of no payment), without one we are not.
    assert refusals == [("payment_required", 4402), ("monetization_unavailable", 1013)]
