"""Judgement beside people: agreement in `require`, `validate`, and `rmg.agreement`, from the text to the figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rmg_dsl as rmg
from rmg_dsl import ScriptedModel

CASES = Path(__file__).parent / "cases" / "agreement"


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / name).read_text("utf-8").splitlines()]


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


# Gates


@pytest.mark.parametrize("case", cases("gates.jsonl"), ids=lambda case: case["why"])
def test_a_gate_over_columns_and_scores(case: dict[str, Any]) -> None:
    spec = f"{case.get('spec', '')}require {case['condition']}"
    (found,) = rmg.grade(spec, rows_of(case["columns"]), model=ScriptedModel(case.get("script", {}))).gates
    assert found.holds is case["holds"], str(found)
    for name, (n, value) in case.get("seen", {}).items():
        assert (found.seen[name].n, found.seen[name].value) == (n, pytest.approx(value, rel=1e-12))
    assert case.get("says", "") in found.why


@pytest.mark.parametrize("case", cases("textbook.jsonl"), ids=lambda case: case["name"])
def test_a_gate_sees_the_published_figure(case: dict[str, Any]) -> None:
    data = {f"rater_{i}": ratings for i, ratings in enumerate(case["raters"])}
    for expected in case["expected"]:
        raters = [f"rater_{i}" for i in expected["of"] or range(len(data))]
        options = "".join(f', {name}="{value}"' for name, value in expected["options"].items())
        (gate,) = rmg.grade(f"require {expected['function']}({', '.join(raters)}{options}) < 1", rows_of(data)).gates
        digits = max(len(str(expected["value"]).split(".")[1]), 2)
        assert round(gate.values[expected["function"]] or 0, digits) == expected["value"]
