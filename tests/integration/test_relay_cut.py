"""A cut through the relay: nothing waits in it for a lease that has ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiortc import RTCIceServer

from curtaincall.media.embedded import EmbeddedEngine
from curtaincall.media.ports import Grant, OpenLease, OpenSeat
from curtaincall.media.relay import credentials
from support.coturn import Coturn
from support.engine_peer import EnginePeer

ROOM, LEASE, FAN, STAR = "room", "lease", "fan", "star"
UNDER_WAY_S = 0.15
"""What was sent before a cut passes two processes, and is decoded, on a busy machine."""


@pytest.fixture
async def engine() -> AsyncIterator[EmbeddedEngine]:
    engine = EmbeddedEngine(bind_ip="127.0.0.1", public_ips=["127.0.0.1"], base_port=0, shards=1, max_seats_per_room=20)
    await engine.open_room(ROOM)
    await engine.open_lease(OpenLease(ROOM, LEASE, payer_id=FAN, payee_id=STAR))
    for user in (FAN, STAR):
        await engine.open_seat(OpenSeat(ROOM, user, LEASE, may_publish=True))
    yield engine
    await engine.close()


@pytest.mark.parametrize("carrier", ["udp", "tcp"])
async def test_media_through_the_relay_ends_with_its_lease(
    engine: EmbeddedEngine, tmp_path: Path, carrier: str
) -> None:
    async with Coturn(tmp_path / "coturn") as coturn:
        mine = credentials(coturn.secret, FAN, int(time.time()), 600)
        relay = RTCIceServer(coturn.url(carrier), username=mine.username, credential=mine.password)
        engine.grant(Grant(ROOM, LEASE, epoch=1, seq=1, granted_ms=60_000, lease_ms=60_000))
        async with EnginePeer(engine, ROOM, FAN, relay=relay) as fan, EnginePeer(engine, ROOM, STAR) as star:
            await asyncio.gather(fan.received(), star.received())
            engine.revoke(ROOM, LEASE)
            revoked_at = time.monotonic()
            await star.sent(60)
            assert fan.last_frame_at - revoked_at < UNDER_WAY_S
