"""The ledger on real databases against a dictionary: the same commands on both, in any order, repeated or not."""

import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule
from sqlalchemy import Connection

from curtaincall.ledger.errors import (
    HoldAlreadyPosted,
    HoldAlreadyVoided,
    HoldExceeded,
    HoldExpired,
    IdempotencyConflict,
    InsufficientFunds,
    LedgerError,
)
from curtaincall.ledger.model import (
    Command,
    Hold,
    Leg,
    Post,
    Purpose,
    Share,
    Sweep,
    Transfer,
    Void,
    creator_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.ledger.verify import verify
from curtaincall.storage.database import migrate, open_database
from support.postgres import Cluster
from support.virtual_clock import VirtualClock

FANS = ("ann", "bob")
STAR = creator_pending("star", "EUR")
HOUSE = platform_fee("EUR")
CLEARING = gateway_clearing("sandbox", "EUR")
AMOUNTS = st.integers(1, 1_000)
LASTS_MS = st.sampled_from([None, None, 10, 1_000])


class LedgerAgainstDictionary(RuleBasedStateMachine):
    """The dictionary knows what each wallet has and what became of each hold."""

    holds = Bundle("holds")
    written = Bundle("written")
    cluster: ClassVar[Cluster | None] = None
    """Where the database is; None for SQLite."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        url = ""
        if self.cluster is not None:
            url = self.cluster.fresh()
            self.stack.callback(self.cluster.give_back, url)
        self.database = open_database(directory, url)
        self.stack.callback(self.database.close)
        migrate(self.database)
        self.clock = VirtualClock()
        numbers = itertools.count()
        self.ledger = Ledger(self.clock, lambda: f"transfer-{next(numbers)}")
        self.keys = itertools.count()
        self.balance = dict.fromkeys(FANS, 0)
        self.held = dict.fromkeys(FANS, 0)
        self.earned = 0
        self.fees = 0
        self.open: dict[str, tuple[str, int]] = {}
        self.expires_at_ms: dict[str, int] = {}
        self.resolved: dict[str, type[LedgerError]] = {}

    def teardown(self) -> None:
        self.stack.close()

    def write(self, command: Command) -> type[LedgerError] | bool:
        """As the executor does: undone if the ledger refuses. Returns the refusal, or whether it was new."""
        try:
            with self.database.writer.begin() as tx:
                return self._write(tx, command)
        except LedgerError as refusal:
            return type(refusal)

    def _write(self, tx: Connection, command: Command) -> bool:
        match command:
            case Transfer():
                return self.ledger.transfer(tx, command)
            case Hold():
                return self.ledger.hold(tx, command)
            case Post():
                return self.ledger.post(tx, command)
            case Void():
                return self.ledger.void(tx, command)

    def key(self) -> str:
        return f"key-{next(self.keys)}"

    def available(self, fan: str) -> int:
        return self.balance[fan] - self.held[fan]

    @rule(target=written, fan=st.sampled_from(FANS), amount=AMOUNTS)
    def top_up(self, fan: str, amount: int) -> Command:
        command = Transfer(self.key(), Purpose.TOP_UP, "top-up", (Leg(CLEARING, wallet(fan, "EUR"), amount),))
        assert self.write(command) is True
        self.balance[fan] += amount
        return command

    def expired(self, hold: str) -> bool:
        return self.clock.now_ms() >= self.expires_at_ms.get(hold, self.clock.now_ms() + 1)

    @rule(targets=(holds,), fan=st.sampled_from(FANS), amount=AMOUNTS, lasts_ms=LASTS_MS)
    def hold(self, fan: str, amount: int, lasts_ms: int | None) -> object:
        command = Hold(self.key(), Purpose.CALL, "call", wallet(fan, "EUR"), STAR, amount, lasts_ms)
        if amount > self.available(fan):
            assert self.write(command) is InsufficientFunds
            return multiple()
        assert self.write(command) is True
        self.held[fan] += amount
        self.open[command.key] = (fan, amount)
        if lasts_ms is not None:
            self.expires_at_ms[command.key] = self.clock.now_ms() + lasts_ms
        return command.key

    @rule(passes_ms=st.integers(1, 500))
    def time_passes(self, passes_ms: int) -> None:
        self.clock.advance_us(passes_ms * 1_000)

    @rule()
    def sweep(self) -> None:
        with self.database.writer.begin() as tx:
            swept = self.ledger.expire(tx, Sweep(0)).hold_keys
        assert set(swept) == {hold for hold in self.open if self.expired(hold)}
        for hold in swept:
            self._resolve(hold, HoldExpired)

    @rule(target=written, hold=consumes(holds), creator=AMOUNTS, fee=AMOUNTS)
    def post(self, hold: str, creator: int, fee: int) -> object:
        command = Post(self.key(), hold, (Share(STAR, creator), Share(HOUSE, fee)))
        if hold in self.resolved:
            assert self.write(command) is self.resolved[hold]
            return multiple()
        fan, amount = self.open[hold]
        if self.expired(hold):
            assert self.write(command) is HoldExpired
            return multiple()
        if creator + fee > amount:
            assert self.write(command) is HoldExceeded
            void = Void(self.key(), hold)
            assert self.write(void) is True
            self._resolve(hold, HoldAlreadyVoided)
            return void
        assert self.write(command) is True
        self._resolve(hold, HoldAlreadyPosted)
        self.balance[fan] -= creator + fee
        self.earned += creator
        self.fees += fee
        return command

    @rule(target=written, hold=consumes(holds))
    def void(self, hold: str) -> object:
        command = Void(self.key(), hold)
        if hold in self.resolved:
            assert self.write(command) is self.resolved[hold]
            return multiple()
        assert self.write(command) is True
        self._resolve(hold, HoldAlreadyVoided)
        return command

    def _resolve(self, hold: str, refusal: type[LedgerError]) -> None:
        fan, amount = self.open.pop(hold)
        self.held[fan] -= amount
        self.resolved[hold] = refusal

    @rule(command=written)
    def repeat(self, command: Command) -> None:
        assert self.write(command) is False

    @rule(command=written)
    def reuse_a_key(self, command: Command) -> None:
        assert self.write(Void(command.key, "another-hold")) is IdempotencyConflict

    @precondition(lambda self: self.resolved)
    @rule(data=st.data())
    def resolve_again(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(sorted(self.resolved)))
        assert self.write(Void(self.key(), hold)) is self.resolved[hold]
        assert self.write(Post(self.key(), hold, (Share(STAR, 1),))) is self.resolved[hold]

    @invariant()
    def agrees(self) -> None:
        with self.database.reader.begin() as tx:
            for fan in FANS:
                balance = self.ledger.balance(tx, wallet(fan, "EUR"))
                assert (balance.balance_minor, balance.held_minor) == (self.balance[fan], self.held[fan])
                assert balance.available_minor >= 0
            assert self.ledger.balance(tx, STAR).balance_minor == self.earned
            assert self.ledger.balance(tx, HOUSE).balance_minor == self.fees
            report = verify(tx)
        assert report.problems == ()
        assert report.open_holds == len(self.open)


class LedgerOnPostgresql(LedgerAgainstDictionary):
    """The same on PostgreSQL, with fewer histories: each takes ten times as long."""


@pytest.fixture(autouse=True)
def _server(postgres: Cluster) -> None:
    LedgerOnPostgresql.cluster = postgres


LedgerAgainstDictionary.TestCase.settings = settings(max_examples=settings().max_examples // 4, stateful_step_count=30)
LedgerOnPostgresql.TestCase.settings = settings(max_examples=settings().max_examples // 10, stateful_step_count=30)
TestLedgerAgainstDictionary = LedgerAgainstDictionary.TestCase
TestLedgerOnPostgresql = LedgerOnPostgresql.TestCase
