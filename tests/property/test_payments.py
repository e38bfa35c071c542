"""Payments under random histories: cards that do anything, webhooks that come twice, late and out of order, answers
that are lost, crashes; refunds, disputes and payouts in between.

Whatever happens, the books are in order at every step; and when everything has been told, what the ledger says came in
and went out is exactly what the gateway did, once each.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, func, select

from curtaincall.kernel.errors import CurtaincallError
from curtaincall.ledger.errors import InsufficientFunds
from curtaincall.ledger.model import (
    Leg,
    Purpose,
    Transfer,
    battle_pot,
    creator_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.ledger.store import transfers
from curtaincall.ledger.verify import verify
from curtaincall.payments import dispute_store, payout_store, refund_store, signature
from curtaincall.payments.errors import GatewayUnavailable
from curtaincall.payments.inbox import InboxStatus, webhook_inbox
from curtaincall.payments.model import PaymentStatus
from curtaincall.payments.payouts import PayoutRequest
from curtaincall.payments.ports import Charge, ChargeResult, PayOut, PayoutResult, RefundCharge, RefundResult
from curtaincall.payments.refunds import RefundRequest
from curtaincall.payments.sandbox import SandboxGateway, SandboxRules, store
from curtaincall.payments.sandbox.webhooks import SIGNATURE_HEADER
from curtaincall.payments.store import card_payments
from curtaincall.storage.database import migrate, open_database
from support.payments_world import DAY_MS, SECRET, PaymentsWorld
from support.postgres import Cluster

FANS = st.sampled_from(("ann", "bob"))
STARS = st.sampled_from(("star", "diva"))
AMOUNTS = st.integers(1, 1_500)
TOKENS = st.sampled_from(
    (
        "pm_card_visa",
        "pm_card_visa",
        "pm_card_chargeDeclined",
        "pm_card_authenticationRequired",
        "pm_card_pending_then_succeeds",
        "pm_card_pending_then_fails",
        "pm_card_createDispute",
        "pm_card_dispute_won",
        "pm_card_createDisputeInquiry",
        "pm_card_pendingRefund",
        "pm_card_refundFail",
    )
)
DRAIN_ROUNDS = 400


class Line(SandboxGateway):
    """The sandbox at the end of a line that can be cut: before a command arrives, or before its answer does."""

    cut_before = False
    cut_after = False

    async def charge(self, command: Charge) -> ChargeResult:
        self._before()
        return self._after(await super().charge(command))

    async def refund(self, command: RefundCharge) -> RefundResult:
        self._before()
        return self._after(await super().refund(command))

    async def payout(self, command: PayOut) -> PayoutResult:
        self._before()
        return self._after(await super().payout(command))

    def _before(self) -> None:
        if self.cut_before:
            raise GatewayUnavailable("The line is cut.")

    def _after(self, result: Any) -> Any:
        if self.cut_after:
            raise GatewayUnavailable("The line was cut.")
        return result


class LineWorld(PaymentsWorld):
    def new_sandbox(self) -> Line:
        return Line(self.executor, self.clock, self.new_id, self.rules, SECRET)


class PaymentHistories(RuleBasedStateMachine):
    """One platform with two fans and two creators."""

    def __init__(self, cluster: Cluster | None, seed: int) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.ExitStack()
        directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        url = ""
        if cluster is not None:
            url = cluster.fresh()
            self.stack.callback(cluster.give_back, url)
        rules = SandboxRules(seed=seed, duplicate_percent=50, max_delay_ms=20_000)
        self.world = self.run(self._open(Path(directory), url, rules))
        self.spent = 0
        self.cards: dict[tuple[str, str], str] = {}

    async def _open(self, directory: Path, url: str, rules: SandboxRules) -> LineWorld:
        database = open_database(directory, url)
        migrate(database)
        return LineWorld(database, rules, release_after_days=0)

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def attempt(self, coroutine: Any) -> None:
        """Do something that may be refused: a refusal is an answer, and moves nothing."""
        with contextlib.suppress(CurtaincallError):
            self.run(coroutine)

    @property
    def line(self) -> Line:
        assert isinstance(self.world.sandbox, Line)
        return self.world.sandbox

    @initialize(tokens=st.tuples(TOKENS, TOKENS))
    def money_is_about(self, tokens: tuple[str, str]) -> None:
        """Both fans have paid in before, and given something to both creators."""
        for fan, token in zip(("ann", "bob"), tokens, strict=True):
            self.top_up(fan, 2_000, "pm_card_visa")
            self.top_up(fan, 1_500, token)
            for star in ("star", "diva"):
                self.tip(fan, star, 600)

    # ---- what people do ---------------------------------------------------------------------------------------------

    @rule(fan=FANS, amount_minor=AMOUNTS, token=TOKENS)
    def top_up(self, fan: str, amount_minor: int, token: str) -> None:
        if (fan, token) not in self.cards:
            self.cards[fan, token] = self.run(self.world.card(token, fan))
        key = self.world.new_id()
        self.run(self.world.wallets.top_up(fan, amount_minor, "EUR", self.cards[fan, token], key))

    @rule(fan=FANS, star=STARS, amount_minor=AMOUNTS)
    def tip(self, fan: str, star: str, amount_minor: int) -> None:
        self.spent += 1
        with contextlib.suppress(InsufficientFunds):
            self.run(self.world.spend(amount_minor, f"tip-{self.spent}", star, fan))

    @rule(fan=FANS, amount_minor=AMOUNTS)
    def enter_a_battle(self, fan: str, amount_minor: int) -> None:
        self.spent += 1
        leg = Leg(wallet(fan, "EUR"), battle_pot("battle", "EUR"), amount_minor)
        entry = Transfer(f"entry:{self.spent}", Purpose.BATTLE_ENTRY, f"entry-{self.spent}", (leg,))
        with contextlib.suppress(InsufficientFunds):
            self.run(self.world.move(entry))

    @rule(star=STARS)
    def settle_the_battle(self, star: str) -> None:
        self.spent += 1
        pot = battle_pot("battle", "EUR")
        minor = self.run(self.world.balance(pot))
        legs = (Leg(pot, creator_pending(star, "EUR"), minor - minor // 5), Leg(pot, platform_fee("EUR"), minor // 5))
        if minor:
            settled = tuple(leg for leg in legs if leg.amount_minor)
            self.run(self.world.move(Transfer(f"pot:{self.spent}", Purpose.BATTLE_POT, "battle", settled)))

    @rule(confirms=st.booleans())
    def confirm(self, confirms: bool) -> None:
        for charge_id in self._waiting_for_holder()[:1]:
            assert self.run(self.world.sandbox.holder_decides(charge_id, confirms=confirms))

    @rule(number=st.integers(0, 1_000), again=st.booleans())
    def refund(self, number: int, again: bool) -> None:
        found = self.run(self.world.executor.read(_transactions))
        if found:
            request = RefundRequest(found[number % len(found)], "please", "admin")
            for _ in range(2 if again else 1):
                self.attempt(self.world.refunds.refund(request))

    @rule(star=STARS, amount_minor=st.none() | AMOUNTS, key=st.integers(0, 5))
    def pay_out(self, star: str, amount_minor: int | None, key: int) -> None:
        self.attempt(self.world.payouts.request(PayoutRequest(star, amount_minor, f"payout-{key}")))

    # ---- what happens -----------------------------------------------------------------------------------------------

    @rule(duration_ms=st.sampled_from((100, 2_000, 10_000, 60_000)))
    def time_passes(self, duration_ms: int) -> None:
        self.run(self.world.run(duration_ms, step_ms=max(100, duration_ms // 10)))

    @rule()
    def a_day_passes(self) -> None:
        self.run(self.world.run(DAY_MS, step_ms=DAY_MS // 3))

    @rule(before=st.booleans())
    def the_line_is_cut(self, before: bool) -> None:
        self.line.cut_before, self.line.cut_after = before, not before

    @rule()
    def the_line_is_back(self) -> None:
        self.line.cut_before = self.line.cut_after = False

    @rule()
    def crash(self) -> None:
        self.run(self.world.crash())

    @rule(number=st.integers(0, 1_000))
    def an_old_webhook_comes_again(self, number: int) -> None:
        """Signed anew, as a gateway does that was not answered."""
        found = self.run(self.world.executor.read(_bodies))
        if found:
            body = found[number % len(found)].encode()
            headers = {SIGNATURE_HEADER: signature.sign(SECRET, body, self.world.clock.now_ms() // 1000)}
            assert not self.run(self.world.inbox.receive("sandbox", headers, body))

    @invariant()
    def the_books_are_in_order(self) -> None:
        assert self.run(self.world.executor.read(verify)).problems == ()

    # ---- the end ----------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self.the_line_is_back()
            self._drain()
            for what in self.run(self.world.executor.read(_compare)):
                event(what)  # shown by --hypothesis-show-statistics: that all of it happens
        finally:
            self.run(self.world.close())
            self.runner.close()
            self.stack.close()

    def _drain(self) -> None:
        """Let everything be decided and told."""
        for _ in range(DRAIN_ROUNDS):
            for charge_id in self._waiting_for_holder():
                self.run(self.world.sandbox.holder_decides(charge_id, confirms=True))
            if self.run(self.world.executor.read(_is_quiet)):
                return
            self.run(self.world.run(30_000, step_ms=30_000))
        raise AssertionError("something is never decided")

    def _waiting_for_holder(self) -> list[str]:
        query = select(store.payments.c.charge_id).where(store.payments.c.status == "requires_action")
        found: list[str] = self.run(self.world.executor.read(lambda tx: list(tx.execute(query).scalars())))
        return found


def _transactions(tx: Connection) -> list[str]:
    return list(tx.execute(select(transfers.c.transfer_id).order_by(transfers.c.seq)).scalars())


def _bodies(tx: Connection) -> list[str]:
    return list(tx.execute(select(webhook_inbox.c.body).order_by(webhook_inbox.c.event_id)).scalars())


def _is_quiet(tx: Connection) -> bool:
    """Whether nothing is open on either side, and every webhook was worked on."""
    payments, refunds, payouts = card_payments, refund_store.refunds, payout_store.payouts
    final = (PaymentStatus.SUCCEEDED, PaymentStatus.DECLINED)
    disputes = store.disputes
    open_rows = (
        select(payments.c.payment_id).where(payments.c.status.not_in(final)),
        select(refunds.c.refund_id).where(refunds.c.status.in_(refund_store.OPEN)),
        select(payouts.c.payout_id).where(payouts.c.status.in_(payout_store.OPEN)),
        select(webhook_inbox.c.event_id).where(webhook_inbox.c.status == InboxStatus.RECEIVED),
        select(store.payments.c.charge_id).where(store.payments.c.due_at_ms.is_not(None)),
        select(disputes.c.dispute_id).where(disputes.c.due_at_ms.is_not(None)),
        select(store.deliveries.c.delivery_id),
    )
    return all(tx.execute(query.limit(1)).first() is None for query in open_rows)


def _compare(tx: Connection) -> set[str]:
    """What the gateway did is what we have on record, and what the ledger moved. Returns what there was of it."""
    theirs = {row.key: row.status for row in tx.execute(select(store.payments))}
    ours = {row.payment_id: row.status for row in tx.execute(select(card_payments))}
    assert ours == theirs
    told = {row.dispute_id: row.status for row in tx.execute(select(store.disputes))}
    known = {row.gateway_id: row.state for row in tx.execute(select(dispute_store.disputes))}
    assert known == told
    webhooks = set(tx.execute(select(webhook_inbox.c.status)).scalars())
    assert webhooks <= {InboxStatus.PROCESSED, InboxStatus.IGNORED}

    def total(table: Any, *where: Any) -> int:
        return int(tx.execute(select(func.coalesce(func.sum(table.c.amount_minor), 0)).where(*where)).scalar_one())

    came_in = total(store.payments, store.payments.c.status == "succeeded")
    went_back = total(store.refunds, store.refunds.c.status == "succeeded")
    went_out = total(store.payouts, store.payouts.c.status == "succeeded")
    was_lost = total(dispute_store.disputes, dispute_store.disputes.c.state == "lost")
    t, clearing = transfers, gateway_clearing("sandbox", "EUR").id
    moved = t.c.kind.in_(("single", "post"))
    balance = total(t, t.c.credit_account_id == clearing, moved) - total(t, t.c.debit_account_id == clearing, moved)
    assert balance == went_back + went_out + was_lost - came_in
    assert total(t, t.c.key.like("card:%")) == came_in
    seen = {f"payment {status}" for status in ours.values()} | {f"dispute {state}" for state in known.values()}
    refunds, payouts = refund_store.refunds, payout_store.payouts
    for kind, status in tx.execute(select(refunds.c.payment_id.is_(None), refunds.c.status)):
        seen.add(f"refund of a {'spend' if kind else 'card'} {status}")
    return seen | {f"payout {status}" for status in tx.execute(select(payouts.c.status)).scalars()}


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_money_moves_once(database_kind: str, seed: int, request: pytest.FixtureRequest) -> None:
    cluster = request.getfixturevalue("postgres") if database_kind == "postgresql" else None
    share = 8 if cluster is None else 20
    run_state_machine_as_test(
        lambda: PaymentHistories(cluster, seed),
        settings=settings(max_examples=max(1, settings().max_examples // share), stateful_step_count=30),
    )
