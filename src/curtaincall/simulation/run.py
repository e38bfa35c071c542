"""Runs a simulation from its first midnight to its last, and puts its report together."""

from dataclasses import dataclass
from pathlib import Path

from curtaincall.simulation import chart, figures, report
from curtaincall.simulation.chart import Series
from curtaincall.simulation.crowd import Crowd
from curtaincall.simulation.figures import Figures
from curtaincall.simulation.house import House
from curtaincall.simulation.platform import START_MS, Platform
from curtaincall.simulation.shows import Shows
from curtaincall.simulation.stage import DAY_US, Size, Stage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the figures, and the report as text and as a chart (SVG)."""

    figures: Figures
    text: str
    svg: str


async def simulate(data_dir: Path, size: Size, seed: int) -> Outcome:
    """Simulate on a database in `data_dir`, which must have none yet. The same size and seed make the same books."""
    platform = Platform(data_dir, seed)
    try:
        stage = Stage(platform, size, seed)
        house, shows = House(stage), Shows(stage)
        await platform.through(Crowd(stage, shows).settle_in())
        shows.announce()
        house.open()
        await platform.run_until(size.days * DAY_US)
        await platform.end()
        await platform.through(house.close())
        found = await platform.services.executor.read(lambda tx: figures.read(tx, START_MS))
    finally:
        await platform.close()
    currency = platform.services.settings.currency
    earned = [Series(purpose.replace("_", " "), days) for purpose, days in found.gross_by_day().items()]
    return Outcome(
        figures=found,
        text=report.text(size, seed, currency, found, stage.tally),
        svg=chart.stacked_columns("Earned a day, by source", currency, size.days, earned),
    )
