"""`kill -9` between any two steps between which a crash could fall, then a restart: no money is lost or doubled."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from curtaincall.charging.errors import SessionUnknown
from curtaincall.charging.tariff import Tariff
from support import crash_scenarios
from support.crash_points import CrashLab, crash_lab
from support.crash_scenarios import START_MINOR, TOP_UP_MINOR
from support.money_world import MoneyWorld

SCENARIOS = "support.crash_scenarios"
TARIFF = Tariff(600, "EUR", minimum_ms=10_000)


@pytest.fixture(scope="module")
def lab() -> Iterator[CrashLab]:
    with crash_lab(SCENARIOS) as lab:
        yield lab


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to begin with: migrated, with people in it."""
    directory = tmp_path_factory.mktemp("template")
    asyncio.run(crash_scenarios.prepared(directory))
    return directory


def killed_everywhere(lab: CrashLab, template: Path, tmp_path: Path, scenario: str) -> Iterator[tuple[int, Path]]:
    """Kill the scenario at its first boundary, restart it and see it through; then at its second; and so on."""
    name = f"{SCENARIOS}:{scenario}"
    whole = tmp_path / "whole"
    shutil.copytree(template, whole)
    boundaries = lab.run(name, whole).boundaries
    assert boundaries > 0
    yield 0, whole
    for number in range(1, boundaries + 1):
        directory = tmp_path / f"killed-at-{number}"
        shutil.copytree(template, directory)
        lab.run(name, directory, kill_at=number)
        lab.run(name, directory)
        yield number, directory
        shutil.rmtree(directory)
    print(f"{scenario}: {boundaries} boundaries")


def wallet_minor(directory: Path) -> tuple[int, int]:
    """The fan's balance and what of it is held, after everything has been verified."""

    async def look() -> tuple[int, int]:
        world = MoneyWorld.open(directory)
        wallet = await world.wallet()
        await world.close()  # checks the books and the sessions
        return wallet.balance_minor, wallet.held_minor

    return asyncio.run(look())


def test_a_top_up_is_bought_once(lab: CrashLab, template: Path, tmp_path: Path) -> None:
    for number, directory in killed_everywhere(lab, template, tmp_path, "top_up"):
        assert wallet_minor(directory) == (START_MINOR + TOP_UP_MINOR, 0), f"killed at boundary {number}"


def test_a_call_is_charged_at_most_for_what_its_meter_had_when_the_server_died(
    lab: CrashLab, template: Path, tmp_path: Path
) -> None:
    charges = set()
    for number, directory in killed_everywhere(lab, template, tmp_path, "paid_call"):
        balance_minor, held_minor = wallet_minor(directory)
        charged_minor, metered_ms = call_of(directory)
        assert held_minor == 0, f"killed at boundary {number}"
        assert balance_minor == START_MINOR - charged_minor, f"killed at boundary {number}"
        assert charged_minor in (0, TARIFF.charge_minor(metered_ms)), f"killed at boundary {number}"
        charges.add(charged_minor)
    assert len(charges) > 2, "the crashes fell too close together to show anything"


def call_of(directory: Path) -> tuple[int, int]:
    """What the call has cost, and its meter; nothing, if the crash came before it was recorded."""

    async def look() -> tuple[int, int]:
        world = MoneyWorld.open(directory)
        try:
            session = await world.session()
            return session.charged_minor, session.used_ms
        except SessionUnknown:
            return 0, 0
        finally:
            await world.close()

    return asyncio.run(look())
