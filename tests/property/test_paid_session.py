"""The state machine of a paid session under random histories on virtual time.

Around the pure machine stand an imagined ledger, whose answers come late or not at all, and an imagined SFU, whose
events come late, twice, or in another order. Whatever happens: nothing is delivered that was not held, nothing is
charged that was not delivered (but the minimum), and no hold stays open.
"""

from collections import deque
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from curtaincall.charging.actions import Do
from curtaincall.charging.machine import transition
from curtaincall.charging.model import (
    LIVE,
    MINIMUM_APPLIES,
    OVER,
    Accepted,
    Books,
    ChargingSettings,
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
    LeaseOpened,
    MeterOverdue,
    PaidSession,
    PaymentDeclined,
    PaymentFailurePolicy,
    RenewalPlaced,
    RenewalRefused,
    RenewalUnanswered,
    SeatJoined,
    SeatLeft,
    SessionState,
    SettlementRecorded,
    Tariff,
    Tick,
    TransportDown,
    TransportUp,
    Unlocked,
)
from curtaincall.charging.tariff import Settlement, first_quota, settle, size_renewal, still_included_ms
from support.imagined_sfu import ImaginedSfu

FAN, STAR = "fan", "star"
BOTH = st.sampled_from([FAN, STAR])
ENDS = st.sampled_from(list(EndReason))
MONEY = frozenset({Do.PLACE_HOLD, Do.UNLOCK, Do.OPEN_LEASE, Do.RENEW, Do.SETTLE, Do.VOID_HOLD})
UNANSWERED: dict[Do, Event] = {
    Do.PLACE_HOLD: HoldUnanswered(),
    Do.UNLOCK: HoldUnanswered(),
    Do.OPEN_LEASE: EndRequested(EndReason.CONNECTION_LOST),
    Do.RENEW: RenewalUnanswered(),
    Do.SETTLE: ClosingUnanswered(),
    Do.VOID_HOLD: ClosingUnanswered(),
}


class PaidSessionHistories(RuleBasedStateMachine):
    """Random histories of one session."""

    @initialize(
        price=st.integers(1, 2_000),
        increment_ms=st.sampled_from([100, 1_000, 7_000]),
        minimum_ms=st.sampled_from([0, 10_000, 60_000, 75_000]),
        fee_bp=st.sampled_from([0, 2_000, 3_333, 10_000]),
        paid_in_s=st.integers(0, 300),
        begins=st.sampled_from(["ringing", "talking", "talking", "talking"]),
        unlock_minor=st.sampled_from([0, 0, 1, 500]),
        allowance_ms=st.sampled_from([0, 0, 9_000, 25_000, 70_000, 10_000_000]),
        policy=st.sampled_from(list(PaymentFailurePolicy)),
    )
    def request(
        self,
        price: int,
        increment_ms: int,
        minimum_ms: int,
        fee_bp: int,
        paid_in_s: int,
        begins: str,
        unlock_minor: int,
        allowance_ms: int,
        policy: PaymentFailurePolicy,
    ) -> None:
        """A request of a fan with money for so many seconds; most histories go on from a call that has begun."""
        self.now_us = 1_000_000
        self.session = PaidSession(
            session_id="call",
            room_id="room",
            payer_id=FAN,
            payee_id=STAR,
            tariff=Tariff(price, "EUR", increment_ms, minimum_ms, fee_bp),
            settings=ChargingSettings(payment_failure_policy=policy),
            created_at_ms=0,
            deadline_us=self.now_us + 60_000_000,
        )
        self.sfu = ImaginedSfu()
        self.paid_in_minor = self.available_minor = paid_in_s * price // 60
        self.held_minor = self.posted_minor = self.unlocked_minor = 0
        self.unlock_minor, self.allowance_ms = unlock_minor, allowance_ms
        self.jobs: deque[Do] = deque()
        self.heard = 0
        self.ended_by_hand = False
        self.settlement: Settlement | None = None
        if begins == "talking":
            self.happen(Unlocked() if unlock_minor else Accepted())
            self.database_answers_everything()
            self.both_are_there()
            self.time_goes_on(500, flows=True, listens=True, renews=True)

    # ---- the machine, and what it asks for --------------------------------------------------------------------------

    def happen(self, event: Event) -> None:
        before = self.session
        self.session, actions = transition(self.session, event, self.now_us)
        self.check_step(before, self.session)
        for action in actions:
            if action is Do.GRANT_LEASE:
                self.sfu.grant(self.session)
            elif action is Do.REVOKE_LEASE:
                self.sfu.revoke()
            elif action is Do.CLOSE_LEASE:
                self.sfu.close()
            elif isinstance(action, Do) and action in MONEY:
                self.jobs.append(action)

    def check_step(self, before: PaidSession, after: PaidSession) -> None:
        if before.state in OVER:
            assert after.state is before.state
        if before.state is SessionState.ENDING:
            assert after.state in (SessionState.ENDING, SessionState.SETTLED)
        if before.end_reason is not None:
            assert after.end_reason is before.end_reason
        assert after.books.used_ms >= before.books.used_ms
        assert after.epoch >= before.epoch
        if after.end_reason is EndReason.TIME_EXPIRED and before.end_reason is None and not self.ended_by_hand:
            assert after.books.used_ms == after.books.granted_ms  # not a millisecond that was paid is missing

    def answer(self, job: Do) -> Event:
        """What the database, or the SFU for its lease, does and says."""
        session, tariff, quota = self.session, self.session.tariff, self.session.settings.quota
        match job:
            case Do.PLACE_HOLD | Do.UNLOCK:
                return self.place_hold(self.unlock_minor if job is Do.UNLOCK else 0)
            case Do.OPEN_LEASE:
                return LeaseOpened()
            case Do.RENEW:
                return self.renew()
            case Do.SETTLE:
                assert session.end_reason is not None
                self.settlement = settle(
                    tariff,
                    quota,
                    session.books,
                    minimum_applies=session.end_reason in MINIMUM_APPLIES,
                    may_void=True,
                )
                self.resolve(self.settlement.charged_minor - self.posted_minor)
                return SettlementRecorded(self.settlement)
            case _:
                assert job is Do.VOID_HOLD
                self.resolve(0)
                self.available_minor += self.unlocked_minor
                self.unlocked_minor = 0
                return HoldVoided()

    def place_hold(self, unlock_minor: int) -> Event:
        """With the unlock, if there is one: both or neither."""
        tariff = replace(self.session.tariff, included_ms=self.allowance_ms)
        available_minor = self.available_minor - unlock_minor
        first = first_quota(tariff, self.session.settings.quota, available_minor) if available_minor >= 0 else None
        if first is None:
            return HoldUnanswered() if unlock_minor else HoldRefused()
        self.unlocked_minor = unlock_minor
        self.available_minor = available_minor - first.hold_minor
        self.held_minor = first.hold_minor
        books = Books(first.granted_ms, 0, 1, first.hold_minor, 0)
        return HoldPlaced(books, self.available_minor, tariff.included_ms)

    def renew(self) -> Event:
        """By what the subscription includes by now."""
        books, quota = self.session.books, self.session.settings.quota
        included_ms = still_included_ms(self.session.tariff, books, self.allowance_ms)
        tariff = replace(self.session.tariff, included_ms=included_ms)
        renewal = size_renewal(tariff, quota, books, self.available_minor)
        if renewal is None:
            return RenewalRefused(self.available_minor)
        self.resolve(renewal.post_minor)
        self.available_minor -= renewal.hold_minor
        self.held_minor = renewal.hold_minor
        renewed = replace(
            books,
            granted_ms=renewal.granted_ms,
            hold_number=books.hold_number + 1,
            held_minor=renewal.hold_minor,
            posted_minor=self.posted_minor,
        )
        return RenewalPlaced(renewed, self.available_minor, included_ms)

    def resolve(self, post_minor: int) -> None:
        assert 0 <= post_minor <= self.held_minor
        self.posted_minor += post_minor
        self.available_minor += self.held_minor - post_minor
        self.held_minor = 0

    # ---- what may happen --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.session.state is SessionState.REQUESTED)
    @rule()
    def accept(self) -> None:
        self.happen(Accepted())

    @precondition(lambda self: self.session.state is SessionState.REQUESTED)
    @rule()
    def unlock(self) -> None:
        self.happen(Unlocked())

    @rule(allowance_ms=st.sampled_from([0, 20_000, 90_000, 10_000_000]))
    def the_subscription_is_another_by_now(self, allowance_ms: int) -> None:
        self.allowance_ms = allowance_ms

    @rule(after_all=st.sampled_from([False, False, True]))
    def the_card_is_declined(self, after_all: bool) -> None:
        if not after_all:
            return
        was_live = self.session.state in LIVE
        at_once = self.session.settings.payment_failure_policy is PaymentFailurePolicy.IMMEDIATE
        self.happen(PaymentDeclined())
        if was_live and at_once and not self.session.renewals_stopped:
            assert self.session.end_reason is EndReason.PAYMENT_FAILED
            assert not self.sfu.open
        elif was_live:
            assert self.session.renewals_stopped
            assert Do.RENEW not in self.jobs or self.session.state is not SessionState.FINAL

    @rule(after_all=st.sampled_from([False, False, False, True]))
    def a_payment_is_disputed(self, after_all: bool) -> None:
        if after_all:
            self.happen(DisputeOpened())
            assert self.session.end_reason is not None
            assert not self.sfu.open

    @rule()
    def both_are_there(self) -> None:
        for user_id in (FAN, STAR):
            self.happen(TransportUp(user_id))
            self.happen(SeatJoined(user_id))

    @rule()
    def database_answers_everything(self) -> None:
        while self.jobs:
            self.happen(self.answer(self.jobs.popleft()))

    @precondition(lambda self: self.jobs)
    @rule()
    def database_answers_once(self) -> None:
        self.happen(self.answer(self.jobs.popleft()))

    @precondition(lambda self: self.jobs)
    @rule()
    def database_does_not_answer(self) -> None:
        self.happen(UNANSWERED[self.jobs.popleft()])

    @rule(duration_ms=st.integers(1, 4_000), flows=st.booleans(), listens=st.booleans(), renews=st.booleans())
    def time_goes_on(self, duration_ms: int, flows: bool, listens: bool, renews: bool) -> None:
        self.sfu.elapse(duration_ms, flows)
        self.now_us += duration_ms * 1_000
        if listens:
            self.hear_everything()
        self.happen(Tick())
        if renews and self.session.flowing:
            self.sfu.grant(self.session)

    @rule(rounds=st.integers(5, 40), prompt=st.sampled_from([True, True, False]))
    def a_good_while_goes_by(self, rounds: int, prompt: bool) -> None:
        for _ in range(rounds):
            self.time_goes_on(2_000, flows=True, listens=True, renews=True)
            if prompt:
                self.database_answers_everything()

    @rule()
    def hear_everything(self) -> None:
        while self.heard < len(self.sfu.events):
            self.heard += 1
            self.happen(self.sfu.events[self.heard - 1])

    @precondition(lambda self: self.sfu.events)
    @rule(data=st.data())
    def hear_something_late_or_again(self, data: st.DataObject) -> None:
        self.happen(data.draw(st.sampled_from(self.sfu.events)))

    @precondition(lambda self: self.session.state is not SessionState.REQUESTED)
    @rule(user_id=BOTH, lost=st.sampled_from([SeatLeft, TransportDown]), how_often=st.integers(1, 2))
    def somebody_is_lost(self, user_id: str, lost: type[SeatLeft | TransportDown], how_often: int) -> None:
        for _ in range(how_often):
            self.happen(lost(user_id))

    @rule(amount_minor=st.integers(1, 2_000))
    def top_up(self, amount_minor: int) -> None:
        self.paid_in_minor += amount_minor
        self.available_minor += amount_minor
        self.happen(Credited(amount_minor))

    @rule(share=st.integers(1, 100))
    def spend_elsewhere(self, share: int) -> None:
        spent_minor = self.available_minor * share // 100
        self.available_minor -= spent_minor
        self.paid_in_minor -= spent_minor

    @rule(reason=ENDS, after_all=st.sampled_from([False, False, False, True]))
    def end(self, reason: EndReason, after_all: bool) -> None:
        if after_all:
            self.ended_by_hand = True
            self.happen(EndRequested(reason))

    @precondition(lambda self: self.session.state is not SessionState.REQUESTED)
    @rule(event=st.sampled_from([MeterOverdue(), Accepted(), Declined(), Tick()]))
    def something_out_of_place(self, event: Event) -> None:
        self.happen(event)

    # ---- what is always true ----------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_delivered_that_was_not_held(self) -> None:
        if self.sfu.granted_ms and self.session.state not in OVER:
            granted_minor = self.session.tariff.charge_minor(self.sfu.granted_ms)
            assert granted_minor <= self.posted_minor + self.held_minor
        assert self.session.books.used_ms <= self.sfu.delivered_ms <= self.sfu.granted_ms

    @invariant()
    def nothing_flows_after_the_end_or_in_a_pause(self) -> None:
        if self.session.state is SessionState.PAUSED or self.session.end_reason is not None:
            assert not self.sfu.open
            assert not self.session.flowing

    @invariant()
    def a_session_that_flows_has_been_granted_under_its_epoch(self) -> None:
        if self.session.flowing:
            assert self.sfu.epoch == self.session.epoch > self.sfu.revoked_epoch

    @invariant()
    def the_machine_and_the_ledger_agree(self) -> None:
        assert self.available_minor >= 0
        spent_minor = self.held_minor + self.posted_minor + self.unlocked_minor
        assert self.paid_in_minor == self.available_minor + spent_minor
        assert (self.session.books.held_minor, self.session.books.posted_minor) == (self.held_minor, self.posted_minor)

    @invariant()
    def somebody_always_comes_back(self) -> None:
        """A session that waits for nobody's decision has a timer or a job: none is forgotten for ever."""
        waits_for_time = self.session.state in (
            SessionState.REQUESTED,
            SessionState.CONNECTING,
            SessionState.PAUSED,
        ) or (self.session.state is SessionState.ENDING)
        if waits_for_time or (self.session.state is SessionState.CANCELLED and self.held_minor):
            assert self.session.deadline_us is not None or self.jobs

    def teardown(self) -> None:
        """Let it end in the ordinary way, and look at the outcome."""
        if not hasattr(self, "session"):
            return
        was_live = self.session.state in LIVE
        self.happen(EndRequested(EndReason.HOST_ENDED))
        for _ in range(10):
            self.database_answers_everything()
            self.hear_everything()
            self.now_us += 2_000_000
            self.happen(Tick())
        assert self.session.state in OVER
        assert self.held_minor == 0
        if was_live:
            assert self.session.state is SessionState.SETTLED
        if self.session.state is not SessionState.SETTLED:
            assert self.posted_minor == self.unlocked_minor == 0
            return
        assert self.settlement is not None
        assert self.posted_minor <= self.session.tariff.owed_minor(self.sfu.delivered_ms)
        if self.session.end_reason not in MINIMUM_APPLIES:
            expected_ms = self.session.books.used_ms
            voided = expected_ms < 10_000 and self.posted_minor == 0
            assert voided or self.posted_minor == self.session.tariff.charge_minor(expected_ms)


PaidSessionHistories.TestCase.settings = settings(max_examples=4 * settings().max_examples, stateful_step_count=50)
TestPaidSessionHistories = PaidSessionHistories.TestCase
