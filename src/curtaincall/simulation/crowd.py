"""What the people do: fans come, pay in, call, tip and go; creators answer, or not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from random import Random
from typing import Final

from curtaincall.accounts.model import Role, User
from curtaincall.accounts.store import NewUser, add_user
from curtaincall.charging.model import OVER, SessionState
from curtaincall.charging.rates import Rates
from curtaincall.charging.views import SessionView
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.purchases.model import NewTip
from curtaincall.simulation.people import DAY_MIN, TOP_UPS_MINOR, Creator, Fan, draw_creator, draw_fan, draw_hour
from curtaincall.simulation.platform import Platform
from curtaincall.simulation.tally import Tally

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
DAY_US: Final = DAY_MIN * MINUTE_US

NO_PASSWORD: Final = "!"  # noqa: S105 - no hash: nobody ever signs in here
BIRTH_DATE: Final = date(1990, 1, 1)

LONGEST_CALL_S: Final = 5_400

IN_CALL: Final = frozenset({SessionState.ACTIVE, SessionState.RENEWING, SessionState.FINAL, SessionState.PAUSED})


@dataclass(frozen=True, slots=True)
class Size:
    """How long the simulation goes on, and for how many people."""

    days: int
    creators: int
    fans: int


class Crowd:
    """Everybody. Each decision is drawn from one seed, in the order in which things happen."""

    def __init__(self, platform: Platform, size: Size, seed: int, tally: Tally) -> None:
        self._platform = platform
        self._services = platform.services
        self._currency = platform.services.settings.currency
        self._size = size
        self._random = Random(f"people:{seed}")  # noqa: S311 - behaviour, not secrets
        self._tally = tally
        self.creators: list[Creator] = []
        self.fans: list[Fan] = []

    async def settle_in(self) -> None:
        """Make everybody's account, the creators' rates, and put the first visits on the agenda."""
        random = self._random
        for number in range(self._size.creators):
            creator = draw_creator(self._platform.new_id(), random)
            self.creators.append(creator)
            await self._add(creator.user_id, creator.name, f"creator{number}", Role.CREATOR)
            await self._services.charging.set_rates(creator.user_id, self._rates(creator))
        for number in range(self._size.fans):
            fan = draw_fan(self._platform.new_id(), random, self._size.creators)
            self.fans.append(fan)
            await self._add(fan.user_id, f"Fan {number}", f"fan{number}", Role.FAN)
        for day in range(self._size.days):
            for fan in self.fans:
                if random.random() < fan.visits_per_day:
                    at_us = int((day * 24 + draw_hour(random)) * 3_600) * SECOND_US
                    self._at(at_us, partial(self._visit, fan))

    # ---- a visit ----------------------------------------------------------------------------------------------------

    async def _visit(self, fan: Fan) -> None:
        if fan.busy:
            return
        self._tally.count("visits")
        creator = self._choose(fan)
        if creator is None:
            self._tally.count("found nobody online")
            return
        if not await self._has_money(fan, creator):
            return
        await self._call(fan, creator)

    def _choose(self, fan: Fan) -> Creator | None:
        """A favourite who is free, else anybody who is."""
        minute = self._platform.now_us // MINUTE_US
        free = [creator for creator in self.creators if creator.works_at(minute) and not creator.calls]
        if not free:
            return None
        liked = [self.creators[number] for number in fan.favourites if self.creators[number] in free]
        if liked and self._random.random() < 0.8:
            return self._random.choice(liked)
        return self._random.choices(free, [creator.weight for creator in free])[0]

    async def _has_money(self, fan: Fan, creator: Creator) -> bool:
        """See to it that the wallet covers a few minutes; whoever's card declines gives up, mostly."""
        wallet = await self._services.wallet.wallet(fan.user_id)
        if wallet.available_minor >= creator.price_minor * self._random.randint(1, 6):
            return True
        if fan.method_id is None:
            method = await self._services.wallet.add_payment_method(fan.user_id, "sandbox", fan.card)
            fan.method_id = method.payment_method_id
        return await self._top_up(fan) or wallet.available_minor >= creator.price_minor

    async def _top_up(self, fan: Fan) -> bool:
        assert fan.method_id is not None
        amount_minor = self._random.choice(TOP_UPS_MINOR)
        made = await self._services.wallet.top_up(
            fan.user_id, amount_minor, self._currency, fan.method_id, self._platform.new_id()
        )
        self._tally.count(f"top-ups {made.status}")
        if made.decline_code is not None:
            self._tally.decline(made.decline_code)
        return made.status == "succeeded"

    # ---- a call -----------------------------------------------------------------------------------------------------

    async def _call(self, fan: Fan, creator: Creator) -> None:
        view = await self._try(self._services.calls.request(fan.user_id, creator.user_id))
        if view is None:
            return
        fan.busy = True
        creator.calls += 1
        chance = self._random.random()
        if chance < 0.88:
            self._in(self._random.randint(2, 25), partial(self._accept, fan, creator, view))
        elif chance < 0.94:
            self._in(self._random.randint(2, 40), partial(self._refuse, fan, creator, view))
        else:  # nobody answers
            self._in(70, partial(self._after_call, fan, creator, view.session_id))

    async def _accept(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        accepted = await self._try(self._services.calls.accept(view.session_id, creator.user_id))
        if accepted is None:
            await self._after_call(fan, creator, view.session_id)
            return
        await self._services.rooms.take_seat(view.room_id, creator.user_id, creator.name)
        if self._random.random() < 0.02:  # the fan never comes
            self._in(40, partial(self._after_call, fan, creator, view.session_id))
            return
        await self._services.rooms.take_seat(view.room_id, fan.user_id, "Fan")
        self._in(self._length_s(fan), partial(self._hang_up, fan, creator, view))
        if self._random.random() < 0.04:
            self._in(self._random.randint(5, 200), partial(self._lose, fan, creator, view))
        if self._random.random() < 0.15:
            self._in(self._random.randint(30, 300), partial(self._tip, fan, creator, view))

    def _length_s(self, fan: Fan) -> int:
        """How long they would talk if money were no matter: some change their mind at once, few forget the time."""
        if self._random.random() < 0.05:
            return self._random.randint(2, 12)
        return min(LONGEST_CALL_S, 5 + int(fan.patience_s * self._random.triangular(0.1, 4.0, 0.8)))

    async def _refuse(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        if self._random.random() < 0.5:
            await self._services.calls.decline(view.session_id, creator.user_id)
        else:
            await self._services.calls.end(view.session_id, fan.user_id)
        await self._after_call(fan, creator, view.session_id)

    async def _lose(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        """Somebody's network goes away; mostly it comes back in time."""
        lost = fan.user_id if self._random.random() < 0.7 else creator.user_id
        self._platform.engine.lose(view.session_id, lost)
        if self._random.random() < 0.6:
            back = partial(self._regain, view.session_id, lost)
            self._in(self._random.randint(3, 25), back)

    async def _regain(self, session_id: str, user_id: str) -> None:
        self._platform.engine.regain(session_id, user_id)

    async def _tip(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        if (await self._services.charging.session(view.session_id)).state not in IN_CALL:
            return
        amount_minor = self._random.choice((100, 200, 500, 500, 1_000, 2_000))
        key = self._platform.new_id()
        new = NewTip(view.room_id, fan.user_id, creator.user_id, amount_minor, self._currency, "thank you", key)
        await self._try(self._services.room_purchases.tip(new))

    async def _hang_up(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        current = await self._services.charging.session(view.session_id)
        if current.state not in OVER:
            ender = fan.user_id if self._random.random() < 0.8 else creator.user_id
            await self._services.calls.end(view.session_id, ender)
        await self._after_call(fan, creator, view.session_id)

    async def _after_call(self, fan: Fan, creator: Creator, session_id: str) -> None:
        fan.busy = False
        creator.calls -= 1
        fan.bought.append(session_id)

    # ---- how things are done ----------------------------------------------------------------------------------------

    async def _add(self, user_id: str, name: str, address: str, role: Role) -> None:
        user = User(user_id, f"{address}@simulation.example", name, role, BIRTH_DATE, self._platform.clock.now_ms())
        await self._services.executor.submit(add_user, NewUser(user, NO_PASSWORD))

    def _rates(self, creator: Creator) -> Rates:
        return Rates(
            price_per_minute_minor=creator.price_minor,
            currency=self._currency,
            instant_unlock_minor=creator.price_minor * 2,
            subscription_monthly_minor=creator.price_minor * 5,
            premium_hd_minor=creator.price_minor,
        )

    async def _try(self, attempt: Awaitable[SessionView] | Awaitable[object]) -> SessionView | None:
        """Do what the house may refuse; a refusal is counted, and taken as people take it."""
        try:
            result = await attempt
        except CurtaincallError as refusal:
            self._tally.refusal(refusal.code)
            return None
        return result if isinstance(result, SessionView) else None

    def _at(self, at_us: int, act: Callable[[], Awaitable[None]]) -> None:
        self._platform.agenda.note(at_us, act)

    def _in(self, delay_s: int, act: Callable[[], Awaitable[None]]) -> None:
        self._at(self._platform.now_us + delay_s * SECOND_US, act)
