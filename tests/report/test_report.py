"""The report: statistics that are right to the last digit, and a summary that counts what it leaves
out.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmg_dsl as rmg
from rmg_dsl import ScriptedModel
from rmg_dsl.messages import Usage
from rmg_dsl.plan import make_plan
from rmg_dsl.report import OutputSummary, align_columns, summary_rows, summary_text
from rmg_dsl.report.numbers import Numbers
from rmg_dsl.report.run_summary import Failures
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.stats.intervals import Z95, share_interval
from rmg_dsl.stats.quantiles import median
from rmg_dsl.stats.shares_and_means import count, mean, mean_interval, share

# Each as SciPy 1.17 gives it: binomtest(k, n).proportion_ci(method="wilson").
WILSON = [
    (0, 1, 0.0, 0.7934506856227626),
    (1, 1, 0.20654931437723745, 1.0),
    (0, 10, 0.0, 0.27753279986288926),
    (8, 10, 0.4901624715366418, 0.9433178485456248),
    (10, 10, 0.7224672001371109, 1.0),
    (1, 3, 0.06149194472039626, 0.7923403991979523),
    (37, 60, 0.49017595824099924, 0.7291172762591798),
    (50, 100, 0.4038315303659956, 0.5961684696340044),
    (999, 1000, 0.9943574414020421, 0.9998234536293739),
]
# mean ± norm.ppf(0.975) * sem, by SciPy too.
MEANS = [
    ([1, 2, 3, 4, 5], 1.614096175650322, 4.385903824349678),
    ([1, 1, 1, 2], 0.7600090038649865, 1.7399909961350135),
    ([0.1, 0.2, 0.4, 0.8], 0.07162737283587461, 0.6783726271641254),
    ([3] * 20, 3.0, 3.0),
    ([1e-9, 3e-9], 4.003601545994626e-11, 3.959963984540054e-09),
    ([1e12, 1e12 + 1, 1e12 + 2], 999999999999.8684, 1000000000002.1316),
]
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


# Statistics


@pytest.mark.parametrize(
    ("function", "values", "wanted"),
    [
        (mean, [1, 2, 6], 3),
        (mean, [True, False], 0.5),
        (mean, [0.1] * 10, 0.1),
        (mean, [1e308, 1.7e308], 1.35e308),
        (mean, [], None),
        (median, [1, 5, 2], 2),
        (median, [4, 1], 2.5),
        (median, [True, True, False], True),
        (median, [], None),
        (share, [True, False, True, True], 0.75),
        (share, [], None),
        (count, [True, False, True], 2),
        (count, [], 0),
    ],
)
def test_a_statistic_of_these_values(
    function: Callable[[Any], Any], values: list[Any], wanted: Any
) -> None:
    assert function(values) == wanted


@given(NUMBERS)
def test_a_mean_is_exact_and_does_not_depend_on_the_order(values: list[float]) -> None:
    found = mean(values)
    assert found is not None
    assert found == mean(values[::-1]) == mean(sorted(values))
    assert math.isclose(found, statistics.mean(values), rel_tol=1e-12, abs_tol=1e-300)


@pytest.mark.parametrize(("hits", "n", "low", "high"), WILSON)
def test_the_bounds_of_a_share_are_wilsons(hits: int, n: int, low: float, high: float) -> None:
    assert share_interval(hits, n) == pytest.approx((low, high), rel=1e-12, abs=1e-15)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bounds_of_a_share_are_where_a_test_would_just_reject_it(case: tuple[int, int]) -> None:
    hits, n = case
    found = share_interval(hits, n)
    assert found is not None
    assert 0 <= found.low <= hits / n + 1e-15
    assert hits / n - 1e-15 <= found.high <= 1
    for bound in found:
        assert (hits / n - bound) ** 2 == pytest.approx(Z95**2 * bound * (1 - bound) / n, abs=1e-12)


@pytest.mark.parametrize(("values", "low", "high"), MEANS)
def test_the_bounds_of_a_mean_are_normal(values: list[float], low: float, high: float) -> None:
    assert mean_interval(values) == pytest.approx((low, high), rel=1e-12)


@given(NUMBERS)
def test_the_bounds_of_a_mean_hold_the_mean(values: list[float]) -> None:
    found, centre = mean_interval(values), mean(values)
    assert centre is not None
    # A spread of 0 that fewer than 20 values show is no evidence of one.
    is_unknown = len(values) < 2 or (len(values) < 20 and len(set(values)) == 1)
    if len(set(values)) == 1 or found is None:
        assert (found is None) == is_unknown
    if found:
        half = Z95 * statistics.stdev(values) / math.sqrt(len(values))
        assert found == pytest.approx((centre - half, centre + half), rel=1e-9, abs=1e-6)


def test_there_are_no_bounds_where_nothing_is_known() -> None:
    assert share_interval(0, 0) is None
    assert mean_interval([]) is mean_interval([3]) is None
    assert mean_interval([1e308, -1e308, 1e308]) is None


def test_95_percent_is_the_normal_quantile() -> None:
    assert pytest.approx(statistics.NormalDist().inv_cdf(0.975), rel=1e-15) == Z95


@pytest.mark.parametrize("different", [5, 3_000])
def test_numbers_in_little_room_are_the_same_numbers(different: int) -> None:
    values = [place * 37 % different / 7 for place in range(6_000)]
    numbers = Numbers()
    for value in values:
        numbers.append(value)
    assert Counter(numbers) == Counter(values)
    assert numbers.distinct == set(values)
    assert [numbers.count(value) for value in (values[0], values[-1], 0.5)] == [
        6_000 // different
    ] * 2 + [0]
    assert (len(numbers), values[-1] in numbers, 0.5 in numbers) == (6_000, True, False)
    assert (mean(numbers), mean_interval(numbers)) == (mean(values), mean_interval(values))


# The summary

SPEC = """
grader g -> 1..5 = "Rate {{ x }}"
grader t -> bool = "True? {{ x }}"
grader k -> "kind" | "cold" = "Tone of {{ x }}"
grader v -> ("bad"=0 | "good"=1) = "Quality of {{ x }}"
grader n = words(x)
"""


def columns(spec: str, outcomes: Sequence[Outcome]) -> list[OutputSummary]:
    found = [OutputSummary(output) for output in make_plan(rmg.loads(spec).checked).outputs]
    for column in found:
        for outcome in outcomes:
            column.add(outcome)
    return found


def row_of(
    outcomes: Sequence[Outcome], spec: str = 'grader g -> 1..5 = "Rate {{ x }}"'
) -> dict[str, Any]:
    return summary_rows(columns(spec, outcomes), {"g": Usage(calls=3, tokens_in=10)}, {"g": 0.5})[0]


def test_every_status_is_counted_and_none_is_in_the_mean() -> None:
    row = row_of(
        [Score(2), Score(5), *(Unscored(status) for status in Status if status is not Status.OK)]
    )
    assert (row["n"], row["mean"], row["unscored"], row["skipped"]) == (2, 3.5, 7, 1)
    missing = [status for status in Status if status not in (Status.OK, Status.SKIPPED)]
    assert [row[str(status)] for status in missing] == [1] * 7
    assert (row["calls"], row["tokens_in"], row["cost"]) == (3, 10, 0.5)


@pytest.mark.parametrize("outcomes", [[], [Unscored(Status.UNPARSED)], [Unscored(Status.SKIPPED)]])
def test_without_a_score_there_is_no_mean_and_no_bound(outcomes: list[Outcome]) -> None:
    row = row_of(outcomes)
    assert (row["n"], row["mean"], row["low"], row["high"]) == (0, None, None, None)
    assert " – " in summary_text([row])


def test_a_bool_has_the_bounds_of_a_share_and_other_numbers_those_of_a_mean() -> None:
    row = row_of([Score(True)] * 8 + [Score(False)] * 2, 'grader g -> bool = "Rate {{ x }}"')
    assert (row["mean"], row["low"], row["high"]) == (0.8, 0.490162471536642, 0.943317848545625)
    row = row_of([Score(n) for n in (1, 2, 3, 4, 5)])
    assert (row["mean"], row["low"], row["high"]) == (3, 1.61409617565032, 4.38590382434968)


def test_labels_are_counted_and_have_a_mean_only_where_they_have_values() -> None:
    words = columns(
        'grader g -> "kind" | "cold" = "Rate {{ x }}"',
        [Score("kind"), Score("cold"), Score("kind")],
    )
    assert summary_rows(words, {}, {})[0]["mean"] is None
    assert "kind 2, cold 1" in summary_text(summary_rows(words, {}, {}), words)
    valued = columns(
        'grader g -> ("bad"=0 | "good"=1) = "Rate {{ x }}"',
        [Score(1.0, None, "good"), Score(0.0, None, "bad")],
    )
    assert summary_rows(valued, {}, {})[0]["mean"] == 0.5
    assert "good 1, bad 1" in summary_text(summary_rows(valued, {}, {}), valued)


def test_tiny_and_huge_means_are_not_rounded_away() -> None:
    assert row_of([Score(3e-15)], "grader g = words(x)")["mean"] == 3e-15
    assert row_of([Score(123456789012345.0)], "grader g = words(x)")["mean"] == 123456789012345.0


def test_the_summary_of_a_run_stands_in_the_order_of_the_spec() -> None:
    replies: dict[str, Any] = {"g": [4, "?", "?"], "t": True, "k": "cold", "v": "good"}
    result = rmg.grade(
        SPEC, [{"x": "a b"}, {"x": "c"}], model=ScriptedModel(replies), concurrency=1
    )
    found = {
        row["name"]: (row["scale"], row["n"], row["mean"], row["unscored"])
        for row in result.summary_rows
    }
    assert found == {
        "g": ("1..5", 1, 4, 1),
        "t": ("bool", 2, 1, 0),
        "k": ('"kind" | "cold"', 2, None, 0),
        "v": ('("bad"=0 | "good"=1)', 2, 1, 0),
        "n": ("number", 2, 1.5, 0),
    }
    assert [*found] == ["g", "t", "k", "v", "n"]


def test_the_text_shows_what_is_missing_beside_every_mean() -> None:
    row = row_of([Score(4), Unscored(Status.UNPARSED), Unscored(Status.SKIPPED)])
    assert summary_text([row]).splitlines() == [
        "   scale  mean  95 %  scored  unscored",
        "g  1..5      4             1         1  1 unparsed; 1 skipped",
    ]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([("a", "n"), ("bb", "10")], "a    n\nbb  10"),
        ([("名前", "1"), ("a", "22")], "名前   1\na     22"),
        ([("e\u0301", "1"), ("ab", "2")], "e\u0301   1\nab  2"),
        ([("", "")], ""),
        ([], ""),
    ],
)
def test_columns_of_text_stand_below_each_other(rows: list[tuple[str, ...]], text: str) -> None:
    assert align_columns(rows, right={1}) == text


# The digest


def test_of_very_many_kinds_of_failures_the_first_are_told_and_all_are_counted() -> None:
    failures = Failures()
    for place in range(2_400):
        failures.add(place, "g", Unscored(Status.ERROR, f"kind {place % 1_200}"))
    assert failures.count == 2_400
    assert list(failures.kinds) == [
        ("g", Status.ERROR, f"kind {number}") for number in range(1_000)
    ]
    assert {(alike.count, *alike.row_indexes) for alike in failures.kinds.values()} == {
        (2, n, n + 1_200) for n in range(1_000)
    }


def test_of_equally_bad_rows_the_first_are_shown() -> None:
    spec = "grader far = chars(x)\naggregate near = 9 - far"
    result = rmg.grade(spec, [{"x": "a" * (place % 3)} for place in range(30)])
    measure, rows = result.digest.worst_rows()
    assert (measure and measure.name, [row.row_index for row in rows]) == (
        "near",
        [2, 5, 8, 11, 14],
    )
    assert [row.cells["near"] for row in rows] == [7] * 5
