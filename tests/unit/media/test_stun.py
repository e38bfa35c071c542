"""STUN messages against the test vectors of RFC 5769, and against each other."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curtaincall.media.stun import (
    Attribute,
    Endpoint,
    Kind,
    Method,
    StunMalformed,
    StunMessage,
    decode,
    encode,
    long_term_key,
    masked,
)

RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
"""RFC 5769 section 2.2."""

REQUEST = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
"""RFC 5769 section 2.4: with a long-term credential."""


def test_our_address_is_read_as_the_rfc_has_it() -> None:
    assert decode(RESPONSE).endpoint(Attribute.XOR_MAPPED_ADDRESS) == Endpoint("192.0.2.1", 32_853)


def test_a_request_is_signed_as_the_rfc_has_it() -> None:
    username = "マトリックス"
    transaction = bytes.fromhex("78ad3433c6ad72c029da412e")
    attributes = (
        (Attribute.USERNAME, username.encode()),
        (Attribute.NONCE, b"f//499k954d6OL34oL9FSTvy64sA"),
        (Attribute.REALM, b"example.org"),
    )
    message = StunMessage(Method.BINDING, Kind.REQUEST, transaction, attributes)
    assert encode(message, long_term_key(username, "example.org", "TheMatrIX")) == REQUEST


@given(
    ip=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    port=st.integers(0, 65_535),
    transaction=st.binary(min_size=12, max_size=12),
    data=st.binary(max_size=64),
)
def test_what_is_written_is_read(ip: object, port: int, transaction: bytes, data: bytes) -> None:
    peer = Endpoint(str(ip), port)
    attributes = ((int(Attribute.XOR_PEER_ADDRESS), masked(peer, transaction)), (int(Attribute.DATA), data))
    message = StunMessage(Method.SEND, Kind.INDICATION, transaction, attributes)
    read = decode(encode(message))
    assert read == message
    assert read.endpoint(Attribute.XOR_PEER_ADDRESS) == peer


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda noise: RESPONSE[:20] + noise)))
def test_anything_else_is_malformed_and_nothing_worse(data: bytes) -> None:
    try:
        message = decode(data)
    except StunMalformed:
        return
    for attribute in (Attribute.XOR_MAPPED_ADDRESS, Attribute.XOR_PEER_ADDRESS):
        with contextlib.suppress(StunMalformed):
            message.endpoint(attribute)


@pytest.mark.parametrize("cut", [1, 19, 21, len(RESPONSE) - 1])
def test_a_message_that_is_cut_off_is_malformed(cut: int) -> None:
    with pytest.raises(StunMalformed):
        decode(RESPONSE[:cut])
