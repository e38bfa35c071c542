"""From glass to glass: how old a picture is when the other side's browser shows it.

Two real Chromiums on this machine, in a paid private call and in a conference (three layers are sent). The camera is
a canvas of 1280x720 that is drawn anew 30 times a second, with the moment of drawing in the picture as black and white
squares; the other page reads the squares of every frame that it is about to show. In it are encoding, the network of
this machine, the server, decoding, waiting for the sound, and the wait for the next refresh of the screen; a real
camera's exposure and a real screen's delay are not.
"""

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Playwright, async_playwright

from bench.report import Report
from support.browser import Visitor, browser_at
from support.people import Person
from support.pictures import KEEP_CONNECTIONS, flowing
from support.server import Server

SETTLE_FRAMES = 150
"""Frames that are shown before anything is measured: the encoder finds its rate meanwhile."""
FRAMES = int(os.environ.get("FRAMES", "600"))
"""Frames of the window: 20 seconds."""
TIMEOUT_S = 120

CLOCK_CAMERA = """
// The camera shows the time: 16 bits of milliseconds and their parity, as squares in the upper left.
const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
const context = canvas.getContext('2d', { alpha: false });
const [track] = canvas.captureStream(0).getVideoTracks();
let drawn = 0;
const draw = () => {
    drawn += 1;
    context.fillStyle = `hsl(${drawn % 360} 40% 40%)`;
    context.fillRect(0, 0, 1280, 720);
    for (let ball = 0; ball < 12; ball++) {
        context.fillStyle = `hsl(${ball * 30} 80% 60%)`;
        const angle = (drawn * (ball + 2)) / 90;
        context.fillRect(600 + 500 * Math.sin(angle), 380 + 260 * Math.cos(angle * 1.3), 90, 90);
    }
    const time = Math.round(performance.timeOrigin + performance.now()) & 0xffff;
    let parity = 0;
    for (let bit = 0; bit < 16; bit++) {
        const one = (time >> bit) & 1;
        parity ^= one;
        context.fillStyle = one ? 'white' : 'black';
        context.fillRect(bit * 64, 0, 64, 64);
    }
    context.fillStyle = parity ? 'white' : 'black';
    context.fillRect(16 * 64, 0, 64, 64);
    context.fillStyle = parity ? 'black' : 'white';
    context.fillRect(17 * 64, 0, 64, 64);
    track.requestFrame();
};
setInterval(draw, 1000 / 30);
const media = navigator.mediaDevices;
const open = media.getUserMedia.bind(media);
media.getUserMedia = async ({ audio, video }) => {
    const stream = audio ? await open({ audio }) : new MediaStream();
    if (video) stream.addTrack(track.clone());
    return stream;
};
"""

READ_CLOCK = """
async ({ frames, timeoutMs }) => {
    // The age of every frame at the moment at which it is to be seen, in milliseconds.
    const video = [...document.querySelectorAll('video')].find(({ muted, videoWidth }) => !muted && videoWidth > 0)
        ?? document.querySelector('#remote-video');
    const strip = Object.assign(document.createElement('canvas'), { width: 18 * 8, height: 8 });
    const context = strip.getContext('2d', { willReadFrequently: true });
    const ages = [];
    let unread = 0;
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`only ${ages.length} frames`)), timeoutMs);
        const next = (_, { expectedDisplayTime, width, height }) => {
            const shown = performance.timeOrigin + expectedDisplayTime;
            const square = width / 20;
            context.drawImage(video, 0, 0, square * 18, square, 0, 0, 18 * 8, 8);
            const { data } = context.getImageData(0, 4, 18 * 8, 1);
            const bits = Array.from({ length: 18 }, (_, bit) => Number(data[(bit * 8 + 4) * 4] > 127));
            const time = bits.slice(0, 16).reduce((sum, one, bit) => sum | (one << bit), 0);
            const parity = bits.slice(0, 16).reduce((sum, one) => sum ^ one, 0);
            if (bits[16] === parity && bits[17] !== parity) {
                ages.push((((Math.round(shown) - time) % 65536) + 65536) % 65536);
            } else {
                unread += 1;
            }
            if (ages.length < frames) return void video.requestVideoFrameCallback(next);
            clearTimeout(timer);
            resolve({ ages, unread, width, height });
        };
        video.requestVideoFrameCallback(next);
    });
}
"""


async def sign_in(stack: AsyncExitStack, playwright: Playwright, server: Server, person: Person) -> Visitor:
    visitor = await stack.enter_async_context(browser_at(playwright, server.url))
    await visitor.page.add_init_script(KEEP_CONNECTIONS)
    await visitor.page.add_init_script(CLOCK_CAMERA)
    await visitor.sign_in(person)
    return visitor


async def ages(visitor: Visitor) -> list[float]:
    """The ages of frames that a page shows, once it shows those of 720 lines."""
    await flowing(visitor.page.evaluate, "inbound", min_height=700, frames=SETTLE_FRAMES, timeout_s=TIMEOUT_S)
    found = await visitor.page.evaluate(READ_CLOCK, {"frames": FRAMES, "timeoutMs": TIMEOUT_S * 1000})
    print(f"  {found['width']}x{found['height']}, {found['unread']} frames could not be read", flush=True)
    return list(found["ages"])


async def in_a_call(playwright: Playwright, server: Server) -> list[float]:
    people = server.people
    creator, fan = await people.creator(), await people.fan(balance_minor=50_000)
    call = await people.request_call(fan, creator)
    await people.accept_call(creator, call["callId"])
    async with AsyncExitStack() as stack:
        visitors = [await sign_in(stack, playwright, server, person) for person in (fan, creator)]
        for visitor in visitors:
            await visitor.page.goto(f"{server.url}/call/{call['callId']}")
        return await ages(visitors[0])


async def in_a_conference(playwright: Playwright, server: Server) -> list[float]:
    room = await server.people.conference("glass")
    async with AsyncExitStack() as stack:
        visitors = [await sign_in(stack, playwright, server, await server.people.fan()) for _ in range(2)]
        for visitor in visitors:
            await visitor.page.goto(f"{server.url}/rooms/{room['roomId']}")
            await visitor.page.get_by_role("button", name="Join").click()
        return await ages(visitors[0])


async def main() -> int:
    report = Report("glass")
    with tempfile.TemporaryDirectory(prefix="curtaincall-bench-") as folder:
        async with Server(Path(folder)) as server, async_playwright() as playwright:
            for name, measure in (("call", in_a_call), ("conference", in_a_conference)):
                report.distribution(
                    f"glass_to_glass_ms_{name}", "ms", await measure(playwright, server), "p50 <= 60 ms"
                )
    report.finish()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
