"""What is bought out of the wallet: instant unlocks, and in rooms the entry, the HD pass and tips; and what one has."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from curtaincall.access.sale import Sold
from curtaincall.accounts.model import UserPrincipal
from curtaincall.purchases.model import MAX_MESSAGE_CHARS, NewTip
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.keyed import keyed
from curtaincall.transports.rest.wire import Body, Currency, Id, Items
from curtaincall.transports.services import Services
from curtaincall.transports.views import moment

AnyAmount = Annotated[int, Field(strict=True)]
"""Any whole number: what cannot be a tip is refused as an amount, not as a malformed request."""


class NothingBody(Body):
    """Nothing further is said."""


class NewUnlockBody(Body):
    model_id: Id


class NewTipBody(Body):
    to: Id
    amount_minor: AnyAmount
    currency: Currency
    message: Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)] | None = None


class TipBody(Body):
    tip_id: str


class BoughtBody(Body):
    """`chargedMinor` is 0 for what the caller had already."""

    entitlement_id: str
    charged_minor: int
    currency: str


class EntitlementBody(Body):
    """`until` is null if nothing but its end ends it."""

    entitlement_id: str
    feature: str
    scope_id: str
    until: str | None


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["purchases"])
    User = Annotated[UserPrincipal, Depends(identity.user)]
    currency = services.settings.currency

    def bought(sold: Sold) -> BoughtBody:
        return BoughtBody(
            entitlement_id=sold.entitlement.entitlement_id, charged_minor=sold.charged_minor, currency=currency
        )

    @routes.post("/unlocks", status_code=201, response_model=BoughtBody)
    async def unlock(body: NewUnlockBody, user: User, request: Request) -> Response:
        """One call with this creator that skips queue and ring. Needs Idempotency-Key."""

        async def work(_: str) -> BoughtBody:
            return bought(await services.purchases.unlock(user.user_id, body.model_id))

        return await keyed(services.idempotency, request, user.user_id, 201, work)

    @routes.get("/entitlements")
    async def entitlements(user: User) -> Items[EntitlementBody]:
        """What the caller may have now."""
        items = [
            EntitlementBody(
                entitlement_id=item.entitlement_id,
                feature=item.feature.value,
                scope_id=item.scope_id,
                until=moment(item.until_ms),
            )
            for item in await services.purchases.entitlements(user.user_id)
        ]
        return Items[EntitlementBody](items=items)

    @routes.post("/rooms/{room_id}/entry", status_code=201, response_model=BoughtBody)
    async def entry(room_id: str, _: NothingBody, user: User, request: Request) -> Response:
        """A seat in a battle. Needs Idempotency-Key."""

        async def work(_: str) -> BoughtBody:
            return bought(await services.room_purchases.enter(room_id, user.user_id))

        return await keyed(services.idempotency, request, user.user_id, 201, work)

    @routes.post("/rooms/{room_id}/hd-pass", status_code=201, response_model=BoughtBody)
    async def hd_pass(room_id: str, _: NothingBody, user: User, request: Request) -> Response:
        """Premium quality in this room. Needs Idempotency-Key."""

        async def work(_: str) -> BoughtBody:
            return bought(await services.room_purchases.buy_hd_pass(room_id, user.user_id))

        return await keyed(services.idempotency, request, user.user_id, 201, work)

    @routes.post("/rooms/{room_id}/tips", status_code=201, response_model=TipBody)
    async def tip(room_id: str, body: NewTipBody, user: User, request: Request) -> Response:
        """A tip for somebody in the room. Needs Idempotency-Key."""

        async def work(key: str) -> TipBody:
            new = NewTip(
                room_id=room_id,
                from_id=user.user_id,
                to_id=body.to,
                amount_minor=body.amount_minor,
                currency=body.currency,
                message=(body.message or "").strip() or None,
                request_key=key,
            )
            return TipBody(tip_id=(await services.room_purchases.tip(new)).tip_id)

        return await keyed(services.idempotency, request, user.user_id, 201, work)

    return routes
