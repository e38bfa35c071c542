"""The people of `--demo`: creators with rates, fans with money and a saved sandbox card. Made once per data folder."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from curtaincall.access.model import SubscriptionCalls
from curtaincall.accounts.model import Role, User
from curtaincall.accounts.service import Registration
from curtaincall.charging.rates import Rates
from curtaincall.transports.services import Services

PASSWORD: Final = "curtain-call-demo"  # noqa: S105 - printed at start, and nothing but the demo's sandbox money is behind it
BIRTH_DATE: Final = date(1990, 1, 1)
TOP_UP_MINOR: Final = 50_00


@dataclass(frozen=True, slots=True)
class DemoCreator:
    """One who offers everything, or less: None is not on offer. Prices are minor units of the house's currency."""

    email: str
    name: str
    price_per_minute_minor: int
    instant_unlock_minor: int | None = None
    subscription_monthly_minor: int | None = None
    subscription_calls: SubscriptionCalls = SubscriptionCalls.NONE
    subscription_minutes: int | None = None
    premium_hd_minor: int | None = None

    def rates(self, currency: str) -> Rates:
        return Rates(
            price_per_minute_minor=self.price_per_minute_minor,
            currency=currency,
            instant_unlock_minor=self.instant_unlock_minor,
            subscription_monthly_minor=self.subscription_monthly_minor,
            subscription_calls=self.subscription_calls,
            subscription_minutes=self.subscription_minutes,
            premium_hd_minor=self.premium_hd_minor,
        )


CREATORS: Final = (
    DemoCreator("aria@demo.example", "Aria Vale", 300, 500, 25_00, SubscriptionCalls.ALL, premium_hd_minor=200),
    DemoCreator("juno@demo.example", "Juno Marsh", 450, 800, 15_00, SubscriptionCalls.MINUTES, 60, 300),
    DemoCreator("milo@demo.example", "Milo Reyes", 200),
)
FANS: Final = (("sam@demo.example", "Sam"), ("kit@demo.example", "Kit"))


async def seed(services: Services) -> list[str]:
    """Make the people who are missing; returns the lines that tell the operator how to sign in."""
    currency = services.settings.currency
    for creator in CREATORS:
        user = await _person(services, creator.email, creator.name, Role.CREATOR)
        if await services.charging.rates(user.user_id) is None:
            await services.charging.set_rates(user.user_id, creator.rates(currency))
    for email, name in FANS:
        await _fund(services, await _person(services, email, name, Role.FAN))
    emails = [*(creator.email for creator in CREATORS), *(email for email, _ in FANS)]
    return ["demo accounts:", *(f"  {email}" for email in emails), f"  password of all: {PASSWORD}"]


async def _person(services: Services, email: str, name: str, role: Role) -> User:
    known = await services.accounts.find_by_email(email)
    if known is not None:
        return known
    return await services.accounts.register(Registration(email, PASSWORD, name, role, BIRTH_DATE))


async def _fund(services: Services, fan: User) -> None:
    if await services.wallet.payment_methods(fan.user_id) or services.settings.payments.gateway != "sandbox":
        return
    card = await services.wallet.add_payment_method(fan.user_id, "sandbox", "pm_card_visa")
    await services.wallet.top_up(
        fan.user_id, TOP_UP_MINOR, services.settings.currency, card.payment_method_id, f"demo:{fan.user_id}"
    )
