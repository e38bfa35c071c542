"""Lists are read a page at a time; a cursor is opaque to whoever carries it."""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from curtaincall.storage.errors import CursorInvalid

MAX_PAGE: Final = 100
"""The most items that one page holds, whatever was asked for."""

_MAX_CURSOR_DIGITS: Final = 18
"""Keeps a cursor below 2**63, the largest integer the databases take."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first; `next_cursor` is None on the last one."""

    items: tuple[T, ...]
    next_cursor: str | None


def page_size(limit: int) -> int:
    """How many items to read for a page of `limit`: at least 1 and at most `MAX_PAGE`."""
    return max(1, min(limit, MAX_PAGE))


def position_of(cursor: str | None) -> int | None:
    """The row number a cursor stands for, None for the first page. Raises CursorInvalid."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_CURSOR_DIGITS):
        raise CursorInvalid("The cursor is not one of ours.")
    return int(cursor)
