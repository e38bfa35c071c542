"""A platform of one's own for every test, on virtual time, with a gateway that can be told what to answer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.subscription_world import SubscriptionWorld


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[SubscriptionWorld]:
    world = SubscriptionWorld.open(tmp_path, database_url)
    assert isinstance(world, SubscriptionWorld)
    yield world
    await world.close()
