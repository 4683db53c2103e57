"""The plan: what is left out, in which order, and that the bill before a run is never wrong about
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rmg_dsl as rmg
from rmg_dsl import ScriptedModel
from rmg_dsl.api import plan_view as view
from rmg_dsl.errors import SpecError, UsageError
from rmg_dsl.ir.scoring import scoring_dependencies
from rmg_dsl.messages import Request
from rmg_dsl.plan import AskStep, Plan, make_plan, needed_by, result_columns, with_column_prefix

GRADERS = """
grader a -> 1..5 = "First {{ x }}"
grader b -> 1..5 = "Second {{ x }}"
grader c -> 1..5 = "Third {{ x }} {{ y }}"
grader t -> bool = "Fourth {{ x }}"
grader u -> bool = "Fifth {{ x }}{% if y %}{{ y }}{% endif %}"
grader brief = words(x) <= 2
"""


def planned(spec: str, only: Sequence[str] = ()) -> Plan:
    return make_plan(rmg.loads(spec).checked, only)


def names(plan: Plan) -> list[str]:
    return ["=".join(step.names) for step in plan.steps]


# What is in it


@pytest.mark.parametrize(
    ("only", "steps"),
    [
        (["r"], {"a", "b", "brief", "r"}),
        (["a"], {"a"}),
        (["s"], {"c", "s"}),
        (["s", "brief"], {"c", "s", "brief"}),
        ([], {"a", "b", "c", "t", "u", "brief", "r", "s"}),
    ],
)
def test_what_nobody_needs_is_left_out(only: list[str], steps: set[str]) -> None:
    plan = planned(GRADERS + "aggregate r = a if brief else b\naggregate s = c + 1\n", only)
    assert set(names(plan)) == steps == {output.name for output in plan.outputs}


def test_a_gate_goes_with_the_graders_that_it_reads() -> None:
    spec = GRADERS + "require mean(a) > 1\nrequire mean(b) > 1\nrequire mean(words(x)) > 1\n"
    assert [gate.text for gate in planned(spec).requirements] == [
        "mean(a) > 1",
        "mean(b) > 1",
        "mean(words(x)) > 1",
    ]
    assert [gate.text for gate in planned(spec, ["a"]).requirements] == [
        "mean(a) > 1",
        "mean(words(x)) > 1",
    ]


def test_code_comes_before_calls_and_no_step_looks_ahead() -> None:
    plan = planned(
        GRADERS
        + "aggregate r = a + b\naggregate s = r if brief else 1\naggregate q = words(x) + 1\n"
    )
    asks = [isinstance(step, AskStep) for step in plan.steps]
    assert [*names(plan)[: asks.index(True)]] == ["brief", "q"]
    done: set[int] = set()
    for step in plan.steps:
        assert scoring_dependencies(step.scoring) <= done
        done.add(step.number)


def test_equal_questions_are_one_step() -> None:
    spec = 'grader a -> 1..5 = "Rate {{ x }}"\ngrader b -> 1..5 = "Rate {{ x }}"\naggregate r = a + b\n'
    plan = planned(spec)
    assert [step.names for step in plan.asks] == [("a", "b")]
    assert plan.calls.most == 1


def test_a_step_needs_all_that_its_parts_need() -> None:
    plan = planned(GRADERS + "aggregate r = a + b\naggregate s = r + 1\n")
    numbers = {name: output.scoring for output in plan.outputs for name in [output.name]}
    assert needed_by(plan, numbers["s"]) == {numbers[name] for name in ("s", "r", "a", "b")}


def test_an_unknown_name_is_told_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="did you mean `brief`"):
        planned(GRADERS, ["breif"])


@pytest.mark.parametrize(
    ("spec", "columns"),
    [
        ("grader g = words(x)", ["g", "g_reason", "g_status"]),
        ('grader g -> ("a"=0 | "b"=1) = "Rate {{ x }}"', ["g", "g_label", "g_reason", "g_status"]),
        ('grader g -> "a" | "b" = "Rate {{ x }}"', ["g", "g_reason", "g_status"]),
        ("aggregate g = words(x)", ["g", "g_status"]),
        (
            'grader g -> 1..5:\n    prompt = "Rate {{ x }}"\n    samples = 2',
            ["g", "g_reason", "g_status", "g_spread", "g_confidence"],
        ),
        (
            'pairwise g:\n    compare = [x, y]\n    prompt = "{{ a }} {{ b }}"',
            ["g", "g_reason", "g_status", "g_p", "g_flagged"],
        ),
        ("ranking g:\n    group = y\n    by = words(x)", ["g", "g_reason", "g_status", "g_rank"]),
    ],
)
def test_the_columns_of_an_output(spec: str, columns: list[str]) -> None:
    plan = planned(spec)
    assert [*result_columns(plan.outputs[0])] == columns
    assert result_columns(with_column_prefix(plan, "my_").outputs[0])[0] == "my_g"


def test_a_plan_prints_itself() -> None:
    spec = 'grader g -> 1..5 = "Rate {{ x }}"\ngrader brief = words(x) <= 2\naggregate r = g if brief else 1\n'
    lines = str(planned(spec)).splitlines()
    assert lines[0] == "3 steps, 0 to 1 model calls a row"
    assert [line.split()[:2] for line in lines[1:]] == [["1", "code"], ["2", "ask"], ["3", "code"]]
    assert lines[2].endswith("if needed")
    assert lines[3].endswith("after 1, 2")


# Binding to the data


@pytest.mark.parametrize(
    ("spec", "columns", "codes"),
    [
        ("grader g = words(x)", "x", []),
        ("grader g = words(x)", "y", ["RMG501"]),
        ("grader g = words(default(x, y))", "y", []),
        ("grader g = words(default(x, y))", "x", ["RMG501"]),
        ("aggregate g = given(x)", "y", []),
        ('grader g -> bool = "Rate {{ x }}{% if y %}{{ y }}{% endif %}"', "x", []),
        ('grader g -> bool = "Rate {{ x }}{% if y %}{{ y }}{% endif %}"', "y", ["RMG501"]),
        ('grader g -> bool = "Rate {{ x | default(y) }}"', "z", ["RMG501"]),
        ("grader g = words(x)\nrequire mean(words(y)) > 1", "x", ["RMG501"]),
        ("grader g = words(x)", "x g", ["RMG502"]),
        ("grader g = words(x)", "x g_status", ["RMG502"]),
    ],
)
def test_columns_that_lack_or_clash_are_told_before_the_run(
    spec: str, columns: str, codes: list[str]
) -> None:
    row = dict.fromkeys(columns.split(), "a")
    if not codes:
        rmg.grade(spec, [row], model=ScriptedModel({"g": True}))
        return
    with pytest.raises(SpecError) as caught:
        rmg.grade(spec, [row], model=ScriptedModel({}))
    diagnostics: Any = caught.value.diagnostics
    assert [d.code for d in diagnostics if d.severity == "error"] == codes


# The bill


@pytest.mark.parametrize(
    ("expression", "least", "most"),
    [
        ("a + b", 2, 2),
        ("a if brief else b", 0, 2),
        ("a if brief else a", 1, 1),
        ("a if t else b", 1, 3),
        ("1 if t and u else 2", 1, 2),
        ("1 if brief and t else 2", 0, 1),
        ("a if scored(b) else 1", 1, 2),
        ("weighted(a, b, c)", 3, 3),
        ("(a if t else b) + a", 2, 3),
        ("words(x) + 1", 0, 0),
        ("1 if all(t, u) else 2", 2, 2),
    ],
)
def test_the_calls_of_a_row_without_data(expression: str, least: int, most: int) -> None:
    calls = planned(GRADERS + f"aggregate r = {expression}\n", ["r"]).calls
    assert (calls.least, calls.most) == (least, most)


@pytest.mark.parametrize(
    ("expression", "row", "least", "most"),
    [
        ("a if brief else b", {"x": "p q"}, 1, 1),
        ("a + b if brief else c", {"x": "p q r"}, 1, 1),
        ("a if brief and t else b", {"x": "p q r"}, 1, 1),
        ("a if brief and t else b", {"x": "p"}, 1, 3),
        ("a if brief or t else b", {"x": "p"}, 1, 1),
        ("1 if t and brief else a", {"x": "p q r"}, 1, 2),
        ("a if given(z) else 1", {"x": "p", "z": None}, 0, 0),
        ("a if given(z) else 1", {"x": "p", "z": "q"}, 1, 1),
        ("a + b", {"x": None}, 0, 0),
        ("a + c", {"x": "p", "y": None}, 1, 1),
        ("a if words(default(z, x)) > 1 else 1", {"x": "p q", "z": " "}, 1, 1),
        ("a if 1 / n > 0 else b", {"x": "p", "n": 0}, 0, 0),
    ],
)
def test_the_bill_is_exact_where_code_decides(
    expression: str, row: dict[str, Any], least: int, most: int
) -> None:
    bill = view(GRADERS + f"aggregate r = {expression}\n", [{"y": "w", **row}], only=["r"]).bill
    assert bill is not None
    assert (bill.least, bill.most) == (least, most)


def test_the_bill_counts_cells_without_input_and_guesses_tokens() -> None:
    bill = view(GRADERS, [{"x": "p", "y": None}, {"x": None, "y": "q"}], only=["a", "c"]).bill
    assert bill is not None
    assert (bill.rows, bill.least, bill.missing) == (2, 1, 3)
    assert bill.tokens_in > 100
    assert str(bill).splitlines()[0] == "2 rows, 1 model call"
    assert str(bill).splitlines()[2] == "3 cells without input: no call"


def test_python_functions_are_not_called_for_a_bill_and_leave_it_open() -> None:
    spec = GRADERS + 'grader f -> bool = python("m:f", text = x)\naggregate r = a if f else b\n'
    bill = view(spec, [{"x": "p", "y": "q"}], only=["r"]).bill
    assert bill is not None
    assert (bill.least, bill.most) == (0, 2)


NUMBERS: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["a", "b", "c"]),
        st.builds("({} if {} else {})".format, NUMBERS, CONDITIONS, NUMBERS),
        st.builds("weighted({}, {})".format, NUMBERS, NUMBERS),
        st.builds("min({}, {})".format, NUMBERS, NUMBERS),
    )
)
CONDITIONS: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["t", "u", "brief", "given(y)", "scored(a)", "scored(c)"]),
        st.builds("({} >= {})".format, NUMBERS, st.sampled_from([2, 3, 4])),
        st.builds("({} and {})".format, CONDITIONS, CONDITIONS),
        st.builds("({} or {})".format, CONDITIONS, CONDITIONS),
        st.builds("all({}, {})".format, CONDITIONS, CONDITIONS),
        st.builds("(not {})".format, CONDITIONS),
    )
)
TEXTS = st.sampled_from(["p", "p q", "p q r", "p q r s", "", None])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(NUMBERS, min_size=1, max_size=2),
    st.lists(st.fixed_dictionaries({"x": TEXTS, "y": TEXTS}), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_no_run_costs_less_or_more_than_its_bill(
    expressions: list[str], rows: list[Any], chance: Any
) -> None:
    aggregates = [f"r{n}" for n in range(len(expressions))]
    spec = GRADERS + "".join(
        f"aggregate {name} = {e}\n" for name, e in zip(aggregates, expressions, strict=True)
    )

    def reply(request: Request) -> Any:
        return chance.choice([True, False] if request.question.grader in "tu" else [1, 2, 3, 4, 5])

    model = ScriptedModel(reply)
    bill = view(spec, rows, only=aggregates, model=model).bill
    assert bill is not None
    result = rmg.grade(spec, rows, model=model, only=aggregates)
    assert bill.least <= result.usage.calls <= bill.most
    calls = planned(spec, aggregates).calls
    by_row = Counter(request.row for request in model.requests)
    for n, row in enumerate(rows):
        assert by_row[n] <= calls.most
        if row["x"] and row["y"]:
            assert calls.least <= by_row[n]
    asked = Counter((request.row, request.question.grader) for request in model.requests)
    assert not asked or max(asked.values()) == 1
