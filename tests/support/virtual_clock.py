"""A clock that stands still until it is told to go on."""

START_MS = 1_790_000_000_000
"""Some moment in 2026, in the middle of a UTC day, so that no test crosses midnight by accident."""


class VirtualClock:
    """Wall time and monotonic time, moved together by hand."""

    def __init__(self) -> None:
        self.elapsed_us = 0

    def now_ms(self) -> int:
        return START_MS + self.elapsed_us // 1_000

    def monotonic_us(self) -> int:
        return 1_000_000 + self.elapsed_us

    def advance_us(self, duration_us: int) -> None:
        self.elapsed_us += duration_us
