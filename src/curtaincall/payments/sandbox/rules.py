"""What each card of the sandbox does, which payouts fail, and when webhooks come. Pure.

Tokens are named as Stripe names its test cards (docs.stripe.com/testing); those in snake_case are our own.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from curtaincall.payments.ports import DisputeState

FAILING_CENTS: Final = 13
"""A payout whose amount ends in this many minor units (10.13) comes back: `account_closed`."""

PAYOUT_FAILURE: Final = "account_closed"
REFUND_FAILURE: Final = "expired_or_canceled_card"
PENDING_FAILURE: Final = "processing_error"


@dataclass(frozen=True, slots=True)
class SandboxRules:
    """How long the sandbox takes, and how unreliably it tells."""

    seed: int = 1
    """Which webhooks come twice, late, and in which order."""
    settle_after_ms: int = 3_000
    """From a pending charge or refund to its outcome."""
    dispute_after_ms: int = 5_000
    """From the charge of a disputing card to the dispute."""
    decide_after_ms: int = 120_000
    """From the dispute to its decision."""
    payout_after_ms: int = 5_000
    max_delay_ms: int = 1_500
    """The latest that a webhook comes. Each has a delay of its own, so that they overtake one another."""
    duplicate_percent: int = 25
    """How many of the webhooks come a second time."""
    tolerance_s: int = 300
    """How old, or how far ahead of the clock, a signature may be."""


@dataclass(frozen=True, slots=True)
class DisputePlan:
    """What the holder of a disputing card does."""

    opens_as: DisputeState = DisputeState.OPENED
    outcome: DisputeState = DisputeState.LOST


@dataclass(frozen=True, slots=True)
class TestCard:
    """A card and its behaviour; each field is what is different from a card that simply pays."""

    last4: str
    brand: str = "visa"
    declines: str | None = None
    redirects: bool = False
    """The holder must confirm on a page; without the holder it declines."""
    pending_until_paid: bool = False
    pending_until_failed: bool = False
    dispute: DisputePlan | None = None
    refund_pends: bool = False
    refund_fails: bool = False


CARDS: Final = {
    "pm_card_visa": TestCard("4242"),
    "pm_card_visa_debit": TestCard("5556"),
    "pm_card_mastercard": TestCard("4444", "mastercard"),
    "pm_card_amex": TestCard("8431", "amex"),
    "pm_card_bypassPending": TestCard("0077"),
    "pm_card_chargeDeclined": TestCard("0002", declines="card_declined"),
    "pm_card_chargeCustomerFail": TestCard("0341", declines="card_declined"),
    "pm_card_chargeDeclinedInsufficientFunds": TestCard("9995", declines="insufficient_funds"),
    "pm_card_chargeDeclinedLostCard": TestCard("9987", declines="lost_card"),
    "pm_card_chargeDeclinedStolenCard": TestCard("9979", declines="stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": TestCard("0069", declines="expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": TestCard("0127", declines="incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": TestCard("0119", declines="processing_error"),
    "pm_card_chargeDeclinedVelocityLimitExceeded": TestCard("6975", declines="card_velocity_exceeded"),
    "pm_card_radarBlock": TestCard("0019", declines="fraudulent"),
    "pm_card_authenticationRequired": TestCard("3184", redirects=True),
    "pm_card_pending_then_succeeds": TestCard("0301", pending_until_paid=True),
    "pm_card_pending_then_fails": TestCard("0302", pending_until_failed=True),
    "pm_card_createDispute": TestCard("0259", dispute=DisputePlan()),
    "pm_card_createDisputeProductNotReceived": TestCard("2685", dispute=DisputePlan()),
    "pm_card_createDisputeInquiry": TestCard("1976", dispute=DisputePlan(DisputeState.INQUIRY, DisputeState.WON)),
    "pm_card_dispute_won": TestCard("0303", dispute=DisputePlan(outcome=DisputeState.WON)),
    "pm_card_pendingRefund": TestCard("7726", refund_pends=True),
    "pm_card_refundFail": TestCard("5126", refund_pends=True, refund_fails=True),
}

_FAILS_AFTER: Final = re.compile(r"pm_card_fails_after_(\d{1,6})")


def card(token: str) -> TestCard | None:
    """The card of this name. `pm_card_fails_after_{n}`: the n-th charge and all later ones decline."""
    if _FAILS_AFTER.fullmatch(token):
        return TestCard("0119")
    return CARDS.get(token)


def decline_code(token: str, earlier_charges: int, off_session: bool) -> str | None:
    """Why a card refuses its next charge, None if it does not."""
    fails_after = _FAILS_AFTER.fullmatch(token)
    if fails_after is not None:
        return "card_declined" if earlier_charges + 1 >= int(fails_after[1]) else None
    known = CARDS[token]
    if known.redirects and off_session:
        return "authentication_required"
    return known.declines


def payout_fails(amount_minor: int) -> bool:
    return amount_minor % 100 == FAILING_CENTS


def delays_ms(rules: SandboxRules, event: str) -> tuple[int, ...]:
    """How long after an event each copy of its webhook is sent: the same seed, the same delays."""
    digest = hashlib.sha256(f"{rules.seed}:{event}".encode()).digest()
    first, second, chance = (int.from_bytes(digest[at : at + 4], "big") for at in (0, 4, 8))
    copies = 2 if chance % 100 < rules.duplicate_percent else 1
    return (first % (rules.max_delay_ms + 1), second % (rules.max_delay_ms + 1))[:copies]
