"""`/api/calls`: private calls. Somebody else's call does not exist."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from curtaincall.accounts.model import UserPrincipal
from curtaincall.charging.model import SessionState
from curtaincall.charging.views import SessionView
from curtaincall.kernel.clock import rfc3339
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.keyed import keyed
from curtaincall.transports.rest.wire import Body, Id, Items
from curtaincall.transports.services import Services
from curtaincall.transports.views import moment


class NewCallBody(Body):
    model_id: Id


class PartyBody(Body):
    user_id: str
    display_name: str


class CallBody(Body):
    call_id: str
    room_id: str
    state: str
    price_per_minute_minor: int
    currency: str
    minimum_ms: int
    increment_ms: int
    fan: PartyBody
    creator: PartyBody
    granted_ms: int
    used_ms: int
    paid_until: str | None
    charged_minor: int
    creator_minor: int
    ended_reason: str | None
    expires_at: str | None


class TimelineBody(Body):
    at: str
    event: str


class ReceiptBody(Body):
    billable_ms: int
    charged_minor: int
    fee_minor: int
    creator_minor: int
    currency: str
    ended_reason: str
    timeline: list[TimelineBody]
    included_ms: int
    unlock_minor: int


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/calls", tags=["calls"])
    User = Annotated[UserPrincipal, Depends(identity.user)]
    calls = services.calls

    async def bodies(*views: SessionView) -> list[CallBody]:
        names = await services.accounts.names({user for view in views for user in (view.payer_id, view.payee_id)})
        return [_body(view, names) for view in views]

    async def body(view: SessionView) -> CallBody:
        return (await bodies(view))[0]

    @routes.post("", status_code=201)
    async def request_call(new: NewCallBody, user: User) -> CallBody:
        """Ring a creator. 402 `payment_required` if the wallet does not cover the minimum."""
        return await body(await calls.request(user.user_id, new.model_id))

    @routes.get("")
    async def list_calls(
        user: User,
        state: SessionState | None = None,
        cursor: Annotated[str | None, Query(max_length=128)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Items[CallBody]:
        """The caller's calls, on either side, newest first."""
        page = await calls.page(user.user_id, state, cursor, limit)
        return Items[CallBody](items=await bodies(*page.items), next_cursor=page.next_cursor)

    @routes.get("/{call_id}")
    async def get(call_id: str, user: User) -> CallBody:
        return await body(await calls.view(call_id, user.user_id))

    @routes.post("/{call_id}/accept")
    async def accept(call_id: str, user: User) -> CallBody:
        """Answers after the first hold: CONNECTING, or 402 `payment_required` and the call is REJECTED."""
        return await body(await calls.accept(call_id, user.user_id))

    @routes.post("/{call_id}/unlock", response_model=CallBody)
    async def unlock(call_id: str, request: Request, user: User) -> Response:
        """Pay for the creator's acceptance: CONNECTING, with no ring. Needs an Idempotency-Key.

        409 `unlock_unavailable` or `creator_offline`; 402 `payment_required` if unlock and minimum are not covered. The
        call goes on ringing then, and nothing is charged.
        """

        async def work(_key: str) -> CallBody:
            return await body(await calls.unlock(call_id, user.user_id))

        return await keyed(services.idempotency, request, user.user_id, 200, work)

    @routes.post("/{call_id}/decline")
    async def decline(call_id: str, user: User) -> CallBody:
        return await body(await calls.decline(call_id, user.user_id))

    @routes.post("/{call_id}/end")
    async def end(call_id: str, user: User) -> CallBody:
        """Hang up, from either side, at any stage. Answers when the call is settled."""
        return await body(await calls.end(call_id, user.user_id))

    @routes.get("/{call_id}/receipt")
    async def receipt(call_id: str, user: User) -> ReceiptBody:
        """409 `not_settled` until the call is."""
        shown = await calls.receipt(call_id, user.user_id)
        return ReceiptBody(
            billable_ms=shown.billable_ms,
            charged_minor=shown.charged_minor,
            fee_minor=shown.fee_minor,
            creator_minor=shown.creator_minor,
            currency=shown.currency,
            ended_reason=shown.ended_reason.value,
            timeline=[TimelineBody(at=rfc3339(entry.at_ms), event=entry.event) for entry in shown.timeline],
            included_ms=shown.included_ms,
            unlock_minor=shown.unlock_minor,
        )

    return routes


def _body(view: SessionView, names: dict[str, str]) -> CallBody:
    return CallBody(
        call_id=view.session_id,
        room_id=view.room_id,
        state=view.state.value,
        price_per_minute_minor=view.price_per_minute_minor,
        currency=view.currency,
        minimum_ms=view.minimum_ms,
        increment_ms=view.increment_ms,
        fan=PartyBody(user_id=view.payer_id, display_name=names.get(view.payer_id, view.payer_id)),
        creator=PartyBody(user_id=view.payee_id, display_name=names.get(view.payee_id, view.payee_id)),
        granted_ms=view.granted_ms,
        used_ms=view.used_ms,
        paid_until=moment(view.paid_until_ms),
        charged_minor=view.charged_minor,
        creator_minor=view.creator_minor,
        ended_reason=None if view.end_reason is None else view.end_reason.value,
        expires_at=moment(view.expires_at_ms),
    )
