"""`POST /api/rtc/terminate-stream` says who asked: what a call costs depends on it."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import AsyncMock

import httpx
import pytest
from fastapi import FastAPI

from curtaincall.accounts.model import Role
from curtaincall.charging.model import EndReason
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.transports.authentication import Authenticator
from curtaincall.transports.rest import problems, rtc
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.services import Services
from support.platform_world import PlatformWorld


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[PlatformWorld]:
    world = PlatformWorld.open(tmp_path, database_url)
    yield world
    await world.close()


async def test_a_users_own_request_is_told_from_a_services(world: PlatformWorld) -> None:
    enforcement = AsyncMock(spec=PaymentEnforcementService)
    app = FastAPI()
    problems.install(app)
    services = cast(Services, SimpleNamespace(enforcement=enforcement))
    app.include_router(rtc.router(services, Identity(Authenticator(world.accounts, ()))))
    body = {"roomId": "room", "userId": "ann", "reason": "PAYMENT_FAILED"}
    tokens = [world.tokens.access("ann", Role.FAN, "session", 60), world.tokens.service("site", 60)]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://call.example") as client:
        for token in tokens:
            answer = await client.post(
                "/api/rtc/terminate-stream", json=body, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.json() == {"success": True}
    asked = [(call.args, call.kwargs["asked_by"]) for call in enforcement.handle_payment_failure.await_args_list]
    cut = ("room", "ann", EndReason.PAYMENT_FAILED)
    assert asked == [(cut, "ann"), (cut, None)]
