"""What payments tell the layers above."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WalletCredited:
    """Money has come into a user's wallet, and is committed."""

    user_id: str
    amount_minor: int
    currency: str
