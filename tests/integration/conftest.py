"""One server for all tests that do not change how it runs; each test has people and rooms of its own.

Tests that use it run in the session's event loop: `pytestmark = pytest.mark.asyncio(loop_scope="session")`.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.server import Server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strict_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server as an operator runs it: no demo, so rate limits hold and there is no sandbox."""
    async with Server(tmp_path_factory.mktemp("strict"), arguments=()) as server:
        yield server
