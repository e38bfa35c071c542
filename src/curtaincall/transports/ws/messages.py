"""The messages of protocol.md: those from clients as validated models, those to clients as plain mappings."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from curtaincall.transports.errors import TransportError

MAX_SDP_CHARS: Final = 60_000
MAX_CHAT_CHARS: Final = 1_000
MAX_CANDIDATE_CHARS: Final = 1_000

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

Message = Mapping[str, object]


class ClientMessage(BaseModel):
    """Base of what clients send. Fields that are not known are ignored, so that clients may be newer than we are."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True)


class JoinRoom(ClientMessage):
    type: Literal["JOIN_ROOM"]
    room_id: Id
    user_id: Id
    is_spectator: bool = False
    token: str | None = Field(default=None, max_length=4096)


class Offer(ClientMessage):
    type: Literal["OFFER"]
    sdp: str = Field(max_length=MAX_SDP_CHARS)


class CandidateInit(ClientMessage):
    """RTCIceCandidateInit (W3C WebRTC section 4.8.1.1)."""

    candidate: str = Field(default="", max_length=MAX_CANDIDATE_CHARS)
    sdp_mid: str | None = Field(default=None, max_length=64)
    sdp_m_line_index: int | None = Field(default=None, ge=0, le=65_535)
    username_fragment: str | None = Field(default=None, max_length=256)


class IceCandidate(ClientMessage):
    type: Literal["ICE_CANDIDATE"]
    candidate: CandidateInit | None


class SetSubscription(ClientMessage):
    type: Literal["SET_SUBSCRIPTION"]
    user_id: Id
    max_height: int = Field(ge=0, le=4320)
    priority: int = Field(default=0, ge=0, le=255)


class Chat(ClientMessage):
    type: Literal["CHAT"]
    text: str = Field(min_length=1, max_length=MAX_CHAT_CHARS)


class LeaveRoom(ClientMessage):
    type: Literal["LEAVE_ROOM"]


class Authenticate(ClientMessage):
    """First message on `/api/events` of a client that can set no header and has no cookie."""

    type: Literal["AUTHENTICATE"]
    token: str = Field(max_length=4096)


class SetPresence(ClientMessage):
    type: Literal["SET_PRESENCE"]
    online: bool


SignalingMessage = JoinRoom | Offer | IceCandidate | SetSubscription | Chat | LeaveRoom
EventsMessage = Authenticate | SetPresence

_SIGNALING: Final[TypeAdapter[SignalingMessage]] = TypeAdapter(Annotated[SignalingMessage, Field(discriminator="type")])
_EVENTS: Final[TypeAdapter[EventsMessage]] = TypeAdapter(Annotated[EventsMessage, Field(discriminator="type")])


def parse_signaling(text: str) -> SignalingMessage:
    """Raises TransportError `malformed` or `unknown_type`."""
    message: SignalingMessage = _parse(_SIGNALING, text)
    return message


def parse_events(text: str) -> EventsMessage:
    """Raises TransportError `malformed` or `unknown_type`."""
    message: EventsMessage = _parse(_EVENTS, text)
    return message


def _parse(adapter: TypeAdapter[Any], text: str) -> Any:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "union_tag_invalid":
            raise TransportError("unknown_type", "Messages of this type are not known here.") from None
        where = ".".join(str(part) for part in first["loc"][1:]) or "message"
        raise TransportError("malformed", f"{where}: {first['msg']}") from None


def encode(message: Message) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def error(code: str, message: str, retry_after_ms: int | None = None) -> Message:
    answer: dict[str, object] = {"type": "ERROR", "code": code, "message": message}
    if retry_after_ms is not None:
        answer["retryAfterMs"] = retry_after_ms
    return answer


def terminate_call(reason: str, redirect_url: str | None) -> Message:
    return {"type": "TERMINATE_CALL", "reason": reason, "redirectUrl": redirect_url}
