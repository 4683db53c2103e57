"""Agreement and its bounds: equal to the published libraries and figures, defined at the edges,
lawful everywhere.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import krippendorff
import numpy
import paths
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rmg_dsl.stats.agreement import accuracy, kappa, weighted_kappa
from rmg_dsl.stats.comparison import AGREEMENT_COLUMNS, agreement_table
from rmg_dsl.stats.correlation import kendall, pearson, spearman
from rmg_dsl.stats.estimates import compute_estimates, confidence_interval
from rmg_dsl.stats.intervals import share_interval, student_t_quantile
from rmg_dsl.stats.quantiles import median, quantile
from rmg_dsl.stats.ratings import categories_or_none
from rmg_dsl.stats.registry import STATISTICS
from rmg_dsl.stats.reliability import alpha, fleiss
from rmg_dsl.stats.shares_and_means import count, mean, mean_interval, share
from rmg_dsl.stats.spread import stdev, variance

CASES = paths.CASES / "agreement"
Column = list[Any]


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / name).read_text("utf-8").splitlines()]


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


unhurried = settings(deadline=None, max_examples=60)

weighted = weighted_kappa
linear = partial(weighted, weights="linear")
NOMINAL: list[Callable[..., float | None]] = [accuracy, kappa]
ORDERED: list[Callable[..., float | None]] = [weighted, linear]
CORRELATIONS = [pearson, spearman, kendall]
LEVELS: list[Any] = ["nominal", "ordinal", "interval", "ratio"]
ALPHAS: list[Callable[..., float | None]] = [partial(alpha, level=level) for level in LEVELS]
TWO: list[Callable[..., float | None]] = [*NOMINAL, *ORDERED, *CORRELATIONS, *ALPHAS, fleiss]
SEVERAL = [*ALPHAS, fleiss]


def named(function: Any) -> str:
    return (
        "-".join([function.func.__name__, *function.keywords.values()])
        if isinstance(function, partial)
        else function.__name__
    )


each_of_two = pytest.mark.parametrize("statistic", TWO, ids=named)
each_of_several = pytest.mark.parametrize("statistic", SEVERAL, ids=named)

marks = st.one_of(st.none(), st.integers(1, 4))
reals = st.one_of(st.none(), st.integers(-3, 3), st.floats(-100, 100).map(lambda x: round(x, 3)))


def columns(
    values: st.SearchStrategy[Any], raters: int = 2, rows: int = 14
) -> st.SearchStrategy[list[Column]]:
    """Columns of few rows, so that gaps, ties and constants come up often."""
    return st.lists(st.tuples(*[values] * raters), max_size=rows).map(
        lambda r: [[x[i] for x in r] for i in range(raters)]
    )


def pairs(a: Sequence[Any], b: Sequence[Any]) -> tuple[Column, Column]:
    kept = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return [x for x, _ in kept], [y for _, y in kept]


# The data first


@pytest.mark.parametrize("case", cases("textbook.jsonl"), ids=lambda case: case["name"])
def test_a_textbook_gives_its_published_figures(case: dict[str, Any]) -> None:
    for expected in case["expected"]:
        raters = [case["raters"][i] for i in expected["of"] or range(len(case["raters"]))]
        found = STATISTICS[expected["function"]].compute(*raters, **expected["options"])
        assert found is not None
        digits = len(str(expected["value"]).split(".")[1])
        assert round(found, max(digits, 2)) == expected["value"]


@pytest.mark.parametrize(
    "case", cases("edges.jsonl"), ids=lambda case: f"{case['function']}: {case['why']}"
)
def test_an_edge_is_as_documented(case: dict[str, Any]) -> None:
    function = partial(STATISTICS[case["function"]].compute, *case["args"], **case["options"])
    if case["expected"] == "error":
        with pytest.raises(ValueError, match=case["match"]):
            function()
    else:
        found = function()
        assert found == (None if case["expected"] is None else near(case["expected"]))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        ([None, float("nan")], []),
        ([3, 3.33], None),
        ([True, 1, 1.0, 0], [0, 1]),
        (["b", 2, "a", None], [2, "a", "b"]),
        ([[1]], None),
        ([float("inf")], None),
    ],
)
def test_categories_are_told_from_other_values(values: Column, found: Any) -> None:
    assert categories_or_none(values) == found


# Against the libraries


@unhurried
@given(columns(marks))
def test_kappas_and_accuracy_are_those_of_scikit_learn(raters: list[Column]) -> None:
    a, b = pairs(*raters)
    assert accuracy(*raters) == (near(sklearn.metrics.accuracy_score(a, b)) if a else None)
    for ours, weights in ((kappa, None), (weighted, "quadratic"), (linear, "linear")):
        found = ours(*raters)
        if len(a) < 2 or len({*a, *b}) == 1:
            assert found is None
        else:
            assert found == near(sklearn.metrics.cohen_kappa_score(a, b, weights=weights))


@unhurried
@given(columns(st.integers(1, 5)))
def test_weighted_kappa_of_a_whole_scale_is_that_of_scikit_learn(raters: list[Column]) -> None:
    a, b = raters
    assume(len(a) > 1 and len({*a, *b}) > 1)
    for weights in ("quadratic", "linear"):
        theirs = sklearn.metrics.cohen_kappa_score(a, b, weights=weights, labels=[1, 2, 3, 4, 5])
        assert weighted(a, b, weights, labels=[1, 2, 3, 4, 5]) == near(theirs)


@unhurried
@given(st.one_of(columns(marks), columns(reals)))
def test_correlations_are_those_of_scipy(raters: list[Column]) -> None:
    a, b = pairs(*raters)
    oracles = (scipy.stats.pearsonr, scipy.stats.spearmanr, scipy.stats.kendalltau)
    for ours, theirs in zip(CORRELATIONS, oracles, strict=True):
        found = ours(*raters)
        if len(a) < 2 or len({*a}) == 1 or len({*b}) == 1:
            assert found is None
        else:
            assert found == near(theirs(a, b).statistic)


@unhurried
@given(st.one_of(columns(marks, 3), columns(reals, 4, 8)), st.sampled_from(LEVELS))
def test_alpha_is_that_of_krippendorff(raters: list[Column], level: Any) -> None:
    units = [
        unit
        for row in zip(*raters, strict=True)
        if len(unit := [v for v in row if v is not None]) > 1
    ]
    whole = all(value is None or float(value).is_integer() for column in raters for value in column)
    least = min((value for unit in units for value in unit), default=0)
    assume(not (level == "nominal" and not whole) and not (level == "ratio" and least < 0))
    found = alpha(*raters, level=level)
    if len(units) < 2 or len({value for unit in units for value in unit}) == 1:
        assert found is None
    else:
        data = numpy.array(raters, dtype=float)
        assert found == near(krippendorff.alpha(reliability_data=data, level_of_measurement=level))


def fleiss_by_the_paper(units: numpy.ndarray[Any, Any]) -> float:
    """Fleiss 1971, equations 2 to 7, over counts of units × categories."""
    raters = units.sum(1)[0]
    agreeing = ((units**2).sum(1) - raters) / (raters * (raters - 1))
    chance = ((units.sum(0) / units.sum()) ** 2).sum()
    return float((agreeing.mean() - chance) / (1 - chance))


@unhurried
@given(columns(marks, 3))
def test_fleiss_is_that_of_its_paper(raters: list[Column]) -> None:
    units = [row for row in zip(*raters, strict=True) if None not in row]
    if len(units) < 2 or len({value for unit in units for value in unit}) == 1:
        assert fleiss(*raters) is None
    else:
        counts = numpy.array([[unit.count(category) for category in range(1, 5)] for unit in units])
        assert fleiss(*raters) == near(fleiss_by_the_paper(counts))


@unhurried
@given(st.lists(reals, max_size=20), st.floats(0, 1))
def test_spread_and_quantile_are_those_of_numpy(values: Column, q: float) -> None:
    kept = [value for value in values if value is not None]
    assert stdev(values) == (near(numpy.std(kept, ddof=1)) if len(kept) > 1 else None)
    assert variance(values) == (near(numpy.var(kept, ddof=1)) if len(kept) > 1 else None)
    assert quantile(values, q) == (near(numpy.quantile(kept, q)) if kept else None)


# Laws


@each_of_two
@settings(deadline=None, max_examples=30)
@given(raters=columns(st.one_of(st.none(), st.integers(0, 4))), shuffle=st.randoms())
def test_order_gaps_and_range_change_nothing(
    statistic: Any, raters: list[Column], shuffle: random.Random
) -> None:
    found = statistic(*raters)
    assert found is None or (-1 - 1e-12 <= found <= 1 if statistic not in SEVERAL else found <= 1)
    assert statistic(raters[1], raters[0]) == found
    rows = [*zip(*raters, strict=True), (None, 3), (None, None)]
    shuffle.shuffle(rows)
    assert statistic(*zip(*rows, strict=True)) == found


@each_of_several
@settings(deadline=None, max_examples=30)
@given(raters=columns(marks, 4), order=st.permutations(range(4)))
def test_raters_may_change_places(statistic: Any, raters: list[Column], order: list[int]) -> None:
    assert statistic(*[raters[i] for i in order]) == statistic(*raters)


@unhurried
@given(columns(marks))
def test_names_of_categories_do_not_count(raters: list[Column]) -> None:
    renamed = [[None if v is None else "dcba"[v - 1] for v in column] for column in raters]
    for statistic in (accuracy, kappa, alpha, fleiss):
        assert statistic(*renamed) == statistic(*raters)


@unhurried
@given(columns(marks))
def test_bools_and_whole_floats_are_numbers(raters: list[Column]) -> None:
    bits = [[None if v is None else v > 2 for v in column] for column in raters]
    for statistic in TWO:
        assert statistic(bits[0], [None if v is None else float(v) for v in bits[1]]) == statistic(
            *bits
        )


CHANGES: tuple[Callable[[int], int], ...] = (lambda v: v**3, lambda v: 7 * v - 300)


@unhurried
@given(columns(st.integers(1, 5), 3, 10))
def test_a_rising_change_of_scale_keeps_ranks_and_a_straight_one_intervals(
    raters: list[Column],
) -> None:
    cubes, straight = ([[f(v) for v in column] for column in raters] for f in CHANGES)
    assert alpha(*cubes, level="ordinal") == alpha(*raters, level="ordinal")
    for statistic in (spearman, kendall):
        assert statistic(*cubes[:2]) == statistic(*raters[:2])
    for found, same in (
        (alpha(*straight, level="interval"), alpha(*raters, level="interval")),
        (pearson(*straight[:2]), pearson(*raters[:2])),
    ):
        assert (found is None) == (same is None)
        assert found is None or same is None or found == near(same)


@unhurried
@given(columns(st.integers(1, 4), 3, 10))
def test_nominal_alpha_is_fleiss_corrected_for_few_ratings(raters: list[Column]) -> None:
    found, few = fleiss(*raters), 3 * len(raters[0])
    if found is not None:
        assert alpha(*raters) == near(found + (1 - found) / few)


# Bounds


def noisy(rng: random.Random, n: int, flaw: float = 0.3) -> list[tuple[int, int]]:
    """Two raters of five grades, who each give a chance grade with the chance `flaw`: their kappa
    is (1 − flaw)².
    """
    true = [rng.randint(1, 5) for _ in range(n)]
    return [(_blurred(rng, v, flaw), _blurred(rng, v, flaw)) for v in true]


def _blurred(rng: random.Random, value: int, flaw: float) -> int:
    return rng.randint(1, 5) if rng.random() < flaw else value


ROWS = noisy(random.Random(1), 60)


@each_of_two
def test_bounds_hold_the_value_and_depend_on_seed_and_rows_alone(statistic: Any) -> None:
    found = confidence_interval(statistic, ROWS, seed=3)
    assert found is not None
    assert found.low < statistic(*zip(*ROWS, strict=True)) < found.high
    shuffled = [*ROWS, (None, 2)]
    random.Random(0).shuffle(shuffled)
    assert confidence_interval(statistic, shuffled, seed=3) == found


@each_of_two
def test_clusters_of_one_row_change_only_closed_forms_and_copies_teach_nothing(
    statistic: Any,
) -> None:
    alone = confidence_interval(statistic, ROWS, clusters=[None] * len(ROWS))
    assert alone == confidence_interval(statistic, ROWS, clusters=range(len(ROWS)))
    assert alone == confidence_interval(statistic, ROWS) or statistic is accuracy
    copied = confidence_interval(statistic, ROWS * 4, clusters=[*range(len(ROWS))] * 4)
    flat = confidence_interval(statistic, ROWS * 4)
    assert alone
    assert copied
    assert flat
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.15)
    assert flat.high - flat.low < 0.6 * (copied.high - copied.low)


@pytest.mark.parametrize("n", [3, 10, 1000])
@each_of_two
def test_full_agreement_of_few_rows_proves_little(statistic: Any, n: int) -> None:
    rows = [(i % 3, i % 3) for i in range(n)]
    found = confidence_interval(statistic, rows)
    assert found is not None
    assert found.high == pytest.approx(1)
    low = 1 - 3.8415 / (n + 3.8415) / (
        1 if statistic is accuracy else 1 - sum(x * x for x in shares(rows))
    )
    assert found.low == pytest.approx(low, abs=1e-4)
    mirrored = confidence_interval(pearson, rows)
    assert mirrored is not None
    assert confidence_interval(pearson, [(a, -b) for a, b in rows]) == pytest.approx(
        (-1, -mirrored[0])
    )


def shares(rows: Sequence[Any]) -> list[float]:
    return [rows.count(row) / len(rows) for row in set(rows)]


@pytest.mark.parametrize(
    ("statistic", "rows"),
    [
        (kappa, []),
        (kappa, [(1, 2), (2, 2), (1, 1), (2, 1)]),  # four rows
        (pearson, [(1, 2), (2, 2), (1, 1), (2, 1)]),
        (kappa, [(1, 1)] * 30),  # undefined
        (kappa, [(1, 1), (1, 2)] * 30),  # one rater is constant: 0 in every resample
        (kappa, [(1, 1)] * 30 + [(1, 2)] + [(2, 2)]),  # undefined in many resamples
        (stdev, [(4,)] * 30),
        (mean, [(4,)]),
        (partial(quantile, q=0.5), [(1,), (2,), (3,), (4,), (5,)]),  # 1/32 lies below all
        (partial(quantile, q=1), [(i,) for i in range(100)]),
    ],
)
def test_bounds_that_would_say_too_much_are_none(statistic: Any, rows: list[Any]) -> None:
    found = confidence_interval(statistic, rows)
    assert found is None or (statistic is kappa and len(rows) == 32)


def test_closed_forms_are_those_of_the_summary() -> None:
    values = [1, 5, 3, 4, 4, 2, 5]
    alone = [(value,) for value in values]
    assert confidence_interval(mean, [*alone, (None,)]) == pytest.approx(mean_interval(values))
    assert confidence_interval(share, [(v > 2,) for v in values]) == share_interval(5, 7)
    assert confidence_interval(accuracy, [(v > 2, True) for v in values]) == share_interval(5, 7)
    low, high = share_interval(5, 7) or (0, 0)
    assert confidence_interval(count, [(v > 2,) for v in values]) == pytest.approx(
        (7 * low, 7 * high)
    )
    assert confidence_interval(median, alone) == confidence_interval(
        partial(quantile, q=0.5), alone
    )


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [6, 37, 400])
def test_bounds_of_a_quantile_are_those_of_scipy(n: int, q: float) -> None:
    values = [float(i) for i in range(1, n + 1)]
    theirs = scipy.stats.quantile_test(values, q=0, p=q).confidence_interval(0.95)
    found = confidence_interval(partial(quantile, q=q), [(v,) for v in values])
    if math.isnan(theirs.low) or math.isnan(theirs.high):
        assert found is None
    else:
        assert found == (theirs.low, theirs.high)


def test_bounds_by_resampling_are_near_those_of_scipy() -> None:
    rng = random.Random(2)
    values = [rng.expovariate(1) for _ in range(80)]

    def skewness(column: Sequence[float]) -> float:
        return float(scipy.stats.skew(column))

    theirs = scipy.stats.bootstrap(
        (values,), skewness, n_resamples=2000, rng=numpy.random.default_rng(0), vectorized=False
    ).confidence_interval
    assert confidence_interval(skewness, [(v,) for v in values]) == pytest.approx(
        (theirs.low, theirs.high), abs=0.12
    )


def test_any_other_function_of_columns_has_bounds_too() -> None:
    def unknown(a: Column, b: Column) -> float | None:
        return kappa(a, b)

    found, same = confidence_interval(unknown, ROWS), confidence_interval(kappa, ROWS)
    assert found == pytest.approx(same, abs=0.05)


def test_estimates_are_the_bounds_one_by_one() -> None:
    wanted: dict[str, Any] = {
        "kappa": kappa,
        "weighted": linear,
        "pearson": pearson,
        "accuracy": accuracy,
    }
    found = compute_estimates(wanted, [*ROWS, (None, 1)], seed=5)
    for name, statistic in wanted.items():
        assert found[name][2:4] == confidence_interval(statistic, ROWS, seed=5)
        assert found[name].n == len(ROWS)


@pytest.mark.parametrize("statistic", [kappa, weighted, *CORRELATIONS, *ALPHAS, fleiss], ids=named)
def test_bounds_hold_the_truth_about_as_often_as_they_say(statistic: Any) -> None:
    rng = random.Random(11)
    truth = statistic(*zip(*noisy(rng, 20_000), strict=True))
    found = [confidence_interval(statistic, noisy(rng, 40)) for _ in range(250)]
    held = sum(
        interval is not None and interval.low <= truth <= interval.high for interval in found
    )
    assert 0.9 <= held / 250 <= 1


@pytest.mark.parametrize("n", [300, 700, 4000])
def test_bounds_of_very_many_rows_are_those_of_theory(n: int) -> None:
    rng = random.Random(7)
    found = [
        confidence_interval(
            pearson, [(x := rng.gauss(0, 1), x + rng.gauss(0, 1)) for _ in range(n)]
        )
        for _ in range(8)
    ]
    widths = [
        math.atanh(interval.high) - math.atanh(interval.low) for interval in found if interval
    ]
    assert len(widths) == 8
    assert sum(widths) / 8 == pytest.approx(2 * 1.96 / math.sqrt(n - 3), rel=0.08)


def test_clusters_are_taken_into_account() -> None:
    rng = random.Random(4)
    held, flat, truth = 0, 0, 0.7
    for _ in range(150):
        clusters = [c for c in range(20) for _ in range(5)]
        spoilt = [rng.random() < 1 - truth for _ in range(20)]
        first = [rng.randint(1, 4) for _ in clusters]
        rows = [
            (v, rng.randint(1, 4) if spoilt[c] else v) for v, c in zip(first, clusters, strict=True)
        ]
        by_cluster, by_row = (
            confidence_interval(kappa, rows, clusters=clusters),
            confidence_interval(kappa, rows),
        )
        held += by_cluster is not None and by_cluster.low <= truth <= by_cluster.high
        flat += by_row is not None and by_row.low <= truth <= by_row.high
    assert held / 150 > 0.9
    assert flat / 150 < 0.85


@pytest.mark.parametrize("statistic", [stdev, variance, median], ids=named)
def test_bounds_of_one_column_hold_the_truth_too(statistic: Any) -> None:
    rng = random.Random(5)
    truth = 0 if statistic is median else 1
    found = [
        confidence_interval(statistic, [(rng.gauss(0, 1),) for _ in range(12)]) for _ in range(250)
    ]
    assert (
        sum(interval is not None and interval.low <= truth <= interval.high for interval in found)
        / 250
        > 0.9
    )


@pytest.mark.parametrize("freedom", [4, 10, 100, 10_000])
def test_students_t_is_that_of_scipy(freedom: int) -> None:
    assert student_t_quantile(freedom) == pytest.approx(
        scipy.stats.t.ppf(0.975, freedom), rel=0.003
    )


# Raters side by side


FULL = [
    "accuracy",
    "kappa",
    "weighted_kappa",
    "weighted_kappa_linear",
    "pearson",
    "spearman",
    "kendall",
]
TOGETHER = ["alpha_nominal", "alpha_ordinal", "alpha_interval", "alpha_ratio", "fleiss"]


@pytest.mark.parametrize(
    ("a", "options", "statistics"),
    [
        ([1, 2, 2, None], {}, FULL + TOGETHER),
        ([1, 2, 2, -1], {}, FULL + TOGETHER[:3] + TOGETHER[4:]),
        ([1, 2, 2, None], {"ordered": False}, ["accuracy", "kappa", "alpha_nominal", "fleiss"]),
        ([1.5, 2, 2, None], {}, FULL[4:] + TOGETHER[1:4]),
        (["1", 2, "x", None], {}, ["accuracy", "kappa", "alpha_nominal", "fleiss"]),
        (["x", 2, 1, None], {"labels": [1, 2, "x"]}, FULL[:4] + TOGETHER[:2] + TOGETHER[4:]),
        ([None] * 4, {}, FULL + TOGETHER),
    ],
)
def test_a_table_has_what_the_ratings_allow(a: Column, options: Any, statistics: list[str]) -> None:
    table = agreement_table({"a": a, "b": [1, 2, 1, 2]}, **options)
    assert [row["statistic"] for row in table] == statistics
    assert all(tuple(row) == AGREEMENT_COLUMNS for row in table)


def test_a_table_has_every_pair_and_all_together() -> None:
    raters: dict[str, list[Any]] = {
        name: [row[i % 2] for row in ROWS] for i, name in enumerate("abc")
    }
    raters["c"] = [None, *raters["c"][1:-1], 1]
    table: list[dict[str, Any]] = [{**row} for row in agreement_table(raters, seed=2)]
    assert [*dict.fromkeys(row["raters"] for row in table)] == ["a, b", "a, c", "b, c", "a, b, c"]
    for row in table:
        columns = [raters[name] for name in row["raters"].split(", ")]
        name, _, option = row["statistic"].partition("_")
        if name == "alpha":
            assert row["value"] == alpha(*columns, level=option)
            assert row["n"] == (59 if len(columns) == 2 and "c" in row["raters"] else 60)
        assert row["low"] <= row["value"] <= row["high"]


@pytest.mark.parametrize(
    ("raters", "message"),
    [
        ({"a": [1]}, "two columns or more"),
        ({"a": [1], "b": [[1]]}, "these are neither"),
        ({"a": ["x", 1], "b": [0.5, 1]}, "these are neither"),
        ({"a": ["1", "2"], "b": [1, 2]}, "`a` has texts and `b` has numbers: they can never agree"),
        ({"a": [1], "b": []}, "different lengths"),
    ],
)
def test_a_table_of_nothing_to_compare_is_an_error(raters: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agreement_table(raters)
