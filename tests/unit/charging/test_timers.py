"""Who is due, and when: nobody is looked at without need, nobody is forgotten, and nothing piles up."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from curtaincall.charging.machine import transition
from curtaincall.charging.model import Books, ChargingSettings, PaidSession, Seat, SessionState, Tariff, Tick
from curtaincall.charging.timers import HORIZON_US, SLOT_US, Timers, due_us

S = SessionState
NOW_US = 50_000_000


def test_whoever_is_due_is_told_once_and_not_before() -> None:
    timers: Timers[str] = Timers()
    timers.arm("late", 10 * SLOT_US, 0)
    timers.arm("early", 4 * SLOT_US - 1, 0)
    assert timers.due(4 * SLOT_US - 1) == []
    assert timers.due(4 * SLOT_US) == ["early"]
    assert timers.due(20 * SLOT_US) == ["late"]
    assert (timers.due(10**12), len(timers)) == ([], 0)


def test_arming_again_replaces_the_moment() -> None:
    timers: Timers[str] = Timers()
    timers.arm("call", 2 * SLOT_US, 0)
    timers.arm("call", 8 * SLOT_US, 0)
    assert timers.due(7 * SLOT_US) == []
    timers.arm("call", 7 * SLOT_US, 0)
    assert timers.due(7 * SLOT_US) == ["call"]
    timers.arm("call", 9 * SLOT_US, 0)
    timers.arm("call", None, 0)
    assert timers.due(10**12) == []


def test_what_is_due_in_a_year_takes_no_more_room_than_what_is_due_in_a_minute() -> None:
    timers: Timers[int] = Timers()
    for round_ in range(20):
        for key in range(2_000):
            timers.arm(key, 10**13 + key * 1_000_003 * round_, round_ * SLOT_US)
    assert len(timers._slots) <= HORIZON_US // SLOT_US + 1
    assert len(timers) == 2_000
    assert set(timers.due(HORIZON_US + 20 * SLOT_US)) == set(range(2_000))


@st.composite
def sessions(draw: st.DrawFn) -> PaidSession:
    state = draw(st.sampled_from([S.REQUESTED, S.CONNECTING, S.ACTIVE, S.RENEWING, S.FINAL, S.PAUSED, S.ENDING]))
    running = state in (S.ACTIVE, S.RENEWING, S.FINAL)
    granted_ms = draw(st.integers(10_000, 200_000))
    tariff = Tariff(300, "EUR", included_ms=draw(st.sampled_from([0, 0, 45_000, 500_000])))
    books = Books(granted_ms, draw(st.integers(0, granted_ms)), 1, tariff.charge_minor(granted_ms), 0)
    timed = state in (S.REQUESTED, S.CONNECTING, S.PAUSED, S.ENDING)
    return PaidSession(
        session_id="call",
        room_id="room",
        payer_id="fan",
        payee_id="star",
        tariff=tariff,
        settings=ChargingSettings(),
        created_at_ms=0,
        state=state,
        deadline_us=NOW_US + draw(st.integers(-1_000_000, 60_000_000)) if timed else None,
        books=books,
        available_minor=draw(st.integers(0, 2_000)),
        lease_opened=True,
        epoch=1,
        flowing=running,
        payer=Seat(signaled=True),
        payee=Seat(signaled=True),
        meter_runs=running and draw(st.booleans()),
        metered_at_us=NOW_US - draw(st.integers(0, 3_000_000)),
        ask_not_before_us=NOW_US + draw(st.integers(-5_000_000, 1_000_000)),
        warned_s=draw(st.sampled_from([frozenset(), frozenset({60}), frozenset({60, 10})])),
        renewals_stopped=state is S.FINAL and draw(st.booleans()),
    )


@given(sessions(), st.integers(0, 200_000_000))
def test_a_tick_before_its_time_means_nothing(session: PaidSession, later_us: int) -> None:
    due = due_us(session)
    now_us = NOW_US + later_us
    if due is None or now_us < due:
        assert transition(session, Tick(), now_us) == (session, ())


@given(sessions())
def test_a_session_whose_meter_stands_still_is_due_for_its_timer_only(session: PaidSession) -> None:
    still = replace(session, meter_runs=False, warned_s=frozenset({60, 10}), books=replace(session.books, used_ms=0))
    granted_enough = still.books.granted_ms > still.settings.ask_early_ms
    if granted_enough:
        assert due_us(still) == session.deadline_us
