"""The adapters that the settings choose: database, gateways, media engine, another Monetization Service to ask."""

from curtaincall.enforcement.monetization import PaymentWatch, WatchRules
from curtaincall.enforcement.monetization_grpc import GrpcPaymentSource
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.media.addresses import reach_of
from curtaincall.media.embedded import EmbeddedEngine
from curtaincall.media.placement import PlacedEngine
from curtaincall.media.ports import MediaEngine
from curtaincall.payments.ports import Gateway
from curtaincall.payments.sandbox import SandboxGateway, SandboxRules, webhook_secret
from curtaincall.rooms.service import RoomsService
from curtaincall.settings import Settings
from curtaincall.storage.database import Database, open_database
from curtaincall.storage.executor import WriteExecutor


def database_of(settings: Settings) -> Database:
    """The database that the settings name; whoever opens it closes it."""
    figures = settings.database
    return open_database(settings.data_dir, figures.url.get_secret_value(), figures.writers)


def gateways_of(settings: Settings, executor: WriteExecutor, clock: Clock, ids: IdFactory) -> dict[str, Gateway]:
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


def payment_watch_of(
    settings: Settings, rooms: RoomsService, enforcement: PaymentEnforcementService, bus: EventBus, clock: Clock
) -> PaymentWatch | None:
    figures = settings.monetization
    if not figures.address:
        return None
    rules = WatchRules(validity_us=figures.validity_s * 1_000_000, poll_every_us=figures.poll_every_s * 1_000_000)
    return PaymentWatch(GrpcPaymentSource(figures), rooms, enforcement, bus, clock, rules)


def media_engine(settings: Settings, clock: Clock) -> MediaEngine:
    """Media nodes where the settings name some, else this process forwards itself. Called on the event loop."""
    if not settings.media.nodes:
        return embedded_engine(settings)
    return PlacedEngine(settings.media.nodes, settings.media.nodes_tls, clock)


def embedded_engine(settings: Settings, *, for_others: bool = False) -> EmbeddedEngine:
    """The engine in this process. `for_others`: of a server on another machine."""
    media = settings.media
    reach = reach_of(media, settings.server.host, for_others=for_others)
    return EmbeddedEngine(
        bind_ip=reach.bind_ip,
        public_ips=reach.public_ips,
        base_port=media.port,
        shards=media.shards,
        max_seats_per_room=settings.rooms.max_participants,
    )
