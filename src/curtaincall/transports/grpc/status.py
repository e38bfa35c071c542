"""What our stable codes are in gRPC: derived from their HTTP status in the one table, so that none can be missing."""

from http import HTTPStatus
from typing import Final

import grpc

from curtaincall.transports.errors import meaning

CODE_KEY: Final = "curtaincall-code"
"""Trailing metadata with the stable code of a refusal."""

OF_HTTP: Final[dict[int, grpc.StatusCode]] = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: grpc.StatusCode.UNAUTHENTICATED,
    HTTPStatus.PAYMENT_REQUIRED: grpc.StatusCode.FAILED_PRECONDITION,
    HTTPStatus.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: grpc.StatusCode.UNIMPLEMENTED,
    HTTPStatus.REQUEST_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    HTTPStatus.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    HTTPStatus.GONE: grpc.StatusCode.FAILED_PRECONDITION,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.UNPROCESSABLE_ENTITY: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.INTERNAL_SERVER_ERROR: grpc.StatusCode.INTERNAL,
    HTTPStatus.SERVICE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}

TAKEN: Final = frozenset({"idempotency_conflict", "session_conflict"})
"""Conflicts with something that exists already, which gRPC tells from an operation that is refused for now."""


def status_of(code: str) -> grpc.StatusCode:
    """The gRPC status of one of our codes."""
    if code in TAKEN:
        return grpc.StatusCode.ALREADY_EXISTS
    return OF_HTTP.get(meaning(code).status, grpc.StatusCode.INTERNAL)
