"""A server whose wall clock can be moved ahead: months of renewals pass while nobody waits.

Only the wall clock is moved. Deadlines are monotonic, so that media and leases notice nothing.
"""

import mmap
from pathlib import Path
from typing import Final

VARIABLE: Final = "CLOCK_SHIFT_FILE"

LAUNCHER: Final = """
import mmap, os, time
from curtaincall.kernel.clock import SystemClock
with open(os.environ["CLOCK_SHIFT_FILE"], "rb") as file:
    shift = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
SystemClock.now_ms = lambda self: time.time_ns() // 1_000_000 + int.from_bytes(shift[:8], "big")
from curtaincall.cli import main
main()
"""
"""What is run in the place of `-m curtaincall`."""


class ClockShift:
    """How far ahead of the machine's clock the server's is."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(8))
        self.file = file
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 8)
        self._shift_ms = 0

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.file)}

    def pass_days(self, days: float) -> None:
        """From now on it is so many days later still."""
        self._shift_ms += round(days * 86_400_000)
        self._shared[:8] = self._shift_ms.to_bytes(8, "big")

    def close(self) -> None:
        self._shared.close()
