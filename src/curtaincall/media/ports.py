"""The MediaEngine port: commands down, numbered events up; every message could be protobuf.

Commands are idempotent: repeating one changes nothing. A *seat* is a user's place in a room; a *lease* is what lets
packets flow to and from the seats bound to it: denied until granted, extended only by a newer (epoch, seq), ended by
the engine's own timer. See `design/architecture.md`, "The one idea", and `docs/decisions/`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from curtaincall.kernel.errors import CurtaincallError


class MediaError(CurtaincallError):
    """A command the engine refused; `code` of the instance says which refusal.

    Codes: `room_unknown`, `seat_unknown`, `sdp_invalid`, `media_overloaded`, `media_unavailable`.
    """

    code: ClassVar[str] = "media_error"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.refusal = code


# ---- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenLease:
    """A lease of a room, denied until granted. With payer and payee it meters `billable_ms` (charging.md)."""

    room_id: str
    lease_id: str
    payer_id: str | None = None
    payee_id: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Extend a lease. Only a newer (epoch, seq) counts; durations are anchored when the engine receives them.

    `granted_ms` is cumulative over the lease's life, None for no quota (unpaid rooms); `lease_ms` is how long
    media may go on without a further grant.
    """

    room_id: str
    lease_id: str
    epoch: int
    seq: int
    granted_ms: int | None
    lease_ms: int


@dataclass(frozen=True, slots=True)
class OpenSeat:
    """Admit a user to a room under a lease."""

    room_id: str
    user_id: str
    lease_id: str
    may_publish: bool = True


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one participant wishes to receive of another. `max_height` 0 pauses video."""

    room_id: str
    user_id: str
    source_user_id: str
    max_height: int
    priority: int


# ---- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MediaEvent:
    """`number` counts up by one per engine; an event is kept until it is acknowledged.

    `at_us` is CLOCK_MONOTONIC in microseconds.
    """

    number: int
    at_us: int
    room_id: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One recvonly slot of a participant's offer; `user_id` and `source` are None when it carries nothing.

    `height` is how many lines the picture has that is being forwarded, None where that is not known. `paused` says why
    nothing is: "bandwidth", "subscription" (a wish of `user_id`) or "lease".
    """

    mid: str
    kind: str
    user_id: str | None
    source: str | None
    height: int | None = None
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class TracksChanged(MediaEvent):
    """What is on which slot of `user_id`: the whole list each time.

    Whoever comes and goes is told at once, heights and pauses at most four times a second.
    """

    user_id: str
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class SpeakerChanged(MediaEvent):
    """`user_id` hears `speaker_id` from now on (None: nobody speaks); whoever may hear nobody is told of nobody.

    Like the figures below it coalesces while nobody has fetched it.
    """

    user_id: str
    speaker_id: str | None


@dataclass(frozen=True, slots=True)
class Flow:
    """Everything that goes one way. None is what nobody has reported."""

    rate_bps: int
    loss_permille: int | None
    jitter_us: int | None


@dataclass(frozen=True, slots=True)
class SlotStats:
    """A slot that carries video. Freezes and how long they were are counted since the session began."""

    mid: str
    height: int | None
    rate_bps: int
    freezes: int
    frozen_us: int


@dataclass(frozen=True, slots=True)
class StatsSampled(MediaEvent):
    """The link of a user in about the last second: `up` is what the user sends, `down` what the user is sent.

    `estimate_bps` is what the way down is thought to carry, None where nobody estimates it.
    """

    user_id: str
    rtt_us: int | None
    estimate_bps: int | None
    up: Flow
    down: Flow
    slots: tuple[SlotStats, ...]


class TransportState(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    """ICE consent lost (2 s without an answer), or the transport's DTLS closed."""


@dataclass(frozen=True, slots=True)
class TransportChanged(MediaEvent):
    user_id: str
    state: TransportState


@dataclass(frozen=True, slots=True)
class MediaFlowing(MediaEvent):
    """The payee's first packet under this epoch has been forwarded to the payer."""

    lease_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class MeterRead(MediaEvent):
    """The meter: on each accepted grant, when it starts or stops running, and at least every second while it runs.

    Readings that nobody has fetched yet coalesce: only the newest of a lease is kept.
    """

    lease_id: str
    billable_us: int
    running: bool


class LeaseEnd(StrEnum):
    QUOTA = "quota"
    """Granted milliseconds are used up."""
    LAPSED = "lapsed"
    """No grant came in time: the control plane is late or gone. A newer grant lets media flow again."""
    REVOKED = "revoked"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class LeaseEnded(MediaEvent):
    """Packets under the lease have stopped. With cause CLOSED `billable_us` is the final meter.

    `deadline_us` is when the lease ran out (for QUOTA, LAPSED) or was ended; `last_forward_us` the clock after the
    last send call under it, 0 if none; `packets_after_deadline` how many were handed to the kernel later than
    `deadline_us`.
    """

    lease_id: str
    cause: LeaseEnd
    epoch: int
    billable_us: int
    deadline_us: int
    last_forward_us: int
    packets_after_deadline: int


@dataclass(frozen=True, slots=True)
class RoomLost(MediaEvent):
    """What carried the room is gone, with its seats and leases; LeaseEnded(CLOSED) has been told of each lease before.

    Whatever was open in it is open no more. `open_room` places it anew. Only engines with nodes tell it.
    """


class MediaEngine(Protocol):
    """What forwards packets. Every engine passes the suite in `tests/contract/test_media_engine.py`."""

    async def open_room(self, room_id: str) -> None:
        """Place a room. Raises MediaError `media_overloaded`, `media_unavailable`."""
        ...

    async def close_room(self, room_id: str) -> None:
        """Close every lease and seat of the room; final meters follow as LeaseEnded(CLOSED)."""
        ...

    async def open_lease(self, command: OpenLease) -> None:
        """Raises MediaError `room_unknown`."""
        ...

    def grant(self, command: Grant) -> None:
        """Extend a lease. Does not wait: posted to the engine; an unknown, stale or closed lease is left alone."""
        ...

    def revoke(self, room_id: str, lease_id: str) -> None:
        """Stop the lease's packets now. Does not wait. Only a grant of a higher epoch lets them flow again."""
        ...

    def close_lease(self, room_id: str, lease_id: str) -> None:
        """Revoke for good. Does not wait; LeaseEnded(CLOSED) with the final meter follows, once."""
        ...

    async def open_seat(self, command: OpenSeat) -> None:
        """Raises MediaError `room_unknown`."""
        ...

    async def close_seat(self, room_id: str, user_id: str) -> None: ...

    def cut_seat(self, room_id: str, user_id: str) -> None:
        """Stop every packet to and from one seat now, whatever its lease says. Does not wait; it is final."""
        ...

    async def offer(self, room_id: str, user_id: str, sdp: str) -> str:
        """Accept an SDP offer on a seat and return the answer (RFC 8829; answer-only, ICE-lite).

        An offer with a new DTLS fingerprint replaces the seat's transport, otherwise it renegotiates it (ICE restart
        included). Raises MediaError `seat_unknown`, `sdp_invalid`, `media_overloaded`.
        """
        ...

    async def subscribe(self, command: Subscription) -> None: ...

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        """Wait until there is an event numbered above `after`, and return up to `limit` of them in order."""
        ...

    def acknowledge(self, number: int) -> None:
        """Forget events up to and including `number`."""
        ...

    async def close(self) -> None: ...
