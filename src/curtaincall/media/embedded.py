"""The embedded media engine: the Rust SFU's threads in this process. The only importer of the native module."""

import asyncio
import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, assert_never

from curtaincall import _native
from curtaincall.media.ports import (
    Flow,
    Grant,
    LeaseEnd,
    LeaseEnded,
    MediaError,
    MediaEvent,
    MediaFlowing,
    MeterRead,
    OpenLease,
    OpenSeat,
    Slot,
    SlotStats,
    SpeakerChanged,
    StatsSampled,
    Subscription,
    TracksChanged,
    TransportChanged,
    TransportState,
)

OFFER_THREADS: Final = 2
"""Offers answered at a time: each takes milliseconds of CPU, and there are as many cores for it."""

MAX_OFFERS_WAITING: Final = 512
"""Offers that may wait for a thread; more are refused, as their clients would give up before their turn."""

MAX_HEIGHT: Final = 65_535
MAX_PRIORITY: Final = 255
"""The largest numbers of a subscription that the native module takes: larger ones mean the same."""


class EmbeddedEngine:
    """A MediaEngine (see `media/ports.py`) in this process.

    `base_port` 0 takes any free ports. `public_ips` empty means that clients reach us at `bind_ip`, or at this
    machine's own addresses (default route and loopback) if that is 0.0.0.0. Commands other than `offer` only post to
    the SFU's threads and never wait; those that stop or extend media are not refused, as an SFU that is closed forwards
    nothing. Raises MediaError `media_unavailable` if ports are taken.
    """

    def __init__(
        self, *, bind_ip: str, public_ips: Sequence[str], base_port: int, shards: int, max_seats_per_room: int
    ) -> None:
        try:
            self._native = _native.Engine(
                bind_ip=bind_ip,
                public_ips=list(public_ips),
                base_port=base_port,
                shards=shards,
                max_seats_per_room=max_seats_per_room,
            )
        except _native.SfuError as error:
            raise _refusal(error) from None
        self._offer_threads = ThreadPoolExecutor(OFFER_THREADS, thread_name_prefix="sfu-offer")
        self._offers_waiting = 0
        self._news: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def ports(self) -> list[int]:
        """The UDP port of each shard."""
        return self._native.ports

    def stats(self) -> dict[str, int]:
        """Counters since the start, summed over shards; up to a second old."""
        return self._native.stats()

    async def open_room(self, room_id: str) -> None:
        try:
            self._native.open_room(room_id)
        except _native.SfuError as error:
            raise _refusal(error) from None

    async def close_room(self, room_id: str) -> None:
        with contextlib.suppress(_native.SfuError):
            self._native.close_room(room_id)

    async def open_lease(self, command: OpenLease) -> None:
        try:
            self._native.open_lease(command.room_id, command.lease_id, command.payer_id, command.payee_id)
        except _native.SfuError as error:
            raise _refusal(error) from None

    def grant(self, command: Grant) -> None:
        with contextlib.suppress(_native.SfuError):
            self._native.grant(
                command.room_id,
                command.lease_id,
                epoch=command.epoch,
                seq=command.seq,
                granted_ms=command.granted_ms,
                lease_ms=command.lease_ms,
            )

    def revoke(self, room_id: str, lease_id: str) -> None:
        with contextlib.suppress(_native.SfuError):
            self._native.revoke(room_id, lease_id)

    def close_lease(self, room_id: str, lease_id: str) -> None:
        with contextlib.suppress(_native.SfuError):
            self._native.close_lease(room_id, lease_id)

    async def open_seat(self, command: OpenSeat) -> None:
        try:
            self._native.open_seat(command.room_id, command.user_id, command.lease_id, command.may_publish)
        except _native.SfuError as error:
            raise _refusal(error) from None

    async def close_seat(self, room_id: str, user_id: str) -> None:
        with contextlib.suppress(_native.SfuError):
            self._native.close_seat(room_id, user_id)

    def cut_seat(self, room_id: str, user_id: str) -> None:
        with contextlib.suppress(_native.SfuError):
            self._native.cut_seat(room_id, user_id)

    async def offer(self, room_id: str, user_id: str, sdp: str) -> str:
        if self._closed:
            raise MediaError("media_unavailable", "The media engine is closed.")
        if self._offers_waiting >= MAX_OFFERS_WAITING:
            raise MediaError("media_overloaded", "Too many offers wait.")
        loop = asyncio.get_running_loop()
        self._offers_waiting += 1
        try:
            return await loop.run_in_executor(self._offer_threads, self._native.offer, room_id, user_id, sdp)
        except _native.SfuError as error:
            raise _refusal(error) from None
        finally:
            self._offers_waiting -= 1

    async def subscribe(self, command: Subscription) -> None:
        with contextlib.suppress(_native.SfuError):
            self._native.subscribe(
                command.room_id,
                command.user_id,
                command.source_user_id,
                max_height=min(command.max_height, MAX_HEIGHT),
                priority=min(command.priority, MAX_PRIORITY),
            )

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        while True:
            if found := self._native.drain_events(after, limit):
                # Draining has lowered the descriptor: whoever waits for it must look as well.
                self._have_news()
                return [_event(raw) for raw in found]
            await asyncio.shield(self._wait_for_news())

    def acknowledge(self, number: int) -> None:
        self._native.acknowledge(number)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._news is not None:
            asyncio.get_running_loop().remove_reader(self._native.event_fd)
            self._news.cancel()
            self._news = None
        await asyncio.to_thread(self._native.close)
        self._offer_threads.shutdown(cancel_futures=True)

    def _wait_for_news(self) -> asyncio.Future[None]:
        """One future for all who wait. The descriptor is watched only while somebody does: it stays readable until
        events are fetched, and would keep the loop busy."""
        if self._news is None:
            loop = asyncio.get_running_loop()
            self._news = loop.create_future()
            loop.add_reader(self._native.event_fd, self._have_news)
        return self._news

    def _have_news(self) -> None:
        if self._news is not None:
            asyncio.get_running_loop().remove_reader(self._native.event_fd)
            self._news.set_result(None)
            self._news = None


def _refusal(error: _native.SfuError) -> MediaError:
    code, message = error.args
    return MediaError(code, message)


def _event(raw: "_native._Event") -> MediaEvent:
    """The event of ports.py for a tuple of the native module (`_native.pyi` says what is where)."""
    if raw[0] == "tracks_changed":
        _, number, at_us, room, user, slots = raw
        return TracksChanged(number, at_us, room, user, tuple(Slot(*slot) for slot in slots))
    if raw[0] == "transport_changed":
        _, number, at_us, room, user, connected = raw
        state = TransportState.CONNECTED if connected else TransportState.DISCONNECTED
        return TransportChanged(number, at_us, room, user, state)
    if raw[0] == "speaker_changed":
        _, number, at_us, room, user, speaker = raw
        return SpeakerChanged(number, at_us, room, user, speaker)
    if raw[0] == "stats_sampled":
        _, number, at_us, room, user, (rtt_us, estimate_bps, up, down, stats) = raw
        of_slots = tuple(SlotStats(*slot) for slot in stats)
        return StatsSampled(number, at_us, room, user, rtt_us, estimate_bps, Flow(*up), Flow(*down), of_slots)
    if raw[0] == "media_flowing":
        _, number, at_us, room, lease, epoch = raw
        return MediaFlowing(number, at_us, room, lease, epoch)
    if raw[0] == "meter_read":
        _, number, at_us, room, lease, billable_us, running = raw
        return MeterRead(number, at_us, room, lease, billable_us, running)
    if raw[0] == "lease_ended":
        _, number, at_us, room, lease, cause, epoch, billable_us, deadline_us, last_us, late = raw
        return LeaseEnded(number, at_us, room, lease, LeaseEnd(cause), epoch, billable_us, deadline_us, last_us, late)
    assert_never(raw)
