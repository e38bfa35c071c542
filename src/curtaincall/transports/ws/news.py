"""Carries news from the kernel's bus to the people they concern, in the words of protocol.md."""

from typing import Final

from curtaincall.accounts.errors import AccountFrozen
from curtaincall.accounts.events import AccountSuspended
from curtaincall.charging.events import LowBalance, SessionChanged, SessionEnding, SessionSettled
from curtaincall.charging.model import OVER
from curtaincall.charging.views import SessionView
from curtaincall.media.ports import SpeakerChanged, StatsSampled, TracksChanged
from curtaincall.payments.events import WalletChanged, WalletCredited
from curtaincall.purchases.events import Tipped
from curtaincall.rooms.calls import CallRequested
from curtaincall.rooms.events import ParticipantJoined, ParticipantLeft, PresenceChanged, Scored
from curtaincall.transports.services import Services
from curtaincall.transports.views import (
    call_requested,
    call_state,
    person,
    presence,
    session_for_creator,
    session_for_payer,
    tip,
    wallet_view,
)
from curtaincall.transports.ws.events import EventsHub
from curtaincall.transports.ws.messages import Message
from curtaincall.transports.ws.sight import speaker, stats, tracks

TOP_UP_URL: Final = "/wallet"


class News:
    """Subscribes to the bus; charging tells the news of each session in order, on a lane of their own."""

    def __init__(self, services: Services, hub: EventsHub) -> None:
        self._services = services
        self._hub = hub
        self._told: dict[str, str] = {}
        bus = services.bus
        bus.subscribe(TracksChanged, self._tracks)
        bus.subscribe(SpeakerChanged, self._speaker)
        bus.subscribe(StatsSampled, self._stats)
        bus.subscribe(ParticipantJoined, self._participant_joined)
        bus.subscribe(ParticipantLeft, self._participant_left)
        bus.subscribe(CallRequested, self._call_requested)
        bus.subscribe(SessionChanged, self._session_changed)
        bus.subscribe(SessionEnding, self._session_ending)
        bus.subscribe(SessionSettled, self._session_settled)
        bus.subscribe(LowBalance, self._low_balance)
        bus.subscribe(WalletCredited, self._wallet_changed)
        bus.subscribe(WalletChanged, self._wallet_changed)
        bus.subscribe(Tipped, self._tipped)
        bus.subscribe(Scored, self._scored)
        bus.subscribe(PresenceChanged, self._presence_changed)
        bus.subscribe(AccountSuspended, self._account_suspended)

    async def _account_suspended(self, event: AccountSuspended) -> None:
        self._hub.refuse(event.user_id, AccountFrozen("This account is frozen."))

    # ---- rooms ------------------------------------------------------------------------------------------------------

    async def _tracks(self, event: TracksChanged) -> None:
        self._tell_one(event.room_id, event.user_id, tracks(event))

    async def _speaker(self, event: SpeakerChanged) -> None:
        self._tell_one(event.room_id, event.user_id, speaker(event))

    async def _stats(self, event: StatsSampled) -> None:
        # Of a link its own user alone is told.
        self._tell_one(event.room_id, event.user_id, stats(event))

    async def _participant_joined(self, event: ParticipantJoined) -> None:
        self._tell_others(event.room_id, event.seat.user_id, {"type": "PARTICIPANT_JOINED", **person(event.seat)})

    async def _participant_left(self, event: ParticipantLeft) -> None:
        message = {"type": "PARTICIPANT_LEFT", "userId": event.user_id, "reason": event.reason}
        self._tell_others(event.room_id, event.user_id, message)

    async def _tipped(self, event: Tipped) -> None:
        self._tell_room(event.tip.room_id, tip(event.tip))

    async def _scored(self, event: Scored) -> None:
        self._tell_room(event.room_id, {"type": "SCORE", "scores": event.scores})

    def _tell_one(self, room_id: str, user_id: str, message: Message) -> None:
        connection = self._services.enforcement.connection(room_id, user_id)
        if connection is not None:
            connection.send(message)

    def _tell_room(self, room_id: str, message: Message) -> None:
        for connection in self._services.enforcement.connections_in(room_id).values():
            connection.send(message)

    def _tell_others(self, room_id: str, user_id: str, message: Message) -> None:
        for other, connection in self._services.enforcement.connections_in(room_id).items():
            if other != user_id:
                connection.send(message)

    # ---- calls and money --------------------------------------------------------------------------------------------

    async def _call_requested(self, event: CallRequested) -> None:
        self._hub.tell(event.view.payee_id, call_requested(event.view, event.fan.display_name))

    async def _session_changed(self, event: SessionChanged) -> None:
        await self._tell_session(event.view)

    async def _session_ending(self, event: SessionEnding) -> None:
        await self._tell_session(event.view)

    async def _session_settled(self, event: SessionSettled) -> None:
        await self._tell_session(event.view)
        await self._tell_wallet(event.view.payer_id)

    async def _tell_session(self, view: SessionView) -> None:
        self._tell_state(view)
        enforcement = self._services.enforcement
        creator = enforcement.connection(view.room_id, view.payee_id)
        if creator is not None:
            creator.send({"type": "SESSION", **session_for_creator(view)})
        if enforcement.connection(view.room_id, view.payer_id) is None:
            return
        wallet = await self._services.wallet.wallet(view.payer_id)
        payer = enforcement.connection(view.room_id, view.payer_id)
        if payer is not None:
            payer.send({"type": "SESSION", **session_for_payer(view, wallet)})

    def _tell_state(self, view: SessionView) -> None:
        """CALL_STATE to both, once for each state."""
        if self._told.get(view.session_id) == view.state.value:
            return
        if view.state in OVER:
            self._told.pop(view.session_id, None)
        else:
            self._told[view.session_id] = view.state.value
        for user_id in (view.payer_id, view.payee_id):
            self._hub.tell(user_id, call_state(view))

    async def _low_balance(self, event: LowBalance) -> None:
        payer = self._services.enforcement.connection(event.room_id, event.payer_id)
        if payer is not None:
            payer.send({"type": "LOW_BALANCE", "secondsLeft": event.seconds_left, "topUpUrl": TOP_UP_URL})

    async def _wallet_changed(self, event: WalletCredited | WalletChanged) -> None:
        await self._tell_wallet(event.user_id)

    async def _tell_wallet(self, user_id: str) -> None:
        wallet = await self._services.wallet.wallet(user_id)
        self._hub.tell(user_id, {"type": "WALLET", **wallet_view(wallet)})

    async def _presence_changed(self, event: PresenceChanged) -> None:
        self._hub.tell_everybody(presence(event.user_id, event.online))
