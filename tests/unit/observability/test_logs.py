"""Logs are lines of JSON, and keep secrets even from whoever writes them by mistake."""

import json
import logging

import pytest

from curtaincall.observability.logs import JsonLines
from curtaincall.observability.metrics import Metrics


def line(record: logging.LogRecord) -> dict[str, object]:
    return dict(json.loads(JsonLines().format(record)))


def test_an_event_name_and_fields() -> None:
    record = logging.makeLogRecord(
        {"name": "curtaincall.rooms", "levelname": "INFO", "msg": "room_opened", "room_id": "r", "created": 1.5}
    )
    assert line(record) == {
        "at": "1970-01-01T00:00:01.500Z",
        "level": "info",
        "logger": "curtaincall.rooms",
        "event": "room_opened",
        "room_id": "r",
    }


@pytest.mark.parametrize("name", ["token", "password", "sdp", "address", "email", "authorization"])
def test_secrets_are_redacted(name: str) -> None:
    record = logging.makeLogRecord({"msg": "x", name: "very secret"})
    assert line(record)[name] == "[redacted]"
    assert "very secret" not in JsonLines().format(record)


def test_a_field_never_hides_the_event_itself() -> None:
    record = logging.makeLogRecord({"msg": "handler_failed", "event": "SessionEnding"})
    assert (line(record)["event"], line(record)["event_"]) == ("handler_failed", "SessionEnding")


def test_metrics_of_two_apps_do_not_mix() -> None:
    first, second = Metrics(), Metrics()
    first.terminations.labels(reason="PAYMENT_FAILED").inc()
    assert b'terminations_total{reason="PAYMENT_FAILED"} 1.0' in first.exposition()
    assert b"PAYMENT_FAILED" not in second.exposition()
