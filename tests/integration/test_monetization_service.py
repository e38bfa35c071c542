"""The Monetization Service of a real server, by a real client: who may call, what is answered, what is refused."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from curtaincall.monetization.v1 import monetization_pb2 as pb
from curtaincall.transports.grpc.guard import MAX_HEALTH_WATCHERS
from support.monetization import Client, Refusal, stream_refusal
from support.people import Person
from support.pki import Pki
from support.postgres import Cluster
from support.server import Server
from support.signaling import Signaling

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICE = "curtaincall.monetization.v1.MonetizationService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
STATUS = grpc.StatusCode


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.grpc_address, server.people.service_token) as client:
        yield client


def unused() -> str:
    return uuid.uuid4().hex


def begin(fan: Person, creator: Person, **fields: object) -> pb.AuthorizeRequest:
    ids = {"session_id": unused(), "room_id": unused(), "payer_id": fan.user_id, "payee_id": creator.user_id}
    return pb.AuthorizeRequest(**{**ids, **fields})


async def pair(server: Server, balance_minor: int = 1_000) -> tuple[Person, Person]:
    return await server.people.fan(balance_minor=balance_minor), await server.people.creator()


# ---- who may ask ----------------------------------------------------------------------------------------------------


async def test_nothing_but_health_is_answered_without_a_service_token(server: Server) -> None:
    fan = await server.people.fan()
    expected = {
        None: Refusal(STATUS.UNAUTHENTICATED, "not_authenticated"),
        "nonsense": Refusal(STATUS.UNAUTHENTICATED, "not_authenticated"),
        server.people.service_token[:-2] + "xx": Refusal(STATUS.UNAUTHENTICATED, "not_authenticated"),
        fan.token: Refusal(STATUS.PERMISSION_DENIED, "forbidden"),
    }
    requests = {
        "GetPaymentStatus": pb.GetPaymentStatusRequest(room_id="room", user_id=fan.user_id),
        "Authorize": pb.AuthorizeRequest(session_id="s", room_id="room", payer_id=fan.user_id, payee_id="c"),
        "Update": pb.UpdateRequest(session_id="s", request_number=1),
        "Terminate": pb.TerminateRequest(session_id="s", request_number=1, reason=pb.END_REASON_HOST_ENDED),
        "ReportPaymentFailure": pb.ReportPaymentFailureRequest(room_id="room", user_id=fan.user_id),
    }
    for token, refusal in expected.items():
        async with Client(server.grpc_address, token) as client:
            for method, request in requests.items():
                assert await client.refusal(method, request) == refusal, method
            assert await stream_refusal(client.watch("room", fan.user_id)) == refusal
            reflection = reflection_pb2_grpc.ServerReflectionStub(client.channel)
            # Nothing is sent: a client that writes into a call that is being refused reports its own trouble instead.
            assert await stream_refusal(reflection.ServerReflectionInfo(metadata=client.metadata)) == refusal
            health = health_pb2_grpc.HealthStub(client.channel)
            assert (await health.Check(health_pb2.HealthCheckRequest(service=SERVICE))).status == SERVING


async def test_an_expired_token_is_told_so(server: Server) -> None:
    code, printed = await server.command("token", "--service", "late", "--ttl", "1")
    assert code == 0
    async with Client(server.grpc_address, printed.strip()) as client:
        request = pb.GetPaymentStatusRequest(room_id="room", user_id="ann")
        while True:  # for the second that it is good
            try:
                await client.call("GetPaymentStatus", request)
            except grpc.aio.AioRpcError:
                break
        assert await client.refusal("GetPaymentStatus", request) == Refusal(STATUS.UNAUTHENTICATED, "token_expired")


async def test_the_proto_can_be_discovered_by_reflection(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    listed, described = [
        answer async for answer in stub.ServerReflectionInfo(iter(questions), metadata=client.metadata)
    ]
    assert {service.name for service in listed.list_services_response.service} == {
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    file = FileDescriptorProto.FromString(described.file_descriptor_response.file_descriptor_proto[0])
    assert [method.name for method in file.service[0].method] == [
        "GetPaymentStatus",
        "WatchPaymentStatus",
        "Authorize",
        "Update",
        "Terminate",
        "ReportPaymentFailure",
    ]


async def test_mutual_tls_lets_in_who_has_a_certificate_of_ours(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    server_pair, client_pair = pki.issue("127.0.0.1"), pki.issue("conference-system")
    environment = {
        "CURTAINCALL_GRPC__TLS_CERT": str(server_pair[0]),
        "CURTAINCALL_GRPC__TLS_KEY": str(server_pair[1]),
        "CURTAINCALL_GRPC__CLIENT_CA": str(pki.authority),
    }
    alone = ("monetization", "--port", "0")
    async with Server(tmp_path / "data", environment=environment, arguments=(), subcommand=alone) as server:
        certificate, key = (path.read_bytes() for path in client_pair)
        ours = grpc.ssl_channel_credentials(pki.authority.read_bytes(), key, certificate)
        async with Client(server.grpc_address, credentials=ours) as client:
            assert (await client.status("room", "ann")).state == pb.PAYMENT_STATE_UNKNOWN
        theirs = grpc.ssl_channel_credentials(pki.authority.read_bytes())
        for credentials in (theirs, None):
            async with Client(server.grpc_address, server.people.service_token, credentials) as client:
                request = pb.GetPaymentStatusRequest(room_id="room", user_id="ann")
                assert (await client.refusal("GetPaymentStatus", request)).status is STATUS.UNAVAILABLE


# ---- credit ---------------------------------------------------------------------------------------------------------


async def test_a_session_of_an_outside_system_from_first_hold_to_settlement(server: Server, client: Client) -> None:
    fan, creator = await pair(server)
    first = begin(fan, creator)
    session_id, room_id = first.session_id, first.room_id
    begun = await client.call("Authorize", first)
    assert begun.result_code == pb.RESULT_CODE_SUCCESS == 2001
    assert (begun.grant.granted_ms, begun.grant.validity_ms) == (60_000, 60_000)
    assert (begun.price_per_minute_minor, begun.currency) == (300, "EUR")
    assert (await server.people.wallet(fan))["heldMinor"] == 300
    for seat in (fan, creator):
        status = await client.status(room_id, seat.user_id)
        assert (status.state, status.granted_ms) == (pb.PAYMENT_STATE_PAID, 60_000)
        assert status.HasField("paid_until_unix_ms")
    more = await client.call("Update", pb.UpdateRequest(session_id=session_id, request_number=1, used_ms=50_000))
    assert (more.grant.granted_ms, more.grant.used_ms) == (90_000, 50_000)
    over = await client.call(
        "Terminate",
        pb.TerminateRequest(session_id=session_id, request_number=2, used_ms=80_000, reason=pb.END_REASON_PAYER_ENDED),
    )
    assert (over.charged_minor, over.fee_minor, over.creator_minor, over.currency) == (400, 80, 320, "EUR")
    assert await server.people.wallet(fan) == {
        "currency": "EUR",
        "balanceMinor": 600,
        "heldMinor": 0,
        "availableMinor": 600,
    }
    assert (await client.status(room_id, fan.user_id)).state == pb.PAYMENT_STATE_EXPIRED
    rows = server.query(
        "SELECT kind, sum(amount_minor) FROM ledger_transfers WHERE ref = ? GROUP BY kind ORDER BY kind", session_id
    )
    assert ("post", 400) in rows


async def test_a_replayed_request_gets_the_same_answer_and_moves_nothing(server: Server, client: Client) -> None:
    fan, creator = await pair(server)
    first = begin(fan, creator)
    update = pb.UpdateRequest(session_id=first.session_id, request_number=1, used_ms=55_000)
    for method, request in (("Authorize", first), ("Update", update)):
        answer = await client.call(method, request)
        moved = server.query("SELECT count(*) FROM ledger_transfers WHERE ref = ?", first.session_id)
        replays = await asyncio.gather(*(client.call(method, request) for _ in range(5)))
        assert replays == [answer] * 5
        assert server.query("SELECT count(*) FROM ledger_transfers WHERE ref = ?", first.session_id) == moved
    update.used_ms = 56_000
    assert await client.refusal("Update", update) == Refusal(STATUS.ALREADY_EXISTS, "idempotency_conflict")
    first.payer_id = creator.user_id
    first.payee_id = fan.user_id
    assert await client.refusal("Authorize", first) == Refusal(STATUS.ALREADY_EXISTS, "idempotency_conflict")


async def test_what_is_out_of_order_out_of_bounds_or_unknown_is_refused_each_by_its_code(
    server: Server, client: Client
) -> None:
    fan, creator = await pair(server)
    first = begin(fan, creator)
    await client.call("Authorize", first)
    session_id = first.session_id
    refused = [
        (
            "Update",
            pb.UpdateRequest(session_id=session_id, request_number=3, used_ms=1),
            STATUS.FAILED_PRECONDITION,
            "request_out_of_order",
        ),
        ("Update", pb.UpdateRequest(session_id=session_id, request_number=1, used_ms=-1), None, "units_invalid"),
        ("Update", pb.UpdateRequest(session_id=session_id, request_number=1, used_ms=2**63 - 1), None, "units_invalid"),
        (
            "Terminate",
            pb.TerminateRequest(
                session_id=session_id, request_number=1, used_ms=-(2**63), reason=pb.END_REASON_HOST_ENDED
            ),
            None,
            "units_invalid",
        ),
        ("Terminate", pb.TerminateRequest(session_id=session_id, request_number=1), None, "invalid_request"),
        ("Authorize", begin(fan, creator, requested_ms=2**62), None, "units_invalid"),
        ("Authorize", begin(fan, creator, session_id="no spaces"), None, "invalid_request"),
        ("Authorize", begin(fan, creator, room_id="x" * 65), None, "invalid_request"),
        ("Authorize", begin(fan, creator, payer_id=""), None, "invalid_request"),
        ("GetPaymentStatus", pb.GetPaymentStatusRequest(room_id="\x00", user_id="ann"), None, "invalid_request"),
        ("Authorize", begin(fan, fan), STATUS.ALREADY_EXISTS, "session_conflict"),
        (
            "Update",
            pb.UpdateRequest(session_id="never-was", request_number=1),
            STATUS.NOT_FOUND,
            "session_unknown",
        ),
        (
            "ReportPaymentFailure",
            pb.ReportPaymentFailureRequest(room_id="x", user_id="y"),
            STATUS.NOT_FOUND,
            "seat_not_found",
        ),
    ]
    for method, request, status, code in refused:
        assert await client.refusal(method, request) == Refusal(status or STATUS.INVALID_ARGUMENT, code), request
    huge = pb.GetPaymentStatusRequest(room_id="x" * 100_000, user_id="ann")
    assert (await client.refusal("GetPaymentStatus", huge)).status is STATUS.RESOURCE_EXHAUSTED
    # And none of it has touched the session.
    over = pb.TerminateRequest(session_id=session_id, request_number=1, reason=pb.END_REASON_HOST_ENDED)
    assert (await client.call("Terminate", over)).charged_minor == 0


async def test_one_services_session_is_unknown_to_another(server: Server, client: Client) -> None:
    fan, creator = await pair(server)
    first = begin(fan, creator)
    await client.call("Authorize", first)
    _, printed = await server.command("token", "--service", "stranger")
    async with Client(server.grpc_address, printed.strip()) as stranger:
        for method, request in (
            ("Update", pb.UpdateRequest(session_id=first.session_id, request_number=1)),
            (
                "Terminate",
                pb.TerminateRequest(session_id=first.session_id, request_number=1, reason=pb.END_REASON_HOST_ENDED),
            ),
        ):
            assert await stranger.refusal(method, request) == Refusal(STATUS.NOT_FOUND, "session_unknown")
        assert await stranger.refusal("Authorize", first) == Refusal(STATUS.ALREADY_EXISTS, "session_conflict")


async def test_nobody_is_made_to_pay_whoever_blocked_them(server: Server, client: Client) -> None:
    fan, creator = await pair(server)
    answer = await server.people.http.post("/api/blocks", json={"userId": fan.user_id}, headers=creator.bearer)
    assert answer.is_success, answer.text
    refusal = await client.refusal("Authorize", begin(fan, creator))
    assert refusal == Refusal(STATUS.PERMISSION_DENIED, "blocked")


async def test_an_empty_wallet_reaches_its_limit(server: Server, client: Client) -> None:
    fan, creator = await pair(server, balance_minor=0)
    refused = await client.call("Authorize", begin(fan, creator))
    assert refused.result_code == pb.RESULT_CODE_CREDIT_LIMIT_REACHED == 4012
    assert not refused.HasField("grant")
    await server.people.top_up(fan, 300)
    first = begin(fan, creator)
    granted = await client.call("Authorize", first)
    assert granted.grant.final_unit_action == pb.FINAL_UNIT_ACTION_TERMINATE
    update = pb.UpdateRequest(session_id=first.session_id, request_number=1, used_ms=58_000)
    last = await client.call("Update", update)
    assert (last.result_code, last.grant.granted_ms) == (pb.RESULT_CODE_CREDIT_LIMIT_REACHED, 60_000)


# ---- the state of seats ---------------------------------------------------------------------------------------------


async def test_a_call_of_our_own_is_watched_until_a_reported_failure_cuts_it(server: Server, client: Client) -> None:
    people = server.people
    fan, creator = await pair(server)
    call = await people.request_call(fan, creator)
    room_id = call["roomId"]
    told = aiter(client.watch(room_id, fan.user_id))
    assert (await anext(told)).status.state == pb.PAYMENT_STATE_UNKNOWN
    await people.accept_call(creator, call["callId"])
    assert (await anext(told)).status.state == pb.PAYMENT_STATE_PAID
    async with Signaling(server.url, headers=fan.bearer) as caller:
        await caller.join(room_id, fan.user_id)
        await caller.wait_for("JOINED")
        await client.fail(room_id, fan.user_id)
        assert (await caller.wait_for("TERMINATE_CALL"))["reason"] == "PAYMENT_FAILED"
    assert [message.status.state async for message in told][-1] == pb.PAYMENT_STATE_FAILED
    await client.fail(room_id, fan.user_id)  # again: nothing more happens
    assert (await client.status(room_id, fan.user_id)).state == pb.PAYMENT_STATE_FAILED
    eve = await people.fan()
    assert (await client.status(room_id, eve.user_id)).state == pb.PAYMENT_STATE_UNKNOWN


async def test_a_deadline_is_kept_and_a_stream_ends_with_it(server: Server, client: Client) -> None:
    request = pb.WatchPaymentStatusRequest(room_id=unused(), user_id="ann")
    stream = client.stub.WatchPaymentStatus(request, timeout=0.5, metadata=client.metadata)
    assert (await stream.read()).status.state == pb.PAYMENT_STATE_UNKNOWN
    assert (await stream_refusal(stream)).status is STATUS.DEADLINE_EXCEEDED


# ---- the server's life ----------------------------------------------------------------------------------------------


async def test_alone_it_serves_the_same_data_and_settles_who_falls_silent(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        fan, creator = await pair(server)
    alone = ("monetization", "--port", "0")
    environment = {"CURTAINCALL_GRPC__VALIDITY_S": "5"}
    async with Server(tmp_path, environment=environment, arguments=(), subcommand=alone) as server:
        code, printed = await server.command("serve", "--port", "0")
        assert (code, "Another server" in printed) == (1, True)
        async with Client(server.grpc_address, server.people.service_token) as client:
            first = begin(fan, creator)
            await client.call("Authorize", first)
            await client.call("Update", pb.UpdateRequest(session_id=first.session_id, request_number=1, used_ms=20_000))
            stream = client.watch(first.room_id, fan.user_id)
            told = [message.status async for message in stream]
            assert (told[0].state, told[-1].state) == (pb.PAYMENT_STATE_PAID, pb.PAYMENT_STATE_EXPIRED)
            assert told[-1].used_ms == 20_000
            late = pb.UpdateRequest(session_id=first.session_id, request_number=2, used_ms=30_000)
            assert await client.refusal("Update", late) == Refusal(STATUS.FAILED_PRECONDITION, "room_ended")
        logged = "\n".join(server.log)
        assert server.people.service_token not in logged
        assert server.query("SELECT posted_minor, state FROM paid_sessions") == [(100, "SETTLED")]
        assert await server.stop() == 0
        code, printed = await server.command("ledger", "verify")
        assert code == 0, printed


async def test_a_session_outlives_a_crash_of_the_server(tmp_path: Path) -> None:
    async with Server(tmp_path) as server:
        fan, creator = await pair(server)
        first = begin(fan, creator)
        async with Client(server.grpc_address, server.people.service_token) as client:
            answer = await client.call("Authorize", first)
        await server.kill()
        await server.start()
        async with Client(server.grpc_address, server.people.service_token) as client:
            assert await client.call("Authorize", first) == answer
            update = pb.UpdateRequest(session_id=first.session_id, request_number=1, used_ms=50_000)
            assert (await client.call("Update", update)).grant.granted_ms == 90_000


async def test_health_says_not_serving_once_the_server_stops(tmp_path: Path) -> None:
    async with Server(tmp_path) as server, Client(server.grpc_address) as client:
        health = health_pb2_grpc.HealthStub(client.channel)
        watched = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watched.read()).status == SERVING
        stopping = asyncio.create_task(server.stop())
        assert (await watched.read()).status == NOT_SERVING
        assert await stopping == 0


async def test_who_watches_the_health_takes_no_services_place(server: Server, client: Client) -> None:
    async with Client(server.grpc_address) as anybody:
        health = health_pb2_grpc.HealthStub(anybody.channel)
        watched = [health.Watch(health_pb2.HealthCheckRequest(service=SERVICE)) for _ in range(MAX_HEALTH_WATCHERS)]
        for stream in watched:
            assert (await stream.read()).status == SERVING
        late = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert await stream_refusal(late) == Refusal(STATUS.RESOURCE_EXHAUSTED, "too_many_watchers")
        assert (await client.status("room", "ann")).state == pb.PAYMENT_STATE_UNKNOWN
        for stream in watched:
            stream.cancel()


async def test_a_port_that_was_asked_for_and_is_taken_is_named(tmp_path: Path) -> None:
    async with Server(tmp_path / "first", arguments=(), subcommand=("monetization", "--port", "0")) as first:
        port = first.grpc_address.rpartition(":")[2]
        second = Server(tmp_path / "second", arguments=(), environment={"CURTAINCALL_GRPC__PORT": port})
        with pytest.raises(RuntimeError, match=f"port {port}"):
            await second.start()
        code, printed = await second.command("monetization", "--port", port)
        assert (code, f"port {port}" in printed) == (1, True)
        code, printed = await second.command("doctor")
        assert f"gRPC port {port}/TCP" in printed


async def test_the_usual_port_is_no_reason_for_a_second_server_not_to_start(tmp_path: Path) -> None:
    with socket.socket() as occupied, suppress(OSError):  # it may be taken by somebody else already: as good
        occupied.bind(("127.0.0.1", 50_054))
        occupied.listen()
        async with Server(tmp_path, environment={"CURTAINCALL_GRPC__PORT": None}) as server:
            assert server.grpc_address == ""
            assert any("grpc_port_taken" in line for line in server.log)
            assert (await server.people.http.get("/healthz")).status_code == 200


async def test_on_postgresql_it_works_beside_the_server_on_the_same_rows(tmp_path: Path, postgres: Cluster) -> None:
    url = postgres.fresh()
    environment = {"CURTAINCALL_DATABASE__URL": url}
    alone = Server(tmp_path, environment=environment, arguments=(), subcommand=("monetization", "--port", "0"))
    async with Server(tmp_path, environment=environment) as server, alone:
        fan, creator = await pair(server)
        call = await server.people.request_call(fan, creator)
        async with Client(alone.grpc_address, server.people.service_token) as client:
            watched = aiter(client.watch(call["roomId"], fan.user_id))
            assert (await anext(watched)).status.state == pb.PAYMENT_STATE_UNKNOWN
            await server.people.accept_call(creator, call["callId"])
            assert (await anext(watched)).status.state == pb.PAYMENT_STATE_PAID
            first = begin(fan, creator)
            assert (await client.call("Authorize", first)).grant.granted_ms == 60_000
            assert (await server.people.wallet(fan))["heldMinor"] == 600
            await server.kill()
            await server.start()  # settles its own calls, and not what others meter
            assert (await client.status(call["roomId"], fan.user_id)).state == pb.PAYMENT_STATE_EXPIRED
            update = pb.UpdateRequest(session_id=first.session_id, request_number=1, used_ms=50_000)
            assert (await client.call("Update", update)).grant.granted_ms == 90_000
    postgres.give_back(url)
