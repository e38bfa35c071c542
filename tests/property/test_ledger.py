"""The ledger on a real database against a dictionary: the same commands on both, in any order, repeated or not."""

import itertools
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule
from sqlalchemy import Connection

from curtaincall.ledger.errors import (
    HoldAlreadyPosted,
    HoldAlreadyVoided,
    HoldExceeded,
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
from support.virtual_clock import VirtualClock

FANS = ("ann", "bob")
STAR = creator_pending("star", "EUR")
HOUSE = platform_fee("EUR")
CLEARING = gateway_clearing("sandbox", "EUR")
AMOUNTS = st.integers(1, 1_000)


class LedgerAgainstDictionary(RuleBasedStateMachine):
    """The dictionary knows what each wallet has and what became of each hold."""

    holds = Bundle("holds")
    written = Bundle("written")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.database = open_database(Path(self.directory.name))
        migrate(self.database)
        numbers = itertools.count()
        self.ledger = Ledger(VirtualClock(), lambda: f"transfer-{next(numbers)}")
        self.keys = itertools.count()
        self.balance = dict.fromkeys(FANS, 0)
        self.held = dict.fromkeys(FANS, 0)
        self.earned = 0
        self.fees = 0
        self.open: dict[str, tuple[str, int]] = {}
        self.resolved: dict[str, type[LedgerError]] = {}

    def teardown(self) -> None:
        self.database.close()
        self.directory.cleanup()

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

    @rule(targets=(holds,), fan=st.sampled_from(FANS), amount=AMOUNTS)
    def hold(self, fan: str, amount: int) -> object:
        command = Hold(self.key(), Purpose.CALL, "call", wallet(fan, "EUR"), STAR, amount)
        if amount > self.available(fan):
            assert self.write(command) is InsufficientFunds
            return multiple()
        assert self.write(command) is True
        self.held[fan] += amount
        self.open[command.key] = (fan, amount)
        return command.key

    @rule(target=written, hold=consumes(holds), creator=AMOUNTS, fee=AMOUNTS)
    def post(self, hold: str, creator: int, fee: int) -> object:
        command = Post(self.key(), hold, (Share(STAR, creator), Share(HOUSE, fee)))
        fan, amount = self.open[hold]
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
    def void(self, hold: str) -> Command:
        command = Void(self.key(), hold)
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


LedgerAgainstDictionary.TestCase.settings = settings(max_examples=settings().max_examples // 4, stateful_step_count=30)
TestLedgerAgainstDictionary = LedgerAgainstDictionary.TestCase
