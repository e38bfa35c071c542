"""`/api/rooms`: make, look at, end; and the join tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from curtaincall.accounts.model import JoinClaim, Principal, Role, ServicePrincipal
from curtaincall.charging.model import EndReason
from curtaincall.kernel.clock import rfc3339
from curtaincall.rooms.errors import RoomEnded, RoomUnknown
from curtaincall.rooms.model import Room, RoomKind, SeatRole
from curtaincall.rooms.service import NewRoom
from curtaincall.transports.errors import TransportError
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.wire import Body, Id
from curtaincall.transports.services import Services
from curtaincall.transports.views import person


class NewRoomBody(Body):
    kind: RoomKind
    room_id: Id | None = None
    title: Annotated[str, Field(max_length=120)] | None = None
    max_participants: Annotated[int, Field(ge=1)] | None = None


class PersonBody(Body):
    user_id: str
    role: str
    display_name: str


class RoomBody(Body):
    room_id: str
    kind: str
    title: str | None
    host_id: str | None
    max_participants: int
    created_at: str
    participants: list[PersonBody]


class JoinTokenRequest(Body):
    is_spectator: bool = False
    user_id: Id | None = None


class JoinTokenBody(Body):
    token: str
    expires_at: str


class EndedBody(Body):
    room_id: str
    ended_reason: str


def router(services: Services, identity: Identity) -> APIRouter:
    routes = APIRouter(prefix="/api/rooms", tags=["rooms"])
    Caller = Annotated[Principal, Depends(identity.principal)]

    @routes.post("", status_code=201)
    async def make(body: NewRoomBody, caller: Caller) -> RoomBody:
        """For creators and services."""
        if not isinstance(caller, ServicePrincipal) and caller.role is not Role.CREATOR:
            raise TransportError("role_forbidden", "Creators make rooms.")
        room = await services.rooms.create(
            NewRoom(
                kind=body.kind,
                room_id=body.room_id,
                title=body.title,
                host_id=None if isinstance(caller, ServicePrincipal) else caller.user_id,
                max_participants=body.max_participants,
            )
        )
        return _body(room)

    @routes.get("/{room_id}")
    async def get(room_id: str, caller: Caller) -> RoomBody:
        return _body(await _visible(services, room_id, caller))

    @routes.post("/{room_id}/join-token")
    async def join_token(room_id: str, body: JoinTokenRequest, caller: Caller) -> JoinTokenBody:
        """A token for one entry. `userId` is for services, which vouch for users of their own."""
        user_id = _joiner(body, caller)
        room = await _visible(services, room_id, caller)
        if body.is_spectator:
            raise TransportError("spectators_unavailable", "This room has no stream for spectators.")
        room.check_admission(user_id)  # whether a seat is free is told at the door
        ttl_s = services.settings.accounts.join_token_ttl_s
        claim = JoinClaim(user_id, room_id, SeatRole.PARTICIPANT.value)
        expires_at_ms = services.clock.now_ms() + ttl_s * 1000
        return JoinTokenBody(token=services.tokens.join(claim, ttl_s), expires_at=rfc3339(expires_at_ms))

    @routes.post("/{room_id}/end")
    async def end(room_id: str, caller: Caller) -> EndedBody:
        """By the host or a service; either side may end a private call. Repeating it changes nothing."""
        room = await _visible(services, room_id, caller, ended=True)
        reason = EndReason.ADMIN_TERMINATED if isinstance(caller, ServicePrincipal) else EndReason.HOST_ENDED
        if room.record.call_id is not None:
            if isinstance(caller, ServicePrincipal):
                services.rooms.stop(room_id, reason)
                await services.charging.end(room.record.call_id, reason)
            else:
                await services.calls.end(room.record.call_id, caller.user_id)
        elif isinstance(caller, ServicePrincipal) or caller.user_id == room.record.host_id:
            await services.rooms.end(room_id, reason)
        else:
            raise RoomUnknown("There is no such room of yours.")
        return EndedBody(room_id=room_id, ended_reason=room.end_reason or reason.value)

    return routes


def _joiner(body: JoinTokenRequest, caller: Principal) -> str:
    if isinstance(caller, ServicePrincipal):
        if body.user_id is None:
            raise TransportError("invalid_request", "A service says whose token it is: userId.")
        return body.user_id
    if body.user_id not in (None, caller.user_id):
        raise TransportError("user_mismatch", "Only services may ask for the tokens of others.")
    return caller.user_id


async def _visible(services: Services, room_id: str, caller: Principal, *, ended: bool = False) -> Room:
    """The room, if the caller may know of it. Raises RoomUnknown, and RoomEnded unless ended ones are welcome."""
    room = await services.rooms.room(room_id)
    invited = (room.record.host_id, room.record.payer_id)
    if room.is_private_call and not isinstance(caller, ServicePrincipal) and caller.user_id not in invited:
        raise RoomUnknown("There is no such room.")
    if room.end_reason is not None and not ended:
        raise RoomEnded("This room has ended.")
    return room


def _body(room: Room) -> RoomBody:
    record = room.record
    return RoomBody(
        room_id=record.room_id,
        kind=record.kind.value,
        title=record.title,
        host_id=record.host_id,
        max_participants=record.max_participants,
        created_at=rfc3339(record.created_at_ms),
        participants=[PersonBody.model_validate(person(seat)) for seat in room.seats.values()],
    )
