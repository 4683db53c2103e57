"""The median and the other quantiles of one column."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import accumulate

from rmg_dsl.stats.cells import (
    Cell,
    Counts,
    Estimator,
    Measure,
    Sample,
    apply_estimator,
    read_numbers,
)
from rmg_dsl.stats.definition import StatisticDefinition
from rmg_dsl.stats.intervals import Interval
from rmg_dsl.stats.ratings import Ratings
from rmg_dsl.stats.shares_and_means import sorted_values

_TAIL = 0.025


def median(values: Sequence[float]) -> float | None:
    """The middle value, or the mean of the two in the middle.

    >>> median([1, 5, 2]), median([1, 2])
    (2, 1.5)

    None without values. The values have no gaps.
    """
    if not values:
        return None
    return statistics.median(values)


def quantile(values: Ratings, q: float) -> float | None:
    """The value below which the share q of the values lies, interpolated between neighbours.

    >>> quantile([1, 2, None, 3, 4], 0.5), quantile([], 0.5)
    (2.5, None)

    The least value at q = 0, the greatest at 1. None without values. Raises ValueError for q
    outside 0..1. Definition 7 of Hyndman and Fan, "Sample quantiles in statistical packages"
    (1996), which is the default of numpy.
    """
    return apply_estimator(quantile_estimator(q), [values])


def quantile_estimator(q: float) -> Estimator:
    """The estimator of `quantile`."""
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile is asked for a share from 0 to 1, and {q!r} is none")
    return Estimator(read_numbers, partial(_quantile_measure, q=q))


def median_estimator() -> Estimator:
    """The estimator of `median`."""
    return quantile_estimator(0.5)


def _quantile_measure(cells: Sequence[Cell], q: float) -> Measure:
    """Linear interpolation; the cells are in the order of their values."""
    values: list[float] = [value for (value,) in cells]

    def measure(counts: Counts) -> float | None:
        ends = list(accumulate(counts))
        if not ends or not ends[-1]:
            return None
        # The place of the quantile among the sorted rows, from 0; mostly between two of them.
        rank = (ends[-1] - 1) * q
        low = values[_cell_of_row(ends, int(rank))]
        high = values[_cell_of_row(ends, math.ceil(rank))]
        return low + (high - low) * (rank - int(rank))

    return measure


def _cell_of_row(ends: Sequence[int], row: int) -> int:
    """The cell that holds a row, given the number of rows up to the end of each cell."""
    return bisect_right(ends, row)


def _order_statistic_interval(sample: Sample) -> Interval | None:
    """Two sorted values that hold the quantile in 95 % of the samples of any distribution."""
    # Every value, not only the distinct ones: ranks count rows.
    values = sorted_values(sample.table)
    q = sample.options.get("q", 0.5)
    # No value of a sample bounds the least or the greatest value of all.
    if not 0 < q < 1:
        return None
    low, high = _outer_ranks(len(values), q)
    if not 0 < low < high <= len(values):
        return None
    return Interval(values[low - 1], values[high - 1])


def _outer_ranks(n: int, q: float) -> tuple[int, int]:
    """The greatest rank with 2.5 % or less below it, and the least with 2.5 % or less above it.

    0 and n + 1 stand for no rank.
    """
    # The binomial chance that i of n rows are below the quantile. By logarithms: a factorial of
    # many rows is too large for a float.
    log_factorials = [math.lgamma(i + 1) for i in range(n + 1)]
    log_q, log_rest = math.log(q), math.log1p(-q)
    chances = (
        math.exp(
            log_factorials[n]
            - log_factorials[i]
            - log_factorials[n - i]
            + i * log_q
            + (n - i) * log_rest
        )
        for i in range(n)
    )
    below = list(accumulate(chances))
    return bisect_right(below, _TAIL), bisect_left(below, 1 - _TAIL) + 1


STATISTICS = (
    StatisticDefinition("median", median, median_estimator, closed_form=_order_statistic_interval),
    StatisticDefinition(
        "quantile", quantile, quantile_estimator, closed_form=_order_statistic_interval
    ),
)
