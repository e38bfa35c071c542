"""Real browsers on networks that let little through: no UDP, only the relay, only TLS. And one that moves."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Playwright, expect

from support.browser import PAGE_TIMEOUT_MS, Visitor, browser_at, chromium
from support.coturn import Coturn
from support.media_files import media_files
from support.networks import Device
from support.server import Server
from support.swarm import SwarmPeer

pytestmark = pytest.mark.browser

NO_UDP = ("--webrtc-ip-handling-policy=disable_non_proxied_udp",)
"""Chromium's own way to use no UDP at all: what a firewall that drops it comes to."""

ANY_CERTIFICATE = ("--ignore-certificate-errors",)

KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) { super(...options); window.connections.push(this); }
};
"""

ONLY_THE_RELAY = """
// As if the network let nothing through to the media ports.
window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(options) { super({ ...options, iceTransportPolicy: 'relay' }); }
};
"""

ACKNOWLEDGED = """
async () => {
    // How many streams of this page the server has sent reports of.
    const report = await window.connections.at(-1).getStats();
    return [...report.values()].filter(({ type }) => type === 'remote-inbound-rtp').length;
}
"""

SEES = """
async ({ frames, timeoutMs }) => {
    // Waits until so many further frames of somebody else's picture were decoded.
    const others = () => [...document.querySelectorAll('.conference-grid video')].filter((video) => !video.muted);
    const decoded = (video) => video.getVideoPlaybackQuality().totalVideoFrames;
    const before = new Map();
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
        for (const video of others()) {
            if (!before.has(video)) before.set(video, decoded(video));
            if (decoded(video) - before.get(video) >= frames) return;
        }
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    throw new Error('nobody is seen');
}
"""

ONLY_IPV6 = """
// As on a network that has nothing else: the answer's other candidates lead nowhere.
const accept = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    const leadsNowhere = (line) => line.startsWith('a=candidate:') && line.includes(' 127.0.0.1 ');
    const lines = sdp.split('\\r\\n').filter((line) => !leadsNowhere(line));
    return accept.call(this, { type, sdp: lines.join('\\r\\n') });
};
"""

PATH = """
async () => {
    // How the media gets to the server: the pair of candidates in use.
    const report = await window.connections.at(-1).getStats();
    const transport = [...report.values()].find(({ type }) => type === 'transport');
    const pair = report.get(transport.selectedCandidatePairId);
    const { address, candidateType, protocol, relayProtocol } = report.get(pair.localCandidateId);
    const remote = report.get(pair.remoteCandidateId).address;
    return { address, remote, candidateType, protocol, relayProtocol: relayProtocol ?? null };
}
"""


ROOM = "reach"

GAP_MS = 8_000
"""How long the picture may be away while a device moves from one network to another: the browser finds out, the page
signals anew, and ICE begins again, on a machine that does much else."""


async def sees(visitor: Visitor, frames: int = 15) -> None:
    await visitor.page.evaluate(SEES, {"frames": frames, "timeoutMs": PAGE_TIMEOUT_MS})


async def path_of(visitor: Visitor) -> dict[str, Any]:
    return dict(await visitor.page.evaluate(PATH))


@asynccontextmanager
async def somebody_talks(server: Server) -> AsyncIterator[None]:
    """A room where a headless peer publishes over UDP."""
    await server.people.conference(ROOM)
    token = await server.people.join_token(ROOM, "star")
    clip = media_files()
    async with SwarmPeer.join(server.url, ROOM, "star", token=token, video=clip.vp8, audio=clip.opus) as star:
        await star.wait_for("connected")
        yield


@asynccontextmanager
async def goes_in(
    playwright: Playwright,
    server: Server,
    *,
    url: str | None = None,
    arguments: Sequence[str] = (),
    scripts: Sequence[str] = (),
    program: Path | None = None,
) -> AsyncIterator[Visitor]:
    """A browser whose visitor has joined the room."""
    fan, url = await server.people.fan(), url or server.url
    async with browser_at(playwright, url, arguments=arguments, program=program) as visitor:
        for script in (KEEP_CONNECTIONS, *scripts):
            await visitor.page.add_init_script(script)
        await visitor.sign_in(fan)
        await visitor.page.goto(f"{url}/rooms/{ROOM}")
        await visitor.page.get_by_role("button", name="Join").click()
        await sees(visitor)
        yield visitor


async def test_without_udp_media_goes_over_tcp_to_the_media_port(playwright: Playwright, server: Server) -> None:
    async with somebody_talks(server), goes_in(playwright, server, arguments=NO_UDP) as visitor:
        path = await path_of(visitor)
        assert (path["protocol"], path["relayProtocol"]) == ("tcp", None)
        # The page sends too: the server has keyframes and everything after them from it.
        await visitor.page.wait_for_function(f"async () => (await ({ACKNOWLEDGED})()) > 0")


async def test_over_ipv6_as_over_ipv4(playwright: Playwright, tmp_path: Path) -> None:
    environment = {"CURTAINCALL_MEDIA__PUBLIC_IP": "127.0.0.1,::1"}
    arguments = ("--demo", "--host", "::")
    async with Server(tmp_path / "server", environment=environment, arguments=arguments) as server:
        port = server.url.rpartition(":")[2]
        server.url = f"http://127.0.0.1:{port}"
        async with (
            somebody_talks(server),
            goes_in(playwright, server, url=f"http://[::1]:{port}", scripts=(ONLY_IPV6,)) as visitor,
        ):
            path = await path_of(visitor)
            assert path["remote"] == "::1"
            await visitor.page.wait_for_function(f"async () => (await ({ACKNOWLEDGED})()) > 0")


@pytest.mark.parametrize("carrier", ["tcp", "tls"])
async def test_where_nothing_else_gets_through_the_relay_does(
    playwright: Playwright, tmp_path: Path, carrier: str
) -> None:
    async with (
        Coturn(tmp_path / "coturn", udp=False) as coturn,
        Server(tmp_path / "server", environment=coturn.environment("udp", carrier)) as server,
        somebody_talks(server),
        goes_in(playwright, server, arguments=(*NO_UDP, *ANY_CERTIFICATE), scripts=(ONLY_THE_RELAY,)) as visitor,
    ):
        path = await path_of(visitor)
        assert (path["candidateType"], path["relayProtocol"]) == ("relay", carrier)
        await visitor.page.wait_for_function(f"async () => (await ({ACKNOWLEDGED})()) > 0")


SAME_SESSION = """
() => window.connections.length === 1 && window.connections[0].connectionState !== 'closed'
"""

LONGEST_GAP = """
() => {
    // Watches for gaps between pictures of the other side; `window.longestGap()` is the longest so far, in ms.
    const video = [...document.querySelectorAll('.conference-grid video')].find((video) => !video.muted);
    let last = performance.now(), longest = 0;
    const next = () => {
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
        video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
    window.longestGap = () => longest;
}
"""


async def test_from_wifi_to_mobile_the_same_session_goes_on(playwright: Playwright, tmp_path: Path) -> None:
    async with Device(tmp_path) as device:
        environment = {"CURTAINCALL_MEDIA__PUBLIC_IP": device.server_ip, "CURTAINCALL_MEDIA__BIND_IP": "0.0.0.0"}
        arguments = ("--demo", "--host", "0.0.0.0")
        async with Server(tmp_path / "server", environment=environment, arguments=arguments) as server:
            port = server.url.rpartition(":")[2]
            url = f"http://{device.server_ip}:{port}"
            secure = (f"--unsafely-treat-insecure-origin-as-secure={url}",)
            program = device.program(chromium())
            async with (
                somebody_talks(server),
                goes_in(playwright, server, url=url, arguments=secure, program=program) as visitor,
            ):
                # Long enough for its end to be noticed.
                await sees(visitor, frames=90)
                before = await path_of(visitor)
                await visitor.page.evaluate(LONGEST_GAP)
                signaling = visitor.page.wait_for_event("websocket")
                left_at = time.monotonic()
                await device.leave("wifi")
                await signaling
                await sees(visitor)
                back_s = time.monotonic() - left_at
                after = await path_of(visitor)
                assert after["address"] != before["address"]
                assert await visitor.page.evaluate(SAME_SESSION)
                gap_ms = await visitor.page.evaluate("window.longestGap()")
                await expect(visitor.page.get_by_text("2 here")).to_be_visible()
    print(f"from Wi-Fi to mobile: picture back after {back_s:.1f} s, longest gap {gap_ms:.0f} ms")
    assert gap_ms < GAP_MS
