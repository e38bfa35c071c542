"""Who lives on the simulated platform, drawn from a seed: creators with prices and working hours, fans with habits."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from curtaincall.access.model import SubscriptionCalls

DAY_MIN: Final = 24 * 60

PRICES_MINOR: Final = (99, 149, 199, 249, 299, 399, 499)
"""What creators ask for a minute."""

FIRST_NAMES: Final = ("Aria", "Juno", "Milo", "Noor", "Ivo", "Lena", "Kai", "Zoe", "Remy", "Tess", "Yara", "Odin")
LAST_NAMES: Final = ("Vale", "Marsh", "Reyes", "Stone", "Frost", "Lane", "Quinn", "Hart", "Bloom", "Drake", "Wolfe")

CARDS: Final = (
    ("pm_card_visa", 780),
    ("pm_card_mastercard", 70),
    ("pm_card_chargeDeclinedInsufficientFunds", 30),
    ("pm_card_chargeDeclined", 15),
    ("pm_card_chargeDeclinedExpiredCard", 10),
    ("pm_card_fails_after_3", 30),
    ("pm_card_authenticationRequired", 20),
    ("pm_card_pending_then_succeeds", 15),
    ("pm_card_pending_then_fails", 5),
    ("pm_card_createDispute", 10),
    ("pm_card_dispute_won", 10),
    ("pm_card_createDisputeInquiry", 5),
)
"""The fans' cards at the sandbox, and how many of a thousand have each."""

HABITS: Final = ((0.03, 60), (0.20, 30), (0.70, 10))
"""Visits a day, and how many of a hundred fans come so often."""

TOP_UPS_MINOR: Final = (1_000, 2_000, 2_000, 3_000, 5_000, 10_000)


@dataclass(slots=True)
class Creator:
    user_id: str
    name: str
    price_minor: int
    weight: int
    """How often fans think of them, beside the others."""
    begins_min: int
    works_min: int
    """When (minutes after midnight UTC) they come online, and for how long."""
    days_off: frozenset[int]
    includes: SubscriptionCalls
    """Which calls their subscribers have for nothing."""
    calls: int = 0
    """Calls they have at this moment: one at a time."""

    def works_at(self, minute: int) -> bool:
        """Whether they are online, so many minutes after the beginning (a midnight)."""
        since = (minute - self.begins_min) % DAY_MIN
        day = (minute - since) // DAY_MIN % 7
        return since < self.works_min and day not in self.days_off


@dataclass(slots=True)
class Fan:
    user_id: str
    card: str
    visits_per_day: float
    favourites: tuple[int, ...]
    """Creators (by number) they call before others."""
    patience_s: int
    """How long their calls last in the middle."""
    method_id: str | None = None
    busy: bool = False
    recharges: bool = False
    subscription_id: str | None = None
    calls: list[str] = field(default_factory=list)
    """Calls they had since they last thought of complaining."""


def draw_creator(user_id: str, random: Random) -> Creator:
    return Creator(
        user_id=user_id,
        name=f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}",
        price_minor=random.choice(PRICES_MINOR),
        weight=random.choice((1, 1, 1, 2, 2, 4, 8)),
        begins_min=random.randrange(14 * 60, 22 * 60, 30),
        works_min=random.randrange(180, 420, 30),
        days_off=frozenset({random.randrange(7)}),
        includes=random.choice((SubscriptionCalls.NONE, SubscriptionCalls.NONE, SubscriptionCalls.MINUTES)),
    )


def draw_fan(user_id: str, random: Random, creators: int) -> Fan:
    return Fan(
        user_id=user_id,
        card=random.choices([card for card, _ in CARDS], [weight for _, weight in CARDS])[0],
        visits_per_day=random.choices([visits for visits, _ in HABITS], [weight for _, weight in HABITS])[0],
        favourites=tuple(random.randrange(creators) for _ in range(3)),
        patience_s=random.choice((45, 90, 150, 240, 420, 900)),
    )


def draw_hour(random: Random) -> float:
    """An hour of the day (UTC) at which somebody comes: mostly in the evening."""
    return random.triangular(8, 28, 21) % 24
