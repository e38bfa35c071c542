"""The state machine of a paid session: `transition(session, event, now) -> (session, actions)`, nothing else.

It is the table of design/charging.md, "Paid session", row by row. An event that means nothing in a state (late,
repeated, out of order) changes nothing.
"""

from dataclasses import replace

from curtaincall.charging.actions import Action, Do, Note, TellLowBalance
from curtaincall.charging.model import (
    DELIVERING,
    LIVE,
    OVER,
    Accepted,
    ClosingUnanswered,
    Credited,
    Declined,
    DisputeOpened,
    EndReason,
    EndRequested,
    Event,
    HoldPlaced,
    HoldRefused,
    HoldUnanswered,
    HoldVoided,
    LeaseClosed,
    LeaseOpened,
    MediaReached,
    Metered,
    MeterOverdue,
    PaidSession,
    PaymentDeclined,
    PaymentFailurePolicy,
    QuotaSpent,
    RenewalPlaced,
    RenewalRefused,
    RenewalUnanswered,
    SeatJoined,
    SeatLeft,
    SessionState,
    SettlementRecorded,
    Tick,
    TransportDown,
    TransportUp,
    Unlocked,
    with_reading,
)

Step = tuple[PaidSession, tuple[Action, ...]]

S = SessionState


def transition(session: PaidSession, event: Event, now_us: int) -> Step:
    """What the session becomes, and what must be done, in this order."""
    match event:
        case Tick():
            return _tick(session, now_us)
        case Metered(used_ms, running):
            return _metered(session, used_ms, running, now_us)
        case EndRequested(reason, asked_by):
            return _end(session, reason, asked_by, now_us)
        case SeatJoined() | SeatLeft() | TransportUp() | TransportDown():
            return _seat(session, event, now_us)
        case QuotaSpent(used_ms):
            return _quota_spent(_read_meter(session, used_ms, False, now_us), now_us)
        case LeaseClosed(used_ms):
            return _lease_closed(_read_meter(session, used_ms, False, now_us), now_us)
        case RenewalPlaced() | RenewalRefused() | RenewalUnanswered():
            return _renewal(session, event, now_us)
        case Credited(amount_minor):
            return _credited(session, amount_minor, now_us)
        case PaymentDeclined():
            return _payment_declined(session, now_us)
        case DisputeOpened():
            return _end(session, EndReason.PAYMENT_FAILED, None, now_us)
        case MediaReached(epoch):
            return _media_reached(session, epoch, now_us)
        case Accepted() | Declined() | Unlocked() | LeaseOpened():
            return _opening(session, event, now_us)
        case HoldPlaced() | HoldRefused() | HoldUnanswered():
            return _first_hold(session, event, now_us)
        case MeterOverdue() | SettlementRecorded() | HoldVoided() | ClosingUnanswered():
            return _closing(session, event, now_us)


# ---- from the request to the first packet ---------------------------------------------------------------------------


def _opening(session: PaidSession, event: Accepted | Declined | Unlocked | LeaseOpened, now_us: int) -> Step:
    match session.state, event:
        case S.REQUESTED, Accepted():
            return replace(session, state=S.AUTHORIZING), (Do.PLACE_HOLD,)
        case S.REQUESTED, Unlocked():
            return replace(session, state=S.AUTHORIZING, unlocking=True), (Do.UNLOCK,)
        case S.REQUESTED, Declined():
            return _never_live(session, S.REJECTED, EndReason.DECLINED)
        case S.CONNECTING, LeaseOpened():
            return _seats_changed(replace(session, lease_opened=True), now_us)
    return session, ()


def _first_hold(session: PaidSession, event: HoldPlaced | HoldRefused | HoldUnanswered, now_us: int) -> Step:
    if session.state is not S.AUTHORIZING:
        return session, ()
    answered = replace(session, unlocking=False)
    match event:
        case HoldPlaced(books, available_minor, included_ms):
            tariff = replace(session.tariff, included_ms=included_ms)
            held = replace(answered, books=books, available_minor=available_minor, tariff=tariff)
            if held.end_reason is not None:  # somebody ended it while the hold was being placed
                return _cancel(held, held.end_reason)
            deadline_us = now_us + session.settings.connect_ms * 1_000
            connecting = replace(held, state=S.CONNECTING, deadline_us=deadline_us)
            return connecting, (Do.OPEN_LEASE, Do.TELL_CHANGED)
        case HoldRefused():
            # The refusal is on record already: it was found in the transaction that would have held.
            reason = session.end_reason or EndReason.PAYMENT_REQUIRED
            return replace(answered, state=S.REJECTED, end_reason=reason, deadline_us=None), (Do.TELL_CHANGED,)
        case HoldUnanswered():
            if session.end_reason is not None:
                return _never_live(answered, S.CANCELLED, session.end_reason)
            return replace(answered, state=S.REQUESTED), ()


def _media_reached(session: PaidSession, epoch: int, now_us: int) -> Step:
    if session.state is not S.CONNECTING or epoch != session.epoch:
        return session, ()
    if not session.flowing:  # somebody left while this news was on its way: the call has begun, and waits for them
        deadline_us = now_us + session.settings.pause_ms * 1_000
        paused = replace(session, state=S.PAUSED, deadline_us=deadline_us)
        return paused, (Note(S.ACTIVE), Note(S.PAUSED), Do.TELL_CHANGED)
    active, warnings = _warn(replace(session, state=S.ACTIVE, deadline_us=None), now_us)
    return active, (Note(S.ACTIVE), Do.TELL_CHANGED, *warnings)


def _never_live(session: PaidSession, state: SessionState, reason: EndReason) -> Step:
    """An end before any hold."""
    over = replace(session, state=state, end_reason=reason, deadline_us=None)
    return over, (Note(state), Do.TELL_CHANGED)


def _cancel(session: PaidSession, reason: EndReason) -> Step:
    """An end after the hold and before the first packet: nothing was delivered, so all of the hold returns."""
    over = replace(session, state=S.CANCELLED, end_reason=reason, deadline_us=None, flowing=False, settling=True)
    stop = (Do.REVOKE_LEASE, Do.CLOSE_LEASE) if session.lease_opened else ()
    return over, (*stop, Do.TELL_ENDING, Do.VOID_HOLD)


# ---- seats: who is there decides whether media may flow -------------------------------------------------------------


def _seat(session: PaidSession, event: SeatJoined | SeatLeft | TransportUp | TransportDown, now_us: int) -> Step:
    if event.user_id == session.payer_id:
        side, seat = "payer", session.payer
    elif event.user_id == session.payee_id:
        side, seat = "payee", session.payee
    else:
        return session, ()
    match event:
        case SeatJoined():
            seat = replace(seat, signaled=True)
        case SeatLeft():
            seat = replace(seat, signaled=False)
        case TransportUp():
            seat = replace(seat, transport_lost=False)
        case TransportDown():
            seat = replace(seat, transport_lost=True)
    changed = replace(session, payer=seat) if side == "payer" else replace(session, payee=seat)
    return _seats_changed(changed, now_us)


def _seats_changed(session: PaidSession, now_us: int) -> Step:
    both = session.payer.present and session.payee.present
    if both and not session.flowing and session.lease_opened:
        opened = replace(session, epoch=session.epoch + 1, flowing=True)
        if session.state is S.CONNECTING:
            return opened, (Do.GRANT_LEASE,)
        if session.state is S.PAUSED:
            resumed = replace(opened, state=_at_rest(opened), deadline_us=None)
            return resumed, (Do.GRANT_LEASE, Note("RESUMED"), Do.TELL_CHANGED)
    if not both and session.flowing:
        stopped = _stop_meter(replace(session, flowing=False), now_us)
        if session.state is S.CONNECTING:
            return stopped, (Do.REVOKE_LEASE,)
        if session.state in DELIVERING:
            deadline_us = now_us + session.settings.pause_ms * 1_000
            paused = replace(stopped, state=S.PAUSED, deadline_us=deadline_us)
            return paused, (Do.REVOKE_LEASE, Note(S.PAUSED), Do.TELL_CHANGED)
    return session, ()


# ---- the meter and the quota ----------------------------------------------------------------------------------------


def _read_meter(session: PaidSession, used_ms: int, running: bool, now_us: int) -> PaidSession:
    """Readings only go up, and never beyond the grant: what was not granted is not charged."""
    if session.state in OVER or session.settling:
        return session
    used_ms = min(max(session.books.used_ms, used_ms), session.books.granted_ms)
    return with_reading(session, used_ms, running and session.flowing, now_us)


def _metered(session: PaidSession, used_ms: int, running: bool, now_us: int) -> Step:
    read = _read_meter(session, used_ms, running, now_us)
    warned, warnings = _warn(read, now_us)
    if read.meter_runs != session.meter_runs and session.state in DELIVERING:
        return warned, (Do.TELL_CHANGED, *warnings)  # the creator muted everything, or goes on
    return warned, warnings


def _stop_meter(session: PaidSession, now_us: int) -> PaidSession:
    return replace(session, meter_runs=False, metered_at_us=now_us)


def _quota_spent(session: PaidSession, now_us: int) -> Step:
    if not session.flowing:
        return session, ()
    if session.books.used_ms < session.books.granted_ms:
        # The SFU had not heard of the newest hold yet: the stream goes on.
        return session, (Do.GRANT_LEASE,)
    return _finish(session, EndReason.TIME_EXPIRED, now_us)


def _at_rest(session: PaidSession) -> SessionState:
    """The state in which media flows and no renewal is under way."""
    return S.FINAL if session.renewals_stopped else S.ACTIVE


def _renewal(session: PaidSession, event: RenewalPlaced | RenewalRefused | RenewalUnanswered, now_us: int) -> Step:
    renewing = session.state is S.RENEWING
    match event:
        case RenewalPlaced(books, available_minor, included_ms):
            # Readings may have come in since the renewal was sized.
            books = replace(books, used_ms=min(max(books.used_ms, session.books.used_ms), books.granted_ms))
            renewed = replace(session, books=books, available_minor=available_minor, credited_meanwhile=False)
            if included_ms is not None:
                renewed = replace(renewed, tariff=replace(session.tariff, included_ms=included_ms))
            if not renewing:  # paused or ending by now: the money is booked, and nothing is granted
                return renewed, ()
            rested, warnings = _warn(_rearm(replace(renewed, state=_at_rest(renewed)), now_us), now_us)
            return rested, (Do.GRANT_LEASE, Do.TELL_CHANGED, *warnings)
        case RenewalRefused(available_minor):
            if not renewing:
                return session, ()
            if session.credited_meanwhile:
                return replace(session, state=S.ACTIVE, credited_meanwhile=False, ask_not_before_us=now_us), ()
            final, warnings = _warn(replace(session, state=S.FINAL, available_minor=available_minor), now_us)
            return final, (Note(S.FINAL), Do.TELL_CHANGED, *warnings)
        case RenewalUnanswered():
            if not renewing:
                return session, ()
            again_us = now_us + session.settings.ask_again_ms * 1_000
            state = _at_rest(session)
            return replace(session, state=state, ask_not_before_us=again_us, credited_meanwhile=False), ()


def _credited(session: PaidSession, amount_minor: int, now_us: int) -> Step:
    if session.state not in LIVE:
        return session, ()
    available_minor = session.available_minor + amount_minor
    richer = _rearm(replace(session, available_minor=available_minor, renewals_stopped=False), now_us)
    if session.state is S.FINAL:
        return replace(richer, state=S.RENEWING), (Do.RENEW, Do.TELL_CHANGED)
    return replace(richer, credited_meanwhile=session.state is S.RENEWING), (Do.TELL_CHANGED,)


def _payment_declined(session: PaidSession, now_us: int) -> Step:
    if session.state not in LIVE or session.renewals_stopped:
        return session, ()
    if session.settings.payment_failure_policy is PaymentFailurePolicy.IMMEDIATE:
        return _end(session, EndReason.PAYMENT_FAILED, None, now_us)
    stopped = replace(session, renewals_stopped=True)
    if session.state is S.ACTIVE:
        return replace(stopped, state=S.FINAL), (Note("PAYMENT_DECLINED"), Note(S.FINAL), Do.TELL_CHANGED)
    return stopped, (Note("PAYMENT_DECLINED"),)  # a renewal that is under way is let through, and is the last


def _warn(session: PaidSession, now_us: int) -> Step:
    """LOW_BALANCE once for each threshold that what is left has crossed; at the first the payer's card is asked."""
    if session.state not in DELIVERING:
        return session, ()
    left_s = session.seconds_left(now_us)
    crossed = {threshold for threshold in session.settings.low_balance_s if left_s <= threshold}
    if crossed <= session.warned_s:
        return session, ()
    told = replace(session, warned_s=session.warned_s | crossed)
    first = max(session.settings.low_balance_s) in crossed - session.warned_s
    return told, (TellLowBalance(left_s), Note("LOW_BALANCE"), *((Do.RECHARGE,) if first else ()))


def _rearm(session: PaidSession, now_us: int) -> PaidSession:
    """Money came in: a threshold that is above again may be crossed again."""
    left_s = session.seconds_left(now_us)
    return replace(session, warned_s=frozenset(threshold for threshold in session.warned_s if left_s <= threshold))


# ---- time -----------------------------------------------------------------------------------------------------------


def _tick(session: PaidSession, now_us: int) -> Step:
    if session.deadline_us is not None and now_us >= session.deadline_us:
        return _timer_ran_out(session, now_us)
    may_ask = session.state is S.ACTIVE and now_us >= session.ask_not_before_us
    if may_ask and session.left_ms(now_us) <= session.settings.ask_early_ms:
        renewing, warnings = _warn(replace(session, state=S.RENEWING), now_us)
        return renewing, (Do.RENEW, *warnings)
    return _warn(session, now_us)


def _timer_ran_out(session: PaidSession, now_us: int) -> Step:
    match session.state:
        case S.REQUESTED:
            return _never_live(session, S.CANCELLED, EndReason.RING_TIMEOUT)
        case S.CONNECTING:
            return _cancel(session, EndReason.CONNECTION_LOST)
        case S.PAUSED:
            return _finish(session, EndReason.CONNECTION_LOST, now_us)
        case S.ENDING:
            return replace(session, deadline_us=None, settling=True), (Do.SETTLE,)
        case S.CANCELLED:
            return replace(session, deadline_us=None, settling=True), (Do.VOID_HOLD,)
    return session, ()


# ---- the end --------------------------------------------------------------------------------------------------------


def _end(session: PaidSession, reason: EndReason, asked_by: str | None, now_us: int) -> Step:
    """The first reason counts."""
    if session.end_reason is not None or session.state in OVER:
        return session, ()
    match session.state:
        case S.REQUESTED:
            return _never_live(session, S.CANCELLED, reason)
        case S.AUTHORIZING:
            return replace(session, end_reason=reason), ()
        case S.CONNECTING:
            return _cancel(session, reason)
    return _finish(replace(session, ended_by=asked_by), reason, now_us)


def _finish(session: PaidSession, reason: EndReason, now_us: int) -> Step:
    """Stop the stream; the settlement follows with the final reading."""
    ending = replace(
        _stop_meter(session, now_us),
        state=S.ENDING,
        end_reason=reason,
        flowing=False,
        deadline_us=now_us + session.settings.final_meter_ms * 1_000,
    )
    return ending, (Do.REVOKE_LEASE, Do.CLOSE_LEASE, Do.TELL_ENDING, Do.TELL_CHANGED, Note(S.ENDING))


def _lease_closed(session: PaidSession, now_us: int) -> Step:
    if session.state is S.ENDING and not session.settling:
        return replace(session, deadline_us=None, settling=True), (Do.SETTLE,)
    if session.state in LIVE:
        # The room went away under it; this reading is the final one already.
        ending, actions = _finish(session, EndReason.CONNECTION_LOST, now_us)
        return replace(ending, deadline_us=None, settling=True), (*actions, Do.SETTLE)
    if session.state is S.CONNECTING:
        return _cancel(session, EndReason.CONNECTION_LOST)
    return session, ()


def _closing(
    session: PaidSession, event: MeterOverdue | SettlementRecorded | HoldVoided | ClosingUnanswered, now_us: int
) -> Step:
    match session.state, event:
        case S.ENDING, MeterOverdue() if not session.settling:
            return replace(session, deadline_us=None, settling=True), (Do.SETTLE,)
        case S.ENDING, SettlementRecorded(settlement):
            books = replace(session.books, posted_minor=settlement.charged_minor, held_minor=0)
            settled = replace(session, state=S.SETTLED, books=books, settling=False, settlement=settlement)
            return settled, (Do.TELL_SETTLED, Do.TELL_CHANGED)
        case S.CANCELLED, HoldVoided():
            books = replace(session.books, held_minor=0)
            return replace(session, books=books, settling=False), (Do.TELL_CHANGED,)
        case ((S.ENDING | S.CANCELLED), ClosingUnanswered()):
            again_us = now_us + session.settings.ask_again_ms * 1_000
            return replace(session, settling=False, deadline_us=again_us), ()
    return session, ()
