"""A platform with a fan who has a card and a creator who offers a subscription, and a gateway told what to answer."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from curtaincall.accounts.model import User
from curtaincall.charging.rates import Rates
from curtaincall.ledger.model import creator_pending, deferred_subscription, platform_fee
from curtaincall.payments.cards import CardPayments
from curtaincall.payments.gateways import Gateways
from curtaincall.payments.ports import Charge, ChargeResult
from curtaincall.payments.sandbox import SandboxGateway
from curtaincall.subscriptions.model import DAY_MS, SubscriptionRules, SubscriptionState
from curtaincall.subscriptions.service import SubscriptionsService, SubscriptionView
from support.platform_world import PlatformWorld

PRICE_MINOR = 1_000


@dataclass(slots=True)
class ToldGateway:
    """The sandbox, except that `answers` come first: of each charge one, and the last of them again when asked."""

    sandbox: SandboxGateway
    answers: list[ChargeResult] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    last: ChargeResult | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sandbox, name)

    async def charge(self, command: Charge) -> ChargeResult:
        self.charges.append(command)
        if self.answers:
            self.last = self.answers.pop(0)
            return self.last
        return await self.sandbox.charge(command)

    async def charge_status(self, gateway_id: str) -> ChargeResult:
        return self.last or await self.sandbox.charge_status(gateway_id)

    async def cancel_charge(self, gateway_id: str) -> ChargeResult:
        return await self.charge_status(gateway_id)


class SubscriptionWorld(PlatformWorld):
    """A fan with a card, and a creator who offers a subscription for 10.00 a month."""

    gateway: ToldGateway | None = None
    fan_id: str
    star_id: str
    card: str

    def boot(self) -> None:
        PlatformWorld.boot(self)
        self.work_through(self.executor)

    def work_through(self, executor: Any) -> None:
        """Have subscriptions and their payments committed by this executor."""
        sandbox = SandboxGateway(executor, self.clock, self.new_id)
        kept = self.gateway
        self.gateway = ToldGateway(sandbox) if kept is None else ToldGateway(sandbox, kept.answers, kept.charges)
        gateways = Gateways({"sandbox": self.gateway})
        self.cards = CardPayments(executor, self.ledger, gateways, self.clock, self.new_id, self.bus, "EUR")
        self.subscriptions = SubscriptionsService(
            executor, self.ledger, self.cards, self.clock, self.new_id, self.bus, SubscriptionRules()
        )

    @property
    def charges(self) -> list[Charge]:
        assert self.gateway is not None
        return self.gateway.charges

    def answer(self, *answers: ChargeResult) -> None:
        """What the gateway says to the next charges; the last also when it is asked about that charge."""
        assert self.gateway is not None
        self.gateway.answers.extend(answers)

    def decide(self, answer: ChargeResult) -> None:
        """What the gateway says when it is asked about the last charge."""
        assert self.gateway is not None
        self.gateway.last = answer

    async def set_stage(self, card: str = "pm_card_visa", **rates: Any) -> None:
        star: User = await self.creator()
        fan: User = await self.fan(balance_minor=0)
        self.star_id, self.fan_id = star.user_id, fan.user_id
        await self.offer(PRICE_MINOR, **rates)
        self.card = await self.new_card(card)

    async def offer(self, price_minor: int | None, **rates: Any) -> None:
        await self.charging.set_rates(self.star_id, Rates(300, "EUR", subscription_monthly_minor=price_minor, **rates))

    async def new_card(self, token: str = "pm_card_visa", user_id: str | None = None) -> str:
        return (await self.wallets.add_payment_method(user_id or self.fan_id, "sandbox", token)).payment_method_id

    async def subscribe(self, key: str = "key", card: str | None = None) -> SubscriptionView:
        return await self.subscriptions.subscribe(self.fan_id, self.star_id, card or self.card, key)

    async def state(self) -> SubscriptionState:
        return (await self.shown()).subscription.state

    async def shown(self) -> SubscriptionView:
        return (await self.subscriptions.of_fan(self.fan_id))[0]

    async def pass_days(self, days: float) -> None:
        """Let time go on, with ticks each quarter of a day."""
        for _ in range(round(days * 4)):
            self.clock.advance_us(DAY_MS // 4 * 1_000)
            await self.subscriptions.tick()

    async def money(self) -> tuple[int, int, int]:
        """Deferred, the creator's and the house's, of the fan's newest subscription."""
        subscription_id = (await self.shown()).subscription.subscription_id

        def query(tx: Connection) -> tuple[int, int, int]:
            accounts = (
                deferred_subscription(subscription_id, "EUR"),
                creator_pending(self.star_id, "EUR"),
                platform_fee("EUR"),
            )
            first, second, third = (self.ledger.balance(tx, account).balance_minor for account in accounts)
            return first, second, third

        return await self.executor.read(query)
