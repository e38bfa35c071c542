"""Conversations in STUN: what our public address is, and whether a relay takes our credentials and reaches a peer."""

import asyncio
import contextlib
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, Protocol, Self

from curtaincall.media.relay import Carrier, RelayCredentials, RelayUrl
from curtaincall.media.stun import (
    HEADER,
    MAX_MESSAGE_BYTES,
    TRANSACTION_BYTES,
    UDP,
    Attribute,
    Endpoint,
    Kind,
    Method,
    StunMalformed,
    StunMessage,
    decode,
    encode,
    length_of,
    long_term_key,
    masked,
)

RETRANSMIT_S: Final = (0.25, 0.5, 1.0, 2.0)
"""A request over UDP is sent again after so long; then nobody is there."""
ANSWER_TIMEOUT_S: Final = 5.0
"""Over TCP, where nothing is sent again, and for connecting."""


class NoAnswer(Exception):
    """Nobody answered, or nobody who speaks STUN."""


class RelayRefused(Exception):
    """The relay answered with an error; `code` as in HTTP."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class Line(Protocol):
    """Carries STUN messages to one server and back."""

    async def ask(self, message: StunMessage, key: bytes | None = None) -> StunMessage:
        """Send a request; return its answer. Raises NoAnswer."""

    def tell(self, message: StunMessage) -> None:
        """Send an indication: there is no answer."""

    async def heard(self) -> StunMessage:
        """The next message that answers nothing. Raises NoAnswer."""


class _Inbox:
    """Sorts what comes: answers to who asked, the rest to who listens."""

    def __init__(self) -> None:
        self._asked: dict[bytes, asyncio.Future[StunMessage]] = {}
        self._heard: asyncio.Queue[StunMessage] = asyncio.Queue(maxsize=64)

    def expect(self, transaction: bytes) -> "asyncio.Future[StunMessage]":
        return self._asked.setdefault(transaction, asyncio.get_running_loop().create_future())

    def forget(self, transaction: bytes) -> None:
        self._asked.pop(transaction, None)

    def take(self, data: bytes) -> None:
        try:
            message = decode(data)
        except StunMalformed:
            return
        waiting = self._asked.get(message.transaction)
        if waiting is None:
            with contextlib.suppress(asyncio.QueueFull):
                self._heard.put_nowait(message)
        elif not waiting.done():
            waiting.set_result(message)

    async def heard(self) -> StunMessage:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._heard.get()
        except TimeoutError:
            raise NoAnswer("nothing came") from None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, inbox: _Inbox) -> None:
        self._inbox = inbox

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._inbox.take(data)


class UdpLine:
    def __init__(self, transport: asyncio.DatagramTransport, inbox: _Inbox) -> None:
        self._transport, self._inbox = transport, inbox
        self.heard = inbox.heard

    async def ask(self, message: StunMessage, key: bytes | None = None) -> StunMessage:
        answer = self._inbox.expect(message.transaction)
        try:
            for wait_s in RETRANSMIT_S:
                self._transport.sendto(encode(message, key))
                await asyncio.wait([answer], timeout=wait_s)
                if answer.done():
                    return answer.result()
        finally:
            self._inbox.forget(message.transaction)
        raise NoAnswer("no answer")

    def tell(self, message: StunMessage) -> None:
        self._transport.sendto(encode(message))


class StreamLine:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inbox: _Inbox) -> None:
        self._writer, self._inbox = writer, inbox
        self.heard = inbox.heard
        self.reading = asyncio.create_task(self._read(reader))

    async def ask(self, message: StunMessage, key: bytes | None = None) -> StunMessage:
        answer = self._inbox.expect(message.transaction)
        try:
            self._writer.write(encode(message, key))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except (TimeoutError, ConnectionError):
            raise NoAnswer("no answer") from None
        finally:
            self._inbox.forget(message.transaction)

    def tell(self, message: StunMessage) -> None:
        self._writer.write(encode(message))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, StunMalformed):
            while True:
                header = await reader.readexactly(HEADER.size)
                self._inbox.take(header + await reader.readexactly(length_of(header) - HEADER.size))


@asynccontextmanager
async def udp_line(host: str, port: int, *, local: tuple[str, int] | None = None) -> AsyncIterator[UdpLine]:
    """A line over UDP, from `local` if given. Raises NoAnswer for a name that leads nowhere, OSError for `local`."""
    inbox = _Inbox()
    loop = asyncio.get_running_loop()
    family = 0 if local is None else (socket.AF_INET6 if ":" in local[0] else socket.AF_INET)
    try:
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
    except socket.gaierror:
        raise NoAnswer("the name is not known") from None
    remote = (str(found[0][4][0]), port)
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(inbox), local_addr=local, remote_addr=remote)
    try:
        yield UdpLine(transport, inbox)
    finally:
        transport.close()


@asynccontextmanager
async def line_to(url: RelayUrl, trust: ssl.SSLContext | None = None) -> AsyncIterator[Line]:
    """A line to a relay as clients have it. `trust` checks its certificate. Raises NoAnswer."""
    if url.carrier is Carrier.UDP:
        async with udp_line(url.host, url.port) as datagrams:
            yield datagrams
        return
    secure = (trust or ssl.create_default_context()) if url.carrier is Carrier.TLS else None
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(url.host, url.port, ssl=secure, limit=MAX_MESSAGE_BYTES)
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer(f"its certificate is not trusted: {error.verify_message}") from None
    except (OSError, TimeoutError) as error:
        raise NoAnswer(getattr(error, "strerror", None) or "no connection") from None
    line = StreamLine(reader, writer, _Inbox())
    try:
        yield line
    finally:
        line.reading.cancel()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def mapped_address(line: Line) -> Endpoint:
    """As what the server sees us. Raises NoAnswer."""
    answer = await line.ask(_request(Method.BINDING))
    seen = answer.endpoint(Attribute.XOR_MAPPED_ADDRESS) if answer.kind is Kind.SUCCESS else None
    if seen is None:
        raise NoAnswer("an answer without our address")
    return seen


class Allocation:
    """An address of a relay, for as long as the line stands."""

    def __init__(self, line: Line, names: tuple[tuple[int, bytes], ...], key: bytes, relayed: Endpoint) -> None:
        self.relayed = relayed
        self._line, self._names, self._key = line, names, key

    @classmethod
    async def of(cls, line: Line, credentials: RelayCredentials) -> Self:
        """Ask for it: once to learn the realm, then with credentials. Raises NoAnswer, RelayRefused."""
        transport = (Attribute.REQUESTED_TRANSPORT, UDP)
        refusal = await line.ask(_request(Method.ALLOCATE, [transport]))
        realm, nonce = refusal.value(Attribute.REALM), refusal.value(Attribute.NONCE)
        if realm is None or nonce is None:
            raise RelayRefused(refusal.error_code or 400)
        key = long_term_key(credentials.username, realm.decode(errors="replace"), credentials.password)
        names = (
            (Attribute.USERNAME, credentials.username.encode()),
            (Attribute.REALM, realm),
            (Attribute.NONCE, nonce),
        )
        answer = await line.ask(_request(Method.ALLOCATE, [transport, *names]), key)
        relayed = answer.endpoint(Attribute.XOR_RELAYED_ADDRESS)
        if answer.kind is not Kind.SUCCESS or relayed is None:
            raise RelayRefused(answer.error_code or 400)
        return cls(line, names, key, relayed)

    async def permit(self, peer: Endpoint) -> None:
        """Let the relay pass on what goes to this peer and comes from it. Raises NoAnswer, RelayRefused."""
        transaction = secrets.token_bytes(TRANSACTION_BYTES)
        address = (Attribute.XOR_PEER_ADDRESS, masked(peer, transaction))
        request = StunMessage(Method.CREATE_PERMISSION, Kind.REQUEST, transaction, (address, *self._names))
        answer = await self._line.ask(request, self._key)
        if answer.kind is not Kind.SUCCESS:
            raise RelayRefused(answer.error_code or 400)

    def send(self, peer: Endpoint, data: bytes) -> None:
        """Have the relay send a datagram to a peer that was permitted."""
        transaction = secrets.token_bytes(TRANSACTION_BYTES)
        address = (Attribute.XOR_PEER_ADDRESS, masked(peer, transaction))
        attributes = (address, (Attribute.DATA, data))
        self._line.tell(StunMessage(Method.SEND, Kind.INDICATION, transaction, attributes))

    async def received(self) -> bytes:
        """The next datagram that a permitted peer sent to the relayed address. Raises NoAnswer."""
        while True:
            message = await self._line.heard()
            data = message.value(Attribute.DATA)
            if message.method is Method.DATA and data is not None:
                return data


def _request(method: Method, attributes: Iterable[tuple[int, bytes]] = ()) -> StunMessage:
    return StunMessage(method, Kind.REQUEST, secrets.token_bytes(TRANSACTION_BYTES), tuple(attributes))
