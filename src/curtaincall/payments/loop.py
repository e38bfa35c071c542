"""The loop of payments: whatever is due is worked on, round after round, for as long as the app runs.

Every step of a round takes a bounded batch; one that fails is logged and does not keep the others from their turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from curtaincall.kernel.clock import Clock
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.disputes import Disputes
from curtaincall.payments.due import anything_due
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.inbox import WebhookInbox, Worker
from curtaincall.payments.payouts import Payouts
from curtaincall.payments.ports import EventKind, WebhookEvent
from curtaincall.payments.refunds import Refunds
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.storage.executor import WriteExecutor

ROUND_EVERY_S: Final = 0.5
"""From the end of one round to the next."""

RELEASE_EVERY_MS: Final = 600_000
"""From one release of earnings to the next: their waiting time is counted in days."""

FORGET_EVERY_MS: Final = 3_600_000
"""From one clearing of the inbox to the next."""

log = logging.getLogger(__name__)


class PaymentsLoop:
    """Turns everything of payments that goes on by itself."""

    def __init__(
        self,
        executor: WriteExecutor,
        gateways: Gateways,
        inbox: WebhookInbox,
        cards: CardPayments,
        refunds: Refunds,
        payouts: Payouts,
        clock: Clock,
    ) -> None:
        self._executor = executor
        self._sandboxes = [gateway for gateway in gateways if isinstance(gateway, SandboxGateway)]
        self._inbox = inbox
        self._cards = cards
        self._refunds = refunds
        self._payouts = payouts
        self._clock = clock
        self._release_at_ms = 0
        self._forget_at_ms = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find out what became of everything that a crash interrupted; then go on round by round."""
        for resume in (self._cards.start, self._refunds.start, self._payouts.start):
            await resume()
        self._task = asyncio.create_task(self._run(), name="payments")

    async def stop(self) -> None:
        """Stop between two steps' writes: what was begun is taken up at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> None:
        """Work on everything that is due, once."""
        for sandbox in self._sandboxes:
            await self._step("sandbox", sandbox.work)
            await self._step("webhooks", partial(self._deliver, sandbox))
        await self._step("inbox", self._inbox.work)
        await self._step("cards", self._cards.work)
        await self._step("refunds", self._refunds.work)
        await self._step("payouts", self._payouts.work)
        now_ms = self._clock.now_ms()
        if now_ms >= self._release_at_ms:
            self._release_at_ms = now_ms + RELEASE_EVERY_MS
            await self._step("release", self._payouts.release_all)
        if now_ms >= self._forget_at_ms:
            self._forget_at_ms = now_ms + FORGET_EVERY_MS
            await self._step("forget", self._inbox.forget)

    async def _deliver(self, sandbox: SandboxGateway) -> int:
        """Bring the sandbox's webhooks as HTTP would: raw bytes and headers, verified like anybody's."""
        return await sandbox.send_webhooks(lambda headers, body: self._inbox.receive(sandbox.name, headers, body))

    async def _step(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except Exception:
            log.exception("payments_step_failed", extra={"step": name})

    async def _run(self) -> None:
        while True:
            await self._step("round", self._round_if_due)
            await asyncio.sleep(ROUND_EVERY_S)

    async def _round_if_due(self) -> None:
        """One question instead of each step's own: most of the time nothing is due."""
        now_ms = self._clock.now_ms()
        on_schedule = now_ms >= min(self._release_at_ms, self._forget_at_ms)
        if on_schedule or await self._executor.read(lambda tx: anything_due(tx, now_ms)):
            await self.round()


def workers(cards: CardPayments, refunds: Refunds, payouts: Payouts, disputes: Disputes) -> dict[EventKind, Worker]:
    """Who fetches what a webhook is about."""

    async def charge(gateway: str, event: WebhookEvent) -> None:
        await cards.refresh(gateway, event.object_id, event.key)

    async def refund(gateway: str, event: WebhookEvent) -> None:
        await refunds.refresh(gateway, event.object_id, event.key)

    async def payout(gateway: str, event: WebhookEvent) -> None:
        await payouts.refresh(gateway, event.object_id, event.key)

    async def dispute(gateway: str, event: WebhookEvent) -> None:
        await disputes.refresh(gateway, event.object_id)

    return {
        EventKind.CHARGE: charge,
        EventKind.REFUND: refund,
        EventKind.PAYOUT: payout,
        EventKind.DISPUTE: dispute,
    }
