"""What is going on when the server is killed: each scenario starts the services on a data folder, as after any start,
asks for what a client would ask for again, and sees it through.
"""

import os
from pathlib import Path
from typing import Final

from curtaincall.charging.errors import ChargingError
from curtaincall.charging.model import OVER, ChargingSettings, EndReason, QuotaRules
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.storage.database import open_database
from support.money_world import FAN, MoneyWorld

GATEWAYS: Final = {SandboxGateway: ("charge",)}
"""Whose calls have boundaries."""

START_MINOR: Final = 2_000
TOP_UP_MINOR: Final = 500
CALL_MS: Final = 32_000
CARD_FILE: Final = "card"
"""Holds the id of the fan's saved card."""


class RestartedWorld(MoneyWorld):
    """A world that is opened again and again on one folder, each time with ids of its own."""

    def __post_init__(self) -> None:
        self.prefix = os.urandom(6).hex()
        MoneyWorld.__post_init__(self)

    def new_id(self) -> str:
        return f"{self.prefix}-{next(self.numbers)}"

    async def start(self) -> None:
        """What bootstrap's App does."""
        await self.cards.start()
        await self.charging.start()


async def prepared(directory: Path) -> None:
    """A fan with a card and money, a creator with a price."""
    world = MoneyWorld.open(directory)
    await world.priced(600, minimum_ms=10_000)
    await world.pay_in(START_MINOR)
    [card] = await world.wallets.payment_methods(FAN)
    (directory / CARD_FILE).write_text(card.payment_method_id)
    await world.close()


SMALL_SLICES: Final = ChargingSettings(quota=QuotaRules(first_hold_ms=20_000, slice_ms=10_000), ask_early_ms=5_000)
"""Several holds within half a minute, so that a call has every kind of step and not too many of them."""


async def _started(directory: Path) -> RestartedWorld:
    world = RestartedWorld(open_database(directory), settings=SMALL_SLICES)
    await world.start()
    return world


async def top_up(directory: Path) -> None:
    """The fan buys wallet money, and sends the request again if no answer came."""
    world = await _started(directory)
    card = (directory / CARD_FILE).read_text()
    made = await world.wallets.top_up(FAN, TOP_UP_MINOR, "EUR", card, "the-fans-key")
    assert made.status == "succeeded"
    await world.close()


async def paid_call(directory: Path) -> None:
    """A call with its renewals and its settlement; one that a crash ended is not resumed."""
    world = await _started(directory)
    try:
        known = await world.charging.session("call")
    except ChargingError:
        known = None
    if known is None:
        await world.call("call")
        await world.run(CALL_MS)
        await world.end(EndReason.PAYER_ENDED, "call")
    else:
        assert known.state in OVER, known
    await world.close()
