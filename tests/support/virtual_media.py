"""A MediaEngine on virtual time: leases, quotas and meters as media/ports.py promises them, packets only imagined."""

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
from support.virtual_clock import VirtualClock

READING_EVERY_US = 1_000_000


@dataclass(slots=True)
class Lease:
    command: OpenLease
    epoch: int = 0
    seq: int = 0
    revoked_epoch: int = 0
    granted_us: int = 0
    deadline_us: int = 0
    billable_us: int = 0
    open: bool = False
    closed: bool = False
    announced_epoch: int = 0
    running: bool = False
    read_at_us: int = 0


@dataclass(slots=True)
class VirtualMedia:
    """What a test may set: `sending` (the payee's camera), `reachable` (the network of both), `silent` (no events)."""

    clock: VirtualClock
    rooms: set[str] = field(default_factory=set)
    leases: dict[str, Lease] = field(default_factory=dict)
    commands: list[object] = field(default_factory=list)
    queue: list[MediaEvent] = field(default_factory=list)
    sending: bool = True
    reachable: bool = True
    silent: bool = False
    numbers: int = 0

    # ---- commands ---------------------------------------------------------------------------------------------------

    async def open_room(self, room_id: str) -> None:
        self.rooms.add(room_id)

    async def close_room(self, room_id: str) -> None:
        self.rooms.discard(room_id)
        for lease_id, lease in self.leases.items():
            if lease.command.room_id == room_id:
                self.close_lease(room_id, lease_id)

    async def open_lease(self, command: OpenLease) -> None:
        if command.room_id not in self.rooms:
            raise MediaError("room_unknown", "The room is not open.")
        self.leases.setdefault(command.lease_id, Lease(command))

    def grant(self, command: Grant) -> None:
        self.commands.append(command)
        lease = self.leases.get(command.lease_id)
        newer = lease is not None and (command.epoch, command.seq) > (lease.epoch, lease.seq)
        if lease is None or not newer or lease.closed or command.epoch <= lease.revoked_epoch:
            return
        assert command.granted_ms is not None
        lease.epoch, lease.seq = command.epoch, command.seq
        lease.granted_us = command.granted_ms * 1_000
        lease.deadline_us = self.clock.monotonic_us() + command.lease_ms * 1_000
        lease.open = True

    def revoke(self, room_id: str, lease_id: str) -> None:
        self.commands.append(("revoke", lease_id))
        lease = self.leases.get(lease_id)
        if lease is not None and not lease.closed:
            lease.revoked_epoch = lease.epoch
            if lease.open:
                self._end(lease, LeaseEnd.REVOKED)

    def close_lease(self, room_id: str, lease_id: str) -> None:
        self.commands.append(("close_lease", lease_id))
        lease = self.leases.get(lease_id)
        if lease is not None and not lease.closed:
            lease.closed = True
            self._end(lease, LeaseEnd.CLOSED)

    async def open_seat(self, command: OpenSeat) -> None: ...

    async def close_seat(self, room_id: str, user_id: str) -> None: ...

    def cut_seat(self, room_id: str, user_id: str) -> None: ...

    async def offer(self, room_id: str, user_id: str, sdp: str) -> str:
        return sdp

    async def subscribe(self, command: Subscription) -> None: ...

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        return [event for event in self.queue if event.number > after][:limit]

    def acknowledge(self, number: int) -> None:
        self.queue = [event for event in self.queue if event.number > number]

    async def close(self) -> None: ...

    # ---- time -------------------------------------------------------------------------------------------------------

    def elapse(self, duration_us: int) -> None:
        """Let media flow for a while, to the microsecond of each deadline; the clock moves with it."""
        for lease in self.leases.values():
            self._elapse(lease, duration_us)
        self.clock.advance_us(duration_us)

    def transport(self, room_id: str, user_id: str, state: TransportState) -> None:
        """Lose or regain somebody's transport: without both, nothing is delivered."""
        self.reachable = state is TransportState.CONNECTED
        self._say(TransportChanged(self._next(), self.clock.monotonic_us(), room_id, user_id, state))

    def billable_ms(self, lease_id: str) -> int:
        return self.leases[lease_id].billable_us // 1_000

    def _elapse(self, lease: Lease, duration_us: int) -> None:
        begin_us = self.clock.monotonic_us()
        if not lease.open:
            return
        flows = self.sending and self.reachable
        allowed_us = max(0, lease.deadline_us - begin_us)
        left_us = lease.granted_us - lease.billable_us
        if flows:
            self._announce(lease)
            lease.billable_us += min(duration_us, allowed_us, left_us)
        if lease.running != flows or (flows and begin_us + duration_us >= lease.read_at_us):
            lease.running = flows
            lease.read_at_us = begin_us + READING_EVERY_US
            self._read(lease)
        if flows and left_us <= min(duration_us, allowed_us):
            self._end(lease, LeaseEnd.QUOTA)
        elif allowed_us <= duration_us:
            self._end(lease, LeaseEnd.LAPSED)

    def _announce(self, lease: Lease) -> None:
        if lease.announced_epoch != lease.epoch:
            lease.announced_epoch = lease.epoch
            room_id, lease_id = lease.command.room_id, lease.command.lease_id
            self._say(MediaFlowing(self._next(), self.clock.monotonic_us(), room_id, lease_id, lease.epoch))

    def _read(self, lease: Lease) -> None:
        room_id, lease_id, now_us = lease.command.room_id, lease.command.lease_id, self.clock.monotonic_us()
        self._say(MeterRead(self._next(), now_us, room_id, lease_id, lease.billable_us, lease.running))

    def _end(self, lease: Lease, cause: LeaseEnd) -> None:
        lease.open = lease.running = False
        now_us = self.clock.monotonic_us()
        self._say(
            LeaseEnded(
                number=self._next(),
                at_us=now_us,
                room_id=lease.command.room_id,
                lease_id=lease.command.lease_id,
                cause=cause,
                epoch=lease.epoch,
                billable_us=lease.billable_us,
                deadline_us=now_us,
                last_forward_us=now_us,
                packets_after_deadline=0,
            )
        )

    def _next(self) -> int:
        self.numbers += 1
        return self.numbers

    def _say(self, event: MediaEvent) -> None:
        if not self.silent:
            self.queue.append(event)
