"""What creators ask: price, minimum and increment, each within bounds, and which calls a subscription includes."""

from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Connection, Row, String, Table, select

from curtaincall.access.model import SubscriptionCalls
from curtaincall.charging.errors import RatesInvalid
from curtaincall.charging.model import ChargingSettings, Tariff
from curtaincall.storage.schema import metadata
from curtaincall.storage.upsert import insert

MAX_PRICE_MINOR: Final = 10_000_000
"""The highest price of anything in the table."""

MAX_MINIMUM_MS: Final = 3_600_000
MIN_INCREMENT_MS: Final = 100
MAX_INCREMENT_MS: Final = 60_000
MAX_SUBSCRIPTION_MINUTES: Final = 44_640
"""The minutes of a month of 31 days."""

creator_rates = Table(
    "creator_rates",
    metadata,
    Column("creator_id", String, primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("price_per_minute_minor", BigInteger, nullable=False),
    Column("minimum_ms", BigInteger, nullable=False),
    Column("increment_ms", BigInteger, nullable=False),
    Column("instant_unlock_minor", BigInteger),
    Column("subscription_monthly_minor", BigInteger),
    Column("premium_hd_minor", BigInteger),
    Column("subscription_calls", String(16), nullable=False, server_default="none"),
    Column("subscription_minutes", BigInteger),
    Column("updated_at_ms", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Rates:
    """A creator's rates in minor units; None for the minimum and the increment means the house's defaults."""

    price_per_minute_minor: int
    currency: str
    minimum_ms: int | None = None
    increment_ms: int | None = None
    instant_unlock_minor: int | None = None
    subscription_monthly_minor: int | None = None
    premium_hd_minor: int | None = None
    subscription_calls: SubscriptionCalls = SubscriptionCalls.NONE
    subscription_minutes: int | None = None
    """Of each month; set if `subscription_calls` is MINUTES, and only then."""


@dataclass(frozen=True, slots=True)
class SetRates:
    creator_id: str
    rates: Rates
    now_ms: int


def completed(rates: Rates, settings: ChargingSettings) -> Rates:
    """The rates with the defaults filled in. Raises RatesInvalid."""
    if rates.currency != settings.currency:
        raise RatesInvalid("Rates are in the currency of the house.", currency=settings.currency)
    minimum_ms = settings.default_minimum_ms if rates.minimum_ms is None else rates.minimum_ms
    increment_ms = settings.default_increment_ms if rates.increment_ms is None else rates.increment_ms
    _within("pricePerMinuteMinor", rates.price_per_minute_minor, 1, MAX_PRICE_MINOR)
    _within("minimumMs", minimum_ms, 0, MAX_MINIMUM_MS)
    _within("incrementMs", increment_ms, MIN_INCREMENT_MS, MAX_INCREMENT_MS)
    for name, amount_minor in (
        ("instantUnlockMinor", rates.instant_unlock_minor),
        ("subscriptionMonthlyMinor", rates.subscription_monthly_minor),
        ("premiumHdMinor", rates.premium_hd_minor),
    ):
        if amount_minor is not None:
            _within(name, amount_minor, 1, MAX_PRICE_MINOR)
    _check_subscription(rates)
    return replace(rates, minimum_ms=minimum_ms, increment_ms=increment_ms)


def _check_subscription(rates: Rates) -> None:
    minutes = rates.subscription_minutes
    if (rates.subscription_calls is SubscriptionCalls.MINUTES) != (minutes is not None):
        raise RatesInvalid("subscriptionMinutes goes with subscriptionCalls minutes.", field="subscriptionMinutes")
    if minutes is not None:
        _within("subscriptionMinutes", minutes, 1, MAX_SUBSCRIPTION_MINUTES)


def tariff_of(rates: Rates, settings: ChargingSettings) -> Tariff:
    """The tariff of a session requested now."""
    full = completed(rates, settings)
    return Tariff(
        price_per_minute_minor=full.price_per_minute_minor,
        currency=full.currency,
        increment_ms=full.increment_ms or settings.default_increment_ms,
        minimum_ms=full.minimum_ms or 0,
        fee_bp=settings.fee_bp,
    )


def find(tx: Connection, creator_id: str) -> Rates | None:
    row = tx.execute(select(creator_rates).where(creator_rates.c.creator_id == creator_id)).one_or_none()
    return None if row is None else _rates(row)


def find_many(tx: Connection, creator_ids: tuple[str, ...]) -> dict[str, Rates]:
    """The rates of those of the creators who have set any."""
    rows = tx.execute(select(creator_rates).where(creator_rates.c.creator_id.in_(creator_ids)))
    return {row.creator_id: _rates(row) for row in rows}


def save(tx: Connection, command: SetRates) -> None:
    values = {
        "currency": command.rates.currency,
        "price_per_minute_minor": command.rates.price_per_minute_minor,
        "minimum_ms": command.rates.minimum_ms,
        "increment_ms": command.rates.increment_ms,
        "instant_unlock_minor": command.rates.instant_unlock_minor,
        "subscription_monthly_minor": command.rates.subscription_monthly_minor,
        "premium_hd_minor": command.rates.premium_hd_minor,
        "subscription_calls": command.rates.subscription_calls,
        "subscription_minutes": command.rates.subscription_minutes,
        "updated_at_ms": command.now_ms,
    }
    tx.execute(
        insert(creator_rates)
        .values(creator_id=command.creator_id, **values)
        .on_conflict_do_update(index_elements=["creator_id"], set_=values)
    )


def _within(name: str, value: int, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise RatesInvalid(f"{name} is between {least} and {most}.", field=name, least=least, most=most)


def _rates(row: Row[Any]) -> Rates:
    return Rates(
        price_per_minute_minor=row.price_per_minute_minor,
        currency=row.currency,
        minimum_ms=row.minimum_ms,
        increment_ms=row.increment_ms,
        instant_unlock_minor=row.instant_unlock_minor,
        subscription_monthly_minor=row.subscription_monthly_minor,
        premium_hd_minor=row.premium_hd_minor,
        subscription_calls=SubscriptionCalls(row.subscription_calls),
        subscription_minutes=row.subscription_minutes,
    )
