"""Every service of the app, put together."""

from curtaincall.accounts.blocks import Blocks
from curtaincall.accounts.passwords import Passwords
from curtaincall.accounts.service import AccountsService
from curtaincall.accounts.tokens import Tokens, signing_key
from curtaincall.backoffice.service import Backoffice
from curtaincall.bootstrap.adapters import gateways_of, media_engine, payment_watch_of
from curtaincall.bootstrap.overrides import Overrides
from curtaincall.bootstrap.rules import account_rules, charging_settings, room_rules, subscription_rules
from curtaincall.charging.service import ChargingService
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.ledger.service import Ledger
from curtaincall.media.embedded import EmbeddedEngine
from curtaincall.media.figures import LinkFigures
from curtaincall.media.placement import PlacedEngine
from curtaincall.observability.metrics import Metrics
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.disputes import Disputes
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.inbox import WebhookInbox
from curtaincall.payments.loop import workers
from curtaincall.payments.payouts import Payouts
from curtaincall.payments.recharge import AutoRecharge
from curtaincall.payments.refunds import Refunds
from curtaincall.payments.service import WalletService
from curtaincall.purchases.model import PurchaseRules
from curtaincall.purchases.service import PurchasesService
from curtaincall.purchases.till import Till
from curtaincall.rooms.calls import PrivateCalls
from curtaincall.rooms.losses import RoomLosses
from curtaincall.rooms.presence import Presence
from curtaincall.rooms.purchases import RoomPurchases
from curtaincall.rooms.service import RoomsService
from curtaincall.settings import Settings
from curtaincall.statements.service import Statements
from curtaincall.storage.database import Database
from curtaincall.storage.idempotency import IdempotencyStore
from curtaincall.subscriptions.service import SubscriptionsService
from curtaincall.transports.authentication import Authenticator
from curtaincall.transports.limits import RateLimits
from curtaincall.transports.services import Services


def services_of(settings: Settings, overrides: Overrides, database: Database, clock: Clock, ids: IdFactory) -> Services:
    bus = EventBus()
    metrics = Metrics()
    executor = overrides.executor(database)
    media = overrides.media(settings) if overrides.media else media_engine(settings, clock)
    if isinstance(media, EmbeddedEngine | PlacedEngine):
        metrics.watch_media(media.stats)
        LinkFigures(metrics.registry, bus)  # kept alive by its subscription
    ledger = Ledger(clock, ids)
    gateways = Gateways(gateways_of(settings, executor, clock, ids))
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
        executor, Passwords(settings.accounts.password_threads), tokens, clock, ids, account_rules(settings)
    )
    blocks = Blocks(executor, bus, clock, ids)
    purchase_rules = PurchaseRules(settings.currency, settings.charging.fee_bp)
    purchases = PurchasesService(executor, ledger, clock, ids, bus, purchase_rules)
    till = Till(ledger, purchase_rules)
    statements = Statements(executor, clock, settings.currency)
    presence = Presence(bus)
    rooms = RoomsService(executor, media, charging, bus, clock, ids, room_rules(settings), till)
    RoomLosses(rooms, charging, bus)  # kept alive by its subscription
    enforcement = PaymentEnforcementService(rooms, charging, bus, metrics)
    subscriptions = SubscriptionsService(executor, ledger, cards, clock, ids, bus, subscription_rules(settings))
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
        payment_watch=payment_watch_of(settings, rooms, enforcement, bus, clock),
        metrics=metrics,
        limits=RateLimits(settings.limits),
        authenticator=Authenticator(accounts, settings.server.origins),
    )
