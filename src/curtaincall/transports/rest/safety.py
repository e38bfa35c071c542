"""`/api/blocks` and `/api/reports`: keeping somebody away, and telling the operator why."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from curtaincall.accounts.model import UserPrincipal
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.wire import Body, Id, Items
from curtaincall.transports.services import Services


class NewBlockBody(Body):
    user_id: Id


class BlockBody(Body):
    user_id: str
    display_name: str


class NewReportBody(Body):
    user_id: Id
    room_id: Id | None = None
    reason: Literal["harassment", "illegal_content", "under_age", "fraud", "other"]
    details: Annotated[str, Field(max_length=2_000)] = ""


class ReportBody(Body):
    report_id: str


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["safety"])
    User = Annotated[UserPrincipal, Depends(identity.user)]
    blocks = services.blocks

    @routes.get("/blocks")
    async def list_blocks(user: User) -> Items[BlockBody]:
        blocked = await blocks.blocked_by(user.user_id)
        return Items[BlockBody](items=[BlockBody(user_id=id_, display_name=name) for id_, name in blocked.items()])

    @routes.post("/blocks", status_code=201)
    async def block(body: NewBlockBody, user: User) -> NewBlockBody:
        """Neither can call the other any more; a call that is under way ends. The blocked one is not told."""
        await blocks.block(user.user_id, body.user_id)
        return body

    @routes.delete("/blocks/{user_id}", status_code=204)
    async def unblock(user_id: str, user: User) -> None:
        await blocks.unblock(user.user_id, user_id)

    @routes.post("/reports", status_code=201)
    async def report(body: NewReportBody, user: User) -> ReportBody:
        """For the operator's eyes. It neither blocks nor ends anything by itself."""
        report_id = await blocks.report(user.user_id, body.user_id, body.room_id, body.reason, body.details)
        return ReportBody(report_id=report_id)

    return routes
