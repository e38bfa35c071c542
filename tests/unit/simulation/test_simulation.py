"""The simulation: the same seed makes the same books, another makes others, and all of them balance."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from curtaincall.ledger.model import Purpose
from curtaincall.simulation.chart import Series, stacked_columns
from curtaincall.simulation.run import Outcome, simulate
from curtaincall.simulation.stage import Size

SMALL = Size(days=3, creators=8, fans=60)


async def run(data_dir: Path, seed: int, size: Size = SMALL) -> Outcome:
    return await simulate(data_dir, size, seed)


async def test_the_same_seed_makes_the_same_books_and_another_makes_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await run(tmp_path / "first", seed=5)
    monkeypatch.setenv("CURTAINCALL_CHARGING__FEE_BP", "1")  # the environment has no say
    again = await run(tmp_path / "again", seed=5)
    other = await run(tmp_path / "other", seed=6)
    assert again.figures.digest == first.figures.digest
    assert (again.text, again.svg) == (first.text, first.svg)
    assert other.figures.digest != first.figures.digest
    for outcome in (first, other):
        assert outcome.figures.problems == ()
        assert sum(outcome.figures.balances.values()) == 0
        assert outcome.figures.earned()[Purpose.CALL].gross_minor > 0
        assert "the books balance" in outcome.text


async def test_what_the_report_says_was_earned_is_what_the_accounts_hold(tmp_path: Path) -> None:
    outcome = await run(tmp_path, seed=7)
    figures = outcome.figures
    by_day = sum(amount for days in figures.gross_by_day().values() for amount in days.values())
    assert by_day == sum(earned.gross_minor for earned in figures.earned().values())
    charged = sum(call.charged_minor for call in figures.calls)
    assert charged == figures.earned()[Purpose.CALL].gross_minor


def test_a_chart_is_a_picture_whose_columns_add_up() -> None:
    series = [Series("calls & more", {0: 1_000, 2: 3_000}), Series("tip", {2: 1_000})]
    svg = stacked_columns("Earned", "EUR", 3, series)
    root = ElementTree.fromstring(svg)
    name = "{http://www.w3.org/2000/svg}"
    columns = [rect for rect in root.iter(f"{name}rect") if rect.find(f"{name}title") is not None]
    heights = [float(rect.attrib["height"]) for rect in columns]
    assert len(columns) == 3
    assert heights[1] == pytest.approx(3 * heights[0], abs=0.2)
    assert heights[2] == pytest.approx(heights[0], abs=0.2)
    assert "<script" not in svg


def test_a_chart_of_nothing_is_still_a_chart() -> None:
    ElementTree.fromstring(stacked_columns("Earned", "EUR", 0, []))
