"""A WebSocket client that speaks the protocol message by message: for tests of what the server says and when."""

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import websockets
from websockets.asyncio.client import ClientConnection

Json = dict[str, Any]

TIMEOUT_S = 10
NO_CLOSE_FRAME = 1006


class Signaling:
    """One socket. `receive` gives the messages as they come; `wait_for` passes over those that it does not wait for."""

    def __init__(self, url: str, path: str = "/api/rtc/signaling", headers: dict[str, str] | None = None) -> None:
        self._url = url.replace("http", "ws", 1) + path
        self._headers = headers or {}
        self._socket: ClientConnection | None = None
        self._passed_over: list[Json] = []

    async def __aenter__(self) -> Self:
        self._socket = await websockets.connect(self._url, additional_headers=self._headers, proxy=None, max_queue=None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None, "the socket is not open"
        return self._socket

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def join(self, room_id: str, user_id: str, *, token: str | None = None) -> None:
        """Send the spec's JOIN_ROOM, with a join token if there is one."""
        further = {} if token is None else {"token": token}
        await self.send("JOIN_ROOM", roomId=room_id, userId=user_id, isSpectator=False, **further)

    async def receive(self) -> Json:
        """The next message. Raises websockets' ConnectionClosed, TimeoutError."""
        async with asyncio.timeout(TIMEOUT_S):
            return dict(json.loads(await self.socket.recv()))

    async def wait_for(self, kind: str, where: Callable[[Json], bool] = lambda _: True) -> Json:
        """The first message of this type that satisfies `where`: one that was passed over, else one to come."""
        for message in self._passed_over:
            if message["type"] == kind and where(message):
                self._passed_over.remove(message)
                return message
        while True:
            message = await self.receive()
            if message["type"] == kind and where(message):
                return message
            self._passed_over.append(message)

    async def refusal(self) -> tuple[str, int]:
        """Read until the server closes: the code of the last ERROR (or reason of TERMINATE_CALL) and the close code."""
        last = ""
        while True:
            try:
                message = await self.receive()
            except websockets.ConnectionClosed as closed:
                return last, closed.rcvd.code if closed.rcvd is not None else NO_CLOSE_FRAME
            if message["type"] in ("ERROR", "TERMINATE_CALL"):
                last = str(message.get("code") or message["reason"])
