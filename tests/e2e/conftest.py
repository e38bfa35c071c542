"""A real server of each test's own, and people at real browsers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Playwright, async_playwright

from support.browser import PHONE, Visitor, browser_at
from support.server import Server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server(tmp_path / "server") as server:
        yield server


@pytest.fixture
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest.fixture
async def at_fan(playwright: Playwright, server: Server) -> AsyncIterator[Visitor]:
    """The fan's browser, of the size of a phone. At the end no page may have complained."""
    async with browser_at(playwright, server.url, PHONE) as visitor:
        yield visitor
        assert visitor.complaints == []


@pytest.fixture
async def at_creator(playwright: Playwright, server: Server) -> AsyncIterator[Visitor]:
    """The creator's browser, on a desktop."""
    async with browser_at(playwright, server.url) as visitor:
        yield visitor
        assert visitor.complaints == []
