"""Bad networks: `make bench-network`.

The SFU's core and peers that behave as browsers do, with modelled links between them, on virtual time and with a fixed
seed (`SEED`): every cell is a viewer who watches a speaker and two others while one access link, the viewer's or the
speaker's, is as bad as the cell says. Some cells are repeated with the whole engine over real sockets (`REAL_CELLS`).

A cell begins well for 10 s, is bad for 20 s (24 s if its bandwidth makes a step), and is well again for 14 s. What the
columns mean is said where they are printed.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bench.report import ROOT, Report

SEED = os.environ.get("SEED", "1")
CELLS = os.environ.get("CELLS", "")
REAL_CELLS = os.environ.get("REAL_CELLS", "")
REAL_COUNT = 8
DOWN_GOAL_S = 2.0
UP_GOAL_S = 10.0
USED_GOAL_PERCENT = 85.0
MISSING_SOUND_PERCENT = 2.0
"""Beyond what the network itself loses, sound is not heard if more of it than this is missing."""

OUTAGES_PERCENT = 5.0
"""Of the time in which a network with outages is out."""
NARROW_KBPS = 2_000
"""Wider links carry more than there is to send, so that an estimate of them need not be right."""

CROWD = 20
NARROW = {3: 2_000, 7: 1_000, 11: 500, 15: 150}
"""Who of the crowd has a narrow downlink, in kbit/s."""

Row = dict[str, Any]

LEGEND = """
  sent/whole/shown  pictures of the speaker of the bad time: captured, complete at the viewer, decodable there
  freeze            the longest time without a new picture, s     layer  mean of those shown: 0 (240 lines) to 2 (720)
  gaps              moments without sound of 60 ms or more, the longest in ms, and the share of it missing, %
  estimate          what the sender into the bad link believed in at the end, of what the link carried, kbit/s
  down, up          time to adapt to less and to more bandwidth, s ('-': nothing to adapt; 'never': not within the cell)
  used              of the link, or of what there was to send if that is less, %
  back              until the picture flowed again when the network was well, s, and its layer at the end"""


async def run(task: str, cells: Sequence[int] = (), options: Sequence[str] = ()) -> AsyncIterator[Row]:
    """Run the program; yields one row for every cell as it ends, or for every peer of a crowd."""
    profile = os.environ.get("SWARM_PROFILE", "release")
    arguments = [task, "--seed", SEED, *options]
    if cells:
        arguments += ["--cells", ",".join(map(str, cells))]
    program = ROOT / "target" / profile / "curtaincall-network"
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async for line in process.stdout:
        yield json.loads(line)
    if await process.wait() != 0:
        raise RuntimeError(f"{program.name} {task} failed")


def took(seconds: float | str | None) -> str:
    if seconds is None:
        return "never"
    return "-" if isinstance(seconds, str) else f"{seconds:.1f}"


def tell(row: Row) -> None:
    pictures, sound = row["pictures"], row["sound"]
    counts = f"{pictures['captured']}/{pictures['delivered']}/{pictures['shown']}"
    gaps = f"{sound['gaps']} {sound['longest_gap_s'] * 1000:.0f} {sound['missing_percent']:.1f}"
    believed = "?" if row["estimate_kbps"] is None else row["estimate_kbps"]
    estimate = f"{believed}/{row['truth_kbps']}"
    back = f"{took(row['back_s'])} {row['layer_at_end']}"
    shown = f"{counts:>13} {pictures['longest_freeze_s']:>6.2f}{pictures['mean_layer']:>5.1f}"
    print(
        f"{row['cell']:>3} {row['name']:<58}{shown}"
        f"{gaps:>14}{estimate:>11}{took(row['down_s']):>6}{took(row['up_s']):>6}{row['used_percent']:>6.0f}{back:>9}",
        flush=True,
    )


def header() -> None:
    print(
        f"{'':>3} {'cell':<58}{'sent/wh./shown':>13} {'freeze':>6}{'layer':>5}{'gaps':>14}{'estimate':>11}"
        f"{'down':>6}{'up':>6}{'used':>6}{'back':>9}"
    )


def is_back(row: Row) -> bool:
    return row["back_s"] is not None and row["pause_at_end_s"] < 0.5


def times(rows: Sequence[Row], name: str) -> list[float]:
    """Times to adapt; one that never came counts as long as a cell's longest level."""
    never = 24.0
    return [never if row[name] is None else float(row[name]) for row in rows if row[name] != "none"]


def figures(report: Report, rows: Sequence[Row]) -> None:
    report.value("cells", "", len(rows), ">= 60")
    report.value("cells_video_back", "", sum(map(is_back, rows)), "all")
    narrow = [row for row in rows if row["truth_kbps"] == 150]
    heard = [row for row in narrow if row["sound"]["missing_percent"] <= MISSING_SOUND_PERCENT + lost_percent(row)]
    report.value("cells_at_150k_heard", "", len(heard), f"all {len(narrow)}")
    for side in ("viewer", "publisher"):
        of_side = [row for row in rows if row["side"] == side]
        if of_side:
            figures_of(report, side, of_side)
    freezes = [row["pictures"]["longest_freeze_s"] for row in rows]
    report.distribution("longest_freeze_s", "s", freezes)
    shown = [100 * row["pictures"]["shown"] / row["pictures"]["captured"] for row in rows]
    report.distribution("pictures_shown_percent", "%", shown)


def figures_of(report: Report, side: str, rows: Sequence[Row]) -> None:
    """What depends on who estimates the link: the server that of a viewer, a publisher its own."""
    down, up = times(rows, "down_s"), times(rows, "up_s")
    used = [row["used_percent"] for row in rows]
    if down:
        report.distribution(f"adapt_down_s_{side}", "s", down, f"<= {DOWN_GOAL_S:.0f}")
        report.value(f"adapt_down_in_time_{side}", "", sum(time <= DOWN_GOAL_S for time in down), f"all {len(down)}")
    if up:
        report.distribution(f"adapt_up_s_{side}", "s", up, f"<= {UP_GOAL_S:.0f}")
        report.value(f"adapt_up_in_time_{side}", "", sum(time <= UP_GOAL_S for time in up), f"all {len(up)}")
    report.distribution(f"used_percent_{side}", "%", used, f">= {USED_GOAL_PERCENT:.0f}")
    enough = sum(share >= USED_GOAL_PERCENT for share in used)
    report.value(f"link_used_{side}", "", enough, f"all {len(used)}")
    known = [row for row in rows if row["estimate_kbps"] is not None and row["truth_kbps"] <= NARROW_KBPS]
    errors = [100 * abs(row["estimate_kbps"] / row["truth_kbps"] - 1) for row in known]
    if errors:
        report.distribution(f"estimate_error_percent_{side}", "%", errors)


def lost_percent(row: Row) -> float:
    """What the cell's network loses of everything."""
    return float(row["loss_percent"]) + (OUTAGES_PERCENT if row["name"].endswith("bursts") else 0.0)


def chosen(rows: Sequence[Row]) -> list[int]:
    """Cells for real sockets: evenly over the matrix, so that both sides and several bandwidths are among them."""
    if REAL_CELLS:
        return [int(cell) for cell in REAL_CELLS.split(",")]
    numbers = sorted(row["cell"] for row in rows)
    step = max(1, len(numbers) // REAL_COUNT)
    return numbers[step // 2 :: step][:REAL_COUNT]


async def crowd() -> list[Row]:
    """Twenty people who all send and all watch, four of them over narrow links; prints what each received."""
    narrow = ",".join(f"{peer}:{kbps}" for peer, kbps in NARROW.items())
    print(f"\n{CROWD} people in a room, each shows the first large and all others small; narrow: {narrow} kbit/s\n")
    print("peer  link  estimate  media   large %  layer  freeze   small %  freeze  unseen  gaps  dropped")
    rows = []
    async for row in run("crowd", options=["--peers", str(CROWD), "--narrow", narrow]):
        rows.append(row)
        believed = "?" if row["estimate_kbps"] is None else row["estimate_kbps"]
        print(
            f"{row['peer']:>4}{row['link_kbps']:>6}{believed:>10}{row['media_kbps']:>7}{row['large_percent']:>10.1f}"
            f"{row['large_layer']:>7.1f}{row['longest_freeze_large_s']:>8.2f}{row['small_percent']:>10.1f}"
            f"{row['longest_freeze_small_s']:>8.2f}{row['unseen']:>8}{row['sound_gaps']:>6}{row['dropped']:>9}",
            flush=True,
        )
    return rows


def crowd_figures(report: Report, rows: Sequence[Row]) -> None:
    watching = [row for row in rows if row["peer"] != 0]
    wide = [row for row in watching if row["peer"] not in NARROW]
    report.value("crowd_peers", "", len(rows))
    report.distribution("crowd_freeze_s_wide_links", "s", [row["longest_freeze_large_s"] for row in wide], "<= 0.5")
    shown = [row["large_percent"] for row in wide]
    report.distribution("crowd_shown_percent_wide_links", "%", shown, ">= 98")
    gaps = [float(row["sound_gaps"]) for row in watching]
    report.distribution("crowd_sound_gaps", "", gaps, "0")


async def main() -> int:
    print(f"bad networks on virtual time, seed {SEED}{LEGEND}\n")
    header()
    rows = []
    async for row in run("matrix", [int(cell) for cell in CELLS.split(",")] if CELLS else ()):
        tell(row)
        rows.append(row)
    real = chosen(rows)
    print(f"\nthe same over real sockets, {len(real)} cells\n")
    header()
    real_rows = []
    async for row in run("real", real):
        tell(row)
        real_rows.append(row)
    people = await crowd()
    report = Report("network")
    figures(report, rows)
    report.value("real_cells", "", len(real_rows), f">= {REAL_COUNT}")
    report.value("real_cells_video_back", "", sum(map(is_back, real_rows)), "all")
    crowd_figures(report, people)
    report.finish()
    (ROOT / "build" / "bench" / "network-cells.json").write_text(
        json.dumps({"seed": SEED, "virtual": rows, "real": real_rows, "crowd": people}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
