"""Waiting for what a server does by itself and tells nobody over the API."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE_S: Final = 20
"""How long anything may take; the slowest is a dispute of the sandbox, which comes after five seconds."""


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until it holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  (what is looked at tells nobody when it changes)
            await asyncio.sleep(0.05)
