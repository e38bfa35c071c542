"""A clock that stands still until it is told to go on."""

from typing import Final

BOOT_US: Final = 1_000_000
"""What the monotonic clock shows at the beginning: like a machine's, it has nothing to do with the date."""


class VirtualClock:
    """Wall time (UTC) and monotonic time, moved together. A Clock."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._elapsed_us = 0

    @property
    def elapsed_us(self) -> int:
        """Microseconds since the beginning."""
        return self._elapsed_us

    def now_ms(self) -> int:
        return self._start_ms + self._elapsed_us // 1_000

    def monotonic_us(self) -> int:
        return BOOT_US + self._elapsed_us

    def advance_us(self, duration_us: int) -> None:
        """Let time go on. Raises ValueError if it would go back."""
        if duration_us < 0:
            raise ValueError("Time does not go back.")
        self._elapsed_us += duration_us
