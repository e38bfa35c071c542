"""Random histories of paid calls on real databases: everything that may happen, in any order, with crashes in between.

Whatever happens: the books balance, nobody's account is below zero, nothing is charged that was not held, what is
charged is the tariff of what was delivered, no hold stays open, and a command that is repeated moves nothing.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from curtaincall.access import service as access
from curtaincall.access.model import Feature, NewEntitlement, SubscriptionCalls, SubscriptionTerms
from curtaincall.charging import store
from curtaincall.charging.errors import ChargingError
from curtaincall.charging.model import CHARGED, MINIMUM_APPLIES, OVER, EndReason, PaymentFailurePolicy
from curtaincall.charging.records import StoredSession
from curtaincall.charging.verify import verify_sessions
from curtaincall.ledger.errors import InsufficientFunds
from curtaincall.ledger.model import Leg, Purpose, Transfer, platform_fee, wallet
from curtaincall.media.ports import MediaEvent, TransportState
from curtaincall.payments.events import CardPaymentChanged, DisputeChanged
from curtaincall.payments.model import CardPayment, PaymentStatus
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.recharge import KEY_PREFIX
from curtaincall.storage.database import migrate, open_database
from support.money_world import FAN, STAR, MoneyWorld
from support.postgres import Cluster
from support.virtual_clock import VirtualClock
from support.virtual_media import VirtualMedia

NAMES = ("one", "two", "three", "four", "five")
CALLS = st.sampled_from(NAMES)
BEGINNINGS = st.sampled_from(["rings", "is accepted", "is accepted", "is unlocked"])
DURATIONS = st.sampled_from([250, 1_750, 5_000, 12_000, 31_000])
AFTER_ALL = st.sampled_from([False, False, True])
"""What ends calls happens less often than it is thought of, so that there are calls to end."""
ENDS = st.sampled_from(
    [EndReason.PAYER_ENDED, EndReason.HOST_ENDED, EndReason.ADMIN_TERMINATED, EndReason.PAYMENT_FAILED]
)

OpenUrl = Callable[[Path], str]
"""Makes a migrated database, in the data folder or elsewhere, and returns the setting `database.url` of it."""


class TellingMedia(VirtualMedia):
    """Remembers what it said, so that it can be said again."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.said: list[MediaEvent] = []

    async def events(self, after: int, limit: int) -> list[MediaEvent]:
        found = await VirtualMedia.events(self, after, limit)
        self.said = (self.said + found)[-50:]
        return found


class HistoryWorld(MoneyWorld):
    """The money side, with an engine whose events may come late, twice, or in another order."""

    media: TellingMedia

    def new_media(self) -> TellingMedia:
        return TellingMedia(self.clock)


class Card:
    """Auto-recharge as charging sees it: it is off, pays in, declines, or cannot say yet."""

    def __init__(self) -> None:
        self.world: HistoryWorld | None = None
        self.outcome: PaymentStatus | None = None

    async def trigger(self, user_id: str, ref: str) -> CardPayment | None:
        if self.outcome is None or self.world is None:
            return None
        if self.outcome is PaymentStatus.SUCCEEDED:
            await self.world.pay_in(300, user_id)
        return CardPayment(f"recharge-{ref}", self.outcome)


class PaidCalls(RuleBasedStateMachine):
    """A fan, a creator, up to five calls, and everything below rooms."""

    def __init__(self, open_url: OpenUrl) -> None:
        super().__init__()
        self.open_url = open_url
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.rung: set[str] = set()
        self.delivered_ms: dict[str, int] = {}
        self.card = Card()

    @initialize(
        price=st.sampled_from([7, 300, 999]),
        minimum_ms=st.sampled_from([0, 10_000, 60_000]),
        increment_ms=st.sampled_from([100, 1_000, 6_000]),
        policy=st.sampled_from(list(PaymentFailurePolicy)),
        paid_in_minor=st.sampled_from([3_000, 3_000, 1_000, 400, 0]),
        talking=st.sampled_from([True, True, True, False]),
        calls=st.sampled_from(list(SubscriptionCalls)),
        minutes_ms=st.sampled_from([9_000, 45_000, 200_000]),
    )
    def begin(
        self,
        price: int,
        minimum_ms: int,
        increment_ms: int,
        policy: PaymentFailurePolicy,
        paid_in_minor: int,
        talking: bool,
        calls: SubscriptionCalls,
        minutes_ms: int,
    ) -> None:
        folder = Path(self.directory.name)
        url = self.open_url(folder)

        async def begin() -> None:
            self.world = self.card.world = HistoryWorld(open_database(folder, url), recharge=self.card)
            await self.world.restart_with(payment_failure_policy=policy)
            await self.world.priced(price, minimum_ms=minimum_ms, increment_ms=increment_ms, instant_unlock_minor=150)
            if paid_in_minor:
                await self.world.pay_in(paid_in_minor)
            if calls is not SubscriptionCalls.NONE:
                await self.world.executor.submit(access.grant, subscription(calls, minutes_ms, self.world))

        self.run(begin())
        if talking:  # most histories go on from a call that has begun
            self.call("one", "is accepted", twice=False)
            self.time_goes_on(12_000, sending=True)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        result = self.runner.run(work)
        self.read_the_engine()
        return result

    def read_the_engine(self) -> None:
        for name in self.world.media.leases:
            self.delivered_ms[name] = max(self.delivered_ms.get(name, 0), self.world.media.billable_ms(name))

    # ---- people -----------------------------------------------------------------------------------------------------

    @rule(amount_minor=st.sampled_from([1, 100, 1_000]))
    def top_up(self, amount_minor: int) -> None:
        self.run(self.world.pay_in(amount_minor))

    @rule(share=st.integers(1, 100))
    def spend_elsewhere(self, share: int) -> None:
        async def spend() -> None:
            amount_minor = (await self.world.wallet()).available_minor * share // 100
            if amount_minor > 0:
                leg = Leg(wallet(FAN, "EUR"), platform_fee("EUR"), amount_minor)
                command = Transfer(self.world.new_id(), Purpose.TIP, "elsewhere", (leg,))
                await self.world.executor.submit(self.world.ledger.transfer, command)

        self.run(spend())

    @rule(
        name=CALLS, begins=st.sampled_from(["rings", "is accepted", "is accepted", "is unlocked"]), twice=st.booleans()
    )
    def call(self, name: str, begins: str, twice: bool) -> None:
        """A call, or whatever of it was done before, once more; repeating it is nothing."""

        async def call() -> None:
            charging = self.world.charging
            for _ in range(1 + twice):
                try:
                    await self.world.ring(name)
                    self.rung.add(name)
                    if begins == "is accepted":
                        await charging.accept(name)
                    elif begins == "is unlocked":
                        await charging.unlock(name)
                except (ChargingError, InsufficientFunds):
                    pass
                for user_id in (FAN, STAR):
                    await charging.joined(name, user_id)

        self.run(call())

    @precondition(lambda self: self.rung)
    @rule(
        data=st.data(),
        reason=ENDS,
        by=st.sampled_from(["end", "end", "revoke", "decline", "cancel"]),
        after_all=AFTER_ALL,
    )
    def end(self, data: st.DataObject, reason: EndReason, by: str, after_all: bool) -> None:
        if not after_all:
            return
        name = data.draw(st.sampled_from(sorted(self.rung)))

        async def end() -> None:
            charging = self.world.charging
            if by == "revoke":
                charging.revoke(name, reason)
                return
            if by == "end":
                work = charging.end(name, reason)
            else:
                work = charging.decline(name) if by == "decline" else charging.cancel(name)
            ending = asyncio.create_task(work)
            await asyncio.sleep(0)
            await self.world.hear_media()
            await ending

        self.run(end())

    @precondition(lambda self: self.rung)
    @rule(data=st.data(), user_id=st.sampled_from([FAN, STAR]), back=st.booleans())
    def somebody_is_lost(self, data: st.DataObject, user_id: str, back: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.rung)))
        charging = self.world.charging
        self.run(charging.joined(name, user_id) if back else charging.left(name, user_id))

    # ---- time, and the engine ---------------------------------------------------------------------------------------

    @rule(
        duration_ms=st.sampled_from([250, 1_750, 5_000, 12_000, 31_000]), sending=st.sampled_from([True, True, False])
    )
    def time_goes_on(self, duration_ms: int, sending: bool) -> None:
        self.world.media.sending = sending
        self.run(self.world.run(duration_ms))

    @rule(rounds=st.integers(1, 4))
    def a_good_while_goes_by(self, rounds: int) -> None:
        for name in sorted(self.rung):
            for user_id in (FAN, STAR):
                self.run(self.world.charging.joined(name, user_id))
        self.world.media.reachable = True
        for _ in range(rounds):
            self.time_goes_on(12_000, sending=True)

    @rule(random=st.randoms(use_true_random=False), duration_ms=st.integers(1, 3_000))
    def news_come_late_and_in_another_order(self, random: Random, duration_ms: int) -> None:
        self.world.media.elapse(duration_ms * 1_000)
        random.shuffle(self.world.media.queue)
        self.run(self.world.hear_media())

    @rule(data=st.data())
    def something_is_heard_again(self, data: st.DataObject) -> None:
        if self.world.media.said:
            said = data.draw(st.sampled_from(self.world.media.said))
            self.run(self.world.bus.publish(said))

    @precondition(lambda self: self.rung)
    @rule(data=st.data(), up=st.booleans())
    def a_transport_comes_or_goes(self, data: st.DataObject, up: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.rung)))
        state = TransportState.CONNECTED if up else TransportState.DISCONNECTED
        self.world.media.transport(f"room-{name}", FAN, state)
        self.run(self.world.hear_media())

    @rule(after_all=AFTER_ALL)
    def crash(self, after_all: bool) -> None:
        if not after_all:
            return
        self.read_the_engine()
        self.run(self.world.crash())

    # ---- the gateway ------------------------------------------------------------------------------------------------

    @rule(outcome=st.sampled_from([None, PaymentStatus.SUCCEEDED, PaymentStatus.DECLINED, PaymentStatus.PENDING]))
    def the_card_is_another(self, outcome: PaymentStatus | None) -> None:
        self.card.outcome = outcome

    @rule(name=CALLS, after_all=AFTER_ALL)
    def a_recharge_is_declined_later(self, name: str, after_all: bool) -> None:
        if not after_all:
            return
        key, status = f"{KEY_PREFIX}{name}:1", PaymentStatus.DECLINED
        declined = CardPaymentChanged("p", FAN, Purpose.TOP_UP, "p", key, status, "card_declined", 300, "EUR")
        self.run(self.world.bus.publish(declined))

    @rule(
        dispute_id=st.sampled_from(["a", "b"]),
        state=st.sampled_from([DisputeState.INQUIRY, DisputeState.OPENED, DisputeState.WON, DisputeState.LOST]),
        names=st.sets(CALLS, max_size=3),
        after_all=AFTER_ALL,
    )
    def a_payment_is_disputed(self, dispute_id: str, state: DisputeState, names: set[str], after_all: bool) -> None:
        if state is DisputeState.OPENED and not after_all:
            return
        refs = tuple((Purpose.CALL, name) for name in sorted(names))
        self.run(self.world.bus.publish(DisputeChanged(dispute_id, "payment", FAN, state, 300, "EUR", refs)))

    # ---- what is always true ----------------------------------------------------------------------------------------

    @invariant()
    def the_books_and_the_sessions_are_in_order(self) -> None:
        async def look() -> None:
            assert (await self.world.books()).problems == ()
            assert await self.world.executor.read(verify_sessions) == ()

        if hasattr(self, "world"):
            self.run(look())

    @invariant()
    def what_was_charged_is_the_tariff_of_what_was_delivered(self) -> None:
        if hasattr(self, "world"):
            for session in self.run(self.world.executor.read(lambda tx: list(store.every_session(tx)))):
                self.check(session)

    def check(self, session: StoredSession) -> None:
        books, tariff = session.books, session.tariff
        delivered_ms = self.delivered_ms.get(session.session_id, 0)
        assert books.used_ms <= delivered_ms
        assert books.posted_minor <= tariff.owed_minor(delivered_ms)
        if session.state not in CHARGED:
            assert session.state not in OVER or books.posted_minor == 0
            return
        of_use = tariff.charge_minor(books.used_ms)
        if session.voided:
            assert (books.posted_minor, books.used_ms < self.world.settings.quota.void_below_ms) == (0, True)
        elif session.end_reason in MINIMUM_APPLIES:
            assert of_use <= books.posted_minor <= tariff.owed_minor(books.used_ms)
        else:
            assert books.posted_minor == of_use

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.run(self.finish())
        finally:
            self.runner.close()
            self.directory.cleanup()

    async def finish(self) -> None:
        """Let all of it end in the ordinary way."""
        world = self.world
        for name in self.rung:
            world.charging.revoke(name, EndReason.ADMIN_TERMINATED)
        await world.run(3_500)
        for name in self.rung:
            view = await world.session(name)
            assert view.state in OVER
            event(f"{view.state} {view.end_reason}, charged: {view.charged_minor > 0}")
        assert (await world.books()).open_holds == 0
        assert (await world.wallet()).held_minor == 0
        await world.close()


def subscription(calls: SubscriptionCalls, minutes_ms: int, world: MoneyWorld) -> NewEntitlement:
    """Of a period that ends within most histories."""
    now_ms = world.clock.now_ms()
    terms = SubscriptionTerms(calls, minutes_ms, now_ms, now_ms + 120_000)
    return NewEntitlement(
        entitlement_id="subscription",
        user_id=FAN,
        feature=Feature.SUBSCRIPTION,
        scope_id=STAR,
        from_ms=now_ms,
        until_ms=now_ms + 120_000,
        source_key="purchase",
        source_ref="purchase",
        terms=terms.as_terms(),
    )


def histories(open_url: OpenUrl, share: int) -> None:
    """So many histories: a share of what the profile asks for, since each runs on a database of its own."""
    examples = max(5, settings().max_examples // share)
    run_state_machine_as_test(
        lambda: PaidCalls(open_url), settings=settings(max_examples=examples, stateful_step_count=20)
    )


def test_histories_on_sqlite(tmp_path: Path) -> None:
    database = open_database(tmp_path, "")
    migrate(database)
    database.close()

    def open_url(folder: Path) -> str:
        for file in tmp_path.iterdir():
            shutil.copy(file, folder)
        return ""

    histories(open_url, share=3)


def test_histories_on_postgresql(postgres: Cluster) -> None:
    given: list[str] = []

    def open_url(_folder: Path) -> str:
        while given:
            postgres.give_back(given.pop())
        given.append(postgres.fresh())
        return given[-1]

    try:
        histories(open_url, share=8)
    finally:
        for url in given:
            postgres.give_back(url)
