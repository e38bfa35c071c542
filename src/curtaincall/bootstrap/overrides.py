"""What may be put in the place of the real thing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from curtaincall.kernel.clock import Clock, SystemClock
from curtaincall.kernel.ids import IdFactory
from curtaincall.media.ports import MediaEngine
from curtaincall.settings import Settings
from curtaincall.storage.database import Database
from curtaincall.storage.executor import WriteExecutor
from curtaincall.transports.rest import web


@dataclass(frozen=True, slots=True)
class Overrides:
    """What tests and the simulation may put in the place of the real thing."""

    clock: Clock = field(default_factory=SystemClock)
    ids: IdFactory | None = None
    media: Callable[[Settings], MediaEngine] | None = None
    executor: Callable[[Database], WriteExecutor] = WriteExecutor
    web_root: Path = field(default_factory=web.folder)
