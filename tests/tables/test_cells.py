"""What a cell of a CSV file means: it is read by its use, and no other row of the file decides it.

A line of `cases/tables/csv_cells.jsonl` is one cell `x` and a grader `g` of it.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import paths
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rmg_dsl as rmg

LINES = (paths.CASES / "tables" / "csv_cells.jsonl").read_text("utf-8").splitlines()
CASES = [pytest.param(case, id=case["name"]) for case in map(json.loads, LINES)]
# Rows of other kinds beside the row of a case: none of them may change it.
NEIGHBOURS = ("12", "True", "a text", "[1]", "0.5", "007", "")


def score_of(frame: Any, place: int) -> object:
    status = frame["g_status"][place]
    return frame["g"][place] if status == "ok" else str(status)


def csv_text(rows: Sequence[Mapping[str, str]], delimiter: str = ",") -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, [*rows[0]], delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize("case", CASES)
def test_a_cell_is_read_by_its_use(case: dict[str, Any], tmp_path: Path) -> None:
    for number, before in enumerate([(), *((cell,) for cell in NEIGHBOURS), NEIGHBOURS]):
        path = tmp_path / f"{number}.csv"
        # A second column: a line without any cell would be a blank line.
        rows = [{"x": cell, "id": "-"} for cell in (*before, case["cell"])]
        path.write_text(csv_text(rows), "utf-8")
        found = score_of(rmg.grade(case["spec"], path).df, len(before))
        assert found == case["want"], before


SPEC = """
fields:
    first = default(x, "none")

grader count = words(first)
grader same = exact_ci(x, y)
grader equal = x == y
grader more = x + 1
grader tag = "a" in x
"""
VALUES = ("12", "12.0", "True", "true", "a b", "[1, 2]", "")


def write_csv(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    path.write_text(csv_text(rows), "utf-8")


def write_tsv(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    path.write_text(csv_text(rows, "\t"), "utf-8")


def write_jsonl(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def write_parquet(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    table = pa.Table.from_pylist([dict(row) for row in rows])
    pq.write_table(table, path)


WRITERS: dict[str, Callable[[Sequence[Mapping[str, str]], Path], None]] = {
    ".csv": write_csv,
    ".tsv": write_tsv,
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_a_row_is_scored_the_same_alone_in_its_file_and_in_any_order(
    ending: str, tmp_path: Path
) -> None:
    rows = [
        {"id": f"{place}", "x": x, "y": y}
        for place, (x, y) in enumerate(itertools.product(VALUES, VALUES))
    ]

    def outcomes(some: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
        path = tmp_path / f"rows{ending}"
        WRITERS[ending](some, path)
        frame = rmg.grade(SPEC, path).df
        names = [name for name in frame.columns if name not in ("x", "y", "id")]
        records = frame.astype(object).to_dict("records")
        return {str(row["id"]): tuple(str(row[name]) for name in names) for row in records}

    whole = outcomes(rows)
    assert outcomes(rows[::-1]) == whole
    for place in range(0, len(rows), 5):
        (alone,) = outcomes(rows[place : place + 1]).values()
        assert alone == whole[rows[place]["id"]]
    some = rows[3:40:4]
    assert outcomes(some) == {row["id"]: whole[row["id"]] for row in some}
