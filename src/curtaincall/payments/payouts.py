"""Payouts: earnings become payable when their time has come, and a creator has them sent out.

Money on its way lies in an account of the payout's own until the gateway says that it arrived or came back. A creator
who owes the house (see `takeback`) pays that first.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from curtaincall.accounts import standing
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger import history
from curtaincall.ledger.model import (
    Account,
    AccountKind,
    Leg,
    Purpose,
    Transfer,
    creator_payable,
    creator_pending,
    creator_receivable,
    gateway_clearing,
    payout_in_transit,
)
from curtaincall.ledger.service import Ledger
from curtaincall.payments import payout_store
from curtaincall.payments.errors import AmountInvalid, IdempotencyConflict, NothingToPayOut, PaymentUnknown
from curtaincall.payments.events import PayoutChanged
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.payout_store import NewPayout, Payout, PayoutStatus
from curtaincall.payments.ports import Declined, PayOut, PayoutResult, Pending, Succeeded
from curtaincall.payments.schedule import BATCH, FIRST_ANSWER_MS, RESTART_BATCH, next_question_ms
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page, page_size

MAX_PAYOUT_MINOR: Final = 100_000_000
"""The most that one payout sends."""

DAY_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class PayoutRequest:
    """What a creator wants sent; all there is, without an amount."""

    creator_id: str
    amount_minor: int | None
    key: str


@dataclass(frozen=True, slots=True)
class _Answer:
    payout: Payout
    result: PayoutResult


class Payouts:
    """Use cases of creators' payouts. Amounts are minor units of the one currency of the house."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        gateways: Gateways,
        clock: Clock,
        ids: IdFactory,
        bus: EventBus,
        currency: str,
        release_after_days: int,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._gateways = gateways
        self._clock = clock
        self._new_id = ids
        self._bus = bus
        self._currency = currency
        self._release_after_ms = release_after_days * DAY_MS

    # ---- releases ---------------------------------------------------------------------------------------------------

    async def release(self, creator_id: str) -> int:
        """Make payable what the creator earned long enough ago, less what is owed. Returns how much left pending."""
        return await self._executor.submit(self._release, creator_id)

    async def release_all(self) -> int:
        """Release the earnings of every creator who has any. Returns of how many something was."""
        released, after_id = 0, None
        while True:
            found = await self._executor.read(partial(_creators_with_money, after_id=after_id))
            for account in found:
                if account.currency == self._currency and await self.release(account.owner_id):
                    released += 1
            if len(found) < BATCH:
                return released
            after_id = found[-1].id

    # ---- payouts ----------------------------------------------------------------------------------------------------

    async def request(self, request: PayoutRequest) -> Payout:
        """Send out earnings. The creator's same key is the same payout.

        Raises AmountInvalid, NothingToPayOut, GatewayUnsuitable, IdempotencyConflict.
        """
        if request.amount_minor is not None and not 0 < request.amount_minor <= MAX_PAYOUT_MINOR:
            raise AmountInvalid("The amount of a payout is out of bounds.", max_minor=MAX_PAYOUT_MINOR)
        await self.release(request.creator_id)
        payout = await self._executor.submit(self._record_intent, request)
        return await self._ask(payout) if payout.status in payout_store.OPEN else payout

    async def begin_onboarding(self, creator_id: str) -> str:
        """A page of the gateway that pays out, on which the creator says who they are.

        Raises GatewayUnsuitable if it asks nothing, GatewayUnavailable.
        """
        gateway = self._gateways.able(lambda can: can.payouts, "payouts")
        return await gateway.begin_onboarding(creator_id)

    async def payouts(self, creator_id: str, cursor: str | None, limit: int) -> Page[Payout]:
        """One page of the creator's payouts, newest first. Raises CursorInvalid."""
        return await self._executor.read(lambda tx: payout_store.payouts_of(tx, creator_id, cursor, page_size(limit)))

    async def payout(self, payout_id: str) -> Payout:
        """Raises PaymentUnknown."""
        found = await self._executor.read(lambda tx: payout_store.payout_by_id(tx, payout_id))
        if found is None:
            raise PaymentUnknown("There is no such payout.")
        return found

    async def refresh(self, gateway: str, gateway_id: str, key: str | None) -> None:
        """Fetch a payout that the gateway says has changed. Raises PaymentUnknown, GatewayUnavailable."""
        found = await self._executor.read(lambda tx: payout_store.payout_at_gateway(tx, gateway, gateway_id, key))
        if found is None:
            raise PaymentUnknown("There is no such payout.", gateway_id=gateway_id)
        if found.status in payout_store.OPEN:
            await self._record_answer(found, await self._gateways.named(gateway).payout_status(gateway_id))

    async def start(self) -> None:
        """Ask about the payouts that a crash interrupted."""
        for payout in await self._executor.read(lambda tx: payout_store.due_payouts(tx, None, RESTART_BATCH)):
            await self._ask(payout)

    async def work(self) -> int:
        """Ask about payouts that have not arrived, a batch of those that are due. Returns how many."""
        now_ms = self._clock.now_ms()
        due = await self._executor.read(lambda tx: payout_store.due_payouts(tx, now_ms, BATCH))
        for payout in due:
            await self._ask(payout)
        return len(due)

    async def _ask(self, payout: Payout) -> Payout:
        known = payout.gateway_id
        if known is not None:
            answer = await self._gateways.ask(payout.gateway, lambda gateway: gateway.payout_status(known))
        else:
            command = PayOut(payout.payout_id, payout.creator_id, payout.amount_minor, payout.currency)
            answer = await self._gateways.ask(payout.gateway, lambda gateway: gateway.payout(command))
        return await self._record_answer(payout, answer)

    async def _record_answer(self, payout: Payout, result: PayoutResult) -> Payout:
        after, advanced = await self._executor.submit(self._advance, _Answer(payout, result))
        if advanced:
            event = PayoutChanged(after.payout_id, after.creator_id, after.status, after.amount_minor, after.currency)
            await self._bus.publish(event)
        return after

    # ---- within a transaction ---------------------------------------------------------------------------------------

    def _release(self, tx: Connection, creator_id: str) -> int:
        pending = creator_pending(creator_id, self._currency)
        available = history.locked_available(tx, pending)
        young = history.credited_since(tx, pending, self._clock.now_ms() - self._release_after_ms)
        # What was taken back meanwhile counts against the old earnings: nothing young is ever released.
        amount = max(0, available - young)
        if amount == 0:
            return 0
        payable = creator_payable(creator_id, self._currency)
        history.locked_available(tx, payable)  # a payout settles the debt too, and it is settled once
        owed = min(amount, self._owed(tx, creator_id))
        legs = (
            Leg(pending, creator_receivable(creator_id, self._currency), owed),
            Leg(pending, payable, amount - owed),
        )
        moving = tuple(leg for leg in legs if leg.amount_minor > 0)
        self._ledger.transfer(tx, Transfer(f"release:{self._new_id()}", Purpose.RELEASE, creator_id, moving))
        return amount

    def _owed(self, tx: Connection, creator_id: str) -> int:
        return max(0, -self._ledger.balance(tx, creator_receivable(creator_id, self._currency)).balance_minor)

    def _settle_debt(self, tx: Connection, payable: Account) -> int:
        """Have a creator pay what is owed out of what is payable. Returns what is payable then."""
        available = history.locked_available(tx, payable)
        owed = min(available, self._owed(tx, payable.owner_id))
        if owed > 0:
            leg = Leg(payable, creator_receivable(payable.owner_id, payable.currency), owed)
            self._ledger.transfer(tx, Transfer(f"debt:{self._new_id()}", Purpose.RELEASE, payable.owner_id, (leg,)))
        return available - owed

    def _record_intent(self, tx: Connection, request: PayoutRequest) -> Payout:
        body_hash = hashlib.sha256(json.dumps([request.amount_minor]).encode()).hexdigest()
        made = payout_store.payout_by_key(tx, request.creator_id, request.key)
        if made is None:
            made = self._new_payout(tx, request, body_hash)
        if made.body_hash != body_hash:
            raise IdempotencyConflict("This Idempotency-Key was used with another body.")
        return made

    def _new_payout(self, tx: Connection, request: PayoutRequest, body_hash: str) -> Payout:
        standing.refuse_frozen(tx, request.creator_id)
        gateway = self._gateways.able(lambda can: can.payouts, "payouts")
        payable = creator_payable(request.creator_id, self._currency)
        available = self._settle_debt(tx, payable)
        twin = payout_store.payout_by_key(tx, request.creator_id, request.key)
        if twin is not None:
            return twin  # it was quicker, and its commit was waited for with the balance
        amount = min(available, MAX_PAYOUT_MINOR) if request.amount_minor is None else request.amount_minor
        if amount == 0 or amount > available:
            raise NothingToPayOut("There is not so much to be paid out.", payable_minor=available)
        now_ms = self._clock.now_ms()
        new = NewPayout(
            payout_id=self._new_id(),
            creator_id=request.creator_id,
            key=request.key,
            body_hash=body_hash,
            amount_minor=amount,
            currency=self._currency,
            gateway=gateway.name,
            now_ms=now_ms,
            next_question_at_ms=now_ms + FIRST_ANSWER_MS,
        )
        payout_store.insert_payout(tx, new)
        leg = Leg(payable, payout_in_transit(new.payout_id, self._currency), amount)
        self._ledger.transfer(tx, Transfer(f"payout:{new.payout_id}", Purpose.PAYOUT, new.payout_id, (leg,)))
        found = payout_store.payout_by_id(tx, new.payout_id)
        assert found is not None
        return found

    def _advance(self, tx: Connection, answer: _Answer) -> tuple[Payout, bool]:
        before = payout_store.payout_by_id(tx, answer.payout.payout_id, lock=True)
        assert before is not None
        if before.status not in payout_store.OPEN:
            return before, False
        now_ms, result = self._clock.now_ms(), answer.result
        transit = payout_in_transit(before.payout_id, before.currency)
        values: dict[str, object] = {"updated_at_ms": now_ms, "gateway_id": result.gateway_id or before.gateway_id}
        match result:
            case Succeeded():
                self._arrive(tx, before, "paid", Leg(transit, self._clearing(before), before.amount_minor))
                values["status"] = PayoutStatus.PAID
            case Declined(code):
                back = creator_payable(before.creator_id, before.currency)
                self._arrive(tx, before, "failed", Leg(transit, back, before.amount_minor))
                values |= {"status": PayoutStatus.FAILED, "failure_code": code}
            case Pending():
                again_ms = next_question_ms(now_ms, before.questions)
                values |= {"status": PayoutStatus.PENDING, "next_question_at_ms": again_ms}
        after = payout_store.change_payout(tx, before.payout_id, values)
        return after, after.status is not before.status

    def _arrive(self, tx: Connection, payout: Payout, how: str, leg: Leg) -> None:
        self._ledger.transfer(
            tx, Transfer(f"payout:{payout.payout_id}:{how}", Purpose.PAYOUT, payout.payout_id, (leg,))
        )

    def _clearing(self, payout: Payout) -> Account:
        return gateway_clearing(payout.gateway, payout.currency)


def _creators_with_money(tx: Connection, after_id: str | None) -> tuple[Account, ...]:
    return history.accounts_with_money(tx, AccountKind.CREATOR_PENDING, after_id, BATCH)
