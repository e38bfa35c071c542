"""A chart of stacked columns as SVG: what was earned on each day, by source. No library, no script, no font."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 960
HEIGHT: Final = 420
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 64, 40

GRID_LINES: Final = 5

COLOURS: Final = ("#3b5b92", "#d1603d", "#5b8c5a", "#8d5a97", "#c9a227", "#4f9da6", "#a23e48", "#6b7280")
"""They differ in lightness, so that most who see colours differently tell them apart; in the order of the series."""

INK: Final = "#1f2430"
FAINT: Final = "#d9dce3"


@dataclass(frozen=True, slots=True)
class Series:
    """One layer of the columns: its name, and a value (in minor units) for each day."""

    name: str
    values: Mapping[int, int]


def stacked_columns(title: str, unit: str, days: int, series: Sequence[Series]) -> str:
    """The chart as an SVG document."""
    highest = max((sum(one.values.get(day, 0) for one in series) for day in range(days)), default=0)
    step = _step(highest / 100)
    top_value = max(1, math.ceil(highest / 100 / step)) * step
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f'<g font-family="system-ui, sans-serif" font-size="12" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="16" font-weight="600">{escape(title)}</text>',
        *_legend(series),
        *_grid(top_value, step, unit),
        *_columns(days, series, top_value),
        *_days(days),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend(series: Sequence[Series]) -> list[str]:
    parts: list[str] = []
    x = LEFT
    for number, one in enumerate(series):
        parts.append(f'<rect x="{x}" y="36" width="10" height="10" rx="2" fill="{_colour(number)}"/>')
        parts.append(f'<text x="{x + 15}" y="45">{escape(one.name)}</text>')
        x += 34 + 7 * len(one.name)
    return parts


def _grid(top_value: float, step: float, unit: str) -> list[str]:
    parts = [f'<text x="{LEFT - 8}" y="{TOP - 6}" text-anchor="end">{escape(unit)}</text>']
    for line in range(round(top_value / step) + 1):
        y = _y(line * step, top_value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{line * step:,.0f}</text>')
    return parts


def _columns(days: int, series: Sequence[Series], top_value: float) -> list[str]:
    parts: list[str] = []
    slot = _slot(days)
    for day in range(days):
        below = 0.0
        for number, one in enumerate(series):
            value = one.values.get(day, 0) / 100
            if value <= 0:
                continue
            y, base = _y(below + value, top_value), _y(below, top_value)
            parts.append(
                f'<rect x="{LEFT + day * slot + slot * 0.12:.1f}" y="{y:.1f}" width="{slot * 0.76:.1f}" '
                f'height="{base - y:.1f}" fill="{_colour(number)}">'
                f"<title>{escape(f'day {day + 1}, {one.name}: {value:,.2f}')}</title></rect>"
            )
            below += value
    return parts


def _days(days: int) -> list[str]:
    slot, every = _slot(days), max(1, math.ceil(days / 15))
    return [
        f'<text x="{LEFT + (day + 0.5) * slot:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{day + 1}</text>'
        for day in range(0, days, every)
    ]


def _slot(days: int) -> float:
    return (WIDTH - LEFT - RIGHT) / max(1, days)


def _y(value: float, top_value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top_value


def _step(highest: float) -> float:
    """A round distance (1, 2 or 5 times a power of ten) that makes about as many grid lines as wanted."""
    wanted = max(highest, 1) / GRID_LINES
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
