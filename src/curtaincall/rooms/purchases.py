"""What is bought inside a room: the entry to a battle, the HD pass, tips; and what a room shows of its money.

Who is in the room, and that it is open, is checked here; the open room is locked in the transaction that moves the
money, so that nothing goes into a pot that is being settled.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access import store as access_store
from curtaincall.access.model import Feature
from curtaincall.access.sale import Sold
from curtaincall.accounts import store as accounts_store
from curtaincall.accounts.dealing import check_dealing
from curtaincall.accounts.model import Role
from curtaincall.charging import rates
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import Purpose
from curtaincall.payments.events import DisputeChanged, WalletChanged
from curtaincall.payments.ports import DisputeState
from curtaincall.purchases import store as purchases_store
from curtaincall.purchases.errors import AlreadyYours, NotForSale, TipRecipientInvalid
from curtaincall.purchases.events import Tipped, TipReversed
from curtaincall.purchases.model import NewTip, Tip, check_tip
from curtaincall.purchases.service import PurchasesService
from curtaincall.purchases.till import PotClosing, RoomSale, Till, TipGiven
from curtaincall.rooms import store
from curtaincall.rooms.errors import RoomFull, RoomUnknown
from curtaincall.rooms.events import Scored
from curtaincall.rooms.model import Room, RoomKind
from curtaincall.rooms.service import RoomsService
from curtaincall.storage.executor import WriteExecutor


@dataclass(frozen=True, slots=True)
class RoomOffer:
    """A room as somebody sees it: what it costs, what is in the pot, and what of it they have."""

    host_name: str | None
    player_names: dict[str, str]
    """Of the players that a battle names, whether or not they are in it already."""
    entry_fee_minor: int | None
    hd_pass_minor: int | None
    currency: str
    pot_minor: int
    scores: dict[str, int]
    entered: bool
    hd: bool


@dataclass(frozen=True, slots=True)
class _GivenTip:
    tip_id: str
    new: NewTip
    now_ms: int


class RoomPurchases:
    """Use cases of the money in rooms. All amounts are minor units of the one currency of the house."""

    def __init__(
        self,
        executor: WriteExecutor,
        rooms: RoomsService,
        purchases: PurchasesService,
        till: Till,
        bus: EventBus,
        clock: Clock,
        ids: IdFactory,
    ) -> None:
        self._executor = executor
        self._rooms = rooms
        self._purchases = purchases
        self._till = till
        self._bus = bus
        self._clock = clock
        self._ids = ids
        bus.subscribe(TipReversed, self._on_tip_reversed)
        bus.subscribe(DisputeChanged, self._on_dispute)

    async def enter(self, room_id: str, user_id: str) -> Sold:
        """Buy the entry to a battle; whoever has it pays for no second.

        Raises RoomUnknown, RoomEnded, Removed, NotForSale, AlreadyYours, RoomFull, EntriesSoldOut, InsufficientFunds.
        """
        room = await self._room(room_id, user_id)
        fee_minor = room.record.entry_fee_minor
        if room.record.kind is not RoomKind.BATTLE or not fee_minor or room.record.host_id is None:
            raise NotForSale("This room has no entry.")
        if not room.needs_entry(user_id):
            raise AlreadyYours("You enter without paying.")
        if room.full_for(user_id) and not (await self._purchases.may(user_id, Feature.BATTLE_ENTRY, room_id)).allowed:
            raise RoomFull("The room is full.")
        sale = RoomSale(self._ids(), user_id, room_id, room.record.host_id, fee_minor, self._clock.now_ms())
        return await self._sell(self._till.sell_entry, sale)

    async def buy_hd_pass(self, room_id: str, user_id: str) -> Sold:
        """Buy the HD pass of a room; whoever has it pays for no second.

        Raises RoomUnknown, RoomEnded, Removed, NotForSale, AlreadyYours, InsufficientFunds.
        """
        room = await self._room(room_id, user_id)
        host_id = room.record.host_id
        if room.is_private_call or host_id is None:
            raise NotForSale("This room has no HD pass.")
        if user_id == host_id:
            raise AlreadyYours("It is your own room.")
        price_minor = await self._executor.read(lambda tx: _hd_pass_minor(tx, room))
        if price_minor is None:
            raise NotForSale("This room has no HD pass.")
        sale = RoomSale(self._ids(), user_id, room_id, host_id, price_minor, self._clock.now_ms())
        return await self._sell(self._till.sell_hd_pass, sale)

    async def tip(self, new: NewTip) -> Tip:
        """Give a tip to somebody in the room; everybody there hears of it. The same request again is the same tip.

        Raises RoomUnknown, RoomEnded, Removed, MoneyError, CurrencyMismatch, TipToOneself, TipRecipientInvalid,
        TipConflict, InsufficientFunds.
        """
        room = await self._room(new.room_id, new.from_id)
        check_tip(new, self._till.currency)
        if not room.concerns(new.to_id):
            raise TipRecipientInvalid("There is nobody of that name in this room.")
        given = await self._executor.submit(self._tip, _GivenTip(self._ids(), new, self._clock.now_ms()))
        if given.first:
            await self._bus.publish(Tipped(given.tip))
            await self._bus.publish(WalletChanged(new.from_id))
            await self._tell_scores(room)
        return given.tip

    async def offers(self, rooms: Collection[Room], user_id: str | None) -> dict[str, RoomOffer]:
        """What these rooms show this user of their money, by room; None for a service."""
        now_ms = self._clock.now_ms()

        def query(tx: Connection) -> dict[str, RoomOffer]:
            had = access.entitlements_of(tx, user_id, now_ms) if user_id is not None else ()
            has = {(item.feature, item.scope_id) for item in had}
            hosts = {room.record.host_id for room in rooms if room.record.host_id is not None}
            players = {player for room in rooms for player in room.record.players}
            names, prices = accounts_store.names(tx, hosts | players), rates.find_many(tx, tuple(hosts))
            scores = purchases_store.scores(tx, [room.room_id for room in rooms])
            return {
                room.room_id: RoomOffer(
                    host_name=names.get(room.record.host_id or ""),
                    player_names={player: names[player] for player in room.record.players if player in names},
                    entry_fee_minor=room.record.entry_fee_minor,
                    hd_pass_minor=_price_of_hd(room, prices.get(room.record.host_id or "")),
                    currency=self._till.currency,
                    pot_minor=self._till.pot_minor(tx, room.room_id) if room.is_battle else 0,
                    scores=room.with_players(scores.get(room.room_id, {})) if room.is_battle else {},
                    entered=(Feature.BATTLE_ENTRY, room.room_id) in has,
                    hd=(Feature.PREMIUM_HD, room.room_id) in has,
                )
                for room in rooms
            }

        return await self._executor.read(query)

    # ---- inside -----------------------------------------------------------------------------------------------------

    async def _room(self, room_id: str, user_id: str) -> Room:
        """The room, if this user may come in. Raises RoomUnknown, RoomEnded, Removed."""
        room = await self._rooms.room(room_id)
        if room.is_private_call and user_id not in (room.record.host_id, room.record.payer_id):
            raise RoomUnknown("There is no such room.")
        room.check_admission(user_id)
        return room

    async def _sell(self, sell: Callable[[Connection, RoomSale], Sold], sale: RoomSale) -> Sold:
        def use_case(tx: Connection, command: RoomSale) -> Sold:
            store.lock_open(tx, command.room_id)
            check_dealing(tx, command.user_id, command.seller_id)
            return sell(tx, command)

        sold = await self._executor.submit(use_case, sale)
        await self._purchases.tell(sold)
        return sold

    def _tip(self, tx: Connection, command: _GivenTip) -> TipGiven:
        store.lock_open(tx, command.new.room_id)
        check_dealing(tx, command.new.from_id, command.new.to_id)
        receiver = accounts_store.user_by_id(tx, command.new.to_id)
        if receiver is None or receiver.role is not Role.CREATOR:
            raise TipRecipientInvalid("Tips are for creators: nobody else can be paid out.")
        return self._till.tip(tx, command.tip_id, command.new, command.now_ms)

    async def _tell_scores(self, room: Room) -> None:
        if not room.is_battle:
            return
        # One after the other, each read anew: whatever order the tips were committed in, the last word is the newest.
        async with room.scoring:
            found = await self._executor.read(lambda tx: purchases_store.scores(tx, [room.room_id]))
            scores = room.with_players(found.get(room.room_id, {}))
            await self._bus.publish(Scored(room.room_id, scores))

    async def _on_tip_reversed(self, event: TipReversed) -> None:
        room = self._rooms.in_memory(event.tip.room_id)
        if room is not None and room.end_reason is None:
            await self._tell_scores(room)

    async def _on_dispute(self, event: DisputeChanged) -> None:
        """A dispute that was won puts its share back into the pot: if the battle is over, it goes to the host now."""
        if event.state is DisputeState.WON:
            await self._executor.submit(self._settle_late, event)

    def _settle_late(self, tx: Connection, event: DisputeChanged) -> None:
        entries = [ref for purpose, ref in event.refs if purpose is Purpose.BATTLE_ENTRY]
        bought = {item.scope_id for ref in entries for item in access_store.of_source_ref(tx, ref)}
        for room_id in sorted(bought):
            record = store.find(tx, room_id)
            if record is not None and record.ended_at_ms is not None:
                closing = PotClosing(room_id, record.host_id, False, self._clock.now_ms(), event.dispute_id)
                self._till.close(tx, closing)


def _hd_pass_minor(tx: Connection, room: Room) -> int | None:
    return _price_of_hd(room, rates.find(tx, room.record.host_id or ""))


def _price_of_hd(room: Room, asked: rates.Rates | None) -> int | None:
    if room.record.hd_pass_minor is not None or asked is None or room.is_private_call:
        return room.record.hd_pass_minor
    return asked.premium_hd_minor
