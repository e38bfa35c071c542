"""The one root of every error of ours: a stable code, a sentence for people, facts for machines."""

from typing import ClassVar


class CurtaincallError(Exception):
    """Base of every expected refusal.

    Each domain derives its own base from this; `code` is stable and part of the public contract (see
    `transports/errors.py`, the one table that maps codes to HTTP statuses and WebSocket close codes).
    """

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
