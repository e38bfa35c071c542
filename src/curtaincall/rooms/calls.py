"""Private calls: request, accept, decline, end. The money side is charging's; the room and its two seats are ours."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from curtaincall.accounts.blocks import Blocks, UserBlocked
from curtaincall.accounts.model import Role, User
from curtaincall.accounts.service import AccountsService
from curtaincall.charging.events import SessionChanged, SessionEnding
from curtaincall.charging.model import OVER, EndReason, SessionState
from curtaincall.charging.service import ChargingService
from curtaincall.charging.views import Receipt, SessionView
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.rooms import store
from curtaincall.rooms.errors import Blocked, CallUnknown, CreatorOffline, NotInvited, TooManyCalls
from curtaincall.rooms.model import RoomKind, RoomRecord
from curtaincall.rooms.presence import Presence
from curtaincall.rooms.service import RoomsService
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page

MAX_OPEN_CALLS: Final = 20
"""Calls that one fan may have open at a time."""

SEATS: Final = 2

NEVER_LIVE: Final = frozenset({SessionState.REJECTED, SessionState.CANCELLED})
"""Ends of a call whose media never flowed."""


@dataclass(frozen=True, slots=True)
class CallRequested:
    """A fan calls a creator: published when both the session and its room are recorded."""

    view: SessionView
    fan: User


class PrivateCalls:
    """Who may do what with a call, and what follows for its room."""

    def __init__(
        self,
        executor: WriteExecutor,
        accounts: AccountsService,
        blocks: Blocks,
        rooms: RoomsService,
        charging: ChargingService,
        presence: Presence,
        bus: EventBus,
        clock: Clock,
        ids: IdFactory,
    ) -> None:
        self._executor = executor
        self._accounts = accounts
        self._blocks = blocks
        self._rooms = rooms
        self._charging = charging
        self._presence = presence
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._requesting: Counter[str] = Counter()
        """Requests of each fan that are being recorded: they count as open calls already."""
        bus.subscribe(SessionChanged, self._on_changed)
        bus.subscribe(SessionEnding, self._on_ending)
        bus.subscribe(UserBlocked, self._on_blocked)

    async def request(self, fan_id: str, creator_id: str) -> SessionView:
        """Ring a creator.

        Raises CallUnknown, Blocked, TooManyCalls, AccountFrozen, and charging's refusals (payment_required,
        rates_missing).
        """
        self._accounts.refuse_frozen(fan_id)
        fan = await self._accounts.user(fan_id)
        creator = await self._accounts.find_active(creator_id)
        if creator is None or creator.role is not Role.CREATOR or creator_id == fan_id:
            raise CallUnknown("There is no such creator.")
        if await self._blocks.between(fan_id, creator_id):
            raise Blocked("You cannot call this person.")
        if self._rooms.open_calls_of(fan_id) + self._requesting[fan_id] >= MAX_OPEN_CALLS:
            raise TooManyCalls("You have too many calls open.")
        self._requesting[fan_id] += 1
        try:
            view = await self._ring(fan_id, creator_id)
        finally:
            self._requesting[fan_id] -= 1
            self._requesting += Counter()  # forgets those who are at zero
        await self._bus.publish(CallRequested(view, fan))
        return view

    async def _ring(self, fan_id: str, creator_id: str) -> SessionView:
        """Record the session, then its room: both, or neither."""
        view = await self._charging.request(
            session_id=self._ids(), room_id=self._ids(), payer_id=fan_id, payee_id=creator_id
        )
        try:
            await self._rooms.open(
                RoomRecord(
                    room_id=view.room_id,
                    kind=RoomKind.PRIVATE_CALL,
                    title=None,
                    host_id=creator_id,
                    call_id=view.session_id,
                    payer_id=fan_id,
                    max_participants=SEATS,
                    created_at_ms=self._clock.now_ms(),
                )
            )
        except BaseException:
            self._charging.revoke(view.session_id, EndReason.CANCELLED)  # also if the database is what failed
            raise
        return view

    async def view(self, call_id: str, user_id: str) -> SessionView:
        """Raises CallUnknown for anybody but the two whose call it is."""
        await self._own(call_id, user_id)
        return await self._charging.session(call_id)

    async def page(self, user_id: str, state: SessionState | None, cursor: str | None, limit: int) -> Page[SessionView]:
        """The user's calls on either side, newest first."""
        return await self._charging.sessions(user_id, state, cursor, limit)

    async def receipt(self, call_id: str, user_id: str) -> Receipt:
        """Raises CallUnknown, and charging's `not_settled`."""
        await self._own(call_id, user_id)
        return await self._charging.receipt(call_id)

    async def accept(self, call_id: str, user_id: str) -> SessionView:
        """Answers after the hold. Raises CallUnknown, NotInvited, Blocked, charging's refusals (payment_required)."""
        record = await self._own(call_id, user_id)
        if user_id != record.host_id:
            raise NotInvited("Only the creator may accept the call.")
        await self._check_blocks(record)
        await self._open_media(record.room_id)
        return await self._charging.accept(call_id)

    async def unlock(self, call_id: str, user_id: str) -> SessionView:
        """The fan pays for the creator's acceptance: no queue, no ring. Answers after the charge and the hold.

        Raises CallUnknown, NotInvited, Blocked, CreatorOffline, and charging's refusals (unlock_unavailable,
        payment_required: nothing is charged then, and it goes on ringing).
        """
        record = await self._own(call_id, user_id)
        if user_id != record.payer_id:
            raise NotInvited("Only the fan may unlock the call.")
        await self._check_blocks(record)
        view = await self._charging.session(call_id)
        if view.state is SessionState.REQUESTED and not self._presence.is_online(view.payee_id):
            raise CreatorOffline("The creator is not online.")
        await self._open_media(record.room_id)
        return await self._charging.unlock(call_id)

    async def _check_blocks(self, record: RoomRecord) -> None:
        fan_id, creator_id = record.payer_id, record.host_id
        if fan_id is not None and creator_id is not None and await self._blocks.between(fan_id, creator_id):
            raise Blocked("One of you has blocked the other.")

    async def _open_media(self, room_id: str) -> None:
        room = self._rooms.in_memory(room_id)
        if room is not None and room.end_reason is None:
            await self._rooms.open_media(room)

    async def decline(self, call_id: str, user_id: str) -> SessionView:
        """Raises CallUnknown, NotInvited."""
        record = await self._own(call_id, user_id)
        if user_id != record.host_id:
            raise NotInvited("Only the creator may decline the call.")
        return await self._charging.decline(call_id)

    async def end(self, call_id: str, user_id: str) -> SessionView:
        """Hang up, at any stage, from either side. Returns when all is settled. Raises CallUnknown."""
        record = await self._own(call_id, user_id)
        is_payer = user_id == record.payer_id
        view = await self._charging.session(call_id)
        if view.state is SessionState.REQUESTED:
            return await (self._charging.cancel(call_id) if is_payer else self._charging.decline(call_id))
        reason = EndReason.PAYER_ENDED if is_payer else EndReason.HOST_ENDED
        return await self._charging.end(call_id, reason)

    async def _own(self, call_id: str, user_id: str) -> RoomRecord:
        record = await self._executor.read(lambda tx: store.find_by_call(tx, call_id))
        if record is None or user_id not in (record.host_id, record.payer_id):
            raise CallUnknown("There is no such call.")
        return record

    # ---- what charging tells ----------------------------------------------------------------------------------------

    async def _on_changed(self, event: SessionChanged) -> None:
        room_id, state = event.view.room_id, event.view.state
        try:
            if state in NEVER_LIVE:
                await self._end_room(room_id, event.view.end_reason or EndReason.CONNECTION_LOST)
        finally:
            # Whatever could not be recorded or read of the end: the engine forgets the room.
            if state in OVER:
                await self._rooms.close_media(room_id)

    async def _on_ending(self, event: SessionEnding) -> None:
        await self._end_room(event.view.room_id, event.reason)

    async def _on_blocked(self, event: UserBlocked) -> None:
        """Whoever blocks the other side of a call has ended it."""
        pair = {event.blocker_id, event.blocked_id}
        for record in self._rooms.open_calls_between(pair):
            reason = EndReason.PAYER_ENDED if event.blocker_id == record.payer_id else EndReason.HOST_ENDED
            self._rooms.stop(record.room_id, reason)  # charging settles it, and tells

    async def _end_room(self, room_id: str, reason: EndReason) -> None:
        # A request that charging refused has no room yet; neither has a session that a crash left behind.
        if self._rooms.in_memory(room_id) is not None:
            await self._rooms.end(room_id, reason)
