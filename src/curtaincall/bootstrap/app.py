"""The app: everything that runs, and the order in which it starts and stops."""

import asyncio
import logging

from starlette.types import ASGIApp

from curtaincall.bootstrap.adapters import database_of
from curtaincall.bootstrap.monetization import MoneySide
from curtaincall.bootstrap.overrides import Overrides
from curtaincall.bootstrap.services import services_of
from curtaincall.enforcement.leases import LeaseKeeper
from curtaincall.kernel.ids import uuid7
from curtaincall.ledger.expiry import HoldExpiry
from curtaincall.ledger.service import Ledger
from curtaincall.media.pump import MediaEventPump
from curtaincall.payments.loop import PaymentsLoop
from curtaincall.settings import Settings
from curtaincall.storage.database import migrate
from curtaincall.subscriptions.loop import SubscriptionLoop
from curtaincall.transports.grpc.server import PortUnavailable
from curtaincall.transports.rest.app import create_app
from curtaincall.transports.ws.endpoints import Endpoints
from curtaincall.transports.ws.events import EventsHub
from curtaincall.transports.ws.news import News

log = logging.getLogger(__name__)


class App:
    """Everything that runs, and the order in which it starts and stops."""

    def __init__(self, settings: Settings, overrides: Overrides) -> None:
        self.settings = settings
        clock = overrides.clock
        ids = overrides.ids or (lambda: uuid7(clock.now_ms()))
        self._database = database_of(settings)
        self._claim = self._database.claim()
        migrate(self._database)
        self.services = services_of(settings, overrides, self._database, clock, ids)
        self._money = MoneySide(
            settings,
            self.services.executor,
            self.services.bus,
            clock,
            ids,
            self.services.tokens,
            session_of_room=self.services.charging.session_in_room,
            enforcement=self.services.enforcement,
        )
        self._pump = MediaEventPump(self.services.media, self.services.bus)
        self._pumping: asyncio.Task[None] | None = None
        self._leases = LeaseKeeper(
            self.services.charging,
            self.services.rooms,
            self.services.bus,
            clock,
            self.services.metrics,
            settings.charging.renew_every_ms / 1000,
        )
        self._payments = PaymentsLoop(
            self.services.executor,
            self.services.gateways,
            self.services.webhooks,
            self.services.cards,
            self.services.refunds,
            self.services.payouts,
            clock,
        )
        self._subscriptions = SubscriptionLoop(self.services.subscriptions, settings.subscriptions.tick_s)
        self._expiry = HoldExpiry(self.services.executor, Ledger(clock, ids), clock)
        hub = EventsHub()
        News(self.services, hub)  # kept alive by its subscriptions
        self._endpoints = Endpoints(self.services, hub)
        self.asgi: ASGIApp = create_app(self.services, self._endpoints, overrides.web_root)

    @property
    def grpc_address(self) -> str | None:
        """Where the Monetization Service listens, once started; None if its port was taken and nobody asked for it."""
        return self._money.server.address if self._money.server.port else None

    async def start(self) -> None:
        """Settle what a crash left open, then take up work. Raises PortUnavailable."""
        try:
            self._money.server.bind()
        except PortUnavailable:
            if "port" in self.settings.grpc.model_fields_set:
                raise
            # The usual port, which nobody chose: a second server on this machine works without it, and says so.
            log.warning("grpc_port_taken", extra={"port": self.settings.grpc.port})
        services = self.services
        await self._payments.start()
        await services.charging.start()
        await services.accounts.start()
        await services.rooms.start()
        await services.purchases.start()
        await services.subscriptions.start()
        self._pumping = asyncio.create_task(self._media_events(), name="media-events")
        self._leases.start()
        if services.payment_watch is not None:
            services.payment_watch.start()
        await self._money.start()
        self._subscriptions.start()
        self._expiry.start()
        log.info("started", extra={"demo": self.settings.demo})

    async def _media_events(self) -> None:
        """Carry media events up for as long as the app runs. Without them nobody knows what is delivered."""
        try:
            await self._pump.run()
        except Exception:
            log.critical("media_events_stopped", exc_info=True)
            await self._leases.stop()  # and so everything goes dark: that is what failing closed means

    async def end_calls(self) -> None:
        """End and settle every live call, then say goodbye to whoever is still connected.

        Bounded by `server.shutdown_timeout_s`.
        """
        await self._money.server.begin_to_stop()
        try:
            async with asyncio.timeout(self.settings.server.shutdown_timeout_s):
                await self.services.charging.stop()
                await self.services.idempotency.drain()
        except TimeoutError:
            # Nothing is lost: what is still open is settled at the next start, as after a crash.
            log.warning("shutdown_timed_out")
        await self._endpoints.close_all()

    async def stop(self) -> None:
        """Close everything. Calls have been ended by `end_calls`."""
        await self._money.stop()
        if self.services.payment_watch is not None:
            await self.services.payment_watch.stop()
        await self._subscriptions.stop()
        await self._leases.stop()
        await self._payments.stop()
        await self._expiry.stop()
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.gather(self._pumping, return_exceptions=True)
        await self.services.media.close()
        await self.services.gateways.close()
        await self.services.executor.close()
        self.services.accounts.close()
        self._claim.release()
        self._database.close()
        log.info("stopped")


def build(settings: Settings, overrides: Overrides | None = None) -> App:
    """Put the app together from its settings; `start` makes it run. Raises DataInUse."""
    return App(settings, overrides or Overrides())
