"""Both ends of the Monetization Service's proto: a client of ours, and a small server that says what a test scripts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc

from curtaincall.monetization.v1 import monetization_pb2 as pb
from curtaincall.monetization.v1.monetization_pb2_grpc import (
    MonetizationServiceServicer,
    MonetizationServiceStub,
    add_MonetizationServiceServicer_to_server,
)

DEADLINE_S = 15.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call ended: the status, and our code in its trailing metadata."""

    status: grpc.StatusCode
    code: str


class Client:
    """Calls a Monetization Service as an outside system does: by token, or by certificate."""

    def __init__(
        self, address: str, token: str | None = None, credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        options = (("grpc.enable_http_proxy", 0),)
        self.channel = (
            grpc.aio.insecure_channel(address, options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options)
        )
        self.metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self.stub = MonetizationServiceStub(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.close()

    async def call(self, method: str, request: Any) -> Any:
        return await getattr(self.stub, method)(request, timeout=DEADLINE_S, metadata=self.metadata)

    async def refusal(self, method: str, request: Any) -> Refusal:
        """What the call is refused with; it must be."""
        try:
            answer = await self.call(method, request)
        except grpc.aio.AioRpcError as error:
            return _refusal(error)
        raise AssertionError(f"{method} was answered: {answer}")

    async def status(self, room_id: str, user_id: str) -> pb.PaymentStatus:
        request = pb.GetPaymentStatusRequest(room_id=room_id, user_id=user_id)
        return (await self.call("GetPaymentStatus", request)).status

    def watch(self, room_id: str, user_id: str) -> Any:
        """A stream: `read()` gives the next message, `grpc.aio.EOF` at the end."""
        request = pb.WatchPaymentStatusRequest(room_id=room_id, user_id=user_id)
        return self.stub.WatchPaymentStatus(request, timeout=DEADLINE_S, metadata=self.metadata)

    async def fail(self, room_id: str, user_id: str) -> None:
        await self.call("ReportPaymentFailure", pb.ReportPaymentFailureRequest(room_id=room_id, user_id=user_id))


async def stream_refusal(stream: Any) -> Refusal:
    """What a stream is refused with."""
    try:
        message = await stream.read()
    except grpc.aio.AioRpcError as error:
        return _refusal(error)
    raise AssertionError(f"The stream said {message}")


def _refusal(error: grpc.aio.AioRpcError) -> Refusal:
    trailing = dict(error.trailing_metadata() or ())
    return Refusal(error.code(), str(trailing.get("curtaincall-code", "")))


@dataclass(eq=False)
class Script(MonetizationServiceServicer):
    """Says one state of every seat, tells watchers of changes, or says nothing at all."""

    state: int = pb.PAYMENT_STATE_PAID
    silent: bool = False
    streams: bool = True
    polls: int = 0
    tokens: set[str] = field(default_factory=set)
    """Every `authorization` that came along."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def say(self, state: int) -> None:
        async with self.changed:
            self.state = state
            self.changed.notify_all()

    async def polled(self, times: int) -> None:
        """Wait until the service has been asked this often."""
        async with self.changed, asyncio.timeout(DEADLINE_S):
            await self.changed.wait_for(lambda: self.polls >= times)

    async def GetPaymentStatus(self, request: pb.GetPaymentStatusRequest, context: Any) -> pb.GetPaymentStatusResponse:
        self._note(context)
        async with self.changed:
            self.polls += 1
            self.changed.notify_all()
        await self._speak()
        return pb.GetPaymentStatusResponse(status=pb.PaymentStatus(state=self.state))

    async def WatchPaymentStatus(
        self, request: pb.WatchPaymentStatusRequest, context: Any
    ) -> AsyncIterator[pb.WatchPaymentStatusResponse]:
        self._note(context)
        if not self.streams:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no streams here")
        told = None
        while True:
            await self._speak()
            if told != self.state:
                told = self.state
                yield pb.WatchPaymentStatusResponse(status=pb.PaymentStatus(state=told))
            async with self.changed:
                await self.changed.wait()

    async def _speak(self) -> None:
        if self.silent:
            await asyncio.Event().wait()

    def _note(self, context: Any) -> None:
        self.tokens.add(str(dict(context.invocation_metadata()).get("authorization")))


class ScriptedServer:
    """A server of the proto on a free port, driven by its `script`."""

    def __init__(self) -> None:
        self.script = Script()
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        add_MonetizationServiceServicer_to_server(self.script, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(None)
