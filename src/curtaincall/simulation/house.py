"""What goes on behind the scenes: webhooks, renewals, payouts, complaints, and the operator who decides."""

from functools import partial
from random import Random
from typing import Final

from curtaincall.backoffice.model import Order
from curtaincall.payments.events import CardPaymentChanged, DisputeChanged
from curtaincall.payments.payouts import PayoutRequest
from curtaincall.payments.ports import DisputeState
from curtaincall.simulation.people import Creator, Fan
from curtaincall.simulation.stage import DAY_US, HOUR_US, MINUTE_US, Stage

OPERATOR: Final = "simulation"

ROUND_EVERY_US: Final = 30 * MINUTE_US
"""How often payments look for what is due when nothing has just happened."""

AFTER_PAYMENT_S: Final = (1, 2, 90)
"""When they look after a payment: its webhooks come within two seconds, some of them twice."""

PAYOUT_MINOR: Final = 2_000
"""Creators do not ask for less."""


class House:
    """Turns what the app's own loops would turn, at the moments at which there is something to do."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._random = Random(f"house:{stage.seed}")  # noqa: S311 - behaviour, not secrets
        self._services = stage.services
        self._services.bus.subscribe(CardPaymentChanged, self._on_payment)
        self._services.bus.subscribe(DisputeChanged, self._on_dispute)

    def open(self) -> None:
        """Put everything that recurs on the agenda."""
        stage = self._stage
        stage.every(ROUND_EVERY_US, self._work_on_payments)
        stage.every(HOUR_US, self._renew_subscriptions)
        stage.every(DAY_US, self._release_earnings)
        stage.every(DAY_US, self._hear_complaints)
        for number, creator in enumerate(stage.creators):
            stage.at(9 * HOUR_US + number * MINUTE_US, partial(self._ask_for_payout, creator))

    async def close(self) -> None:
        """Work on what is due at the end."""
        await self._work_on_payments()
        await self._renew_subscriptions()

    async def _work_on_payments(self) -> None:
        """What `PaymentsLoop` does, but for releases; and what goes wrong in it ends the simulation."""
        services, sandbox = self._services, self._stage.platform.sandbox
        await sandbox.work()
        await sandbox.send_webhooks(partial(services.webhooks.receive, sandbox.name))
        for work in (services.webhooks.work, services.cards.work, services.refunds.work, services.payouts.work):
            await work()

    async def _release_earnings(self) -> None:
        await self._services.payouts.release_all()

    async def _renew_subscriptions(self) -> None:
        await self._services.subscriptions.tick()

    async def _ask_for_payout(self, creator: Creator) -> None:
        """Once a week, if it is worth it."""
        stage = self._stage
        stage.at(stage.platform.now_us + 7 * DAY_US, partial(self._ask_for_payout, creator))
        await stage.services.payouts.release(creator.user_id)
        earned = await stage.services.wallet.earnings(creator.user_id)
        if earned.payable_minor < PAYOUT_MINOR:
            return
        await stage.attempt(
            stage.services.payouts.request(PayoutRequest(creator.user_id, None, stage.platform.new_id()))
        )

    # ---- the operator -----------------------------------------------------------------------------------------------

    async def _hear_complaints(self) -> None:
        """Some of yesterday's callers want their money back, and get it; now and then the house gives something."""
        for fan in self._stage.fans:
            calls, fan.calls = fan.calls, []
            for call_id in calls:
                if self._random.random() < 0.01:
                    await self._refund_call(fan, call_id)
            if calls and self._random.random() < 0.005:
                order = self._order("for the trouble")
                adjusted = self._services.backoffice.adjust(order, fan.user_id, 500, self._stage.currency)
                await self._stage.attempt(adjusted)

    async def _refund_call(self, fan: Fan, call_id: str) -> None:
        """Every posting of the call on the newest page of the fan's statement."""
        page = await self._services.statements.transactions(fan.user_id, None, 100)
        for line in page.items:
            if line.ref == call_id and line.amount_minor < 0:
                await self._stage.attempt(self._services.backoffice.refund(self._order("the picture froze"), line.id))
        self._stage.tally.count("complaints")

    async def _on_payment(self, event: CardPaymentChanged) -> None:
        self._stage.tally.count(f"{event.purpose} payments {event.status}")
        if event.decline_code is not None:
            self._stage.tally.decline(event.decline_code)
        for delay_s in AFTER_PAYMENT_S:
            self._stage.in_seconds(delay_s, self._work_on_payments)

    async def _on_dispute(self, event: DisputeChanged) -> None:
        self._stage.tally.count(f"disputes {event.state}")
        if event.state is DisputeState.LOST:
            self._stage.in_seconds(3_600, partial(self._freeze, event.user_id))

    async def _freeze(self, user_id: str) -> None:
        await self._stage.attempt(self._services.backoffice.freeze(self._order("a lost dispute"), user_id))
        self._stage.tally.count("accounts frozen")

    def _order(self, reason: str) -> Order:
        return Order(f"service:{OPERATOR}", self._stage.platform.new_id(), reason)
