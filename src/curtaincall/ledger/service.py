"""The ledger: every use case is a synchronous function of an open transaction, to be run by the write executor.

Each command is written once: repeated with the same body it does nothing and says so, with another body it is refused.
"""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection

from curtaincall.kernel.clock import Clock
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger import store
from curtaincall.ledger.errors import (
    HoldAlreadyPosted,
    HoldAlreadyVoided,
    HoldExceeded,
    HoldUnknown,
    IdempotencyConflict,
    InsufficientFunds,
)
from curtaincall.ledger.model import (
    Account,
    Balance,
    Command,
    Hold,
    Leg,
    Post,
    StatementEntry,
    Transfer,
    TransferKind,
    Void,
    body_hash,
    check_legs,
)
from curtaincall.ledger.store import Delta, NewTransfer
from curtaincall.storage.paging import Page, page_size, position_of


@dataclass(frozen=True, slots=True)
class _OpenHold:
    """A hold that may be resolved."""

    seq: int
    leg: Leg
    purpose: str
    ref: str


class Ledger:
    """Moves money between accounts. Guarded accounts never go below zero; the database checks that too."""

    def __init__(self, clock: Clock, new_id: IdFactory) -> None:
        self._clock = clock
        self._new_id = new_id

    def transfer(self, tx: Connection, command: Transfer) -> bool:
        """Move money at once. Returns False if this command was written before.

        Raises InsufficientFunds, TransferInvalid, IdempotencyConflict.
        """
        check_legs(command.legs)
        if self._seen(tx, command):
            return False
        deltas: dict[Account, Delta] = defaultdict(Delta)
        for leg in command.legs:
            deltas[leg.debit] += Delta(debits_posted_minor=leg.amount_minor)
            deltas[leg.credit] += Delta(credits_posted_minor=leg.amount_minor)
        self._apply(tx, deltas)
        new = self._new(command, TransferKind.SINGLE, command.purpose, command.ref)
        self._append(tx, new, command.legs)
        return True

    def hold(self, tx: Connection, command: Hold) -> bool:
        """Reserve money. Returns False if this command was written before.

        Raises InsufficientFunds, TransferInvalid, IdempotencyConflict.
        """
        leg = Leg(command.debit, command.credit, command.amount_minor)
        check_legs((leg,))
        if self._seen(tx, command):
            return False
        self._apply(tx, {leg.debit: Delta(debits_pending_minor=leg.amount_minor), leg.credit: Delta()})
        self._append(tx, self._new(command, TransferKind.PENDING, command.purpose, command.ref), (leg,))
        return True

    def post(self, tx: Connection, command: Post) -> bool:
        """Pay shares of a hold and return its rest. Returns False if this command was written before.

        Raises HoldUnknown, HoldAlreadyPosted, HoldAlreadyVoided, HoldExceeded, TransferInvalid, IdempotencyConflict.
        """
        if self._seen(tx, command):
            return False
        hold = self._open_hold(tx, command.hold_key)
        legs = tuple(Leg(hold.leg.debit, share.credit, share.amount_minor) for share in command.shares)
        check_legs(legs)
        posted = sum(leg.amount_minor for leg in legs)
        if posted > hold.leg.amount_minor:
            raise HoldExceeded("More was posted than held.", held_minor=hold.leg.amount_minor, posted_minor=posted)
        deltas: dict[Account, Delta] = defaultdict(Delta)
        deltas[hold.leg.debit] += Delta(debits_posted_minor=posted, debits_pending_minor=-hold.leg.amount_minor)
        for leg in legs:
            deltas[leg.credit] += Delta(credits_posted_minor=leg.amount_minor)
        self._apply(tx, deltas)
        self._append(tx, self._new(command, TransferKind.POST, hold.purpose, hold.ref, hold.seq), legs)
        return True

    def void(self, tx: Connection, command: Void) -> bool:
        """Return all of a hold. Returns False if this command was written before.

        Raises HoldUnknown, HoldAlreadyPosted, HoldAlreadyVoided, IdempotencyConflict.
        """
        if self._seen(tx, command):
            return False
        hold = self._open_hold(tx, command.hold_key)
        self._apply(tx, {hold.leg.debit: Delta(debits_pending_minor=-hold.leg.amount_minor)})
        self._append(tx, self._new(command, TransferKind.VOID, hold.purpose, hold.ref, hold.seq), (hold.leg,))
        return True

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

    def _seen(self, tx: Connection, command: Command) -> bool:
        row = store.first_leg(tx, command.key)
        if row is None:
            return False
        if row.body_hash != body_hash(command):
            raise IdempotencyConflict("This key belongs to another command.", key=command.key)
        return True

    def _open_hold(self, tx: Connection, key: str) -> _OpenHold:
        row = store.first_leg(tx, key)
        if row is None or row.kind != TransferKind.PENDING:
            raise HoldUnknown("There is no such hold.", key=key)
        resolution = store.resolution_of(tx, row.seq)
        if resolution is TransferKind.POST:
            raise HoldAlreadyPosted("The hold was posted before.", key=key)
        if resolution is TransferKind.VOID:
            raise HoldAlreadyVoided("The hold was voided before.", key=key)
        leg = Leg(Account.of_id(row.debit_account_id), Account.of_id(row.credit_account_id), row.amount_minor)
        return _OpenHold(row.seq, leg, row.purpose, row.ref)

    def _apply(self, tx: Connection, deltas: dict[Account, Delta]) -> None:
        # In sorted order, so that on a database with row locks two commands cannot wait for each other.
        for account in sorted(deltas, key=lambda account: account.id):
            delta = deltas[account]
            changes_balance = account.guarded and delta != Delta()
            if changes_balance and store.apply_delta(tx, account, delta):
                continue
            store.open_account(tx, account)  # it may be the account's first time: then the change is tried again
            if changes_balance and not store.apply_delta(tx, account, delta):
                raise InsufficientFunds(
                    "There is not enough money available.",
                    account=account.id,
                    missing_minor=-delta.available_minor - self.balance(tx, account).available_minor,
                )

    def _new(
        self, command: Command, kind: TransferKind, purpose: str, ref: str, pending_seq: int | None = None
    ) -> NewTransfer:
        return NewTransfer(
            key=command.key,
            body_hash=body_hash(command),
            kind=kind,
            purpose=purpose,
            ref=ref,
            pending_seq=pending_seq,
            created_at_ms=self._clock.now_ms(),
        )

    def _append(self, tx: Connection, new: NewTransfer, legs: tuple[Leg, ...]) -> None:
        store.append(tx, new, [(self._new_id(), leg) for leg in legs])
