"""A connection never makes its sender wait: what a slow reader leaves unread is bounded, then it is cut off."""

import asyncio
from typing import Any

import pytest
from starlette.websockets import WebSocket

from curtaincall.transports.errors import TransportError
from curtaincall.transports.ws.connection import OUTBOX_MESSAGES, Gone, SocketConnection


class Peer:
    """The other end of an ASGI WebSocket: reads when it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.got: list[dict[str, Any]] = []
        self.sends: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sends.put_nowait({"type": "websocket.connect"})

    def connection(self) -> SocketConnection:
        return SocketConnection(WebSocket({"type": "websocket"}, self.sends.get, self._take))

    async def _take(self, message: Any) -> None:
        if message["type"] != "websocket.accept":
            await self.reads.wait()
        self.got.append(message)


async def test_messages_leave_in_order_and_a_refusal_comes_before_its_close() -> None:
    peer = Peer()
    peer.reads.set()
    connection = peer.connection()
    async with connection.open():
        connection.send({"type": "JOINED"})
        connection.refuse(TransportError("room_full", "The room is full."))
        connection.send({"type": "TOO_LATE"})
    texts = [message.get("text", message.get("code")) for message in peer.got[1:]]
    assert texts == [
        '{"type":"JOINED"}',
        '{"type":"ERROR","code":"room_full","message":"The room is full."}',
        4409,
    ]


async def test_a_reader_that_falls_too_far_behind_is_cut_off() -> None:
    peer = Peer()
    connection = peer.connection()
    async with connection.open():
        for _ in range(OUTBOX_MESSAGES + 2):
            connection.send({"type": "CHAT"})
        with pytest.raises(Gone):
            await connection.receive()
    assert len(peer.got) == 1  # the accept: nothing was read


async def test_the_end_is_told_once() -> None:
    peer = Peer()
    peer.reads.set()
    connection = peer.connection()
    async with connection.open():
        connection.terminate("PAYMENT_FAILED", "/models")
        connection.terminate("TIME_EXPIRED", "/models")
        connection.refuse(TransportError("room_ended", "Over."))
    texts = [message["text"] for message in peer.got if "text" in message]
    assert texts[0] == '{"type":"TERMINATE_CALL","reason":"PAYMENT_FAILED","redirectUrl":"/models"}'
    assert len(texts) == 2


async def test_bytes_are_no_message() -> None:
    peer = Peer()
    connection = peer.connection()
    async with connection.open():
        peer.sends.put_nowait({"type": "websocket.receive", "bytes": b"x"})
        with pytest.raises(TransportError):
            await connection.receive()


async def test_a_peer_that_hangs_up_is_gone() -> None:
    peer = Peer()
    connection = peer.connection()
    async with connection.open():
        peer.sends.put_nowait({"type": "websocket.disconnect", "code": 1001})
        with pytest.raises(Gone):
            await connection.receive()


async def test_silence_and_a_long_first_message_are_told_apart() -> None:
    peer = Peer()
    connection = peer.connection()
    async with connection.open():
        with pytest.raises(TransportError) as silent:
            await connection.first(deadline_s=0.01)
        peer.sends.put_nowait({"type": "websocket.receive", "text": "é" * 2_049})
        with pytest.raises(TransportError) as long:
            await connection.first(deadline_s=10)
    assert (silent.value.refusal, long.value.refusal) == ("silent", "message_too_large")
