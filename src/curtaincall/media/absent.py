"""The engine of an app that is put together for its books only: no port is bound, and nothing flows."""

from curtaincall.media.ports import Grant, MediaError, MediaEvent, OpenLease, OpenSeat, Subscription


class AbsentEngine:
    """A MediaEngine without media: what would open something is refused, what would stop something is done already."""

    async def open_room(self, room_id: str) -> None:
        raise _unavailable()

    async def close_room(self, room_id: str) -> None: ...

    async def open_lease(self, command: OpenLease) -> None:
        raise _unavailable()

    def grant(self, command: Grant) -> None: ...

    def revoke(self, room_id: str, lease_id: str) -> None: ...

    def close_lease(self, room_id: str, lease_id: str) -> None: ...

    async def open_seat(self, command: OpenSeat) -> None:
        raise _unavailable()

    async def close_seat(self, room_id: str, user_id: str) -> None: ...

    def cut_seat(self, room_id: str, user_id: str) -> None: ...

    async def offer(self, room_id: str, user_id: str, sdp: str) -> str:
        raise _unavailable()

    async def subscribe(self, command: Subscription) -> None: ...

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        return []

    def acknowledge(self, number: int) -> None: ...

    async def close(self) -> None: ...


def _unavailable() -> MediaError:
    return MediaError("media_unavailable", "This process has no media engine.")
