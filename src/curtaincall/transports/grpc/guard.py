"""What every call passes: who is it, until when may it take, and what a refusal looks like."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, Never, TypeAlias

import grpc

from curtaincall.accounts.errors import NotAuthenticated
from curtaincall.accounts.model import ServicePrincipal
from curtaincall.accounts.tokens import Tokens
from curtaincall.charging.errors import TooManyWatchers
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.transports.errors import TransportError, code_of
from curtaincall.transports.grpc.status import CODE_KEY, status_of

HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
HEALTH_WATCH: Final = "/grpc.health.v1.Health/Watch"
"""Load balancers ask without credentials."""

MAX_HEALTH_WATCHERS: Final = 64
"""Streams that anybody may open: they must not take the place of those of services."""

UNARY_LIMIT_S: Final = 20.0
"""The longest one answer may take, if the caller's own deadline is not sooner: above the longest settlement."""

STREAM_LIMIT_S: Final = 3_600.0
"""The longest a stream lives before its watcher has to show its credentials again."""

caller: ContextVar[str] = ContextVar("caller")
"""Name of the service whose call is being worked on."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
"""Generic in the stubs only."""

log = logging.getLogger(__name__)


class Guard(grpc.aio.ServerInterceptor):
    """Lets services in (by Bearer token or client certificate), bounds their calls, and tells refusals."""

    def __init__(self, tokens: Tokens, *, client_certificates: bool) -> None:
        self._tokens = tokens
        self._client_certificates = client_certificates
        self._health_watchers = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method == HEALTH_CHECK:
            return handler
        if method == HEALTH_WATCH and handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._health(handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, handler.stream_stream), handler.request_deserializer, handler.response_serializer
            )
        raise TypeError(f"{method} has no guard.")

    def _unary(self, method: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: object, context: Context) -> object:
            try:
                caller.set(self._caller(context))
                async with asyncio.timeout(_seconds_left(context, UNARY_LIMIT_S)):
                    return await answer(request, context)
            except Exception as error:
                await _refuse(method, context, error)

        return guarded

    def _stream(self, method: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: object, context: Context) -> AsyncIterator[object]:
            try:
                caller.set(self._caller(context))
                async with (
                    asyncio.timeout(_seconds_left(context, STREAM_LIMIT_S)),
                    aclosing(answer(request, context)) as messages,
                ):
                    async for message in messages:
                        yield message
            except Exception as error:
                await _refuse(method, context, error)

        return guarded

    def _health(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(request: object, context: Context) -> None:
            if self._health_watchers >= MAX_HEALTH_WATCHERS:
                await _refuse(HEALTH_WATCH, context, TooManyWatchers("Too many watch the health."))
            self._health_watchers += 1
            try:
                await answer(request, context)
            finally:
                self._health_watchers -= 1

        return guarded

    def _caller(self, context: Context) -> str:
        """The name of the service that calls. Raises NotAuthenticated, TokenExpired, `forbidden` for a user."""
        if self._client_certificates:
            # The handshake has verified it against the authorities that the settings name.
            for name in context.auth_context().get("x509_common_name", ()):
                return name.decode(errors="replace")
        given = dict(context.invocation_metadata() or ()).get("authorization", "")
        scheme, _, token = (given if isinstance(given, str) else "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("A service token or a client certificate is needed.")
        principal = self._tokens.principal(token.strip())
        if not isinstance(principal, ServicePrincipal):
            raise TransportError("forbidden", "This is for services.")
        return principal.name


def _seconds_left(context: Context, limit_s: float) -> float:
    left_s: float | None = context.time_remaining()
    return limit_s if left_s is None else min(limit_s, left_s)


async def _refuse(method: str, context: Context, error: Exception) -> Never:
    """End the call with the status of its refusal. What is not expected is logged, and told without detail."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, CurtaincallError):
        code, said = code_of(error), error.message
    elif isinstance(error, TimeoutError):
        code, said = "silent", "The answer took too long."
    else:
        log.error("grpc_call_failed", extra={"method": method}, exc_info=error)
        code, said = "internal", "Something went wrong."
    log.info("grpc_refused", extra={"method": method, "code": code})
    await context.abort(status_of(code), said, ((CODE_KEY, code),))
