"""STUN and TURN messages, as far as we speak them ourselves: asking for our public address, and trying a relay.

Source: RFC 8489 (STUN), RFC 8656 (TURN). Pure; `lines.py` sends them.
"""

import hashlib
import hmac
import ipaddress
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAGIC_COOKIE: Final = 0x2112A442
HEADER: Final = struct.Struct("!HHI12s")
ATTRIBUTE: Final = struct.Struct("!HH")
INTEGRITY_BYTES: Final = 20
TRANSACTION_BYTES: Final = 12
MAX_MESSAGE_BYTES: Final = 2_048
UDP: Final = b"\x11\x00\x00\x00"
"""REQUESTED-TRANSPORT of a relay that passes on UDP."""


class Method(IntEnum):
    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008


class Kind(IntEnum):
    REQUEST = 0x000
    INDICATION = 0x010
    SUCCESS = 0x100
    ERROR = 0x110


class Attribute(IntEnum):
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    DATA = 0x0013
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_TRANSPORT = 0x0019
    XOR_MAPPED_ADDRESS = 0x0020


class StunMalformed(ValueError):
    """Not a STUN message, or one that contradicts itself."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address and a port."""

    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class StunMessage:
    method: Method
    kind: Kind
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()

    def value(self, attribute: Attribute) -> bytes | None:
        """The first value of this attribute."""
        return next((value for kind, value in self.attributes if kind == attribute), None)

    def endpoint(self, attribute: Attribute) -> Endpoint | None:
        """The value of an XOR-ed address. Raises StunMalformed."""
        value = self.value(attribute)
        return None if value is None else _unmasked(value, self.transaction)

    @property
    def error_code(self) -> int | None:
        """Of an error response: as in HTTP, 401 for credentials that are missing or wrong."""
        value = self.value(Attribute.ERROR_CODE)
        return None if value is None or len(value) < 4 else (value[2] & 0x7) * 100 + value[3]


def encode(message: StunMessage, key: bytes | None = None) -> bytes:
    """The bytes of a message; with `key`, signed."""
    body = b"".join(_attribute(kind, value) for kind, value in message.attributes)
    if key is None:
        return _header(message, len(body)) + body
    length = len(body) + ATTRIBUTE.size + INTEGRITY_BYTES
    signed = _header(message, length) + body
    return signed + _attribute(Attribute.MESSAGE_INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())


def decode(data: bytes) -> StunMessage:
    """Raises StunMalformed. The integrity of an answer is not checked: it decides nothing but what is printed."""
    if len(data) < HEADER.size:
        raise StunMalformed("too short")
    kind_and_method, length, cookie, transaction = HEADER.unpack_from(data)
    if cookie != MAGIC_COOKIE or kind_and_method & 0xC000 or length % 4 or len(data) != HEADER.size + length:
        raise StunMalformed("not STUN")
    try:
        kind, method = Kind(kind_and_method & 0x0110), Method(kind_and_method & ~0x0110)
    except ValueError as error:
        raise StunMalformed("a message that we never ask for") from error
    attributes = []
    rest = data[HEADER.size :]
    while rest:
        attribute, size = ATTRIBUTE.unpack_from(rest)
        end = ATTRIBUTE.size + size
        if end > len(rest):
            raise StunMalformed("an attribute is cut off")
        attributes.append((attribute, rest[ATTRIBUTE.size : end]))
        rest = rest[end + -size % 4 :]
    return StunMessage(method, kind, transaction, tuple(attributes))


def length_of(header: bytes) -> int:
    """In a stream: how long the message is that begins with these HEADER.size bytes. Raises StunMalformed."""
    _, length, cookie, _ = HEADER.unpack(header)
    if cookie != MAGIC_COOKIE or HEADER.size + length > MAX_MESSAGE_BYTES:
        raise StunMalformed("not STUN")
    return HEADER.size + int(length)


def masked(endpoint: Endpoint, transaction: bytes) -> bytes:
    """The value of an XOR-ed address attribute (RFC 8489 section 14.2)."""
    ip = ipaddress.ip_address(endpoint.ip)
    family = 1 if ip.version == 4 else 2
    port = endpoint.port ^ MAGIC_COOKIE >> 16
    return struct.pack("!BBH", 0, family, port) + _xor(ip.packed, transaction)


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """The key of a long-term credential (RFC 8489 section 9.2.2)."""
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


def _unmasked(value: bytes, transaction: bytes) -> Endpoint:
    if len(value) not in (8, 20):
        raise StunMalformed("not an address")
    port = int.from_bytes(value[2:4]) ^ MAGIC_COOKIE >> 16
    return Endpoint(str(ipaddress.ip_address(_xor(value[4:], transaction))), port)


def _xor(packed: bytes, transaction: bytes) -> bytes:
    mask = MAGIC_COOKIE.to_bytes(4) + transaction
    return bytes(byte ^ hidden for byte, hidden in zip(packed, mask, strict=False))


def _header(message: StunMessage, length: int) -> bytes:
    return HEADER.pack(message.kind | message.method, length, MAGIC_COOKIE, message.transaction)


def _attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)
