"""Battles and broadcasts: who gets a seat, what tips do to the scores, and what becomes of the pot."""

import asyncio

import pytest
from sqlalchemy import Connection, select

from curtaincall.access import service as access
from curtaincall.access.model import Feature
from curtaincall.access.sale import Sold
from curtaincall.accounts.model import Role
from curtaincall.charging.model import EndReason
from curtaincall.charging.rates import Rates
from curtaincall.kernel.money import CurrencyMismatch, MoneyError
from curtaincall.ledger.errors import InsufficientFunds
from curtaincall.ledger.model import Purpose, battle_pot, creator_pending, platform_fee, wallet
from curtaincall.ledger.store import transfers
from curtaincall.payments.events import DisputeChanged, RefundMade
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.takeback import payment_reversals
from curtaincall.purchases.errors import (
    AlreadyYours,
    NotForSale,
    TipConflict,
    TipRecipientInvalid,
    TipToOneself,
)
from curtaincall.purchases.events import Tipped
from curtaincall.purchases.model import MAX_TIP_MINOR, NewTip
from curtaincall.rooms.errors import (
    EntryRequired,
    HostRequired,
    KindUnavailable,
    Removed,
    RoomEnded,
    RoomFull,
    RoomUnknown,
)
from curtaincall.rooms.events import Scored
from curtaincall.rooms.model import NewRoom, Room, RoomKind, SeatRole
from support.platform_world import PlatformWorld

FEE_MINOR = 500


class Arena:
    """A battle between two creators, with fans who have some money."""

    def __init__(self, world: PlatformWorld, room: Room, host: str, rival: str) -> None:
        self.world, self.room, self.host, self.rival = world, room, host, rival

    @classmethod
    async def open(cls, world: PlatformWorld, capacity: int | None = None) -> "Arena":
        host, rival = await world.creator("host"), await world.creator("rival")
        new = NewRoom(
            RoomKind.BATTLE, "arena", None, host.user_id, capacity, entry_fee_minor=FEE_MINOR, players=(rival.user_id,)
        )
        world.bus.subscribe(Scored, world._heard)
        world.bus.subscribe(Tipped, world._heard)
        return cls(world, await world.rooms.create(new), host.user_id, rival.user_id)

    async def entrant(self, name: str, balance_minor: int = 1_000) -> str:
        fan = await self.world.fan(name, balance_minor)
        await self.enter(fan.user_id)
        return fan.user_id

    async def enter(self, user_id: str) -> Sold:
        return await self.world.room_purchases.enter("arena", user_id)

    async def seat(self, user_id: str) -> SeatRole:
        _, seat = await self.world.rooms.take_seat("arena", user_id, user_id)
        return seat.role

    async def tip(self, giver: str, to: str, amount_minor: int, key: str = "key", currency: str = "EUR") -> str:
        new = NewTip("arena", giver, to, amount_minor, currency, "Go!", key)
        return (await self.world.room_purchases.tip(new)).tip_id

    async def balances(self) -> tuple[int, int, int]:
        """Of the pot, the host and the house."""

        def query(tx: Connection) -> tuple[int, int, int]:
            accounts = battle_pot("arena", "EUR"), creator_pending(self.host, "EUR"), platform_fee("EUR")
            first, second, third = (self.world.ledger.balance(tx, account).balance_minor for account in accounts)
            return first, second, third

        return await self.world.executor.read(query)

    async def balance_of(self, user_id: str) -> int:
        return (await self.world.wallet(user_id)).balance_minor


@pytest.fixture
async def arena(world: PlatformWorld) -> Arena:
    return await Arena.open(world)


async def test_a_seat_costs_the_entry_except_for_those_who_play(arena: Arena) -> None:
    fan = await arena.world.fan("fan", 1_000)
    assert await arena.seat(arena.host) is SeatRole.HOST
    assert await arena.seat(arena.rival) is SeatRole.PARTICIPANT
    with pytest.raises(EntryRequired):
        await arena.seat(fan.user_id)
    assert (await arena.enter(fan.user_id)).charged_minor == FEE_MINOR
    assert await arena.seat(fan.user_id) is SeatRole.PARTICIPANT
    assert await arena.balances() == (FEE_MINOR, 0, 0)
    for player in (arena.host, arena.rival):
        with pytest.raises(AlreadyYours):
            await arena.enter(player)


async def test_the_entry_is_paid_once(arena: Arena) -> None:
    fan = await arena.world.fan("fan", 1_000)
    sold = await asyncio.gather(*(arena.enter(fan.user_id) for _ in range(5)))
    assert sorted(one.charged_minor for one in sold) == [0, 0, 0, 0, FEE_MINOR]
    assert await arena.balance_of(fan.user_id) == 500


async def test_somebody_elses_entry_is_no_entry(arena: Arena) -> None:
    await arena.entrant("fan")
    other = await arena.world.fan("other", 0)
    with pytest.raises(EntryRequired):
        await arena.seat(other.user_id)
    with pytest.raises(InsufficientFunds):
        await arena.enter(other.user_id)
    with pytest.raises(EntryRequired):
        await arena.seat(other.user_id)


async def test_no_entry_is_sold_for_a_seat_that_is_not_there(world: PlatformWorld) -> None:
    arena = await Arena.open(world, capacity=2)
    await arena.seat(arena.host)
    seated = await arena.entrant("seated")
    await arena.seat(seated)
    late = await world.fan("late", 1_000)
    with pytest.raises(RoomFull):
        await arena.enter(late.user_id)
    assert (await arena.enter(seated)).charged_minor == 0
    assert await arena.balance_of(late.user_id) == 1_000


async def test_the_pot_goes_to_the_host_less_the_fee(arena: Arena) -> None:
    fans = [await arena.entrant(name) for name in ("ann", "bob")]
    await arena.world.rooms.end("arena", EndReason.HOST_ENDED)
    await arena.world.rooms.end("arena", EndReason.HOST_ENDED)
    assert await arena.balances() == (0, 800, 200)
    for fan in fans:
        with pytest.raises(RoomEnded):
            await arena.enter(fan)
        assert await arena.world.purchases.entitlements(fan) == ()


async def test_a_cancelled_battle_gives_every_entry_back(arena: Arena) -> None:
    fans = [await arena.entrant(name) for name in ("ann", "bob")]
    await arena.world.rooms.end("arena", EndReason.HOST_ENDED, pot_returned=True)
    await arena.world.rooms.end("arena", EndReason.HOST_ENDED)
    assert await arena.balances() == (0, 0, 0)
    assert [await arena.balance_of(fan) for fan in fans] == [1_000, 1_000]


async def test_entries_and_the_end_at_the_same_time_leave_nothing_in_the_pot(arena: Arena) -> None:
    fans = [await arena.world.fan(f"fan{number}", 500) for number in range(8)]
    outcomes = await asyncio.gather(
        *(arena.enter(fan.user_id) for fan in fans[:4]),
        arena.world.rooms.end("arena", EndReason.HOST_ENDED),
        *(arena.enter(fan.user_id) for fan in fans[4:]),
        return_exceptions=True,
    )
    entered = sum(isinstance(outcome, Sold) for outcome in outcomes)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(outcome, RoomEnded) for outcome in refused)
    assert await arena.balances() == (0, entered * 400, entered * 100)


async def test_a_battle_survives_a_restart(arena: Arena) -> None:
    fan = await arena.entrant("fan")
    world = arena.world
    await arena.tip(fan, arena.rival, 300)
    await world.crash()
    room = await world.rooms.room("arena")
    assert await arena.seat(fan) is SeatRole.PARTICIPANT
    offer = (await world.room_purchases.offers([room], fan))["arena"]
    assert (offer.pot_minor, offer.entered, offer.scores) == (FEE_MINOR, True, {arena.host: 0, arena.rival: 300})
    await world.rooms.end("arena", EndReason.HOST_ENDED)
    assert await arena.balances() == (0, 400, 100 + 60)


async def test_whoever_has_their_entry_back_sits_no_longer(arena: Arena) -> None:
    fan = await arena.entrant("fan")
    line = await arena.world.join("arena", fan)
    (entry,) = await arena.world.purchases.entitlements(fan)
    refund = RefundMade("refund", "transfer", fan, Purpose.BATTLE_ENTRY, entry.source_ref, FEE_MINOR, "EUR")
    for _ in range(2):
        await arena.world.bus.publish(refund)
    assert line.terminated == ("PAYMENT_FAILED", "/models")
    assert ("arena", fan) in arena.world.media.cut
    assert fan not in arena.room.seats
    with pytest.raises(Removed):
        await arena.seat(fan)


async def test_a_disputed_entry_that_nobody_sits_on_is_only_revoked(arena: Arena) -> None:
    fan = await arena.entrant("fan")
    (entry,) = await arena.world.purchases.entitlements(fan)
    refs = ((Purpose.BATTLE_ENTRY, entry.source_ref),)
    await arena.world.bus.publish(
        DisputeChanged("dispute", "payment", fan, DisputeState.OPENED, FEE_MINOR, "EUR", refs)
    )
    with pytest.raises(EntryRequired):
        await arena.seat(fan)
    assert (await arena.enter(fan)).charged_minor == FEE_MINOR
    await arena.seat(fan)


async def test_a_won_dispute_settles_what_came_back_into_the_pot(arena: Arena) -> None:
    fan = await arena.entrant("fan")
    (entry,) = await arena.world.purchases.entitlements(fan)
    refs = ((Purpose.BATTLE_ENTRY, entry.source_ref),)
    won = DisputeChanged("dispute", "payment", fan, DisputeState.WON, FEE_MINOR, "EUR", refs)
    await arena.world.bus.publish(won)
    assert await arena.balances() == (FEE_MINOR, 0, 0)
    await arena.world.rooms.end("arena", EndReason.HOST_ENDED)
    await arena.world.bus.publish(won)
    assert await arena.balances() == (0, 400, 100)


async def test_a_start_takes_back_what_was_reversed_while_nobody_listened(arena: Arena) -> None:
    world, fan = arena.world, await arena.entrant("fan")
    await arena.tip(fan, arena.host, 300)

    def take_back(tx: Connection, _: None) -> None:
        spent = select(transfers.c.transfer_id).where(transfers.c.debit_account_id == wallet(fan, "EUR").id)
        for transfer_id in tx.execute(spent).scalars().all():
            reversal = {"cause_id": "d", "transfer_id": transfer_id, "amount_minor": 1, "undone": False}
            tx.execute(payment_reversals.insert().values(**reversal))

    await world.executor.submit(take_back, None)
    await world.crash()
    for _ in range(2):
        await world.purchases.start()
    with pytest.raises(EntryRequired):
        await arena.seat(fan)
    offer = (await world.room_purchases.offers([await world.rooms.room("arena")], fan))["arena"]
    assert (offer.entered, offer.scores[arena.host]) == (False, 0)


async def test_tips_are_the_scores(arena: Arena) -> None:
    fan = await arena.world.fan("fan", 1_000)
    tip_id = await arena.tip(fan.user_id, arena.host, 600)
    assert await arena.tip(fan.user_id, arena.host, 600) == tip_id
    await arena.tip(fan.user_id, arena.rival, 100, "another key")
    assert await arena.balance_of(fan.user_id) == 300
    assert await arena.balances() == (0, 480, 140)
    scores = [event.scores for event in arena.world.told(Scored) if isinstance(event, Scored)]
    assert scores == [{arena.host: 600, arena.rival: 0}, {arena.host: 600, arena.rival: 100}]
    assert len(arena.world.told(Tipped)) == 2
    refund = RefundMade("refund", "transfer", fan.user_id, Purpose.TIP, tip_id, 600, "EUR")
    await arena.world.bus.publish(refund)
    (*_, last) = (event.scores for event in arena.world.told(Scored) if isinstance(event, Scored))
    assert last == {arena.host: 0, arena.rival: 100}


async def test_tips_that_cannot_be(arena: Arena) -> None:
    giver = (await arena.world.fan("fan", 1_000)).user_id
    for amount_minor in (0, -1, MAX_TIP_MINOR + 1, 10**30):
        with pytest.raises(MoneyError) as refusal:
            await arena.tip(giver, arena.host, amount_minor)
        assert refusal.value.code == "amount_invalid"
    with pytest.raises(CurrencyMismatch):
        await arena.tip(giver, arena.host, 100, currency="USD")
    with pytest.raises(TipToOneself):
        await arena.tip(arena.host, arena.host, 100)
    outsider = await arena.world.creator("outsider")
    with pytest.raises(TipRecipientInvalid):
        await arena.tip(giver, outsider.user_id, 100)
    seated = await arena.entrant("seated")
    await arena.seat(seated)
    with pytest.raises(TipRecipientInvalid):
        await arena.tip(giver, seated, 100)
    with pytest.raises(InsufficientFunds):
        await arena.tip(giver, arena.host, 1_001)
    await arena.tip(giver, arena.host, 1)
    with pytest.raises(TipConflict):
        await arena.tip(giver, arena.host, 2)
    with pytest.raises(RoomUnknown):
        await arena.world.room_purchases.tip(NewTip("nowhere", giver, arena.host, 1, "EUR", None, "key"))
    assert await arena.balance_of(giver) == 999


async def test_a_tip_in_somebody_elses_call_is_a_tip_in_no_room(world: PlatformWorld) -> None:
    call = await world.live_call()
    stranger = await world.fan("stranger")
    tip = NewTip(call.room_id, stranger.user_id, call.creator.user_id, 100, "EUR", None, "key")
    with pytest.raises(RoomUnknown):
        await world.room_purchases.tip(tip)
    own = NewTip(call.room_id, call.fan.user_id, call.creator.user_id, 100, "EUR", None, "key")
    assert (await world.room_purchases.tip(own)).amount_minor == 100


async def test_the_hd_pass_costs_what_the_room_or_else_the_creator_asks(world: PlatformWorld) -> None:
    star, fan = await world.creator(), await world.fan("fan", 1_000)
    dear = NewRoom(RoomKind.CONFERENCE, "dear", None, star.user_id, None, hd_pass_minor=300)
    plain = NewRoom(RoomKind.BROADCAST, "plain", None, star.user_id, None)
    for new in (dear, plain):
        await world.rooms.create(new)
    assert (await world.room_purchases.buy_hd_pass("dear", fan.user_id)).charged_minor == 300
    with pytest.raises(NotForSale):
        await world.room_purchases.buy_hd_pass("plain", fan.user_id)
    await world.charging.set_rates(star.user_id, Rates(300, "EUR", premium_hd_minor=200))
    assert [(await world.room_purchases.buy_hd_pass("plain", fan.user_id)).charged_minor for _ in "ab"] == [200, 0]
    assert (await world.purchases.may(fan.user_id, Feature.PREMIUM_HD, "plain")).allowed
    with pytest.raises(AlreadyYours):
        await world.room_purchases.buy_hd_pass("plain", star.user_id)
    await world.rooms.end("plain", EndReason.HOST_ENDED)
    assert not (await world.purchases.may(fan.user_id, Feature.PREMIUM_HD, "plain")).allowed
    assert await world.executor.read(
        lambda tx: access.may(tx, fan.user_id, Feature.PREMIUM_HD, "dear", world.clock.now_ms()).allowed
    )


async def test_in_a_broadcast_only_the_host_is_heard(world: PlatformWorld) -> None:
    star = await world.creator()
    await world.rooms.create(NewRoom(RoomKind.BROADCAST, "show", None, star.user_id, None))
    _, host = await world.rooms.take_seat("show", star.user_id, "Star")
    _, fan = await world.rooms.take_seat("show", "fan", "Fan")
    assert (host.role, fan.role) == (SeatRole.HOST, SeatRole.PARTICIPANT)
    assert world.media.publishers == {("show", star.user_id)}


@pytest.mark.parametrize(
    ("new", "refusal"),
    [
        (NewRoom(RoomKind.BROADCAST, "room", None, None, None), HostRequired),
        (NewRoom(RoomKind.BATTLE, "room", None, None, None, entry_fee_minor=1), HostRequired),
        (NewRoom(RoomKind.CONFERENCE, "room", None, "star", None, entry_fee_minor=1), KindUnavailable),
        (NewRoom(RoomKind.BROADCAST, "room", None, "star", None, players=("rival",)), KindUnavailable),
        (NewRoom(RoomKind.PRIVATE_CALL, "room", None, "star", None), KindUnavailable),
    ],
)
async def test_rooms_that_cannot_be(world: PlatformWorld, new: NewRoom, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        await world.rooms.create(new)


async def test_a_battle_without_a_fee_has_no_entry(world: PlatformWorld) -> None:
    star = await world.person("star", Role.CREATOR)
    await world.rooms.create(NewRoom(RoomKind.BATTLE, "free", None, star.user_id, None, entry_fee_minor=0))
    _, seat = await world.rooms.take_seat("free", "anybody", "Anybody")
    assert seat.role is SeatRole.PARTICIPANT
    with pytest.raises(NotForSale):
        await world.room_purchases.enter("free", "anybody")


async def test_open_battles_are_listed_a_page_at_a_time(world: PlatformWorld) -> None:
    star = await world.creator()
    await world.conference("hidden")
    for number in range(5):
        await world.rooms.create(NewRoom(RoomKind.BATTLE, f"battle-{number}", None, star.user_id, None))
        world.clock.advance_us(1_000)
    await world.rooms.end("battle-3", EndReason.HOST_ENDED)
    first = world.rooms.listed((RoomKind.BATTLE,), None, 3)
    assert [room.room_id for room in first.items] == ["battle-4", "battle-2", "battle-1"]
    second = world.rooms.listed((RoomKind.BATTLE,), first.next_cursor, 3)
    assert ([room.room_id for room in second.items], second.next_cursor) == (["battle-0"], None)
