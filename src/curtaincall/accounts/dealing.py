"""Whether two people may deal with each other: asked in the transaction of whatever one pays the other."""

from sqlalchemy import Connection

from curtaincall.accounts import blocks, standing
from curtaincall.accounts.errors import DealingBlocked


def check_dealing(tx: Connection, payer_id: str, payee_id: str) -> None:
    """Raises AccountFrozen if either account is frozen, DealingBlocked if either has blocked the other."""
    standing.refuse_frozen(tx, payer_id, payee_id)
    if blocks.between(tx, payer_id, payee_id):
        raise DealingBlocked("You cannot pay this person.")
