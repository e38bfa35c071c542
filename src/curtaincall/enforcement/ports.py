"""What enforcement needs: a connection to a person, whatever carries it, and a word on whether a seat is paid for."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from curtaincall.charging.payment_status import PaymentStatus
from curtaincall.kernel.errors import CurtaincallError


class Connection(Protocol):
    """One person's open line. No method waits: messages are queued, and a reader too slow for it is cut off."""

    def send(self, message: Mapping[str, object]) -> None:
        """Queue a message of the signaling protocol."""
        ...

    def terminate(self, reason: str, redirect_url: str | None) -> None:
        """Queue TERMINATE_CALL; the line is closed a little later. Only the first call counts."""
        ...

    def dismiss(self, reason: CurtaincallError) -> None:
        """Queue ERROR and a close after which the other side may come back."""
        ...


class PaymentSource(Protocol):
    """Somebody else's word on whether a seat is paid for. Every method raises MonetizationUnavailable."""

    async def status(self, room_id: str, user_id: str) -> PaymentStatus:
        """Ask now. Answers or raises within a few seconds."""
        ...

    def watch(self, room_id: str, user_id: str) -> AsyncGenerator[PaymentStatus, None]:
        """The status of now, then each change; ends when the other side has nothing more to say."""
        ...

    async def close(self) -> None:
        """Let go of the connection. Idempotent."""
        ...
