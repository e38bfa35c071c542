"""The line between a control plane and its media nodes: broken, mended, taken over, lost, drained, abused.

Nodes run in the test's process, so that a test can hang up on one without ending it.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from curtaincall.kernel.clock import SystemClock
from curtaincall.media import node as node_module
from curtaincall.media import node_link
from curtaincall.media.channel import drain, open_channel, report_of
from curtaincall.media.placement import PlacedEngine
from curtaincall.media.ports import Grant, LeaseEnd, LeaseEnded, MediaError, MediaEvent, OpenLease, OpenSeat, RoomLost
from curtaincall.media.v1 import media_node_pb2 as pb
from curtaincall.media.v1.media_node_pb2_grpc import MediaNodeServiceStub
from curtaincall.settings import ClientTls, MediaNodeSettings
from curtaincall.transports.grpc.server import PortUnavailable
from support.media_nodes import NodeHere
from support.pki import Pki
from support.waiting import PATIENCE_S, until

ROOM, LEASE, FAN, STAR = "room", "lease", "fan", "star"
NO_TLS = ClientTls()

E = TypeVar("E", bound=MediaEvent)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeHere]:
    async with NodeHere(tmp_path / "node.sock") as node:
        yield node


def control_plane(*nodes: NodeHere) -> PlacedEngine:
    return PlacedEngine([node.address for node in nodes], NO_TLS, SystemClock())


@pytest.fixture
async def engine(node: NodeHere) -> AsyncIterator[PlacedEngine]:
    engine = control_plane(node)
    await engine.all_lines()
    yield engine
    await engine.close()


async def open_call(engine: PlacedEngine, room: str = ROOM) -> None:
    await engine.open_room(room)
    await engine.open_lease(OpenLease(room, LEASE, payer_id=FAN, payee_id=STAR))
    for user in (FAN, STAR):
        await engine.open_seat(OpenSeat(room, user, LEASE))


class Reader:
    """Reads the events of an engine, and acknowledges each."""

    def __init__(self, engine: PlacedEngine) -> None:
        self._engine = engine
        self._last = 0

    async def next(self, kind: type[E]) -> E:
        """The next event of a kind; others are skipped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = (await self._engine.events(self._last, 1))[0]
                self._last = event.number
                self._engine.acknowledge(event.number)
                if isinstance(event, kind):
                    return event


# ---- a broken line --------------------------------------------------------------------------------------------------


async def test_what_happens_while_the_line_is_broken_is_told_when_it_is_back(
    node: NodeHere, engine: PlacedEngine
) -> None:
    reader = Reader(engine)
    await open_call(engine)
    await node.hang_up()
    engine.close_lease(ROOM, LEASE)
    await node.pick_up()
    assert (await reader.next(LeaseEnded)).cause is LeaseEnd.CLOSED
    await open_call(engine, "fence")
    engine.close_lease("fence", LEASE)
    assert (await reader.next(LeaseEnded)).room_id == "fence", "nothing was lost, and nothing told twice"


async def test_a_grant_does_not_wait_for_the_line(node: NodeHere, engine: PlacedEngine) -> None:
    reader = Reader(engine)
    await open_call(engine)
    engine.grant(Grant(ROOM, LEASE, 1, 1, None, lease_ms=300))
    assert (await reader.next(LeaseEnded)).cause is LeaseEnd.LAPSED
    await node.hang_up()
    await until(lambda: _is(not engine.on_the_line))
    engine.grant(Grant(ROOM, LEASE, 1, 2, None, lease_ms=60_000))
    await node.pick_up()
    await engine.all_lines()
    engine.grant(Grant(ROOM, LEASE, 1, 2, None, lease_ms=300))
    assert (await reader.next(LeaseEnded)).cause is LeaseEnd.LAPSED, "the long one was never carried out"


async def test_a_lease_lapses_though_nobody_is_on_the_line(node: NodeHere, engine: PlacedEngine) -> None:
    reader = Reader(engine)
    await open_call(engine)
    before_us = SystemClock().monotonic_us()
    engine.grant(Grant(ROOM, LEASE, 1, 1, None, lease_ms=400))
    await engine.open_room(ROOM)  # everything before it has been carried out
    await node.hang_up()
    await until(lambda: _is(SystemClock().monotonic_us() - before_us > 600_000))
    await node.pick_up()
    ended = await reader.next(LeaseEnded)
    assert ended.cause is LeaseEnd.LAPSED
    assert 400_000 <= ended.deadline_us - before_us < 600_000, "the clock is the same, and was not stopped"


async def test_what_is_asked_while_the_line_is_broken_is_answered_later(node: NodeHere, engine: PlacedEngine) -> None:
    await open_call(engine)
    await node.hang_up()
    asked = asyncio.create_task(engine.open_seat(OpenSeat(ROOM, "ann", LEASE)))
    await until(lambda: _is(not engine.on_the_line))
    await node.pick_up()
    async with asyncio.timeout(PATIENCE_S):
        await asked


async def test_a_command_is_carried_out_once(node: NodeHere) -> None:
    line = await node.node.attach(pb.Hello(control_epoch=5))
    opening = pb.Command(seq=1, open_room=pb.OpenRoom(room_id=ROOM))
    closing = pb.Command(seq=2, close_room=pb.CloseRoom(room_id=ROOM))
    await node.node.take(line, pb.Commands(commands=[opening, closing]))
    await node.node.take(line, pb.Commands(commands=[opening]))
    assert node.node.status().rooms == 0
    again = await node.node.attach(pb.Hello(control_epoch=5, waiting_seqs=[1, 2, 3]))
    told = await again.next()
    assert again.attached.taken_seq == 2
    assert told is not None
    assert [outcome.seq for outcome in told.outcomes] == [1, 2]


# ---- another control plane, another node ----------------------------------------------------------------------------


async def test_a_control_plane_that_starts_anew_finds_the_node_empty(node: NodeHere, engine: PlacedEngine) -> None:
    await open_call(engine)
    engine.grant(Grant(ROOM, LEASE, 1, 1, None, lease_ms=60_000))
    reader = Reader(engine)
    second = control_plane(node)
    try:
        await second.all_lines()
        assert node.node.status().rooms == 0
        ended = await reader.next(LeaseEnded)
        assert (ended.room_id, ended.cause) == (ROOM, LeaseEnd.CLOSED)
        assert (await reader.next(RoomLost)).room_id == ROOM
        with pytest.raises(MediaError) as refusal:
            await engine.open_room(ROOM)
        assert refusal.value.refusal == "media_unavailable", "the first does not take it back"
        await open_call(second)
        second.close_lease(ROOM, LEASE)
        assert (await Reader(second).next(LeaseEnded)).room_id == ROOM
    finally:
        await second.close()


async def test_a_node_that_died_ends_its_leases_and_its_rooms_are_placed_anew(tmp_path: Path) -> None:
    async with NodeHere(tmp_path / "node.sock") as first:
        engine = control_plane(first)
        reader = Reader(engine)
        await open_call(engine)
    with pytest.raises(MediaError) as refusal:
        async with asyncio.timeout(PATIENCE_S):
            await engine.offer(ROOM, FAN, "v=0\r\n")
    assert refusal.value.refusal == "media_unavailable"
    async with NodeHere(tmp_path / "node.sock"):
        ended = await reader.next(LeaseEnded)
        assert (ended.room_id, ended.lease_id, ended.cause) == (ROOM, LEASE, LeaseEnd.CLOSED)
        assert (await reader.next(RoomLost)).room_id == ROOM
        with pytest.raises(MediaError) as refused:
            await engine.open_seat(OpenSeat(ROOM, FAN, LEASE))
        assert refused.value.refusal == "media_unavailable", "refused until it is placed"
        await open_call(engine)
        engine.close_lease(ROOM, LEASE)
        assert (await reader.next(LeaseEnded)).cause is LeaseEnd.CLOSED
        await engine.close()


async def test_a_node_that_was_started_anew_is_found_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_link, "LOST_AFTER_S", 3_600.0)
    async with NodeHere(tmp_path / "node.sock") as first:
        engine = control_plane(first)
        reader = Reader(engine)
        await open_call(engine)
    async with NodeHere(tmp_path / "node.sock"):
        assert (await reader.next(RoomLost)).room_id == ROOM
        await open_call(engine)
        await engine.close()


async def test_a_node_that_was_away_for_too_long_comes_back_empty(
    node: NodeHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_link, "LOST_AFTER_S", 0.3)
    engine = control_plane(node)
    reader = Reader(engine)
    await open_call(engine)
    await node.hang_up()
    assert (await reader.next(RoomLost)).room_id == ROOM
    assert node.node.status().rooms == 1, "it cannot know"
    await node.pick_up()
    await engine.all_lines()
    assert node.node.status().rooms == 0
    await open_call(engine)
    engine.close_lease(ROOM, LEASE)
    assert (await reader.next(LeaseEnded)).cause is LeaseEnd.CLOSED
    await engine.close()


async def test_a_node_without_a_control_plane_closes_its_rooms_in_the_end(
    node: NodeHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "ABANDONED_AFTER_S", 0.05)
    line = await node.node.attach(pb.Hello(control_epoch=5))
    opening = pb.Command(seq=1, open_room=pb.OpenRoom(room_id=ROOM))
    await node.node.take(line, pb.Commands(commands=[opening]))
    node.node.detach(line)
    await until(lambda: _is(node.node.status().rooms == 0))


# ---- several nodes --------------------------------------------------------------------------------------------------


async def test_rooms_are_spread_and_a_dead_node_takes_its_own_with_it_only(tmp_path: Path) -> None:
    async with NodeHere(tmp_path / "one.sock") as one:
        async with NodeHere(tmp_path / "two.sock") as two:
            engine = control_plane(one, two)
            reader = Reader(engine)
            await engine.all_lines()
            for number in range(6):
                await open_call(engine, f"room{number}")
            assert (one.node.status().rooms, two.node.status().rooms) == (3, 3)
        lost = {(await reader.next(RoomLost)).room_id for _ in range(3)}
        assert len(lost) == 3
        for room in lost:
            await open_call(engine, room)
        assert one.node.status().rooms == 6
        await engine.close()


async def test_a_drained_node_keeps_its_rooms_and_takes_no_new_ones(tmp_path: Path) -> None:
    async with NodeHere(tmp_path / "one.sock") as one, NodeHere(tmp_path / "two.sock") as two:
        engine = control_plane(one, two)
        await engine.all_lines()
        await open_call(engine, "first")
        old = one if one.node.status().rooms else two
        new = two if old is one else one
        await drain(old.address, NO_TLS, draining=True)
        for number in range(3):
            await open_call(engine, f"room{number}")
        await open_call(engine, "first")
        assert (old.node.status().rooms, new.node.status().rooms) == (1, 3)
        await drain(new.address, NO_TLS, draining=True)
        with pytest.raises(MediaError) as refusal:
            await engine.open_room("late")
        assert refusal.value.refusal in ("media_overloaded", "media_unavailable")
        await engine.close_room("first")
        report = await report_of(old.address, NO_TLS)
        assert (report.draining, report.rooms, report.attached) == (True, 0, True)
        await drain(old.address, NO_TLS, draining=False)
        await until(lambda: _opens(engine, "late"))
        await engine.close()


async def test_without_any_node_rooms_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curtaincall.media.placement.FIRST_LINE_S", 0.1)
    engine = PlacedEngine([f"unix:{tmp_path / 'nobody.sock'}"], NO_TLS, SystemClock())
    with pytest.raises(MediaError) as refusal:
        await engine.open_room(ROOM)
    assert refusal.value.refusal == "media_unavailable"
    await engine.close()


# ---- who is at the socket -------------------------------------------------------------------------------------------


async def test_only_its_owner_may_open_the_socket_and_a_second_node_is_refused(tmp_path: Path, node: NodeHere) -> None:
    assert stat.S_IMODE((tmp_path / "node.sock").stat().st_mode) == 0o600
    second = NodeHere(tmp_path / "node.sock")
    with pytest.raises(PortUnavailable):
        await second.pick_up()
    await second.node.close()


async def test_rubbish_on_the_socket_harms_nobody(tmp_path: Path, node: NodeHere, engine: PlacedEngine) -> None:
    await open_call(engine)
    for rubbish in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(4096),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(4096),
    ):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "node.sock")
        writer.write(rubbish)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE_S):
            await reader.read()
        writer.close()
    async with open_channel(node.address, NO_TLS) as channel:
        stub: Any = MediaNodeServiceStub(channel)
        for first in (pb.AttachRequest(), pb.AttachRequest(commands=pb.Commands())):
            assert await _refused(stub, first) is grpc.StatusCode.INVALID_ARGUMENT
        for epoch in (0, 1):
            hello = pb.AttachRequest(hello=pb.Hello(control_epoch=epoch))
            assert await _refused(stub, hello) is grpc.StatusCode.FAILED_PRECONDITION
        broken = channel.unary_unary("/curtaincall.media.v1.MediaNodeService/GetStatus")
        with pytest.raises(grpc.aio.AioRpcError):
            await broken(b"\xff\xff\xff", timeout=PATIENCE_S)
    await open_call(engine, "still")


async def test_absurd_commands_of_a_control_plane_are_refused_or_cut_down(node: NodeHere) -> None:
    line = await node.node.attach(pb.Hello(control_epoch=5))
    most = (1 << 64) - 1
    commands = [
        pb.Command(seq=1, open_room=pb.OpenRoom(room_id=ROOM)),
        pb.Command(seq=2, open_lease=pb.OpenLease(room_id=ROOM, lease_id=LEASE)),
        pb.Command(seq=3, grant=pb.Grant(room_id=ROOM, lease_id=LEASE, epoch=most, granted_ms=most, lease_ms=most)),
        pb.Command(seq=4, offer=pb.Offer(room_id="x" * 100_000, user_id="\0", sdp="\0" * 100_000)),
        pb.Command(seq=5),
        pb.Command(seq=6, close_lease=pb.CloseLease(room_id=ROOM, lease_id=LEASE)),
    ]
    await node.node.take(line, pb.Commands(commands=commands, acknowledged_number=most))
    refused: dict[int, str] = {}
    while set(refused) != {4, 5}:
        told = await line.next()
        if told is not None:
            refused |= {each.seq: each.refusal.code for each in told.outcomes if each.HasField("refusal")}
    assert refused == {4: "seat_unknown", 5: "media_unavailable"}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki") / "ours")


async def test_over_tcp_only_a_certificate_of_the_authority_is_let_in(tmp_path: Path, pki: Pki) -> None:
    certificate, key = pki.issue("127.0.0.1")
    ours = ClientTls(ca=pki.authority, cert=(mine := pki.issue("control"))[0], key=mine[1])
    stranger = Pki(tmp_path / "strangers")
    theirs = stranger.issue("control")
    settings = MediaNodeSettings(address="127.0.0.1:0", tls_cert=certificate, tls_key=key, client_ca=pki.authority)
    async with NodeHere(tmp_path / "unused", settings=settings) as node:
        async with grpc.aio.insecure_channel(node.address) as plain:
            with pytest.raises(grpc.aio.AioRpcError):
                await MediaNodeServiceStub(plain).GetStatus(pb.GetStatusRequest(), timeout=PATIENCE_S)
        for bad in (ClientTls(ca=pki.authority), ClientTls(ca=pki.authority, cert=theirs[0], key=theirs[1])):
            with pytest.raises(MediaError):
                await report_of(node.address, bad)
        with pytest.raises(MediaError):
            await report_of(node.address, ClientTls(ca=stranger.authority, cert=mine[0], key=mine[1]))
        assert not node.node.attached
        engine = PlacedEngine([node.address], ours, SystemClock())
        await open_call(engine)
        engine.close_lease(ROOM, LEASE)
        assert (await Reader(engine).next(LeaseEnded)).cause is LeaseEnd.CLOSED
        assert (await report_of(node.address, ours)).rooms == 1
        await engine.close()


@pytest.mark.parametrize("address", ["0.0.0.0:4000", "nodes", "unix:", "host:port"])
def test_an_address_without_mutual_tls_or_sense_is_refused(address: str) -> None:
    with pytest.raises(ValueError):
        MediaNodeSettings(address=address)


async def _refused(stub: Any, first: pb.AttachRequest) -> grpc.StatusCode:
    call = stub.Attach(timeout=PATIENCE_S)
    await call.write(first)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call.read()
    return refusal.value.code()


async def _is(fact: bool) -> bool:
    return fact


async def _opens(engine: PlacedEngine, room: str) -> bool:
    try:
        await engine.open_room(room)
    except MediaError:
        return False
    return True
