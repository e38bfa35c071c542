"""How browsers reach us, tried out: the addresses of the media ports, both families, and the relay."""

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from curtaincall.cli.finding import Finding, note
from curtaincall.kernel.clock import SystemClock
from curtaincall.media.addresses import Reach, ask_mapped, own_addresses
from curtaincall.media.relay import Carrier, RelayUrl, credentials, parse_url
from curtaincall.media.stun import Endpoint
from curtaincall.media.stun_lines import Allocation, NoAnswer, RelayRefused, line_to
from curtaincall.settings import MediaSettings, Settings

TRIAL_TTL_S: Final = 300
TRIAL_USER: Final = "doctor"
ARRIVAL_TIMEOUT_S: Final = 2.0
"""How long a datagram may take that we send to ourselves, directly or by the relay."""
V6_ONLY: Final = Path("/proc/sys/net/ipv6/bindv6only")

RELAY_ADVICE: Final = {
    401: "it refuses our credentials: turn.secret must be its static-auth-secret, and its clock right",
    403: "it may not pass media on to {peer}: allow that address (allowed-peer-ip of coturn)",
    437: "it is confused about an earlier allocation: try again",
    441: "it refuses our credentials: turn.secret must be its static-auth-secret, and its clock right",
    442: "it does not relay UDP",
    486: "it has no allocation left for one user: raise user-quota of coturn",
    508: "it has no ports left: raise max-port of coturn, or its total-quota",
}


def examine_reach(settings: Settings, reach: Reach | None) -> Iterator[Finding]:
    """Everything between a browser and the media ports (if they are ours) that can be tried from here."""
    media = settings.media
    if reach is not None:
        yield _public(reach.public_ips, media)
        if media.stun_server:
            yield _mapping(media)
        yield from _arrivals(reach.public_ips, reach.bind_ip, media)
        yield _ipv6(reach.public_ips)
    yield from asyncio.run(_relays(settings, reach))


def _public(addresses: tuple[str, ...], media: MediaSettings) -> Finding:
    what, shown = "media address", ", ".join(addresses)
    try:
        parsed = [ipaddress.ip_address(address) for address in addresses]
    except ValueError:
        return Finding(what, False, f"media.public_ip holds something that is no IP address: {shown}")
    if all(address.is_loopback for address in parsed):
        return note(what, f"{shown}: only browsers on this machine. For others serve with --host 0.0.0.0")
    if media.public_ip or any(address.is_global for address in parsed):
        return Finding(what, True, shown)
    return note(
        what,
        f"{shown}: only browsers in this network. For others set media.public_ip to the address that they reach, "
        "or media.stun_server to have it found out at start",
    )


def _mapping(media: MediaSettings) -> Finding:
    """Whether the NAT before us, if there is one, shows the media port as it is."""
    what = f"STUN server {media.stun_server}"
    try:
        seen = ask_mapped(media.stun_server, media.port)
    except OSError:
        seen = ask_mapped(media.stun_server)  # the server has the port; the address is told all the same
        if seen is not None:
            return Finding(what, True, f"sees us as {seen.ip}; stop the server to have its port looked at")
    if seen is None:
        return Finding(what, False, "does not answer: its name or port is wrong, or nothing leaves here over UDP")
    if media.public_ip and seen.ip not in media.public_ip:
        return Finding(what, False, f"sees us as {seen.ip}, which is not in media.public_ip")
    if media.port and seen.port != media.port:
        advice = f"forward UDP and TCP of it and of the shards behind it to port {media.port} here"
        return note(what, f"sees us as {seen.ip}, but port {media.port} as {seen.port}: {advice}")
    return Finding(what, True, f"sees us as {seen.ip}, and the port as it is")


def _arrivals(addresses: tuple[str, ...], bind_ip: str, media: MediaSettings) -> Iterator[Finding]:
    """Send something to each public address from here, over both protocols, and see whether it arrives."""
    if not media.port:
        return
    for address in addresses:
        what = f"way to {address}"
        missing = [name for name, arrives in _try_both(address, bind_ip, media.port) if not arrives]
        if not missing:
            yield Finding(what, True, "UDP and TCP arrive")
        else:
            advice = f"see that they let UDP and TCP through to port {media.port} and the next shards'"
            lost = " and ".join(missing)
            yield note(what, f"{lost} from here does not arrive. Some NATs do that to their own side only; {advice}")


def _try_both(address: str, bind_ip: str, port: int) -> list[tuple[str, bool]]:
    return [("UDP", _datagram_arrives(address, bind_ip, port)), ("TCP", _connection_arrives(address, bind_ip, port))]


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _datagram_arrives(address: str, bind_ip: str, port: int) -> bool:
    """True also if the port is the running server's: it tells strangers nothing."""
    proof = secrets.token_bytes(16)
    with socket.socket(_family(bind_ip), socket.SOCK_DGRAM) as here:
        try:
            here.bind((bind_ip, port))
        except OSError:
            return True
        here.settimeout(ARRIVAL_TIMEOUT_S)
        with contextlib.suppress(OSError), socket.socket(_family(address), socket.SOCK_DGRAM) as there:
            there.sendto(proof, (address, port))
            return here.recv(64) == proof
    return False


def _connection_arrives(address: str, bind_ip: str, port: int) -> bool:
    with socket.socket(_family(bind_ip), socket.SOCK_STREAM) as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Where the running server has the port, it is the one who answers.
        with contextlib.suppress(OSError):
            here.bind((bind_ip, port))
            here.listen(1)
        with contextlib.suppress(OSError), socket.create_connection((address, port), ARRIVAL_TIMEOUT_S):
            return True
    return False


def _ipv6(addresses: tuple[str, ...]) -> Finding:
    what = "IPv6"
    offered = [address for address in addresses if ":" in address]
    here = [address for address in own_addresses() if ":" in address]
    if not offered:
        if not here or all(ipaddress.ip_address(address).is_loopback for address in addresses):
            return note(what, "not offered: networks that have nothing else have to translate")
        return note(what, f"not offered, though this machine has {here[0]}: add it to media.public_ip")
    if V6_ONLY.exists() and V6_ONLY.read_text().strip() == "1" and len(offered) < len(addresses):
        return Finding(what, False, "the system keeps IPv4 off IPv6 sockets: sysctl net.ipv6.bindv6only=0")
    return Finding(what, True, f"offered: {', '.join(offered)}")


# ---- the relay ------------------------------------------------------------------------------------------------------


async def _relays(settings: Settings, reach: Reach | None) -> list[Finding]:
    turn = settings.turn
    if not turn.urls:
        return [
            note(
                "relay",
                "none: who is behind a firewall that lets only web pages through cannot join. Run coturn "
                "(deploy/turnserver.conf), and set turn.urls and turn.secret",
            )
        ]
    return [await _relay(url, settings, reach) for url in turn.urls]


async def _relay(url: str, settings: Settings, reach: Reach | None) -> Finding:
    """Allocate with credentials like a client's, and pass something on to the media port and back."""
    what, parsed, peer = f"relay {url}", parse_url(url), _peer(settings, reach)
    secret = settings.turn.secret.get_secret_value()
    mine = credentials(secret, TRIAL_USER, SystemClock().now_ms() // 1000, TRIAL_TTL_S)
    try:
        async with line_to(parsed) as line:
            allocation = await Allocation.of(line, mine)
            if peer is None or reach is None:
                return Finding(what, True, "takes our credentials")
            await allocation.permit(peer)
            return Finding(what, *await _round_trip(allocation, peer, reach.bind_ip))
    except NoAnswer as reason:
        return Finding(what, False, f"{reason}: {_advice(parsed)}")
    except RelayRefused as refusal:
        advice = RELAY_ADVICE.get(refusal.code, f"it refuses with error {refusal.code}")
        return Finding(what, False, advice.format(peer=peer.ip if peer else "the media nodes"))


def _advice(url: RelayUrl) -> str:
    if url.carrier is Carrier.TLS:
        return f"is coturn running there with cert and pkey, and is TCP port {url.port} open?"
    return f"is coturn running there, and is {url.carrier.value.upper()} port {url.port} open?"


def _peer(settings: Settings, reach: Reach | None) -> Endpoint | None:
    """Where the relay has to reach us: IPv4, as that is what it allocates when nothing else is asked for."""
    addresses = reach.public_ips if reach else ()
    return next((Endpoint(address, settings.media.port) for address in addresses if ":" not in address), None)


async def _round_trip(allocation: Allocation, peer: Endpoint, bind_ip: str) -> tuple[bool, str]:
    async with _echoing(bind_ip, peer.port) as port:
        if port is None:
            return True, f"takes our credentials, and may reach {peer.ip}; stop the server to have that tried"
        proof = secrets.token_bytes(16)
        allocation.send(Endpoint(peer.ip, port), proof)
        try:
            if await allocation.received() == proof:
                return True, f"takes our credentials, and passes media on to {peer.ip} and back"
        except NoAnswer:
            pass
        return False, (
            f"takes our credentials, but nothing that it sends to {peer.ip} comes back: "
            "do firewalls let UDP through between it and the media ports?"
        )


class _Echo(asyncio.DatagramProtocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # as the loop promises
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


@asynccontextmanager
async def _echoing(bind_ip: str, port: int) -> AsyncIterator[int | None]:
    """The media port (any free one for 0), echoing; None if a server has it."""
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Echo, local_addr=(bind_ip, port))
    except OSError:
        yield None
        return
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
