"""Argon2id in a bounded thread pool: hashing never blocks the event loop, and a flood of log-ins queues only so far."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError, VerifyMismatchError

from curtaincall.accounts.errors import AccountsOverloaded

R = TypeVar("R")

MAX_WAITING: Final = 64
"""Hashes that may wait or run at a time; beyond it the caller is told to come back."""

HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's second recommendation for Argon2id: 19 MiB, two passes."""


class Passwords:
    """Hashes and checks passwords off the event loop."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="passwords")
        self._waiting = 0
        # Compared against when there is no such account, so that time does not tell which addresses exist.
        self._decoy = HASHER.hash("a password that nobody has")

    async def hash(self, password: str) -> str:
        """Raises AccountsOverloaded."""
        return await self._run(lambda: HASHER.hash(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one; takes as long when there is none. Raises AccountsOverloaded."""

        def verify() -> bool:
            try:
                return HASHER.verify(stored or self._decoy, password) and stored is not None
            except VerifyMismatchError:
                return False
            except VerificationError as error:
                raise RuntimeError("a stored password hash is damaged") from error

        return await self._run(verify)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], R]) -> R:
        if self._waiting >= MAX_WAITING:
            raise AccountsOverloaded("Too many sign-ins at once. Try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
