"""The till of a room: entry, HD pass, tips, and what becomes of the pot. Synchronous functions of a transaction.

Whether the room is open, and who is in it, is for the layer above to know, in the same transaction.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access import store as access_store
from curtaincall.access.model import Entitlement, Feature
from curtaincall.access.sale import Offer, Sale, Sold, sell, shared_legs
from curtaincall.accounts import standing
from curtaincall.ledger.model import Account, Leg, Purpose, Transfer, battle_pot, wallet
from curtaincall.ledger.service import Ledger
from curtaincall.purchases import store
from curtaincall.purchases.errors import EntriesSoldOut, TipConflict
from curtaincall.purchases.model import NewTip, PurchaseRules, Tip

MAX_ENTRIES: Final = 1_000
"""Entries that one battle may sell: a cancelled one gives each back in one transaction."""


@dataclass(frozen=True, slots=True)
class RoomSale:
    """What is bought in a room: `seller_id` is its host."""

    entitlement_id: str
    user_id: str
    room_id: str
    seller_id: str
    price_minor: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class TipGiven:
    """`first` is False for a repeat of a request that has given its tip before."""

    tip: Tip
    first: bool


@dataclass(frozen=True, slots=True)
class PotClosing:
    """A battle ends. Without `host_id`, or `returned`, everybody has their entry back."""

    room_id: str
    host_id: str | None
    returned: bool
    now_ms: int
    occasion: str = ""
    """Told apart from the end itself: what came back into the pot afterwards, by what."""


class Till:
    """Moves the money of rooms."""

    def __init__(self, ledger: Ledger, rules: PurchaseRules) -> None:
        self._ledger = ledger
        self._rules = rules

    @property
    def currency(self) -> str:
        return self._rules.currency

    def sell_entry(self, tx: Connection, sale: RoomSale) -> Sold:
        """Wallet -> pot. Raises InsufficientFunds, EntriesSoldOut."""
        if access_store.count_in_scope(tx, Feature.BATTLE_ENTRY, sale.room_id) >= MAX_ENTRIES:
            raise EntriesSoldOut("This battle has sold all its entries.")
        pot = battle_pot(sale.room_id, self._rules.currency)
        return self._sell(tx, sale, Feature.BATTLE_ENTRY, Purpose.BATTLE_ENTRY, "entry", pot)

    def sell_hd_pass(self, tx: Connection, sale: RoomSale) -> Sold:
        """Wallet -> creator, fee. Raises InsufficientFunds."""
        return self._sell(tx, sale, Feature.PREMIUM_HD, Purpose.PREMIUM_HD, "hd")

    def tip(self, tx: Connection, tip_id: str, new: NewTip, now_ms: int) -> TipGiven:
        """Wallet -> creator, fee; once for each request. Raises InsufficientFunds, TipConflict, AccountFrozen."""
        asked = Tip(
            tip_id=tip_id,
            room_id=new.room_id,
            from_id=new.from_id,
            to_id=new.to_id,
            amount_minor=new.amount_minor,
            currency=new.currency,
            message=new.message,
            created_at_ms=now_ms,
        )
        given = store.add_tip(tx, store.TipRow(asked, new.request_key))
        if given.tip_id != tip_id:
            if (given.room_id, given.to_id, given.amount_minor, given.message) != (
                new.room_id,
                new.to_id,
                new.amount_minor,
                new.message,
            ):
                raise TipConflict("This Idempotency-Key was used for another tip.")
            return TipGiven(given, first=False)
        standing.refuse_frozen(tx, new.from_id, new.to_id)
        legs = shared_legs(wallet(new.from_id, new.currency), new.to_id, new.amount_minor, self._rules.fee_bp)
        self._ledger.transfer(tx, Transfer(f"tip:{tip_id}", Purpose.TIP, tip_id, legs))
        return TipGiven(given, first=True)

    def pot_minor(self, tx: Connection, room_id: str) -> int:
        return self._ledger.balance(tx, battle_pot(room_id, self._rules.currency)).balance_minor

    def close(self, tx: Connection, closing: PotClosing) -> tuple[str, ...]:
        """Settle a pot to the host less the fee, or give it back. Returns whose wallets got money. Idempotent."""
        pot = battle_pot(closing.room_id, self._rules.currency)
        left_minor = self.pot_minor(tx, closing.room_id)
        if left_minor == 0:
            return ()
        if closing.host_id is None or closing.returned:
            return self._give_back(tx, closing, left_minor)
        legs = shared_legs(pot, closing.host_id, left_minor, self._rules.fee_bp)
        key = f"pot:{closing.room_id}" + (f":{closing.occasion}" if closing.occasion else "")
        self._ledger.transfer(tx, Transfer(key, Purpose.BATTLE_POT, closing.room_id, legs))
        return ()

    def _give_back(self, tx: Connection, closing: PotClosing, left_minor: int) -> tuple[str, ...]:
        pot = battle_pot(closing.room_id, self._rules.currency)
        returned: list[str] = []
        for entry in access_store.in_scope(tx, Feature.BATTLE_ENTRY, closing.room_id):
            amount_minor = min(_paid_minor(entry), left_minor)
            if entry.revoked_at_ms is not None or amount_minor == 0:
                continue
            leg = Leg(pot, wallet(entry.user_id, self._rules.currency), amount_minor)
            key = f"pot_return:{entry.entitlement_id}"
            self._ledger.transfer(tx, Transfer(key, Purpose.BATTLE_POT, entry.source_ref, (leg,)))
            access.revoke(tx, entry.entitlement_id, closing.now_ms, "battle_cancelled")
            left_minor -= amount_minor
            returned.append(entry.user_id)
        return tuple(returned)

    def _sell(
        self, tx: Connection, sale: RoomSale, feature: Feature, purpose: Purpose, label: str, pot: Account | None = None
    ) -> Sold:
        offer = Offer(
            feature=feature,
            scope_id=sale.room_id,
            purpose=purpose,
            label=label,
            price_minor=sale.price_minor,
            currency=self._rules.currency,
            fee_bp=self._rules.fee_bp,
            seller_id=sale.seller_id,
            pot=pot,
        )
        return sell(tx, self._ledger, Sale(sale.entitlement_id, sale.user_id, offer, sale.now_ms))


def _paid_minor(entry: Entitlement) -> int:
    return int(entry.terms.get("paid_minor", 0))
