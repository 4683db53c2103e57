"""Add the figures of a release to `history.jsonl`, one line for each release.

python -m tests.bench.history calls.json local.json [--note TEXT]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import rmg_dsl

from .figures import Figure, read_figures

HISTORY = Path(__file__).parent / "history.jsonl"


def history_line(figures: dict[str, Figure], note: str = "") -> str:
    """One release as a line of JSON."""
    line = {
        "version": rmg_dsl.__version__,
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "note": note,
        "figures": {name: [figure.value, figure.unit] for name, figure in sorted(figures.items())},
    }
    return json.dumps(line, ensure_ascii=False)


def machine() -> str:
    """The machine in words: figures of different machines do not compare."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=HISTORY.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Append one line with the figures of all named files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument("--note", default="", help="how the figures were measured")
    options = parser.parse_args(arguments)
    figures: dict[str, Figure] = {}
    for path in options.files:
        figures |= read_figures(path)
    with HISTORY.open("a", encoding="utf-8") as file:
        file.write(history_line(figures, options.note) + "\n")


if __name__ == "__main__":
    main()
