"""Structured logs: one JSON object per line on standard error, an event name plus fields.

Write them as `log.info("room_opened", extra={"room_id": room_id})`. Tokens, SDP and addresses never belong in a log;
`SECRET_FIELDS` is the safety net for the day somebody forgets.
"""

import json
import logging
import sys
from typing import Final

from curtaincall.kernel.clock import rfc3339

SECRET_FIELDS: Final = frozenset(
    {"token", "access_token", "refresh_token", "join_token", "password", "authorization", "cookie", "sdp", "candidate"}
    | {"address", "client", "email", "credential"}
)

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON with `at`, `level`, `event` and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": rfc3339(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name in _STANDARD:
                continue
            line[f"{name}_" if name in line else name] = "[redacted]" if name in SECRET_FIELDS else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str) -> None:
    """Send everything through the one handler. uvicorn's own lines carry addresses, so only its warnings are kept."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for chatty in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
