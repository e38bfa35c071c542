"""A session in memory: what the state machine knows of it, and the lanes on which its work is done."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from curtaincall.charging.lanes import Lane
from curtaincall.charging.model import PaidSession
from curtaincall.charging.views import TimelineEntry

MONEY_LIMIT: Final = 64
"""Far above what the state machine can have under way for one session."""

NEWS_LIMIT: Final = 256
"""News of one session that wait for slow listeners; of more, changes of no consequence are left out."""


@dataclass(slots=True, eq=False)
class Live:
    """A session in memory."""

    session: PaidSession
    seq: int = 0
    """Of the newest grant; it goes on over epochs."""
    lines: int = 0
    unwritten: list[TimelineEntry] = field(default_factory=list)
    writing: bool = False
    refusal: Exception | None = None
    """Why the acceptance failed, for whoever accepted."""
    recharging: "asyncio.Task[None] | None" = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once nothing is left to do for it but to tell."""
    money: Lane = field(default_factory=lambda: Lane("session-money", MONEY_LIMIT))
    news: Lane = field(default_factory=lambda: Lane("session-news", NEWS_LIMIT))
