"""Who is online: creators with an open events socket who have not stepped away."""

from curtaincall.kernel.events import EventBus
from curtaincall.rooms.events import PresenceChanged


class Presence:
    """Counts the sockets of each creator, because one may have several tabs open. In memory: a restart closes them."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._sockets: dict[str, int] = {}
        self._away: set[str] = set()

    def is_online(self, user_id: str) -> bool:
        return user_id in self._sockets and user_id not in self._away

    def online(self) -> frozenset[str]:
        return frozenset(self._sockets.keys() - self._away)

    async def opened(self, user_id: str) -> None:
        """A creator's events socket was opened."""
        before = self.is_online(user_id)
        self._sockets[user_id] = self._sockets.get(user_id, 0) + 1
        await self._tell(user_id, before)

    async def closed(self, user_id: str) -> None:
        """One was closed. With the last one the wish to be away is forgotten too."""
        before = self.is_online(user_id)
        self._sockets[user_id] -= 1
        if self._sockets[user_id] == 0:
            del self._sockets[user_id]
            self._away.discard(user_id)
        await self._tell(user_id, before)

    async def set_online(self, user_id: str, online: bool) -> None:
        """The creator's own switch; it matters while a socket is open."""
        before = self.is_online(user_id)
        if online:
            self._away.discard(user_id)
        elif user_id in self._sockets:
            self._away.add(user_id)
        await self._tell(user_id, before)

    async def _tell(self, user_id: str, before: bool) -> None:
        now = self.is_online(user_id)
        if now != before:
            await self._bus.publish(PresenceChanged(user_id, now))
