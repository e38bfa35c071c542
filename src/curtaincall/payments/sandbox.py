"""The sandbox gateway: a card processor of our own, with cards that pay and cards that decline.

Stateful as a real one is: cards and charges are kept in tables of its own, written in transactions of its own, and a
charge repeated with its key is the charge that was made. Tokens are named as Stripe names its test cards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Integer, Row, String, Table, select, update

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.ids import IdFactory
from curtaincall.payments.errors import GatewayUnsuitable, IdempotencyConflict, PaymentMethodInvalid, WebhookForged
from curtaincall.payments.ports import (
    Capabilities,
    Charge,
    ChargeResult,
    Declined,
    DisputeObject,
    PayOut,
    PayoutResult,
    RefundCharge,
    RefundResult,
    SavedMethod,
    SetupIntent,
    Succeeded,
    WebhookEvent,
)
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.schema import metadata

BRAND: Final = "visa"
LAST4: Final = {
    "pm_card_visa": "4242",
    "pm_card_chargeDeclined": "0341",
    "pm_card_chargeDeclinedInsufficientFunds": "9995",
    "pm_card_createDispute": "0259",
}
"""The plain cards and the digits they show. `pm_card_createDispute` pays as any other."""

_FAILS_AFTER: Final = re.compile(r"pm_card_fails_after_(\d{1,6})")
_FAILS_AFTER_LAST4: Final = "0119"

sandbox_cards = Table(
    "sandbox_cards",
    metadata,
    Column("card_id", String, primary_key=True),
    Column("customer_id", String, nullable=False),
    Column("token", String, nullable=False),
    Column("charges", Integer, nullable=False),
)

sandbox_charges = Table(
    "sandbox_charges",
    metadata,
    Column("key", String, primary_key=True),
    Column("card_id", ForeignKey("sandbox_cards.card_id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("decline_code", String),
    Column("created_at_ms", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class _NewCard:
    card_id: str
    customer_id: str
    token: str


def decline_code(token: str, earlier_charges: int) -> str | None:
    """Why a card refuses its next charge, None if it pays.

    `pm_card_fails_after_{n}`: the n-th charge and all later ones decline.
    """
    if token == "pm_card_chargeDeclined":  # noqa: S105 - the name of a test card
        return "card_declined"
    if token == "pm_card_chargeDeclinedInsufficientFunds":  # noqa: S105 - the name of a test card
        return "insufficient_funds"
    fails_after = _FAILS_AFTER.fullmatch(token)
    if fails_after is not None and earlier_charges + 1 >= int(fails_after[1]):
        return "card_declined"
    return None


class SandboxGateway:
    """The Gateway that moves no real money."""

    name = "sandbox"
    capabilities = Capabilities(off_session=True, refunds=False, payouts=False, redirects=False, setup_intents=False)

    def __init__(self, executor: WriteExecutor, clock: Clock, new_id: IdFactory) -> None:
        self._executor = executor
        self._clock = clock
        self._new_id = new_id

    async def save_method(self, customer_id: str, token: str) -> SavedMethod:
        last4 = LAST4.get(token) or (_FAILS_AFTER_LAST4 if _FAILS_AFTER.fullmatch(token) else None)
        if last4 is None:
            raise PaymentMethodInvalid("The sandbox has no such card.")
        card = _NewCard(f"card_{self._new_id()}", customer_id, token)
        await self._executor.submit(_save_card, card)
        return SavedMethod(card.card_id, BRAND, last4)

    async def charge(self, command: Charge) -> ChargeResult:
        return await self._executor.submit(self._charge, command)

    async def charge_status(self, gateway_id: str) -> ChargeResult:
        def query(tx: Connection) -> ChargeResult:
            made = tx.execute(select(sandbox_charges).where(sandbox_charges.c.key == gateway_id)).one()
            return Succeeded(gateway_id) if made.decline_code is None else Declined(made.decline_code, gateway_id)

        return await self._executor.read(query)

    async def cancel_charge(self, gateway_id: str) -> ChargeResult:
        return await self.charge_status(gateway_id)

    async def begin_setup(self, customer_id: str) -> SetupIntent:
        raise GatewayUnsuitable("Cards of the sandbox are entered by name.")

    async def forget_method(self, gateway_ref: str) -> None:
        """The sandbox keeps the card, and nobody can charge it any more: its method is gone."""

    async def refund(self, command: RefundCharge) -> RefundResult:
        raise GatewayUnsuitable("The sandbox gives nothing back yet.")

    async def refund_status(self, gateway_id: str) -> RefundResult:
        raise GatewayUnsuitable("The sandbox gives nothing back yet.")

    async def payout(self, command: PayOut) -> PayoutResult:
        raise GatewayUnsuitable("The sandbox pays nothing out yet.")

    async def payout_status(self, gateway_id: str) -> PayoutResult:
        raise GatewayUnsuitable("The sandbox pays nothing out yet.")

    async def dispute(self, dispute_id: str) -> DisputeObject:
        raise GatewayUnsuitable("The sandbox has no disputes yet.")

    def verify_webhook(self, headers: Mapping[str, str], raw_body: bytes, now_ms: int) -> WebhookEvent:
        raise WebhookForged("The sandbox sends no webhooks yet.")

    def _charge(self, tx: Connection, command: Charge) -> ChargeResult:
        made = tx.execute(select(sandbox_charges).where(sandbox_charges.c.key == command.key)).one_or_none()
        if made is not None:
            return _repeat(made, command)
        card = tx.execute(select(sandbox_cards).where(sandbox_cards.c.card_id == command.gateway_ref)).one_or_none()
        if card is None:
            return Declined("card_unknown")
        declined = decline_code(card.token, card.charges)
        tx.execute(
            update(sandbox_cards).where(sandbox_cards.c.card_id == card.card_id).values(charges=card.charges + 1)
        )
        tx.execute(
            sandbox_charges.insert().values(
                key=command.key,
                card_id=card.card_id,
                amount_minor=command.amount_minor,
                currency=command.currency,
                decline_code=declined,
                created_at_ms=self._clock.now_ms(),
            )
        )
        return Succeeded(command.key) if declined is None else Declined(declined)


def _save_card(tx: Connection, card: _NewCard) -> None:
    tx.execute(
        sandbox_cards.insert().values(card_id=card.card_id, customer_id=card.customer_id, token=card.token, charges=0)
    )


def _repeat(made: Row[Any], command: Charge) -> ChargeResult:
    if (made.card_id, made.amount_minor, made.currency) != (
        command.gateway_ref,
        command.amount_minor,
        command.currency,
    ):
        raise IdempotencyConflict("This key belongs to another charge.", key=command.key)
    return Succeeded(command.key) if made.decline_code is None else Declined(made.decline_code)
