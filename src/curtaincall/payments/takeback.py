"""Who gives back what was paid: planned from the rows of the ledger, in the transaction that moves it.

What somebody paid in lies in a *vessel* (a wallet, a prepaid subscription, a battle's pot) until it is spent. Taken
back is first what still lies there; the rest comes from those who were paid out of it, the newest spending first, a
creator and the house in the proportion in which they were paid. A creator who has it no longer owes it. What cannot
be traced is borne by the house.
"""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Index,
    String,
    Table,
    func,
    select,
    update,
)

from curtaincall.ledger import history
from curtaincall.ledger.history import Movement
from curtaincall.ledger.model import (
    Account,
    AccountKind,
    Purpose,
    creator_payable,
    creator_pending,
    creator_receivable,
    platform_fee,
)
from curtaincall.ledger.store import transfers
from curtaincall.storage.schema import metadata

PAGE: Final = 200
"""Rows of an account's outflow read at a time."""

TRACE_LIMIT: Final = 20_000
"""The most rows of one account's outflow that are looked at; beyond it the house bears the rest."""

MAX_DEPTH: Final = 3
"""Wallet, pot, host: money passes through no more vessels than that."""

VESSELS: Final = frozenset({AccountKind.WALLET, AccountKind.DEFERRED_SUBSCRIPTION, AccountKind.BATTLE_POT})
CREATORS: Final = frozenset({AccountKind.CREATOR_PENDING, AccountKind.CREATOR_PAYABLE})

HOUSE: Final = frozenset({AccountKind.PLATFORM_FEE, AccountKind.HOUSE_ADJUSTMENT})

GONE: Final = frozenset({AccountKind.GATEWAY_CLEARING, AccountKind.DISPUTE_PENDING, AccountKind.WALLET})
"""Credits that nobody has who could give them back: refunds, disputes, and pots that were returned."""

payment_reversals = Table(
    "payment_reversals",
    metadata,
    Column("cause_id", String, primary_key=True),
    Column("transfer_id", String, primary_key=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("undone", Boolean, nullable=False),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index("ix_payment_reversals_transfer_id", "transfer_id"),
)
"""How much of which ledger row was taken back, by which refund or dispute: nothing is taken back twice."""


@dataclass(slots=True)
class Plan:
    """What is taken from whom (in the order in which it was found), which rows that reverses, what they were for."""

    takes: dict[Account, int] = field(default_factory=dict)
    reversals: dict[str, int] = field(default_factory=dict)
    refs: dict[tuple[Purpose, str], None] = field(default_factory=dict)
    _left: dict[Account, int] = field(default_factory=dict)

    @property
    def total_minor(self) -> int:
        return sum(self.takes.values())

    def take(self, tx: Connection, account: Account, amount_minor: int, depth: int = 0) -> None:
        """Plan to take an amount that is, or was, in this account."""
        if account.kind in VESSELS and depth < MAX_DEPTH:
            self._trace(tx, account, amount_minor - self._take_available(tx, account, amount_minor), depth)
        elif account.kind in CREATORS:
            self._take_from_creator(tx, account, amount_minor)
        else:
            self._add(account if account.kind in HOUSE else platform_fee(account.currency), amount_minor)

    def reverse(self, tx: Connection, movement: Movement, amount_minor: int, depth: int = 0) -> None:
        """Plan to take back (a part of) what one row paid."""
        self.reversals[movement.transfer_id] = self.reversals.get(movement.transfer_id, 0) + amount_minor
        self.refs[movement.purpose, movement.ref] = None
        self.take(tx, movement.leg.credit, amount_minor, depth)

    def record(self, tx: Connection, cause_id: str) -> None:
        """Remember what was reversed, so that it is not again."""
        rows = [
            {"cause_id": cause_id, "transfer_id": transfer_id, "amount_minor": amount_minor, "undone": False}
            for transfer_id, amount_minor in self.reversals.items()
        ]
        if rows:
            tx.execute(payment_reversals.insert(), rows)

    def _trace(self, tx: Connection, vessel: Account, rest_minor: int, depth: int) -> None:
        before_seq: int | None = None
        seen = 0
        while rest_minor > 0 and seen < TRACE_LIMIT:
            page = history.outflow(tx, vessel, before_seq, PAGE)
            if not page:
                break
            seen += len(page)
            before_seq = page[-1].seq
            left = self._irreversed(tx, page)
            for command in _commands(page):
                rest_minor -= self._reverse_part(tx, command, left, rest_minor, depth + 1)
        if rest_minor > 0:
            self._add(platform_fee(vessel.currency), rest_minor)

    def _reverse_part(
        self, tx: Connection, command: list[Movement], left: dict[str, int], wanted_minor: int, depth: int
    ) -> int:
        """Reverse a command up to an amount, each leg in proportion. Returns how much that was."""
        legs = [(movement, left[movement.transfer_id]) for movement in command if movement.leg.credit.kind not in GONE]
        total = sum(amount for _, amount in legs)
        part = min(total, wanted_minor)
        rest = part
        for movement, amount in legs:
            share = rest * amount // total if total else 0
            rest, total = rest - share, total - amount
            if share:
                self.reverse(tx, movement, share, depth)
        return part

    def _irreversed(self, tx: Connection, page: tuple[Movement, ...]) -> dict[str, int]:
        """What is left of each row after earlier reversals and those of this plan."""
        done = reversed_minor(tx, [movement.transfer_id for movement in page])
        return {
            movement.transfer_id: movement.leg.amount_minor
            - done.get(movement.transfer_id, 0)
            - self.reversals.get(movement.transfer_id, 0)
            for movement in page
        }

    def _take_from_creator(self, tx: Connection, account: Account, amount_minor: int) -> None:
        creator_id, currency = account.owner_id, account.currency
        for source in (creator_pending(creator_id, currency), creator_payable(creator_id, currency)):
            amount_minor -= self._take_available(tx, source, amount_minor)
        self._add(creator_receivable(creator_id, currency), amount_minor)

    def _take_available(self, tx: Connection, account: Account, wanted_minor: int) -> int:
        if account not in self._left:
            self._left[account] = history.locked_available(tx, account)
        amount = max(0, min(wanted_minor, self._left[account]))
        self._left[account] -= amount
        self._add(account, amount)
        return amount

    def _add(self, account: Account, amount_minor: int) -> None:
        if amount_minor > 0:
            self.takes[account] = self.takes.get(account, 0) + amount_minor


def reversed_minor(tx: Connection, transfer_ids: list[str]) -> dict[str, int]:
    """How much of each row was taken back and not returned."""
    t = payment_reversals
    query = (
        select(t.c.transfer_id, func.sum(t.c.amount_minor).label("amount_minor"))
        .where(t.c.transfer_id.in_(transfer_ids), ~t.c.undone)
        .group_by(t.c.transfer_id)
    )
    return {row.transfer_id: int(row.amount_minor) for row in tx.execute(query)}


def reversed_refs(tx: Connection) -> list[tuple[Purpose, str]]:
    """What was bought with money that was taken back and not returned: for whoever missed the news of it."""
    r, t = payment_reversals, transfers
    query = (
        select(t.c.purpose, t.c.ref)
        .join(r, r.c.transfer_id == t.c.transfer_id)
        .where(~r.c.undone)
        .group_by(t.c.purpose, t.c.ref)
        .order_by(t.c.purpose, t.c.ref)
    )
    return [(Purpose(row.purpose), row.ref) for row in tx.execute(query)]


def undo(tx: Connection, cause_id: str) -> None:
    """What was taken back was returned (a dispute was won): it may be taken back by another cause."""
    t = payment_reversals
    tx.execute(update(t).where(t.c.cause_id == cause_id).values(undone=True))


def _commands(page: tuple[Movement, ...]) -> list[list[Movement]]:
    """The rows of a page by command, in their order."""
    found: dict[str, list[Movement]] = {}
    for movement in page:
        found.setdefault(movement.key, []).append(movement)
    return list(found.values())
