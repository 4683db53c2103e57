"""The table of output columns: no two declarations write one column, and all texts name the same
ones.
"""

from __future__ import annotations

import re
import tomllib
from typing import get_args

import paths
import pytest

import rmg_dsl as rmg
from rmg_dsl.ir.columns import (
    OUTPUT_COLUMNS,
    ColumnRole,
    OutputColumn,
    OutputKind,
    column_with_role,
    loop_score_columns,
    possible_columns,
)
from rmg_dsl.ir.scoring import LoopPart
from rmg_dsl.syntax.grammar import spec_text

CASES = tomllib.loads((paths.CASES / "columns" / "declarations.toml").read_text("utf-8"))


def columns_of(kind: str) -> tuple[OutputColumn, ...]:
    if kind == "refined":
        return loop_score_columns()
    return possible_columns(kind)  # type: ignore[arg-type] # the test below covers every kind


EVERY_COLUMN = [
    pytest.param(kind, column, id=f"{kind}-{column.role}")
    for kind in CASES
    for column in columns_of(kind)
    if column.suffix
]


def test_there_is_a_case_for_every_kind_of_declaration() -> None:
    assert set(CASES) == set(get_args(OutputKind))
    assert {column.role for column in OUTPUT_COLUMNS} == set(get_args(ColumnRole))
    loop_roles = {column.role for kind in ("refine", "refined") for column in columns_of(kind)}
    assert loop_roles == set(get_args(LoopPart))


@pytest.mark.parametrize("order", ["after", "before"])
@pytest.mark.parametrize(("kind", "column"), EVERY_COLUMN)
def test_a_grader_with_the_name_of_a_column_is_an_error(
    kind: str, column: OutputColumn, order: str
) -> None:
    name = column.name_for(CASES[kind]["name"])
    grader = f"grader {name} = words(response)\n"
    spec = CASES[kind]["spec"].lstrip("\n")
    text = spec + grader if order == "after" else grader + spec
    clashes = [d for d in rmg.check(text) if d.code == "RMG217"]
    assert [d.message.split(" is also")[0] for d in clashes] == [f"`{name}`"]
    assert clashes[0].line == text[: text.index(grader)].count("\n") + 1
    assert name in clashes[0].help or not column.is_certain


@pytest.mark.parametrize("kind", CASES)
def test_a_declaration_alone_is_no_error(kind: str) -> None:
    assert [d.code for d in rmg.check(CASES[kind]["spec"]) if d.severity == "error"] == []


def test_two_loops_cannot_improve_by_one_grader() -> None:
    spec = 'grader x -> 1..5 = "{{ response }} {{ title }}"\n'
    loops = "refine response:\n    by = x\nrefine title:\n    by = x\n"
    (clash,) = [d for d in rmg.check(spec + loops) if d.code == "RMG217"]
    assert clash.message == "`x_before` of refine `title` is also a column of refine `response`"
    other = loops.replace("by = x\n", "by = y\n", 1)
    assert not [d for d in rmg.check(spec + "aggregate y = x\n" + other) if d.code == "RMG217"]


def test_a_grader_may_be_improved_by_and_held_out_at_once() -> None:
    spec = 'grader x -> 1..5 = "{{ response }}"\nrefine response:\n    by = x\n    holdout = x\n'
    assert not rmg.check(spec)


def test_the_language_definition_lists_the_columns_of_the_table() -> None:
    (table,) = re.findall(r"\| column \| of \| holds \|\n\|[-|]+\n((?:\|.*\n)+)", spec_text())
    rows = [line.split("|")[1] for line in table.splitlines()]
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    field_columns = {f"FIELD{column.suffix}" for column in possible_columns("refine")}
    others = {f"NAME{c.suffix}" for c in OUTPUT_COLUMNS if c.writers != ("refine",)}
    assert listed == field_columns | others


def test_values_stand_in_their_columns() -> None:
    score = rmg.grade("grader g = words(x) <= 2", [{"x": "a"}, {"x": None}])
    assert list(score.columns) == ["g", "g_reason", "g_status"]
    assert column_with_role("status").name_for("g") == "g_status"
    assert [data.values for data in score.columns.values()][2] == ["ok", "missing_input"]
