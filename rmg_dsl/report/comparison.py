"""Raters side by side: every pair of columns and all of them together, and a judge beside the people."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain, combinations
from typing import Any, NamedTuple

from rmg_dsl.report.agreement import (
    Ratings,
    accuracy,
    alpha,
    fleiss,
    kappa,
    kendall,
    pearson,
    spearman,
    weighted_kappa,
)
from rmg_dsl.report.bounds import Clusters, Statistic, estimates
from rmg_dsl.report.ratings import as_rows, categories_or_none, is_gap, numbers_or_none

AGREEMENT_COLUMNS = ("raters", "statistic", "n", "value", "low", "high")


class Ceiling(NamedTuple):
    """How far people agree with each other, and the judge with them: each the mean of the pairs behind it."""

    people: float | None
    judge: float | None
    between_people: tuple[float | None, ...]
    with_each: tuple[float | None, ...]


def human_ceiling(
    judge: Ratings, humans: Sequence[Ratings], statistic: Callable[[Ratings, Ratings], float | None]
) -> Ceiling:
    """The mean agreement of each two people, which no judge is expected to exceed, beside the judge's with each.

    >>> found = human_ceiling([1, 2, 2, 1], [[1, 2, 2, 2], [1, 2, 1, 2]], accuracy)
    >>> found.people, found.judge
    (0.75, 0.625)

    `statistic` is one of two raters. Only rows with a verdict of the judge count, for the people too, so that both rest
    on the same rows. A pair where it is undefined is None and left out of the mean; one person alone has no ceiling.
    """
    rows = [row for row in as_rows([judge, *humans]) if not is_gap(row[0])]
    own, *others = [[row[i] for row in rows] for i in range(len(humans) + 1)]
    between = tuple(statistic(a, b) for a, b in combinations(others, 2))
    each = tuple(statistic(own, other) for other in others)
    return Ceiling(_mean(between), _mean(each), between, each)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if defined else None


def agreement_table(
    columns: Mapping[str, Ratings],
    *,
    labels: Sequence[object] | None = None,
    ordered: bool = True,
    clusters: Clusters | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Every agreement that the columns allow, of each two and of all together, with the rows and the 95 % bounds.

    >>> for row in agreement_table({"judge": [1, 0, 1, 1, 0, 0], "ann": [1, 0, 1, 0, 0, None]})[:2]:
    ...     print(row["raters"], row["statistic"], row["n"], round(row["value"], 3))
    judge, ann accuracy 5 0.8
    judge, ann kappa 5 0.615

    Rows of `AGREEMENT_COLUMNS`; `n` counts the rows that a statistic rests on, None is undefined. Categories have
    accuracy and kappa, and together nominal alpha and Fleiss' kappa; numbers have the correlations and the other levels
    of alpha (`ratio` without values below 0); numbers that are categories have the weighted kappas too. `labels`, the
    labels of the scale in order, makes any ratings ordered categories; `ordered=False` makes numbers plain codes.
    Fewer than two columns are a `ValueError`, a rating that is neither number nor text too.
    """
    if len(columns) < 2:
        raise ValueError("agreement is between two columns or more")
    found = []
    for names in combinations(columns, 2):
        found += _rows(names, columns, _of_two([columns[name] for name in names], labels, ordered), clusters, seed)
    return found + _rows(tuple(columns), columns, _of_all([*columns.values()], labels, ordered), clusters, seed)


def _rows(
    names: Sequence[str],
    columns: Mapping[str, Ratings],
    wanted: Mapping[str, Statistic],
    clusters: Clusters | None,
    seed: int,
) -> list[dict[str, Any]]:
    rows = as_rows([columns[name] for name in names])
    found = estimates(wanted, rows, seed=seed, clusters=clusters)
    return [{"raters": ", ".join(names), "statistic": name, **each._asdict()} for name, each in found.items()]


def _of_two(columns: Sequence[Ratings], labels: Sequence[object] | None, ordered: bool) -> dict[str, Statistic]:
    categorical, numeric = _kinds(columns, labels)
    wanted: dict[str, Statistic] = {}
    if categorical:
        wanted |= {"accuracy": partial(accuracy, labels=labels), "kappa": partial(kappa, labels=labels)}
    if categorical and ordered and (numeric or labels is not None):
        wanted["weighted_kappa"] = partial(weighted_kappa, labels=labels)
        wanted["weighted_kappa_linear"] = partial(weighted_kappa, weights="linear", labels=labels)
    if numeric and ordered:
        wanted |= {"pearson": pearson, "spearman": spearman, "kendall": kendall}
    return wanted


def _of_all(columns: Sequence[Ratings], labels: Sequence[object] | None, ordered: bool) -> dict[str, Statistic]:
    categorical, numeric = _kinds(columns, labels)
    wanted: dict[str, Statistic] = {"alpha_nominal": partial(alpha, labels=labels)} if categorical else {}
    if ordered and (numeric or labels is not None):
        wanted["alpha_ordinal"] = partial(alpha, level="ordinal", labels=labels)
    if ordered and numeric:
        wanted["alpha_interval"] = partial(alpha, level="interval")
        if min(numbers_or_none(chain(*columns)) or [0.0]) >= 0:
            wanted["alpha_ratio"] = partial(alpha, level="ratio")
    return wanted | ({"fleiss": partial(fleiss, labels=labels)} if categorical else {})


def _kinds(columns: Sequence[Ratings], labels: Sequence[object] | None) -> tuple[bool, bool]:
    """Are the ratings categories, and are they numbers?"""
    categorical = labels is not None or categories_or_none(chain(*columns)) is not None
    numeric = numbers_or_none(chain(*columns)) is not None
    if not categorical and not numeric:
        raise ValueError("ratings are numbers, or texts and whole numbers; these are neither")
    return categorical, numeric
