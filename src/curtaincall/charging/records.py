"""A paid session as the database has it, and what is written of it."""

from dataclasses import dataclass

from curtaincall.charging.model import Books, EndReason, SessionState, Tariff
from curtaincall.charging.views import SessionView, TimelineEntry


@dataclass(frozen=True, slots=True)
class NewSession:
    """A requested session with its price as of now."""

    session_id: str
    room_id: str
    payer_id: str
    payee_id: str
    tariff: Tariff
    created_at_ms: int
    expires_at_ms: int
    unlock_price_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Inclusion:
    """What a subscription includes of one session.

    `included_ms` is what the tariff says; `reserved_ms` is how much of the minutes of the period that began at
    `period_ms` is kept for this session, 0 if all calls are included.
    """

    entitlement_id: str
    period_ms: int
    included_ms: int
    reserved_ms: int


@dataclass(frozen=True, slots=True)
class Unlock:
    """How a payer came not to have to wait: what was charged for it, or which entitlement was spent on it."""

    price_minor: int | None
    """What it would cost, as of the request; None if it is not to be had."""
    charged_minor: int
    entitlement_id: str | None


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as the database has it."""

    session_id: str
    room_id: str
    payer_id: str
    payee_id: str
    state: SessionState
    end_reason: EndReason | None
    tariff: Tariff
    books: Books
    created_at_ms: int
    expires_at_ms: int | None
    voided: bool
    inclusion: Inclusion | None
    unlock: Unlock

    @property
    def view(self) -> SessionView:
        charged_minor = self.books.posted_minor
        return SessionView(
            session_id=self.session_id,
            room_id=self.room_id,
            payer_id=self.payer_id,
            payee_id=self.payee_id,
            state=self.state,
            price_per_minute_minor=self.tariff.price_per_minute_minor,
            currency=self.tariff.currency,
            minimum_ms=self.tariff.least_billed_ms,
            increment_ms=self.tariff.increment_ms,
            granted_ms=self.books.granted_ms,
            used_ms=self.books.used_ms,
            paid_until_ms=None,
            charged_minor=charged_minor,
            creator_minor=self.tariff.creator_minor(charged_minor),
            end_reason=self.end_reason,
            created_at_ms=self.created_at_ms,
            expires_at_ms=self.expires_at_ms,
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """A session's cumulative reading, to be made durable."""

    session_id: str
    used_ms: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A state reached without money moving, and what to put on the timeline."""

    session_id: str
    state: SessionState
    end_reason: EndReason | None
    timeline: tuple[TimelineEntry, ...]
