"""`/api/subscriptions`: of whoever asks; somebody else's do not exist."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from curtaincall.accounts.model import UserPrincipal
from curtaincall.subscriptions.model import SubscriptionState
from curtaincall.subscriptions.service import SubscriptionView
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.keyed import keyed
from curtaincall.transports.rest.wire import Body, Id, Items
from curtaincall.transports.services import Services
from curtaincall.transports.views import moment


class NewSubscriptionBody(Body):
    model_id: Id
    payment_method_id: Id


class SubscriptionBody(Body):
    """`redirectUrl` is where the card's holder has to confirm the payment."""

    subscription_id: str
    model_id: str
    display_name: str
    state: str
    price_minor: int
    currency: str
    current_period_end: str | None
    cancel_at_period_end: bool
    redirect_url: str | None


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/subscriptions", tags=["purchases"])
    User = Annotated[UserPrincipal, Depends(identity.user)]
    subscriptions = services.subscriptions

    @routes.post("", status_code=201, response_model=SubscriptionBody)
    async def subscribe(body: NewSubscriptionBody, user: User, request: Request) -> Response:
        """Charges the card at once. Needs Idempotency-Key. 402 `payment_declined` if the card is."""

        async def work(key: str) -> SubscriptionBody:
            return _body(await subscriptions.subscribe(user.user_id, body.model_id, body.payment_method_id, key))

        return await keyed(services.idempotency, request, user.user_id, 201, work)

    @routes.get("")
    async def list_subscriptions(user: User) -> Items[SubscriptionBody]:
        return Items[SubscriptionBody](items=[_body(view) for view in await subscriptions.of_fan(user.user_id)])

    @routes.delete("/{subscription_id}")
    async def cancel(subscription_id: str, user: User) -> SubscriptionBody:
        """What is paid is kept until the period's end. Repeating it changes nothing."""
        return _body(await subscriptions.cancel(subscription_id, user.user_id))

    return routes


def _body(view: SubscriptionView) -> SubscriptionBody:
    subscription = view.subscription
    return SubscriptionBody(
        subscription_id=subscription.subscription_id,
        model_id=subscription.creator_id,
        display_name=view.creator_name,
        state=subscription.state.value,
        price_minor=subscription.price_minor,
        currency=subscription.currency,
        current_period_end=moment(subscription.until_ms),
        cancel_at_period_end=subscription.state is SubscriptionState.CANCELLED,
        redirect_url=subscription.redirect_url,
    )
