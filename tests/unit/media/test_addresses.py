"""Which addresses become candidates, and what is bound for them."""

import asyncio
import secrets
import socket

import pytest

from curtaincall.media.addresses import Reach, ask_mapped, own_addresses, reach_of
from curtaincall.media.stun import Attribute, Endpoint, Kind, StunMessage, decode, encode, masked
from curtaincall.settings import MediaSettings


@pytest.mark.parametrize(
    ("public_ip", "reach"),
    [
        ("203.0.113.10", Reach(("203.0.113.10",), "0.0.0.0")),
        ("203.0.113.10, 2001:db8::10", Reach(("203.0.113.10", "2001:db8::10"), "::")),
        ("127.0.0.1", Reach(("127.0.0.1",), "127.0.0.1")),
        ("::1", Reach(("::1",), "::1")),
        ("127.0.0.1,::1", Reach(("127.0.0.1", "::1"), "::")),
    ],
)
def test_the_setting_decides(public_ip: str, reach: Reach) -> None:
    assert reach_of(MediaSettings(public_ip=public_ip), "127.0.0.1") == reach


def test_a_server_on_the_loopback_interface_is_reached_there() -> None:
    assert reach_of(MediaSettings(), "127.0.0.1") == Reach(("127.0.0.1",), "127.0.0.1")
    assert reach_of(MediaSettings(), "::1") == Reach(("::1",), "::1")
    assert reach_of(MediaSettings(bind_ip="127.0.0.2"), "localhost").bind_ip == "127.0.0.2"


def test_otherwise_this_machines_own_addresses_are_offered() -> None:
    for_everybody = reach_of(MediaSettings(), "0.0.0.0")
    assert list(for_everybody.public_ips) == own_addresses()
    assert reach_of(MediaSettings(), "127.0.0.1", for_others=True) == for_everybody


class StunServer(asyncio.DatagramProtocol):
    """Sees everybody at one address, as a NAT would have it."""

    SEEN = Endpoint("203.0.113.10", 4_000)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # as the loop promises
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = decode(data)
        seen = (int(Attribute.XOR_MAPPED_ADDRESS), masked(self.SEEN, request.transaction))
        answer = StunMessage(request.method, Kind.SUCCESS, request.transaction, (seen,))
        self.transport.sendto(secrets.token_bytes(8), addr)
        self.transport.sendto(encode(answer), addr)


async def test_a_stun_server_says_what_the_world_sees() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(StunServer, local_addr=("127.0.0.1", 0))
    server = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    try:
        assert await asyncio.to_thread(ask_mapped, server) == StunServer.SEEN
        reach = await asyncio.to_thread(reach_of, MediaSettings(stun_server=server), "0.0.0.0")
    finally:
        transport.close()
    assert reach.public_ips[0] == StunServer.SEEN.ip
    assert list(reach.public_ips[1:]) == own_addresses()


async def test_a_stun_server_that_says_nothing_leaves_our_own_addresses() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        reach = await asyncio.to_thread(reach_of, MediaSettings(stun_server=server), "0.0.0.0")
    assert list(reach.public_ips) == own_addresses()
