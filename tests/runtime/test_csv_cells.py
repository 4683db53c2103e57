"""CSV cells: each use reads a cell as what it needs, and no other row decides what it is."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import paths
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rmg_dsl as rmg
from rmg_dsl import ScriptedModel
from rmg_dsl.api.planning import messages_of
from rmg_dsl.tables import open_table, write_table

CASES = tomllib.loads((paths.CASES / "rows" / "csv_cells.toml").read_text("utf-8"))["case"]
# Cells that would change the type of a column that is read as a whole.
OTHER_CELLS = ("x", "1", "0.5", "True", "007")


def write_cells(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(
            [header, *rows]
        )
    return path


def outcomes(spec: str, data: object) -> list[dict[str, Any]]:
    """What a run says of each row, without the columns of the data."""
    result = rmg.grade(spec, data, model=ScriptedModel({}), functions={"echo": echo})
    names = list(result.ledger.cells)
    return [{name: row[name] for name in names} for row in result.rows()]


def echo(text: Any, number: float) -> str:
    return "same" if text == f"{number:g}" else f"{text!r} {number!r}"


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_a_use_reads_a_cell_as_what_it_needs(
    case: Mapping[str, Any], ending: str, tmp_path: Path
) -> None:
    path = write_cells(tmp_path / f"data{ending}", case["header"], case["rows"])
    if "prompt" in case:
        (entry,) = messages_of(case["spec"], path, 0)
        assert case["prompt"] in entry["messages"][-1]["content"]
        return
    rows = outcomes(case["spec"], path)
    scores = [row["g"] for row in rows]
    assert [row["g_status"] for row in rows] == case.get("statuses", ["ok"] * len(rows))
    if "scores" in case:
        assert scores == case["scores"]
        assert [type(score) for score in scores] == [type(score) for score in case["scores"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
@pytest.mark.parametrize("other", OTHER_CELLS)
def test_another_row_changes_no_outcome(
    case: Mapping[str, Any], other: str, tmp_path: Path
) -> None:
    rows = [*case["rows"], [other] * len(case["header"])]
    alone = outcomes(case["spec"], write_cells(tmp_path / "a.csv", case["header"], case["rows"]))
    together = outcomes(case["spec"], write_cells(tmp_path / "b.csv", case["header"], rows))
    assert together[: len(alone)] == alone


ROWS: list[dict[str, Any]] = [
    {"response": "True", "reference": "true", "n": "4.00", "docs": '["a"]', "flag": "True"},
    {"response": "42", "reference": "42.0", "n": "10", "docs": "[]", "flag": "False"},
    {"response": "Paris", "reference": "paris", "n": "9", "docs": "plain", "flag": "maybe"},
    {"response": "007", "reference": "7", "n": "x", "docs": '{"a": [1]}', "flag": None},
    {"response": None, "reference": "1", "n": "1e3", "docs": '[1, "b"]', "flag": "1"},
]
SPEC = """
grader same = exact(response, reference)
grader folded = exact_ci(response, reference)
grader size = words(response)
grader close = number_close(response, reference)
grader next = n + 1
grader large = n > 9
grader items = length(docs)
grader joined = words(join(docs, " "))
grader first = default(docs[0], "none") == "a"
grader flagged = 1 if flag else 0
grader own = echo(n, n) == "same"
grader kind -> bool = "{% if n > 3 %}{{ n }}{% endif %}{% for doc in docs %}{{ doc }}{% endfor %}"
"""
TYPED_ROWS = [
    {
        **row,
        "n": place if place % 2 else 0.5,
        "docs": [["a"], [], ["b", "c"], ["d"], ["e"]][place],
        "flag": [True, False, None, True, False][place],
    }
    for place, row in enumerate(ROWS)
]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A file with cells as they are; JSON lines and parquet hold typed values."""
    if path.suffix in (".csv", ".tsv"):
        cells = [["" if cell is None else cell for cell in row.values()] for row in rows]
        return write_cells(path, [*ROWS[0]], cells)
    write_table(path, [*ROWS[0]], rows)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(places=st.lists(st.integers(0, len(ROWS) - 1), min_size=1, unique=True))
def test_law_a_row_has_one_outcome_in_any_subset_and_order(
    ending: str, places: list[int], tmp_path: Path
) -> None:
    rows = ROWS if ending in (".csv", ".tsv") else TYPED_ROWS
    alone = [
        outcomes(SPEC, write_rows(tmp_path / f"one{ending}", [rows[place]]))[0] for place in places
    ]
    several = write_rows(tmp_path / f"several{ending}", [rows[place] for place in places])
    assert outcomes(SPEC, several) == alone


def test_outputs_store_columns_with_one_type(tmp_path: Path) -> None:
    source = write_cells(tmp_path / "in.csv", ["n", "x"], [["4", "7"], ["5", "a"]])
    result = rmg.grade("grader g = n > 4", source)
    assert result.df["n"].tolist() == [4, 5]
    assert result.df["x"].tolist() == ["7", "a"]
    result.save(tmp_path / "out.jsonl")
    first = json.loads((tmp_path / "out.jsonl").read_text("utf-8").splitlines()[0])
    assert (first["n"], first["x"]) == (4, "7")
    assert [row["n"] for row in open_table(source)] == [4, 5]
