"""Payments by card: the one way in which money comes in.

No gateway is called inside an open transaction: the intent is recorded and committed, the gateway is asked with the
payment's id as key, and what it says is recorded together with the money. A crash between leaves an intent that
`work` asks about again; what a gateway knows only later is asked about, or told by a webhook.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from curtaincall.accounts import standing
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import Account, AccountKind, Leg, Purpose, Transfer, gateway_clearing
from curtaincall.ledger.service import Ledger
from curtaincall.payments import store
from curtaincall.payments.errors import (
    AmountInvalid,
    CurrencyMismatch,
    GatewayUnsuitable,
    IdempotencyConflict,
    PaymentMethodUnknown,
    PaymentUnknown,
)
from curtaincall.payments.events import CardPaymentChanged, WalletCredited
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.model import FINAL, CardPayment, PaymentStatus
from curtaincall.payments.ports import Charge, ChargeResult, Declined, Pending, RequiresRedirect, Succeeded
from curtaincall.payments.schedule import BATCH, FIRST_ANSWER_MS, RESTART_BATCH, next_question_ms
from curtaincall.payments.store import Advance, Intent, PaymentRecord
from curtaincall.storage.executor import WriteExecutor

MAX_CHARGE_MINOR: Final = 1_000_000
"""The most that one payment takes from a card."""

REDIRECT_WINDOW_MS: Final = 3_600_000
"""How long a card holder may take to confirm; then the charge is cancelled."""

log = logging.getLogger(__name__)

Precondition = Callable[[Connection], None]
"""Checked, and written, in the transaction of a new intent; refuses by raising."""


@dataclass(frozen=True, slots=True)
class _Answer:
    record: PaymentRecord
    result: ChargeResult


@dataclass(frozen=True, slots=True)
class _Recorded:
    record: PaymentRecord
    changed: bool


class CardPayments:
    """Use cases of card payments. All amounts are minor units of the one currency of the house."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        gateways: Gateways,
        clock: Clock,
        ids: IdFactory,
        bus: EventBus,
        currency: str,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._gateways = gateways
        self._clock = clock
        self._new_id = ids
        self._bus = bus
        self._currency = currency

    async def pay(
        self,
        *,
        user_id: str,
        payment_method_id: str,
        amount_minor: int,
        currency: str,
        key: str,
        purpose: Purpose,
        credit: Account,
        ref: str | None = None,
        off_session: bool = False,
        description: str = "",
        precondition: Precondition | None = None,
    ) -> CardPayment:
        """Charge a saved card for the benefit of `credit`.

        The user's same key with the same body is the same payment: its outcome, or a further question about it if
        that is not known. Without a `ref` the payment is for itself (a top-up). A decline is an answer, not an error.
        Raises AmountInvalid, CurrencyMismatch, PaymentMethodUnknown, GatewayUnsuitable, IdempotencyConflict,
        AccountFrozen.
        """
        if not currency == credit.currency == self._currency:
            raise CurrencyMismatch("Money is in another currency here.", currency=self._currency)
        if not 0 < amount_minor <= MAX_CHARGE_MINOR:
            raise AmountInvalid("The amount of a payment is out of bounds.", max_minor=MAX_CHARGE_MINOR)
        body = json.dumps([amount_minor, currency, payment_method_id, purpose, ref, credit.id]).encode()
        payment_id, now_ms = self._new_id(), self._clock.now_ms()
        intent = Intent(
            payment_id=payment_id,
            user_id=user_id,
            key=key,
            body_hash=hashlib.sha256(body).hexdigest(),
            purpose=purpose,
            ref=payment_id if ref is None else ref,
            credit=credit,
            payment_method_id=payment_method_id,
            amount_minor=amount_minor,
            currency=currency,
            off_session=off_session,
            description=description,
            now_ms=now_ms,
            next_question_at_ms=now_ms + FIRST_ANSWER_MS,
        )
        record = await self._executor.submit(lambda tx, new: self._record_intent(tx, new, precondition), intent)
        return (record if record.status in FINAL else await self._ask(record)).shown

    async def payment(self, payment_id: str) -> CardPayment:
        """What is known of a payment. Raises PaymentUnknown."""
        return (await self.record(payment_id)).shown

    async def record(self, payment_id: str) -> PaymentRecord:
        """The payment with what it was for. Raises PaymentUnknown."""
        found = await self._executor.read(lambda tx: store.payment_by_id(tx, payment_id))
        if found is None:
            raise PaymentUnknown("There is no such payment.")
        return found

    async def refresh(self, gateway: str, gateway_id: str, key: str | None = None) -> PaymentRecord:
        """Fetch a charge that the gateway says has changed, and record what it is now.

        Raises PaymentUnknown if the charge is none of ours (or its answer is not recorded yet), GatewayUnavailable.
        """
        found = await self._executor.read(lambda tx: store.payment_at_gateway(tx, gateway, gateway_id, key))
        if found is None:
            raise PaymentUnknown("There is no such payment.", gateway_id=gateway_id)
        if found.status in FINAL:
            return found
        return await self._record(found, await self._gateways.named(gateway).charge_status(gateway_id))

    async def start(self) -> None:
        """Ask about the payments that a crash interrupted, without waiting for the time of their next question."""
        for record in await self._executor.read(lambda tx: store.due_payments(tx, None, RESTART_BATCH)):
            await self._ask(record)

    async def work(self) -> int:
        """Ask about payments whose outcome is not known, a batch of those that are due. Returns how many."""
        now_ms = self._clock.now_ms()
        due = await self._executor.read(lambda tx: store.due_payments(tx, now_ms, BATCH))
        for record in due:
            await self._ask(record)
        return len(due)

    async def _ask(self, record: PaymentRecord) -> PaymentRecord:
        """Ask the gateway, and record what it says together with the money."""
        known = record.gateway_id
        if known is None:
            charge = Charge(
                key=record.payment_id,
                gateway_ref=record.method_ref,
                amount_minor=record.amount_minor,
                currency=record.currency,
                customer_id=record.user_id,
                off_session=record.off_session,
                description=record.description,
            )
            return await self._record(record, await self._gateways.ask(record.gateway, lambda g: g.charge(charge)))
        waits = record.status is PaymentStatus.REQUIRES_ACTION
        too_long = waits and self._clock.now_ms() - record.created_at_ms > REDIRECT_WINDOW_MS
        answer = await self._gateways.ask(
            record.gateway, lambda g: g.cancel_charge(known) if too_long else g.charge_status(known)
        )
        return await self._record(record, answer)

    async def _record(self, record: PaymentRecord, result: ChargeResult) -> PaymentRecord:
        recorded = await self._executor.submit(self._record_answer, _Answer(record, result))
        if recorded.changed:
            await self._tell(recorded.record)
        return recorded.record

    async def _tell(self, record: PaymentRecord) -> None:
        if record.status is PaymentStatus.SUCCEEDED and record.credit.kind is AccountKind.WALLET:
            await self._bus.publish(WalletCredited(record.user_id, record.amount_minor, record.currency))
        await self._bus.publish(
            CardPaymentChanged(
                payment_id=record.payment_id,
                user_id=record.user_id,
                purpose=record.purpose,
                ref=record.ref,
                key=record.key,
                status=record.status,
                decline_code=record.decline_code,
                amount_minor=record.amount_minor,
                currency=record.currency,
            )
        )

    # ---- within a transaction ---------------------------------------------------------------------------------------

    def _record_intent(self, tx: Connection, intent: Intent, precondition: Precondition | None) -> PaymentRecord:
        made = store.payment_by_key(tx, intent.user_id, intent.key)
        if made is None:
            standing.refuse_frozen(tx, intent.user_id)
            method = store.method_of(tx, intent.user_id, intent.payment_method_id)
            if method is None:
                raise PaymentMethodUnknown("There is no such payment method.")
            if intent.off_session and not self._gateways.named(method.gateway).capabilities.off_session:
                raise GatewayUnsuitable("This gateway charges only while the card's holder is there.")
            if precondition is not None:
                precondition(tx)
            store.insert_payment(tx, intent, method.gateway)
            made = store.payment_by_key(tx, intent.user_id, intent.key)
            assert made is not None  # ours, or that of a twin whose commit we waited for
        if made.body_hash != intent.body_hash:
            raise IdempotencyConflict("This Idempotency-Key was used with another body.")
        return made

    def _record_answer(self, tx: Connection, answer: _Answer) -> _Recorded:
        before = store.locked_payment(tx, answer.record.payment_id)
        if before.status in FINAL:
            if _contradicts(before.status, answer.result):
                log.error("payment_contradicted", extra={"payment_id": before.payment_id, "status": before.status})
            return _Recorded(before, changed=False)
        now_ms = self._clock.now_ms()
        advance = _advance(before, answer.result, now_ms)
        store.advance_payment(tx, before, advance, now_ms)
        if advance.status is PaymentStatus.SUCCEEDED:
            leg = Leg(gateway_clearing(before.gateway, before.currency), before.credit, before.amount_minor)
            self._ledger.transfer(tx, Transfer(before.ledger_key, before.purpose, before.ref, (leg,)))
        after = store.payment_by_id(tx, before.payment_id)
        assert after is not None
        return _Recorded(after, changed=after.status is not before.status)


def _advance(before: PaymentRecord, result: ChargeResult, now_ms: int) -> Advance:
    again_ms = next_question_ms(now_ms, before.questions)
    gateway_id = result.gateway_id or before.gateway_id
    match result:
        case Succeeded():
            return Advance(PaymentStatus.SUCCEEDED, gateway_id, None, None, now_ms)
        case Declined(code):
            return Advance(PaymentStatus.DECLINED, gateway_id, code, None, now_ms)
        case RequiresRedirect(url=url):
            return Advance(PaymentStatus.REQUIRES_ACTION, gateway_id, None, url, again_ms)
        case Pending(None) if before.status is PaymentStatus.REQUIRES_ACTION:
            # Silence says nothing against what is known.
            return Advance(before.status, gateway_id, None, before.redirect_url, again_ms)
        case Pending():
            return Advance(PaymentStatus.PENDING, gateway_id, None, None, again_ms)


def _contradicts(known: PaymentStatus, result: ChargeResult) -> bool:
    """Whether a gateway now says the opposite of what it said for good."""
    if known is PaymentStatus.SUCCEEDED:
        return isinstance(result, Declined)
    return isinstance(result, Succeeded)
