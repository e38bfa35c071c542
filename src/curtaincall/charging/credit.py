"""Credit control (RFC 8506) for a media system that is not our own: it asks for units before it delivers them.

On the ledger such a session is like any other: `SessionBooks` holds before anything is granted, posts what was used
with each renewal, and settles. What is added here is the protocol: requests are numbered, each is answered once and its
answer kept, and whoever falls silent past the validity of a grant is settled at the units last reported.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from sqlalchemy import Connection

from curtaincall.accounts import blocks
from curtaincall.accounts.errors import DealingBlocked
from curtaincall.accounts.standing import refuse_frozen
from curtaincall.charging import credit_store, store
from curtaincall.charging.credit_store import CreditSession, KeptAnswer
from curtaincall.charging.errors import (
    PaymentRequired,
    RequestOutOfOrder,
    SessionConflict,
    SessionOver,
    SessionUnknown,
    TooManySessions,
    UnitsInvalid,
)
from curtaincall.charging.model import ChargingSettings, EndReason, SessionState
from curtaincall.charging.records import Meter, Progress, StoredSession
from curtaincall.charging.settlement import (
    AuthorizeSession,
    Booked,
    CancelSession,
    RenewQuota,
    RequestSession,
    SessionBooks,
    SettleSession,
)
from curtaincall.charging.tariff import size_renewal
from curtaincall.charging.views import TimelineEntry
from curtaincall.ledger.service import Ledger
from curtaincall.storage.errors import IdempotencyConflict

FIRST_NUMBER: Final = 0
"""Of Authorize (RFC 8506 section 8.2)."""

MAX_UNITS_MS: Final = 31 * 24 * 3_600_000
"""Longer than any session: at the highest price it still costs less than the largest amount there is."""


@dataclass(frozen=True, slots=True)
class Authorize:
    """Begin a session; `requested_ms` is 0 if the house may choose. Raises UnitsInvalid."""

    room_id: str
    payer_id: str
    payee_id: str
    requested_ms: int

    def __post_init__(self) -> None:
        check_units(self.requested_ms)


@dataclass(frozen=True, slots=True)
class Update:
    """So much was used in all, and more is asked for. Raises UnitsInvalid."""

    used_ms: int
    requested_ms: int

    def __post_init__(self) -> None:
        check_units(self.used_ms)
        check_units(self.requested_ms)


@dataclass(frozen=True, slots=True)
class Terminate:
    """The session is over, and so much was used in all. Raises UnitsInvalid."""

    used_ms: int
    reason: EndReason

    def __post_init__(self) -> None:
        check_units(self.used_ms)


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """One of a session's numbered requests, by the service that meters it."""

    service: str
    session_id: str
    number: int
    body: Authorize | Update | Terminate
    now_ms: int

    @property
    def body_hash(self) -> str:
        asked = json.dumps({"kind": type(self.body).__name__, **asdict(self.body)}, sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CreditAnswer:
    """What is granted, or what the session came to. Units are cumulative, amounts minor units of `currency`."""

    room_id: str
    granted: bool
    """False: the wallet buys no more (DIAMETER_CREDIT_LIMIT_REACHED)."""
    granted_ms: int = 0
    used_ms: int = 0
    validity_ms: int = 0
    final: bool = False
    """The wallet pays for no units beyond these."""
    price_per_minute_minor: int = 0
    currency: str = ""
    charged_minor: int = 0
    fee_minor: int = 0
    creator_minor: int = 0


@dataclass(frozen=True, slots=True)
class CloseSilent:
    """Settle a session if it is still past its validity."""

    session_id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class FailSeat:
    """A payment for this seat failed."""

    room_id: str
    user_id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class CloseAllOf:
    """A user gets no more: as the payer, or on either side."""

    user_id: str
    reason: EndReason
    payer_only: bool
    now_ms: int


def check_units(units_ms: int) -> None:
    """Raises UnitsInvalid for a count that no session can have."""
    if not 0 <= units_ms <= MAX_UNITS_MS:
        raise UnitsInvalid("A count of units is out of bounds.", least=0, most=MAX_UNITS_MS)


class CreditBooks:
    """What numbered requests do to sessions. Every public method is a use case for the write executor."""

    def __init__(self, ledger: Ledger, settings: ChargingSettings, validity_ms: int) -> None:
        self._ledger = ledger
        self._settings = settings
        self._validity_ms = validity_ms

    def answer(self, tx: Connection, request: CreditRequest) -> CreditAnswer:
        """Do what is asked, once; the same request again gets the same answer.

        Raises SessionUnknown (also for a session that another service meters), SessionConflict, IdempotencyConflict,
        RequestOutOfOrder, SessionOver, TooManySessions, RatesMissing, AccountFrozen, DealingBlocked.
        """
        body = request.body
        if isinstance(body, Authorize):
            return self._authorized(tx, request, body)
        session = credit_store.lock(tx, request.session_id)
        if session is None or session.service != request.service:
            raise SessionUnknown("There is no such session.")
        known = _kept(tx, request)
        if known is not None:
            return known
        if request.number != session.next_number:
            raise RequestOutOfOrder("This is not the session's next request.", expected=session.next_number)
        if not session.is_open or session.valid_until_ms <= request.now_ms:
            raise SessionOver("The session is over.")
        if isinstance(body, Update):
            return self._done(tx, request, self._update(tx, request, body), is_open=True)
        return self._done(tx, request, self._terminate(tx, request, body), is_open=False)

    def close_silent(self, tx: Connection, command: CloseSilent) -> StoredSession | None:
        """Settle a silent session at the units last reported; None if it was heard of meanwhile."""
        session = credit_store.lock(tx, command.session_id)
        if session is None or not session.is_open or session.valid_until_ms > command.now_ms:
            return None
        return self._close(tx, session, EndReason.CONNECTION_LOST, command.now_ms)

    def fail(self, tx: Connection, command: FailSeat) -> tuple[StoredSession, ...] | None:
        """Settle what is open of a seat whose payment failed, at the units last reported; None if it is unknown."""
        session_ids = credit_store.of_seat(tx, command.room_id, command.user_id)
        if not session_ids:
            return None
        closed = []
        for session_id in session_ids:
            session = credit_store.lock(tx, session_id)
            if session is not None and session.is_open:
                closed.append(self._close(tx, session, EndReason.PAYMENT_FAILED, command.now_ms))
        return tuple(closed)

    def close_all_of(self, tx: Connection, command: CloseAllOf) -> tuple[StoredSession, ...]:
        """Settle what is open of a user, at the units last reported."""
        closed = []
        for session_id in credit_store.open_of_user(tx, command.user_id, payer_only=command.payer_only):
            session = credit_store.lock(tx, session_id)
            if session is not None and session.is_open:
                closed.append(self._close(tx, session, command.reason, command.now_ms))
        return tuple(closed)

    # ---- the three requests -----------------------------------------------------------------------------------------

    def _authorized(self, tx: Connection, request: CreditRequest, body: Authorize) -> CreditAnswer:
        if request.number != FIRST_NUMBER:
            raise RequestOutOfOrder("A session begins with request 0.", expected=FIRST_NUMBER)
        if body.payer_id == body.payee_id:
            raise SessionConflict("Nobody pays themselves.")
        new = CreditSession(request.session_id, request.service, FIRST_NUMBER, request.now_ms, request.now_ms, True)
        if not credit_store.begin(tx, new):
            session = credit_store.lock(tx, request.session_id)
            known = _kept(tx, request)
            if session is None or session.service != request.service or known is None:
                raise SessionConflict("This session id is taken.")
            return known
        if store.find(tx, request.session_id) is not None:
            raise SessionConflict("This session id belongs to a call.")
        if credit_store.open_count(tx) > self._settings.max_sessions:
            raise TooManySessions("The server takes no more sessions now.")
        answer = self._authorize(tx, request, body)
        return self._done(tx, request, answer, is_open=answer.granted)

    def _authorize(self, tx: Connection, request: CreditRequest, body: Authorize) -> CreditAnswer:
        refuse_frozen(tx, body.payer_id, body.payee_id)
        if blocks.between(tx, body.payer_id, body.payee_id):
            raise DealingBlocked("One of the two has blocked the other.")
        books = self._books(body.requested_ms)
        begin = RequestSession(request.session_id, body.room_id, body.payer_id, body.payee_id, request.now_ms)
        try:
            session = books.request(tx, begin)
        except PaymentRequired:
            return CreditAnswer(body.room_id, granted=False)
        booked = books.authorize(tx, AuthorizeSession(request.session_id, request.now_ms))
        if booked is None:
            return CreditAnswer(body.room_id, granted=False)
        return self._granted(session, booked)

    def _update(self, tx: Connection, request: CreditRequest, body: Update) -> CreditAnswer:
        session = store.load(tx, request.session_id)
        refuse_frozen(tx, session.payer_id, session.payee_id)
        used_ms = min(max(session.books.used_ms, body.used_ms), session.books.granted_ms)
        outcome: Booked | int | None = None
        if session.books.granted_ms - used_ms <= self._settings.quota.slice_ms:
            outcome = self._books(body.requested_ms).renew(tx, RenewQuota(request.session_id, used_ms, request.now_ms))
        if not isinstance(outcome, Booked):
            store.save_meters(tx, (Meter(request.session_id, used_ms),))
        if used_ms > 0 and session.state is SessionState.CONNECTING:
            active = SessionState.ACTIVE
            reached = Progress(request.session_id, active, None, (TimelineEntry(request.now_ms, active),))
            store.save_progress(tx, reached)
        if isinstance(outcome, Booked):
            return self._granted(session, outcome)
        refused = outcome is not None
        return CreditAnswer(
            room_id=session.room_id,
            granted=not refused,
            granted_ms=session.books.granted_ms,
            used_ms=used_ms,
            validity_ms=self._validity_ms,
            final=refused,
        )

    def _terminate(self, tx: Connection, request: CreditRequest, body: Terminate) -> CreditAnswer:
        self._settle(tx, request.session_id, body.used_ms, body.reason, request.now_ms)
        session = store.load(tx, request.session_id)
        charged_minor = session.books.posted_minor
        return CreditAnswer(
            room_id=session.room_id,
            granted=True,
            used_ms=session.books.used_ms,
            currency=session.tariff.currency,
            charged_minor=charged_minor,
            fee_minor=session.tariff.fee_minor(charged_minor),
            creator_minor=session.tariff.creator_minor(charged_minor),
        )

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _books(self, requested_ms: int) -> SessionBooks:
        """The books, with slices no larger than what is asked for."""
        quota = self._settings.quota
        if requested_ms:
            quota = replace(
                quota,
                first_hold_ms=min(quota.first_hold_ms, requested_ms),
                slice_ms=min(quota.slice_ms, requested_ms),
            )
        return SessionBooks(self._ledger, replace(self._settings, quota=quota))

    def _granted(self, session: StoredSession, booked: Booked) -> CreditAnswer:
        tariff = replace(session.tariff, included_ms=booked.included_ms)
        more = size_renewal(tariff, self._settings.quota, booked.books, booked.available_minor)
        return CreditAnswer(
            room_id=session.room_id,
            granted=True,
            granted_ms=booked.books.granted_ms,
            used_ms=booked.books.used_ms,
            validity_ms=self._validity_ms,
            final=more is None,
            price_per_minute_minor=session.tariff.price_per_minute_minor,
            currency=session.tariff.currency,
        )

    def _settle(self, tx: Connection, session_id: str, used_ms: int, reason: EndReason, now_ms: int) -> None:
        """Close the paid session; one in which nothing was ever delivered is cancelled."""
        books = SessionBooks(self._ledger, self._settings)
        if max(used_ms, store.load(tx, session_id).books.used_ms) == 0:
            books.cancel(tx, CancelSession(session_id, reason, now_ms))
        else:
            books.settle(tx, SettleSession(session_id, used_ms, reason, now_ms))

    def _close(self, tx: Connection, session: CreditSession, reason: EndReason, now_ms: int) -> StoredSession:
        self._settle(tx, session.session_id, store.load(tx, session.session_id).books.used_ms, reason, now_ms)
        credit_store.save(tx, replace(session, is_open=False, updated_at_ms=now_ms))
        return store.load(tx, session.session_id)

    def _done(self, tx: Connection, request: CreditRequest, answer: CreditAnswer, *, is_open: bool) -> CreditAnswer:
        """Keep the answer and wait for the next request."""
        valid_until_ms = request.now_ms + self._validity_ms
        credit_store.save(
            tx,
            CreditSession(
                request.session_id, request.service, request.number + 1, request.now_ms, valid_until_ms, is_open
            ),
        )
        kept = json.dumps(asdict(answer))
        credit_store.keep(tx, KeptAnswer(request.session_id, request.number, request.body_hash, kept, request.now_ms))
        return answer


def _kept(tx: Connection, request: CreditRequest) -> CreditAnswer | None:
    """The answer that was given to this request before. Raises IdempotencyConflict if it asked something else."""
    kept = credit_store.kept(tx, request.session_id, request.number)
    if kept is None:
        return None
    if kept.body_hash != request.body_hash:
        raise IdempotencyConflict("This request number was used for another request.")
    return CreditAnswer(**json.loads(kept.answer))
