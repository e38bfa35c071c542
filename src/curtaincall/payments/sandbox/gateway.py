"""The sandbox as a Gateway: what it is asked, and what happens in it as time goes on."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, update

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.ids import IdFactory
from curtaincall.payments.errors import GatewayUnsuitable, IdempotencyConflict, PaymentMethodInvalid, PaymentUnknown
from curtaincall.payments.ports import (
    Capabilities,
    Charge,
    ChargeResult,
    Declined,
    DisputeObject,
    DisputeState,
    PayOut,
    PayoutResult,
    Pending,
    RefundCharge,
    RefundResult,
    RequiresRedirect,
    SavedMethod,
    SetupIntent,
    Succeeded,
    WebhookEvent,
)
from curtaincall.payments.sandbox import rules as cards
from curtaincall.payments.sandbox import store
from curtaincall.payments.sandbox.passage import PLANNED, Passage
from curtaincall.payments.sandbox.rules import SandboxRules
from curtaincall.payments.sandbox.webhooks import Receive, Webhooks
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.upsert import insert

R = TypeVar("R")


class SandboxGateway:
    """The Gateway that moves no real money. `work` and `send_webhooks` are to be called as time goes on."""

    name = "sandbox"
    capabilities = Capabilities(off_session=True, refunds=True, payouts=True, redirects=True, setup_intents=False)

    def __init__(
        self,
        executor: WriteExecutor,
        clock: Clock,
        new_id: IdFactory,
        rules: SandboxRules | None = None,
        secret: str | None = None,
    ) -> None:
        """Without a `secret` it makes one up, and knows only the webhooks of its own lifetime."""
        self._executor = executor
        self._clock = clock
        self._new_id = new_id
        self._rules = rules or SandboxRules()
        self._webhooks = Webhooks(executor, clock, new_id, self._rules, secret or secrets.token_urlsafe(32))
        self._passage = Passage(self._webhooks, clock, self._rules)

    # ---- cards ------------------------------------------------------------------------------------------------------

    async def begin_setup(self, customer_id: str) -> SetupIntent:
        raise GatewayUnsuitable("The sandbox has no form: its cards are entered by name.")

    async def save_method(self, customer_id: str, token: str) -> SavedMethod:
        known = cards.card(token)
        if known is None:
            raise PaymentMethodInvalid("The sandbox has no such card.")
        card_id = f"card_{self._new_id()}"

        def save(tx: Connection, _: None) -> None:
            row = {"card_id": card_id, "customer_id": customer_id, "token": token, "charges": 0, "removed_at_ms": None}
            tx.execute(store.cards.insert(), row)
            # Nothing here listens to this one: real gateways too tell more than one wants to know.
            self._webhooks.announce(tx, "payment_method.attached", card_id)

        await self._executor.submit(save, None)
        return SavedMethod(card_id, known.brand, known.last4)

    async def begin_onboarding(self, recipient_id: str) -> str:
        raise GatewayUnsuitable("The sandbox pays out to anybody, and asks nothing.")

    async def close(self) -> None:
        """Nothing is open."""

    async def forget_method(self, gateway_ref: str) -> None:
        def forget(tx: Connection, card_id: str) -> None:
            t = store.cards
            tx.execute(update(t).where(t.c.card_id == card_id).values(removed_at_ms=self._clock.now_ms()))

        await self._executor.submit(forget, gateway_ref)

    # ---- charges ----------------------------------------------------------------------------------------------------

    async def charge(self, command: Charge) -> ChargeResult:
        made = await self._executor.submit(self._charge, command)
        return Declined("card_unknown") if made is None else _charge_result(made)

    async def charge_status(self, gateway_id: str) -> ChargeResult:
        return await self._fetch(store.payments, gateway_id, _charge_result)

    async def cancel_charge(self, gateway_id: str) -> ChargeResult:
        await self._executor.submit(self._passage.cancel, gateway_id)
        return await self.charge_status(gateway_id)

    async def holder_decides(self, charge_id: str, confirms: bool) -> bool:
        """What the holder answers on the page. False if there is nothing to confirm (any more)."""
        return await self._executor.submit(
            lambda tx, id_: self._passage.holder_decides(tx, id_, confirms=confirms), charge_id
        )

    async def waits_for_holder(self, charge_id: str) -> Charge | None:
        """The charge that is to be confirmed on the page, None if there is none (any more)."""
        row = await self._executor.read(lambda tx: store.by_id(tx, store.payments, charge_id))
        if row is None or row.status != "requires_action":
            return None
        return Charge(row.key, row.card_id, row.amount_minor, row.currency)

    def _charge(self, tx: Connection, command: Charge) -> Row[Any] | None:
        made = store.by_key(tx, store.payments, command.key)
        if made is None:
            card = store.locked_card(tx, command.gateway_ref)
            if card is None:
                return None
            self._new_charge(tx, command, card)
            made = store.by_key(tx, store.payments, command.key)
            assert made is not None  # ours, or that of a twin whose commit we waited for
        same = (made.card_id, made.amount_minor, made.currency)
        if same != (command.gateway_ref, command.amount_minor, command.currency):
            raise IdempotencyConflict("This key belongs to another charge.", key=command.key)
        return made

    def _new_charge(self, tx: Connection, command: Charge, card: Row[Any]) -> None:
        plan, now_ms = cards.card(card.token), self._clock.now_ms()
        assert plan is not None
        code = cards.decline_code(card.token, card.charges, command.off_session)
        status, due_at_ms = "succeeded" if code is None else "declined", None
        if code is None and plan.redirects:
            status = "requires_action"
        elif plan.pending_until_paid or plan.pending_until_failed:
            status, due_at_ms = "pending", now_ms + self._rules.settle_after_ms
            code = cards.PENDING_FAILURE if plan.pending_until_failed else None
        charge_id = f"ch_{self._new_id()}"
        statement = insert(store.payments).values(
            charge_id=charge_id,
            key=command.key,
            card_id=command.gateway_ref,
            amount_minor=command.amount_minor,
            currency=command.currency,
            off_session=command.off_session,
            status=status,
            code=code,
            refunded_minor=0,
            due_at_ms=due_at_ms,
            created_at_ms=now_ms,
        )
        statement = statement.on_conflict_do_nothing(index_elements=["key"])
        if tx.execute(statement.returning(store.payments.c.charge_id)).first() is None:
            return
        store.count_charge(tx, card.card_id)
        if status in ("succeeded", "declined"):
            self._webhooks.announce(tx, f"charge.{status}", charge_id, command.key)
        if status == "succeeded" and plan.dispute is not None:
            self._plan_dispute(tx, charge_id, command, plan.dispute)

    def _plan_dispute(self, tx: Connection, charge_id: str, charge: Charge, plan: cards.DisputePlan) -> None:
        now_ms = self._clock.now_ms()
        tx.execute(
            store.disputes.insert().values(
                dispute_id=f"dp_{self._new_id()}",
                charge_id=charge_id,
                amount_minor=charge.amount_minor,
                currency=charge.currency,
                status=PLANNED,
                becomes=plan.opens_as,
                outcome=plan.outcome,
                due_at_ms=now_ms + self._rules.dispute_after_ms,
                created_at_ms=now_ms,
            )
        )

    # ---- refunds, payouts, disputes ---------------------------------------------------------------------------------

    async def refund(self, command: RefundCharge) -> RefundResult:
        return _result(await self._executor.submit(self._refund, command), "refund_id")

    async def refund_status(self, gateway_id: str) -> RefundResult:
        return await self._fetch(store.refunds, gateway_id, lambda row: _result(row, "refund_id"))

    def _refund(self, tx: Connection, command: RefundCharge) -> Row[Any]:
        charge = store.locked_charge(tx, command.charge_id)
        if charge is None:
            raise PaymentUnknown("The sandbox made no such charge.")
        made = store.by_key(tx, store.refunds, command.key)
        if made is None:
            self._new_refund(tx, command, charge)
            made = store.by_key(tx, store.refunds, command.key)
            assert made is not None
        if (made.charge_id, made.amount_minor, made.currency) != (
            command.charge_id,
            command.amount_minor,
            command.currency,
        ):
            raise IdempotencyConflict("This key belongs to another refund.", key=command.key)
        return made

    def _new_refund(self, tx: Connection, command: RefundCharge, charge: Row[Any]) -> None:
        card = store.by_id(tx, store.cards, charge.card_id)
        plan, now_ms = cards.card("" if card is None else card.token), self._clock.now_ms()
        pends = plan is not None and plan.refund_pends
        fails = plan is not None and plan.refund_fails
        enough = charge.currency == command.currency and store.take_from_charge(
            tx, command.charge_id, command.amount_minor
        )
        refund_id = f"re_{self._new_id()}"
        status = "declined" if not enough else "pending" if pends else "succeeded"
        tx.execute(
            store.refunds.insert().values(
                refund_id=refund_id,
                key=command.key,
                charge_id=command.charge_id,
                amount_minor=command.amount_minor,
                currency=command.currency,
                status=status,
                code=cards.REFUND_FAILURE if fails else None if enough else "charge_already_refunded",
                due_at_ms=now_ms + self._rules.settle_after_ms if status == "pending" else None,
                created_at_ms=now_ms,
            )
        )
        if status == "succeeded":
            self._webhooks.announce(tx, "refund.succeeded", refund_id, command.key)

    async def payout(self, command: PayOut) -> PayoutResult:
        return _result(await self._executor.submit(self._payout, command), "payout_id")

    async def payout_status(self, gateway_id: str) -> PayoutResult:
        return await self._fetch(store.payouts, gateway_id, lambda row: _result(row, "payout_id"))

    def _payout(self, tx: Connection, command: PayOut) -> Row[Any]:
        now_ms = self._clock.now_ms()
        values = {
            "payout_id": f"po_{self._new_id()}",
            "key": command.key,
            "recipient_id": command.recipient_id,
            "amount_minor": command.amount_minor,
            "currency": command.currency,
            "status": "pending",
            "code": cards.PAYOUT_FAILURE if cards.payout_fails(command.amount_minor) else None,
            "due_at_ms": now_ms + self._rules.payout_after_ms,
            "created_at_ms": now_ms,
        }
        tx.execute(insert(store.payouts).values(values).on_conflict_do_nothing(index_elements=["key"]))
        made = store.by_key(tx, store.payouts, command.key)
        assert made is not None
        if (made.recipient_id, made.amount_minor, made.currency) != (
            command.recipient_id,
            command.amount_minor,
            command.currency,
        ):
            raise IdempotencyConflict("This key belongs to another payout.", key=command.key)
        return made

    async def dispute(self, dispute_id: str) -> DisputeObject:
        row = await self._fetch(store.disputes, dispute_id, lambda found: found)
        if row.status == PLANNED:
            raise PaymentUnknown("The sandbox has no such dispute.")
        return DisputeObject(dispute_id, row.charge_id, row.amount_minor, row.currency, DisputeState(row.status))

    # ---- time and webhooks ------------------------------------------------------------------------------------------

    async def work(self) -> int:
        """Let happen what is due by now. Returns how many objects changed."""
        now_ms = self._clock.now_ms()
        if not await self._executor.read(lambda tx: store.anything_due(tx, now_ms)):
            return 0
        return await self._executor.submit(self._passage.until, now_ms)

    async def send_webhooks(self, receive: Receive) -> int:
        """Send the webhooks that are due. Returns how many were taken."""
        return await self._webhooks.send(receive)

    async def webhooks_waiting(self) -> int:
        """How many webhooks are still to be sent, now or later."""
        return await self._webhooks.waiting()

    def verify_webhook(self, headers: Mapping[str, str], raw_body: bytes, now_ms: int) -> WebhookEvent:
        return self._webhooks.verify(headers, raw_body, now_ms)

    async def _fetch(self, table: Table, object_id: str, shown: Callable[[Row[Any]], R]) -> R:
        row = await self._executor.read(lambda tx: store.by_id(tx, table, object_id))
        if row is None:
            raise PaymentUnknown("The sandbox has no such object.", object_id=object_id)
        return shown(row)


def _charge_result(row: Row[Any]) -> ChargeResult:
    if row.status == "requires_action":
        return RequiresRedirect(row.charge_id, f"/api/sandbox/confirm/{row.charge_id}")
    return _result(row, "charge_id")


def _result(row: Row[Any], identity: str) -> Succeeded | Pending | Declined:
    object_id = str(row._mapping[identity])
    match row.status:
        case "succeeded":
            return Succeeded(object_id)
        case "pending":
            return Pending(object_id)
        case _:
            return Declined(row.code, object_id)
