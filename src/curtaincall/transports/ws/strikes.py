"""One malformed message is forgiven, the second within a while is not."""

from typing import Final

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.transports.errors import code_of
from curtaincall.transports.ws.connection import SocketConnection

WINDOW_US: Final = 10_000_000
"""Two within this time end the connection."""

FORGIVABLE: Final = frozenset({"malformed", "unknown_type", "not_joined", "already_joined", "sdp_invalid"})
"""Refusals that a connection survives once."""


class Strikes:
    """Counts what a client got wrong."""

    def __init__(self, clock: Clock, connection: SocketConnection) -> None:
        self._clock = clock
        self._connection = connection
        self._last_us: int | None = None

    def forgive(self, refusal: CurtaincallError) -> None:
        """Say what was wrong and let the client go on; raises the refusal if it cannot be forgiven (again)."""
        now_us = self._clock.monotonic_us()
        second = self._last_us is not None and now_us - self._last_us < WINDOW_US
        if second or code_of(refusal) not in FORGIVABLE:
            raise refusal
        self._last_us = now_us
        self._connection.complain(refusal)
