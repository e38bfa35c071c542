"""A lane does what is put on it in order, one at a time, in a task that exists only while there is something to do."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

Job = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


class Lane:
    """A queue of jobs of one session. A job that raises is logged, and the next one goes on.

    `limit` bounds what waits; a job beyond it is refused, which only news of no consequence can be: the state machine
    has at most one movement of money under way at a time, and what must be told (a session ends once) passes the limit.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._jobs: deque[Job] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, job: Job, *, must: bool = False) -> bool:
        """Have the job done after those before it. Does not wait. Returns False if too many wait, unless it `must`."""
        if len(self._jobs) >= self._limit and not must:
            log.error("lane_full", extra={"lane": self._name, "limit": self._limit})
            return False
        self._jobs.append(job)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)
        return True

    async def idle(self) -> None:
        """Wait until nothing is left to do."""
        while self._task is not None and not self._task.done():
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            try:
                await job()
            except Exception:
                log.exception("lane_job_failed", extra={"lane": self._name})
