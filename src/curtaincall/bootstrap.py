"""The one composition root: settings in, a running app out. Nothing else puts services together."""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp

from curtaincall.accounts.blocks import Blocks
from curtaincall.accounts.passwords import Passwords
from curtaincall.accounts.service import AccountRules, AccountsService
from curtaincall.accounts.tokens import Tokens, signing_key
from curtaincall.backoffice.service import Backoffice
from curtaincall.charging.credit import CreditBooks
from curtaincall.charging.credit_control import CreditControl
from curtaincall.charging.model import ChargingSettings, PaymentFailurePolicy, QuotaRules
from curtaincall.charging.payment_status import PaymentStatuses, SessionOfRoom
from curtaincall.charging.service import ChargingService
from curtaincall.enforcement.failures import PaymentFailures
from curtaincall.enforcement.leases import LeaseKeeper
from curtaincall.enforcement.monetization import PaymentWatch, WatchRules
from curtaincall.enforcement.monetization_grpc import GrpcPaymentSource
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.clock import Clock, SystemClock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory, uuid7
from curtaincall.ledger.expiry import HoldExpiry
from curtaincall.ledger.service import Ledger
from curtaincall.media.embedded import EmbeddedEngine
from curtaincall.media.ports import MediaEngine
from curtaincall.media.pump import MediaEventPump
from curtaincall.observability.metrics import Metrics
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.disputes import Disputes
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.inbox import WebhookInbox
from curtaincall.payments.loop import PaymentsLoop, workers
from curtaincall.payments.payouts import Payouts
from curtaincall.payments.ports import Gateway
from curtaincall.payments.recharge import AutoRecharge
from curtaincall.payments.refunds import Refunds
from curtaincall.payments.sandbox import SandboxGateway, SandboxRules, webhook_secret
from curtaincall.payments.service import WalletService
from curtaincall.purchases.model import PurchaseRules
from curtaincall.purchases.service import PurchasesService
from curtaincall.purchases.till import Till
from curtaincall.rooms.calls import PrivateCalls
from curtaincall.rooms.presence import Presence
from curtaincall.rooms.purchases import RoomPurchases
from curtaincall.rooms.service import RoomRules, RoomsService
from curtaincall.settings import Settings
from curtaincall.statements.service import Statements
from curtaincall.storage.database import Database, migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.idempotency import IdempotencyStore
from curtaincall.subscriptions.loop import SubscriptionLoop
from curtaincall.subscriptions.model import SubscriptionRules
from curtaincall.subscriptions.service import SubscriptionsService
from curtaincall.transports.authentication import Authenticator
from curtaincall.transports.grpc.monetization import Monetization
from curtaincall.transports.grpc.server import MonetizationServer, PortUnavailable
from curtaincall.transports.limits import RateLimits
from curtaincall.transports.rest import web
from curtaincall.transports.rest.app import create_app
from curtaincall.transports.services import Services
from curtaincall.transports.ws.endpoints import Endpoints
from curtaincall.transports.ws.events import EventsHub
from curtaincall.transports.ws.news import News

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What tests and the simulation may put in the place of the real thing."""

    clock: Clock = field(default_factory=SystemClock)
    ids: IdFactory | None = None
    media: Callable[[Settings], MediaEngine] | None = None
    executor: Callable[[Database], WriteExecutor] = WriteExecutor
    web_root: Path = field(default_factory=web.folder)


class App:
    """Everything that runs, and the order in which it starts and stops."""

    def __init__(self, settings: Settings, overrides: Overrides) -> None:
        self.settings = settings
        clock = overrides.clock
        ids = overrides.ids or (lambda: uuid7(clock.now_ms()))
        self._database = _database(settings)
        self._claim = self._database.claim()
        migrate(self._database)
        self.services = _services(settings, overrides, self._database, clock, ids)
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
        self._database = _database(settings)
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


def build(settings: Settings, overrides: Overrides | None = None) -> App:
    """Put the app together from its settings; `start` makes it run. Raises DataInUse."""
    return App(settings, overrides or Overrides())


def _database(settings: Settings) -> Database:
    """The database that the settings name; whoever opens it closes it."""
    figures = settings.database
    return open_database(settings.data_dir, figures.url.get_secret_value(), figures.writers)


def _services(settings: Settings, overrides: Overrides, database: Database, clock: Clock, ids: IdFactory) -> Services:
    bus = EventBus()
    metrics = Metrics()
    executor = overrides.executor(database)
    media = (overrides.media or _embedded_engine)(settings)
    ledger = Ledger(clock, ids)
    gateways = Gateways(_gateways(settings, executor, clock, ids))
    cards = CardPayments(executor, ledger, gateways, clock, ids, bus, settings.currency)
    refunds = Refunds(executor, ledger, gateways, clock, ids, bus)
    disputes = Disputes(executor, ledger, gateways, cards, clock, ids, bus)
    payouts = Payouts(
        executor, ledger, gateways, clock, ids, bus, settings.currency, settings.payments.release_after_days
    )
    recharge = AutoRecharge(executor, cards, clock, settings.currency)
    charging = ChargingService(executor, ledger, media, clock, bus, charging_settings(settings), recharge)
    tokens = Tokens(signing_key(settings.data_dir), clock, ids)
    accounts = AccountsService(
        executor, Passwords(settings.accounts.password_threads), tokens, clock, ids, _account_rules(settings)
    )
    blocks = Blocks(executor, bus, clock, ids)
    purchase_rules = PurchaseRules(settings.currency, settings.charging.fee_bp)
    purchases = PurchasesService(executor, ledger, clock, ids, bus, purchase_rules)
    till = Till(ledger, purchase_rules)
    statements = Statements(executor, clock, settings.currency)
    presence = Presence(bus)
    rooms = RoomsService(executor, media, charging, bus, clock, ids, _room_rules(settings), till)
    enforcement = PaymentEnforcementService(rooms, charging, bus, metrics)
    subscriptions = SubscriptionsService(executor, ledger, cards, clock, ids, bus, _subscription_rules(settings))
    return Services(
        settings=settings,
        clock=clock,
        ids=ids,
        bus=bus,
        executor=executor,
        idempotency=IdempotencyStore(executor, clock),
        media=media,
        tokens=tokens,
        accounts=accounts,
        blocks=blocks,
        gateways=gateways,
        cards=cards,
        refunds=refunds,
        disputes=disputes,
        payouts=payouts,
        recharge=recharge,
        webhooks=WebhookInbox(executor, gateways, clock, workers(cards, refunds, payouts, disputes)),
        wallet=WalletService(executor, ledger, gateways, cards, clock, ids, settings.currency),
        statements=statements,
        charging=charging,
        rooms=rooms,
        calls=PrivateCalls(executor, accounts, blocks, rooms, charging, presence, bus, clock, ids),
        purchases=purchases,
        room_purchases=RoomPurchases(executor, rooms, purchases, till, bus, clock, ids),
        subscriptions=subscriptions,
        presence=presence,
        backoffice=Backoffice(
            executor,
            ledger,
            accounts,
            statements,
            refunds,
            payouts,
            disputes,
            subscriptions,
            bus,
            clock,
            ids,
            settings.currency,
        ),
        enforcement=enforcement,
        payment_watch=_payment_watch(settings, rooms, enforcement, bus, clock),
        metrics=metrics,
        limits=RateLimits(settings.limits),
        authenticator=Authenticator(accounts, settings.server.origins),
    )


def _payment_watch(
    settings: Settings, rooms: RoomsService, enforcement: PaymentEnforcementService, bus: EventBus, clock: Clock
) -> PaymentWatch | None:
    figures = settings.monetization
    if not figures.address:
        return None
    rules = WatchRules(validity_us=figures.validity_s * 1_000_000, poll_every_us=figures.poll_every_s * 1_000_000)
    return PaymentWatch(GrpcPaymentSource(figures), rooms, enforcement, bus, clock, rules)


def _account_rules(settings: Settings) -> AccountRules:
    figures = settings.accounts
    return AccountRules(
        access_ttl_s=figures.access_ttl_s,
        refresh_ttl_s=figures.refresh_ttl_s,
        minimum_age_years=figures.minimum_age_years,
    )


def _room_rules(settings: Settings) -> RoomRules:
    return RoomRules(
        max_participants=settings.rooms.max_participants,
        reconnect_grace_us=settings.rooms.reconnect_grace_s * 1_000_000,
        unpaid_lease_ms=settings.charging.lease_ms,
    )


def _subscription_rules(settings: Settings) -> SubscriptionRules:
    figures = settings.subscriptions
    return SubscriptionRules(
        currency=settings.currency,
        fee_bp=settings.charging.fee_bp,
        renew_ahead_ms=figures.renew_ahead_s * 1000,
        retry_days=tuple(sorted(figures.retry_days)),
        grace_days=figures.grace_days,
    )


def charging_settings(settings: Settings) -> ChargingSettings:
    """The figures of charging, as its own package wants them."""
    figures = settings.charging
    return ChargingSettings(
        currency=settings.currency,
        fee_bp=figures.fee_bp,
        default_increment_ms=figures.default_increment_ms,
        default_minimum_ms=figures.default_minimum_ms,
        quota=QuotaRules(first_hold_ms=figures.first_hold_ms, slice_ms=figures.slice_ms),
        lease_ms=figures.lease_ms,
        ask_early_ms=figures.ask_early_ms,
        ring_ms=figures.ring_ms,
        connect_ms=figures.connect_ms,
        pause_ms=figures.pause_ms,
        max_sessions=figures.max_sessions,
        payment_failure_policy=PaymentFailurePolicy(figures.payment_failure_policy),
    )


def _gateways(settings: Settings, executor: WriteExecutor, clock: Clock, ids: IdFactory) -> dict[str, Gateway]:
    made: dict[str, Gateway] = {}
    for name in settings.payments.gateways:
        if name == "sandbox":
            made[name] = _sandbox(settings, executor, clock, ids)
        if name == "stripe":
            made[name] = _stripe(settings, executor)
    return made


def _sandbox(settings: Settings, executor: WriteExecutor, clock: Clock, ids: IdFactory) -> SandboxGateway:
    figures = settings.payments.sandbox
    rules = SandboxRules(
        seed=figures.seed,
        settle_after_ms=figures.settle_after_s * 1000,
        dispute_after_ms=figures.dispute_after_s * 1000,
        decide_after_ms=figures.decide_after_s * 1000,
        payout_after_ms=figures.payout_after_s * 1000,
        tolerance_s=settings.payments.webhook_tolerance_s,
    )
    secret = figures.webhook_secret.get_secret_value() or webhook_secret(settings.data_dir)
    return SandboxGateway(executor, clock, ids, rules, secret)


def _stripe(settings: Settings, executor: WriteExecutor) -> Gateway:
    # The SDK takes half a second to load: whoever does not use it does not wait for it.
    from curtaincall.payments.stripe.gateway import StripeAccount, StripeGateway

    theirs = settings.payments.stripe
    account = StripeAccount(
        secret_key=theirs.secret_key,
        publishable_key=theirs.publishable_key,
        webhook_secret=theirs.webhook_secret,
        return_url=theirs.return_url,
        webhook_tolerance_s=settings.payments.webhook_tolerance_s,
        base_url=theirs.api_base or None,
    )
    return StripeGateway(account, executor)


def _embedded_engine(settings: Settings) -> MediaEngine:
    media = settings.media
    public = [address.strip() for address in media.public_ip.split(",") if address.strip()]
    if not public:
        public = ["127.0.0.1"] if settings.server.host in LOOPBACK else lan_addresses()
    local = all(address in LOOPBACK for address in public)
    return EmbeddedEngine(
        bind_ip=media.bind_ip or ("127.0.0.1" if local else "0.0.0.0"),  # noqa: S104 - peers are everywhere
        public_ips=public,
        base_port=media.port,
        shards=media.shards,
        max_seats_per_room=settings.rooms.max_participants,
    )


def lan_addresses() -> list[str]:
    """This machine's own IPv4 addresses that others can reach, the one of the default route first."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): nothing is sent, but a source address is chosen
            found.append(probe.getsockname()[0])
        except OSError:
            log.warning("no_default_route")
    try:
        of_name = [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    except socket.gaierror:
        of_name = []
    found += [address for address in of_name if address not in found and not address.startswith("127.")]
    return found or ["127.0.0.1"]
