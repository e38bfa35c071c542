"""Payments on virtual time and a real database: cards, the sandbox with its webhooks, and the loop turned by hand."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from curtaincall.kernel.events import EventBus
from curtaincall.ledger.model import (
    Account,
    Leg,
    Purpose,
    Transfer,
    creator_pending,
    gateway_clearing,
    platform_fee,
    wallet,
)
from curtaincall.ledger.service import Ledger
from curtaincall.ledger.verify import verify
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.disputes import Disputes
from curtaincall.payments.events import (
    CardPaymentChanged,
    DisputeChanged,
    PayoutChanged,
    RefundMade,
    WalletChanged,
    WalletCredited,
)
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.inbox import WebhookInbox
from curtaincall.payments.loop import PaymentsLoop, workers
from curtaincall.payments.model import CardPayment, TopUp
from curtaincall.payments.payouts import Payouts
from curtaincall.payments.recharge import AutoRecharge
from curtaincall.payments.refunds import Refunds
from curtaincall.payments.sandbox import SandboxGateway, SandboxRules
from curtaincall.payments.service import WalletService
from curtaincall.storage.database import Database, migrate, open_database
from curtaincall.storage.executor import WriteExecutor
from support.virtual_clock import VirtualClock

FAN = "fan"
STAR = "star"
SECRET = "whsec_of_the_test"
DAY_MS = 24 * 3_600_000


@dataclass(slots=True)
class PaymentsWorld:
    """Everything of payments, and nothing above it."""

    database: Database
    rules: SandboxRules = field(default_factory=SandboxRules)
    release_after_days: int = 7
    clock: VirtualClock = field(default_factory=VirtualClock)
    news: list[object] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    bus: EventBus = field(init=False)
    executor: WriteExecutor = field(init=False)
    ledger: Ledger = field(init=False)
    sandbox: SandboxGateway = field(init=False)
    gateways: Gateways = field(init=False)
    cards: CardPayments = field(init=False)
    wallets: WalletService = field(init=False)
    refunds: Refunds = field(init=False)
    disputes: Disputes = field(init=False)
    payouts: Payouts = field(init=False)
    recharge: AutoRecharge = field(init=False)
    inbox: WebhookInbox = field(init=False)
    loop: PaymentsLoop = field(init=False)

    def __post_init__(self) -> None:
        self.boot()

    @classmethod
    def open(cls, directory: Path, database_url: str = "", rules: SandboxRules | None = None) -> "PaymentsWorld":
        database = open_database(directory, database_url)
        migrate(database)
        return cls(database, rules or SandboxRules())

    def boot(self) -> None:
        """Put the services together: anew after a crash, on the same database."""
        clock, new_id = self.clock, self.new_id
        self.bus = bus = EventBus()
        self.executor = executor = WriteExecutor(self.database)
        self.ledger = ledger = Ledger(clock, new_id)
        self.sandbox = self.new_sandbox()
        self.gateways = gateways = Gateways({"sandbox": self.sandbox})
        self.cards = CardPayments(executor, ledger, gateways, clock, new_id, bus, "EUR")
        self.wallets = WalletService(executor, ledger, gateways, self.cards, clock, new_id, "EUR")
        self.refunds = Refunds(executor, ledger, gateways, clock, new_id, bus)
        self.disputes = Disputes(executor, ledger, gateways, self.cards, clock, new_id, bus)
        self.payouts = Payouts(executor, ledger, gateways, clock, new_id, bus, "EUR", self.release_after_days)
        self.recharge = AutoRecharge(executor, self.cards, clock, "EUR")
        tasks = workers(self.cards, self.refunds, self.payouts, self.disputes)
        self.inbox = WebhookInbox(executor, gateways, clock, tasks)
        self.loop = PaymentsLoop(executor, gateways, self.inbox, self.cards, self.refunds, self.payouts, clock)
        for kind in (WalletCredited, WalletChanged, CardPaymentChanged, DisputeChanged, RefundMade, PayoutChanged):
            bus.subscribe(kind, self._heard)

    def new_sandbox(self) -> SandboxGateway:
        return SandboxGateway(self.executor, self.clock, self.new_id, self.rules, SECRET)

    async def crash(self) -> None:
        """Lose everything in memory; what was committed remains. Then start again, without the loop's task."""
        await self.executor.close()
        self.boot()
        await self.resume()

    async def resume(self) -> None:
        """What the loop does at a start, before its first round."""
        for service in (self.cards, self.refunds, self.payouts):
            await service.start()

    async def close(self) -> None:
        """Whatever a test did, the books are in order at its end."""
        assert (await self.executor.read(verify)).problems == ()
        await self.executor.close()
        self.database.close()

    def new_id(self) -> str:
        return f"id-{next(self.numbers):06}"

    async def _heard(self, event: object) -> None:
        self.news.append(event)

    def told(self, kind: type) -> list[object]:
        return [event for event in self.news if isinstance(event, kind)]

    # ---- time -------------------------------------------------------------------------------------------------------

    async def run(self, duration_ms: int, step_ms: int = 500) -> None:
        """Let time go on, with a round of the loop after each step."""
        while duration_ms > 0:
            self.clock.advance_us(min(step_ms, duration_ms) * 1_000)
            duration_ms -= step_ms
            await self.loop.round()

    # ---- money ------------------------------------------------------------------------------------------------------

    async def card(self, token: str = "pm_card_visa", user_id: str = FAN) -> str:
        return (await self.wallets.add_payment_method(user_id, "sandbox", token)).payment_method_id

    async def top_up(self, amount_minor: int = 5_000, token: str = "pm_card_visa", user_id: str = FAN) -> TopUp:
        card = await self.card(token, user_id)
        return await self.wallets.top_up(user_id, amount_minor, "EUR", card, self.new_id())

    async def pay(
        self, credit: Account, purpose: Purpose, amount_minor: int, token: str = "pm_card_visa"
    ) -> CardPayment:
        return await self.cards.pay(
            user_id=FAN,
            payment_method_id=await self.card(token),
            amount_minor=amount_minor,
            currency="EUR",
            key=self.new_id(),
            purpose=purpose,
            ref=credit.owner_id,
            credit=credit,
        )

    async def spend(self, amount_minor: int, ref: str, star: str = STAR, user_id: str = FAN) -> None:
        """A tip: four fifths to the creator, the rest to the house."""
        fee = amount_minor // 5
        payer = wallet(user_id, "EUR")
        legs = (
            Leg(payer, creator_pending(star, "EUR"), amount_minor - fee),
            Leg(payer, platform_fee("EUR"), fee),
        )
        await self.move(Transfer(f"tip:{ref}", Purpose.TIP, ref, tuple(leg for leg in legs if leg.amount_minor)))

    async def move(self, transfer: Transfer) -> None:
        await self.executor.submit(self.ledger.transfer, transfer)

    async def balance(self, account: Account) -> int:
        return (await self.executor.read(lambda tx: self.ledger.balance(tx, account))).balance_minor

    async def balances(self, star: str = STAR) -> dict[str, int]:
        """What everybody has of the fan's money; accounts that are empty are left out."""

        def query(tx: Connection) -> dict[str, int]:
            found = {
                "wallet": self.ledger.balance(tx, wallet(FAN, "EUR")).balance_minor,
                "clearing": self.ledger.balance(tx, gateway_clearing("sandbox", "EUR")).balance_minor,
                "fee": self.ledger.balance(tx, platform_fee("EUR")).balance_minor,
            }
            return {name: minor for name, minor in found.items() if minor}

        earned = await self.wallets.earnings(star)
        creator = {
            "pending": earned.pending_minor,
            "payable": earned.payable_minor,
            "owed": earned.owed_minor,
            "in_transit": earned.in_transit_minor,
        }
        return await self.executor.read(query) | {name: minor for name, minor in creator.items() if minor}

    async def transaction(self, kind: str, user_id: str = FAN) -> str:
        """The id of the newest transaction of a kind on the wallet's statement."""
        page = await self.wallets.transactions(user_id, None, 100)
        return next(item.id for item in page.items if item.kind == kind)
