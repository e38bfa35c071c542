"""A payments world on either database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.payments_world import PaymentsWorld


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[PaymentsWorld]:
    world = PaymentsWorld.open(tmp_path, database_url)
    yield world
    await world.close()
