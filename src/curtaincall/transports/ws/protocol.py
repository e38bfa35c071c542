"""How uvicorn speaks WebSocket for us: small messages, pings that are answered or else, closes that are understood.

uvicorn refuses a message that is too large while it is still arriving, and notices a peer that answers no ping; but
it says so with its own close codes, and hangs up so fast that the reason is lost. Here the reasons of protocol.md are
given.
"""

from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Close, Frame, Opcode

from curtaincall.transports.errors import MALFORMED, SILENT
from curtaincall.transports.ws.messages import encode, error

MAX_MESSAGE_BYTES: Final = 64 * 1024
PING_INTERVAL_S: Final = 10.0
PING_TIMEOUT_S: Final = 10.0

LINGER_S: Final = 1.0
"""How long the rest of a refused message is read and thrown away: closing on unread bytes would reset the connection,
and the peer might lose the reason with it."""

LINGER_BYTES: Final = 8 * 1024 * 1024
"""And how much of it at most."""

ABORT_AFTER_S: Final = 5.0
"""How long a peer that reads nothing may keep a finished connection open."""


class SignalingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with our reasons. Overrides what its `websockets` protocol does on its own account."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._heard = False
        self._lingering = False
        self._thrown_away = 0

    def data_received(self, data: bytes) -> None:
        if not self._lingering:
            super().data_received(data)
            return
        self._thrown_away += len(data)
        if self._thrown_away > LINGER_BYTES:
            self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        self._heard = True
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """A frame that cannot be: too large (1009; as the very first message 4400), or not WebSocket at all."""
        assert self.conn.close_sent is not None
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        output = b"".join(self.conn.data_to_send())
        if code == 1009 and not self._heard:
            code, reason = MALFORMED, "message_too_large"
            output = _refusal("message_too_large", "The first message is too large.", code)
        self._hang_up(code, reason, output)

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self.pending_ping_payload = None
        if self.close_sent or self.transport.is_closing():
            return
        self._hang_up(SILENT, "silent", _refusal("silent", "Nothing was heard from you.", SILENT))

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(ABORT_AFTER_S, self.transport.abort)

    def _hang_up(self, code: int, reason: str, output: bytes) -> None:
        """Tell the app that the peer is gone and the peer why, then close without losing those words."""
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(output)
        self.close_sent = True
        self._lingering = True
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)


def _refusal(code: str, message: str, close_code: int) -> bytes:
    """ERROR and the close frame, as bytes of the server's side (unmasked)."""
    text = Frame(Opcode.TEXT, encode(error(code, message)).encode())
    close = Frame(Opcode.CLOSE, Close(close_code, code).serialize())
    return text.serialize(mask=False) + close.serialize(mask=False)
