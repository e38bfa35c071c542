"""Accounts and the four commands that move money. All amounts are integer minor units of one currency.

The vocabulary is TigerBeetle's two-phase transfers: a *hold* (pending transfer) counts against the payer at once; it is
resolved once, by a *post* of all or part of it (the rest returns) or by a *void*. See design/charging.md, "Ledger".
"""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from curtaincall.kernel.money import MAX_AMOUNT_MINOR
from curtaincall.ledger.errors import TransferInvalid

MAX_LEGS: Final = 8
"""The most rows that one command writes."""

SWEEP_LIMIT: Final = 100
"""The most holds that one sweep resolves: other commands wait behind it."""


class AccountKind(StrEnum):
    WALLET = "wallet"
    CREATOR_PENDING = "creator_pending"
    CREATOR_PAYABLE = "creator_payable"
    PLATFORM_FEE = "platform_fee"
    GATEWAY_CLEARING = "gateway_clearing"
    DEFERRED_SUBSCRIPTION = "deferred_subscription"
    BATTLE_POT = "battle_pot"
    DISPUTE_PENDING = "dispute_pending"
    CREATOR_RECEIVABLE = "creator_receivable"
    PAYOUT_IN_TRANSIT = "payout_in_transit"
    HOUSE_ADJUSTMENT = "house_adjustment"


GUARDED: Final = frozenset(
    {
        AccountKind.WALLET,
        AccountKind.CREATOR_PENDING,
        AccountKind.CREATOR_PAYABLE,
        AccountKind.DEFERRED_SUBSCRIPTION,
        AccountKind.BATTLE_POT,
        AccountKind.DISPUTE_PENDING,
        AccountKind.PAYOUT_IN_TRANSIT,
    }
)
"""Kinds that never go below zero: one balance row each, kept in the transaction of every transfer.

The others are touched by everybody's money: they have no balance row to fight over and are summed up when read.
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of somebody (a user, the platform, a gateway) in one currency."""

    kind: AccountKind
    owner_id: str
    currency: str

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.currency}:{self.owner_id}"

    @classmethod
    def of_id(cls, account_id: str) -> "Account":
        """The account that has this id."""
        kind, currency, owner_id = account_id.split(":", 2)
        return cls(AccountKind(kind), owner_id, currency)

    @property
    def guarded(self) -> bool:
        return self.kind in GUARDED


def wallet(user_id: str, currency: str) -> Account:
    """What a user has put in and may spend."""
    return Account(AccountKind.WALLET, user_id, currency)


def creator_pending(creator_id: str, currency: str) -> Account:
    """What a creator has earned and may not have paid out yet."""
    return Account(AccountKind.CREATOR_PENDING, creator_id, currency)


def creator_payable(creator_id: str, currency: str) -> Account:
    """What a creator may have paid out."""
    return Account(AccountKind.CREATOR_PAYABLE, creator_id, currency)


def platform_fee(currency: str) -> Account:
    """What the house has earned."""
    return Account(AccountKind.PLATFORM_FEE, "house", currency)


def gateway_clearing(gateway: str, currency: str) -> Account:
    """What a payment gateway owes the house: its balance is negative by what came in."""
    return Account(AccountKind.GATEWAY_CLEARING, gateway, currency)


def deferred_subscription(subscription_id: str, currency: str) -> Account:
    """What was paid for a subscription and is not earned yet."""
    return Account(AccountKind.DEFERRED_SUBSCRIPTION, subscription_id, currency)


def battle_pot(room_id: str, currency: str) -> Account:
    """The entries of a battle, until it is settled or cancelled."""
    return Account(AccountKind.BATTLE_POT, room_id, currency)


def dispute_pending(dispute_id: str, currency: str) -> Account:
    """What a card holder disputes, taken from whoever has it, until the dispute is decided."""
    return Account(AccountKind.DISPUTE_PENDING, dispute_id, currency)


def creator_receivable(creator_id: str, currency: str) -> Account:
    """What a creator owes the house (disputed earnings that were paid out already): its balance is negative by that."""
    return Account(AccountKind.CREATOR_RECEIVABLE, creator_id, currency)


def payout_in_transit(payout_id: str, currency: str) -> Account:
    """A payout on its way, until the gateway says that it arrived or came back."""
    return Account(AccountKind.PAYOUT_IN_TRANSIT, payout_id, currency)


def house_adjustment(currency: str) -> Account:
    """The other side of an operator's adjustments: what the house gave away is negative."""
    return Account(AccountKind.HOUSE_ADJUSTMENT, "house", currency)


class Purpose(StrEnum):
    """Why money moved: the kind of a transaction on a statement."""

    TOP_UP = "top_up"
    CALL = "call"
    SUBSCRIPTION = "subscription"
    INSTANT_UNLOCK = "instant_unlock"
    PREMIUM_HD = "premium_hd"
    BATTLE_ENTRY = "battle_entry"
    BATTLE_POT = "battle_pot"
    TIP = "tip"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    RELEASE = "release"
    """Earnings whose waiting time is over: from pending to payable."""
    PAYOUT = "payout"
    ADJUSTMENT = "adjustment"


class TransferKind(StrEnum):
    SINGLE = "single"
    PENDING = "pending"
    POST = "post"
    VOID = "void"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Leg:
    """One row: debit -> credit."""

    debit: Account
    credit: Account
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a hold, and whom it goes to."""

    credit: Account
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move money at once. `key` identifies the command for ever; `ref` is what it was for (a session, a top-up)."""

    key: str
    purpose: Purpose
    ref: str
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Reserve money on the debit account, meant for the credit account.

    With `expires_after_ms` it is reserved for so long (an interval, so that a repeated command has the same body); then
    it cannot be posted any more, and the next sweep returns it.
    """

    key: str
    purpose: Purpose
    ref: str
    debit: Account
    credit: Account
    amount_minor: int
    expires_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """Resolve a hold: pay its shares, return the rest."""

    key: str
    hold_key: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Void:
    """Resolve a hold: return all of it."""

    key: str
    hold_key: str


Command = Transfer | Hold | Post | Void


@dataclass(frozen=True, slots=True)
class Sweep:
    """Return what holds reserved whose time is over: those that expired at `since_ms` or later."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep returned: the keys of the holds, and whether it left any for the next one."""

    hold_keys: tuple[str, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds: `available = balance - held`."""

    balance_minor: int
    held_minor: int

    @property
    def available_minor(self) -> int:
        return self.balance_minor - self.held_minor


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One movement of an account: what a command added to it (negative: took from it)."""

    transaction_id: str
    purpose: Purpose
    amount_minor: int
    currency: str
    created_at_ms: int
    ref: str


def body_hash(command: Command) -> str:
    """What two commands with one key must agree in. Kept in the database: the form of a body never changes."""
    body: list[object]
    match command:
        case Transfer():
            legs = [[leg.debit.id, leg.credit.id, leg.amount_minor] for leg in command.legs]
            body = ["transfer", command.purpose, command.ref, legs]
        case Hold():
            body = ["hold", command.purpose, command.ref, command.debit.id, command.credit.id, command.amount_minor]
            if command.expires_after_ms is not None:
                body.append(command.expires_after_ms)
        case Post():
            body = ["post", command.hold_key, [[share.credit.id, share.amount_minor] for share in command.shares]]
        case Void():
            body = ["void", command.hold_key]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()


def check_legs(legs: tuple[Leg, ...]) -> None:
    """Raise TransferInvalid unless the legs are what double entry can write."""
    if not 1 <= len(legs) <= MAX_LEGS:
        raise TransferInvalid("A command has between one and eight legs.", legs=len(legs))
    currencies = {account.currency for leg in legs for account in (leg.debit, leg.credit)}
    if len(currencies) != 1:
        raise TransferInvalid("A command moves one currency.", currencies=sorted(currencies))
    for leg in legs:
        if type(leg.amount_minor) is not int or not 0 < leg.amount_minor <= MAX_AMOUNT_MINOR:
            raise TransferInvalid("The amount of a leg is positive and bounded.", amount_minor=leg.amount_minor)
        if leg.debit == leg.credit:
            raise TransferInvalid("An account cannot pay itself.", account=leg.debit.id)
