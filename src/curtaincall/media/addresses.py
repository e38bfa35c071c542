"""Where browsers reach the media ports: what the settings say, else what this machine and a STUN server know."""

import contextlib
import ipaddress
import logging
import secrets
import socket
from dataclasses import dataclass
from typing import Final

from curtaincall.media.stun import (
    MAX_MESSAGE_BYTES,
    TRANSACTION_BYTES,
    Attribute,
    Endpoint,
    Kind,
    Method,
    StunMalformed,
    StunMessage,
    decode,
    encode,
)
from curtaincall.settings import MediaSettings

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

SOMEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): nothing is ever sent there, but there is a route to them."""

DISCARD: Final = 9

ASK_AGAIN_S: Final = (0.3, 0.6, 1.2)
"""A STUN server is asked so often, and waited for so long each time: the server starts only then."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reach:
    """The addresses of our candidates, and the one that the ports are bound to."""

    public_ips: tuple[str, ...]
    bind_ip: str


def reach_of(media: MediaSettings, server_host: str, *, for_others: bool = False) -> Reach:
    """How this process is reached. May ask a STUN server, and waits for it.

    `for_others`: it forwards for a server on another machine, whose own address says nothing of where browsers are.
    """
    public = tuple(address.strip() for address in media.public_ip.split(",") if address.strip())
    if not public and server_host in LOOPBACK and not for_others:
        public = ("::1" if server_host == "::1" else "127.0.0.1",)
    if not public:
        found = None
        if media.stun_server and (found := ask_public_ip(media.stun_server)) is None:
            log.warning("public_address_unknown")
        own = own_addresses()
        public = (*([found] if found and found not in own else []), *own)
    return Reach(public, media.bind_ip or _bind_ip(public))


def own_addresses() -> list[str]:
    """This machine's addresses that others can reach, of both families, that of the default route first."""
    found = [address for family, somewhere in SOMEWHERE if (address := _routed(family, somewhere)) is not None]
    found += [address for address in _named() if address not in found]
    return found or ["127.0.0.1"]


def lan_addresses() -> list[str]:
    """The IPv4 addresses of `own_addresses`."""
    return [address for address in own_addresses() if ":" not in address] or ["127.0.0.1"]


def ask_public_ip(server: str) -> str | None:
    """As what a STUN server (`host:port`) sees this machine over IPv4; None if it does not say."""
    seen = ask_mapped(server)
    return seen.ip if seen else None


def ask_mapped(server: str, local_port: int = 0) -> Endpoint | None:
    """As what a STUN server sees a port of ours. Raises OSError if it cannot be bound."""
    host, _, port = server.rpartition(":")
    request = StunMessage(Method.BINDING, Kind.REQUEST, secrets.token_bytes(TRANSACTION_BYTES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("0.0.0.0", local_port))  # noqa: S104 - the answer comes by whichever way the question went
        for patience_s in ASK_AGAIN_S:
            line.settimeout(patience_s)
            with contextlib.suppress(OSError, StunMalformed):
                line.sendto(encode(request), (host, int(port)))
                answer = decode(line.recv(MAX_MESSAGE_BYTES))
                if answer.kind is Kind.SUCCESS and answer.transaction == request.transaction:
                    return answer.endpoint(Attribute.XOR_MAPPED_ADDRESS)
    return None


def _bind_ip(public: tuple[str, ...]) -> str:
    """All interfaces, unless only this machine is meant; both families if one of the addresses is IPv6."""
    parsed = [ipaddress.ip_address(address) for address in public]
    if len(parsed) == 1 and parsed[0].is_loopback:
        return public[0]
    if all(address.is_loopback and address.version == 4 for address in parsed):
        return "127.0.0.1"
    return "::" if any(address.version == 6 for address in parsed) else "0.0.0.0"  # noqa: S104 - peers are everywhere


def _routed(family: socket.AddressFamily, somewhere: str) -> str | None:
    """Our address on the default route. Connecting a UDP socket sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((somewhere, DISCARD))
            found = str(probe.getsockname()[0])
    except OSError:
        return None
    return found if _is_shareable(found) else None


def _named() -> list[str]:
    """The addresses of this machine's own name."""
    try:
        infos = socket.getaddrinfo(socket.gethostname(), None)
    except socket.gaierror:
        return []
    return [address for info in infos if _is_shareable(address := str(info[4][0]))]


def _is_shareable(address: str) -> bool:
    """Whether it means the same to others as to us."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)
