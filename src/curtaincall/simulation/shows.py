"""Evenings on the stage: battles with an entry and a pot, broadcasts with an HD pass, and tips in both."""

from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

from curtaincall.charging.model import EndReason
from curtaincall.purchases.model import NewTip
from curtaincall.rooms.model import NewRoom, RoomKind
from curtaincall.simulation.people import Creator, Fan
from curtaincall.simulation.stage import DAY_US, HOUR_US, MINUTE_US, Stage

FIRST_HOUR: Final = 18
LENGTH_US: Final = 75 * MINUTE_US
CREATORS_PER_SHOW: Final = 12
"""One show an evening for so many creators."""


@dataclass(slots=True)
class Show:
    """A room that is open, and who may be tipped in it."""

    room_id: str
    kind: RoomKind
    tipped: tuple[Creator, ...]
    guests: dict[str, None] = field(default_factory=dict)


class Shows:
    """Opens and ends them, and has fans come."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._random = Random(f"shows:{stage.seed}")  # noqa: S311 - behaviour, not secrets
        self._open: list[Show] = []

    def announce(self) -> None:
        """Put every evening's shows on the agenda."""
        for day in range(self._stage.size.days):
            for _ in range(max(1, len(self._stage.creators) // CREATORS_PER_SHOW)):
                begin_us = day * DAY_US + FIRST_HOUR * HOUR_US + self._random.randrange(240) * MINUTE_US
                self._stage.at(begin_us, self._begin)

    async def visit(self, fan: Fan) -> bool:
        """Go to a show, if there is one. Returns False if there is none."""
        if not self._open:
            return False
        show = self._random.choice(self._open)
        if fan.user_id not in show.guests and not await self._pay_entry(fan, show):
            return True
        show.guests[fan.user_id] = None
        for _ in range(self._random.choice((0, 1, 1, 2, 4))):
            self._stage.in_seconds(self._random.randint(10, 1_800), partial(self._tip, fan, show))
        return True

    async def _begin(self) -> None:
        stage, random = self._stage, self._random
        host, *players = random.sample(stage.creators, min(3, len(stage.creators)))
        battle = bool(players) and random.random() < 0.5
        new = NewRoom(
            kind=RoomKind.BATTLE if battle else RoomKind.BROADCAST,
            room_id=None,
            title="Tonight",
            host_id=host.user_id,
            max_participants=None,
            entry_fee_minor=random.choice((200, 300, 500)) if battle else None,
            hd_pass_minor=random.choice((100, 200, 300)),
            players=tuple(player.user_id for player in players) if battle else (),
        )
        room = await stage.attempt(stage.services.rooms.create(new))
        if room is None:
            return
        show = Show(room.room_id, new.kind, (host, *players) if battle else (host,))
        self._open.append(show)
        stage.tally.count(f"{new.kind}s")
        stage.at(stage.platform.now_us + LENGTH_US, partial(self._end, show))

    async def _end(self, show: Show) -> None:
        """Mostly it is played to its end; a battle that is called off gives the entries back."""
        self._open.remove(show)
        called_off = show.kind is RoomKind.BATTLE and self._random.random() < 0.1
        await self._stage.services.rooms.end(show.room_id, EndReason.HOST_ENDED, pot_returned=called_off)
        if called_off:
            self._stage.tally.count("battles called off")

    async def _pay_entry(self, fan: Fan, show: Show) -> bool:
        services, stage = self._stage.services, self._stage
        if (await services.wallet.wallet(fan.user_id)).available_minor < 1_000:
            await stage.top_up(fan, self._random.random())
        if show.kind is RoomKind.BATTLE:
            return await stage.attempt(services.room_purchases.enter(show.room_id, fan.user_id)) is not None
        if self._random.random() < 0.3:
            await stage.attempt(services.room_purchases.buy_hd_pass(show.room_id, fan.user_id))
        return True

    async def _tip(self, fan: Fan, show: Show) -> None:
        if show not in self._open:
            return
        await self._stage.attempt(
            self._stage.services.room_purchases.tip(
                NewTip(
                    room_id=show.room_id,
                    from_id=fan.user_id,
                    to_id=self._random.choice(show.tipped).user_id,
                    amount_minor=self._random.choice((50, 100, 100, 200, 500)),
                    currency=self._stage.currency,
                    message=None,
                    request_key=self._stage.platform.new_id(),
                )
            )
        )
