"""Purchases that need no room: instant unlocks. And what follows when a purchase is reversed."""

from collections.abc import Iterable

from sqlalchemy import Connection

from curtaincall.access import service as access
from curtaincall.access import store as access_store
from curtaincall.access.events import EntitlementGranted, EntitlementRevoked
from curtaincall.access.model import Answer, Entitlement, Feature
from curtaincall.access.sale import Offer, Sale, Sold, sell
from curtaincall.accounts import store as accounts_store
from curtaincall.accounts.dealing import check_dealing
from curtaincall.accounts.errors import UserUnknown
from curtaincall.accounts.model import Role
from curtaincall.charging import rates
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.model import Purpose
from curtaincall.ledger.service import Ledger
from curtaincall.payments import takeback
from curtaincall.payments.events import DisputeChanged, RefundMade, WalletChanged
from curtaincall.payments.ports import DisputeState
from curtaincall.purchases import store
from curtaincall.purchases.errors import AlreadyYours, NotForSale
from curtaincall.purchases.events import TipReversed
from curtaincall.purchases.model import PurchaseRules, Tip
from curtaincall.storage.executor import WriteExecutor

BOUGHT = frozenset({Purpose.INSTANT_UNLOCK, Purpose.PREMIUM_HD, Purpose.BATTLE_ENTRY})
"""Purposes whose reversal takes the entitlement back. Subscriptions see to their own."""


class PurchasesService:
    """Use cases of purchases. All amounts are minor units of the one currency of the house."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        clock: Clock,
        ids: IdFactory,
        bus: EventBus,
        rules: PurchaseRules,
    ) -> None:
        self._executor = executor
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._bus = bus
        self._rules = rules
        bus.subscribe(RefundMade, self._on_refund)
        bus.subscribe(DisputeChanged, self._on_dispute)

    async def start(self) -> None:
        """Take back what a refund or dispute has reversed, if a crash kept us from hearing of it."""
        await self._take_back(await self._executor.read(takeback.reversed_refs), "reversed")

    async def unlock(self, user_id: str, creator_id: str) -> Sold:
        """Buy a call with the creator that skips queue and ring. Having one already, one pays for no second.

        Raises UserUnknown, NotForSale, AlreadyYours, AccountFrozen, DealingBlocked, InsufficientFunds.
        """
        command = (self._ids(), user_id, creator_id, self._clock.now_ms())
        sold = await self._executor.submit(self._unlock, command)
        await self.tell(sold)
        return sold

    async def may(self, user_id: str, feature: Feature, scope_id: str) -> Answer:
        """May this user have this, now, until when."""
        now_ms = self._clock.now_ms()
        return await self._executor.read(lambda tx: access.may(tx, user_id, feature, scope_id, now_ms))

    async def entitlements(self, user_id: str) -> tuple[Entitlement, ...]:
        """All that the user may have now."""
        now_ms = self._clock.now_ms()
        return tuple(await self._executor.read(lambda tx: access.entitlements_of(tx, user_id, now_ms)))

    async def tell(self, sold: Sold) -> None:
        """Publish what a sale has changed, after its commit."""
        entitlement = sold.entitlement
        if sold.charged_minor == 0:
            return
        await self._bus.publish(
            EntitlementGranted(entitlement.user_id, entitlement.feature, entitlement.scope_id, entitlement.until_ms)
        )
        await self._bus.publish(WalletChanged(entitlement.user_id))

    def _unlock(self, tx: Connection, command: tuple[str, str, str, int]) -> Sold:
        entitlement_id, user_id, creator_id, now_ms = command
        creator = accounts_store.user_by_id(tx, creator_id)
        if creator is None or creator.role is not Role.CREATOR:
            raise UserUnknown("There is no such creator.")
        if creator_id == user_id:
            raise AlreadyYours("You need not unlock yourself.")
        check_dealing(tx, user_id, creator_id)
        asked = rates.find(tx, creator_id)
        if asked is None or asked.instant_unlock_minor is None:
            raise NotForSale("This creator sells no instant unlocks.")
        offer = Offer(
            feature=Feature.INSTANT_UNLOCK,
            scope_id=creator_id,
            purpose=Purpose.INSTANT_UNLOCK,
            label="unlock",
            price_minor=asked.instant_unlock_minor,
            currency=self._rules.currency,
            fee_bp=self._rules.fee_bp,
            seller_id=creator_id,
        )
        return sell(tx, self._ledger, Sale(entitlement_id, user_id, offer, now_ms))

    # ---- what payments tell -----------------------------------------------------------------------------------------

    async def _on_refund(self, event: RefundMade) -> None:
        await self._take_back(((event.purpose, event.ref),), "refund")

    async def _on_dispute(self, event: DisputeChanged) -> None:
        if event.state is DisputeState.OPENED:
            await self._take_back(event.refs, "dispute")

    async def _take_back(self, refs: Iterable[tuple[Purpose, str]], reason: str) -> None:
        """Whatever was bought with money that went back is not had any more."""
        bought = tuple(ref for purpose, ref in refs if purpose in BOUGHT)
        tips = tuple(ref for purpose, ref in refs if purpose is Purpose.TIP)
        now_ms = self._clock.now_ms()

        def take_back(tx: Connection, _: None) -> tuple[list[Entitlement], list[Tip]]:
            found = [item for ref in bought for item in access_store.of_source_ref(tx, ref)]
            revoked = [access.revoke(tx, item.entitlement_id, now_ms, reason) for item in found]
            reversed_tips = [store.reverse_tip(tx, tip_id, now_ms) for tip_id in tips]
            return [item for item in revoked if item], [tip for tip in reversed_tips if tip]

        if not bought and not tips:
            return
        revoked, reversed_tips = await self._executor.submit(take_back, None)
        for item in revoked:
            await self._bus.publish(EntitlementRevoked(item.user_id, item.feature, item.scope_id))
        for tip in reversed_tips:
            await self._bus.publish(TipReversed(tip))
