"""What the back office shows, and what an operator orders. Plain values."""

from dataclasses import dataclass

from curtaincall.accounts.model import User
from curtaincall.accounts.standing import Frozen
from curtaincall.ledger.model import Balance
from curtaincall.payments.dispute_store import Dispute
from curtaincall.payments.payout_store import Payout
from curtaincall.statements.model import Line, OpenHold
from curtaincall.subscriptions.service import SubscriptionView


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants something done, and why. The same `key` again is the same act: it moves money once."""

    actor: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Money:
    """Everything about one user's money, as of one moment. Amounts are minor units of `currency`."""

    user: User
    admin: bool
    frozen: Frozen | None
    currency: str
    wallet: Balance
    holds: tuple[OpenHold, ...]
    pending_minor: int
    """Earned, and not to be paid out yet."""
    payable_minor: int
    owed_minor: int
    """What the creator owes the house: disputed earnings that had been paid out."""
    payouts: tuple[Payout, ...]
    disputes: tuple[Dispute, ...]
    """Of their card payments. Payouts and disputes are the newest ones, newest first."""
    subscriptions: tuple[SubscriptionView, ...]
    transactions: tuple[Line, ...]
    """The newest movements of the wallet."""
