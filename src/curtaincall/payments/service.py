"""The wallet: filled from cards, read by its owner. Calls are billed from it, cards only fill it.

No gateway is called inside an open transaction: the intent is recorded and committed, the gateway is asked with the
top-up's id as key, and the outcome is recorded together with the money. A crash between leaves an intent that `start`
asks about again.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import Leg, Purpose, Transfer, creator_payable, creator_pending, gateway_clearing, wallet
from curtaincall.ledger.service import Ledger
from curtaincall.payments import store
from curtaincall.payments.errors import (
    AmountInvalid,
    CurrencyMismatch,
    GatewayUnavailable,
    GatewayUnknown,
    IdempotencyConflict,
    PaymentMethodUnknown,
    TooManyPaymentMethods,
)
from curtaincall.payments.events import WalletCredited
from curtaincall.payments.model import FINAL, Earnings, PaymentMethod, TopUp, TopUpStatus, Transaction, Wallet
from curtaincall.payments.ports import Charge, ChargeResult, Declined, Gateway, Pending, RequiresRedirect, Succeeded
from curtaincall.payments.store import TopUpIntent, TopUpRecord
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page

MAX_TOP_UP_MINOR: Final = 1_000_000
"""The most that one top-up buys."""

MAX_PAYMENT_METHODS: Final = 20
"""The most cards that one user keeps."""

GATEWAY_TIMEOUT_S: Final = 20.0
"""How long a gateway may take; after it the top-up is pending, and asked about again."""

RECOVERY_LIMIT: Final = 1_000
"""The most interrupted top-ups asked about at a start."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    record: TopUpRecord
    result: ChargeResult


class WalletService:
    """Use cases of the wallet. All amounts are minor units of the one currency of the house."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        gateways: Mapping[str, Gateway],
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

    async def start(self) -> None:
        """Find out what became of the top-ups that a crash interrupted."""
        interrupted = await self._executor.read(lambda tx: store.open_top_ups(tx, RECOVERY_LIMIT))
        for record in interrupted:
            await self._complete(record)

    async def wallet(self, user_id: str) -> Wallet:
        """The user's wallet; a user who never paid in has an empty one."""
        account = wallet(user_id, self._currency)
        balance = await self._executor.read(lambda tx: self._ledger.balance(tx, account))
        return Wallet(self._currency, balance.balance_minor, balance.held_minor, balance.available_minor)

    async def transactions(self, user_id: str, cursor: str | None, limit: int) -> Page[Transaction]:
        """One page of what moved the wallet's balance, newest first. Raises CursorInvalid."""
        account = wallet(user_id, self._currency)
        page = await self._executor.read(lambda tx: self._ledger.statement(tx, account, cursor, limit))
        items = tuple(
            Transaction(
                entry.transaction_id, entry.purpose, entry.amount_minor, entry.currency, entry.created_at_ms, entry.ref
            )
            for entry in page.items
        )
        return Page(items, page.next_cursor)

    async def earnings(self, creator_id: str) -> Earnings:
        """What the creator has earned."""

        def query(tx: Connection) -> Earnings:
            pending = self._ledger.balance(tx, creator_pending(creator_id, self._currency))
            payable = self._ledger.balance(tx, creator_payable(creator_id, self._currency))
            return Earnings(self._currency, pending.balance_minor, payable.balance_minor)

        return await self._executor.read(query)

    async def payment_methods(self, user_id: str) -> tuple[PaymentMethod, ...]:
        """The user's cards, newest first."""
        return await self._executor.read(lambda tx: store.methods_of(tx, user_id))

    async def add_payment_method(self, user_id: str, gateway: str, token: str) -> PaymentMethod:
        """Have a gateway keep a card. Raises GatewayUnknown, PaymentMethodInvalid, TooManyPaymentMethods."""
        if await self._executor.read(lambda tx: store.count_methods(tx, user_id)) >= MAX_PAYMENT_METHODS:
            raise TooManyPaymentMethods("Remove a card first.", limit=MAX_PAYMENT_METHODS)
        saved = await self._gateway(gateway).save_method(user_id, token)
        method = PaymentMethod(self._new_id(), saved.brand, saved.last4)
        new = store.NewMethod(user_id, gateway, saved.gateway_ref, self._clock.now_ms(), method)
        await self._executor.submit(store.add_method, new)
        return method

    async def top_up(
        self, user_id: str, amount_minor: int, currency: str, payment_method_id: str, idempotency_key: str
    ) -> TopUp:
        """Buy wallet money with a card.

        The same key with the same body is the same top-up: its outcome, or a further question about it if that is not
        known. Raises AmountInvalid, CurrencyMismatch, PaymentMethodUnknown, IdempotencyConflict.
        """
        if currency != self._currency:
            raise CurrencyMismatch("The wallet is in another currency.", currency=self._currency)
        if not 0 < amount_minor <= MAX_TOP_UP_MINOR:
            raise AmountInvalid("The amount of a top-up is out of bounds.", max_minor=MAX_TOP_UP_MINOR)
        body = json.dumps([amount_minor, currency, payment_method_id]).encode()
        intent = TopUpIntent(
            top_up_id=self._new_id(),
            user_id=user_id,
            key=idempotency_key,
            body_hash=hashlib.sha256(body).hexdigest(),
            payment_method_id=payment_method_id,
            amount_minor=amount_minor,
            currency=currency,
            now_ms=self._clock.now_ms(),
        )
        record = await self._executor.submit(_record_intent, intent)
        return record.shown if record.status in FINAL else await self._complete(record)

    async def _complete(self, record: TopUpRecord) -> TopUp:
        """Ask the gateway, and record what it says together with the money."""
        result = await self._ask(record)
        outcome, credited = await self._executor.submit(self._record_outcome, _Outcome(record, result))
        if credited:
            await self._bus.publish(WalletCredited(record.user_id, record.amount_minor, record.currency))
        return outcome

    async def _ask(self, record: TopUpRecord) -> ChargeResult:
        charge = Charge(record.top_up_id, record.gateway_ref, record.amount_minor, record.currency)
        try:
            async with asyncio.timeout(GATEWAY_TIMEOUT_S):
                return await self._gateway(record.gateway).charge(charge)
        except (GatewayUnavailable, GatewayUnknown, TimeoutError) as error:
            # Not a decline: the charge may have been made. It stays pending until the gateway says.
            log.warning("gateway_silent", extra={"top_up_id": record.top_up_id, "error": type(error).__name__})
            return Pending()

    def _record_outcome(self, tx: Connection, outcome: _Outcome) -> tuple[TopUp, bool]:
        record = outcome.record
        status, decline_code = _status(outcome.result)
        advanced = store.set_outcome(tx, record.top_up_id, status, decline_code, self._clock.now_ms())
        credited = advanced and status is TopUpStatus.SUCCEEDED
        if credited:
            leg = Leg(
                debit=gateway_clearing(record.gateway, record.currency),
                credit=wallet(record.user_id, record.currency),
                amount_minor=record.amount_minor,
            )
            self._ledger.transfer(tx, Transfer(f"top_up:{record.top_up_id}", Purpose.TOP_UP, record.top_up_id, (leg,)))
        return store.top_up(tx, record.top_up_id).shown, credited

    def _gateway(self, name: str) -> Gateway:
        gateway = self._gateways.get(name)
        if gateway is None:
            raise GatewayUnknown("This gateway is not switched on.", gateway=name)
        return gateway


def _record_intent(tx: Connection, intent: TopUpIntent) -> TopUpRecord:
    made = store.top_up_by_key(tx, intent.user_id, intent.key)
    if made is None:
        if not store.owns_method(tx, intent.user_id, intent.payment_method_id):
            raise PaymentMethodUnknown("There is no such payment method.")
        store.insert_top_up(tx, intent)
        return store.top_up(tx, intent.top_up_id)
    if made.body_hash != intent.body_hash:
        raise IdempotencyConflict("This Idempotency-Key was used with another body.")
    return made


def _status(result: ChargeResult) -> tuple[TopUpStatus, str | None]:
    match result:
        case Succeeded():
            return TopUpStatus.SUCCEEDED, None
        case Pending():
            return TopUpStatus.PENDING, None
        case RequiresRedirect():
            return TopUpStatus.REQUIRES_ACTION, None
        case Declined(code):
            return TopUpStatus.DECLINED, code
