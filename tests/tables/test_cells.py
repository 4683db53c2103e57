"""What a cell of a CSV file means: it is read by its use, and no other row of the file decides it.

A line of `cases/tables/csv_cells.jsonl` is one cell `x` and a grader `g` of it.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import paths
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Command

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


# Files as people have them

TEXTS = {
    "semicolons.csv": "x;y;score\na;a;1,5\nb;c;2\n",
    "tabs.csv": "x\ty\na\ta\nb\tc\n",
    "pipes.csv": "x|y\na|a\nb|c\n",
    "commas.tsv": "x,y\na,a\nb,c\n",
    "usual.csv": "x,y\na,a\nb,c\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_separator_is_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(TEXTS[name], "utf-8")
    result = rmg.grade("grader g = exact(x, y)", path)
    assert result.df["g"].tolist() == [True, False]


def test_a_single_column_may_hold_any_separator(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("x;y\na\nb;c;d\n", "utf-8")
    assert list(rmg.grade('grader g = chars(column("x;y"))', path).df["g"]) == [1, 5]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".json"])
def test_packed_files_are_read_and_written(ending: str, tmp_path: Path) -> None:
    spec = "grader g = words(x)"
    first, second, third = (tmp_path / f"{name}{ending}.gz" for name in "abc")
    rmg.grade(spec, [{"x": "a b"}, {"x": None}]).save(first)
    assert first.read_bytes()[:2] == b"\x1f\x8b"
    data = rmg.read(first)
    assert data["g"].tolist() == [2, None] or data["g"].isna().tolist() == [False, True]
    for path in (second, third):
        rmg.grade("grader h = chars(x)", first).save(path)
    assert second.read_bytes() == third.read_bytes()


def test_a_packed_file_that_is_none_or_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(b"x,y\n")
    with pytest.raises(rmg.DataError, match="not a gzip file"):
        rmg.grade("grader g = words(x)", path)
    path.write_bytes(gzip.compress(b"x\n" + bytes(2**27)))
    with pytest.raises(rmg.DataError, match="unpacks to more than 200 times its size"):
        rmg.grade("grader g = words(x)", path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(rmg.DataError, match="no ordinary file"):
        rmg.grade("grader g = words(x)", tmp_path / "x.csv")


def test_pretty_json_under_the_ending_of_lines_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{\n  "x": 1\n}\n', "utf-8")
    with pytest.raises(rmg.DataError, match="every line is a whole object"):
        rmg.grade("grader g = x", path)


def test_a_map_of_arrow_is_an_object(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.string())
    table = pa.table({"m": pa.array([[("src", "wiki")]], kind)})
    spec = 'grader g = m.src == "wiki"'
    assert rmg.grade(spec, table).df["g"].to_pylist() == [True]
    pq.write_table(table, tmp_path / "m.parquet")
    assert rmg.grade(spec, tmp_path / "m.parquet").df["g"].tolist() == [True]


def test_a_column_that_stands_twice_is_refused() -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["x", "x"])
    with pytest.raises(rmg.DataError, match="`x` stand more than once"):
        rmg.grade("grader g = words(x)", table)


def test_a_deep_value_costs_no_file(rmg_command: Command) -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    rows = [{"x": "a", "deep": None}] * 20 + [{"x": "a", "deep": deep}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    rmg_command.write({"d.jsonl": lines, "s.rmg": "rmg 1\n\ngrader g = words(x)\n"})
    files = ["-o", "out.parquet", "-o", "out.csv", "-o", "out.html"]
    assert rmg_command("run", "s.rmg", "d.jsonl", *files).returncode == 0
    frame = rmg.read(rmg_command.folder / "out.csv")
    assert frame["g"].tolist() == [1] * 21
    assert pq.read_table(rmg_command.folder / "out.parquet")["g"].to_pylist() == [1] * 21


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ('grader g -> bool = "Is {{ a.b.value }} polite?"', 'fields: value = column("a.b.value")'),
        ("grader g = words(ref) <= 3", 'fields: ref = column(" ref")'),
        ("fields:\n    ref = ref\n\ngrader g = words(ref)", 'write it as column(" ref")'),
    ],
)
def test_the_help_for_an_odd_column_can_be_pasted(spec: str, says: str) -> None:
    diagnostics = rmg.check(spec, [{"a.b.value": "hi", " ref": "a"}])
    assert says in next(d.help for d in diagnostics if d.code == "RMG501")
