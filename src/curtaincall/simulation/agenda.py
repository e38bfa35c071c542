"""What is to happen, in the order of time; of two things at one moment, the one that was noted first."""

import heapq
from collections.abc import Awaitable, Callable

Act = Callable[[], Awaitable[None]]


class Agenda:
    """Acts with the moments (microseconds of virtual time) at which they are due."""

    def __init__(self) -> None:
        self._acts: list[tuple[int, int, Act]] = []
        self._noted = 0

    def note(self, at_us: int, act: Act) -> None:
        self._noted += 1
        heapq.heappush(self._acts, (at_us, self._noted, act))

    @property
    def next_us(self) -> int | None:
        """When the next act is due; None if there is none."""
        return self._acts[0][0] if self._acts else None

    def take(self) -> Act:
        """The next act; it is not on the agenda any more."""
        return heapq.heappop(self._acts)[2]
