"""What a page's WebRTC connection itself says of the pictures it sends and receives. For every browser.

Scripts are functions of one argument; `evaluate` is a page's own way to call one: Playwright's `page.evaluate`, or
`Firefox.evaluate`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

Evaluate = Callable[[str, Any], Awaitable[Any]]

KEEP_CONNECTIONS = """
// So that a test may ask for the statistics of the page's connections.
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...options) { super(...options); window.connections.push(this); }
};
"""

ONLY_CODEC = """
// The page may know no other codec of pictures than this.
const all = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
const wanted = new RegExp('video/(CODEC|rtx)', 'i');
RTCRtpReceiver.getCapabilities = (kind) => {
    const found = all(kind);
    if (kind !== 'video' || found === null) return found;
    return { ...found, codecs: found.codecs.filter(({ mimeType }) => wanted.test(mimeType)) };
};
"""

FLOWING = """
async ({ direction, frames, minHeight, maxHeight, timeoutMs }) => {
    // Waits until so many pictures of a height between the two have been sent or decoded, one after the other.
    const deadline = performance.now() + timeoutMs;
    const began = new Map();
    let seen = [];
    while (performance.now() < deadline) {
        const connections = (window.connections ?? []).filter(({ connectionState }) => connectionState !== 'closed');
        const report = connections.length === 0 ? new Map() : await connections.at(-1).getStats();
        seen = [...report.values()].filter(({ type, kind }) => type === `${direction}-rtp` && kind === 'video');
        for (const stream of seen) {
            const count = (direction === 'inbound' ? stream.framesDecoded : stream.framesSent) ?? 0;
            const height = stream.frameHeight ?? 0;
            if (height < minHeight || height > maxHeight) {
                began.delete(stream.id);
                continue;
            }
            if (!began.has(stream.id)) began.set(stream.id, count);
            if (count - began.get(stream.id) < frames) continue;
            const codec = report.get(stream.codecId)?.mimeType ?? '';
            return { height, width: stream.frameWidth, codec, rid: stream.rid ?? null };
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const told = seen.map(({ rid, frameHeight, framesDecoded, framesSent }) =>
        `${rid ?? ''} ${frameHeight} lines, ${framesDecoded ?? framesSent} frames`);
    throw new Error(`no ${direction} pictures of ${minHeight} to ${maxHeight} lines: ${told.join('; ')}`);
}
"""


@dataclass(frozen=True, slots=True)
class Flowing:
    """Pictures that are sent or received."""

    width: int
    height: int
    codec: str
    rid: str | None


def only_codec(name: str) -> str:
    """A script for before the page's own: it knows no other codec (`VP8` or `H264`)."""
    return ONLY_CODEC.replace("CODEC", name)


async def flowing(
    evaluate: Evaluate,
    direction: str,
    *,
    frames: int = 30,
    min_height: int = 1,
    max_height: int = 10_000,
    timeout_s: float = 40,
) -> Flowing:
    """Wait until so many pictures of such a height have been sent (`outbound`) or decoded (`inbound`) in a row."""
    wish = {
        "direction": direction,
        "frames": frames,
        "minHeight": min_height,
        "maxHeight": max_height,
        "timeoutMs": timeout_s * 1000,
    }
    return Flowing(**await evaluate(FLOWING, wish))
