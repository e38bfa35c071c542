"""`kill -9` between any two steps of a webhook, a payout, a dispute and a refund: no money is lost or doubled."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from curtaincall.storage.database import open_database
from support import crash_payments
from support.crash_points import CrashLab, crash_lab
from support.payments_world import PaymentsWorld

SCENARIOS = "support.crash_payments"


@pytest.fixture(scope="module")
def lab() -> Iterator[CrashLab]:
    with crash_lab(SCENARIOS) as lab:
        yield lab


def balances(directory: Path) -> dict[str, int]:
    """Who has what, after the books have been verified."""

    async def look() -> dict[str, int]:
        world = PaymentsWorld(open_database(directory))
        found = await world.balances()
        await world.close()
        return found

    return asyncio.run(look())


# A test run kills at every seventh boundary; `make soak` at each.
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("scenario", "token", "expected"),
    [
        ("pending_top_up_and_payout", "pm_card_pending_then_succeeds", {"clearing": -200, "fee": 200}),
        ("dispute", "pm_card_dispute_won", {"wallet": 300, "pending": 560, "fee": 140, "clearing": -1_000}),
        ("refund", "pm_card_pendingRefund", {}),
    ],
)
def test_killed_anywhere_it_ends_as_if_nothing_had_happened(
    lab: CrashLab, tmp_path: Path, stride: int, scenario: str, token: str, expected: dict[str, int]
) -> None:
    template, whole, name = tmp_path / "template", tmp_path / "whole", f"{SCENARIOS}:{scenario}"
    asyncio.run(crash_payments.prepared(template, token))
    shutil.copytree(template, whole)
    boundaries = lab.run(name, whole).boundaries
    assert boundaries > 20
    assert balances(whole) == expected
    # Ids are new at each start and decide how late a webhook comes, so that the last boundaries may not be reached.
    for number in range(1, boundaries + 1, stride):
        directory = tmp_path / "killed"
        shutil.copytree(template, directory)
        lab.run(name, directory, kill_at=number)
        lab.run(name, directory)
        assert balances(directory) == expected, f"killed at boundary {number}"
        shutil.rmtree(directory)
    print(f"{scenario}: {boundaries} boundaries")
