"""Refunds: a transaction is reversed, as a new one; nothing is edited.

A spend (a call, a tip, an unlock) goes back from whoever was paid to the wallet it came from, at once. A card payment
goes back to its card, at most what is left of it: intent and hold, then the gateway, then post or void. Each
transaction is refunded once, unless a gateway refused the attempt.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger import history
from curtaincall.ledger.history import Movement
from curtaincall.ledger.model import (
    MAX_LEGS,
    AccountKind,
    Hold,
    Leg,
    Post,
    Purpose,
    Share,
    Transfer,
    Void,
    gateway_clearing,
)
from curtaincall.ledger.service import Ledger
from curtaincall.payments import refund_store, store, takeback
from curtaincall.payments.dispute_store import has_dispute
from curtaincall.payments.errors import AlreadyRefunded, NotRefundable, PaymentUnknown
from curtaincall.payments.events import RefundMade, WalletChanged, WalletCredited
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.ports import Declined, Pending, RefundCharge, RefundResult, Succeeded
from curtaincall.payments.refund_store import NewRefund, Refund, RefundStatus
from curtaincall.payments.schedule import BATCH, FIRST_ANSWER_MS, RESTART_BATCH, next_question_ms
from curtaincall.payments.store import PaymentRecord
from curtaincall.storage.executor import WriteExecutor

SPENDS: Final = frozenset(
    {Purpose.CALL, Purpose.INSTANT_UNLOCK, Purpose.PREMIUM_HD, Purpose.BATTLE_ENTRY, Purpose.TIP, Purpose.SUBSCRIPTION}
)
"""What a wallet is spent on and may have back."""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Who wants which transaction (as a statement names it) refunded, and why."""

    transaction_id: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class _Answer:
    refund: Refund
    result: RefundResult


class Refunds:
    """Use cases of refunds, for operators."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        gateways: Gateways,
        clock: Clock,
        ids: IdFactory,
        bus: EventBus,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._gateways = gateways
        self._clock = clock
        self._new_id = ids
        self._bus = bus

    async def refund(self, request: RefundRequest) -> Refund:
        """Refund a transaction: a spend at once; a card payment is `pending` until its gateway has decided.

        Raises PaymentUnknown, NotRefundable, AlreadyRefunded, GatewayUnsuitable, GatewayUnknown.
        """
        refund = await self._executor.submit(self.record, request)
        if refund.payment_id is None:
            await self.tell(refund)
            return refund
        return await self._ask(refund)

    async def refresh(self, gateway: str, gateway_id: str, key: str | None) -> None:
        """Fetch a refund that the gateway says has changed. Raises PaymentUnknown, GatewayUnavailable."""
        found = await self._executor.read(lambda tx: refund_store.refund_at_gateway(tx, gateway_id, key))
        if found is None:
            raise PaymentUnknown("There is no such refund.", gateway_id=gateway_id)
        if found.status in refund_store.OPEN:
            await self._record_answer(found, await self._gateways.named(gateway).refund_status(gateway_id))

    async def start(self) -> None:
        """Ask about the refunds that a crash interrupted."""
        for refund in await self._executor.read(lambda tx: refund_store.due_refunds(tx, None, RESTART_BATCH)):
            await self._ask(refund)

    async def work(self) -> int:
        """Ask about refunds that are not decided, a batch of those that are due. Returns how many."""
        now_ms = self._clock.now_ms()
        due = await self._executor.read(lambda tx: refund_store.due_refunds(tx, now_ms, BATCH))
        for refund in due:
            await self._ask(refund)
        return len(due)

    async def tell(self, refund: Refund) -> None:
        """Tell of a refund that was made; for whoever called `record` within a transaction of their own."""
        if refund.status is not RefundStatus.SUCCEEDED:
            return
        await self._bus.publish(
            RefundMade(
                refund_id=refund.refund_id,
                transaction_id=refund.transaction_id,
                user_id=refund.user_id,
                purpose=refund.purpose,
                ref=refund.ref,
                amount_minor=refund.amount_minor,
                currency=refund.currency,
            )
        )
        if refund.payment_id is None:
            await self._bus.publish(WalletCredited(refund.user_id, refund.amount_minor, refund.currency))
        else:
            await self._bus.publish(WalletChanged(refund.user_id))

    async def _ask(self, refund: Refund) -> Refund:
        payment = await self._executor.read(lambda tx: store.payment_by_id(tx, refund.payment_id or ""))
        assert payment is not None
        known, charge_id = refund.gateway_id, payment.gateway_id
        if known is not None:
            answer = await self._gateways.ask(payment.gateway, lambda gateway: gateway.refund_status(known))
        else:
            assert charge_id is not None  # it succeeded
            command = RefundCharge(refund.refund_id, charge_id, refund.amount_minor, refund.currency)
            answer = await self._gateways.ask(payment.gateway, lambda gateway: gateway.refund(command))
        return await self._record_answer(refund, answer)

    async def _record_answer(self, refund: Refund, result: RefundResult) -> Refund:
        after, advanced = await self._executor.submit(self._advance, _Answer(refund, result))
        if advanced:
            await self.tell(after)
        return after

    # ---- within a transaction ---------------------------------------------------------------------------------------

    def record(self, tx: Connection, request: RefundRequest) -> Refund:
        """Reverse a spend, or record the intent to refund a card payment and hold its money."""
        movements = history.command_of(tx, request.transaction_id)
        if not movements:
            raise PaymentUnknown("There is no such transaction.")
        source = movements[0].leg.debit
        if source.kind is AccountKind.GATEWAY_CLEARING:
            return self._record_card_refund(tx, request, movements)
        same = all(movement.leg.debit == source for movement in movements)
        if not same or source.kind is not AccountKind.WALLET or movements[0].purpose not in SPENDS:
            raise NotRefundable("This transaction is no purchase.", purpose=movements[0].purpose)
        return self._reverse_spend(tx, request, movements)

    def _reverse_spend(self, tx: Connection, request: RefundRequest, movements: tuple[Movement, ...]) -> Refund:
        wallet = movements[0].leg.debit
        done = takeback.reversed_minor(tx, [movement.transfer_id for movement in movements])
        plan = takeback.Plan()
        left = [(movement, movement.leg.amount_minor - done.get(movement.transfer_id, 0)) for movement in movements]
        amount_minor = sum(minor for _, minor in left)
        refund = self._insert(tx, request, movements[0], wallet.owner_id, None, amount_minor)
        for movement, minor in left:
            if minor:
                plan.reverse(tx, movement, minor)
        plan.record(tx, refund.refund_id)
        legs = [Leg(source, wallet, minor) for source, minor in plan.takes.items()]
        for number, at in enumerate(range(0, len(legs), MAX_LEGS)):
            key = f"refund:{refund.refund_id}" + (f":{number}" if number else "")
            self._ledger.transfer(tx, Transfer(key, Purpose.REFUND, refund.ref, tuple(legs[at : at + MAX_LEGS])))
        return refund

    def _record_card_refund(self, tx: Connection, request: RefundRequest, movements: tuple[Movement, ...]) -> Refund:
        prefix, _, payment_id = movements[0].key.partition(":")
        found = store.payment_by_id(tx, payment_id)
        if found is None or prefix != "card" or len(movements) != 1:
            raise NotRefundable("This transaction is no payment by card.")
        payment = store.locked_payment(tx, payment_id)
        if has_dispute(tx, payment_id):
            raise NotRefundable("The payment is disputed: the bank gives it back, or nobody does.")
        if not self._gateways.named(payment.gateway).capabilities.refunds:
            raise NotRefundable("The gateway of this payment gives nothing back.")
        available = history.locked_available(tx, payment.credit)
        refund = self._insert(tx, request, movements[0], payment.user_id, payment, min(payment.amount_minor, available))
        clearing = gateway_clearing(payment.gateway, payment.currency)
        hold = Hold(refund.hold_key, Purpose.REFUND, payment.ref, payment.credit, clearing, refund.amount_minor)
        self._ledger.hold(tx, hold)
        return refund

    def _insert(
        self,
        tx: Connection,
        request: RefundRequest,
        first: Movement,
        user_id: str,
        payment: PaymentRecord | None,
        amount_minor: int,
    ) -> Refund:
        now_ms = self._clock.now_ms()
        new = NewRefund(
            refund_id=self._new_id(),
            transaction_key=first.key,
            transaction_id=request.transaction_id,
            user_id=user_id,
            purpose=first.purpose,
            ref=first.ref,
            payment_id=None if payment is None else payment.payment_id,
            amount_minor=max(1, amount_minor),
            currency=first.leg.debit.currency,
            reason=request.reason,
            actor=request.actor,
            status=RefundStatus.SUCCEEDED if payment is None else RefundStatus.REQUESTED,
            now_ms=now_ms,
            next_question_at_ms=now_ms + FIRST_ANSWER_MS,
        )
        if not refund_store.insert_refund(tx, new):
            raise AlreadyRefunded("This transaction was refunded before.")
        if amount_minor <= 0:
            raise NotRefundable("There is nothing left of this transaction.")  # and what was inserted goes with it
        found = refund_store.refund_by_id(tx, new.refund_id)
        assert found is not None
        return found

    def _advance(self, tx: Connection, answer: _Answer) -> tuple[Refund, bool]:
        before = refund_store.refund_by_id(tx, answer.refund.refund_id, lock=True)
        assert before is not None
        if before.status not in refund_store.OPEN:
            return before, False
        now_ms, result = self._clock.now_ms(), answer.result
        values: dict[str, object] = {"updated_at_ms": now_ms, "gateway_id": result.gateway_id or before.gateway_id}
        match result:
            case Succeeded():
                self._post(tx, before)
                values["status"] = RefundStatus.SUCCEEDED
            case Declined(code):
                self._ledger.void(tx, Void(f"refund:{before.refund_id}:void", before.hold_key))
                values |= {"status": RefundStatus.FAILED, "failure_code": code}
            case Pending():
                again_ms = next_question_ms(now_ms, before.questions)
                values |= {"status": RefundStatus.PENDING, "next_question_at_ms": again_ms}
        after = refund_store.change_refund(tx, before.refund_id, values)
        return after, after.status is not before.status

    def _post(self, tx: Connection, refund: Refund) -> None:
        payment = store.payment_by_id(tx, refund.payment_id or "")
        assert payment is not None
        share = Share(gateway_clearing(payment.gateway, payment.currency), refund.amount_minor)
        self._ledger.post(tx, Post(f"refund:{refund.refund_id}", refund.hold_key, (share,)))
