"""A MediaEngine on real time that forwards nothing: leases, quotas and meters of many calls, kept by arithmetic.

Every call delivers from its first grant on. As the real engine does, it reads each running meter at least every second
and after each grant that it accepts, keeps only the newest reading that nobody has fetched, and ends a lease by itself
when the quota is used up or no grant came in time. It also notes how late each grant was.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from curtaincall.media.ports import (
    Grant,
    LeaseEnd,
    LeaseEnded,
    MediaEvent,
    MediaFlowing,
    MeterRead,
    OpenLease,
    OpenSeat,
    Subscription,
)

READING_EVERY_US = 1_000_000
LOOK_EVERY_S = 0.02


def now_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000


@dataclass(slots=True)
class Lease:
    room_id: str
    lease_id: str
    epoch: int = 0
    seq: int = 0
    granted_us: int = 0
    deadline_us: int = 0
    since_us: int = 0
    """Delivered up to here."""
    billable_us: int = 0
    running: bool = False
    closed: bool = False
    granted_at_us: int = 0
    read: bool = False
    """A reading waits to be fetched."""

    def deliver(self, now: int) -> LeaseEnd | None:
        """Deliver what was delivered since the last look; the reason if that ended the lease."""
        if not self.running:
            return None
        until = min(now, self.deadline_us)
        self.billable_us += max(0, until - self.since_us)
        self.since_us = until
        if self.billable_us >= self.granted_us:
            self.billable_us, self.running = self.granted_us, False
            return LeaseEnd.QUOTA
        if now >= self.deadline_us:
            self.running = False
            return LeaseEnd.LAPSED
        return None


class SimulatedMedia:
    """`lease_gaps_us`: between two grants of a lease. `asked_late_us`: how far a quota was into its end."""

    def __init__(self, ask_early_us: int) -> None:
        self._ask_early_us = ask_early_us
        self._leases: dict[str, Lease] = {}
        self._round: deque[tuple[int, Lease]] = deque()
        """Running leases in the order in which they are read next: the period is the same for all."""
        self._queue: deque[MediaEvent | Lease] = deque()
        self._numbers = 0
        self.lease_gaps_us: list[int] = []
        self.asked_late_us: list[int] = []
        self.dark = 0
        self.measuring = False

    # ---- commands ---------------------------------------------------------------------------------------------------

    async def open_room(self, room_id: str) -> None: ...

    async def close_room(self, room_id: str) -> None: ...

    async def open_lease(self, command: OpenLease) -> None:
        self._leases[command.lease_id] = Lease(command.room_id, command.lease_id)

    def grant(self, command: Grant) -> None:
        lease = self._leases.get(command.lease_id)
        if lease is None or lease.closed or (command.epoch, command.seq) <= (lease.epoch, lease.seq):
            return
        now = now_us()
        self._end(lease, lease.deliver(now), now)
        first = lease.epoch == 0
        granted_us = (command.granted_ms or 0) * 1_000
        if self.measuring and not first:
            self.lease_gaps_us.append(now - lease.granted_at_us)
            if granted_us > lease.granted_us:
                self.asked_late_us.append(lease.billable_us - (lease.granted_us - self._ask_early_us))
        lease.epoch, lease.seq, lease.granted_at_us = command.epoch, command.seq, now
        lease.granted_us, lease.deadline_us = granted_us, now + command.lease_ms * 1_000
        if not lease.running and lease.billable_us < granted_us:
            lease.running, lease.since_us = True, now
            self._round.append((now + READING_EVERY_US, lease))
        if first:
            self._numbers += 1
            self._queue.append(MediaFlowing(self._numbers, now, lease.room_id, lease.lease_id, lease.epoch))
        self._read(lease)

    def revoke(self, room_id: str, lease_id: str) -> None:
        lease = self._leases.get(lease_id)
        if lease is not None:
            lease.deliver(now_us())
            lease.running = False

    def close_lease(self, room_id: str, lease_id: str) -> None:
        lease = self._leases.pop(lease_id, None)
        if lease is not None and not lease.closed:
            lease.deliver(now_us())
            lease.running, lease.closed = False, True
            self._say_ended(lease, LeaseEnd.CLOSED, now_us())

    async def open_seat(self, command: OpenSeat) -> None: ...

    async def close_seat(self, room_id: str, user_id: str) -> None: ...

    def cut_seat(self, room_id: str, user_id: str) -> None: ...

    async def offer(self, room_id: str, user_id: str, sdp: str) -> str:
        return sdp

    async def subscribe(self, command: Subscription) -> None: ...

    async def close(self) -> None: ...

    # ---- events -----------------------------------------------------------------------------------------------------

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        """A reading is made when it is fetched, so that it is the newest."""
        await asyncio.sleep(0)
        while True:
            now = now_us()
            self._look(now)
            if self._queue:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        found: list[MediaEvent] = []
        while self._queue and len(found) < limit:
            item = self._queue.popleft()
            if isinstance(item, Lease):
                item.read = False
                self._numbers += 1
                item.deliver(now)
                item = MeterRead(self._numbers, now, item.room_id, item.lease_id, item.billable_us, item.running)
            found.append(item)
        return found

    def acknowledge(self, number: int) -> None:
        """What was fetched is gone already: nobody crashes here."""

    def _look(self, now: int) -> None:
        while self._round and self._round[0][0] <= now:
            _, lease = self._round.popleft()
            ended = lease.deliver(now)
            self._end(lease, ended, now)
            if lease.running:
                self._round.append((now + READING_EVERY_US, lease))
                self._read(lease)

    def _read(self, lease: Lease) -> None:
        if not lease.read:
            lease.read = True
            self._queue.append(lease)

    def _end(self, lease: Lease, cause: LeaseEnd | None, now: int) -> None:
        if cause is not None:
            self.dark += self.measuring
            self._say_ended(lease, cause, now)

    def _say_ended(self, lease: Lease, cause: LeaseEnd, now: int) -> None:
        self._numbers += 1
        ended = LeaseEnded(
            number=self._numbers,
            at_us=now,
            room_id=lease.room_id,
            lease_id=lease.lease_id,
            cause=cause,
            epoch=lease.epoch,
            billable_us=lease.billable_us,
            deadline_us=lease.deadline_us,
            last_forward_us=lease.since_us,
            packets_after_deadline=0,
        )
        self._queue.append(ended)
