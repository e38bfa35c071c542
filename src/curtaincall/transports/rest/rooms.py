"""`/api/rooms`: make, list, look at, end; and the join tokens. What is bought in them is in `purchases`."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from curtaincall.accounts.errors import UserUnknown
from curtaincall.accounts.model import JoinClaim, Principal, Role, ServicePrincipal
from curtaincall.charging.model import EndReason
from curtaincall.charging.rates import MAX_PRICE_MINOR
from curtaincall.kernel.clock import rfc3339
from curtaincall.rooms.errors import RoomEnded, RoomUnknown
from curtaincall.rooms.model import NewRoom, Room, RoomKind, SeatRole
from curtaincall.rooms.purchases import RoomOffer
from curtaincall.transports.errors import TransportError
from curtaincall.transports.rest.identity import Identity
from curtaincall.transports.rest.wire import Body, Id, Items
from curtaincall.transports.services import Services
from curtaincall.transports.views import person

MAX_PLAYERS: Final = 50
"""The most players that a battle names."""

PUBLIC: Final = (RoomKind.BATTLE, RoomKind.BROADCAST)
"""Rooms that are listed."""


class NewRoomBody(Body):
    kind: RoomKind
    room_id: Id | None = None
    title: Annotated[str, Field(max_length=120)] | None = None
    max_participants: Annotated[int, Field(ge=1)] | None = None
    host_id: Id | None = None
    """For services, which make rooms for creators."""
    entry_fee_minor: Annotated[int, Field(ge=0, le=MAX_PRICE_MINOR, strict=True)] | None = None
    hd_pass_minor: Annotated[int, Field(ge=1, le=MAX_PRICE_MINOR, strict=True)] | None = None
    players: Annotated[tuple[Id, ...], Field(max_length=MAX_PLAYERS)] = ()


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
    host_name: str | None
    entry_fee_minor: int | None
    hd_pass_minor: int | None
    currency: str
    pot_minor: int
    scores: dict[str, int]
    players: list[str]
    player_names: dict[str, str]
    entered: bool
    """The caller has paid the entry."""
    hd: bool
    """The caller has the HD pass."""


class NewEndBody(Body):
    cancel: bool = False
    """Of a battle: everybody has their entry back."""


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

    async def bodies(rooms: Sequence[Room], caller: Principal) -> list[RoomBody]:
        user_id = None if isinstance(caller, ServicePrincipal) else caller.user_id
        offers = await services.room_purchases.offers(rooms, user_id)
        return [_body(room, offers[room.room_id]) for room in rooms]

    @routes.post("", status_code=201)
    async def make(body: NewRoomBody, caller: Caller) -> RoomBody:
        """For creators and services."""
        room = await services.rooms.create(
            NewRoom(
                kind=body.kind,
                room_id=body.room_id,
                title=body.title,
                host_id=await _host(services, body, caller),
                max_participants=body.max_participants,
                entry_fee_minor=body.entry_fee_minor,
                hd_pass_minor=body.hd_pass_minor,
                players=tuple(dict.fromkeys(body.players)),
            )
        )
        return (await bodies([room], caller))[0]

    @routes.get("")
    async def list_rooms(
        caller: Caller,
        kind: Literal["battle", "broadcast"] | None = None,
        cursor: Annotated[str | None, Query(max_length=128)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Items[RoomBody]:
        """Open battles and broadcasts, newest first. Conferences are for whoever knows their id."""
        kinds = PUBLIC if kind is None else (RoomKind(kind),)
        page = services.rooms.listed(kinds, cursor, limit)
        return Items[RoomBody](items=await bodies(page.items, caller), next_cursor=page.next_cursor)

    @routes.get("/{room_id}")
    async def get(room_id: str, caller: Caller) -> RoomBody:
        return (await bodies([await _visible(services, room_id, caller)], caller))[0]

    @routes.post("/{room_id}/join-token")
    async def join_token(room_id: str, body: JoinTokenRequest, caller: Caller) -> JoinTokenBody:
        """A token for one entry. `userId` is for services, which vouch for users of their own."""
        user_id = _joiner(body, caller)
        services.accounts.refuse_frozen(user_id)
        room = await _visible(services, room_id, caller)
        if body.is_spectator:
            raise TransportError("spectators_unavailable", "This room has no stream for spectators.")
        room.check_admission(user_id)  # whether a seat is free is told at the door
        ttl_s = services.settings.accounts.join_token_ttl_s
        claim = JoinClaim(user_id, room_id, SeatRole.PARTICIPANT.value)
        expires_at_ms = services.clock.now_ms() + ttl_s * 1000
        return JoinTokenBody(token=services.tokens.join(claim, ttl_s), expires_at=rfc3339(expires_at_ms))

    @routes.post("/{room_id}/end")
    async def end(room_id: str, caller: Caller, body: NewEndBody | None = None) -> EndedBody:
        """By the host or a service; either side may end a private call. Repeating it changes nothing.

        A battle's pot goes to its host less the fee, or with `cancel` back to whoever paid into it.
        """
        room = await _visible(services, room_id, caller, ended=True)
        reason = EndReason.ADMIN_TERMINATED if isinstance(caller, ServicePrincipal) else EndReason.HOST_ENDED
        if room.record.call_id is not None:
            if isinstance(caller, ServicePrincipal):
                services.rooms.stop(room_id, reason)
                await services.charging.end(room.record.call_id, reason)
            else:
                await services.calls.end(room.record.call_id, caller.user_id)
        elif isinstance(caller, ServicePrincipal) or caller.user_id == room.record.host_id:
            await services.rooms.end(room_id, reason, pot_returned=body is not None and body.cancel)
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


async def _host(services: Services, body: NewRoomBody, caller: Principal) -> str | None:
    """Whose room it will be. Raises `role_forbidden`, UserUnknown for a host who is no creator."""
    if not isinstance(caller, ServicePrincipal):
        if caller.role is not Role.CREATOR:
            raise TransportError("role_forbidden", "Creators make rooms.")
        if body.host_id not in (None, caller.user_id):
            raise TransportError("user_mismatch", "Only services make rooms for others.")
        return caller.user_id
    if body.host_id is not None and (await services.accounts.user(body.host_id)).role is not Role.CREATOR:
        raise UserUnknown("There is no such creator.")
    return body.host_id


def _body(room: Room, offer: RoomOffer) -> RoomBody:
    record = room.record
    return RoomBody(
        room_id=record.room_id,
        kind=record.kind.value,
        title=record.title,
        host_id=record.host_id,
        max_participants=record.max_participants,
        created_at=rfc3339(record.created_at_ms),
        participants=[PersonBody.model_validate(person(seat)) for seat in room.seats.values()],
        host_name=offer.host_name,
        entry_fee_minor=offer.entry_fee_minor,
        hd_pass_minor=offer.hd_pass_minor,
        currency=offer.currency,
        pot_minor=offer.pot_minor,
        scores=offer.scores,
        players=list(record.players),
        player_names=offer.player_names,
        entered=offer.entered,
        hd=offer.hd,
    )
