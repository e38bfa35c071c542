"""Disputes: a card holder takes a payment back, and the bank decides.

Opened, the money is taken from whoever has it (see `takeback`) into the dispute's own account; won, all of it goes back
where it came from; lost, the gateway has it. What a gateway tells is a hint: the dispute is fetched, and only advances.
"""

import json
import logging
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger import history
from curtaincall.ledger.model import (
    MAX_LEGS,
    Leg,
    Purpose,
    Transfer,
    dispute_pending,
    gateway_clearing,
)
from curtaincall.ledger.service import Ledger
from curtaincall.payments import dispute_store, store, takeback
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.dispute_store import Dispute
from curtaincall.payments.errors import CurrencyMismatch, DisputeDecided, PaymentUnknown
from curtaincall.payments.events import DisputeChanged, WalletChanged
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.model import PaymentStatus
from curtaincall.payments.ports import DisputeObject, DisputeState
from curtaincall.payments.refund_store import refunded_minor
from curtaincall.payments.store import PaymentRecord
from curtaincall.storage.executor import WriteExecutor

DECIDED: Final = frozenset({DisputeState.WON, DisputeState.LOST})
_RANK: Final = {DisputeState.INQUIRY: 0, DisputeState.OPENED: 1, DisputeState.WON: 2, DisputeState.LOST: 2}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Heard:
    gateway: str
    told: DisputeObject


@dataclass(frozen=True, slots=True)
class _Decision:
    dispute_id: str
    outcome: DisputeState


class Disputes:
    """Use cases of disputes."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        gateways: Gateways,
        cards: CardPayments,
        clock: Clock,
        ids: IdFactory,
        bus: EventBus,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._gateways = gateways
        self._cards = cards
        self._clock = clock
        self._new_id = ids
        self._bus = bus

    async def refresh(self, gateway: str, gateway_id: str) -> None:
        """Fetch a dispute and record what it is now.

        Raises PaymentUnknown if the payment is none of ours, or not known to have succeeded yet; GatewayUnavailable.
        """
        told = await self._gateways.named(gateway).dispute(gateway_id)
        # The hint may have overtaken that of the charge itself.
        payment = await self._cards.refresh(gateway, told.charge_id)
        if payment.status is not PaymentStatus.SUCCEEDED:
            raise PaymentUnknown("A payment that did not succeed cannot be disputed.")
        for event in await self._executor.submit(self._record, _Heard(gateway, told)):
            await self._tell(event)

    async def resolve(self, dispute_id: str, outcome: DisputeState) -> Dispute:
        """Have an operator decide (the bank wrote by post). Raises PaymentUnknown, DisputeDecided."""
        assert outcome in DECIDED
        event = await self._executor.submit(self._resolve, _Decision(dispute_id, outcome))
        await self._tell(event)
        return await self.dispute(dispute_id)

    async def dispute(self, dispute_id: str) -> Dispute:
        """Raises PaymentUnknown."""
        found = await self._executor.read(lambda tx: dispute_store.dispute_by_id(tx, dispute_id))
        if found is None:
            raise PaymentUnknown("There is no such dispute.")
        return found

    async def newest(self, state: DisputeState | None = None, user_id: str | None = None) -> tuple[Dispute, ...]:
        """The newest disputes (in one state, of one user), newest first."""
        return await self._executor.read(lambda tx: dispute_store.newest(tx, state, user_id))

    async def _tell(self, event: DisputeChanged) -> None:
        await self._bus.publish(event)
        await self._bus.publish(WalletChanged(event.user_id))

    # ---- within a transaction ---------------------------------------------------------------------------------------

    def _record(self, tx: Connection, heard: _Heard) -> list[DisputeChanged]:
        """Advance our dispute to where the gateway's is, by every step between."""
        told = heard.told
        payment = store.payment_at_gateway(tx, heard.gateway, told.charge_id, None)
        assert payment is not None
        if told.currency != payment.currency:
            raise CurrencyMismatch("The dispute is in another currency than its payment.", currency=told.currency)
        payment = store.locked_payment(tx, payment.payment_id)
        known = self._known(tx, heard, payment)
        if _RANK[told.state] <= _RANK[known.state]:
            if known.state in DECIDED and told.state in DECIDED and told.state is not known.state:
                log.error("dispute_contradicted", extra={"dispute_id": known.dispute_id, "told": told.state})
            return []
        events: list[DisputeChanged] = []
        lost_at_once = known.state is DisputeState.INQUIRY and told.state is DisputeState.LOST
        if told.state is DisputeState.OPENED or lost_at_once:
            known = self._open(tx, known, payment, told.amount_minor)
            events.append(_event(known))
        if told.state in DECIDED:
            known = self._decide(tx, known, told.state)
            events.append(_event(known))
        return events

    def _known(self, tx: Connection, heard: _Heard, payment: PaymentRecord) -> Dispute:
        """Our dispute; a new one begins as an inquiry, for which nothing has moved."""
        new = dispute_store.NewDispute(
            dispute_id=self._new_id(),
            gateway=heard.gateway,
            gateway_id=heard.told.gateway_id,
            payment_id=payment.payment_id,
            user_id=payment.user_id,
            currency=payment.currency,
            now_ms=self._clock.now_ms(),
        )
        return dispute_store.known_or_new(tx, new)

    def _open(self, tx: Connection, known: Dispute, payment: PaymentRecord, disputed_minor: int) -> Dispute:
        left = (
            payment.amount_minor
            - refunded_minor(tx, payment.payment_id)
            - dispute_store.taken_minor(tx, payment.payment_id)
        )
        amount_minor = max(0, min(disputed_minor, left))
        plan = takeback.Plan()
        if payment.purpose is not Purpose.TOP_UP:
            plan.refs[payment.purpose, payment.ref] = None
        if amount_minor:
            plan.take(tx, payment.credit, amount_minor)
            plan.record(tx, known.dispute_id)
            pending = dispute_pending(known.dispute_id, known.currency)
            legs = [Leg(source, pending, minor) for source, minor in plan.takes.items()]
            self._transfer(tx, known, "open", legs)
        values = {"state": DisputeState.OPENED, "amount_minor": amount_minor, "refs": json.dumps(list(plan.refs))}
        return dispute_store.change(tx, known.dispute_id, values)

    def _decide(self, tx: Connection, known: Dispute, outcome: DisputeState) -> Dispute:
        pending = dispute_pending(known.dispute_id, known.currency)
        if outcome is DisputeState.WON:
            legs = [Leg(pending, leg.debit, leg.amount_minor) for leg in _opened_legs(tx, known.dispute_id)]
            takeback.undo(tx, known.dispute_id)
        else:
            legs = [Leg(pending, gateway_clearing(known.gateway, known.currency), known.amount_minor)]
        if known.amount_minor:
            self._transfer(tx, known, outcome, legs)
        return dispute_store.change(tx, known.dispute_id, {"state": outcome, "decided_at_ms": self._clock.now_ms()})

    def _resolve(self, tx: Connection, decision: _Decision) -> DisputeChanged:
        known = dispute_store.dispute_by_id(tx, decision.dispute_id, lock=True)
        if known is None:
            raise PaymentUnknown("There is no such dispute.")
        if known.state in DECIDED:
            raise DisputeDecided("This dispute was decided before.", state=known.state)
        if known.state is DisputeState.INQUIRY and decision.outcome is DisputeState.LOST:
            payment = store.locked_payment(tx, known.payment_id)
            known = self._open(tx, known, payment, payment.amount_minor)
        return _event(self._decide(tx, known, decision.outcome))

    def _transfer(self, tx: Connection, known: Dispute, step: str, legs: list[Leg]) -> None:
        """Move the legs, in as many commands as they need: `dispute:{id}:open`, `dispute:{id}:open:1`, ..."""
        for number, at in enumerate(range(0, len(legs), MAX_LEGS)):
            part = tuple(legs[at : at + MAX_LEGS])
            key = _key(known.dispute_id, step, number)
            self._ledger.transfer(tx, Transfer(key, Purpose.CHARGEBACK, known.payment_id, part))


def _key(dispute_id: str, step: str, number: int) -> str:
    return f"dispute:{dispute_id}:{step}" + (f":{number}" if number else "")


def _opened_legs(tx: Connection, dispute_id: str) -> list[Leg]:
    legs: list[Leg] = []
    while part := history.movements_of(tx, _key(dispute_id, "open", -(-len(legs) // MAX_LEGS))):
        legs += [movement.leg for movement in part]
    return legs


def _event(dispute: Dispute) -> DisputeChanged:
    return DisputeChanged(
        dispute_id=dispute.dispute_id,
        payment_id=dispute.payment_id,
        user_id=dispute.user_id,
        state=dispute.state,
        amount_minor=dispute.amount_minor,
        currency=dispute.currency,
        refs=dispute.refs,
    )
