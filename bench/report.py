"""The form of every benchmark's outcome: a table for people, and JSON so that figures can be compared over time."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: a value that was really measured. `share` is in 0..1; values must not be empty."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * share)) - 1]


@dataclass
class Report:
    """Collects the figures of one benchmark; `finish` prints and writes them."""

    bench: str
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    goals: dict[str, str] = field(default_factory=dict)

    def distribution(self, name: str, unit: str, values: Sequence[float], goal: str = "") -> None:
        """Add a figure of many measurements."""
        self.goals[name] = goal
        self.figures[name] = {
            "unit": unit,
            "n": len(values),
            "p50": round(percentile(values, 0.50), 3),
            "p99": round(percentile(values, 0.99), 3),
            "max": round(max(values), 3),
        }

    def percentiles(self, name: str, unit: str, measured: Mapping[str, int], scale: float, goal: str = "") -> None:
        """Add a figure of many measurements of which somebody else kept count; its values are divided by `scale`."""
        self.goals[name] = goal
        parts = {part: round(measured[part] / scale, 3) for part in ("p50", "p99", "max")}
        self.figures[name] = {"unit": unit, "n": measured["n"], **parts}

    def value(self, name: str, unit: str, value: float, goal: str = "") -> None:
        """Add a figure of one value."""
        self.goals[name] = goal
        self.figures[name] = {"unit": unit, "value": value}

    def finish(self) -> Path:
        """Print the table and write `build/bench/NAME.json`; returns its path."""
        about = {
            "bench": self.bench,
            "machine": _machine(),
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "commit": _commit(),
        }
        print(f"\n{self.bench}: {about['machine']}, {about['date']}, commit {about['commit']}\n")
        header = f"{'figure':<28}{'unit':>9}{'n':>7}{'p50':>12}{'p99':>12}{'max':>12}   goal"
        print(header)
        print("-" * (len(header) + 12))
        for name, figure in self.figures.items():
            row = [figure.get(key, "") for key in ("n", "p50", "p99", "max")]
            if "value" in figure:
                row[1] = figure["value"]
            cells = f"{row[0]:>7}{row[1]:>12}{row[2]:>12}{row[3]:>12}"
            print(f"{name:<28}{figure['unit']:>9}{cells}   {self.goals[name]}")
        path = ROOT / "build" / "bench" / f"{self.bench}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**about, "figures": self.figures}, indent=2) + "\n")
        print(f"\nwritten to {path.relative_to(ROOT)}")
        return path


def _machine() -> str:
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"
