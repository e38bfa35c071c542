"""What the media engine and the payments say, as events of the sessions they are about."""

from functools import partial

from curtaincall.charging import disputes, store
from curtaincall.charging.events import SessionChanged
from curtaincall.charging.live import LiveSessions
from curtaincall.charging.model import (
    Credited,
    EndReason,
    LeaseClosed,
    MediaReached,
    Metered,
    PaymentDeclined,
    QuotaSpent,
    TransportDown,
    TransportUp,
)
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import (
    LeaseEnd,
    LeaseEnded,
    MediaFlowing,
    MeterRead,
    TransportChanged,
    TransportState,
)
from curtaincall.payments.events import CardPaymentChanged, DisputeChanged, WalletCredited
from curtaincall.payments.model import PaymentStatus
from curtaincall.payments.ports import DisputeState
from curtaincall.payments.recharge import KEY_PREFIX
from curtaincall.storage.executor import WriteExecutor


class SessionListener:
    """Subscribes to the bus for the sessions in memory. What is over, or was never here, hears nothing."""

    def __init__(self, live: LiveSessions, executor: WriteExecutor, clock: Clock, bus: EventBus) -> None:
        self._live = live
        self._executor = executor
        self._clock = clock
        self._bus = bus
        bus.subscribe(MediaFlowing, self._on_media_flowing)
        bus.subscribe(MeterRead, self._on_meter_read)
        bus.subscribe(LeaseEnded, self._on_lease_ended)
        bus.subscribe(TransportChanged, self._on_transport_changed)
        bus.subscribe(WalletCredited, self._on_wallet_credited)
        bus.subscribe(CardPaymentChanged, self._on_card_payment)
        bus.subscribe(DisputeChanged, self._on_dispute)

    async def _on_media_flowing(self, event: MediaFlowing) -> None:
        live = self._live.find(event.lease_id)
        if live is not None:
            self._live.apply(live, MediaReached(event.epoch))

    async def _on_meter_read(self, event: MeterRead) -> None:
        live = self._live.find(event.lease_id)
        if live is not None:
            self._live.apply(live, Metered(event.billable_us // 1_000, event.running))

    async def _on_lease_ended(self, event: LeaseEnded) -> None:
        live = self._live.find(event.lease_id)
        if live is None:
            return
        used_ms = event.billable_us // 1_000
        match event.cause:
            case LeaseEnd.QUOTA:
                self._live.apply(live, QuotaSpent(used_ms))
            case LeaseEnd.CLOSED:
                self._live.apply(live, LeaseClosed(used_ms))
            case LeaseEnd.LAPSED | LeaseEnd.REVOKED:
                # Dark for now: because we were late, or because we wished it. Not an end by itself.
                self._live.apply(live, Metered(used_ms, running=False))

    async def _on_transport_changed(self, event: TransportChanged) -> None:
        live = self._live.in_room(event.room_id)
        if live is not None:
            up = event.state is TransportState.CONNECTED
            self._live.apply(live, TransportUp(event.user_id) if up else TransportDown(event.user_id))

    async def _on_wallet_credited(self, event: WalletCredited) -> None:
        for live in self._live.of_payer(event.user_id):
            if live.session.tariff.currency == event.currency:
                self._live.apply(live, Credited(event.amount_minor))

    async def _on_card_payment(self, event: CardPaymentChanged) -> None:
        """The gateway may decline a recharge only later."""
        if event.status is not PaymentStatus.DECLINED or not event.key.startswith(KEY_PREFIX):
            return
        session_id, _, _ = event.key.removeprefix(KEY_PREFIX).partition(":")
        live = self._live.find(session_id)
        if live is not None and live.session.payer_id == event.user_id:
            self._live.apply(live, PaymentDeclined())

    async def _on_dispute(self, event: DisputeChanged) -> None:
        """Whoever wants money back gets no more for it; what it paid for is marked."""
        if event.state is DisputeState.INQUIRY:
            return
        if event.state is DisputeState.OPENED:
            for live in self._live.of_payer(event.user_id):
                self._live.cut(live, EndReason.PAYMENT_FAILED)
        command = disputes.of_news(event, self._clock.now_ms())
        for session_id in await self._executor.submit(disputes.record, command):
            stored = await self._executor.read(partial(store.load, session_id=session_id))
            await self._bus.publish(SessionChanged(stored.view))
