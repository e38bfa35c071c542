"""A MediaEngine without media: meters are computed from the moments at which they start and stop.

So time can jump: `next_deadline_us` says when the next quota runs out, and between two such moments nothing happens
that could not be computed afterwards. Nobody is late here, so leases do not lapse; whoever is seated sends and
receives, until `lose` takes the network away.
"""

from dataclasses import dataclass, field

from curtaincall.media.ports import (
    Grant,
    LeaseEnd,
    LeaseEnded,
    MediaError,
    MediaEvent,
    MediaFlowing,
    MeterRead,
    OpenLease,
    OpenSeat,
    Subscription,
    TransportChanged,
    TransportState,
)
from curtaincall.simulation.clock import VirtualClock


@dataclass(slots=True)
class _Lease:
    command: OpenLease
    epoch: int = 0
    seq: int = 0
    revoked_epoch: int = 0
    granted_us: int = 0
    billable_us: int = 0
    running_since_us: int | None = None
    lost: set[str] = field(default_factory=set)
    """Whose network is away."""

    def metered_us(self, now_us: int) -> int:
        """The cumulative meter, never beyond the grant."""
        running_us = 0 if self.running_since_us is None else now_us - self.running_since_us
        return min(self.granted_us, self.billable_us + running_us)

    @property
    def spent_at_us(self) -> int | None:
        """When the grant will be used up; None while the meter stands still."""
        return None if self.running_since_us is None else self.running_since_us + self.granted_us - self.billable_us


class SimulatedEngine:
    """Leases, quotas and meters as media/ports.py promises them. Used from one event loop."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._rooms: set[str] = set()
        self._leases: dict[str, _Lease] = {}
        self._running: dict[str, _Lease] = {}
        self._queue: list[MediaEvent] = []
        self._number = 0

    # ---- commands ---------------------------------------------------------------------------------------------------

    async def open_room(self, room_id: str) -> None:
        self._rooms.add(room_id)

    async def close_room(self, room_id: str) -> None:
        self._rooms.discard(room_id)
        for lease in [lease for lease in self._leases.values() if lease.command.room_id == room_id]:
            self.close_lease(room_id, lease.command.lease_id)

    async def open_lease(self, command: OpenLease) -> None:
        if command.room_id not in self._rooms:
            raise MediaError("room_unknown", "The room is not open.")
        self._leases.setdefault(command.lease_id, _Lease(command))

    def grant(self, command: Grant) -> None:
        lease = self._leases.get(command.lease_id)
        if lease is None or command.granted_ms is None:  # without a quota there is nothing to meter
            return
        if (command.epoch, command.seq) <= (lease.epoch, lease.seq) or command.epoch <= lease.revoked_epoch:
            return
        fresh = command.epoch > lease.epoch
        lease.epoch, lease.seq, lease.granted_us = command.epoch, command.seq, command.granted_ms * 1_000
        if fresh:
            self._say(MediaFlowing(*self._head(lease), command.lease_id, command.epoch))
        self._flow(lease)

    def revoke(self, room_id: str, lease_id: str) -> None:
        lease = self._leases.get(lease_id)
        if lease is not None and lease.revoked_epoch < lease.epoch:
            lease.revoked_epoch = lease.epoch
            self._end(lease, LeaseEnd.REVOKED)

    def close_lease(self, room_id: str, lease_id: str) -> None:
        lease = self._leases.pop(lease_id, None)
        if lease is not None:
            self._end(lease, LeaseEnd.CLOSED)

    async def open_seat(self, command: OpenSeat) -> None: ...

    async def close_seat(self, room_id: str, user_id: str) -> None: ...

    def cut_seat(self, room_id: str, user_id: str) -> None: ...

    async def offer(self, room_id: str, user_id: str, sdp: str) -> str:
        return sdp

    async def subscribe(self, command: Subscription) -> None: ...

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        """What there is, at once: whoever turns the time asks."""
        return [event for event in self._queue if event.number > after][:limit]

    def acknowledge(self, number: int) -> None:
        self._queue = [event for event in self._queue if event.number > number]

    async def close(self) -> None: ...

    # ---- time -------------------------------------------------------------------------------------------------------

    def next_deadline_us(self) -> int | None:
        """When (monotonic) the next quota will be used up, if nothing else happens before."""
        moments = (lease.spent_at_us for lease in self._running.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def catch_up(self) -> None:
        """Report what has happened by now: quotas used up, and the reading of every meter that runs."""
        now_us = self._clock.monotonic_us()
        for lease in tuple(self._running.values()):
            spent_at_us = lease.spent_at_us
            if spent_at_us is not None and spent_at_us <= now_us:
                self._end(lease, LeaseEnd.QUOTA)
            else:
                self._read(lease)

    def lose(self, lease_id: str, user_id: str) -> None:
        """Take somebody's network away."""
        lease = self._leases.get(lease_id)
        if lease is not None:
            lease.lost.add(user_id)
            self._stop(lease)
            self._say(TransportChanged(*self._head(lease), user_id, TransportState.DISCONNECTED))

    def regain(self, lease_id: str, user_id: str) -> None:
        """Give it back."""
        lease = self._leases.get(lease_id)
        if lease is not None:
            lease.lost.discard(user_id)
            self._say(TransportChanged(*self._head(lease), user_id, TransportState.CONNECTED))

    # ---- meters -----------------------------------------------------------------------------------------------------

    def _flow(self, lease: _Lease) -> None:
        """Have the meter run if there is anything left to deliver, and somebody at both ends."""
        self._stop(lease)
        if lease.billable_us < lease.granted_us and not lease.lost:
            lease.running_since_us = self._clock.monotonic_us()
            self._running[lease.command.lease_id] = lease
        self._read(lease)

    def _stop(self, lease: _Lease) -> None:
        lease.billable_us = lease.metered_us(self._clock.monotonic_us())
        lease.running_since_us = None
        self._running.pop(lease.command.lease_id, None)

    def _read(self, lease: _Lease) -> None:
        now_us, lease_id = self._clock.monotonic_us(), lease.command.lease_id
        running = lease.running_since_us is not None
        self._say(MeterRead(*self._head(lease), lease_id, lease.metered_us(now_us), running))

    def _end(self, lease: _Lease, cause: LeaseEnd) -> None:
        self._stop(lease)
        now_us = self._clock.monotonic_us()
        self._say(
            LeaseEnded(
                *self._head(lease),
                lease_id=lease.command.lease_id,
                cause=cause,
                epoch=lease.epoch,
                billable_us=lease.billable_us,
                deadline_us=now_us,
                last_forward_us=now_us,
                packets_after_deadline=0,
            )
        )

    def _head(self, lease: _Lease) -> tuple[int, int, str]:
        self._number += 1
        return self._number, self._clock.monotonic_us(), lease.command.room_id

    def _say(self, event: MediaEvent) -> None:
        self._queue.append(event)
