"""What the people do: fans come, pay in, call, subscribe, tip and go; creators answer, or not."""

from collections.abc import Coroutine
from datetime import date
from functools import partial
from random import Random
from typing import Any, Final

from curtaincall.access.model import SubscriptionCalls
from curtaincall.accounts.model import Role, User
from curtaincall.accounts.store import NewUser, add_user
from curtaincall.charging.model import OVER, SessionState
from curtaincall.charging.rates import Rates
from curtaincall.charging.views import SessionView
from curtaincall.payments.recharge import RechargeRules
from curtaincall.purchases.model import NewTip
from curtaincall.simulation.people import Creator, Fan, draw_creator, draw_fan, draw_hour
from curtaincall.simulation.shows import Shows
from curtaincall.simulation.stage import SECOND_US, Stage

NO_PASSWORD: Final = "!"  # noqa: S105 - no hash: nobody ever signs in here
BIRTH_DATE: Final = date(1990, 1, 1)

LONGEST_CALL_S: Final = 5_400

IN_CALL: Final = frozenset({SessionState.ACTIVE, SessionState.RENEWING, SessionState.FINAL, SessionState.PAUSED})


class Crowd:
    """Everybody. Each decision is drawn from one seed, in the order in which things happen."""

    def __init__(self, stage: Stage, shows: Shows) -> None:
        self._stage = stage
        self._services = stage.services
        self._shows = shows
        self._random = Random(f"people:{stage.seed}")  # noqa: S311 - behaviour, not secrets

    async def settle_in(self) -> None:
        """Make everybody's account, the creators' rates, and put all visits on the agenda."""
        stage, random = self._stage, self._random
        for number in range(stage.size.creators):
            creator = draw_creator(stage.platform.new_id(), random)
            stage.creators.append(creator)
            await self._add(creator.user_id, creator.name, f"creator{number}", Role.CREATOR)
            await self._services.charging.set_rates(creator.user_id, self._rates(creator))
            await self._services.presence.opened(creator.user_id)
        for number in range(stage.size.fans):
            fan = draw_fan(stage.platform.new_id(), random, stage.size.creators)
            stage.fans.append(fan)
            await self._add(fan.user_id, f"Fan {number}", f"fan{number}", Role.FAN)
        for day in range(stage.size.days):
            for fan in stage.fans:
                if random.random() < fan.visits_per_day:
                    at_us = int((day * 24 + draw_hour(random)) * 3_600) * SECOND_US
                    stage.at(at_us, partial(self._visit, fan))

    # ---- a visit ----------------------------------------------------------------------------------------------------

    async def _visit(self, fan: Fan) -> None:
        tally, chance = self._stage.tally, self._random.random()
        if fan.busy:
            return
        tally.count("visits")
        if chance < 0.2 and await self._shows.visit(fan):
            return
        if chance > 0.93:
            await self._subscribe(fan)
            return
        creator = self._choose(fan)
        if creator is None:
            tally.count("found nobody online")
        elif await self._has_money(fan, creator):
            await self._call(fan, creator)

    def _choose(self, fan: Fan) -> Creator | None:
        """A favourite who is free, else anybody who is."""
        creators, minute = self._stage.creators, self._stage.minute
        free = [creator for creator in creators if creator.works_at(minute) and not creator.calls]
        if not free:
            return None
        liked = [creators[number] for number in fan.favourites if creators[number] in free]
        if liked and self._random.random() < 0.8:
            return self._random.choice(liked)
        return self._random.choices(free, [creator.weight for creator in free])[0]

    async def _has_money(self, fan: Fan, creator: Creator) -> bool:
        """See to it that the wallet covers a few minutes; whoever's card declines calls only if one minute is left."""
        wallet = await self._services.wallet.wallet(fan.user_id)
        if wallet.available_minor >= creator.price_minor * self._random.randint(1, 6):
            return True
        if await self._stage.top_up(fan, self._random.random()):
            await self._allow_recharge(fan)
            return True
        return wallet.available_minor >= creator.price_minor

    async def _allow_recharge(self, fan: Fan) -> None:
        """Some let the house charge their card when a call would run out."""
        if fan.recharges or self._random.random() > 0.05 or fan.method_id is None:
            return
        fan.recharges = True
        rules = RechargeRules(enabled=True, payment_method_id=fan.method_id, amount_minor=1_000, max_per_day=3)
        await self._stage.attempt(self._services.recharge.set_rules(fan.user_id, rules))

    async def _subscribe(self, fan: Fan) -> None:
        """Subscribe to a favourite, or (one who has subscribed) cancel now and then."""
        stage = self._stage
        if fan.subscription_id is not None:
            if self._random.random() < 0.3:
                await stage.attempt(self._services.subscriptions.cancel(fan.subscription_id, fan.user_id))
                stage.tally.count("subscriptions cancelled")
            return
        method_id = await stage.card_of(fan)
        if method_id is None:
            return
        creator = stage.creators[fan.favourites[0]]
        made = await stage.attempt(
            self._services.subscriptions.subscribe(fan.user_id, creator.user_id, method_id, stage.platform.new_id())
        )
        if made is not None:
            fan.subscription_id = made.subscription.subscription_id
            stage.tally.count("subscriptions begun")

    # ---- a call -----------------------------------------------------------------------------------------------------

    async def _call(self, fan: Fan, creator: Creator) -> None:
        view = await self._stage.attempt(self._services.calls.request(fan.user_id, creator.user_id))
        if view is None:
            return
        fan.busy = True
        creator.calls += 1
        chance = self._random.random()
        if chance < 0.04:
            self._stage.in_seconds(self._random.randint(2, 10), partial(self._unlock, fan, creator, view))
        elif chance < 0.88:
            self._stage.in_seconds(self._random.randint(2, 25), partial(self._accept, fan, creator, view))
        elif chance < 0.94:
            self._stage.in_seconds(self._random.randint(2, 40), partial(self._refuse, fan, creator, view))
        else:  # nobody answers
            self._stage.in_seconds(70, partial(self._after_call, fan, creator, view.session_id))

    async def _unlock(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        """The fan pays for the call to begin at once."""
        await self._begin(fan, creator, view, self._services.calls.unlock(view.session_id, fan.user_id))

    async def _accept(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        await self._begin(fan, creator, view, self._services.calls.accept(view.session_id, creator.user_id))

    async def _begin(
        self, fan: Fan, creator: Creator, view: SessionView, acceptance: Coroutine[Any, Any, SessionView]
    ) -> None:
        if await self._stage.attempt(acceptance) is None:
            await self._hang_up(fan, creator, view)
            return
        await self._stage.attempt(self._services.rooms.take_seat(view.room_id, creator.user_id, creator.name))
        if self._random.random() < 0.02:  # the fan never comes
            self._stage.in_seconds(40, partial(self._after_call, fan, creator, view.session_id))
            return
        await self._stage.attempt(self._services.rooms.take_seat(view.room_id, fan.user_id, "Fan"))
        self._stage.in_seconds(self._length_s(fan), partial(self._hang_up, fan, creator, view))
        if self._random.random() < 0.04:
            self._stage.in_seconds(self._random.randint(5, 200), partial(self._lose, fan, creator, view))
        if self._random.random() < 0.15:
            self._stage.in_seconds(self._random.randint(30, 300), partial(self._tip, fan, creator, view))

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
        self._stage.platform.engine.lose(view.session_id, lost)
        if self._random.random() < 0.6:
            back = partial(self._regain, view.session_id, lost)
            self._stage.in_seconds(self._random.randint(3, 25), back)

    async def _regain(self, session_id: str, user_id: str) -> None:
        self._stage.platform.engine.regain(session_id, user_id)

    async def _tip(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        if (await self._services.charging.session(view.session_id)).state not in IN_CALL:
            return
        amount_minor = self._random.choice((100, 200, 500, 500, 1_000, 2_000))
        key = self._stage.platform.new_id()
        new = NewTip(view.room_id, fan.user_id, creator.user_id, amount_minor, self._stage.currency, "thank you", key)
        await self._stage.attempt(self._services.room_purchases.tip(new))

    async def _hang_up(self, fan: Fan, creator: Creator, view: SessionView) -> None:
        current = await self._services.charging.session(view.session_id)
        if current.state not in OVER:
            ender = fan.user_id if self._random.random() < 0.8 else creator.user_id
            await self._services.calls.end(view.session_id, ender)
        await self._after_call(fan, creator, view.session_id)

    async def _after_call(self, fan: Fan, creator: Creator, session_id: str) -> None:
        fan.busy = False
        creator.calls -= 1
        fan.calls.append(session_id)

    # ---- how things are done ----------------------------------------------------------------------------------------

    async def _add(self, user_id: str, name: str, address: str, role: Role) -> None:
        user = User(
            user_id, f"{address}@simulation.example", name, role, BIRTH_DATE, self._stage.platform.clock.now_ms()
        )
        await self._services.executor.submit(add_user, NewUser(user, NO_PASSWORD))

    def _rates(self, creator: Creator) -> Rates:
        return Rates(
            price_per_minute_minor=creator.price_minor,
            currency=self._stage.currency,
            instant_unlock_minor=creator.price_minor * 2,
            subscription_monthly_minor=creator.price_minor * 5,
            premium_hd_minor=creator.price_minor,
            subscription_calls=creator.includes,
            subscription_minutes=10 if creator.includes is SubscriptionCalls.MINUTES else None,
        )
