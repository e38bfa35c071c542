"""What the transports call: every service of the running app, put together by `bootstrap`."""

from dataclasses import dataclass

from curtaincall.accounts.blocks import Blocks
from curtaincall.accounts.service import AccountsService
from curtaincall.accounts.tokens import Tokens
from curtaincall.backoffice.service import Backoffice
from curtaincall.charging.service import ChargingService
from curtaincall.enforcement.monetization import PaymentWatch
from curtaincall.enforcement.service import PaymentEnforcementService
from curtaincall.kernel.clock import Clock
from curtaincall.kernel.events import EventBus
from curtaincall.kernel.ids import IdFactory
from curtaincall.media.ports import MediaEngine
from curtaincall.observability.metrics import Metrics
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.disputes import Disputes
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.inbox import WebhookInbox
from curtaincall.payments.payouts import Payouts
from curtaincall.payments.recharge import AutoRecharge
from curtaincall.payments.refunds import Refunds
from curtaincall.payments.service import WalletService
from curtaincall.purchases.service import PurchasesService
from curtaincall.rooms.calls import PrivateCalls
from curtaincall.rooms.presence import Presence
from curtaincall.rooms.purchases import RoomPurchases
from curtaincall.rooms.service import RoomsService
from curtaincall.settings import Settings
from curtaincall.statements.service import Statements
from curtaincall.storage.executor import WriteExecutor
from curtaincall.storage.idempotency import IdempotencyStore
from curtaincall.subscriptions.service import SubscriptionsService
from curtaincall.transports.authentication import Authenticator
from curtaincall.transports.limits import RateLimits


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    clock: Clock
    ids: IdFactory
    bus: EventBus
    executor: WriteExecutor
    idempotency: IdempotencyStore
    media: MediaEngine
    tokens: Tokens
    accounts: AccountsService
    blocks: Blocks
    gateways: Gateways
    cards: CardPayments
    refunds: Refunds
    disputes: Disputes
    payouts: Payouts
    recharge: AutoRecharge
    webhooks: WebhookInbox
    wallet: WalletService
    statements: Statements
    charging: ChargingService
    rooms: RoomsService
    calls: PrivateCalls
    purchases: PurchasesService
    room_purchases: RoomPurchases
    subscriptions: SubscriptionsService
    presence: Presence
    enforcement: PaymentEnforcementService
    backoffice: Backoffice
    payment_watch: PaymentWatch | None
    """None unless `monetization.address` names somebody to ask."""
    metrics: Metrics
    limits: RateLimits
    authenticator: Authenticator
