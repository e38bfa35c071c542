"""What payments are doing when the server is killed: each scenario starts on a data folder as after any start, asks
again for what a client would ask for again, and sees it through.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from curtaincall.payments.errors import AlreadyRefunded
from curtaincall.payments.inbox import STUCK_AFTER_MS
from curtaincall.payments.model import TopUp
from curtaincall.payments.payouts import PayoutRequest
from curtaincall.payments.refunds import RefundRequest
from curtaincall.payments.sandbox import SandboxGateway, SandboxRules
from curtaincall.storage.database import migrate, open_database
from support.payments_world import FAN, STAR, PaymentsWorld

GATEWAYS: Final = {SandboxGateway: ("charge", "charge_status", "refund", "payout", "payout_status", "dispute")}
"""Whose calls have boundaries."""

RULES: Final = SandboxRules(
    settle_after_ms=1_000,
    dispute_after_ms=1_000,
    decide_after_ms=2_000,
    payout_after_ms=1_000,
    max_delay_ms=500,
    duplicate_percent=0,
)
STEP_MS: Final = 1_000


class RestartedPayments(PaymentsWorld):
    """A world that is opened again and again on one folder, each time with ids of its own."""

    def __post_init__(self) -> None:
        self.prefix = os.urandom(6).hex()
        PaymentsWorld.__post_init__(self)

    def new_id(self) -> str:
        return f"{self.prefix}-{next(self.numbers)}"

    async def top_up_once(self) -> TopUp:
        """The same purchase at each start: same card, same key."""
        [card] = await self.wallets.payment_methods(FAN)
        return await self.wallets.top_up(FAN, 1_000, "EUR", card.payment_method_id, "the-fans-key")


async def prepared(directory: Path, token: str) -> None:
    """A fan with one card."""
    database = open_database(directory)
    migrate(database)
    world = PaymentsWorld(database, RULES)
    await world.card(token)
    await world.close()


async def started(directory: Path, release_after_days: int = 7) -> RestartedPayments:
    world = RestartedPayments(open_database(directory), RULES, release_after_days)
    await world.resume()
    return world


async def pending_top_up_and_payout(directory: Path) -> None:
    """A charge that its gateway decides later; then a tip out of it, which its creator has paid out."""
    world = await started(directory, release_after_days=0)
    await world.top_up_once()
    await world.run(4_000, STEP_MS)
    await world.spend(1_000, "tip")
    await world.payouts.request(PayoutRequest(STAR, None, "the-creators-key"))
    await world.run(4_000, STEP_MS)
    await seen_through(world)


async def dispute(directory: Path) -> None:
    """A payment that is spent, disputed, and won back."""
    world = await started(directory)
    await world.top_up_once()
    await world.spend(700, "tip")
    await world.run(8_000, STEP_MS)
    await seen_through(world)


async def refund(directory: Path) -> None:
    """A payment that goes back to its card, which takes a while."""
    world = await started(directory)
    await world.top_up_once()
    with contextlib.suppress(AlreadyRefunded):
        request = RefundRequest(await world.transaction("top_up"), "please", "admin")
        await world.refunds.refund(request)
    await world.run(4_000, STEP_MS)
    await seen_through(world)


async def seen_through(world: PaymentsWorld) -> None:
    """Go on until the windows are over after which what a dead worker had taken up is taken up again."""
    await world.run(STUCK_AFTER_MS + 6_000, step_ms=11_000)
    await world.close()
