"""What payments tell the layers above. Told after the commit, so a crash between may swallow one: whoever must not miss
it asks again at its start (`CardPayments.payment`)."""

from dataclasses import dataclass

from curtaincall.ledger.model import Purpose
from curtaincall.payments.model import PaymentStatus
from curtaincall.payments.ports import DisputeState


@dataclass(frozen=True, slots=True)
class WalletCredited:
    """Money has come into a user's wallet, and is committed."""

    user_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class WalletChanged:
    """A wallet has changed in another way than by money paid in: its owner may want to see it."""

    user_id: str


@dataclass(frozen=True, slots=True)
class CardPaymentChanged:
    """A card payment has advanced: at once, or later by a webhook or a question."""

    payment_id: str
    user_id: str
    purpose: Purpose
    ref: str
    key: str
    """The caller's key of `CardPayments.pay`."""
    status: PaymentStatus
    decline_code: str | None
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class DisputeChanged:
    """A card holder disputes a payment, or that is decided."""

    dispute_id: str
    payment_id: str
    user_id: str
    state: DisputeState
    amount_minor: int
    currency: str
    refs: tuple[tuple[Purpose, str], ...]
    """What the disputed money had been spent on, newest first; the payment itself, if it was for something."""


@dataclass(frozen=True, slots=True)
class RefundMade:
    """A transaction was reversed, or is on its way back to the card."""

    refund_id: str
    transaction_id: str
    user_id: str
    purpose: Purpose
    """What the refunded transaction was for."""
    ref: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class PayoutChanged:
    """A creator's payout is on its way, has arrived, or came back."""

    payout_id: str
    creator_id: str
    status: str
    amount_minor: int
    currency: str
