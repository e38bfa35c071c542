"""The Monetization Service with what stands behind it, and the app that is nothing else."""

import logging

from curtaincall.accounts.tokens import Tokens, signing_key
from curtaincall.bootstrap.adapters import database_of
from curtaincall.bootstrap.overrides import Overrides
from curtaincall.bootstrap.rules import charging_settings
from curtaincall.charging.credit import CreditBooks
from curtaincall.charging.credit_control import CreditControl
from curtaincall.charging.payment_status import PaymentStatuses, SessionOfRoom
from curtaincall.enforcement.failures import PaymentFailures
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory, uuid7
from curtaincall.ledger.service import Ledger
from curtaincall.settings import Settings
from curtaincall.storage.database import migrate
from curtaincall.storage.executor import WriteExecutor
from curtaincall.transports.grpc.monetization import Monetization
from curtaincall.transports.grpc.server import MonetizationServer

log = logging.getLogger(__name__)


class MoneySide:
    """The Monetization Service and what stands behind it: within the app, or alone."""

    def __init__(
        self,
        settings: Settings,
        executor: WriteExecutor,
        bus: EventBus,
        clock: Clock,
        ids: IdFactory,
        tokens: Tokens,
        *,
        session_of_room: SessionOfRoom,
        enforcement: PaymentEnforcementService | None,
    ) -> None:
        figures = settings.grpc
        books = CreditBooks(Ledger(clock, ids), charging_settings(settings), figures.validity_s * 1_000)
        self._credit = CreditControl(executor, books, clock, bus)
        self._statuses = PaymentStatuses(executor, bus, clock, session_of_room, figures.max_streams)
        failures = PaymentFailures(self._credit, enforcement)
        self.server = MonetizationServer(Monetization(self._statuses, self._credit, failures), tokens, figures)

    async def start(self) -> None:
        """Settle who fell silent, from now on, and serve if `server` is bound."""
        self._credit.start()
        await self.server.start()

    async def stop(self) -> None:
        self._statuses.close()
        await self.server.stop()
        await self._credit.stop()


class MonetizationApp:
    """`curtaincall monetization`: the money side without rooms, media and pages, in a process of its own.

    On SQLite it is the one server on its data folder. On PostgreSQL it works beside `serve`, on the same rows: it
    settles nothing but what it was told over gRPC.
    """

    def __init__(self, settings: Settings, overrides: Overrides) -> None:
        clock = overrides.clock
        ids = overrides.ids or (lambda: uuid7(clock.now_ms()))
        self._database = database_of(settings)
        self._claim = None if settings.database.url.get_secret_value() else self._database.claim()
        migrate(self._database)
        self._executor = WriteExecutor(self._database)
        tokens = Tokens(signing_key(settings.data_dir), clock, ids)
        self._money = MoneySide(
            settings,
            self._executor,
            EventBus(),
            clock,
            ids,
            tokens,
            session_of_room=lambda _room_id: None,
            enforcement=None,
        )

    @property
    def address(self) -> str:
        return self._money.server.address

    async def start(self) -> None:
        """Raises PortUnavailable."""
        self._money.server.bind()
        await self._money.start()

    async def stop(self) -> None:
        await self._money.stop()
        await self._executor.close()
        if self._claim is not None:
            self._claim.release()
        self._database.close()
        log.info("stopped")


def build_monetization(settings: Settings, overrides: Overrides | None = None) -> MonetizationApp:
    """Put the money side together. Raises DataInUse."""
    return MonetizationApp(settings, overrides or Overrides())
