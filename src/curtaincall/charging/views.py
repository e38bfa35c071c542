"""What charging shows of a session to the layers above."""

from dataclasses import dataclass

from curtaincall.charging.model import DELIVERING, OVER, EndReason, PaidSession, SessionState


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session at one moment. Amounts are minor units of `currency`.

    `granted_ms` and `used_ms` are cumulative; `paid_until_ms` (epoch) is None unless time runs; `charged_minor` and
    `creator_minor` are what has been delivered so far, and final once the state is SETTLED.
    """

    session_id: str
    room_id: str
    payer_id: str
    payee_id: str
    state: SessionState
    price_per_minute_minor: int
    currency: str
    minimum_ms: int
    """What the payer owes at least, wherever the minimum applies: a whole number of increments."""
    increment_ms: int
    granted_ms: int
    used_ms: int
    paid_until_ms: int | None
    charged_minor: int
    creator_minor: int
    end_reason: EndReason | None
    created_at_ms: int
    expires_at_ms: int | None
    """When a request that nobody answers is cancelled."""
    included_ms: int = 0
    """How much of the time the payer's subscription includes, from the beginning; what comes after is paid."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened to a session, at epoch milliseconds."""

    at_ms: int
    event: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of a session and how it came about: `charged = fee + creator`."""

    session_id: str
    billable_ms: int
    charged_minor: int
    fee_minor: int
    creator_minor: int
    currency: str
    ended_reason: EndReason
    timeline: tuple[TimelineEntry, ...]
    included_ms: int = 0
    """What of the billable time a subscription included."""
    unlock_minor: int = 0
    """What was paid, beside `charged_minor`, for not having to wait."""


def view_of(session: PaidSession, now_us: int, now_ms: int) -> SessionView:
    """Show a session that is in memory, as of now."""
    used_ms = session.used_estimate_ms(now_us)
    time_runs = session.state in DELIVERING and session.meter_runs
    charged_minor = session.books.posted_minor if session.state in OVER else session.tariff.charge_minor(used_ms)
    requested = session.state is SessionState.REQUESTED
    return SessionView(
        session_id=session.session_id,
        room_id=session.room_id,
        payer_id=session.payer_id,
        payee_id=session.payee_id,
        state=session.state,
        price_per_minute_minor=session.tariff.price_per_minute_minor,
        currency=session.tariff.currency,
        minimum_ms=session.tariff.least_billed_ms,
        increment_ms=session.tariff.increment_ms,
        granted_ms=session.books.granted_ms,
        used_ms=used_ms,
        paid_until_ms=now_ms + session.left_ms(now_us) if time_runs else None,
        charged_minor=charged_minor,
        creator_minor=session.tariff.creator_minor(charged_minor),
        end_reason=session.end_reason,
        created_at_ms=session.created_at_ms,
        expires_at_ms=session.created_at_ms + session.settings.ring_ms if requested else None,
        included_ms=session.tariff.included_ms,
    )
