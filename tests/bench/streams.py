"""Runs of code from file to file: their peak of memory, and rows a second for each pair of formats.

`python -m tests.bench.local memory files`; each run is a process of its own, and the data is made
by another one.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .figures import record

FORMATS = ("csv", "jsonl", "parquet")
SHORT, LONG = 10_000, 1_000_000
SPECS = {
    "brief": "grader brief = words(response) <= 120\n",
    "three": "grader brief = words(response) <= 120\ngrader same = exact(response, reference)\n"
    "grader near -> 0.0..1.0 = levenshtein(query, reference)\nrequire share(brief) > 0\n",
    "reward": 'grader polite = contains(response, "please")\ngrader size = chars(response)\n'
    "grader worth = size * number\naggregate reward = size + worth if polite else worth\nrequire mean(reward) >= 0\n",
}
TEXT = "the quick brown fox jumps over the lazy dog and runs away, please " * 3


def memory() -> None:
    """The peak of a code-only stream of few and of many rows: at most 1.3 times as much and 20 MB
    is flat.
    """
    with tempfile.TemporaryDirectory() as folder:
        for kind in FORMATS:
            for name in ("brief", "reward"):
                peaks = [_told(folder, rows, kind, kind, name)[0] for rows in (SHORT, LONG)]
                most = 1.3 * peaks[0] + 20
                record(f"local/memory/{kind}/{name}", peaks[1], "MB")
                print(
                    f"memory {kind} to {kind}, {name}: {SHORT:,} rows {peaks[0]:.0f} MB, {LONG:,} rows {peaks[1]:.0f} "
                    f"MB, {most:.0f} allowed: {'flat' if peaks[1] <= most else 'IT GROWS'}",
                    flush=True,
                )


def files(rows: int = 20_000) -> None:
    """Rows a second of processor time, start-up aside, the best of three."""
    with tempfile.TemporaryDirectory() as folder:
        for name in SPECS:
            for kind in FORMATS:
                rates = [
                    max(_told(folder, rows, kind, other, name)[1] for _ in range(3))
                    for other in FORMATS
                ]
                for other, rate in zip(FORMATS, rates, strict=True):
                    record(f"local/files/{name}/{kind} to {other}", rate, "1/s")
                shown = ", ".join(
                    f"to {other} {rate:,.0f}" for other, rate in zip(FORMATS, rates, strict=True)
                )
                print(f"files  {name}: {kind} {shown} rows a second", flush=True)


def _told(folder: str, rows: int, kind: str, other: str, name: str) -> tuple[float, float]:
    """The peak in MB and the rows a second of one run."""
    data = Path(folder) / f"{rows}.{kind}"
    if not data.exists():
        _python("make", str(data), str(rows))
    words = _python("grade", str(data), str(Path(folder) / f"out.{other}"), name, str(rows)).split()
    return float(words[0]), float(words[1])


def _python(*words: str) -> str:
    command = [sys.executable, "-m", "tests.bench.streams", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


# ── in a process of its own ──


def make(path: str, rows: str) -> None:
    """The data."""
    from rmg_dsl.tables import write_table

    write_table(path, list(next(_rows(1))), _rows(int(rows)))


def _rows(count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        query = f"What does fox {n} do?"
        yield {
            "id": n,
            "number": n / 7,
            "query": query,
            "response": f"{n}: {TEXT}",
            "reference": f"fox {n}",
        }


def grade(data: str, out: str, name: str, rows: str) -> None:
    """One run, after one of a single row that loads what is needed."""
    from rmg_dsl.surfaces.cli import main

    spec = Path(f"{out}.rmg")
    spec.write_text(SPECS[name])
    words = ["run", str(spec), data, "-o", out, "--quiet"]
    main([*words, "--limit", "1"])
    before = _used()
    start = time.perf_counter()
    assert main(words) == 0
    took = _used() - before
    os.write(1, f"{_peak()} {int(rows) / took} {time.perf_counter() - start}\n".encode())


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {"make": make, "grade": grade}
    commands[sys.argv[1]](*sys.argv[2:])
