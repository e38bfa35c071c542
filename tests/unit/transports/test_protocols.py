"""What our uvicorn protocols add, on real sockets: heads that are too long or too slow, peers that answer no ping."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from curtaincall.transports.rest import protocol as http_protocol
from curtaincall.transports.rest.protocol import MAX_HEAD_BYTES, BoundedHeads
from curtaincall.transports.ws.protocol import SignalingProtocol


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts sockets and listens; answers requests with `ok`."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(ping_s: float = 60) -> AsyncIterator[int]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # whoever connects before the server is ready waits
    config = uvicorn.Config(
        echo,
        http=BoundedHeads,
        ws=SignalingProtocol,
        ws_ping_interval=ping_s,
        ws_ping_timeout=ping_s,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve(sockets=[listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running
        listener.close()


async def test_an_ordinary_request_is_answered_and_the_connection_kept() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


async def test_a_head_that_does_not_end_is_cut_off() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        for _ in range(MAX_HEAD_BYTES // 1_000 + 2):
            writer.write(b"X: " + b"x" * 995 + b"\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()


async def test_a_head_that_dribbles_in_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.05)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert await reader.read() == b""
        writer.close()


async def test_a_peer_that_answers_no_ping_is_told_and_closed() -> None:
    async with serving(ping_s=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # websockets' protocol without I/O: it parses, and its answers to pings stay unsent.
        peer = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}/"))
        peer.send_request(peer.connect())
        writer.write(b"".join(peer.data_to_send()))
        frames: list[Frame] = []
        while data := await reader.read(4_096):
            peer.receive_data(data)
            frames += [event for event in peer.events_received() if isinstance(event, Frame)]
            if any(frame.opcode is Opcode.CLOSE for frame in frames):
                break
        writer.close()
        text = next(bytes(frame.data) for frame in frames if frame.opcode is Opcode.TEXT)
        assert text == b'{"type":"ERROR","code":"silent","message":"Nothing was heard from you."}'
        assert peer.close_rcvd is not None
        assert peer.close_rcvd.code == 4408
