"""The services of the spec in a page that is not our app, as an embedding site would use them: a conference of four."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Playwright

from support.browser import browser_at
from support.server import Server

pytestmark = pytest.mark.browser

CLIENT = Path(__file__).parents[2] / "client"
PEOPLE = 4
ROOM = "conference-1"

JOIN = """
async ({ userId, token }) => {
    const { CameraService, SFUClient } = Curtaincall;
    const camera = new CameraService();
    // One pair of slots to begin with, so that the others make it grow.
    const client = new SFUClient('conference-1', userId, camera, { joinToken: async () => token, slotPairs: 1 });
    client.onRemoteStream = (stream, from) => {
        const video = Object.assign(document.createElement('video'), { muted: true, id: from, srcObject: stream });
        document.body.append(video);
        video.play();
    };
    await client.joinAsParticipant();
    Object.assign(globalThis, { camera, client });
}
"""

SEES = """
(userId) => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${userId} is not seen`)), 20_000);
    const observer = new MutationObserver(() => look());
    const look = () => {
        const video = document.getElementById(userId);
        if (video === null) return;
        observer.disconnect();
        let frames = 0;
        const count = (_, { width, height }) =>
            ++frames < 15 ? video.requestVideoFrameCallback(count) : resolve({ width, height });
        video.requestVideoFrameCallback(count);
    };
    observer.observe(document.body, { childList: true });
    look();
})
"""

LAYERS = """
async () => [...(await client.getStats()).values()]
    .filter(({ type, kind }) => type === 'outbound-rtp' && kind === 'video')
    .map(({ rid, frameWidth }) => [rid, frameWidth])
"""

CAPTURE = """
async () => {
    const picture = await createImageBitmap(await camera.captureFrame());
    return [picture.width, picture.height];
}
"""

FLIP = """
async () => {
    const before = camera.stream;
    const after = await camera.toggleCamera();
    return {
        facing: camera.facing,
        sameMicrophone: before.getAudioTracks()[0] === after.getAudioTracks()[0],
        states: [before, after].map((stream) => stream.getVideoTracks()[0].readyState),
    };
}
"""

LEFT = """
(userId) => new Promise((resolve) => {
    const check = () => client.participants.every((other) => other.userId !== userId) && resolve(true);
    client.on('participantLeft', check);
    check();
})
"""


@pytest.fixture(scope="module")
def services() -> Path:
    """The services as one script."""
    subprocess.run(["npm", "run", "--silent", "build:services"], cwd=CLIENT, check=True, capture_output=True)
    return CLIENT / "dist" / "services.js"


@pytest.fixture
async def pages(services: Path, server: Server, playwright: Playwright) -> AsyncIterator[list[Page]]:
    """Pages of different people, each with a seat in the conference."""
    async with AsyncExitStack() as stack:
        await server.people.conference(ROOM)
        pages = []
        for number in range(PEOPLE):
            visitor = await stack.enter_async_context(browser_at(playwright, server.url, bypass_csp=True))
            await visitor.page.goto(server.url)
            await visitor.page.add_script_tag(path=services)
            user_id = f"user-{number}"
            token = await server.people.join_token(ROOM, user_id)
            await visitor.page.evaluate(JOIN, {"userId": user_id, "token": token})
            pages.append(visitor.page)
        yield pages


async def test_four_people_see_each_other_in_three_sizes(pages: list[Page]) -> None:
    async def sees_all_others(number: int) -> list[Any]:
        others = [f"user-{other}" for other in range(PEOPLE) if other != number]
        return await asyncio.gather(*(pages[number].evaluate(SEES, other) for other in others))

    for seen in await asyncio.gather(*(sees_all_others(number) for number in range(PEOPLE))):
        assert all(size["width"] >= 320 for size in seen), json.dumps(seen)

    layers: dict[str, int | None] = dict(await pages[0].evaluate(LAYERS))
    assert layers.keys() == {"l", "m", "h"}
    # A busy machine may not send the largest one yet; what is sent has its own size.
    widths = {"l": 427, "m": 853, "h": 1280}
    assert all(width in (None, widths[rid]) for rid, width in layers.items()), layers
    assert await pages[0].evaluate(CAPTURE) == [1280, 720]
    flipped = await pages[1].evaluate(FLIP)
    assert flipped == {"facing": "environment", "sameMicrophone": True, "states": ["ended", "live"]}
    assert (await pages[0].evaluate(SEES, "user-1"))["width"] >= 320

    await pages[2].evaluate("() => client.leave()")
    assert await pages[0].evaluate(LEFT, "user-2")
