"""The ledger: every use case is a synchronous function of an open transaction, to be run by the write executor.

Each command is written once: repeated with the same body it does nothing and says so, with another body it is refused.
"""

from collections import defaultdict

from sqlalchemy import Connection

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger import store
from curtaincall.ledger.errors import (
    HoldAlreadyPosted,
    HoldAlreadyVoided,
    HoldExceeded,
    HoldExpired,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientFunds,
    TransferInvalid,
)
from curtaincall.ledger.model import (
    SWEEP_LIMIT,
    Account,
    Balance,
    Command,
    Hold,
    Leg,
    Post,
    StatementEntry,
    Sweep,
    Swept,
    Transfer,
    TransferKind,
    Void,
    body_hash,
    check_legs,
)
from curtaincall.ledger.store import NOTHING, Delta, NewTransfer
from curtaincall.ledger.writing import Change, write
from curtaincall.storage.paging import Page, page_size, position_of


class Ledger:
    """Moves money between accounts. Guarded accounts never go below zero; the database checks that too.

    Correct beside other writers (READ COMMITTED). Whoever else writes the same command or resolves the same hold at the
    same moment meets a unique index; the executor then runs the loser again, which sees what was written.
    """

    def __init__(self, clock: Clock, new_id: IdFactory) -> None:
        self._clock = clock
        self._new_id = new_id

    def transfer(self, tx: Connection, command: Transfer) -> bool:
        """Move money at once. Returns False if this command was written before.

        Raises InsufficientFunds, TransferInvalid, IdempotencyConflict.
        """
        check_legs(command.legs)
        body = body_hash(command)
        if self._seen(tx, command, body):
            return False
        deltas: dict[Account, Delta] = defaultdict(Delta)
        for leg in command.legs:
            deltas[leg.debit] += Delta(debits_posted_minor=leg.amount_minor)
            deltas[leg.credit] += Delta(credits_posted_minor=leg.amount_minor)
        new = self._new(command, body, TransferKind.SINGLE, command.purpose, command.ref)
        return self._take(tx, command, deltas, new, command.legs)

    def hold(self, tx: Connection, command: Hold) -> bool:
        """Reserve money. Returns False if this command was written before.

        Raises InsufficientFunds, TransferInvalid, IdempotencyConflict.
        """
        leg = Leg(command.debit, command.credit, command.amount_minor)
        check_legs((leg,))
        now_ms = self._clock.now_ms()
        expires_at_ms = None
        if command.expires_after_ms is not None:
            if command.expires_after_ms <= 0:
                raise TransferInvalid("A hold lasts for some time.", expires_after_ms=command.expires_after_ms)
            expires_at_ms = now_ms + command.expires_after_ms
        body = body_hash(command)
        if self._seen(tx, command, body):
            return False
        new = NewTransfer(
            command.key, body, TransferKind.PENDING, command.purpose, command.ref, None, now_ms, expires_at_ms
        )
        return self._take(tx, command, {leg.debit: Delta(debits_pending_minor=leg.amount_minor)}, new, (leg,))

    def post(self, tx: Connection, command: Post) -> bool:
        """Pay shares of a hold and return its rest. Returns False if this command was written before.

        Raises HoldUnknown, HoldAlreadyPosted, HoldAlreadyVoided, HoldExpired, HoldExceeded, TransferInvalid,
        IdempotencyConflict.
        """
        body = body_hash(command)
        hold = self._hold_to_resolve(tx, command, body)
        if hold is None:
            return False
        now_ms = self._clock.now_ms()
        if hold.expires_at_ms is not None and now_ms >= hold.expires_at_ms:
            raise HoldExpired("The hold has expired.", key=hold.key)
        payer = Account.of_id(hold.debit_account_id)
        legs = tuple(Leg(payer, share.credit, share.amount_minor) for share in command.shares)
        check_legs(legs)
        posted = sum(leg.amount_minor for leg in legs)
        if posted > hold.amount_minor:
            raise HoldExceeded("More was posted than held.", held_minor=hold.amount_minor, posted_minor=posted)
        deltas: dict[Account, Delta] = defaultdict(Delta)
        deltas[payer] += Delta(debits_posted_minor=posted, debits_pending_minor=-hold.amount_minor)
        for leg in legs:
            deltas[leg.credit] += Delta(credits_posted_minor=leg.amount_minor)
        new = NewTransfer(command.key, body, TransferKind.POST, hold.purpose, hold.ref, hold.seq, now_ms)
        return write(tx, _guarded(deltas), new, self._numbered(legs))

    def void(self, tx: Connection, command: Void) -> bool:
        """Return all of a hold. Returns False if this command was written before.

        Raises HoldUnknown, HoldAlreadyPosted, HoldAlreadyVoided, HoldExpired, IdempotencyConflict.
        """
        body = body_hash(command)
        hold = self._hold_to_resolve(tx, command, body)
        if hold is None:
            return False
        self._release(tx, self._new(command, body, TransferKind.VOID, hold.purpose, hold.ref, hold.seq), hold)
        return True

    def expire(self, tx: Connection, command: Sweep) -> Swept:
        """Return what expired holds reserved, the oldest first and at most `SWEEP_LIMIT` at once."""
        keys = store.expired_holds(tx, command.since_ms, self._clock.now_ms(), SWEEP_LIMIT)
        for hold_key in keys:
            expiry = Void(f"expire:{hold_key}", hold_key)
            body = body_hash(expiry)
            hold = self._hold_to_resolve(tx, expiry, body)
            if hold is not None:
                self._release(tx, self._new(expiry, body, TransferKind.EXPIRE, hold.purpose, hold.ref, hold.seq), hold)
        return Swept(tuple(keys), more=len(keys) == SWEEP_LIMIT)

    def balance(self, tx: Connection, account: Account) -> Balance:
        """What an account holds; of an account that is not guarded, the sum of its transfers."""
        if account.guarded:
            return store.guarded_balance(tx, account.id)
        return Balance(store.rolled_up_balance(tx, account.id), 0)

    def statement(self, tx: Connection, account: Account, cursor: str | None, limit: int) -> Page[StatementEntry]:
        """One page of the account's movements, newest first; holds are not movements. Raises CursorInvalid."""
        return store.statement(tx, account, position_of(cursor), page_size(limit))

    def open_holds(self, tx: Connection, ref: str) -> list[str]:
        """The keys of the holds for `ref` that nothing has resolved, oldest first."""
        return store.open_hold_keys(tx, ref)

    def _seen(self, tx: Connection, command: Command, body: str) -> bool:
        there = store.body_hash_of(tx, command.key)
        if there is None:
            return False
        if there != body:
            raise IdempotencyConflict("This key belongs to another command.", key=command.key)
        return True

    def _hold_to_resolve(self, tx: Connection, command: Post | Void, body: str) -> store.Written | None:
        """The open hold that the command is about, None if the command was written before."""
        found = store.written(tx, command.key, command.hold_key)
        before = found.get(command.key)
        if before is not None:
            if before.body_hash != body:
                raise IdempotencyConflict("This key belongs to another command.", key=command.key)
            return None
        hold = found.get(command.hold_key)
        if hold is None or hold.kind != TransferKind.PENDING:
            raise HoldUnknown("There is no such hold.", key=command.hold_key)
        match hold.resolution:
            case None:
                return hold
            case TransferKind.POST:
                raise HoldAlreadyPosted("The hold was posted before.", key=hold.key)
            case TransferKind.EXPIRE:
                raise HoldExpired("The hold has expired.", key=hold.key)
            case _:
                raise HoldAlreadyVoided("The hold was voided before.", key=hold.key)

    def _take(
        self, tx: Connection, command: Command, deltas: dict[Account, Delta], new: NewTransfer, legs: tuple[Leg, ...]
    ) -> bool:
        """Write what may find too little money; then nothing has been written.

        Returns False if a twin of the command took it in the meantime. Raises InsufficientFunds.
        """
        changes = _guarded(deltas)
        if any(delta.available_minor < 0 for _, delta in changes[1:]):
            # A change before the one that finds too little would have to be undone: look before.
            for account, delta in changes:
                if store.lock(tx, account) + delta.available_minor < 0:
                    return self._refuse(tx, command, new, account, delta)
        return write(tx, changes, new, self._numbered(legs)) or self._refuse(tx, command, new, *changes[0])

    def _refuse(self, tx: Connection, command: Command, new: NewTransfer, account: Account, delta: Delta) -> bool:
        """There is too little, unless it was this same command that took it. Raises InsufficientFunds."""
        if self._seen(tx, command, new.body_hash):
            return False
        raise InsufficientFunds(
            "There is not enough money available.",
            account=account.id,
            missing_minor=-delta.available_minor - self.balance(tx, account).available_minor,
        )

    def _release(self, tx: Connection, new: NewTransfer, hold: store.Written) -> None:
        """Write a resolution that returns the whole hold."""
        payer = Account.of_id(hold.debit_account_id)
        leg = Leg(payer, Account.of_id(hold.credit_account_id), hold.amount_minor)
        deltas = {payer: Delta(debits_pending_minor=-hold.amount_minor)}
        write(tx, _guarded(deltas), new, self._numbered((leg,)))

    def _new(
        self,
        command: Command,
        body: str,
        kind: TransferKind,
        purpose: str,
        ref: str,
        pending_seq: int | None = None,
    ) -> NewTransfer:
        return NewTransfer(command.key, body, kind, purpose, ref, pending_seq, self._clock.now_ms())

    def _numbered(self, legs: tuple[Leg, ...]) -> list[tuple[str, Leg]]:
        return [(self._new_id(), leg) for leg in legs]


def _guarded(deltas: dict[Account, Delta]) -> list[Change]:
    """The changes of balances in sorted order: where rows are locked, two commands then never wait for each other."""
    changes = [(account, delta) for account, delta in deltas.items() if account.guarded and delta != NOTHING]
    return sorted(changes, key=lambda change: change[0].id) if len(changes) > 1 else changes
