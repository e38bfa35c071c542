"""What charging needs of others that may be something else in a test: a card to charge."""

from typing import Protocol

from curtaincall.payments.model import CardPayment


class AutoRecharge(Protocol):
    """Fills a wallet from its owner's card without asking them again."""

    async def trigger(self, user_id: str, ref: str) -> CardPayment | None:
        """Charge the card on account of `ref`; None if the owner did not wish it, or has had it often enough today.

        The same `ref` again is the same charge. Money that comes in is heard of as WalletCredited; what counts of the
        answer is a decline.
        """
        ...
