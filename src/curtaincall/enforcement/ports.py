"""What enforcement needs of a connection to a person, whatever carries it."""

from collections.abc import Mapping
from typing import Protocol


class Connection(Protocol):
    """One person's open line. Neither method waits: messages are queued, and a reader too slow for it is cut off."""

    def send(self, message: Mapping[str, object]) -> None:
        """Queue a message of the signaling protocol."""
        ...

    def terminate(self, reason: str, redirect_url: str | None) -> None:
        """Queue TERMINATE_CALL; the line is closed a little later. Only the first call counts."""
        ...
