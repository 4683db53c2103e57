"""Expressions of a `require` that fail on some rows: each is named, counted and listed."""

from __future__ import annotations

import json
from typing import Any

import paths
import pytest

import rmg_dsl as rmg
from rmg_dsl.models.scripted import ScriptedModel

ROWS = 41
LINES = (paths.CASES / "requirements" / "failures.jsonl").read_text("utf-8").splitlines()
CASES = [json.loads(line) for line in LINES]


def bad_rows(case: dict[str, Any]) -> list[int]:
    return list(range(ROWS)) if case["bad"] == "all" else case["bad"]


def made(text: str) -> int:
    if text == "bad":
        raise ValueError("no digits")
    return 1


def grade(spec: str, bad: list[int], **options: Any) -> rmg.Result:
    rows = [{"x": "bad" if n in bad else "good", "v": 0 if n in bad else 1} for n in range(ROWS)]
    return rmg.grade(spec, rows, functions={"made": made}, **options)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_a_failure_inside_a_requirement_is_named_counted_and_listed(case: dict[str, Any]) -> None:
    bad = bad_rows(case)
    result = grade(f"grader g = words(x) >= 0\nrequire {case['condition']}\n", bad)
    (verdict,) = result.gates
    assert (verdict.holds, next(iter(verdict.estimates.values())).n) == (case["holds"], case["n"])
    assert verdict.why.endswith(case["says"])
    assert case["says"] in str(verdict)
    assert result.ledger.failures == [
        {
            "row": row,
            "grader": f"require {case['condition']}",
            "status": "error",
            "message": case.get("error", "ValueError: no digits"),
            "attempts": 0,
        }
        for row in bad
    ]
    assert result.digest.failures.count == len(bad)


def test_every_requirement_names_its_own_failures() -> None:
    spec = "require mean(made(x)) >= 1\nrequire median(made(x)) >= 1\nrequire mean(v + 0) > 0\n"
    result = grade(spec, [3])
    assert [bool(verdict.why) for verdict in result.gates] == [True, True, False]
    assert [failure["grader"] for failure in result.ledger.failures] == [
        "require mean(made(x)) >= 1",
        "require median(made(x)) >= 1",
    ]


def test_the_failure_of_a_grader_is_not_listed_twice() -> None:
    result = grade("grader g = made(x) >= 1\nrequire share(g) >= 0\n", [3])
    assert [failure["grader"] for failure in result.ledger.failures] == ["g"]
    assert result.gates[0].why == ""


def test_a_grader_that_only_a_requirement_asks_is_listed_under_it() -> None:
    spec = "require mean(std.relevance) >= 1\n"
    rows = [{"query": "q", "response": "r"}]
    result = rmg.grade(spec, rows, model=ScriptedModel(lambda _: "?"))
    assert [failure["grader"] for failure in result.ledger.failures] == [
        "require mean(std.relevance) >= 1"
    ]
