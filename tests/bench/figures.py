"""The figures of a benchmark run: named numbers that go to a JSON file.

    {"calls/2000x256/rmg/wall": {"value": 1.71, "unit": "s"}}

A lower value is better for every unit but rates (`1/s`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its unit."""

    value: float
    unit: str


# What this process has measured, by name.
RECORDED: dict[str, Figure] = {}


def record(name: str, value: float, unit: str) -> None:
    """Keep a figure, with three digits: more would only show the noise of the machine."""
    RECORDED[name] = Figure(float(f"{value:.3g}"), unit)


def write_figures(path: Path, figures: dict[str, Figure]) -> None:
    """Write figures as one JSON object, sorted by name."""
    rows = {name: asdict(figures[name]) for name in sorted(figures)}
    path.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def read_figures(path: Path) -> dict[str, Figure]:
    """Read what `write_figures` wrote."""
    rows = json.loads(path.read_text("utf-8"))
    return {name: Figure(**row) for name, row in rows.items()}
