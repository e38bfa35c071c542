"""A peer made of aiortc that negotiates with a MediaEngine directly: what a browser is to the server."""

import asyncio
import math
import random
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from av import AudioFrame, VideoFrame

from curtaincall.media.ports import MediaEngine

PATIENCE_S = 10.0
"""How long to wait for what must come."""


WIDTH, HEIGHT = 64, 48
"""Of the pictures that are sent."""


class SmallPicture(VideoStreamTrack):
    """Small noise, 30 times a second: costs next to nothing to encode and decode."""

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            plane.update(random.Random(pts).randbytes(plane.buffer_size))
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A steady tone, as loud as a voice close by."""

    async def recv(self) -> AudioFrame:
        frame = await super().recv()
        assert isinstance(frame, AudioFrame)
        wave = (round(8_000 * math.sin(0.35 * place)) for place in range(frame.samples))
        plane = frame.planes[0]
        plane.update(struct.pack(f"{frame.samples}h", *wave).ljust(plane.buffer_size, b"\0"))
        return frame


class EnginePeer:
    """Own tracks sendonly, pairs of slots recvonly. Counts decoded frames by kind."""

    def __init__(
        self,
        engine: MediaEngine,
        room_id: str,
        user_id: str,
        *,
        publishes: bool = True,
        speaks: bool = False,
        relay: RTCIceServer | None = None,
    ) -> None:
        """`relay`: media goes through this TURN server and no other way."""
        self.frames = {"audio": 0, "video": 0}
        self.last_frame_at = 0.0
        self._engine = engine
        self._seat = (room_id, user_id)
        # Everything goes over one transport; aiortc believes it of several tracks of a kind only if told beforehand.
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        if relay is not None:
            configuration.iceServers = [relay]
            configuration.iceTransportPolicy = RTCIceTransportPolicy.RELAY
        self._pc = RTCPeerConnection(configuration)
        self._own = [Tone() if speaks else AudioStreamTrack(), SmallPicture()] if publishes else []
        self._senders = [self._pc.addTransceiver(track, direction="sendonly").sender for track in self._own]
        self._readers: dict[Any, asyncio.Task[None]] = {}
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.offer(pairs=1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pc.close()
        for reader in self._readers.values():
            reader.cancel()
        await asyncio.gather(*self._readers.values(), return_exceptions=True)

    async def offer(self, *, pairs: int) -> None:
        """Offer this many further pairs of slots, with everything offered before."""
        for _ in range(pairs):
            self._pc.addTransceiver("audio", direction="recvonly")
            self._pc.addTransceiver("video", direction="recvonly")
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await self._engine.offer(*self._seat, self._pc.localDescription.sdp)
        await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        for transceiver in self._pc.getTransceivers():
            track = transceiver.receiver.track
            if transceiver.direction == "recvonly" and track not in self._readers:
                self._readers[track] = asyncio.create_task(self._read(track))

    def mute(self) -> None:
        """Send nothing more."""
        for sender in self._senders:
            sender.replaceTrack(None)

    def unmute(self) -> None:
        for sender, track in zip(self._senders, self._own, strict=True):
            sender.replaceTrack(track)

    async def sent(self, packets: int = 30) -> None:
        """Wait until this many further packets have been sent."""
        wanted = await self._packets_sent() + packets
        await eventually(self._packets_sent, lambda count: count >= wanted)

    async def received(self, frames: int = 10) -> None:
        """Wait until this many further frames of either kind have been decoded."""
        wanted = {kind: count + frames for kind, count in self.frames.items()}
        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(lambda: all(self.frames[kind] >= wanted[kind] for kind in wanted))

    async def sound_alone(self, frames: int = 50) -> None:
        """Wait until this many frames of sound in a row have been decoded without one of video between them."""
        began = dict(self.frames)

        def alone() -> bool:
            if self.frames["video"] != began["video"]:
                began.update(self.frames)
            return self.frames["audio"] >= began["audio"] + frames

        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(alone)

    async def _packets_sent(self) -> int:
        reports = [await sender.getStats() for sender in self._senders]
        return sum(stats.packetsSent for report in reports for stats in report.values() if stats.type == "outbound-rtp")

    async def _read(self, track: Any) -> None:
        while True:
            try:
                await track.recv()
            except MediaStreamError:
                return
            async with self._arrived:
                self.frames[track.kind] += 1
                self.last_frame_at = time.monotonic()
                self._arrived.notify_all()


async def eventually(look: Callable[[], Any], holds: Callable[[Any], bool]) -> None:
    """Look again and again until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(await look()):  # noqa: ASYNC110  (what is looked at tells nobody when it changes)
            await asyncio.sleep(0.02)
