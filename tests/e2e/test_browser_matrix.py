"""Browsers and codecs: Chromium with H264 and VP8, Firefox with VP8, and layers that change with what is looked at.

What flows is asked of the browsers' own statistics.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Playwright, ViewportSize

from support.browser import DESKTOP, Network, Visitor, browser_at
from support.firefox import Firefox, firefox
from support.people import Person
from support.pictures import KEEP_CONNECTIONS, flowing, only_codec
from support.server import Server

pytestmark = pytest.mark.browser

PRESS_JOIN = """
async () => {
    // As soon as there is a button to press.
    for (;;) {
        const join = [...document.querySelectorAll('button')].find((button) => button.textContent.trim() === 'Join');
        if (join !== undefined) return join.click();
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}
"""

HEARD = """
async ({ timeoutMs }) => {
    // Waits until audio with any energy in it has come.
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
        const report = await window.connections.at(-1).getStats();
        const heard = [...report.values()].filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
        const energy = Math.max(0, ...heard.map(({ totalAudioEnergy }) => totalAudioEnergy ?? 0));
        if (energy > 0) return energy;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('silence');
}
"""

SMALL = ViewportSize(width=320, height=400)
"""A window in which either of two people has less than 240 lines."""

THROTTLED_BYTES_A_S = 300_000 / 8
"""Too little for the picture in the middle (700 kbit/s), enough for the lowest."""


async def room_of(server: Server, name: str) -> str:
    room = await server.people.conference(name)
    return f"{server.url}/rooms/{room['roomId']}"


@asynccontextmanager
async def at_conference(
    playwright: Playwright, server: Server, link: str, *scripts: str
) -> AsyncIterator[tuple[Visitor, Person]]:
    """Somebody in a conference, at Chromium, whose page runs these scripts first. No page may complain."""
    person = await server.people.fan()
    async with browser_at(playwright, server.url) as visitor:
        for script in (KEEP_CONNECTIONS, *scripts):
            await visitor.page.add_init_script(script)
        await visitor.sign_in(person)
        await visitor.page.goto(link)
        await visitor.page.get_by_role("button", name="Join").click()
        yield visitor, person
        assert visitor.complaints == []


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_chromium_sends_and_receives_either_codec(playwright: Playwright, server: Server, codec: str) -> None:
    link = await room_of(server, f"codec-{codec.lower()}")
    script = only_codec(codec)
    async with (
        at_conference(playwright, server, link, script) as (ann, _),
        at_conference(playwright, server, link, script) as (bob, _),
    ):
        for visitor in (ann, bob):
            page = visitor.page
            assert (await flowing(page.evaluate, "outbound")).codec == f"video/{codec}"
            assert (await flowing(page.evaluate, "inbound")).codec == f"video/{codec}"
            assert await page.evaluate(HEARD, {"timeoutMs": 30_000}) > 0


@pytest.fixture
async def at_firefox(tmp_path: Path) -> AsyncIterator[Firefox]:
    async with firefox(tmp_path / "firefox") as browser:
        yield browser
        assert browser.complaints == []


def own_address() -> str:
    """Where others reach this machine: by the route to an address for documentation, to which nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


@pytest.fixture
async def open_server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that is reached at this machine's own address: Firefox has no media over the loopback interface."""
    async with Server(tmp_path / "server", environment={"CURTAINCALL_MEDIA__PUBLIC_IP": own_address()}) as server:
        yield server


async def test_firefox_and_chromium_see_and_hear_each_other(
    playwright: Playwright, open_server: Server, at_firefox: Firefox
) -> None:
    server = open_server
    link = await room_of(server, "two-browsers")
    person = await server.people.fan()
    await at_firefox.preload(KEEP_CONNECTIONS + only_codec("VP8"))
    await at_firefox.sign_in(person, server.url)
    await at_firefox.goto(link)
    await at_firefox.evaluate(PRESS_JOIN)
    async with at_conference(playwright, server, link, only_codec("VP8")) as (chromium, _):
        for evaluate in (at_firefox.evaluate, chromium.page.evaluate):
            assert (await flowing(evaluate, "outbound")).codec == "video/VP8"
            assert (await flowing(evaluate, "inbound")).codec == "video/VP8"
            assert await evaluate(HEARD, {"timeoutMs": 30_000}) > 0


async def test_the_layer_follows_the_size_of_the_window(playwright: Playwright, server: Server) -> None:
    link = await room_of(server, "windows")
    async with (
        at_conference(playwright, server, link) as (ann, _),
        at_conference(playwright, server, link) as (bob, _),
    ):
        await flowing(ann.page.evaluate, "outbound", min_height=700)
        await flowing(bob.page.evaluate, "inbound", min_height=400)
        await bob.page.set_viewport_size(SMALL)
        await flowing(bob.page.evaluate, "inbound", max_height=300)
        await bob.page.set_viewport_size(DESKTOP)
        await flowing(bob.page.evaluate, "inbound", min_height=400)


async def test_the_layer_follows_what_the_link_carries(playwright: Playwright, server: Server) -> None:
    link = await room_of(server, "links")
    async with (
        at_conference(playwright, server, link) as (ann, _),
        browser_at(playwright, server.url) as bob,
    ):
        network = await Network.of(bob.page)
        await bob.page.add_init_script(KEEP_CONNECTIONS)
        await bob.sign_in(await server.people.fan())
        await bob.page.goto(link)
        await bob.page.get_by_role("button", name="Join").click()
        await flowing(ann.page.evaluate, "outbound", min_height=700)
        await flowing(bob.page.evaluate, "inbound", min_height=400)
        await network.throttle(down_bytes_a_s=THROTTLED_BYTES_A_S)
        await flowing(bob.page.evaluate, "inbound", max_height=300)
        # What is heard goes on, and the picture comes back by itself.
        assert await bob.page.evaluate(HEARD, {"timeoutMs": 30_000}) > 0
        await network.mend()
        await flowing(bob.page.evaluate, "inbound", min_height=400)
        assert bob.complaints == []
