"""`/api/creator/payouts`: earnings that are sent out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from curtaincall.accounts.model import UserPrincipal
from curtaincall.kernel.clock import rfc3339
from curtaincall.payments.payout_store import OPEN, Payout
from curtaincall.payments.payouts import MAX_PAYOUT_MINOR, PayoutRequest
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.keyed import keyed
from curtaincall.transports.rest.wire import Body, Items
from curtaincall.transports.services import Services


class NewPayoutBody(Body):
    amount_minor: Annotated[int, Field(ge=1, le=MAX_PAYOUT_MINOR, strict=True)] | None = None
    """Without it: all there is."""


class PayoutBody(Body):
    payout_id: str
    amount_minor: int
    currency: str
    status: str
    failure_code: str | None = None
    created_at: str


class OnboardingBody(Body):
    url: str


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/creator", tags=["creators"])
    Creator = Annotated[UserPrincipal, Depends(identity.creator)]

    @routes.post("/payouts", status_code=201, response_model=PayoutBody)
    async def request_payout(body: NewPayoutBody, creator: Creator, request: Request) -> Response:
        """Send earnings out. Needs Idempotency-Key. `pending` until they have arrived, or come back: `failed`."""

        async def work(key: str) -> PayoutBody:
            wanted = PayoutRequest(creator.user_id, body.amount_minor, key)
            return _payout(await services.payouts.request(wanted))

        return await keyed(services.idempotency, request, creator.user_id, 201, work)

    @routes.post("/payouts/onboarding", status_code=201)
    async def begin_onboarding(creator: Creator) -> OnboardingBody:
        """Where a creator tells the gateway who they are. 422 `gateway_unsuitable` if it does not ask."""
        return OnboardingBody(url=await services.payouts.begin_onboarding(creator.user_id))

    @routes.get("/payouts")
    async def payouts(
        creator: Creator,
        cursor: Annotated[str | None, Query(max_length=128)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Items[PayoutBody]:
        """Newest first."""
        page = await services.payouts.payouts(creator.user_id, cursor, limit)
        return Items[PayoutBody](items=[_payout(item) for item in page.items], next_cursor=page.next_cursor)

    return routes


def _payout(payout: Payout) -> PayoutBody:
    return PayoutBody(
        payout_id=payout.payout_id,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        status="pending" if payout.status in OPEN else payout.status.value,
        failure_code=payout.failure_code,
        created_at=rfc3339(payout.created_at_ms),
    )
