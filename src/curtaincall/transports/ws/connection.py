"""One WebSocket: messages in with deadlines, messages out through a bounded outbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from curtaincall.kernel.errors import CurtaincallError
from curtaincall.transports.errors import ENDED, TransportError, code_of, meaning, retry_after_ms
from curtaincall.transports.ws.messages import Message, encode, error, terminate_call

OUTBOX_MESSAGES: Final = 512
"""Messages that may wait for a reader; one that falls further behind is closed."""

WRITE_TIMEOUT_S: Final = 10.0
"""How long one message may take to leave."""

FIRST_MESSAGE_TIMEOUT_S: Final = 3.0
FIRST_MESSAGE_BYTES: Final = 4 * 1024

CLOSE_AFTER_TERMINATION_S: Final = 2.0
"""Between TERMINATE_CALL and the close: time for the client to end the call in its own way."""


@dataclass(frozen=True, slots=True)
class _Close:
    code: int
    reason: str


class Gone(Exception):
    """The peer closed the socket, or it broke."""


class SocketConnection:
    """A WebSocket with a queue before it, so that whoever sends never waits for a slow network.

    Use `open()` around everything; after `refuse`, return: leaving the block flushes the queue and closes.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._outbox: asyncio.Queue[str | _Close] = asyncio.Queue(OUTBOX_MESSAGES)
        self._overflowed = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None
        self.terminated = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Accept the socket and write from the outbox until the block ends."""
        await self._socket.accept()
        self._writer = asyncio.create_task(self._write())
        try:
            yield
        finally:
            if self._closing and not self._overflowed.is_set():
                await self.flushed(WRITE_TIMEOUT_S)
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    # ---- out --------------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Queue a message. A reader that lets the queue fill up is cut off."""
        self._put(encode(message))

    def refuse(self, refusal: CurtaincallError) -> None:
        """Queue ERROR and the close that belongs to its code."""
        code = code_of(refusal)
        self.send(error(code, refusal.message, retry_after_ms(refusal)))
        self._close(meaning(code).close, code)

    def complain(self, refusal: CurtaincallError) -> None:
        """Queue ERROR and go on."""
        self.send(error(code_of(refusal), refusal.message, retry_after_ms(refusal)))

    def terminate(self, reason: str, redirect_url: str | None) -> None:
        if self.terminated:
            return
        self.terminated = True
        self.send(terminate_call(reason, redirect_url))
        asyncio.get_running_loop().call_later(CLOSE_AFTER_TERMINATION_S, self._close, ENDED, reason)

    def dismiss(self, reason: CurtaincallError) -> None:
        """Close because the server goes away. Whoever was told the end of their call is told no other reason."""
        if self.terminated:
            self._close(ENDED, code_of(reason))
        else:
            self.refuse(reason)

    async def flushed(self, timeout_s: float) -> None:
        """Wait until the close has been written, for so long at most."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=timeout_s)

    def _close(self, code: int, reason: str) -> None:
        if not self._closing:
            self._put(_Close(code, reason))
            self._closing = True

    def _put(self, item: str | _Close) -> None:
        if self._closing or self._overflowed.is_set():
            return
        try:
            self._outbox.put_nowait(item)
        except asyncio.QueueFull:
            self._overflowed.set()

    async def _write(self) -> None:
        try:
            while not self._overflowed.is_set():
                item = await self._outbox.get()
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    if isinstance(item, _Close):
                        await self._socket.close(item.code, item.reason)
                        return
                    await self._socket.send_text(item)
        except (TimeoutError, RuntimeError, WebSocketDisconnect, OSError):
            self._overflowed.set()

    # ---- in ---------------------------------------------------------------------------------------------------------

    async def first(self, deadline_s: float) -> str:
        """The first message. Raises TransportError `silent` or `message_too_large`, Gone."""
        try:
            async with asyncio.timeout(deadline_s):
                text = await self.receive()
        except TimeoutError:
            raise TransportError("silent", "The first message did not come in time.") from None
        if len(text.encode()) > FIRST_MESSAGE_BYTES:
            raise TransportError("message_too_large", "The first message is too large.")
        return text

    async def receive(self) -> str:
        """The next message. Raises Gone, also when the reader was cut off; TransportError `malformed` for bytes."""
        message = asyncio.ensure_future(self._socket.receive())
        overflow = asyncio.ensure_future(self._overflowed.wait())
        try:
            await asyncio.wait({message, overflow}, return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                raise Gone
            event = message.result()
        finally:
            for task in (message, overflow):
                task.cancel()
            await asyncio.gather(message, overflow, return_exceptions=True)
        if event["type"] == "websocket.disconnect":
            raise Gone
        text = event.get("text")
        if text is None:
            raise TransportError("malformed", "Messages are JSON text.")
        return str(text)
