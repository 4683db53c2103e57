"""How far the values of one column lie apart: the standard deviation and the variance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from rmg_dsl.stats.cells import (
    Cell,
    CellTable,
    Counts,
    Estimator,
    Group,
    Measure,
    Options,
    Sample,
    apply_estimator,
    read_numbers,
)
from rmg_dsl.stats.definition import StatisticDefinition
from rmg_dsl.stats.intervals import Interval
from rmg_dsl.stats.jackknife import jackknife_margin
from rmg_dsl.stats.ratings import Ratings
from rmg_dsl.stats.scaling import rescale_to_unit, subtract_mean


def stdev(values: Ratings) -> float | None:
    """The standard deviation of a sample: the squares are divided by their number less one.

    >>> stdev([2, 4, None, 6]), stdev([1])
    (2.0, None)

    0 or more, in the unit of the values; a bool counts as 1 or 0. None for fewer than two values.
    """
    return apply_estimator(stdev_estimator(), [values])


def variance(values: Ratings) -> float | None:
    """The variance of a sample: the squares are divided by their number less one.

    >>> variance([2, 4, None, 6]), variance([1])
    (4.0, None)

    0 or more, in the square of the unit of the values; a bool counts as 1 or 0. None for fewer than
    two values, and where the variance is too large for a float.
    """
    return apply_estimator(variance_estimator(), [values])


def stdev_estimator() -> Estimator:
    """The estimator of `stdev`."""
    return Estimator(read_numbers, _stdev_measure)


def variance_estimator() -> Estimator:
    """The estimator of `variance`."""
    return Estimator(read_numbers, _variance_measure)


def _stdev_measure(cells: Sequence[Cell]) -> Measure:
    values = [value for (value,) in cells]
    half_range = _half_range(values)
    scaled = rescale_to_unit(values)

    def measure(counts: Counts) -> float | None:
        variance = _scaled_variance(scaled, counts)
        if variance is None:
            return None
        return 2 * half_range * math.sqrt(variance)

    return measure


def _variance_measure(cells: Sequence[Cell]) -> Measure:
    values = [value for (value,) in cells]
    value_range = 2 * _half_range(values)
    scaled = rescale_to_unit(values)

    def measure(counts: Counts) -> float | None:
        scaled_variance = _scaled_variance(scaled, counts)
        if scaled_variance is None:
            return None
        # The small factor first: the square of the range alone may be too large for a float.
        variance = value_range * scaled_variance * value_range
        return variance if math.isfinite(variance) else None

    return measure


def _half_range(values: Sequence[float]) -> float:
    # The whole range of two large values may be too large for a float.
    low = min(values, default=0.0) / 2
    high = max(values, default=0.0) / 2
    return high - low


def _scaled_variance(scaled: Sequence[float], counts: Counts) -> float | None:
    """The variance of a sample of values on 0..1; None for fewer than two."""
    n = sum(counts)
    if n < 2:
        return None
    distances = subtract_mean(scaled, counts, n)
    squares = map(mul, distances, distances)
    return math.fsum(map(mul, counts, squares)) / (n - 1)


def log_interval(sample: Sample, groups: Sequence[Group]) -> Interval | None:
    """The bounds of a spread by its logarithm, whose error is nearly the same for every spread.

    Miller, "Jackknifing variances" (1968). None where the spread is 0.
    """
    value = sample.value
    margin = jackknife_margin(sample, groups)
    if not value or margin is None:
        return None
    factor = math.exp(margin / value)
    return Interval(value / factor, value * factor)


def _too_large_reason(_table: CellTable, _options: Options) -> str:
    return "it is too large for a number"


STATISTICS = (
    StatisticDefinition("stdev", stdev, stdev_estimator, interval=log_interval),
    StatisticDefinition(
        "variance",
        variance,
        variance_estimator,
        interval=log_interval,
        undefined_reason=_too_large_reason,
    ),
)
