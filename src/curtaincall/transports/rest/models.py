"""`/api/models`: the creators that a fan may call."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from curtaincall.access.model import Feature
from curtaincall.accounts.errors import UserUnknown
from curtaincall.accounts.model import Principal, Role, ServicePrincipal, User
from curtaincall.charging.rates import Rates
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.wire import Body, Items
from curtaincall.transports.services import Services


class RatesBody(Body):
    """What a creator asks. Times are milliseconds, prices minor units."""

    price_per_minute_minor: int
    currency: str
    minimum_ms: int | None
    increment_ms: int | None
    instant_unlock_minor: int | None = None
    subscription_monthly_minor: int | None = None
    premium_hd_minor: int | None = None
    subscription_calls: str
    subscription_minutes: int | None = None


class ModelBody(Body):
    model_id: str
    display_name: str
    online: bool
    rates: RatesBody | None
    subscribed: bool
    """The caller has a subscription of this creator."""


def rates_body(rates: Rates) -> RatesBody:
    return RatesBody(
        price_per_minute_minor=rates.price_per_minute_minor,
        currency=rates.currency,
        minimum_ms=rates.minimum_ms,
        increment_ms=rates.increment_ms,
        instant_unlock_minor=rates.instant_unlock_minor,
        subscription_monthly_minor=rates.subscription_monthly_minor,
        premium_hd_minor=rates.premium_hd_minor,
        subscription_calls=rates.subscription_calls.value,
        subscription_minutes=rates.subscription_minutes,
    )


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/models", tags=["creators"])
    Caller = Annotated[Principal, Depends(identity.principal)]

    def body_of(user: User, rates: Rates | None, subscribed: bool) -> ModelBody:
        return ModelBody(
            model_id=user.user_id,
            display_name=user.display_name,
            online=services.presence.is_online(user.user_id),
            rates=None if rates is None else rates_body(rates),
            subscribed=subscribed,
        )

    async def subscribed_to(caller: Principal) -> frozenset[str]:
        if isinstance(caller, ServicePrincipal):
            return frozenset()
        has = await services.purchases.entitlements(caller.user_id)
        return frozenset(item.scope_id for item in has if item.feature is Feature.SUBSCRIPTION)

    @routes.get("")
    async def list_models(
        caller: Caller,
        cursor: Annotated[str, Field(max_length=64), Query()] = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Items[ModelBody]:
        users = await services.accounts.creators(after=cursor, limit=limit)
        next_cursor = users[-1].user_id if len(users) == limit else None
        rates = await services.charging.rates_of(user.user_id for user in users)
        subscribed = await subscribed_to(caller)
        items = [body_of(user, rates.get(user.user_id), user.user_id in subscribed) for user in users]
        return Items[ModelBody](items=items, next_cursor=next_cursor)

    @routes.get("/{model_id}")
    async def get_model(model_id: str, caller: Caller) -> ModelBody:
        user = await services.accounts.user(model_id)
        if user.role is not Role.CREATOR:
            raise UserUnknown("There is no such creator.")
        return body_of(user, await services.charging.rates(model_id), model_id in await subscribed_to(caller))

    return routes
