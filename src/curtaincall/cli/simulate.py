"""`curtaincall simulate`: a month of a small platform in a few minutes, and what the books look like afterwards."""

import asyncio
import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import typer

from curtaincall.simulation.run import Outcome, simulate
from curtaincall.simulation.stage import Size
from curtaincall.storage.sqlite import FILE_NAME

REPORT_NAME: Final = "report.txt"
CHART_NAME: Final = "earned.svg"


def run(size: Size, seed: int, out: Path | None) -> None:
    """Simulate and print the report; exits with 1 if the books do not balance, with 2 if `out` is in use."""
    logging.getLogger("curtaincall").setLevel(logging.ERROR)
    if out is not None and (out / FILE_NAME).exists():
        typer.echo(f"There are books in {out} already. Choose another folder.", err=True)
        raise typer.Exit(2)
    with ExitStack() as stack:
        data_dir = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="curtaincall-simulation-")))
        outcome = asyncio.run(simulate(data_dir, size, seed))
    typer.echo(outcome.text, nl=False)
    if out is not None:
        _write(out, outcome)
    raise typer.Exit(1 if outcome.figures.problems else 0)


def _write(out: Path, outcome: Outcome) -> None:
    (out / REPORT_NAME).write_text(outcome.text)
    (out / CHART_NAME).write_text(outcome.svg)
    typer.echo(f"written: {out / REPORT_NAME}, {out / CHART_NAME}, {out / FILE_NAME}")
