"""A money side of one's own for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.money_world import MoneyWorld


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[MoneyWorld]:
    world = MoneyWorld.open(tmp_path, database_url)
    yield world
    await world.close()
