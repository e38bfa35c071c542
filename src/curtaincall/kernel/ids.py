"""Identifiers: UUIDv7 strings of our own making, and the ids that callers may choose themselves."""

import os
import re
from collections.abc import Callable
from typing import Final

IdFactory = Callable[[], str]
"""Makes a new unique id: passed in wherever ids are made, so that tests can own them."""

CALLER_CHOSEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a `roomId` or `userId` from outside may look like (protocol.md; the spec's "battle-room-123")."""


def uuid7(now_ms: int, random: bytes | None = None) -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7) for the given epoch milliseconds.

    `random` is 10 bytes; without it they come from the operating system.
    """
    entropy = bytearray(random if random is not None else os.urandom(10))
    entropy[0] = 0x70 | (entropy[0] & 0x0F)
    entropy[2] = 0x80 | (entropy[2] & 0x3F)
    digits = (now_ms.to_bytes(6, "big") + bytes(entropy)).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_caller_chosen(value: str) -> bool:
    """Whether the value is allowed as a `roomId` or `userId`."""
    return CALLER_CHOSEN.fullmatch(value) is not None
