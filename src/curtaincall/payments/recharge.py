"""Auto-recharge: the wallet is filled by an off-session charge before it runs dry, so often a day and no more."""

import logging
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Integer,
    String,
    Table,
    case,
    select,
    update,
)

from curtaincall.kernel.clock import Clock
from curtaincall.ledger.model import Purpose, wallet
from curtaincall.payments import store
from curtaincall.payments.cards import MAX_CHARGE_MINOR, CardPayments
from curtaincall.payments.errors import AmountInvalid, PaymentError, PaymentMethodUnknown
from curtaincall.payments.model import CardPayment
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

MAX_PER_DAY: Final = 10
"""The most charges a day that a user may allow: declines count, so a card is not hammered either."""

DEFAULT_PER_DAY: Final = 3

KEY_PREFIX: Final = "auto-recharge:"
"""Before the `ref` of the trigger, in the key of the payment."""

DAY_MS: Final = 24 * 3_600_000

auto_recharge = Table(
    "auto_recharge",
    metadata,
    Column("user_id", String, primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("payment_method_id", ForeignKey("payment_methods.payment_method_id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("max_per_day", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("used_today", Integer, nullable=False),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint("max_per_day > 0", name="max_per_day_positive"),
)
"""`used_today` counts the charges begun on `day` (days since the epoch, UTC)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RechargeRules:
    """What a user has allowed. Disabled rules may be without the rest."""

    enabled: bool
    payment_method_id: str | None = None
    amount_minor: int | None = None
    max_per_day: int = DEFAULT_PER_DAY


class _BoundReached(PaymentError):
    """No further charge today, or the rules have been switched off meanwhile."""


class AutoRecharge:
    """Use cases of auto-recharge. Amounts are minor units of the one currency of the house."""

    def __init__(self, executor: WriteExecutor, cards: CardPayments, clock: Clock, currency: str) -> None:
        self._executor = executor
        self._cards = cards
        self._clock = clock
        self._currency = currency

    async def rules(self, user_id: str) -> RechargeRules:
        """What the user has allowed; nothing, at first."""
        return await self._executor.read(lambda tx: _rules(tx, user_id)) or RechargeRules(enabled=False)

    async def set_rules(self, user_id: str, rules: RechargeRules) -> RechargeRules:
        """Allow or forbid. What was charged today still counts. Raises AmountInvalid, PaymentMethodUnknown."""
        if rules.enabled and not 0 < (rules.amount_minor or 0) <= MAX_CHARGE_MINOR:
            raise AmountInvalid("The amount of a recharge is out of bounds.", max_minor=MAX_CHARGE_MINOR)
        if not 1 <= rules.max_per_day <= MAX_PER_DAY:
            raise AmountInvalid("The number of recharges a day is out of bounds.", max_per_day=MAX_PER_DAY)
        await self._executor.submit(_set_rules, (user_id, rules))
        return await self.rules(user_id)

    async def trigger(self, user_id: str, ref: str) -> CardPayment | None:
        """Charge the card as allowed; None if that is off, today's bound is reached, or a charge is on its way.

        `ref` is what it is for (a session and its hold): the same one again is the same charge. A decline is an answer.
        """
        key = f"{KEY_PREFIX}{ref}"
        rules = await self._executor.read(lambda tx: _rules(tx, user_id))
        if rules is None or not rules.enabled or rules.payment_method_id is None or rules.amount_minor is None:
            return None
        today = self._clock.now_ms() // DAY_MS

        def count(tx: Connection) -> None:
            if not _count(tx, user_id, today):
                raise _BoundReached("No further recharge today.")

        try:
            return await self._cards.pay(
                user_id=user_id,
                payment_method_id=rules.payment_method_id,
                amount_minor=rules.amount_minor,
                currency=self._currency,
                key=key,
                purpose=Purpose.TOP_UP,
                credit=wallet(user_id, self._currency),
                off_session=True,
                description="Auto-recharge",
                precondition=count,
            )
        except PaymentError as refusal:
            # The card was removed, the rules changed between two triggers, or the day's bound is reached.
            log.info("auto_recharge_refused", extra={"user_id": user_id, "code": refusal.code})
            return None


def _rules(tx: Connection, user_id: str) -> RechargeRules | None:
    row = tx.execute(select(auto_recharge).where(auto_recharge.c.user_id == user_id)).one_or_none()
    if row is None:
        return None
    return RechargeRules(row.enabled, row.payment_method_id, row.amount_minor, row.max_per_day)


def _set_rules(tx: Connection, command: tuple[str, RechargeRules]) -> None:
    user_id, rules = command
    t = auto_recharge
    if not rules.enabled:
        tx.execute(update(t).where(t.c.user_id == user_id).values(enabled=False))
        return
    if store.method_of(tx, user_id, rules.payment_method_id or "") is None:
        raise PaymentMethodUnknown("There is no such payment method.")
    values = {
        "enabled": True,
        "payment_method_id": rules.payment_method_id,
        "amount_minor": rules.amount_minor,
        "max_per_day": rules.max_per_day,
    }
    statement = insert(t).values(user_id=user_id, day=0, used_today=0, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=values))


def _count(tx: Connection, user_id: str, today: int) -> bool:
    """Count a charge of today; False if there may be none. One at a time: the row is the users' lock."""
    t = auto_recharge
    used = case((t.c.day == today, t.c.used_today), else_=0)
    result = tx.execute(
        update(t)
        .where(t.c.user_id == user_id, t.c.enabled, used < t.c.max_per_day)
        .values(day=today, used_today=used + 1)
    )
    return result.rowcount == 1 and store.open_off_session(tx, user_id, Purpose.TOP_UP) is None
