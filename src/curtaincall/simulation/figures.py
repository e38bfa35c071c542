"""The figures of the report, read from the database that the simulation leaves."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from curtaincall.charging.store import paid_sessions
from curtaincall.charging.verify import verify_sessions
from curtaincall.ledger.model import AccountKind, Purpose
from curtaincall.ledger.store import MOVING, accounts, transfers
from curtaincall.ledger.verify import verify
from curtaincall.statements.model import DAY_MS, NOT_EARNED, OF_CREATORS

GIVEN_BACK: Final = frozenset({Purpose.REFUND, Purpose.CHARGEBACK})

ROWS_AT_A_TIME: Final = 5_000


@dataclass(frozen=True, slots=True)
class Flow:
    """What went from accounts of one kind to those of another, for one purpose, on one day (counted from the first)."""

    day: int
    purpose: Purpose
    debit: AccountKind
    credit: AccountKind
    amount_minor: int
    commands: int


@dataclass(frozen=True, slots=True)
class Earned:
    """What came in from one source: `gross = fee + creators`."""

    times: int
    fee_minor: int
    creators_minor: int

    @property
    def gross_minor(self) -> int:
        return self.fee_minor + self.creators_minor


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that ended in one way."""

    state: str
    reason: str
    count: int
    minutes: int
    charged_minor: int


@dataclass(frozen=True, slots=True)
class Figures:
    flows: tuple[Flow, ...]
    balances: Mapping[AccountKind, int]
    calls: tuple[Calls, ...]
    transfers: int
    problems: tuple[str, ...]
    """What `ledger verify` has found: nothing, if all is in order."""
    digest: str
    """Of every row of the ledger: the same books have the same."""

    def moved(self, *purposes: Purpose, debit: AccountKind | None = None, credit: AccountKind | None = None) -> int:
        """What went for these purposes (between accounts of these kinds), in minor units."""
        return sum(flow.amount_minor for flow in self._of(purposes, debit, credit))

    def times(self, *purposes: Purpose, debit: AccountKind | None = None, credit: AccountKind | None = None) -> int:
        """How often it did."""
        return sum(flow.commands for flow in self._of(purposes, debit, credit))

    def earned(self) -> dict[Purpose, Earned]:
        """By source; what was given back is not taken off."""
        found: dict[Purpose, list[int]] = defaultdict(lambda: [0, 0, 0])
        for flow in self.flows:
            if flow.purpose in NOT_EARNED | GIVEN_BACK:
                continue
            if flow.credit in OF_CREATORS:
                found[flow.purpose][0] += flow.commands
                found[flow.purpose][2] += flow.amount_minor
            elif flow.credit is AccountKind.PLATFORM_FEE:
                found[flow.purpose][1] += flow.amount_minor
        return {purpose: Earned(*found[purpose]) for purpose in Purpose if purpose in found}

    def gross_by_day(self) -> dict[Purpose, dict[int, int]]:
        """What was earned from each source on each day, fee included."""
        found: dict[Purpose, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for flow in self.flows:
            earned = flow.credit in OF_CREATORS or flow.credit is AccountKind.PLATFORM_FEE
            if earned and flow.purpose not in NOT_EARNED | GIVEN_BACK:
                found[flow.purpose][flow.day] += flow.amount_minor
        return {purpose: dict(found[purpose]) for purpose in Purpose if purpose in found}

    def _of(
        self, purposes: tuple[Purpose, ...], debit: AccountKind | None, credit: AccountKind | None
    ) -> tuple[Flow, ...]:
        return tuple(
            flow
            for flow in self.flows
            if flow.purpose in purposes and debit in (None, flow.debit) and credit in (None, flow.credit)
        )


def read(tx: Connection, start_ms: int) -> Figures:
    """Everything the report shows, and whether the books are in order."""
    report = verify(tx)
    return Figures(
        flows=_flows(tx, start_ms),
        balances=_balances(tx),
        calls=_calls(tx),
        transfers=report.transfers,
        problems=(*report.problems, *verify_sessions(tx)),
        digest=digest(tx),
    )


def digest(tx: Connection) -> str:
    """SHA-256 over every row of the ledger, in its order."""
    sha = hashlib.sha256()
    rows = tx.execute(select(transfers).order_by(transfers.c.seq).execution_options(yield_per=ROWS_AT_A_TIME))
    for row in rows:
        sha.update("|".join(map(str, row)).encode())
        sha.update(b"\n")
    return sha.hexdigest()


def _flows(tx: Connection, start_ms: int) -> tuple[Flow, ...]:
    t, debit, credit = transfers, accounts.alias("debit"), accounts.alias("credit")
    day = (t.c.created_at_ms - start_ms - (t.c.created_at_ms - start_ms) % DAY_MS).label("day_ms")
    query = (
        select(
            day,
            t.c.purpose,
            debit.c.kind.label("debit"),
            credit.c.kind.label("credit"),
            func.sum(t.c.amount_minor).label("amount_minor"),
            func.count(t.c.key.distinct()).label("commands"),
        )
        .join(debit, debit.c.account_id == t.c.debit_account_id)
        .join(credit, credit.c.account_id == t.c.credit_account_id)
        .where(t.c.kind.in_(MOVING))
        .group_by(day, t.c.purpose, debit.c.kind, credit.c.kind)
        .order_by(day, t.c.purpose, debit.c.kind, credit.c.kind)
    )
    return tuple(
        Flow(
            day=row.day_ms // DAY_MS,
            purpose=Purpose(row.purpose),
            debit=AccountKind(row.debit),
            credit=AccountKind(row.credit),
            amount_minor=int(row.amount_minor),
            commands=row.commands,
        )
        for row in tx.execute(query)
    )


def _balances(tx: Connection) -> dict[AccountKind, int]:
    """What the accounts of each kind hold together."""
    found = dict.fromkeys(AccountKind, 0)
    for side, sign in ((transfers.c.credit_account_id, 1), (transfers.c.debit_account_id, -1)):
        query = (
            select(accounts.c.kind, func.sum(transfers.c.amount_minor).label("amount_minor"))
            .join(accounts, accounts.c.account_id == side)
            .where(transfers.c.kind.in_(MOVING))
            .group_by(accounts.c.kind)
        )
        for row in tx.execute(query):
            found[AccountKind(row.kind)] += sign * int(row.amount_minor)
    return found


def _calls(tx: Connection) -> tuple[Calls, ...]:
    t = paid_sessions
    query = (
        select(
            t.c.state,
            t.c.end_reason,
            func.count().label("calls"),
            func.sum(t.c.used_ms).label("used_ms"),
            func.sum(t.c.posted_minor).label("charged_minor"),
        )
        .group_by(t.c.state, t.c.end_reason)
        .order_by(t.c.state, t.c.end_reason)
    )
    return tuple(
        Calls(row.state, row.end_reason or "", row.calls, int(row.used_ms) // 60_000, int(row.charged_minor))
        for row in tx.execute(query)
    )
