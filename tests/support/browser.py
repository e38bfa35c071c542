"""People at a browser: the system's Chromium, one process each, with a made-up camera and microphone.

What is asked of a page is asked with events and deadlines inside the page, never with fixed waits.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from playwright.async_api import Browser, CDPSession, Page, Playwright, ViewportSize, expect

from support.people import PASSWORD, Person

PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1440, height=900)

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)

PAGE_TIMEOUT_MS = 20_000
"""How long a page may take for anything, on a machine that does much else: Playwright has 5 s."""

expect.set_options(timeout=PAGE_TIMEOUT_MS)

WATCH_VIDEO = """
async ({ frames, timeoutMs }) => {
    // Decoded frames as they are shown, each reduced to a few pixels: how many were there, how many differed.
    const video = document.querySelector('#remote-video');
    const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 18 });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const pictures = new Set();
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`only ${seen} frames`)), timeoutMs);
        let seen = 0;
        const next = (_, { width, height }) => {
            context.drawImage(video, 0, 0, 32, 18);
            pictures.add(context.getImageData(0, 0, 32, 18).data.join());
            if (++seen < frames) return void video.requestVideoFrameCallback(next);
            clearTimeout(timer);
            const decoded = video.getVideoPlaybackQuality().totalVideoFrames;
            resolve({ shown: seen, different: pictures.size, decoded, width, height });
        };
        video.requestVideoFrameCallback(next);
    });
}
"""

LISTEN = """
async ({ level, timeoutMs }) => {
    // The loudest that is heard, as soon as it is loud enough. The made-up microphone beeps every second.
    const context = new AudioContext();
    await context.resume();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(document.querySelector('#remote-audio').srcObject).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    return new Promise((resolve, reject) => {
        const deadline = performance.now() + timeoutMs;
        const timer = setInterval(() => {
            analyser.getFloatTimeDomainData(samples);
            const loudest = Math.max(...samples.map(Math.abs));
            if (loudest < level && performance.now() < deadline) return;
            clearInterval(timer);
            context.close();
            loudest < level ? reject(new Error('silence')) : resolve(loudest);
        }, 20);
    });
}
"""

WITNESS = """
async ({ timeoutMs }) => {
    // What the page does when the call ends, at the moment that it says so, and when it leaves for another page.
    const video = document.querySelector('#remote-video');
    const audio = document.querySelector('#remote-audio');
    const own = document.querySelector('#local-video').srcObject?.getTracks() ?? [];
    return new Promise((resolve, reject) => {
        setTimeout(() => reject(new Error('the call did not end')), timeoutMs);
        const observer = new MutationObserver(() => {
            const note = document.querySelector('.ending [role=alert], .ending[role=alert]');
            if (note === null) return;
            observer.disconnect();
            const saidAt = performance.now();
            const colour = (element) => getComputedStyle(element).backgroundColor;
            const ending = {
                text: note.textContent,
                picture: video.srcObject === null ? 'none' : 'live',
                colours: [colour(video), colour(document.querySelector('.ending'))],
                muted: video.muted && audio.muted && audio.srcObject === null,
                ownTracks: own.map(({ readyState }) => readyState),
            };
            const timer = setInterval(() => {
                if (location.pathname.startsWith('/call/')) return;
                clearInterval(timer);
                resolve({ ...ending, redirectedTo: location.pathname, afterMs: performance.now() - saidAt });
            }, 5);
        });
        observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    });
}
"""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What was seen of the other side: frames shown, how many of them differed, frames decoded since the start."""

    shown: int
    different: int
    decoded: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended on the page, `after_ms` from the words to the redirect."""

    text: str
    picture: str
    colours: list[str]
    muted: bool
    own_tracks: list[str]
    redirected_to: str
    after_ms: float


class Network:
    """The network of one page, which may be cut and mended. Affects HTTP, new WebSockets and WebRTC alike.

    Chromium wraps the UDP sockets of a page only if conditions are set before they are made, hence the harmless
    conditions at the start.
    """

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    @classmethod
    async def of(cls, page: Page) -> Self:
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        network = cls(session)
        await network._conditions(lost=False)
        return network

    async def cut(self) -> None:
        await self._conditions(lost=True)

    async def mend(self) -> None:
        await self._conditions(lost=False)

    async def throttle(self, *, down_bytes_a_s: float) -> None:
        """So much arrives and no more; packets wait for their turn, as in a small router, or are lost."""
        await self._conditions(lost=False, down_bytes_a_s=down_bytes_a_s, queue_packets=30)

    async def _conditions(self, *, lost: bool, down_bytes_a_s: float = 1e9, queue_packets: int = 1000) -> None:
        conditions = {
            "offline": lost,
            "latency": 1,
            "downloadThroughput": down_bytes_a_s,
            "uploadThroughput": 1e9,
            "packetLoss": 100 if lost else 0.001,
            "packetQueueLength": queue_packets,
        }
        await self._session.send("Network.emulateNetworkConditions", conditions)


class Visitor:
    """A person at a page of the app."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if "Content Security" in line.text else None)

    async def sign_in(self, person: Person) -> None:
        await self.page.goto(self.url)
        await self.page.get_by_label("Email").fill(person.email)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    async def sees(self, *, frames: int = 30) -> Pictures:
        """Watch the other side's picture for so many frames. Fails if they do not come."""
        await self.page.locator("#remote-video").wait_for(state="attached")
        seen = await self.page.evaluate(WATCH_VIDEO, {"frames": frames, "timeoutMs": PAGE_TIMEOUT_MS})
        return Pictures(**seen)

    async def hears(self) -> float:
        """How loud the other side is, 0 to 1. Fails if there is silence."""
        return float(await self.page.evaluate(LISTEN, {"level": 0.01, "timeoutMs": PAGE_TIMEOUT_MS}))

    def witness_ending(self, *, timeout_s: float) -> asyncio.Task[Ending]:
        """Begin to watch for the end of the call; the task returns what happened on the page."""
        return asyncio.create_task(self._witness(timeout_s))

    async def _witness(self, timeout_s: float) -> Ending:
        seen: dict[str, Any] = await self.page.evaluate(WITNESS, {"timeoutMs": timeout_s * 1000})
        return Ending(
            text=seen["text"],
            picture=seen["picture"],
            colours=seen["colours"],
            muted=seen["muted"],
            own_tracks=seen["ownTracks"],
            redirected_to=seen["redirectedTo"],
            after_ms=seen["afterMs"],
        )


def chromium() -> str:
    """The system's Chromium."""
    return shutil.which("chromium") or "chromium"


@asynccontextmanager
async def browser_at(
    playwright: Playwright,
    url: str,
    viewport: ViewportSize = DESKTOP,
    *,
    bypass_csp: bool = False,
    arguments: Sequence[str] = (),
    program: Path | None = None,
) -> AsyncIterator[Visitor]:
    """A browser of one's own, with one page of the app. `bypass_csp` lets a test put scripts into the page; `program`
    starts the browser in a way of its own."""
    browser: Browser = await playwright.chromium.launch(
        executable_path=program or chromium(), args=[*ARGUMENTS, *arguments]
    )
    try:
        context = await browser.new_context(viewport=viewport, locale="en-GB", bypass_csp=bypass_csp)
        context.set_default_timeout(PAGE_TIMEOUT_MS)
        yield Visitor(await context.new_page(), url)
    finally:
        await browser.close()
