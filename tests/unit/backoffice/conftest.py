"""A platform of one's own for every test, on virtual time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.platform_world import PlatformWorld


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[PlatformWorld]:
    world = PlatformWorld.open(tmp_path, database_url)
    yield world
    await world.close()
