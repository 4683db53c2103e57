"""Estimates of statistics of columns: the value, its number of rows and its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from rmg_dsl.results import Estimate
from rmg_dsl.stats.bootstrap import bootstrap_interval
from rmg_dsl.stats.cells import (
    Cell,
    Counts,
    DistinctRows,
    Estimator,
    Measure,
    Options,
    Row,
    Sample,
    tabulate_cells,
)
from rmg_dsl.stats.definition import ColumnStatistic, StatisticDefinition
from rmg_dsl.stats.intervals import Interval
from rmg_dsl.stats.jackknife import MIN_SAMPLE_UNITS, Clusters, resampling_groups
from rmg_dsl.stats.pair_means import MeanOfPairs, pair_mean_estimator
from rmg_dsl.stats.ratings import is_missing_rating
from rmg_dsl.stats.registry import DEFINITIONS
from rmg_dsl.stats.undefined import why_unbounded, why_undefined


def confidence_interval(
    statistic: ColumnStatistic,
    rows: Sequence[Row],
    *,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> Interval | None:
    """The 95 % bounds of a statistic of columns, given the rows of these columns.

    >>> from rmg_dsl.stats.agreement import kappa
    >>> low, high = confidence_interval(kappa, [(1, 1), (2, 2), (1, 2), (2, 2), (1, 1)] * 20)
    >>> round(low, 1), round(high, 1)
    (0.5, 0.7)

    Options are given by `functools.partial(weighted_kappa, weights="linear")`. Rows that the
    statistic leaves out are dropped first. `clusters` names the cluster of each row; whole clusters
    are then drawn. A row with a gap there is a cluster of its own. The same seed and rows, in any
    order, give the same bounds.

    The method depends on the statistic:

    - Agreement and correlation: Fisher's z ± Student's t times the jackknife error. With gaps,
      ties, skew and clusters this holds the truth more often than a bootstrap does.
    - Standard deviation: the same, of its logarithm. Accuracy with clusters: of the logarithm of
      its odds.
    - Shares: Wilson's bounds. Means: the normal ones. Quantiles: those of order statistics.
    - Everything else, and the last three with clusters: 2,000 resamples, bias-corrected and
      accelerated (Efron, "Better bootstrap confidence intervals", 1987), or plain percentiles where
      that is undefined.

    Full agreement shows no error. Its lower bound is that of a judge who gives chance verdicts as
    often as so many rows can hide. Of over 1,000 unlike rows the jackknife takes 1,000, in blocks.

    None where the statistic is undefined; for fewer than 5 rows or clusters (but for shares, means
    and full agreement); where one row alone keeps it from being undefined; where no row or resample
    changes it; and where over 5 % of the resamples are undefined. Under 20 rows, or with a category
    in one row of ten, the truth is more often above the upper bound than it should be, and seldom
    below the lower one.
    """
    estimates = compute_estimates({"it": statistic}, rows, seed=seed, clusters=clusters)
    estimate = estimates["it"]
    if estimate.low is None or estimate.high is None:
        return None
    return Interval(estimate.low, estimate.high)


def compute_estimates(
    statistics: Mapping[str, ColumnStatistic | MeanOfPairs],
    rows: Sequence[Row],
    *,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> dict[str, Estimate]:
    """Several statistics of the same rows, each with its value, its number of rows and its bounds.

    >>> from rmg_dsl.stats.agreement import accuracy, kappa
    >>> rows = [(1, 1), (2, 2), (2, 2), (1, None)]
    >>> compute_estimates({"accuracy": accuracy, "kappa": kappa}, rows)["accuracy"].n
    3

    The seed, the clusters and the bounds are those of `confidence_interval`.
    """
    # The rows are compared once for all statistics.
    distinct = DistinctRows.of(rows)
    return {
        name: _estimate(_Job.of(statistic, rows), rows, distinct, clusters, seed)
        for name, statistic in statistics.items()
    }


def compute_statistic(
    statistic: ColumnStatistic | MeanOfPairs, rows: Sequence[Row]
) -> float | None:
    """A statistic of the columns of some rows, without its bounds.

    >>> from rmg_dsl.stats.agreement import accuracy
    >>> compute_statistic(MeanOfPairs(accuracy, ((0, 1), (0, 2))), [(1, 1, 2), (2, 2, 2)])
    0.75
    """
    job = _Job.of(statistic, rows)
    return job.sample(rows, DistinctRows.of(rows)).value


class _Job(NamedTuple):
    """A statistic to compute: its definition and options, and whether it is a mean over pairs."""

    definition: StatisticDefinition
    options: Options
    estimator: Estimator
    is_pair_mean: bool
    reads_row_numbers: bool

    @classmethod
    def of(cls, statistic: ColumnStatistic | MeanOfPairs, rows: Sequence[Row]) -> _Job:
        pairs = None
        if isinstance(statistic, MeanOfPairs):
            statistic, pairs = statistic
        definition, options = definition_of(statistic)
        if definition is None:
            # The options of a `partial` are applied by the function itself.
            definition = _own_definition(statistic, rows)
            options = {}
        estimator = definition.estimator(**options)
        if pairs is not None:
            estimator = pair_mean_estimator(estimator, pairs)
        is_own = definition.compute not in DEFINITIONS
        return cls(definition, options, estimator, pairs is not None, is_own)

    def sample(self, rows: Sequence[Row], distinct: DistinctRows) -> Sample:
        # Such a function may depend on the order of its rows, so equal rows are not joined.
        if self.reads_row_numbers:
            numbers = range(len(rows))
            distinct = DistinctRows.of([(number,) for number in numbers])
        table = tabulate_cells(self.estimator, distinct)
        measure = self.estimator.build(table.cells)
        value = measure(table.counts)
        return Sample(self.options, table, self.estimator.build, measure, value)


def definition_of(statistic: ColumnStatistic) -> tuple[StatisticDefinition | None, Options]:
    """The definition and the options of a function or a `partial` of one; None for any other.

    >>> from rmg_dsl.stats.quantiles import quantile
    >>> definition, options = definition_of(partial(quantile, q=0.1))
    >>> definition.name, options
    ('quantile', {'q': 0.1})
    """
    if isinstance(statistic, partial):
        return DEFINITIONS.get(statistic.func), statistic.keywords
    return DEFINITIONS.get(statistic), {}


def _own_definition(statistic: ColumnStatistic, rows: Sequence[Row]) -> StatisticDefinition:
    """Any other function of columns: a cell is the number of a row, each resample one call."""

    def build(cells: Sequence[Cell]) -> Measure:
        def measure(counts: Counts) -> float | None:
            drawn = [
                rows[number]
                for (number,), times in zip(cells, counts, strict=True)
                for _ in range(times)
            ]
            if not drawn:
                return None
            columns = zip(*drawn, strict=True)
            value = statistic(*columns)
            # Functions of numpy give NaN where they are undefined.
            return None if is_missing_rating(value) else value

        return measure

    return StatisticDefinition("", statistic, partial(Estimator, tuple, build))


def _estimate(
    job: _Job,
    rows: Sequence[Row],
    distinct: DistinctRows,
    clusters: Clusters | None,
    seed: int,
) -> Estimate:
    """The bounds hold the value: what the sample shows can never lie outside of them."""
    sample = job.sample(rows, distinct)
    n, value = sample.table.n, sample.value
    if value is None:
        return Estimate(n, None, why=_undefined_reason(job, sample))
    bounds = _interval(job, sample, clusters, seed)
    if bounds is None:
        return Estimate(n, value, why=_unbounded_reason(sample, clusters))
    low = min(bounds.low, value)
    high = max(bounds.high, value)
    return Estimate(n, value, low, high)


def _undefined_reason(job: _Job, sample: Sample) -> str:
    if job.is_pair_mean:
        return "it is undefined for every pair"
    return why_undefined(job.definition, sample.table, job.options)


def _unbounded_reason(sample: Sample, clusters: Clusters | None) -> str:
    if clusters is None:
        return why_unbounded(sample.table.n, MIN_SAMPLE_UNITS, "row")
    drawn = len(resampling_groups(sample.table, clusters))
    return why_unbounded(drawn, MIN_SAMPLE_UNITS, "group")


def _interval(job: _Job, sample: Sample, clusters: Clusters | None, seed: int) -> Interval | None:
    closed_form = job.definition.closed_form
    # A formula holds for independent rows; clusters and means of pairs need resamples.
    if closed_form is not None and clusters is None and not job.is_pair_mean:
        return closed_form(sample)
    groups = resampling_groups(sample.table, clusters)
    if job.definition.interval is not None:
        return job.definition.interval(sample, groups)
    return bootstrap_interval(sample, groups, seed)
