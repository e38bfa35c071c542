"""Whatever a client may send on its control channel is a message within its limits or a refusal with a code."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from curtaincall.transports.errors import TransportError, code_of
from curtaincall.transports.ws.messages import MAX_CHAT_CHARS, MAX_SDP_CHARS, encode, parse_events, parse_signaling

TYPES = (
    "JOIN_ROOM",
    "OFFER",
    "ICE_CANDIDATE",
    "SET_SUBSCRIPTION",
    "CHAT",
    "LEAVE_ROOM",
    "AUTHENTICATE",
    "SET_PRESENCE",
)
FIELDS = (
    *("type", "roomId", "userId", "isSpectator", "token", "sdp", "candidate", "sdpMid", "sdpMLineIndex"),
    *("usernameFragment", "maxHeight", "priority", "text", "online", "room_id"),
)
GOOD: tuple[dict[str, Any], ...] = (
    {"type": "JOIN_ROOM", "roomId": "room", "userId": "ann", "isSpectator": False, "token": "x.y.z"},
    {"type": "OFFER", "sdp": "v=0\r\n"},
    {"type": "ICE_CANDIDATE", "candidate": {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0}},
    {"type": "SET_SUBSCRIPTION", "userId": "bob", "maxHeight": 720, "priority": 1},
    {"type": "CHAT", "text": "hello"},
    {"type": "LEAVE_ROOM"},
    {"type": "AUTHENTICATE", "token": "x"},
    {"type": "SET_PRESENCE", "online": True},
)
LONG = st.sampled_from((65, 257, 1_001, 4_097, 60_001)).map(lambda length: "x" * length)
TEXTS = st.text() | LONG | st.sampled_from((*TYPES, "room", "a" * 64, "a" * 65, "\u0000", "ä", "../x"))
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from((0, -1, 255, 256, 4_320, 4_321, 65_535, 65_536))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=5),
    max_leaves=8,
)


@st.composite
def nearly_good(draw: st.DrawFn) -> str:
    """A good message with some of its fields replaced, added or taken away."""
    message = dict(draw(st.sampled_from(GOOD)))
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=3)):
        if draw(st.booleans()):
            message[field] = draw(VALUES)
        else:
            message.pop(field, None)
    return json.dumps(message)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """The text of a message with something in it replaced: broken JSON, odd escapes, deep nesting."""
    text = json.dumps(draw(st.sampled_from(GOOD)))
    rubbish = draw(st.text(max_size=4) | st.sampled_from(("\\ud800", "\\u0000", '"', "{", "[" * 300, "1e999", "NaN")))
    place = draw(st.integers(0, len(text)))
    return text[:place] + rubbish + text[place + draw(st.integers(0, 4)) :]


SENT = st.text() | VALUES.map(json.dumps) | nearly_good() | damaged()


def texts_of(value: object) -> list[str]:
    if isinstance(value, BaseModel):
        return [text for _, field in value for text in texts_of(field)]
    return [value] if isinstance(value, str) else []


def outcome_of(parse: Any, sent: str) -> Any:
    try:
        return parse(sent)
    except TransportError as refusal:
        return refusal


@pytest.mark.parametrize("parse", [parse_signaling, parse_events])
@given(sent=SENT)
def test_a_message_is_within_its_limits_or_is_refused(parse: Any, sent: str) -> None:
    outcome = outcome_of(parse, sent)
    if isinstance(outcome, TransportError):
        assert code_of(outcome) in {"malformed", "unknown_type"}
        # The refusal itself can be told, whatever was sent.
        encode({"message": outcome.message}).encode()
        return
    assert outcome.type in TYPES
    for text in texts_of(outcome):
        assert len(text) <= max(MAX_SDP_CHARS, MAX_CHAT_CHARS)
        # It can be passed on: half a surrogate pair would tear down whoever it is sent to.
        encode({"text": text}).encode()
