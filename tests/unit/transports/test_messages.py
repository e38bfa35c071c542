"""What clients send is taken apart strictly, and a refusal says what is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curtaincall.transports.errors import TransportError
from curtaincall.transports.ws.messages import (
    MAX_SDP_CHARS,
    Authenticate,
    Chat,
    IceCandidate,
    JoinRoom,
    LeaveRoom,
    Offer,
    SetPresence,
    SetSubscription,
    parse_events,
    parse_signaling,
)


def test_the_specs_join_is_accepted_verbatim() -> None:
    text = """{
      "type": "JOIN_ROOM",
      "roomId": "battle-room-123",
      "userId": "user-456",
      "isSpectator": false
    }"""
    assert parse_signaling(text) == JoinRoom(
        type="JOIN_ROOM", roomId="battle-room-123", userId="user-456", isSpectator=False
    )


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"type": "OFFER", "sdp": "v=0"}, Offer),
        ({"type": "ICE_CANDIDATE", "candidate": None}, IceCandidate),
        (
            {"type": "ICE_CANDIDATE", "candidate": {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0}},
            IceCandidate,
        ),
        ({"type": "SET_SUBSCRIPTION", "userId": "ann", "maxHeight": 720, "priority": 1}, SetSubscription),
        ({"type": "CHAT", "text": "hello"}, Chat),
        ({"type": "LEAVE_ROOM"}, LeaveRoom),
        ({"type": "LEAVE_ROOM", "because": "newer clients may say more"}, LeaveRoom),
    ],
)
def test_every_message_of_a_participant(message: dict[str, object], kind: type) -> None:
    assert isinstance(parse_signaling(json.dumps(message)), kind)


def test_every_message_on_the_events_socket() -> None:
    assert isinstance(parse_events('{"type": "SET_PRESENCE", "online": true}'), SetPresence)
    assert isinstance(parse_events('{"type": "AUTHENTICATE", "token": "t"}'), Authenticate)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"JOIN_ROOM"',
        "{}",
        '{"type": "JOIN_ROOM"}',
        '{"type": "JOIN_ROOM", "roomId": "a b", "userId": "ann"}',
        '{"type": "JOIN_ROOM", "roomId": "", "userId": "ann"}',
        '{"type": "JOIN_ROOM", "roomId": "room\\n", "userId": "ann"}',
        '{"type": "JOIN_ROOM", "roomId": "room", "userId": 5}',
        '{"type": "JOIN_ROOM", "roomId": "room", "userId": "ann", "isSpectator": "yes"}',
        '{"type": "CHAT", "text": ""}',
        '{"type": "SET_SUBSCRIPTION", "userId": "ann", "maxHeight": -1}',
        '{"type": "OFFER", "sdp": "' + "x" * (MAX_SDP_CHARS + 1) + '"}',
        '{"type": "OFFER", "sdp": ' + "[" * 5_000 + "]" * 5_000 + "}",
    ],
)
def test_what_is_malformed_is_called_so(text: str) -> None:
    with pytest.raises(TransportError) as refusal:
        parse_signaling(text)
    assert refusal.value.refusal == "malformed"


@pytest.mark.parametrize("kind", ['"SELF_DESTRUCT"', "7", "null"])
def test_an_unknown_type_is_called_so(kind: str) -> None:
    with pytest.raises(TransportError) as refusal:
        parse_signaling(f'{{"type": {kind}}}')
    assert refusal.value.refusal == "unknown_type"


@given(
    st.text(max_size=200) | st.recursive(st.none() | st.text(), lambda x: st.dictionaries(st.text(), x)).map(json.dumps)
)
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    with pytest.raises(TransportError):
        parse_signaling(text)
