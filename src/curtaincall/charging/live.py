"""The sessions in memory: each one's state, driven by the state machine, and what its actions do to the world.

All of it runs on one event loop. A state changes only in `LiveSessions.apply`, which never waits: what the packet path
must hear, it hears there and then. Money and news follow on two lanes of the session: the money lane runs one
transaction after the other and feeds each outcome back as an event; the news lane tells the layers above, who may take
their time, or call back, without holding up the money.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final

from sqlalchemy import Connection

from curtaincall.charging import store
from curtaincall.charging.actions import Action, Do, Note, TellLowBalance
from curtaincall.charging.events import LowBalance, SessionChanged, SessionEnding, SessionSettled
from curtaincall.charging.live_session import Live
from curtaincall.charging.machine import transition
from curtaincall.charging.model import (
    OVER,
    ClosingUnanswered,
    EndReason,
    EndRequested,
    Event,
    HoldPlaced,
    HoldRefused,
    HoldUnanswered,
    HoldVoided,
    LeaseOpened,
    PaidSession,
    PaymentDeclined,
    RenewalPlaced,
    RenewalRefused,
    RenewalUnanswered,
    SessionState,
    SettlementRecorded,
    Tick,
)
from curtaincall.charging.ports import AutoRecharge
from curtaincall.charging.records import Progress
from curtaincall.charging.settlement import (
    AuthorizeSession,
    Booked,
    CancelSession,
    RenewQuota,
    SessionBooks,
    SettleSession,
)
from curtaincall.charging.timers import Timers, due_us
from curtaincall.charging.views import Receipt, SessionView, TimelineEntry, view_of
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.media.ports import Grant, MediaEngine, OpenLease
from curtaincall.payments.model import PaymentStatus
from curtaincall.storage.executor import WriteExecutor

TIMELINE_LIMIT: Final = 1_000
"""Lines that one session may put on its timeline while in memory: reconnecting for ever does not fill the disk."""

log = logging.getLogger(__name__)


class LiveSessions:
    """Holds the sessions that are not over, and carries out what the state machine decides."""

    def __init__(
        self,
        executor: WriteExecutor,
        books: SessionBooks,
        media: MediaEngine,
        clock: Clock,
        bus: EventBus,
        recharge: AutoRecharge | None,
    ) -> None:
        self._executor = executor
        self._books = books
        self._media = media
        self._clock = clock
        self._bus = bus
        self._auto_recharge = recharge
        self._by_id: dict[str, Live] = {}
        self._by_room: dict[str, Live] = {}
        self._by_payer: dict[str, dict[str, Live]] = {}
        self._leaving: set[Live] = set()
        self._timers: Timers[Live] = Timers()
        self._to_write: set[Live] = set()
        """Those of whose record the database did not take the newest."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Live]:
        return iter(tuple(self._by_id.values()))

    def add(self, session: PaidSession) -> Live:
        live = Live(session)
        self._by_id[session.session_id] = live
        self._by_room[session.room_id] = live
        self._by_payer.setdefault(session.payer_id, {})[session.session_id] = live
        self._arm(live)
        return live

    def find(self, session_id: str) -> Live | None:
        return self._by_id.get(session_id)

    def in_room(self, room_id: str) -> Live | None:
        return self._by_room.get(room_id)

    def of_payer(self, payer_id: str) -> tuple[Live, ...]:
        return tuple(self._by_payer.get(payer_id, {}).values())

    def view(self, live: Live) -> SessionView:
        return view_of(live.session, self._clock.monotonic_us(), self._clock.now_ms())

    def apply(self, live: Live, event: Event) -> None:
        """Let an event happen to a session, now. What reaches the SFU has reached it when this returns."""
        live.session, actions = transition(live.session, event, self._clock.monotonic_us())
        self._arm(live)
        for action in actions:
            self._perform(live, action)
        if actions and _done(live.session):
            live.money.put(partial(self._retire, live))

    def cut(self, live: Live, reason: EndReason, asked_by: str | None = None) -> None:
        """End a session: the packet path hears of it before anything else is so much as computed."""
        session = live.session
        if session.end_reason is None and session.lease_opened:
            self._revoke(session)
        self.apply(live, EndRequested(reason, asked_by))

    def grant(self, live: Live) -> None:
        """Extend the lease by a newer grant of everything that is held."""
        live.seq += 1
        session = live.session
        newer = Grant(
            room_id=session.room_id,
            lease_id=session.session_id,
            epoch=session.epoch,
            seq=live.seq,
            granted_ms=session.books.granted_ms,
            lease_ms=session.settings.lease_ms,
        )
        try:
            self._media.grant(newer)
        except Exception:
            log.exception("grant_failed", extra={"session_id": session.session_id})

    def tick(self) -> None:
        """Run the timers that have run out, and try again to record what the database did not take."""
        for live in self._timers.due(self._clock.monotonic_us()):
            try:
                self.apply(live, Tick())
            except Exception:
                log.exception("session_tick_failed", extra={"session_id": live.session.session_id})
        again, self._to_write = self._to_write, set()
        for live in again:
            self._write(live)

    def _arm(self, live: Live) -> None:
        self._timers.arm(live, due_us(live.session), self._clock.monotonic_us())

    async def told(self) -> None:
        """Wait until everything that happened so far has been recorded and told."""
        for live in (*self, *self._leaving):
            await live.money.idle()
            await live.news.idle()

    async def recharged(self) -> None:
        """Wait until no card is being asked."""
        asking = [live.recharging for live in (*self, *self._leaving) if live.recharging is not None]
        await asyncio.gather(*asking)

    # ---- actions ----------------------------------------------------------------------------------------------------

    def _perform(self, live: Live, action: Action) -> None:
        session = live.session
        match action:
            case Do.REVOKE_LEASE:
                self._revoke(session)
            case Do.CLOSE_LEASE:
                self._close_lease(session)
            case Do.GRANT_LEASE:
                self.grant(live)
            case Do.OPEN_LEASE:
                live.money.put(partial(self._open_lease, live))
            case Do.PLACE_HOLD:
                live.money.put(partial(self._place_hold, live, unlock=False))
            case Do.UNLOCK:
                live.money.put(partial(self._place_hold, live, unlock=True))
            case Do.RENEW:
                live.money.put(partial(self._renew, live))
            case Do.RECHARGE:
                self._recharge(live)
            case Do.SETTLE:
                live.money.put(partial(self._close, live, self._settle))
            case Do.VOID_HOLD:
                live.money.put(partial(self._close, live, self._void_hold))
            case Do.TELL_CHANGED:
                change = SessionChanged(self.view(live))
                live.news.put(partial(self._publish, change), must=session.state in OVER)
            case Do.TELL_ENDING:
                reason = session.end_reason or EndReason.CONNECTION_LOST
                live.news.put(partial(self._publish, SessionEnding(self.view(live), reason)), must=True)
            case Do.TELL_SETTLED:
                live.news.put(partial(self._tell_settled, self.view(live)), must=True)
            case TellLowBalance(seconds_left):
                warning = LowBalance(session.session_id, session.room_id, session.payer_id, seconds_left)
                live.news.put(partial(self._publish, warning))
            case Note(event):
                self._note(live, event)

    # A command that the engine fails must not keep the rest from happening: without grants the lease ends by itself.

    def _revoke(self, session: PaidSession) -> None:
        try:
            self._media.revoke(session.room_id, session.session_id)
        except Exception:
            log.exception("revoke_failed", extra={"session_id": session.session_id})

    def _close_lease(self, session: PaidSession) -> None:
        try:
            self._media.close_lease(session.room_id, session.session_id)
        except Exception:
            log.exception("close_lease_failed", extra={"session_id": session.session_id})

    async def _publish(self, event: object) -> None:
        await self._bus.publish(event)

    async def _tell_settled(self, view: SessionView) -> None:
        def query(tx: Connection) -> Receipt:
            return store.receipt(tx, store.load(tx, view.session_id))

        await self._bus.publish(SessionSettled(view, await self._executor.read(query)))

    # ---- the money lane: one transaction after the other, each outcome an event -------------------------------------

    async def _place_hold(self, live: Live, *, unlock: bool) -> None:
        command = AuthorizeSession(live.session.session_id, self._clock.now_ms(), unlock)
        try:
            booked = await self._executor.submit(self._books.authorize, command)
        except Exception as error:
            live.refusal = error
            self.apply(live, HoldUnanswered())
            return
        if booked is None:
            self.apply(live, HoldRefused())
        else:
            self.apply(live, HoldPlaced(booked.books, booked.available_minor, booked.included_ms))

    async def _open_lease(self, live: Live) -> None:
        session = live.session
        if session.state is not SessionState.CONNECTING:
            return
        lease = OpenLease(session.room_id, session.session_id, session.payer_id, session.payee_id)
        try:
            await self._media.open_lease(lease)
        except Exception as error:
            live.refusal = error
            self.apply(live, EndRequested(EndReason.CONNECTION_LOST))
            return
        if live.session.state is SessionState.CONNECTING:
            self.apply(live, LeaseOpened())
        else:  # cancelled meanwhile
            self._close_lease(session)

    async def _renew(self, live: Live) -> None:
        session = live.session
        command = RenewQuota(session.session_id, session.books.used_ms, self._clock.now_ms())
        try:
            outcome = await self._executor.submit(self._books.renew, command)
        except Exception:
            log.exception("renewal_unanswered", extra={"session_id": session.session_id})
            self.apply(live, RenewalUnanswered())
            return
        if isinstance(outcome, Booked):
            self.apply(live, RenewalPlaced(outcome.books, outcome.available_minor, outcome.included_ms))
        else:
            self.apply(live, RenewalRefused(outcome))

    async def _close(self, live: Live, work: Callable[[PaidSession, EndReason], Awaitable[Event]]) -> None:
        session = live.session
        try:
            event = await work(session, session.end_reason or EndReason.CONNECTION_LOST)
        except Exception:
            log.exception("closing_unanswered", extra={"session_id": session.session_id})
            event = ClosingUnanswered()
        self.apply(live, event)

    async def _settle(self, session: PaidSession, reason: EndReason) -> Event:
        command = SettleSession(
            session.session_id, session.books.used_ms, reason, self._clock.now_ms(), asked_by=session.ended_by
        )
        return SettlementRecorded(await self._executor.submit(self._books.settle, command))

    async def _void_hold(self, session: PaidSession, reason: EndReason) -> Event:
        command = CancelSession(session.session_id, reason, self._clock.now_ms())
        await self._executor.submit(self._books.cancel, command)
        return HoldVoided()

    # ---- the card, which may take long and holds nothing up ----------------------------------------------------------

    def _recharge(self, live: Live) -> None:
        if self._auto_recharge is None or (live.recharging is not None and not live.recharging.done()):
            return
        asking = self._ask_card(self._auto_recharge, live)
        live.recharging = asyncio.get_running_loop().create_task(asking, name="session-recharge")

    async def _ask_card(self, auto_recharge: AutoRecharge, live: Live) -> None:
        session = live.session
        try:
            payment = await auto_recharge.trigger(session.payer_id, recharge_ref(session))
        except Exception:  # no answer is no decline: the session goes on with what it has
            log.exception("recharge_failed", extra={"session_id": session.session_id})
            return
        if payment is not None and payment.status is PaymentStatus.DECLINED:
            self.apply(live, PaymentDeclined())

    # ---- the record -------------------------------------------------------------------------------------------------

    def _note(self, live: Live, event: str) -> None:
        if live.lines >= TIMELINE_LIMIT and event not in OVER:
            return
        live.lines += 1
        live.unwritten.append(TimelineEntry(self._clock.now_ms(), event))
        self._write(live)

    def _write(self, live: Live) -> None:
        """Have the newest recorded, unless that is under way, or done."""
        if live.writing or not live.unwritten:
            return
        live.writing = live.money.put(partial(self._record, live))
        if not live.writing:
            self._to_write.add(live)

    async def _record(self, live: Live) -> None:
        """Record the state and all lines so far in one write."""
        session, lines = live.session, tuple(live.unwritten)
        progress = Progress(session.session_id, session.state, session.end_reason, lines)
        try:
            await self._executor.submit(store.save_progress, progress)
        except BaseException:
            self._to_write.add(live)
            raise
        finally:
            live.writing = False
        del live.unwritten[: len(lines)]
        self._write(live)
        if _done(live.session):
            await self._retire(live)

    async def _retire(self, live: Live) -> None:
        """Forget a session that is over and recorded."""
        session = live.session
        if live.unwritten or not _done(session) or self._by_id.pop(session.session_id, None) is None:
            return
        if self._by_room.get(session.room_id) is live:
            del self._by_room[session.room_id]
        of_payer = self._by_payer[session.payer_id]
        del of_payer[session.session_id]
        if not of_payer:
            del self._by_payer[session.payer_id]
        self._timers.arm(live, None, 0)
        self._leaving.add(live)
        live.news.put(partial(self._forget, live), must=True)
        live.over.set()

    async def _forget(self, live: Live) -> None:
        self._leaving.discard(live)


def recharge_ref(session: PaidSession) -> str:
    """What a charge of the payer's card is for: the hold that is running out. Begins with the session's id."""
    return f"{session.session_id}:{session.books.hold_number}"


def _done(session: PaidSession) -> bool:
    """Whether the session is over with all its money where it belongs."""
    return session.state in OVER and not session.settling and session.books.held_minor == 0
