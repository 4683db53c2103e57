"""Judgement beside people: agreement in `require`, `validate`, and `rmg.agreement`, from the text
to the figure.
"""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import krippendorff
import numpy
import pandas
import paths
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

import rmg_dsl as rmg
from rmg_dsl import ScriptedModel
from rmg_dsl.report import VALIDATION_COLUMNS
from rmg_dsl.runtime.value_columns import CompactColumn

CASES = paths.CASES / "agreement"


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / name).read_text("utf-8").splitlines()]


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


# Gates


@pytest.mark.parametrize("case", cases("gates.jsonl"), ids=lambda case: case["why"])
def test_a_gate_over_columns_and_scores(case: dict[str, Any]) -> None:
    spec = f"{case.get('spec', '')}require {case['condition']}"
    (found,) = rmg.grade(
        spec, rows_of(case["columns"]), model=ScriptedModel(case.get("script", {}))
    ).gates
    assert found.holds is case["holds"], str(found)
    for name, (n, value) in case.get("seen", {}).items():
        near_value: Any = pytest.approx(value, rel=1e-12)
        assert (found.estimates[name].n, found.estimates[name].value) == (n, near_value)
    assert case.get("says", "") in found.why


@pytest.mark.parametrize("case", cases("textbook.jsonl"), ids=lambda case: case["name"])
def test_a_gate_sees_the_published_figure(case: dict[str, Any]) -> None:
    data = {f"rater_{i}": ratings for i, ratings in enumerate(case["raters"])}
    for expected in case["expected"]:
        raters = [f"rater_{i}" for i in expected["of"] or range(len(data))]
        options = "".join(f', {name}="{value}"' for name, value in expected["options"].items())
        (gate,) = rmg.grade(
            f"require {expected['function']}({', '.join(raters)}{options}) < 1", rows_of(data)
        ).gates
        digits = max(len(str(expected["value"]).split(".")[1]), 2)
        assert round(gate.values[expected["function"]] or 0, digits) == expected["value"]


# Validate


def told(found: Any) -> dict[str, Any]:
    """The rows of a validation by `role/against/statistic`."""
    return {f"{row['role']}/{row['against']}/{row['statistic']}": row for row in found.rows}


@pytest.mark.parametrize("case", cases("validations.jsonl"), ids=lambda case: case["why"])
def test_a_validation_compares_what_can_be_compared(case: dict[str, Any]) -> None:
    model = ScriptedModel(case.get("script", {}))
    result = rmg.grade(case["spec"], rows_of(case["columns"]), model=model)
    (found,) = result.validations
    assert found.title == case.get("title", found.title)
    assert set(case.get("remarks", ())) <= set(found.remarks)
    roles = dict.fromkeys(row["role"] for row in found.rows)
    assert list(roles) == case.get("roles", list(roles))
    statistics = list(dict.fromkeys(row["statistic"] for row in found.rows if row["statistic"]))
    assert statistics == case.get("statistics", statistics)
    for name, (n, value) in case.get("values", {}).items():
        row = told(found)[name]
        assert (row["n"], row["value"]) == (
            n,
            None if value is None else pytest.approx(value, rel=1e-12),
        )
    assert result.usage.calls == case.get("calls", result.usage.calls)


SPEC = 'grader near -> 1..5 = "How near is {{ response }} to {{ reference }}?"\n'
WORDS = "the cat sat on the mat in the sun all day".split()


def study(size: int = 48, seed: int = 3) -> tuple[list[dict[str, Any]], ScriptedModel]:
    """Answers more or less near to a reference, a judge, and three people, two of whom have left
    some out.
    """
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    verdicts: dict[str, Any] = {}
    for place in range(size):
        true = rng.randint(1, 5)
        answer = " ".join([*rng.sample(WORDS, 2 * true), f"n{place}"])
        ann, bob, eve = (true if rng.random() < 0.7 else rng.randint(1, 5) for _ in range(3))
        people = {"ann": ann, "bob": bob if place % 5 else None, "eve": eve if place % 7 else None}
        rows.append(
            {
                "response": answer,
                "reference": " ".join(WORDS),
                **people,
                "talk": f"talk {place // 6}",
            }
        )
        verdicts[f" n{place}\n"] = (
            "?" if place % 11 == 3 else true if rng.random() < 0.6 else rng.randint(1, 5)
        )
    return rows, ScriptedModel(
        lambda request: next(v for k, v in verdicts.items() if k in _text(request))
    )


def _text(request: Any) -> str:
    return f"{request.question.material['response']}\n"


def validated(
    keys: str = "", against: str = "ann, bob, eve", size: int = 48
) -> tuple[rmg.Result, Any]:
    """The result of the study, and its rows that the judge has scored as a frame with the column
    `judge`.
    """
    rows, judge = study(size)
    result = rmg.grade(
        f"{SPEC}validate near against {against}" + (f":\n{keys}" if keys else ""), rows, model=judge
    )
    frame = result.df[result.df["near_status"] == "ok"]
    return result, frame.assign(near=frame["near"].astype(float))


def both(frame: Any, a: str, b: str) -> tuple[Any, Any]:
    kept = frame[[a, b]].dropna()
    return kept[a].astype(float), kept[b].astype(float)


ORACLES: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": sklearn.metrics.accuracy_score,
    "kappa": sklearn.metrics.cohen_kappa_score,
    "weighted_kappa": lambda a, b: sklearn.metrics.cohen_kappa_score(
        a, b, weights="quadratic", labels=range(1, 6)
    ),
    "weighted_kappa_linear": lambda a, b: sklearn.metrics.cohen_kappa_score(
        a, b, weights="linear", labels=range(1, 6)
    ),
    "pearson": lambda a, b: scipy.stats.pearsonr(a, b).statistic,
    "spearman": lambda a, b: scipy.stats.spearmanr(a, b).statistic,
    "kendall": lambda a, b: scipy.stats.kendalltau(a, b).statistic,
}


def alpha_of(frame: Any, pair: tuple[str, str], level: Any) -> float:
    data = frame[list(pair)].astype(float).to_numpy().T
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement=level))


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def test_every_agreement_of_a_validation_is_that_of_the_libraries() -> None:
    result, frame = validated()
    found = told(result.validations[0])
    people = ["ann", "bob", "eve"]
    for name, oracle in ORACLES.items():
        with_each = [oracle(*both(frame, "near", person)) for person in people]
        assert [found[f"judge/{person}/{name}"]["value"] for person in people] == near(with_each)
        assert found[f"judge/people/{name}"]["value"] == near(sum(with_each) / 3)
        between = [oracle(*both(frame, *pair)) for pair in combinations(people, 2)]
        assert found[f"people/people/{name}"]["value"] == near(sum(between) / 3)
    for role, pairs in (
        ("judge", [("near", person) for person in people]),
        ("people", [*combinations(people, 2)]),
    ):
        for level in ("nominal", "ordinal", "interval", "ratio"):
            theirs = [alpha_of(frame, pair, level) for pair in pairs]
            assert found[f"{role}/people/alpha_{level}"]["value"] == near(sum(theirs) / 3)
    assert all(row["low"] <= row["value"] <= row["high"] for row in found.values())


def test_the_baseline_is_the_same_grader_asked_of_the_embedded_judge() -> None:
    result, frame = validated(against="ann")
    rows, _ = study()
    lexical = rmg.grade(SPEC, rows, model="local/lexical").df["near"].astype(float)
    found = told(result.validations[0])
    for name, oracle in ORACLES.items():
        assert found[f"baseline/ann/{name}"]["value"] == near(
            oracle(*both(frame.assign(l=lexical), "l", "ann"))
        )
    again = rmg.grade(f"{SPEC}validate near against ann", rows, model="local/lexical")
    assert {row["role"] for row in again.validations[0].rows} == {"judge"}


def test_per_group_is_the_mean_within_the_groups() -> None:
    result, frame = validated("    group = talk\n    level = per_group\n", "ann")
    found = told(result.validations[0])
    for name in ("pearson", "spearman", "accuracy"):
        within = [ORACLES[name](*both(talk, "near", "ann")) for _, talk in frame.groupby("talk")]
        theirs = scipy.stats.t.interval(
            0.95, len(within) - 1, numpy.mean(within), scipy.stats.sem(within)
        )
        row = found[f"judge/ann/{name}"]
        assert (row["n"], row["value"]) == (len(within), near(numpy.mean(within)))
        assert (row["low"], row["high"]) == pytest.approx((theirs[0], min(theirs[1], 1)), rel=0.005)


def test_system_compares_the_means_of_the_groups() -> None:
    result, frame = validated("    group = talk\n    level = system\n")
    found = told(result.validations[0])
    means = frame.groupby("talk")[["near", "ann", "bob", "eve"]].agg(
        lambda column: column.astype(float).mean()
    )
    assert {row["statistic"] for row in found.values()} == {"pearson", "spearman", "kendall"}
    for name in ("pearson", "spearman", "kendall"):
        row = found[f"judge/ann/{name}"]
        assert (row["n"], row["value"]) == (8, near(ORACLES[name](means["near"], means["ann"])))
        with_each = [
            ORACLES[name](means["near"], means[person]) for person in ("ann", "bob", "eve")
        ]
        assert found[f"judge/people/{name}"]["value"] == near(sum(with_each) / 3)


def test_rows_of_one_group_teach_as_much_as_one() -> None:
    rows, judge = study()
    alone, copied, flat = (
        told(rmg.grade(spec, data, model=judge).validations[0])
        for spec, data in (
            (f"{SPEC}validate near against ann, bob", rows),
            (f"{SPEC}validate near against ann, bob:\n    group = response\n", rows * 4),
            (f"{SPEC}validate near against ann, bob", rows * 4),
        )
    )
    for name in (
        "judge/ann/kappa",
        "judge/people/kappa",
        "judge/people/accuracy",
        "people/people/spearman",
    ):
        widths = [found[name]["high"] - found[name]["low"] for found in (alone, copied, flat)]
        assert widths[1] == pytest.approx(widths[0], rel=0.1)
        assert widths[2] < 0.6 * widths[1]


def test_the_same_rows_in_any_order_give_the_same_validation() -> None:
    rows, judge = study()
    spec = f"{SPEC}validate near against ann, bob, eve:\n    group = talk\n"
    first, again = (
        rmg.grade(spec, data, model=judge).validations[0] for data in (rows, rows[::-1])
    )
    assert again == first


def test_a_validation_is_shown_in_text_frame_json_and_html() -> None:
    result, _ = validated(against="ann, bob")
    text = (
        str(result)
        .split("validate near against ann, bob: 43 rows, 5 without a score\n")[1]
        .splitlines()
    )
    assert text[0].split("  ")[-1].strip() == "local/lexical (baseline)"
    assert [line.split()[0] for line in text[1:13]][:3] == ["accuracy", "kappa", "weighted_kappa"]
    frame = result.validation
    assert tuple(frame.columns) == VALIDATION_COLUMNS
    assert frame["value"].dtype == "Float64"
    assert set(frame["role"]) == {"judge", "people", "baseline"}
    (found,) = json.loads(json.dumps(result.as_json()))["validate"]
    assert found["rows"][0]["statistic"] == "accuracy"
    page = result._repr_html_()
    assert "near against ann, bob: 43 rows" in page
    assert "people (ceiling)" in page
    assert rmg.grade("grader a = words(x)", [{"x": "b"}]).validation.empty


def test_a_hostile_column_is_only_text_in_the_report() -> None:
    spec = 'grader g = words(x)\nvalidate g against column("<script>alert(1)</script>")'
    page = rmg.grade(spec, [{"x": "a", "<script>alert(1)</script>": 1}] * 2)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_what_is_asked_for_alone_takes_its_validations_along() -> None:
    rows, judge = study(6)
    spec = f"{SPEC}grader brief = words(response) <= 5\nvalidate near against ann\nvalidate brief against ann\n"
    found = rmg.grade(spec, rows, model=judge, only=["brief"]).validations
    assert [validation.grader for validation in found] == ["brief"]


def test_a_column_that_is_not_there_is_told_before_any_call() -> None:
    rows, judge = study(6)
    with pytest.raises(rmg.SpecError, match=r"RMG501.*no column `human`"):
        rmg.grade(f"{SPEC}validate near against human", rows, model=judge)
    assert judge.requests == []


# Agreement of columns


@pytest.mark.parametrize("case", cases("textbook.jsonl"), ids=lambda case: case["name"])
def test_a_table_of_agreement_holds_the_published_figures(case: dict[str, Any]) -> None:
    data = {f"rater_{i}": ratings for i, ratings in enumerate(case["raters"])}
    table = rmg.agreement(rows_of(data), list(data))
    for expected in case["expected"]:
        raters = ", ".join(f"rater_{i}" for i in expected["of"] or range(len(data)))
        name = "_".join([expected["function"], *expected["options"].values()]).removesuffix(
            "_quadratic"
        )
        (value,) = table[(table["raters"] == raters) & (table["statistic"] == name)]["value"]
        digits = max(len(str(expected["value"]).split(".")[1]), 2)
        assert round(value, digits) == expected["value"]


def test_agreement_takes_files_groups_and_levels(tmp_path: Path) -> None:
    rows, _ = study()
    path = tmp_path / "study.csv"
    pandas.DataFrame(rows).to_csv(path, index=False)
    people = ["ann", "bob", "eve"]
    pooled, grouped = rmg.agreement(rows, people), rmg.agreement(path, people, group="talk")
    assert list(pooled["value"]) == list(grouped["value"])
    assert list(pooled["low"]) != list(grouped["low"])
    assert rmg.agreement(rows, people, level="system", group="talk")["n"].eq(8).all()
    assert rmg.agreement(rows, people, level="per_group", group="talk")["n"].max() == 8
    assert set(rmg.agreement(rows, ["ann", "bob"], ordered=False)["statistic"]) >= {
        "accuracy",
        "kappa",
    }


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"columns": ["ann"]}, rmg.UsageError, "two columns or more"),
        ({"columns": ["ann", "ann"]}, rmg.UsageError, "each named once"),
        ({"columns": "ann"}, rmg.UsageError, "two columns or more"),
        ({"columns": ["ann", "bbo"]}, rmg.UsageError, "no column `bbo`: did you mean `bob`"),
        ({"columns": ["ann", "bob"], "group": "team"}, rmg.UsageError, "no column `team`"),
        ({"columns": ["ann", "bob"], "level": "system"}, rmg.UsageError, "needs `group`"),
        (
            {"columns": ["ann", "bob"], "level": "item"},
            rmg.UsageError,
            "one of pooled, per_group, system",
        ),
        ({"columns": ["ann", "text"]}, rmg.DataError, "`ann` has numbers and `text` has texts"),
        ({"columns": ["ann", "list"]}, rmg.DataError, "these are neither"),
    ],
)
def test_agreement_says_what_it_cannot_compare(
    arguments: dict[str, Any], error: type, message: str
) -> None:
    rows = [
        {"ann": 1, "bob": 1, "text": "1", "list": [1]},
        {"ann": 2, "bob": 1, "text": "2", "list": [2]},
    ]
    with pytest.raises(error, match=message):
        rmg.agreement(rows, **arguments)


# What is kept of a column


@given(
    st.lists(
        st.one_of(
            st.none(), st.booleans(), st.integers(-5, 5), st.floats(-9, 9), st.sampled_from("ab")
        )
    )
)
def test_a_column_gives_back_what_it_was_given(values: list[Any]) -> None:
    column = CompactColumn()
    for value in values:
        column.append(value)
    assert list(column) == [float(v) if isinstance(v, int | float) else v for v in values]
    assert [column[place] for place in range(len(column))] == list(column)


def test_a_gate_keeps_eight_bytes_a_number() -> None:
    column = CompactColumn()
    tracemalloc.start()
    for place in range(100_000):
        column.append(place / 7)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 12 * 100_000
