"""Every refusal of the product means something on the wire."""

import importlib
import pkgutil
from collections.abc import Iterator

import grpc
import pytest

import curtaincall
from curtaincall.kernel.errors import CurtaincallError
from curtaincall.media.ports import MediaError
from curtaincall.transports.errors import TABLE, RateLimited, TransportError, code_of, meaning, retry_after_ms
from curtaincall.transports.grpc.status import OF_HTTP, status_of

SPOKEN = {4400, 4401, 4402, 4403, 4408, 4409, 4410, 4429, 1011, 1012, 1013}


def error_classes() -> Iterator[type[CurtaincallError]]:
    for module in pkgutil.walk_packages(curtaincall.__path__, "curtaincall."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting: list[type[CurtaincallError]] = [CurtaincallError]
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        yield found


def test_every_code_is_in_the_table() -> None:
    missing = {error.code for error in error_classes()} - TABLE.keys()
    assert not missing


@pytest.mark.parametrize(
    "code", ["room_unknown", "seat_unknown", "sdp_invalid", "media_overloaded", "media_unavailable"]
)
def test_the_media_engines_refusals_are_told_apart(code: str) -> None:
    assert code in TABLE
    assert code_of(MediaError(code, "no")) == code


def test_only_agreed_statuses_and_close_codes_are_used() -> None:
    assert {entry.close for entry in TABLE.values()} <= SPOKEN
    assert all(400 <= entry.status < 600 for entry in TABLE.values())


@pytest.mark.parametrize(
    ("code", "status", "close"),
    [
        ("malformed", 400, 4400),
        ("not_authenticated", 401, 4401),
        ("payment_required", 402, 4402),
        ("call_not_accepted", 403, 4403),
        ("room_not_found", 404, 4403),
        ("removed", 403, 4403),
        ("silent", 408, 4408),
        ("room_full", 409, 4409),
        ("room_ended", 410, 4410),
        ("rate_limited", 429, 4429),
    ],
)
def test_what_the_protocol_page_promises(code: str, status: int, close: int) -> None:
    assert (meaning(code).status, meaning(code).close) == (status, close)


def test_a_refusal_that_passes_says_when_to_come_back() -> None:
    assert retry_after_ms(RateLimited("slow down", 1_500)) == 1_500
    assert retry_after_ms(TransportError("overloaded", "busy")) == 1_000
    assert retry_after_ms(TransportError("forbidden", "no")) is None


def test_every_code_is_a_status_of_grpc_and_none_is_ok() -> None:
    statuses = {code: status_of(code) for code in TABLE}
    assert grpc.StatusCode.OK not in statuses.values()
    assert {entry.status for entry in TABLE.values()} <= OF_HTTP.keys()
    assert statuses["not_authenticated"] is grpc.StatusCode.UNAUTHENTICATED
    assert statuses["payment_required"] is grpc.StatusCode.FAILED_PRECONDITION
    assert statuses["session_unknown"] is grpc.StatusCode.NOT_FOUND
    assert statuses["idempotency_conflict"] is grpc.StatusCode.ALREADY_EXISTS
    assert statuses["too_many_watchers"] is grpc.StatusCode.RESOURCE_EXHAUSTED
