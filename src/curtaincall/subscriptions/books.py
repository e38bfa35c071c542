"""What happens to a subscription in the database: each method is a use case for the write executor, one commit.

Money moves under keys (`subscription:{id}:{period}` by card, `earn:{id}:{day}`), and what was earned is recorded with
it, so that a repeat, a twin in another process, or a crash at any point moves nothing twice and loses nothing.
"""

import logging
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access.model import Entitlement, Feature, NewEntitlement, SubscriptionCalls
from curtaincall.accounts import store as accounts_store
from curtaincall.accounts.dealing import check_dealing
from curtaincall.accounts.errors import AccountsError, UserUnknown
from curtaincall.accounts.model import Role
from curtaincall.charging import rates
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import (
    Leg,
    Purpose,
    Transfer,
    creator_pending,
    deferred_subscription,
    platform_fee,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.payments import store as payments_store
from curtaincall.payments.errors import PaymentMethodUnknown
from curtaincall.payments.model import PaymentStatus
from curtaincall.subscriptions import model, store
from curtaincall.subscriptions.errors import AlreadySubscribed, NotOffered, SubscriptionUnknown
from curtaincall.subscriptions.model import (
    MINUTE_MS,
    Agreed,
    EndCause,
    Period,
    Step,
    Subscription,
    SubscriptionRules,
    SubscriptionState,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`request_key` is the fan's: the same request again is the same subscription."""

    subscription_id: str
    fan_id: str
    creator_id: str
    payment_method_id: str
    request_key: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the payment with this key."""

    subscription_id: str
    key: str
    status: PaymentStatus
    decline_code: str | None
    redirect_url: str | None
    now_ms: int


@dataclass(frozen=True, slots=True)
class Done:
    """A subscription after a use case, and what others must hear of."""

    subscription: Subscription
    granted: Entitlement | None = None
    revoked: Entitlement | None = None
    repaid_minor: int = 0
    """Money that came too late and has gone to the fan's wallet."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The payment that is under way, as it is asked for."""

    subscription: Subscription
    price_minor: int


class SubscriptionBooks:
    """Every use case returns the subscription as it is afterwards."""

    def __init__(self, ledger: Ledger, ids: IdFactory, rules: SubscriptionRules) -> None:
        self._ledger = ledger
        self._ids = ids
        self._rules = rules

    # ---- what the fan wants -----------------------------------------------------------------------------------------

    def subscribe(self, tx: Connection, command: Subscribe) -> Subscription:
        """Begin a subscription, resume a cancelled one, or try another card for one that is past due.

        Raises UserUnknown, NotOffered, AlreadySubscribed, PaymentMethodUnknown, AccountFrozen, DealingBlocked.
        """
        known = store.by_request(tx, command.fan_id, command.request_key)
        if known is not None:
            return known
        creator = accounts_store.user_by_id(tx, command.creator_id)
        if creator is None or creator.role is not Role.CREATOR:
            raise UserUnknown("There is no such creator.")
        if command.creator_id == command.fan_id:
            raise NotOffered("You need not subscribe to yourself.")
        check_dealing(tx, command.fan_id, command.creator_id)
        if payments_store.method_of(tx, command.fan_id, command.payment_method_id) is None:
            raise PaymentMethodUnknown("There is no such payment method.")
        agreed = self._offer(tx, command.creator_id, None)
        if agreed is None:
            raise NotOffered("This creator offers no subscription.")
        existing = store.open_between(tx, command.fan_id, command.creator_id)
        if existing is not None:
            return self._take_up(tx, existing, command)
        new = Subscription(
            subscription_id=command.subscription_id,
            fan_id=command.fan_id,
            creator_id=command.creator_id,
            payment_method_id=command.payment_method_id,
            state=SubscriptionState.INCOMPLETE,
            price_minor=agreed.price_minor,
            currency=self._rules.currency,
            created_at_ms=command.now_ms,
        )
        if not store.add(tx, store.NewSubscription(new, command.request_key)):
            raise AlreadySubscribed("You have subscribed to this creator already.")
        store.ask_period(tx, new.subscription_id, 0, agreed)
        return self._save(tx, new, command.now_ms)

    def _take_up(self, tx: Connection, existing: Subscription, command: Subscribe) -> Subscription:
        """A cancelled one is renewed after all; a declined one is tried again with this card."""
        if existing.state is SubscriptionState.CANCELLED and command.now_ms < existing.paid_until_ms:
            # A payment under way stays with the card that it was asked of.
            method_id = existing.payment_method_id if existing.asking else command.payment_method_id
            return self._save(tx, model.resumed(existing, method_id), command.now_ms)
        if existing.state is SubscriptionState.PAST_DUE and not existing.asking:
            with_card = replace(existing, payment_method_id=command.payment_method_id)
            return self._begin_payment(tx, with_card, command.now_ms, present=True)
        raise AlreadySubscribed("You have subscribed to this creator already.")

    def cancel(self, tx: Connection, command: tuple[str, str, int]) -> Done:
        """(subscription, fan, now): renew it no more. Raises SubscriptionUnknown for anybody but its fan."""
        subscription_id, fan_id, now_ms = command
        found = store.locked(tx, subscription_id)
        if found is None or found.fan_id != fan_id:
            raise SubscriptionUnknown("You have no such subscription.")
        after = model.cancelled(found, now_ms)
        revoked = self._revoke(tx, after, now_ms, "cancelled") if _ends(found, after) else None
        return Done(self._save(tx, after, now_ms), revoked=revoked)

    # ---- what time brings -------------------------------------------------------------------------------------------

    def advance(self, tx: Connection, command: tuple[str, int]) -> tuple[Done, Ask | None]:
        """(subscription, now): earn what is due, then renew or end it; with the payment to ask for, if there is one."""
        subscription_id, now_ms = command
        before = _known(store.locked(tx, subscription_id))
        if not self._earn(tx, before, now_ms):
            return self._reverse(tx, before, now_ms), None
        due = model.next_due(before, self._rules, now_ms)
        if due is None or due.at_ms > now_ms:
            after = before
        elif due.step is Step.END:
            after = model.ran_out(before, now_ms)
        else:
            after = self._begin_payment(tx, before, now_ms, present=False)
        revoked = self._revoke(tx, after, now_ms, "ended") if _ends(before, after) else None
        after = self._save(tx, after, now_ms)
        return Done(after, revoked=revoked), self.asking(tx, after)

    def asking(self, tx: Connection, subscription: Subscription) -> Ask | None:
        """The payment under way, None if there is none."""
        if not subscription.asking:
            return None
        agreed = store.agreed(tx, subscription.subscription_id, subscription.period + 1)
        return Ask(subscription, agreed.price_minor)

    def _begin_payment(self, tx: Connection, subscription: Subscription, now_ms: int, *, present: bool) -> Subscription:
        agreed = self._offer(tx, subscription.creator_id, subscription)
        if agreed is None:
            # Not offered any more, or the two have parted: what is paid is kept, and nothing further.
            return self._save(tx, model.cancelled(subscription, now_ms), now_ms)
        after = model.asked(subscription, present=present)
        store.ask_period(tx, after.subscription_id, after.period + 1, agreed)
        return self._save(tx, after, now_ms)

    def _offer(self, tx: Connection, creator_id: str, of: Subscription | None) -> Agreed | None:
        """Today's terms; of a subscription there is, at the price that its fan agreed to, if that is lower."""
        asked = rates.find(tx, creator_id)
        if asked is None or asked.subscription_monthly_minor is None:
            return None
        price_minor = asked.subscription_monthly_minor
        if of is not None:
            price_minor = min(price_minor, of.price_minor)
            try:
                check_dealing(tx, of.fan_id, creator_id)
            except AccountsError:
                return None
        minutes_ms = (asked.subscription_minutes or 0) * MINUTE_MS
        included = minutes_ms if asked.subscription_calls is SubscriptionCalls.MINUTES else 0
        return Agreed(price_minor, self._rules.fee_bp, asked.subscription_calls, included)

    # ---- what the payment brings ------------------------------------------------------------------------------------

    def answered(self, tx: Connection, command: Answered) -> Done:
        """Record what became of a payment. A repeat, or one that is not under way any more, changes nothing."""
        before = _known(store.locked(tx, command.subscription_id))
        if not before.asking or before.payment_key != command.key:
            return Done(before, repaid_minor=self._repay(tx, before, command))
        match command.status:
            case PaymentStatus.SUCCEEDED if before.state is SubscriptionState.ENDED:
                settled = replace(before, asking=False)
                return Done(self._save(tx, settled, command.now_ms), repaid_minor=self._repay(tx, before, command))
            case PaymentStatus.SUCCEEDED:
                return self._paid(tx, before, command)
            case PaymentStatus.DECLINED:
                code = command.decline_code or "declined"
                after = model.declined(before, code, command.now_ms, self._rules)
            case _:
                after = model.waiting(before, command.redirect_url)
        if after.state in (SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE) and after.entitlement_id is not None:
            # Not paid, but kept: until the grace is over.
            self._extend(tx, after, after.paid_until_ms + self._rules.grace_ms)
        return Done(self._save(tx, after, command.now_ms))

    def _paid(self, tx: Connection, before: Subscription, command: Answered) -> Done:
        after = model.paid(before, command.now_ms)
        assert after.from_ms is not None
        agreed = store.agreed(tx, after.subscription_id, after.period)
        period = Period(after.period, after.from_ms, after.paid_until_ms, agreed)
        store.pay_period(tx, after.subscription_id, period, command.key)
        granted = self._grant(tx, after, period)
        after = replace(after, entitlement_id=granted.entitlement_id, price_minor=agreed.price_minor)
        return Done(self._save(tx, after, command.now_ms), granted=granted)

    def _grant(self, tx: Connection, subscription: Subscription, period: Period) -> Entitlement:
        if subscription.entitlement_id is not None:
            return access.extend(tx, subscription.entitlement_id, period.until_ms, period.terms.as_terms())
        return access.grant(
            tx,
            NewEntitlement(
                entitlement_id=self._ids(),
                user_id=subscription.fan_id,
                feature=Feature.SUBSCRIPTION,
                scope_id=subscription.creator_id,
                from_ms=period.from_ms,
                until_ms=period.until_ms,
                source_key=f"subscription:{subscription.subscription_id}",
                source_ref=subscription.subscription_id,
                terms=period.terms.as_terms(),
            ),
        )

    def _extend(self, tx: Connection, subscription: Subscription, until_ms: int) -> None:
        assert subscription.entitlement_id is not None
        agreed = store.agreed(tx, subscription.subscription_id, subscription.period)
        assert subscription.from_ms is not None
        # The period of the terms stays: what is kept in the grace are the rest of its minutes, not new ones.
        terms = Period(subscription.period, subscription.from_ms, until_ms, agreed).terms
        access.extend(tx, subscription.entitlement_id, until_ms, terms.as_terms())

    def _repay(self, tx: Connection, subscription: Subscription, command: Answered) -> int:
        """Money for a subscription that is over goes to the fan's wallet: an ended one is never revived."""
        key = command.key
        late = command.status is PaymentStatus.SUCCEEDED
        if not late or store.paid_with(tx, subscription.subscription_id, key):
            return 0
        amount_minor = store.agreed(tx, subscription.subscription_id, subscription.period + 1).price_minor
        debit = deferred_subscription(subscription.subscription_id, subscription.currency)
        leg = Leg(debit, wallet(subscription.fan_id, subscription.currency), amount_minor)
        repaid = Transfer(f"repay:{key}", Purpose.REFUND, subscription.subscription_id, (leg,))
        return amount_minor if self._ledger.transfer(tx, repaid) else 0

    # ---- earning ----------------------------------------------------------------------------------------------------

    def _earn(self, tx: Connection, subscription: Subscription, now_ms: int) -> bool:
        """Deferred -> creator, fee, for the days that are over. False if the money is not there any more."""
        for period in store.earning(tx, subscription.subscription_id):
            due_minor = period.due_minor(now_ms)
            if due_minor <= period.earned_minor:
                continue
            deferred = deferred_subscription(subscription.subscription_id, subscription.currency)
            there = self._ledger.balance(tx, deferred)
            if there.balance_minor < due_minor - period.earned_minor:
                log.warning("deferred_money_gone", extra={"subscription_id": subscription.subscription_id})
                return False
            if there.available_minor < due_minor - period.earned_minor:
                return True  # a refund of it is under way: what becomes of that is told, or seen on another day
            assert subscription.anchor_ms is not None
            day = (period.from_ms - subscription.anchor_ms) // model.DAY_MS + period.days_over(now_ms)
            fee_minor = period.fee_minor(due_minor) - period.fee_minor(period.earned_minor)
            shares = (
                Leg(
                    deferred,
                    creator_pending(subscription.creator_id, subscription.currency),
                    due_minor - period.earned_minor - fee_minor,
                ),
                Leg(deferred, platform_fee(subscription.currency), fee_minor),
            )
            legs = tuple(leg for leg in shares if leg.amount_minor > 0)
            key = f"earn:{subscription.subscription_id}:{day}"
            self._ledger.transfer(tx, Transfer(key, Purpose.SUBSCRIPTION, subscription.subscription_id, legs))
            store.set_earned(tx, subscription.subscription_id, period.period, due_minor)
        return True

    # ---- reversals --------------------------------------------------------------------------------------------------

    def reverse(self, tx: Connection, command: tuple[str, int]) -> Done | None:
        """(subscription, now): a payment was refunded or is disputed: nothing is earned of it, nothing had for it."""
        found = store.locked(tx, command[0])
        return None if found is None else self._reverse(tx, found, command[1])

    def _reverse(self, tx: Connection, subscription: Subscription, now_ms: int) -> Done:
        store.stop_earning(tx, subscription.subscription_id, stopped=True)
        if subscription.state is SubscriptionState.ENDED:
            return Done(self._save(tx, subscription, now_ms))
        after = model.ended(subscription, now_ms, EndCause.REVERSED)
        revoked = self._revoke(tx, after, now_ms, EndCause.REVERSED.value)
        return Done(self._save(tx, after, now_ms), revoked=revoked)

    def restore(self, tx: Connection, command: tuple[str, int]) -> Done | None:
        """(subscription, now): a dispute was won: its money is earned after all. What was ended stays ended."""
        found = store.locked(tx, command[0])
        if found is None:
            return None
        store.stop_earning(tx, found.subscription_id, stopped=False)
        return Done(self._save(tx, found, command[1]))

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _revoke(self, tx: Connection, subscription: Subscription, now_ms: int, reason: str) -> Entitlement | None:
        if subscription.entitlement_id is None:
            return None
        return access.revoke(tx, subscription.entitlement_id, now_ms, reason)

    def _save(self, tx: Connection, subscription: Subscription, now_ms: int) -> Subscription:
        """Write it down with the time at which something happens next by itself."""
        times = [period.next_day_ms(now_ms) for period in store.earning(tx, subscription.subscription_id)]
        if subscription.asking:
            times.append(now_ms + self._rules.ask_again_ms)
        due = model.next_due(subscription, self._rules, now_ms)
        if due is not None:
            times.append(due.at_ms)
        store.save(tx, subscription, min(times, default=None))
        return subscription


def _known(subscription: Subscription | None) -> Subscription:
    if subscription is None:
        raise SubscriptionUnknown("There is no such subscription.")
    return subscription


def _ends(before: Subscription, after: Subscription) -> bool:
    return after.state is SubscriptionState.ENDED and before.state is not SubscriptionState.ENDED
