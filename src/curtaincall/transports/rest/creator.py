"""`/api/creator`: what a creator asks, and has earned."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from curtaincall.access.model import SubscriptionCalls
from curtaincall.accounts.model import UserPrincipal
from curtaincall.charging.errors import RatesMissing
from curtaincall.charging.rates import Rates
from curtaincall.statements.model import DayOfEarnings
from curtaincall.statements.service import MAX_DAYS, iso_day
from curtaincall.transports.rest import csv
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.models import RatesBody, rates_body
from curtaincall.transports.rest.wire import AmountMinor, Body, Currency
from curtaincall.transports.services import Services

Milliseconds = Annotated[int, Field(ge=0, le=86_400_000, strict=True)]


class NewRatesBody(Body):
    price_per_minute_minor: AmountMinor
    currency: Currency
    minimum_ms: Milliseconds | None = None
    increment_ms: Milliseconds | None = None
    instant_unlock_minor: AmountMinor | None = None
    subscription_monthly_minor: AmountMinor | None = None
    premium_hd_minor: AmountMinor | None = None
    subscription_calls: SubscriptionCalls = SubscriptionCalls.NONE
    subscription_minutes: Annotated[int, Field(ge=0, le=10**6, strict=True)] | None = None


class DayOfEarningsBody(Body):
    day: str
    source: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    count: int


class DailyEarningsBody(Body):
    currency: str
    items: list[DayOfEarningsBody]


class EarningsBody(Body):
    currency: str
    pending_minor: int
    payable_minor: int
    owed_minor: int
    """What the creator owes the house: disputed earnings that had been paid out."""
    in_transit_minor: int


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/creator", tags=["creators"])
    Creator = Annotated[UserPrincipal, Depends(identity.creator)]

    @routes.get("/rates")
    async def get_rates(creator: Creator) -> RatesBody:
        rates = await services.charging.rates(creator.user_id)
        if rates is None:
            raise RatesMissing("You have set no rates yet.")
        return rates_body(rates)

    @routes.put("/rates")
    async def set_rates(body: NewRatesBody, creator: Creator) -> RatesBody:
        """Calls that were requested already keep the price they were requested at."""
        rates = Rates(
            price_per_minute_minor=body.price_per_minute_minor,
            currency=body.currency,
            minimum_ms=body.minimum_ms,
            increment_ms=body.increment_ms,
            instant_unlock_minor=body.instant_unlock_minor,
            subscription_monthly_minor=body.subscription_monthly_minor,
            premium_hd_minor=body.premium_hd_minor,
            subscription_calls=body.subscription_calls,
            subscription_minutes=body.subscription_minutes,
        )
        return rates_body(await services.charging.set_rates(creator.user_id, rates))

    @routes.get("/earnings")
    async def earnings(creator: Creator) -> EarningsBody:
        earned = await services.wallet.earnings(creator.user_id)
        return EarningsBody(
            currency=earned.currency,
            pending_minor=earned.pending_minor,
            payable_minor=earned.payable_minor,
            owed_minor=earned.owed_minor,
            in_transit_minor=earned.in_transit_minor,
        )

    @routes.get("/earnings/daily")
    async def earnings_daily(
        creator: Creator, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 30
    ) -> DailyEarningsBody:
        """What came in on each day (UTC) from each source, today included: `gross = fee + net`."""
        earned = await services.statements.earnings_by_day(creator.user_id, days)
        return DailyEarningsBody(currency=services.settings.currency, items=[_day(day) for day in earned])

    @routes.get("/earnings.csv", response_class=StreamingResponse)
    async def earnings_csv(
        creator: Creator, since: Annotated[date | None, Query(alias="from")] = None, to: date | None = None
    ) -> StreamingResponse:
        """The same for the days from one to another, as CSV."""
        begin_ms, end_ms = csv.span_ms(since, to, services.clock.now_ms())
        return csv.attachment(services.statements.earnings_csv(creator.user_id, begin_ms, end_ms), "earnings.csv")

    return routes


def _day(day: DayOfEarnings) -> DayOfEarningsBody:
    return DayOfEarningsBody(
        day=iso_day(day.day_ms),
        source=day.source,
        gross_minor=day.gross_minor,
        fee_minor=day.fee_minor,
        net_minor=day.net_minor,
        count=day.count,
    )
