"""What specs measure: cases with their rows and the values that they must give."""

from __future__ import annotations

import tomllib
from typing import Any

import paths
import pytest

import rmg_dsl as rmg

FOLDER = paths.CASES / "semantics"
VALUES: list[dict[str, Any]] = tomllib.loads((FOLDER / "values.toml").read_text("utf-8"))["case"]


@pytest.mark.parametrize("case", VALUES, ids=lambda case: case["name"])
def test_a_spec_gives_these_values(case: dict[str, Any]) -> None:
    model = rmg.ScriptedModel(case.get("replies", {}))
    result = rmg.grade(case["spec"], case.get("rows", [{}]), model=model, only=case.get("only", ()))
    for name, expected in case["gives"].items():
        values = ["none" if row[name] is None else row[name] for row in result.rows()]
        assert values == expected, name
    messages = {row["grader"]: row["message"] for row in result.ledger.failures}
    for name, message in case.get("failures", {}).items():
        assert messages[name] == message
    for text in case.get("says", ()):
        assert text in str(result)
    for text in case.get("says_not", ()):
        assert text not in str(result)
