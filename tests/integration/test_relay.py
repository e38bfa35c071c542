"""Debian's coturn and the credentials that we make: what clients are handed is what it takes, for a time."""

import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from curtaincall.media.relay import RelayCredentials, credentials, parse_url
from curtaincall.media.stun import Endpoint
from curtaincall.media.stun_lines import Allocation, NoAnswer, RelayRefused, line_to, mapped_address, udp_line
from support.coturn import Coturn
from support.server import Server
from support.signaling import Signaling

TTL_S = 600
CARRIERS = ("udp", "tcp", "tls")


@pytest.fixture
async def coturn(tmp_path: Path) -> AsyncIterator[Coturn]:
    async with Coturn(tmp_path / "coturn") as coturn:
        yield coturn


def trust(coturn: Coturn) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(coturn.pki.authority))


async def allocate(coturn: Coturn, carrier: str, mine: RelayCredentials) -> Endpoint:
    async with line_to(parse_url(coturn.url(carrier)), trust(coturn)) as line:
        return (await Allocation.of(line, mine)).relayed


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_credentials_are_taken_for_their_time_and_no_others(coturn: Coturn, carrier: str) -> None:
    now_s = int(time.time())
    relayed = await allocate(coturn, carrier, credentials(coturn.secret, "ann", now_s, TTL_S))
    assert relayed.ip == "127.0.0.1"
    expired = credentials(coturn.secret, "ann", now_s - TTL_S, TTL_S - 1)
    forged = credentials("another secret", "ann", now_s, TTL_S)
    longer = RelayCredentials(f"{now_s + 10 * TTL_S}:ann", credentials(coturn.secret, "ann", now_s, TTL_S).password)
    for wrong in (expired, forged, longer):
        with pytest.raises(RelayRefused) as refused:
            await allocate(coturn, carrier, wrong)
        assert refused.value.code == 401


async def test_it_relays_to_the_media_ports_and_to_nowhere_else(coturn: Coturn) -> None:
    mine = credentials(coturn.secret, "ann", int(time.time()), TTL_S)
    async with line_to(parse_url(coturn.url("tcp"))) as line:
        allocation = await Allocation.of(line, mine)
        await allocation.permit(Endpoint("127.0.0.1", 10_000))
        for elsewhere in ("192.0.2.1", "127.0.0.2", "10.0.0.1"):
            with pytest.raises(RelayRefused) as refused:
                await allocation.permit(Endpoint(elsewhere, 10_000))
            assert refused.value.code == 403


async def test_it_is_a_stun_server_too(coturn: Coturn) -> None:
    async with udp_line("127.0.0.1", coturn.port) as line:
        assert (await mapped_address(line)).ip == "127.0.0.1"


async def test_a_certificate_that_is_not_trusted_is_told(coturn: Coturn) -> None:
    with pytest.raises(NoAnswer, match="certificate"):
        async with line_to(parse_url(coturn.url("tls"))):
            pass


async def test_who_joins_is_handed_credentials_of_their_own(coturn: Coturn, tmp_path: Path) -> None:
    async with Server(tmp_path / "server", environment=coturn.environment(*CARRIERS)) as server:
        await server.people.conference("talk")
        handed = {}
        for user in ("ann", "bob"):
            token = await server.people.join_token("talk", user)
            async with Signaling(server.url) as signaling:
                await signaling.join("talk", user, token=token)
                joined = await signaling.wait_for("JOINED")
            (relay,) = joined["iceServers"]
            assert relay["urls"] == [coturn.url(carrier) for carrier in CARRIERS]
            assert relay["username"].endswith(f":{user}")
            handed[user] = RelayCredentials(relay["username"], relay["credential"])
        assert handed["ann"].password != handed["bob"].password
        for carrier in CARRIERS:
            await allocate(coturn, carrier, handed["ann"])
        secret_shown = [line for line in server.log if coturn.secret in line or handed["ann"].password in line]
        assert secret_shown == []


async def test_the_doctor_tries_the_relay_in_every_way(coturn: Coturn, tmp_path: Path) -> None:
    environment = {**coturn.environment(*CARRIERS), "SSL_CERT_FILE": str(coturn.pki.authority)}
    code, printed = await Server(tmp_path / "data", environment=environment).command("doctor")
    for carrier in CARRIERS:
        line = next(line for line in printed.splitlines() if coturn.url(carrier) in line)
        assert line.startswith("ok"), printed
        assert "passes media on to 127.0.0.1 and back" in line
    assert code == (1 if "FAIL" in printed else 0)


async def test_the_doctor_says_in_words_what_is_wrong(coturn: Coturn, tmp_path: Path) -> None:
    environment = {**coturn.environment("udp", "tls"), "CURTAINCALL_TURN__SECRET": "another secret"}
    code, printed = await Server(tmp_path / "data", environment=environment).command("doctor")
    assert code == 1
    assert "turn.secret must be its static-auth-secret" in printed
    assert "its certificate is not trusted" in printed


async def test_the_doctor_finds_a_relay_whose_port_is_shut(tmp_path: Path) -> None:
    async with Coturn(tmp_path / "coturn", udp=False) as coturn:
        server = Server(tmp_path / "data", environment=coturn.environment("udp", "tcp"))
        code, printed = await server.command("doctor")
    assert code == 1
    assert "is UDP port" in next(line for line in printed.splitlines() if coturn.url("udp") in line)
    assert next(line for line in printed.splitlines() if coturn.url("tcp") in line).startswith("ok")
