"""A peer made of aiortc, which shares no code with us: it joins, publishes and receives over the public signaling."""

import asyncio
from types import TracebackType
from typing import Any, Self

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from aiortc.mediastreams import MediaStreamError

from support.media_files import MediaFiles
from support.signaling import Signaling

Frames = dict[str, int]


class AiortcPeer:
    """Own tracks sendonly, slots recvonly, one offer. Counts the decoded frames that arrive on each slot (by mid)."""

    def __init__(self, signaling: Signaling, clip: MediaFiles | None, *, slots: int = 1) -> None:
        self.signaling = signaling
        self.frames: Frames = {}
        self._arrived = asyncio.Condition()
        self._slots = slots
        # Everything goes over one transport; aiortc believes it of several tracks of a kind only if told beforehand.
        self._pc = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._players = [MediaPlayer(str(clip.vp8), loop=True), MediaPlayer(str(clip.opus), loop=True)] if clip else []
        self._readers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pc.close()
        for player in self._players:
            for track in (player.audio, player.video):
                if track is not None:
                    track.stop()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def negotiate(self) -> None:
        """Offer own tracks and slots, and take the answer."""
        for player in self._players:
            track = player.video or player.audio
            assert track is not None
            self._pc.addTransceiver(track, direction="sendonly")
        for _ in range(self._slots):
            for kind in ("audio", "video"):
                self._pc.addTransceiver(kind, direction="recvonly")
        await self._pc.setLocalDescription(await self._pc.createOffer())
        await self.signaling.send("OFFER", sdp=self._pc.localDescription.sdp)
        answer = await self.signaling.wait_for("ANSWER")
        await self._pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        for transceiver in self._pc.getTransceivers():
            if transceiver.direction == "recvonly":
                self._readers.append(asyncio.create_task(self._read(transceiver)))

    async def frames_on(self, kind: str, more: int = 10, timeout_s: float = 20) -> None:
        """Wait until this many further frames of a kind have been decoded."""
        wanted = self.frames.get(kind, 0) + more
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: self.frames.get(kind, 0) >= wanted)

    async def _read(self, transceiver: Any) -> None:
        track = transceiver.receiver.track
        while True:
            try:
                await track.recv()
            except MediaStreamError:
                return
            async with self._arrived:
                self.frames[track.kind] = self.frames.get(track.kind, 0) + 1
                self._arrived.notify_all()
