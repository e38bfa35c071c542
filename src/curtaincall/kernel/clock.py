"""Time is passed in: one port for the wall clock and the monotonic clock, so that tests can own it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for deadlines. Never subtract wall times."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch (UTC)."""
        ...

    def monotonic_us(self) -> int:
        """Microseconds of CLOCK_MONOTONIC: comparable with the `at_us` of media events on the same machine."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000


def rfc3339(epoch_ms: int) -> str:
    """Format epoch milliseconds as RFC 3339 UTC with milliseconds and `Z`, the form used on the wire."""
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
