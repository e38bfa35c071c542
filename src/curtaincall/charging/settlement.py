"""The use cases of a session that move money: each one transaction, each keyed, so that a repeat moves nothing.

Keys: `hold:{session}:{n}`, `post:{session}:{n}`, `settle:{session}` (design/charging.md). A hold is committed before a
millisecond of it is granted.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from curtaincall.accounts import standing
from curtaincall.charging import allowances, disputes, inclusion, rates, store, unlocks
from curtaincall.charging.errors import PaymentRequired, RatesMissing, SessionConflict
from curtaincall.charging.model import (
    CHARGED,
    MINIMUM_APPLIES,
    Books,
    ChargingSettings,
    EndReason,
    SessionState,
    Settlement,
)
from curtaincall.charging.rates import tariff_of
from curtaincall.charging.records import NewSession, StoredSession
from curtaincall.charging.tariff import Tariff, first_quota, least_to_begin_minor, settle, size_renewal
from curtaincall.charging.views import TimelineEntry
from curtaincall.ledger.model import Hold, Post, Purpose, Share, Void, creator_pending, platform_fee, wallet
from curtaincall.ledger.service import Ledger


@dataclass(frozen=True, slots=True)
class RequestSession:
    session_id: str
    room_id: str
    payer_id: str
    payee_id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class AuthorizeSession:
    """`unlock`: the payer pays for not having to wait, in the same transaction."""

    session_id: str
    now_ms: int
    unlock: bool = False


@dataclass(frozen=True, slots=True)
class RenewQuota:
    """`used_ms` is the reading up to which hold n is posted."""

    session_id: str
    used_ms: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class SettleSession:
    """`used_ms` is the final reading; `crashed`: charge only what was delivered, whoever wanted the end.

    `asked_by` is the one of the two who asked for an end that the reason does not tell to be theirs.
    """

    session_id: str
    used_ms: int
    reason: EndReason
    now_ms: int
    crashed: bool = False
    asked_by: str | None = None

    def minimum_applies(self, payer_id: str) -> bool:
        """Whether the payer owes the minimum.

        An end that one of the two asked for is theirs, whatever they call it: neither escapes the minimum nor earns it
        by the choice of a word.
        """
        if self.crashed:
            return False
        if self.asked_by is not None:
            return self.asked_by == payer_id
        return self.reason in MINIMUM_APPLIES


@dataclass(frozen=True, slots=True)
class CancelSession:
    session_id: str
    reason: EndReason
    now_ms: int
    crashed: bool = False


@dataclass(frozen=True, slots=True)
class Booked:
    """The books after a movement, what the wallet has left, and what the tariff includes."""

    books: Books
    available_minor: int
    included_ms: int


class SessionBooks:
    """What sessions do to the ledger. Every method is a use case for the write executor."""

    def __init__(self, ledger: Ledger, settings: ChargingSettings) -> None:
        self._ledger = ledger
        self._settings = settings

    def request(self, tx: Connection, command: RequestSession) -> StoredSession:
        """Record a request at today's price. Raises RatesMissing, PaymentRequired, SessionConflict."""
        known = store.find(tx, command.session_id)
        if known is not None:
            asked = (command.room_id, command.payer_id, command.payee_id)
            if (known.room_id, known.payer_id, known.payee_id) != asked:
                raise SessionConflict("This session id belongs to another call.")
            return known
        standing.refuse_frozen(tx, command.payer_id, command.payee_id)
        asked_rates = rates.find(tx, command.payee_id)
        if asked_rates is None:
            raise RatesMissing("The creator has set no price yet.")
        tariff = tariff_of(asked_rates, self._settings)
        foreseen = inclusion.foreseen(tx, command.payer_id, command.payee_id, tariff, command.now_ms)
        available_minor = self._available_minor(tx, command.payer_id, tariff.currency)
        if available_minor < least_to_begin_minor(foreseen, self._settings.quota):
            raise self._payment_required(foreseen, available_minor)
        new = NewSession(
            session_id=command.session_id,
            room_id=command.room_id,
            payer_id=command.payer_id,
            payee_id=command.payee_id,
            tariff=tariff,
            created_at_ms=command.now_ms,
            expires_at_ms=command.now_ms + self._settings.ring_ms,
            unlock_price_minor=asked_rates.instant_unlock_minor,
        )
        store.insert(tx, new)
        return store.load(tx, command.session_id)

    def authorize(self, tx: Connection, command: AuthorizeSession) -> Booked | None:
        """Place the first hold; None, and the session REJECTED, if the wallet does not cover the minimum.

        With an unlock, all or nothing: raises PaymentRequired, UnlockUnavailable, and the session goes on ringing.
        Raises AccountFrozen.
        """
        session = store.lock(tx, command.session_id)
        standing.refuse_frozen(tx, session.payer_id, session.payee_id)
        if command.unlock:
            unlocks.pay(tx, self._ledger, session, command.now_ms)
        available_minor = self._available_minor(tx, session.payer_id, session.tariff.currency)
        begun = inclusion.begin(tx, session, command.now_ms)
        tariff = replace(session.tariff, included_ms=0 if begun is None else begun.included_ms)
        quota = first_quota(tariff, self._settings.quota, available_minor)
        if quota is None and command.unlock:
            raise self._payment_required(tariff, available_minor)
        if quota is None:
            inclusion.end(tx, replace(session, inclusion=begun), 0)
            reason = EndReason.PAYMENT_REQUIRED
            store.save_books(tx, session.session_id, SessionState.REJECTED, session.books, reason)
            self._note(tx, session, command.now_ms, SessionState.REJECTED)
            return None
        books = Books(granted_ms=quota.granted_ms, hold_number=1, held_minor=quota.hold_minor)
        self._hold(tx, session, books)
        store.save_books(tx, session.session_id, SessionState.CONNECTING, books)
        if begun is not None:
            store.save_inclusion(tx, session.session_id, begun)
        unlocked = ("UNLOCKED",) if command.unlock else ()
        self._note(tx, session, command.now_ms, *unlocked, "HOLD_PLACED", SessionState.CONNECTING)
        return Booked(books, available_minor - quota.hold_minor, tariff.included_ms)

    def renew(self, tx: Connection, command: RenewQuota) -> Booked | int:
        """Post what hold n has used and place hold n+1.

        Refused, by returning what the wallet has available, if that does not buy a single increment more.
        """
        session = store.lock(tx, command.session_id)
        books = _metered(session.books, command.used_ms)
        available_minor = self._available_minor(tx, session.payer_id, session.tariff.currency)
        included = inclusion.go_on(tx, session, books, command.now_ms)
        tariff = session.tariff if included is None else replace(session.tariff, included_ms=included.included_ms)
        renewal = size_renewal(tariff, self._settings.quota, books, available_minor)
        if renewal is None:
            return available_minor
        self._resolve(tx, session, f"post:{session.session_id}:{books.hold_number}", renewal.post_minor)
        renewed = Books(
            granted_ms=renewal.granted_ms,
            used_ms=books.used_ms,
            hold_number=books.hold_number + 1,
            held_minor=renewal.hold_minor,
            posted_minor=books.posted_minor + renewal.post_minor,
        )
        self._hold(tx, session, renewed)
        state = SessionState.ACTIVE if session.state is SessionState.FINAL else session.state
        store.save_books(tx, session.session_id, state, renewed, session.end_reason)
        if included is not None and included != session.inclusion:
            store.save_inclusion(tx, session.session_id, included)
        self._note(tx, session, command.now_ms, "RENEWED")
        left_minor = available_minor + books.held_minor - renewal.post_minor - renewal.hold_minor
        return Booked(renewed, left_minor, tariff.included_ms)

    def settle(self, tx: Connection, command: SettleSession) -> Settlement:
        """Post what the session costs, return the rest of its hold, and close it."""
        session = store.lock(tx, command.session_id)
        if session.state in CHARGED:
            return _settlement_of(session)
        books = _metered(session.books, command.used_ms)
        settlement = self._settlement(tx, session, books, command)
        self._resolve(
            tx, session, f"settle:{session.session_id}", settlement.charged_minor - session.books.posted_minor
        )
        closed = replace(books, held_minor=0, posted_minor=settlement.charged_minor)
        store.save_books(tx, session.session_id, SessionState.SETTLED, closed, command.reason)
        store.save_settled(tx, session.session_id, settlement.voided, command.now_ms)
        inclusion.end(tx, session, books.used_ms)
        self._note(tx, session, command.now_ms, *_crash_note(command.crashed), SessionState.SETTLED)
        disputes.mark(tx, session, command.now_ms)
        return settlement

    def cancel(self, tx: Connection, command: CancelSession) -> None:
        """Close a session that never was live and return its hold, its minutes and its unlock."""
        session = store.lock(tx, command.session_id)
        if session.state is SessionState.CANCELLED:
            return
        self._resolve(tx, session, f"settle:{session.session_id}", 0)
        inclusion.end(tx, session, 0)
        unlocks.give_back(tx, self._ledger, session)
        closed = replace(session.books, held_minor=0)
        store.save_books(tx, session.session_id, SessionState.CANCELLED, closed, command.reason)
        self._note(tx, session, command.now_ms, *_crash_note(command.crashed), SessionState.CANCELLED)

    def _settlement(self, tx: Connection, session: StoredSession, books: Books, command: SettleSession) -> Settlement:
        """What it costs; a void call is counted before it is given."""
        tariff, rules = session.tariff, self._settings.quota
        applies = command.minimum_applies(session.payer_id)
        outcome = settle(tariff, rules, books, minimum_applies=applies, may_void=True)
        if outcome.voided and not allowances.take_void(
            tx, session.payer_id, session.payee_id, command.now_ms, rules.voids_per_day
        ):
            return settle(tariff, rules, books, minimum_applies=applies, may_void=False)
        return outcome

    def _payment_required(self, tariff: Tariff, available_minor: int) -> PaymentRequired:
        return PaymentRequired(
            "The wallet does not cover the minimum of this call.",
            needed_minor=least_to_begin_minor(tariff, self._settings.quota),
            available_minor=available_minor,
            currency=tariff.currency,
        )

    def _available_minor(self, tx: Connection, user_id: str, currency: str) -> int:
        return self._ledger.balance(tx, wallet(user_id, currency)).available_minor

    def _hold(self, tx: Connection, session: StoredSession, books: Books) -> None:
        if books.held_minor == 0:
            return  # nothing but included time was granted
        currency = session.tariff.currency
        hold = Hold(
            key=_hold_key(session.session_id, books.hold_number),
            purpose=Purpose.CALL,
            ref=session.session_id,
            debit=wallet(session.payer_id, currency),
            credit=creator_pending(session.payee_id, currency),
            amount_minor=books.held_minor,
        )
        self._ledger.hold(tx, hold)

    def _resolve(self, tx: Connection, session: StoredSession, key: str, amount_minor: int) -> None:
        """Post the amount from the open hold, divided between creator and house, and return the rest."""
        if session.books.held_minor == 0:
            return
        hold_key = _hold_key(session.session_id, session.books.hold_number)
        if amount_minor == 0:
            self._ledger.void(tx, Void(key, hold_key))
            return
        # Each step posts the difference between two cumulative totals, so the halves' roundings cancel out.
        before_minor, tariff = session.books.posted_minor, session.tariff
        after_minor = before_minor + amount_minor
        shares = (
            Share(
                creator_pending(session.payee_id, tariff.currency),
                tariff.creator_minor(after_minor) - tariff.creator_minor(before_minor),
            ),
            Share(platform_fee(tariff.currency), tariff.fee_minor(after_minor) - tariff.fee_minor(before_minor)),
        )
        self._ledger.post(tx, Post(key, hold_key, tuple(share for share in shares if share.amount_minor > 0)))

    def _note(self, tx: Connection, session: StoredSession, now_ms: int, *events: str) -> None:
        store.note(tx, session.session_id, (TimelineEntry(now_ms, event) for event in events))


def _hold_key(session_id: str, number: int) -> str:
    return f"hold:{session_id}:{number}"


def _crash_note(crashed: bool) -> tuple[str, ...]:
    return ("CRASH_RECOVERED",) if crashed else ()


def _metered(books: Books, used_ms: int) -> Books:
    return replace(books, used_ms=min(max(books.used_ms, used_ms), books.granted_ms))


def _settlement_of(session: StoredSession) -> Settlement:
    """What was settled before."""
    charged_minor = session.books.posted_minor
    return Settlement(
        used_ms=session.books.used_ms,
        charged_minor=charged_minor,
        fee_minor=session.tariff.fee_minor(charged_minor),
        creator_minor=session.tariff.creator_minor(charged_minor),
        voided=session.voided,
    )
