"""Rows of the table that a running call rarely shows: late, repeated and simultaneous events."""

from dataclasses import replace

import pytest

from curtaincall.charging.actions import Action, Do, Note
from curtaincall.charging.machine import transition
from curtaincall.charging.model import (
    Books,
    ChargingSettings,
    ClosingUnanswered,
    Credited,
    EndReason,
    EndRequested,
    Event,
    HoldPlaced,
    HoldRefused,
    LeaseClosed,
    MediaReached,
    Metered,
    MeterOverdue,
    PaidSession,
    QuotaSpent,
    RenewalPlaced,
    RenewalRefused,
    Seat,
    SeatJoined,
    SeatLeft,
    SessionState,
    Tariff,
    Tick,
    TransportDown,
    TransportUp,
)

S = SessionState
NOW_US = 50_000_000
SECOND_US = 1_000_000


def session(state: SessionState, **facts: object) -> PaidSession:
    """A call at 3.00 a minute, 40 s into its first minute, both seated."""
    there = Seat(signaled=True)
    running = PaidSession(
        session_id="call",
        room_id="room",
        payer_id="fan",
        payee_id="star",
        tariff=Tariff(300, "EUR"),
        settings=ChargingSettings(),
        created_at_ms=0,
        state=state,
        books=Books(granted_ms=60_000, used_ms=40_000, hold_number=1, held_minor=300),
        available_minor=1_000,
        lease_opened=True,
        epoch=1,
        flowing=state in (S.ACTIVE, S.RENEWING, S.FINAL),
        payer=there,
        payee=there,
        meter_runs=state in (S.ACTIVE, S.RENEWING, S.FINAL),
        metered_at_us=NOW_US,
    )
    return replace(running, **facts)  # type: ignore[arg-type]


def after(start: PaidSession, *events: Event) -> tuple[PaidSession, tuple[Action, ...]]:
    actions: tuple[Action, ...] = ()
    for event in events:
        start, actions = transition(start, event, NOW_US)
    return start, actions


def test_a_quota_event_that_crossed_with_a_renewal_is_answered_by_a_newer_grant() -> None:
    renewed = session(S.ACTIVE, books=Books(90_000, 59_000, 2, 200, 250))
    now, actions = after(renewed, QuotaSpent(60_000))
    assert (now.state, actions) == (S.ACTIVE, (Do.GRANT_LEASE,))


@pytest.mark.parametrize("state", [S.ACTIVE, S.RENEWING, S.FINAL])
def test_a_spent_quota_ends_the_call(state: SessionState) -> None:
    now, actions = after(session(state), QuotaSpent(60_000))
    assert (now.state, now.end_reason, now.books.used_ms) == (S.ENDING, EndReason.TIME_EXPIRED, 60_000)
    assert actions[:2] == (Do.REVOKE_LEASE, Do.CLOSE_LEASE)


@pytest.mark.parametrize("state", [S.PAUSED, S.ENDING])
def test_a_renewal_that_arrives_after_the_stop_is_booked_and_grants_nothing(state: SessionState) -> None:
    books = Books(90_000, 40_000, 2, 250, 200)
    now, actions = after(session(state), RenewalPlaced(books, 0))
    assert (now.state, now.books, actions) == (state, books, ())


def test_readings_that_came_in_during_a_renewal_are_kept() -> None:
    now, _ = after(session(S.RENEWING), Metered(43_000, True), RenewalPlaced(Books(90_000, 40_000, 2, 250, 200), 0))
    assert (now.state, now.books.used_ms) == (S.ACTIVE, 43_000)


def test_money_that_came_in_during_a_refusal_is_asked_for_again() -> None:
    now, _ = after(session(S.RENEWING, available_minor=0), Credited(500), RenewalRefused(0), Metered(46_000, True))
    assert now.state is S.ACTIVE
    now, actions = after(now, Tick())
    assert (now.state, Do.RENEW in actions) == (S.RENEWING, True)


def test_a_reading_is_never_believed_beyond_the_grant_or_backwards() -> None:
    now, _ = after(session(S.ACTIVE), Metered(10_000, True))
    assert now.books.used_ms == 40_000
    now, _ = after(now, Metered(99_000, True))
    assert now.books.used_ms == 60_000


def test_an_end_during_the_hold_is_remembered_until_the_hold_is_known() -> None:
    ended, actions = after(session(S.AUTHORIZING, lease_opened=False), EndRequested(EndReason.PAYER_ENDED))
    assert (ended.state, actions) == (S.AUTHORIZING, ())
    held, actions = after(ended, HoldPlaced(Books(60_000, 0, 1, 300), 0))
    assert (held.state, Do.VOID_HOLD in actions) == (S.CANCELLED, True)
    refused, _ = after(ended, HoldRefused())
    assert (refused.state, refused.end_reason) == (S.REJECTED, EndReason.PAYER_ENDED)


def test_media_of_an_older_epoch_does_not_begin_a_call() -> None:
    connecting = session(S.CONNECTING, epoch=2, flowing=True)
    assert after(connecting, MediaReached(1))[0].state is S.CONNECTING
    assert after(connecting, MediaReached(2))[0].state is S.ACTIVE


def test_first_media_that_is_heard_of_after_somebody_left_begins_a_pause_with_its_end() -> None:
    connecting = session(S.CONNECTING, flowing=True, deadline_us=NOW_US + SECOND_US)
    waiting, _ = after(connecting, SeatLeft("fan"), MediaReached(1))
    assert (waiting.state, waiting.flowing) == (S.PAUSED, False)
    back, actions = after(waiting, SeatJoined("fan"))
    assert (back.state, back.epoch, actions[0]) == (S.ACTIVE, 2, Do.GRANT_LEASE)
    gone, _ = transition(waiting, Tick(), NOW_US + 30 * SECOND_US)
    assert (gone.state, gone.end_reason) == (S.ENDING, EndReason.CONNECTION_LOST)


def test_both_have_to_be_back_in_every_way_before_media_flows_again() -> None:
    lost = after(session(S.ACTIVE), TransportDown("star"), SeatLeft("fan"))[0]
    assert lost.state is S.PAUSED
    assert after(lost, TransportUp("star"))[0].state is S.PAUSED
    assert after(lost, SeatJoined("fan"), SeatJoined("star"))[0].state is S.PAUSED
    back, actions = after(lost, SeatJoined("fan"), TransportUp("star"))
    assert (back.state, back.epoch, actions[0]) == (S.ACTIVE, 2, Do.GRANT_LEASE)


def test_a_stranger_changes_nothing() -> None:
    before = session(S.ACTIVE)
    assert after(before, SeatLeft("stranger"), TransportDown("stranger")) == (before, ())


def test_a_room_that_goes_away_under_a_call_settles_it() -> None:
    now, actions = after(session(S.ACTIVE), LeaseClosed(41_500))
    assert (now.state, now.end_reason, now.books.used_ms) == (S.ENDING, EndReason.CONNECTION_LOST, 41_500)
    assert actions[-1] is Do.SETTLE


def test_a_settlement_is_asked_for_once_and_again_when_it_was_not_answered() -> None:
    ending = session(S.ENDING, end_reason=EndReason.HOST_ENDED, deadline_us=NOW_US + SECOND_US)
    settling, actions = after(ending, LeaseClosed(41_000))
    assert actions == (Do.SETTLE,)
    assert after(settling, LeaseClosed(42_000), MeterOverdue()) == (settling, ())
    waiting, _ = after(settling, ClosingUnanswered())
    assert transition(waiting, Tick(), NOW_US)[1] == ()
    assert transition(waiting, Tick(), NOW_US + SECOND_US)[1] == (Do.SETTLE,)


def test_a_cancelled_hold_is_voided_again_when_that_was_not_answered() -> None:
    cancelled, actions = after(session(S.CONNECTING), EndRequested(EndReason.HOST_ENDED))
    assert actions == (Do.REVOKE_LEASE, Do.CLOSE_LEASE, Do.TELL_ENDING, Do.VOID_HOLD)
    waiting, _ = after(cancelled, ClosingUnanswered())
    assert transition(waiting, Tick(), NOW_US + SECOND_US)[1] == (Do.VOID_HOLD,)


@pytest.mark.parametrize("state", [S.SETTLED, S.REJECTED, S.CANCELLED])
@pytest.mark.parametrize(
    "event",
    [
        EndRequested(EndReason.PAYMENT_FAILED),
        Credited(5),
        Metered(50_000, True),
        SeatJoined("fan"),
        LeaseClosed(50_000),
    ],
)
def test_nothing_happens_to_a_session_that_is_over(state: SessionState, event: Event) -> None:
    over = session(state, end_reason=EndReason.HOST_ENDED, flowing=False, lease_opened=False)
    now, actions = after(over, event)
    assert (now.state, now.books, actions) == (state, over.books, ())


def test_the_pause_is_on_the_timeline_and_told() -> None:
    _, actions = after(session(S.ACTIVE), TransportDown("fan"))
    assert actions == (Do.REVOKE_LEASE, Note("PAUSED"), Do.TELL_CHANGED)
