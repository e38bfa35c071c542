"""`POST /api/rtc/terminate-stream`: the picture stops before anything else happens."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from curtaincall.accounts.model import Principal, ServicePrincipal
from curtaincall.charging.model import EndReason
from curtaincall.enforcement.errors import SeatUnknown
from curtaincall.transports.errors import TransportError
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.wire import Body, Id
from curtaincall.transports.services import Services


class TerminateBody(Body):
    room_id: Id
    user_id: Id
    reason: Literal["PAYMENT_FAILED", "TIME_EXPIRED", "ADMIN_TERMINATED"]


class TerminatedBody(Body):
    success: Literal[True] = True


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/rtc", tags=["enforcement"])

    @routes.post("/terminate-stream")
    async def terminate_stream(
        body: TerminateBody, caller: Annotated[Principal, Depends(identity.principal)]
    ) -> TerminatedBody:
        """End a user's stream; in a private call, the call. Services any seat, users their own only.

        Nothing is awaited between here and the cut: the caller is known from the token, the seat from memory.
        """
        if not isinstance(caller, ServicePrincipal):
            if caller.user_id != body.user_id:
                raise SeatUnknown("This user never was in that room.")
            if body.reason == EndReason.ADMIN_TERMINATED:
                raise TransportError("role_forbidden", "ADMIN_TERMINATED is for services.")
        await services.enforcement.handle_payment_failure(body.room_id, body.user_id, EndReason(body.reason))
        return TerminatedBody()

    return routes
