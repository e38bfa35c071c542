from collections.abc import Sequence
from typing import Literal, TypeAlias, final

__all__ = ["Engine", "SfuError"]

_Slot: TypeAlias = tuple[str, str, str | None, str | None, int | None, str | None]
"""mid, kind, user, source, height, paused"""

_TracksChanged: TypeAlias = tuple[Literal["tracks_changed"], int, int, str, str, list[_Slot]]
"""kind, number, at_us, room, user, slots"""

_TransportChanged: TypeAlias = tuple[Literal["transport_changed"], int, int, str, str, bool]
"""kind, number, at_us, room, user, connected"""

_SpeakerChanged: TypeAlias = tuple[Literal["speaker_changed"], int, int, str, str, str | None]
"""kind, number, at_us, room, user, speaker"""

_Flow: TypeAlias = tuple[int, int | None, int | None]
"""rate_bps, loss_permille, jitter_us"""

_SlotStats: TypeAlias = tuple[str, int | None, int, int, int]
"""mid, height, rate_bps, freezes, frozen_us"""

_Link: TypeAlias = tuple[int | None, int | None, _Flow, _Flow, list[_SlotStats]]
"""rtt_us, estimate_bps, up, down, slots"""

_StatsSampled: TypeAlias = tuple[Literal["stats_sampled"], int, int, str, str, _Link]
"""kind, number, at_us, room, user, link"""

_MediaFlowing: TypeAlias = tuple[Literal["media_flowing"], int, int, str, str, int]
"""kind, number, at_us, room, lease, epoch"""

_MeterRead: TypeAlias = tuple[Literal["meter_read"], int, int, str, str, int, bool]
"""kind, number, at_us, room, lease, billable_us, running"""

_LeaseEnded: TypeAlias = tuple[Literal["lease_ended"], int, int, str, str, str, int, int, int, int, int]
"""kind, number, at_us, room, lease, cause, epoch, billable_us, deadline_us, last_forward_us, packets_after_deadline"""

_Event: TypeAlias = (
    _TracksChanged | _TransportChanged | _SpeakerChanged | _StatsSampled | _MediaFlowing | _MeterRead | _LeaseEnded
)

class SfuError(Exception):
    """A command was refused; `args` are (code, message)."""

@final
class Engine:
    """The SFU with its threads and UDP ports. Only `offer` and `close` wait; both let go of the interpreter."""

    def __new__(
        cls, *, bind_ip: str, public_ips: Sequence[str], base_port: int, shards: int, max_seats_per_room: int
    ) -> Engine: ...
    @property
    def ports(self) -> list[int]: ...
    @property
    def event_fd(self) -> int:
        """Readable while there are events that `drain_events` has not looked at."""

    def open_room(self, room: str) -> None: ...
    def close_room(self, room: str) -> None: ...
    def open_lease(self, room: str, lease: str, payer: str | None, payee: str | None) -> None: ...
    def grant(self, room: str, lease: str, *, epoch: int, seq: int, granted_ms: int | None, lease_ms: int) -> None: ...
    def revoke(self, room: str, lease: str) -> None: ...
    def close_lease(self, room: str, lease: str) -> None: ...
    def open_seat(self, room: str, user: str, lease: str, may_publish: bool) -> None: ...
    def close_seat(self, room: str, user: str) -> None: ...
    def cut_seat(self, room: str, user: str) -> None: ...
    def subscribe(self, room: str, user: str, of: str, *, max_height: int, priority: int) -> None: ...
    def offer(self, room: str, user: str, sdp: str) -> str: ...
    def drain_events(self, after: int, limit: int) -> list[_Event]: ...
    def acknowledge(self, number: int) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def close(self) -> None: ...
