"""CSV answers: streamed as they are read, and the stretch of days that one is about."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from fastapi.responses import StreamingResponse

from curtaincall.transports.errors import TransportError

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"

MAX_DAYS: Final = 3_660
"""The longest stretch of one file: ten years."""


def span_ms(since: date | None, until: date | None, now_ms: int) -> tuple[int, int]:
    """The time from the beginning of one day to the end of another (UTC), as [from, until) in epoch ms.

    Without days: the last 30, today included. Raises TransportError `invalid_request`.
    """
    last = until or datetime.fromtimestamp(now_ms // 1000, UTC).date()
    first = since or last - timedelta(days=min(29, last.toordinal() - 1))
    if not 0 <= (last - first).days < MAX_DAYS or last == date.max:
        raise TransportError("invalid_request", f"`from` is not after `to`, and at most {MAX_DAYS} days before.")
    return _midnight_ms(first), _midnight_ms(last + timedelta(days=1))


def attachment(parts: AsyncIterator[str], name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(parts, media_type=MEDIA_TYPE, headers=headers)


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
