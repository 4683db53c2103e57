"""What specs measure: cases with their rows and the values that they must give."""

from __future__ import annotations

import tomllib
from typing import Any

import paths
import pytest

import rmg_dsl as rmg
from rmg_dsl.api.sources import universe
from rmg_dsl.checker import check_spec
from rmg_dsl.diagnostics import Diagnostic, Source
from rmg_dsl.syntax import parse

FOLDER = paths.CASES / "semantics"
FOLLOWED: list[dict[str, Any]] = tomllib.loads((FOLDER / "followed.toml").read_text("utf-8"))[
    "case"
]
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


def follow_fixes(spec: str) -> tuple[str, set[str]]:
    """The spec with every fix applied until none is left, and the codes that remain."""
    for _ in range(5):
        found = [d for d in diagnostics_of(spec) if d.severity != "note"]
        fixes = sorted({fix.span.start: fix for d in found for fix in d.fixes[:9]}.items())
        if not fixes:
            return spec, {d.code for d in found}
        for _, fix in reversed(fixes):
            spec = spec[: fix.span.start] + fix.text + spec[fix.span.end :]
    raise AssertionError(f"the fixes never end: {spec}")


def diagnostics_of(spec: str) -> tuple[Diagnostic, ...]:
    return check_spec(parse(Source.of(spec, "case")), universe()).diagnostics


@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: case["name"])
def test_a_help_that_is_followed_measures_what_the_author_wrote(case: dict[str, Any]) -> None:
    spec, codes = follow_fixes(case["spec"])
    assert codes == set(case.get("codes", ()))
    if codes:
        return
    result = rmg.grade(spec, case["rows"])
    for name, expected in case["gives"].items():
        assert [row[name] for row in result.rows()] == pytest.approx(expected), (name, spec)
