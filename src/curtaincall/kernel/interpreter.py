"""How the interpreter shares itself out in a process that serves: called once, before it takes up work."""

import gc
import sys
from typing import Final

SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread that computes may keep the others waiting.

The writer of the database asks for the interpreter after each of a command's statements. At Python's 5 ms a busy event
loop makes it wait ten times that long for one command; measured with 10,000 calls, commits took twice their time.
"""

YOUNG_OBJECTS: Final = 50_000
"""How many new objects are looked through for cycles at a time.

Ten thousand calls make twenty thousand small objects a second that live for a second. At Python's 700 these count as
old ones before they die, and every few seconds all old objects are looked through, which takes half a second.
"""


def tune() -> None:
    """Set both. The figures are printed by `make bench-metering`."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(YOUNG_OBJECTS, 20, 10)
