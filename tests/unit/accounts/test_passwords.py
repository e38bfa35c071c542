"""Hashing is bounded: a flood of sign-ins waits so far and no further."""

import asyncio

import pytest

from curtaincall.accounts.errors import AccountsOverloaded
from curtaincall.accounts.passwords import MAX_WAITING, Passwords


async def test_a_flood_of_sign_ins_is_turned_away_and_the_queue_recovers() -> None:
    passwords = Passwords(threads=1)
    waiting = [asyncio.create_task(passwords.matches(None, "guess")) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)  # every one of them has begun to wait
    with pytest.raises(AccountsOverloaded):
        await passwords.hash("one too many")
    assert not any(await asyncio.gather(*waiting))
    assert await passwords.matches(await passwords.hash("secret"), "secret")
    passwords.close()
