"""Estimates at a level: all rows together, the rows of each group, or the means of groups."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence

from rmg_dsl.ir.suite import ValidationLevel
from rmg_dsl.results import Estimate
from rmg_dsl.stats.cells import Row
from rmg_dsl.stats.definition import ColumnStatistic
from rmg_dsl.stats.estimates import compute_estimates, compute_statistic, definition_of
from rmg_dsl.stats.intervals import student_t_quantile
from rmg_dsl.stats.jackknife import MIN_SAMPLE_UNITS, Clusters
from rmg_dsl.stats.pair_means import MeanOfPairs
from rmg_dsl.stats.ratings import is_missing_rating, rating_as_number
from rmg_dsl.stats.undefined import why_unbounded

NamedStatistics = Mapping[str, ColumnStatistic | MeanOfPairs]


def estimates_at_level(
    level: ValidationLevel,
    named: NamedStatistics,
    rows: Sequence[Row],
    groups: Clusters | None = None,
    *,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Statistics of columns at a level, given the group of each row.

    >>> from rmg_dsl.stats.correlation import pearson
    >>> rows, groups = [(1, 2), (2, 3), (5, 9), (6, 8)], ["a", "a", "b", "b"]
    >>> for level in ("pooled", "per_group", "system"):
    ...     estimates = estimates_at_level(level, {"r": pearson}, rows, groups)
    ...     print(level, round(estimates["r"].value, 3))
    pooled 0.957
    per_group 0.0
    system 1.0

    - `pooled`: the statistic of all rows. Its bounds take the groups as clusters, where there are
      groups.
    - `per_group`: the mean of the statistic over the groups where it is defined, with Student's
      bounds of that mean.
    - `system`: the statistic of the means of each column, one mean for each group.

    `n` counts rows at the first level and groups at the others, which leave out rows without a
    group.
    """
    if not named:
        return {}
    if level == "pooled" or groups is None:
        return compute_estimates(named, rows, seed=seed, clusters=groups)
    rows_by_group = _group_rows(rows, groups)
    if level == "system":
        means = [_column_means(group) for group in rows_by_group.values()]
        estimates = compute_estimates(named, means, seed=seed)
        return {name: _in_groups(estimate) for name, estimate in estimates.items()}
    return {
        name: _mean_within_groups(statistic, [*rows_by_group.values()])
        for name, statistic in named.items()
    }


def _in_groups(estimate: Estimate) -> Estimate:
    """An estimate whose rows were the means of groups."""
    # The reason was written for rows; here each of them stood for a group.
    return estimate._replace(why=estimate.why.replace("row", "group"))


def _group_rows(rows: Sequence[Row], groups: Clusters) -> dict[Hashable, list[Row]]:
    rows_by_group: dict[Hashable, list[Row]] = {}
    for row, group in zip(rows, groups, strict=True):
        # A row without a group belongs to none, so that it has no level to be counted at.
        if not is_missing_rating(group):
            rows_by_group.setdefault(group, []).append(row)
    return rows_by_group


def _column_means(rows: Sequence[Row]) -> Row:
    return tuple(_mean_or_gap(column) for column in zip(*rows, strict=True))


def _mean_or_gap(column: Sequence[object]) -> float | None:
    numbers = [rating_as_number(value) for value in column if not is_missing_rating(value)]
    if not numbers:
        return None
    return math.fsum(numbers) / len(numbers)


def _mean_within_groups(
    statistic: ColumnStatistic | MeanOfPairs, groups: Sequence[Sequence[Row]]
) -> Estimate:
    """The mean over the groups where the statistic is defined, with Student's bounds."""
    computed = [compute_statistic(statistic, group) for group in groups]
    values = [value for value in computed if value is not None]
    n = len(values)
    if not n:
        return Estimate(0, None, why="it is undefined within every group")
    centre = math.fsum(values) / n
    # Equal values of all groups show no error, as few groups do.
    spread = statistics.stdev(values) if n >= MIN_SAMPLE_UNITS else 0.0
    if not spread:
        return Estimate(n, centre, why=why_unbounded(n, MIN_SAMPLE_UNITS, "group"))
    half = student_t_quantile(n - 1) * spread / math.sqrt(n)
    # Every statistic that is averaged over groups is at most 1.
    low = max(centre - half, _lowest_value(statistic))
    return Estimate(n, centre, low, min(centre + half, 1.0))


def _lowest_value(statistic: ColumnStatistic | MeanOfPairs) -> float:
    if isinstance(statistic, MeanOfPairs):
        statistic = statistic.statistic
    definition, _ = definition_of(statistic)
    if definition is None:
        return -math.inf
    return definition.lowest
