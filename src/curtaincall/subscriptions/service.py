"""Use cases of subscriptions: what a fan asks for, and what time brings. The card is asked between two commits.

Everything that happens by itself is driven by `tick`. It needs no news: a payment whose outcome nobody told is asked
about again under its key, so that a crash at any point is made good by a later tick.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection

from curtaincall.access.events import EntitlementGranted, EntitlementRevoked
from curtaincall.access.model import Feature
from curtaincall.accounts import store as accounts_store
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import Purpose, deferred_subscription
from curtaincall.ledger.service import Ledger
from curtaincall.payments import takeback
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.errors import IdempotencyConflict, PaymentError
from curtaincall.payments.events import CardPaymentChanged, DisputeChanged, RefundMade, WalletCredited
from curtaincall.payments.model import CardPayment, PaymentStatus
from curtaincall.payments.ports import DisputeState
from curtaincall.storage.executor import WriteExecutor
from curtaincall.subscriptions import store
from curtaincall.subscriptions.books import Answered, Ask, Done, Subscribe, SubscriptionBooks
from curtaincall.subscriptions.errors import PaymentDeclined
from curtaincall.subscriptions.model import EndCause, Subscription, SubscriptionRules, SubscriptionState

BATCH: Final = 64
"""Subscriptions seen to at the same time in one round of a tick."""

MAX_ROUNDS: Final = 1_000
"""Rounds of one tick; what is due then still waits for the next."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A subscription as its fan sees it."""

    subscription: Subscription
    creator_name: str


class SubscriptionsService:
    """Subscriptions of fans to creators. All amounts are minor units of the one currency of the house."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        cards: CardPayments,
        clock: Clock,
        ids: IdFactory,
        bus: EventBus,
        rules: SubscriptionRules,
    ) -> None:
        self._executor = executor
        self._cards = cards
        self._clock = clock
        self._ids = ids
        self._bus = bus
        self._rules = rules
        self._books = SubscriptionBooks(ledger, ids, rules)
        bus.subscribe(CardPaymentChanged, self._on_payment)
        bus.subscribe(RefundMade, self._on_refund)
        bus.subscribe(DisputeChanged, self._on_dispute)

    async def start(self) -> None:
        """End what a refund or dispute has reversed, if a crash kept us from hearing of it."""
        for purpose, ref in await self._executor.read(takeback.reversed_refs):
            if purpose is Purpose.SUBSCRIPTION:
                await self._reverse(ref)

    # ---- what a fan asks for ----------------------------------------------------------------------------------------

    async def subscribe(
        self, fan_id: str, creator_id: str, payment_method_id: str, request_key: str
    ) -> SubscriptionView:
        """Subscribe to a creator, charging the card; the same request again is the same subscription.

        One that is cancelled and still paid for is resumed without a charge; one that is past due is tried with this
        card at once. A confirmation that the card's holder owes leaves it incomplete, with a `redirect_url`.
        Raises UserUnknown, NotOffered, AlreadySubscribed, PaymentMethodUnknown, AccountFrozen, DealingBlocked,
        PaymentDeclined, and what the card payment refuses.
        """
        command = Subscribe(self._ids(), fan_id, creator_id, payment_method_id, request_key, self._clock.now_ms())
        subscription = await self._executor.submit(self._books.subscribe, command)
        ask = await self._executor.read(lambda tx: self._books.asking(tx, subscription))
        if ask is not None:
            subscription = await self._ask(ask, raises=True)
        refused = subscription.end_cause is EndCause.DECLINED and subscription.period < 0
        if refused or (subscription.state is SubscriptionState.PAST_DUE and not subscription.asking):
            code = subscription.decline_code or "declined"
            raise PaymentDeclined(f"The card was declined: {code}.", decline_code=code)
        return await self._view(subscription)

    async def cancel(self, subscription_id: str, fan_id: str) -> SubscriptionView:
        """Renew it no more; what is paid is kept until its end. Idempotent. Raises SubscriptionUnknown."""
        done = await self._executor.submit(self._books.cancel, (subscription_id, fan_id, self._clock.now_ms()))
        await self._tell(done)
        return await self._view(done.subscription)

    async def of_fan(self, fan_id: str) -> tuple[SubscriptionView, ...]:
        """The fan's subscriptions, newest first."""

        def query(tx: Connection) -> tuple[SubscriptionView, ...]:
            found = store.open_of(tx, fan_id)
            names = accounts_store.names(tx, {item.creator_id for item in found})
            return tuple(SubscriptionView(item, names.get(item.creator_id, item.creator_id)) for item in found)

        return await self._executor.read(query)

    # ---- what time brings -------------------------------------------------------------------------------------------

    async def tick(self, now_ms: int | None = None) -> int:
        """See to everything that is due: earn, renew, try again, end. Returns how many subscriptions that were."""
        seen = 0
        for _ in range(MAX_ROUNDS):
            at_ms = self._clock.now_ms() if now_ms is None else now_ms
            due = await self._executor.read(partial(store.due, now_ms=at_ms, limit=BATCH))
            if not due:
                break
            seen += len(due)
            await asyncio.gather(*(self._see_to(subscription_id, at_ms) for subscription_id in due))
        return seen

    async def _see_to(self, subscription_id: str, now_ms: int) -> None:
        try:
            await self.advance(subscription_id, now_ms)
        except CurtaincallError:
            # One that cannot be seen to now must not keep the others from it.
            log.exception("subscription_failed", extra={"subscription_id": subscription_id})
            later_ms = now_ms + self._rules.ask_again_ms
            await self._executor.submit(lambda tx, command: store.postpone(tx, *command), (subscription_id, later_ms))

    async def advance(self, subscription_id: str, now_ms: int) -> None:
        """See to one subscription. Idempotent, also beside another process that does the same."""
        done, ask = await self._executor.submit(self._books.advance, (subscription_id, now_ms))
        await self._tell(done)
        if ask is not None:
            await self._ask(ask, raises=False)

    # ---- the card ---------------------------------------------------------------------------------------------------

    async def _ask(self, ask: Ask, *, raises: bool) -> Subscription:
        """Have the card charged, or hear what became of it, and record that."""
        subscription = ask.subscription
        try:
            payment = await self._pay(ask)
        except IdempotencyConflict:
            raise  # no answer of the card: something is wrong with us
        except PaymentError as refusal:
            refused = CardPayment("", PaymentStatus.DECLINED, decline_code=refusal.code)
            await self._record(subscription, refused)
            if raises:
                raise
            return subscription
        return await self._record(subscription, payment)

    async def _pay(self, ask: Ask) -> CardPayment:
        subscription = ask.subscription
        return await self._cards.pay(
            user_id=subscription.fan_id,
            payment_method_id=subscription.payment_method_id,
            amount_minor=ask.price_minor,
            currency=subscription.currency,
            key=subscription.payment_key,
            purpose=Purpose.SUBSCRIPTION,
            ref=subscription.subscription_id,
            credit=deferred_subscription(subscription.subscription_id, subscription.currency),
            off_session=not subscription.present,
            description="Subscription",
        )

    async def _record(self, subscription: Subscription, payment: CardPayment) -> Subscription:
        answered = Answered(
            subscription_id=subscription.subscription_id,
            key=subscription.payment_key,
            status=payment.status,
            decline_code=payment.decline_code,
            redirect_url=payment.redirect_url,
            now_ms=self._clock.now_ms(),
        )
        done = await self._executor.submit(self._books.answered, answered)
        await self._tell(done)
        return done.subscription

    # ---- what payments tell -----------------------------------------------------------------------------------------

    async def _on_payment(self, event: CardPaymentChanged) -> None:
        if event.purpose is not Purpose.SUBSCRIPTION or event.status is PaymentStatus.REQUIRES_ACTION:
            return  # where the fan is to confirm is known to whoever asked, and told when it is asked again
        answered = Answered(
            subscription_id=event.ref,
            key=event.key,
            status=event.status,
            decline_code=event.decline_code,
            redirect_url=None,
            now_ms=self._clock.now_ms(),
        )
        await self._tell(await self._executor.submit(self._books.answered, answered))

    async def _on_refund(self, event: RefundMade) -> None:
        if event.purpose is Purpose.SUBSCRIPTION:
            await self._reverse(event.ref)

    async def _on_dispute(self, event: DisputeChanged) -> None:
        for purpose, ref in event.refs:
            if purpose is not Purpose.SUBSCRIPTION:
                continue
            if event.state is DisputeState.OPENED:
                await self._reverse(ref)
            elif event.state is DisputeState.WON:
                await self._executor.submit(self._books.restore, (ref, self._clock.now_ms()))

    async def _reverse(self, subscription_id: str) -> None:
        done = await self._executor.submit(self._books.reverse, (subscription_id, self._clock.now_ms()))
        if done is not None:
            await self._tell(done)

    # ---- inside -----------------------------------------------------------------------------------------------------

    async def _tell(self, done: Done) -> None:
        fan_id, creator_id = done.subscription.fan_id, done.subscription.creator_id
        if done.granted is not None:
            until_ms = done.granted.until_ms
            await self._bus.publish(EntitlementGranted(fan_id, Feature.SUBSCRIPTION, creator_id, until_ms))
        if done.revoked is not None:
            await self._bus.publish(EntitlementRevoked(fan_id, Feature.SUBSCRIPTION, creator_id))
        if done.repaid_minor:
            await self._bus.publish(WalletCredited(fan_id, done.repaid_minor, done.subscription.currency))

    async def _view(self, subscription: Subscription) -> SubscriptionView:
        names = await self._executor.read(lambda tx: accounts_store.names(tx, {subscription.creator_id}))
        return SubscriptionView(subscription, names.get(subscription.creator_id, subscription.creator_id))
