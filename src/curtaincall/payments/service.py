"""The wallet: filled from cards, read by its owner. Calls are billed from it, cards only fill it."""

import re
from typing import Final

from sqlalchemy import Connection

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import Purpose, creator_payable, creator_pending, creator_receivable, wallet
from curtaincall.ledger.service import Ledger
from curtaincall.payments import payout_store, store
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.errors import (
    CardNumberRefused,
    PaymentMethodUnknown,
    PaymentUnknown,
    TooManyPaymentMethods,
)
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.model import CardPayment, Earnings, PaymentMethod, TopUp, Transaction, Wallet
from curtaincall.payments.ports import Gateway, SetupIntent
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page

MAX_PAYMENT_METHODS: Final = 20
"""The most cards that one user keeps."""

_DIGITS: Final = re.compile(r"(?:\d[ -]?){12,18}\d")
"""As many digits as card numbers have (ISO/IEC 7812: up to 19), perhaps in groups."""


class WalletService:
    """Use cases of the wallet. All amounts are minor units of the one currency of the house."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        gateways: Gateways,
        cards: CardPayments,
        clock: Clock,
        ids: IdFactory,
        currency: str,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._gateways = gateways
        self._cards = cards
        self._clock = clock
        self._new_id = ids
        self._currency = currency

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
        """What the creator has earned, and owes."""

        def query(tx: Connection) -> Earnings:
            pending = self._ledger.balance(tx, creator_pending(creator_id, self._currency))
            payable = self._ledger.balance(tx, creator_payable(creator_id, self._currency))
            owed = self._ledger.balance(tx, creator_receivable(creator_id, self._currency))
            return Earnings(
                currency=self._currency,
                pending_minor=pending.balance_minor,
                payable_minor=payable.balance_minor,
                owed_minor=-owed.balance_minor,
                in_transit_minor=payout_store.in_transit_minor(tx, creator_id),
            )

        return await self._executor.read(query)

    # ---- cards ------------------------------------------------------------------------------------------------------

    def gateways(self) -> tuple[Gateway, ...]:
        """Where cards can be kept."""
        return tuple(self._gateways)

    async def begin_setup(self, user_id: str, gateway: str) -> SetupIntent:
        """What the browser needs to enter a card. Raises GatewayUnknown, GatewayUnsuitable, GatewayUnavailable."""
        return await self._gateways.named(gateway).begin_setup(user_id)

    async def payment_methods(self, user_id: str) -> tuple[PaymentMethod, ...]:
        """The user's cards, newest first."""
        return await self._executor.read(lambda tx: store.methods_of(tx, user_id))

    async def add_payment_method(self, user_id: str, gateway: str, token: str) -> PaymentMethod:
        """Have a gateway keep a card.

        Raises CardNumberRefused, GatewayUnknown, PaymentMethodInvalid, TooManyPaymentMethods, GatewayUnavailable.
        """
        if looks_like_a_card_number(token):
            raise CardNumberRefused("This is a card number. Enter it at the gateway, and send only its token.")
        if await self._executor.read(lambda tx: store.count_methods(tx, user_id)) >= MAX_PAYMENT_METHODS:
            raise TooManyPaymentMethods("Remove a card first.", limit=MAX_PAYMENT_METHODS)
        saved = await self._gateways.named(gateway).save_method(user_id, token)
        method = PaymentMethod(self._new_id(), saved.brand, saved.last4)
        new = store.NewMethod(user_id, gateway, saved.gateway_ref, self._clock.now_ms(), method)
        await self._executor.submit(store.add_method, new)
        return method

    async def remove_payment_method(self, user_id: str, payment_method_id: str) -> None:
        """Have the gateway forget a card. Raises PaymentMethodUnknown, GatewayUnknown, GatewayUnavailable."""
        method = await self._executor.read(lambda tx: store.method_of(tx, user_id, payment_method_id))
        if method is None:
            raise PaymentMethodUnknown("There is no such payment method.")
        await self._gateways.named(method.gateway).forget_method(method.gateway_ref)
        now_ms = self._clock.now_ms()
        await self._executor.submit(lambda tx, id_: store.remove_method(tx, id_, now_ms), payment_method_id)

    # ---- top-ups ----------------------------------------------------------------------------------------------------

    async def top_up(
        self, user_id: str, amount_minor: int, currency: str, payment_method_id: str, idempotency_key: str
    ) -> TopUp:
        """Buy wallet money with a card. The same key with the same body is the same top-up.

        Raises AmountInvalid, CurrencyMismatch, PaymentMethodUnknown, IdempotencyConflict.
        """
        payment = await self._cards.pay(
            user_id=user_id,
            payment_method_id=payment_method_id,
            amount_minor=amount_minor,
            currency=currency,
            key=idempotency_key,
            purpose=Purpose.TOP_UP,
            credit=wallet(user_id, self._currency),
        )
        return _top_up(payment)

    async def top_up_status(self, user_id: str, top_up_id: str) -> TopUp:
        """What is known of a top-up. Raises PaymentUnknown; somebody else's is unknown."""
        record = await self._cards.record(top_up_id)
        if record.user_id != user_id or record.purpose is not Purpose.TOP_UP:
            raise PaymentUnknown("There is no such top-up.")
        return _top_up(record.shown)


def looks_like_a_card_number(text: str) -> bool:
    """Whether somewhere in it are 13 to 19 digits that pass the check of ISO/IEC 7812 (Luhn)."""
    return any(_luhn(re.sub(r"\D", "", found)) for found in _DIGITS.findall(text))


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(figure // 10 + figure % 10 for figure in doubled) % 10 == 0


def _top_up(payment: CardPayment) -> TopUp:
    return TopUp(payment.payment_id, payment.status, payment.decline_code, payment.redirect_url)
