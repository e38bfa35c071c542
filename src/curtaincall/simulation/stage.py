"""What every part of the simulated life shares: the platform, the people, the tally, and how things are tried."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from curtaincall.kernel.errors import CurtaincallError
from curtaincall.simulation.people import DAY_MIN, TOP_UPS_MINOR, Creator, Fan
from curtaincall.simulation.platform import Platform
from curtaincall.simulation.tally import Tally
from curtaincall.transports.services import Services

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = DAY_MIN * MINUTE_US

Act = Callable[[], Awaitable[None]]
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Size:
    """How long the simulation goes on, and for how many people."""

    days: int
    creators: int
    fans: int


@dataclass(slots=True)
class Stage:
    """One seed, one platform, everybody on it."""

    platform: Platform
    size: Size
    seed: int
    tally: Tally = field(default_factory=Tally)
    creators: list[Creator] = field(default_factory=list)
    fans: list[Fan] = field(default_factory=list)

    @property
    def services(self) -> Services:
        return self.platform.services

    @property
    def currency(self) -> str:
        return self.services.settings.currency

    @property
    def minute(self) -> int:
        """Minutes since the first midnight."""
        return self.platform.now_us // MINUTE_US

    def at(self, at_us: int, act: Act) -> None:
        """Put something on the agenda."""
        self.platform.agenda.note(at_us, act)

    def in_seconds(self, delay_s: int, act: Act) -> None:
        self.at(self.platform.now_us + delay_s * SECOND_US, act)

    def every(self, period_us: int, act: Act) -> None:
        """Do something again and again, for the first time after one period, until the simulation ends."""
        self.at(self.platform.now_us + period_us, partial(self._again, period_us, act))

    async def attempt(self, attempt: Awaitable[R]) -> R | None:
        """Do what the house may refuse; a refusal is counted, and taken as people take it: None."""
        try:
            return await attempt
        except CurtaincallError as refusal:
            self.tally.refusal(refusal.code)
            return None

    async def card_of(self, fan: Fan) -> str | None:
        """The fan's card, saved at its first use; None if that is refused."""
        if fan.method_id is None:
            saved = await self.attempt(self.services.wallet.add_payment_method(fan.user_id, "sandbox", fan.card))
            fan.method_id = None if saved is None else saved.payment_method_id
        return fan.method_id

    async def top_up(self, fan: Fan, chance: float) -> bool:
        """Pay in by card, an amount that `chance` (from 0 to 1) chooses. Returns whether the money is there at once."""
        method_id = await self.card_of(fan)
        if method_id is None:
            return False
        amount_minor = TOP_UPS_MINOR[int(chance * len(TOP_UPS_MINOR))]
        key = self.platform.new_id()
        made = await self.attempt(self.services.wallet.top_up(fan.user_id, amount_minor, self.currency, method_id, key))
        if made is None:
            return False
        if made.status == "requires_action" and chance < 0.9:
            self.in_seconds(30 + int(chance * 60), partial(self._confirm, made.top_up_id))
        return made.status == "succeeded"

    async def _confirm(self, payment_id: str) -> None:
        """The card's holder confirms on the page of the bank."""
        record = await self.services.cards.record(payment_id)
        if record.gateway_id is not None:
            await self.platform.sandbox.holder_decides(record.gateway_id, True)

    async def _again(self, period_us: int, act: Act) -> None:
        await act()
        self.every(period_us, act)
