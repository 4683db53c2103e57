"""What is compared: all rows together, the rows of each group by themselves, or the means of the groups."""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Hashable, Mapping, Sequence

from rmg_dsl.ir.suite import ValidationLevel
from rmg_dsl.results import Estimate
from rmg_dsl.stats import agreement
from rmg_dsl.stats.estimators import Row
from rmg_dsl.stats.intervals import (
    MIN_SAMPLE_UNITS,
    Clusters,
    ColumnStatistic,
    MeanOfPairs,
    compute_estimates,
    compute_statistic,
    student_t_quantile,
)
from rmg_dsl.stats.ratings import is_missing_rating, rating_as_number
from rmg_dsl.stats.undefined import why_unbounded

NamedStatistics = Mapping[str, ColumnStatistic | MeanOfPairs]


def estimates_at_level(
    level: ValidationLevel,
    wanted: NamedStatistics,
    rows: Sequence[Row],
    groups: Clusters | None = None,
    *,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Statistics of columns at a level, given the group of each row.

    >>> from rmg_dsl.stats.agreement import pearson
    >>> rows = [(1, 2), (2, 3), (5, 9), (6, 8)]
    >>> for level in ("pooled", "per_group", "system"):
    ...     print(level, round(estimates_at_level(level, {"r": pearson}, rows, ["a", "a", "b", "b"])["r"].value, 3))
    pooled 0.957
    per_group 0.0
    system 1.0

    At `pooled` the statistic of all rows, whose bounds take the groups as clusters, where there are groups. At
    `per_group` the mean of the statistic within each group where it is defined, and Student's bounds of that mean. At
    `system` the statistic of the mean of each column in each group. `n` counts rows at the first level and groups at
    the others, which leave out rows without a group.
    """
    if not wanted:
        return {}
    if level == "pooled" or groups is None:
        return compute_estimates(wanted, rows, seed=seed, clusters=groups)
    grouped = _group_rows(rows, groups)
    if level == "system":
        found = compute_estimates(
            wanted, [_column_means(each) for each in grouped.values()], seed=seed
        )
        return {
            name: each._replace(why=each.why.replace("row", "group"))
            for name, each in found.items()
        }
    return {
        name: _mean_within_groups(statistic, [*grouped.values()])
        for name, statistic in wanted.items()
    }


def _group_rows(rows: Sequence[Row], groups: Clusters) -> dict[Hashable, list[Row]]:
    found: dict[Hashable, list[Row]] = {}
    for row, group in zip(rows, groups, strict=True):
        if not is_missing_rating(group):
            found.setdefault(group, []).append(row)
    return found


def _column_means(rows: Sequence[Row]) -> Row:
    columns = (
        [rating_as_number(value) for value in column if not is_missing_rating(value)]
        for column in zip(*rows, strict=True)
    )
    return tuple(math.fsum(column) / len(column) if column else None for column in columns)


def _mean_within_groups(
    statistic: ColumnStatistic | MeanOfPairs, groups: Sequence[Sequence[Row]]
) -> Estimate:
    values = [
        value for group in groups if (value := compute_statistic(statistic, group)) is not None
    ]
    n = len(values)
    if not n:
        return Estimate(0, None, why="it is undefined within every group")
    centre = math.fsum(values) / n
    spread = plain.stdev(values) if n >= MIN_SAMPLE_UNITS else 0.0
    if not spread:
        return Estimate(n, centre, why=why_unbounded(n, MIN_SAMPLE_UNITS, "group"))
    half = student_t_quantile(n - 1) * spread / math.sqrt(n)
    bare = statistic.statistic if isinstance(statistic, MeanOfPairs) else statistic
    least = 0.0 if getattr(bare, "func", bare) is agreement.accuracy else -math.inf
    return Estimate(n, centre, max(centre - half, least), min(centre + half, 1.0))
