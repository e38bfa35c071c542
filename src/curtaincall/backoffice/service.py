"""Use cases of an operator. Every act is on the audit log, before it and after it, also if it is refused."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from curtaincall.accounts import standing
from curtaincall.accounts.errors import UserUnknown
from curtaincall.accounts.events import AccountSuspended
from curtaincall.accounts.model import User
from curtaincall.accounts.service import AccountsService
from curtaincall.backoffice import audit
from curtaincall.backoffice.audit import MAX_REASON_CHARS, Act, Entry, Phase
from curtaincall.backoffice.errors import AdjustmentInvalid, NotFrozen, ReasonMissing
from curtaincall.backoffice.model import Money, Order
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import (
    Leg,
    Purpose,
    Transfer,
    creator_payable,
    creator_pending,
    creator_receivable,
    house_adjustment,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.payments.dispute_store import Dispute
from curtaincall.payments.disputes import Disputes
from curtaincall.payments.events import WalletCredited
from curtaincall.payments.payouts import Payouts
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.refund_store import Refund
from curtaincall.payments.refunds import RefundRequest, Refunds
from curtaincall.statements.service import Statements
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page
from curtaincall.subscriptions.service import SubscriptionsService

MAX_ADJUSTMENT_MINOR: Final = 1_000_000
"""The most that one adjustment gives or takes: a slip of the finger stays a small one."""

SHOWN: Final = 20
"""Of each list, when somebody's money is looked at."""

R = TypeVar("R")


class Backoffice:
    """What admins may do. Who is one is for the transports to check."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        accounts: AccountsService,
        statements: Statements,
        refunds: Refunds,
        payouts: Payouts,
        disputes: Disputes,
        subscriptions: SubscriptionsService,
        bus: EventBus,
        clock: Clock,
        ids: IdFactory,
        currency: str,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._accounts = accounts
        self._statements = statements
        self._refunds = refunds
        self._payouts = payouts
        self._disputes = disputes
        self._subscriptions = subscriptions
        self._bus = bus
        self._clock = clock
        self._new_id = ids
        self._currency = currency

    # ---- looking ----------------------------------------------------------------------------------------------------

    async def find(self, who: str) -> User:
        """The user with this id or email address. Raises UserUnknown."""
        user = await (self._accounts.find_by_email(who) if "@" in who else self._accounts.find(who))
        if user is None:
            raise UserUnknown("There is no such user.")
        return user

    async def money_of(self, actor: str, who: str) -> Money:
        """Everything about a user's money. That somebody looked is on record. Raises UserUnknown."""
        user = await self.find(who)
        await self._record(self._new_id(), actor, Act.LOOK_UP, user.user_id, Phase.DONE, "", {})
        transactions = await self._statements.transactions(user.user_id, None, SHOWN)
        holds = await self._statements.open_holds(user.user_id)
        payouts = await self._payouts.payouts(user.user_id, None, SHOWN)
        disputes = await self._disputes.newest(user_id=user.user_id)
        subscriptions = await self._subscriptions.of_fan(user.user_id)
        currency = self._currency

        def query(tx: Connection) -> Money:
            return Money(
                user=user,
                admin=standing.is_admin(tx, user.user_id),
                frozen=standing.frozen(tx, user.user_id),
                currency=currency,
                wallet=self._ledger.balance(tx, wallet(user.user_id, currency)),
                holds=holds,
                pending_minor=self._ledger.balance(tx, creator_pending(user.user_id, currency)).balance_minor,
                payable_minor=self._ledger.balance(tx, creator_payable(user.user_id, currency)).balance_minor,
                owed_minor=-self._ledger.balance(tx, creator_receivable(user.user_id, currency)).balance_minor,
                payouts=payouts.items,
                disputes=disputes[:SHOWN],
                subscriptions=subscriptions[:SHOWN],
                transactions=transactions.items,
            )

        return await self._executor.read(query)

    async def audit(self, subject: str | None, cursor: str | None, limit: int) -> Page[Entry]:
        """One page of the audit log, of one subject or of all, newest first. Raises CursorInvalid."""
        return await self._executor.read(lambda tx: audit.page_of(tx, subject, cursor, limit))

    # ---- money ------------------------------------------------------------------------------------------------------

    async def adjust(self, order: Order, who: str, amount_minor: int, currency: str) -> str:
        """Give (or, below zero, take) wallet money in the name of the house; returns the adjustment's id.

        Raises UserUnknown, AdjustmentInvalid, ReasonMissing, InsufficientFunds if the wallet has less than is taken.
        """
        user = await self.find(who)
        details = {"amount_minor": amount_minor, "currency": currency}
        act_id = _act_id(order)

        async def work() -> str:
            if currency != self._currency:
                raise AdjustmentInvalid("The wallet is in another currency.", currency=self._currency)
            if not 0 < abs(amount_minor) <= MAX_ADJUSTMENT_MINOR:
                raise AdjustmentInvalid("The amount is out of bounds.", max_minor=MAX_ADJUSTMENT_MINOR)
            theirs, house = wallet(user.user_id, currency), house_adjustment(currency)
            debit, credit = (house, theirs) if amount_minor > 0 else (theirs, house)
            leg = Leg(debit, credit, abs(amount_minor))
            transfer = Transfer(f"adjust:{act_id}", Purpose.ADJUSTMENT, act_id, (leg,))
            if await self._executor.submit(self._ledger.transfer, transfer) and amount_minor > 0:
                await self._bus.publish(WalletCredited(user.user_id, amount_minor, currency))
            return act_id

        return await self._on_record(order, Act.ADJUST, user.user_id, details, work)

    async def refund(self, order: Order, transaction_id: str) -> Refund:
        """Give a transaction back: a purchase to the wallet at once; a payment to its card as the gateway can.

        Raises ReasonMissing, PaymentUnknown, NotRefundable, AlreadyRefunded, GatewayUnsuitable, GatewayUnknown.
        """

        async def work() -> Refund:
            return await self._refunds.refund(RefundRequest(transaction_id, order.reason, order.actor))

        return await self._on_record(order, Act.REFUND, transaction_id, {}, work)

    async def disputes(self, state: DisputeState | None) -> tuple[Dispute, ...]:
        """The newest disputes (in one state), newest first."""
        return await self._disputes.newest(state)

    async def resolve_dispute(self, order: Order, dispute_id: str, outcome: DisputeState) -> Dispute:
        """Decide a dispute: WON and everybody has their money again, LOST and the card's holder has.

        Raises ReasonMissing, PaymentUnknown, DisputeDecided.
        """

        async def work() -> Dispute:
            return await self._disputes.resolve(dispute_id, outcome)

        return await self._on_record(order, Act.RESOLVE_DISPUTE, dispute_id, {"outcome": outcome}, work)

    # ---- people -----------------------------------------------------------------------------------------------------

    async def freeze(self, order: Order, who: str) -> User:
        """Stop an account: its streams now, then everything else, until `unfreeze`. Raises UserUnknown, ReasonMissing.

        What stops it is in memory and comes first; a database that does not answer afterwards leaves it stopped.
        """
        user = await self.find(who)
        _check_reason(order)
        self._accounts.suspend(user.user_id)
        await self._bus.publish(AccountSuspended(user.user_id))

        async def work() -> User:
            await self._accounts.freeze(user.user_id, order.reason)
            return user

        return await self._on_record(order, Act.FREEZE, user.user_id, {}, work)

    async def unfreeze(self, order: Order, who: str) -> User:
        """Raises UserUnknown, NotFrozen, ReasonMissing."""
        user = await self.find(who)

        async def work() -> User:
            if not await self._accounts.unfreeze(user.user_id):
                raise NotFrozen("This account is not frozen.")
            return user

        return await self._on_record(order, Act.UNFREEZE, user.user_id, {}, work)

    async def set_admin(self, order: Order, who: str, granted: bool) -> User:
        """Make somebody an admin, or no longer one; their sessions end. Raises UserUnknown, ReasonMissing."""
        user = await self.find(who)

        async def work() -> User:
            await self._accounts.set_admin(user.user_id, granted)
            return user

        act = Act.GRANT_ADMIN if granted else Act.REVOKE_ADMIN
        return await self._on_record(order, act, user.user_id, {}, work)

    # ---- the record -------------------------------------------------------------------------------------------------

    async def _on_record(
        self, order: Order, act: Act, subject: str, details: Mapping[str, Any], work: Callable[[], Awaitable[R]]
    ) -> R:
        """Do the work between two rows of the audit log. Raises ReasonMissing, and what the work raises."""
        _check_reason(order)
        act_id = _act_id(order)
        await self._record(act_id, order.actor, act, subject, Phase.BEGUN, order.reason, details)
        try:
            result = await work()
        except CurtaincallError as refusal:
            told = {**details, "code": refusal.code}
            await self._record(act_id, order.actor, act, subject, Phase.REFUSED, order.reason, told)
            raise
        await self._record(act_id, order.actor, act, subject, Phase.DONE, order.reason, details)
        return result

    async def _record(
        self, act_id: str, actor: str, act: Act, subject: str, phase: Phase, reason: str, details: Mapping[str, Any]
    ) -> None:
        entry = Entry(act_id, self._clock.now_ms(), actor, act, subject, phase, reason, details)
        await self._executor.submit(audit.add, entry)


def _check_reason(order: Order) -> None:
    if not order.reason.strip() or len(order.reason) > MAX_REASON_CHARS or not order.reason.isprintable():
        raise ReasonMissing(f"Every act needs a reason of at most {MAX_REASON_CHARS} printable characters.")


def _act_id(order: Order) -> str:
    """The same act has the same id, so that its money moves once, however often it is begun."""
    return hashlib.sha256(f"{order.actor}\n{order.key}".encode()).hexdigest()[:32]
