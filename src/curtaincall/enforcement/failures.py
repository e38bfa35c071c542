"""Somebody who knows says that a payment failed: the stream is cut first, then the money is settled."""

from curtaincall.charging.credit_control import CreditControl
from curtaincall.charging.model import EndReason
from curtaincall.enforcement.errors import SeatUnknown
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.rooms.errors import RoomUnknown


class PaymentFailures:
    """Ends what a failed payment paid for: a stream of our own, and sessions that another system meters.

    Without rooms (`curtaincall monetization`) there is no `enforcement`: who meters the session cuts its media.
    """

    def __init__(self, credit: CreditControl, enforcement: PaymentEnforcementService | None) -> None:
        self._credit = credit
        self._enforcement = enforcement

    async def report(self, room_id: str, user_id: str) -> None:
        """Idempotent. Raises SeatUnknown if no seat and no session of that user in that room is known."""
        cut = await self._cut(room_id, user_id)
        if not await self._credit.fail(room_id, user_id) and not cut:
            raise SeatUnknown("This user never was in that room.")

    async def _cut(self, room_id: str, user_id: str) -> bool:
        if self._enforcement is None:
            return False
        try:
            await self._enforcement.handle_payment_failure(room_id, user_id, EndReason.PAYMENT_FAILED)
        except (RoomUnknown, SeatUnknown):
            return False
        return True
