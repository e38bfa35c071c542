"""Paid sessions, from the request to the receipt: the use cases that rooms, enforcement and transports call.

Sessions that are open live in memory (`charging.live`) and are driven by events; the database has what a crash must not
lose. A session that is over is read from the database.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from curtaincall.charging import disputes, store
from curtaincall.charging import rates as rates_store
from curtaincall.charging.errors import (
    NotSettled,
    PaymentRequired,
    SessionOver,
    SessionUnknown,
    SettlementDelayed,
    TooManySessions,
)
from curtaincall.charging.listener import SessionListener
from curtaincall.charging.live import LiveSessions
from curtaincall.charging.live_session import Live
from curtaincall.charging.model import (
    OVER,
    Accepted,
    ChargingSettings,
    Declined,
    EndReason,
    MeterOverdue,
    PaidSession,
    SeatJoined,
    SeatLeft,
    SessionState,
    Unlocked,
)
from curtaincall.charging.ports import AutoRecharge
from curtaincall.charging.rates import Rates, SetRates
from curtaincall.charging.records import Meter, StoredSession
from curtaincall.charging.recovery import close_interrupted
from curtaincall.charging.settlement import RequestSession, SessionBooks
from curtaincall.charging.views import Receipt, SessionView
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.ledger.service import Ledger
from curtaincall.media.ports import (
    MediaEngine,
)
from curtaincall.storage.errors import StorageError
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.paging import Page, page_size, position_of

__all__ = ["ChargingService", "Rates", "Receipt", "SessionView"]

END_WAIT_S: Final = 15.0
"""How long `end` waits for a settlement that the database does not answer; it is retried all the same."""

STOP_WAIT_S: Final = 5.0
"""How long `stop` waits for settlements after the final readings; what is left is settled at the next start."""

RENEWED_TOGETHER: Final = 256
"""The most meters written by one command: other commands come in between."""

COMMANDS_AT_ONCE: Final = 4
"""The most such commands under way: they share a commit, and leave most of a commit to others."""

log = logging.getLogger(__name__)


class ChargingService:
    """Who pays for which session, and for how long media may flow. Used from one event loop."""

    def __init__(
        self,
        executor: WriteExecutor,
        ledger: Ledger,
        media: MediaEngine,
        clock: Clock,
        bus: EventBus,
        settings: ChargingSettings,
        recharge: AutoRecharge | None = None,
    ) -> None:
        self._executor = executor
        self._books = SessionBooks(ledger, settings)
        self._clock = clock
        self._settings = settings
        self._live = LiveSessions(executor, self._books, media, clock, bus, recharge)
        self._stopping = False
        SessionListener(self._live, executor, clock, bus)  # kept alive by its subscriptions

    async def start(self) -> None:
        """Close every session that a crash left open, at its durable meter. None is resumed.

        And mark those whose disputes a crash kept us from hearing of.
        """
        await close_interrupted(self._executor, self._books, self._clock)
        for command in await self._executor.read(lambda tx: disputes.missed(tx, self._clock.now_ms())):
            await self._executor.submit(disputes.record, command)

    async def stop(self) -> None:
        """End and settle every open session (ADMIN_TERMINATED); new requests are refused."""
        self._stopping = True
        open_sessions = tuple(self._live)
        for live in open_sessions:
            self._live.cut(live, EndReason.ADMIN_TERMINATED)
        await _all_over(open_sessions, self._settings.final_meter_ms / 1_000)
        for live in open_sessions:
            self._live.apply(live, MeterOverdue())
        if not await _all_over(open_sessions, STOP_WAIT_S):
            log.error("settlements_left_to_the_next_start", extra={"sessions": len(self._live)})
        await self.quiesce()

    async def recharged(self) -> None:
        """Wait until no payer's card is being asked. As long as a gateway takes."""
        await self._live.recharged()

    async def quiesce(self) -> None:
        """Wait until everything that has happened so far is recorded and told."""
        await self._live.told()

    # ---- rates ------------------------------------------------------------------------------------------------------

    async def rates(self, creator_id: str) -> Rates | None:
        """What the creator asks; None if nothing was set."""
        return await self._executor.read(lambda tx: rates_store.find(tx, creator_id))

    async def rates_of(self, creator_ids: Iterable[str]) -> dict[str, Rates]:
        """What each of the creators asks; those who have set nothing are left out."""
        ids = tuple(creator_ids)
        return await self._executor.read(lambda tx: rates_store.find_many(tx, ids))

    async def set_rates(self, creator_id: str, rates: Rates) -> Rates:
        """Set what the creator asks from the next request on. Raises RatesInvalid."""
        completed = rates_store.completed(rates, self._settings)
        await self._executor.submit(rates_store.save, SetRates(creator_id, completed, self._clock.now_ms()))
        return completed

    # ---- from the request to the end --------------------------------------------------------------------------------

    async def request(self, *, session_id: str, room_id: str, payer_id: str, payee_id: str) -> SessionView:
        """Record a request at the price of now. Repeating it changes nothing.

        Raises RatesMissing, PaymentRequired if the minimum is not covered, TooManySessions, SessionConflict.
        """
        if self._stopping or len(self._live) >= self._settings.max_sessions:
            raise TooManySessions("The server takes no more calls now.")
        command = RequestSession(session_id, room_id, payer_id, payee_id, self._clock.now_ms())
        stored = await self._executor.submit(self._books.request, command)
        live = self._live.find(session_id)
        if live is None and stored.state not in OVER:
            live = self._live.add(self._requested(stored))
        return stored.view if live is None else self._live.view(live)

    async def accept(self, session_id: str) -> SessionView:
        """Hold the first slice and open the media lease; repeating it changes nothing. The room must be open.

        Raises PaymentRequired (the session is REJECTED then), SessionOver, SessionUnknown, and what the media engine
        or the database refuses.
        """
        live = self._live.find(session_id)
        if live is None:
            return _accepted((await self._stored(session_id)).view)
        if live.session.unlocking:
            await live.money.idle()  # if that is refused, it is ours to accept
        return await self._begin(live, Accepted())

    async def unlock(self, session_id: str) -> SessionView:
        """The payer pays for the creator's acceptance: charged together with the first hold. The room must be open.

        Repeating it changes nothing; of a session that was accepted meanwhile nothing is charged. Raises
        PaymentRequired and UnlockUnavailable (it goes on ringing then), and what `accept` raises.
        """
        live = self._live.find(session_id)
        if live is None:
            return _accepted((await self._stored(session_id)).view)
        return await self._begin(live, Unlocked())

    async def _begin(self, live: Live, event: Accepted | Unlocked) -> SessionView:
        if live.session.state is SessionState.REQUESTED:
            live.refusal = None
            self._live.apply(live, event)
        await live.money.idle()
        if live.refusal is not None:
            raise live.refusal
        return _accepted(self._live.view(live))

    async def decline(self, session_id: str) -> SessionView:
        """The creator refuses: REJECTED. A session that was accepted meanwhile is ended. Raises SessionUnknown."""
        live = self._live.find(session_id)
        if live is not None:
            self._live.apply(live, Declined())
        return await self.end(session_id, EndReason.HOST_ENDED)

    async def cancel(self, session_id: str) -> SessionView:
        """The payer gives up: CANCELLED. A session that was accepted meanwhile is ended. Raises SessionUnknown."""
        live = self._live.find(session_id)
        ringing = live is not None and live.session.state in (SessionState.REQUESTED, SessionState.AUTHORIZING)
        return await self.end(session_id, EndReason.CANCELLED if ringing else EndReason.PAYER_ENDED)

    async def joined(self, session_id: str, user_id: str) -> None:
        """A seat's signaling is in the room. The first grant follows when both are, a new epoch when both are again."""
        live = self._live.find(session_id)
        if live is not None:
            self._live.apply(live, SeatJoined(user_id))

    async def left(self, session_id: str, user_id: str) -> None:
        """A seat's signaling has gone. Media stops, and the session waits for it for a while."""
        live = self._live.find(session_id)
        if live is not None:
            self._live.apply(live, SeatLeft(user_id))

    def revoke(self, session_id: str, reason: EndReason, asked_by: str | None = None) -> None:
        """Stop the session's packets now: no I/O, no waiting. Idempotent, the first reason counts.

        `asked_by` is the payer or the payee if one of them asked for it under a reason that is not theirs: it decides
        whether the minimum applies.
        """
        live = self._live.find(session_id)
        if live is not None:
            self._live.cut(live, reason, asked_by)

    async def end(self, session_id: str, reason: EndReason) -> SessionView:
        """Stop the packets, then settle: returns when that is recorded (SETTLED; never live: CANCELLED). Idempotent.

        Raises SessionUnknown; SettlementDelayed if the database does not answer (the settlement is retried).
        """
        live = self._live.find(session_id)
        if live is None:
            return (await self._stored(session_id)).view
        self._live.cut(live, reason)
        try:
            async with asyncio.timeout(END_WAIT_S):
                await live.over.wait()
        except TimeoutError:
            raise SettlementDelayed("The call has ended; its settlement is delayed.") from None
        return self._live.view(live)

    # ---- what the loops of enforcement drive ------------------------------------------------------------------------

    async def renew_leases(self) -> None:
        """Make the meters durable, and only then extend the leases, so many at a time.

        Leases whose meters could not be written are not extended, and their media goes dark: the error is the caller's
        to log.
        """
        flowing = [live for live in self._live if live.session.flowing]
        batches = [flowing[begin : begin + RENEWED_TOGETHER] for begin in range(0, len(flowing), RENEWED_TOGETHER)]
        failure: BaseException | None = None
        for begin in range(0, len(batches), COMMANDS_AT_ONCE):
            at_once = (self._renew_together(batch) for batch in batches[begin : begin + COMMANDS_AT_ONCE])
            outcomes = await asyncio.gather(*at_once, return_exceptions=True)
            failure = next((outcome for outcome in outcomes if outcome is not None), failure)
            if isinstance(failure, StorageError):
                break  # the database is out of order: the others would only wait for it in vain
        if failure is not None:
            raise failure

    async def _renew_together(self, flowing: list[Live]) -> None:
        meters = tuple(Meter(live.session.session_id, live.session.books.used_ms) for live in flowing)
        await self._executor.submit(store.save_meters, meters)
        for live in flowing:
            if live.session.flowing:  # still: it may have been cut while the meters were written
                self._live.grant(live)

    async def tick(self) -> None:
        """Run the timers that have run out; to be called at least every 250 ms."""
        self._live.tick()

    # ---- what is known ----------------------------------------------------------------------------------------------

    def session_in_room(self, room_id: str) -> SessionView | None:
        """The open session of a room."""
        live = self._live.in_room(room_id)
        return None if live is None else self._live.view(live)

    async def session(self, session_id: str) -> SessionView:
        """Raises SessionUnknown."""
        live = self._live.find(session_id)
        return (await self._stored(session_id)).view if live is None else self._live.view(live)

    async def sessions(
        self, user_id: str, state: SessionState | None, cursor: str | None, limit: int
    ) -> Page[SessionView]:
        """One page of the user's sessions on either side, newest first. Raises CursorInvalid."""
        before = position_of(cursor)
        page = await self._executor.read(lambda tx: store.page_of(tx, user_id, state, before, page_size(limit)))
        return Page(tuple(self._freshest(stored) for stored in page.items), page.next_cursor)

    async def receipt(self, session_id: str) -> Receipt:
        """Raises NotSettled, SessionUnknown."""
        stored = await self._stored(session_id)
        if stored.state not in OVER:
            raise NotSettled("The call is not settled yet.")
        return await self._executor.read(lambda tx: store.receipt(tx, stored))

    async def _stored(self, session_id: str) -> StoredSession:
        stored = await self._executor.read(lambda tx: store.find(tx, session_id))
        if stored is None:
            raise SessionUnknown("There is no such session.")
        return stored

    def _freshest(self, stored: StoredSession) -> SessionView:
        live = self._live.find(stored.session_id)
        return stored.view if live is None else self._live.view(live)

    def _requested(self, stored: StoredSession) -> PaidSession:
        session = PaidSession(
            session_id=stored.session_id,
            room_id=stored.room_id,
            payer_id=stored.payer_id,
            payee_id=stored.payee_id,
            tariff=stored.tariff,
            settings=self._settings,
            created_at_ms=stored.created_at_ms,
        )
        return replace(session, deadline_us=self._clock.monotonic_us() + self._settings.ring_ms * 1_000)


def _accepted(view: SessionView) -> SessionView:
    """Say why an acceptance came to nothing, if it did."""
    if view.end_reason is EndReason.PAYMENT_REQUIRED:
        raise PaymentRequired("The wallet does not cover the minimum of this call.", currency=view.currency)
    if view.state in OVER:
        raise SessionOver("The call is over.")
    return view


async def _all_over(sessions: Iterable[Live], timeout_s: float) -> bool:
    """Wait for the sessions to be over, for so long at most."""
    try:
        async with asyncio.timeout(timeout_s):
            for live in sessions:
                await live.over.wait()
    except TimeoutError:
        return False
    return True
