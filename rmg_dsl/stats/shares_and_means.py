"""Means, shares and counts of one column, in one pass over its values."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from operator import mul

from rmg_dsl.ir.types import Type
from rmg_dsl.results import Estimate
from rmg_dsl.stats.cells import Cell, CellTable, Counts, Estimator, Measure, Sample, read_numbers
from rmg_dsl.stats.definition import StatisticDefinition
from rmg_dsl.stats.intervals import Z95, Interval, share_interval
from rmg_dsl.stats.undefined import NO_ROW, why_equal, why_unbounded

# Of so many equal values, one in seven may differ among the rows that were not drawn.
MIN_EQUAL_VALUES = 20


def mean(values: Collection[float]) -> float | None:
    """The mean; True counts as 1, False as 0.

    >>> mean([1, 2, 6]), mean([])
    (3.0, None)

    None without values. The values have no gaps.
    """
    if not values:
        return None
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        # The sum of very large values has no float, though their mean has one.
        return math.fsum(value / len(values) for value in values)


def share(values: Sequence[bool]) -> float | None:
    """The share that is true.

    >>> share([True, False, True, True])
    0.75

    0 to 1; None without values.
    """
    if not values:
        return None
    return sum(values) / len(values)


def count(values: Sequence[bool]) -> int:
    """How many are true.

    >>> count([True, False, True])
    2
    """
    return sum(values)


def unscored_share(failures: Sequence[bool]) -> float | None:
    """The share of rows without a score, given for each row whether it has none.

    >>> unscored_share([True, False, False, False])
    0.25

    0 to 1; None without rows.
    """
    return share(failures)


def mean_interval(values: Collection[float]) -> Interval | None:
    """The 95 % bounds of a mean: normal, from the spread of the values.

    >>> low, high = mean_interval([1, 2, 3, 4, 5])
    >>> round(low, 3), round(high, 3)
    (1.614, 4.386)

    None for fewer than two values, where fewer than 20 are all the same (a spread of 0 that few
    values show is no evidence of one), and where their squares are too large for a float.
    """
    centre = mean(values)
    if centre is None or len(values) < 2:
        return None
    try:
        squares = math.fsum((v - centre) ** 2 for v in values)
    except OverflowError:
        return None
    if len(values) < MIN_EQUAL_VALUES and min(values) == max(values):
        return None
    half = Z95 * math.sqrt(squares / (len(values) - 1) / len(values))
    return Interval(centre - half, centre + half)


def count_interval(hits: int, n: int) -> Interval | None:
    """The 95 % bounds of a count of so many: those of the share, times their number.

    >>> low, high = count_interval(8, 10)
    >>> round(low, 1), round(high, 1)
    (4.9, 9.4)
    """
    bounds = share_interval(hits, n)
    if bounds is None:
        return None
    return Interval(bounds.low * n, bounds.high * n)


# ── over cells ───────────────────────────────────────────────────────────────────────────────────


def _mean_measure(cells: Sequence[Cell]) -> Measure:
    values = [value for (value,) in cells]

    def measure(counts: Counts) -> float | None:
        n = sum(counts)
        if not n:
            return None
        return math.fsum(map(mul, counts, values)) / n

    return measure


def _total_measure(cells: Sequence[Cell]) -> Measure:
    values = [value for (value,) in cells]

    def measure(counts: Counts) -> float:
        return math.fsum(map(mul, counts, values))

    return measure


def mean_estimator() -> Estimator:
    """The estimator of a mean, and of a share, which is the mean of a condition."""
    return Estimator(read_numbers, _mean_measure)


def total_estimator() -> Estimator:
    """The estimator of a sum, and of a count, which is the sum of a condition."""
    return Estimator(read_numbers, _total_measure)


def sorted_values(table: CellTable) -> list[float]:
    """Every value of one column, in order, from its cells."""
    cells = zip(table.cells, table.counts, strict=True)
    return [value for (value,), times in cells for _ in range(times)]


def _mean_closed_form(sample: Sample) -> Interval | None:
    return mean_interval(sorted_values(sample.table))


def share_closed_form(sample: Sample) -> Interval | None:
    """Wilson's bounds of a share of rows."""
    n = sample.table.n
    return share_interval(round((sample.value or 0.0) * n), n)


def _count_closed_form(sample: Sample) -> Interval | None:
    return count_interval(round(sample.value or 0.0), sample.table.n)


# ── in one pass ──────────────────────────────────────────────────────────────────────────────────


def _estimate_mean(values: Sequence[float], kind: Type) -> Estimate:
    """A mean never lies off the scale, so neither do its bounds; that of a bool is a share."""
    if kind.kind == "bool":
        return _estimate_share(values, kind)
    average, bounds = mean(values), mean_interval(values)
    # Points of a row may be below 0; their mean is cut at 0, here as in the summary.
    least = kind.low if kind.scale is None else kind.scale.mean_floor
    if average is not None and kind.scale is not None:
        average = max(average, least)
    if bounds is not None:
        low = min(max(bounds.low, least), kind.high)
        bounds = Interval(low, max(min(bounds.high, kind.high), low))
    if bounds is None and len(values) > 1 and min(values) == max(values):
        return Estimate(len(values), average, why=why_equal(len(values), MIN_EQUAL_VALUES))
    return _one_pass_estimate(average, bounds, len(values))


def _estimate_share(flags: Sequence[float], _: Type) -> Estimate:
    n = len(flags)
    if not n:
        return _one_pass_estimate(None, None, 0)
    hits = sum(flags)
    return _one_pass_estimate(hits / n, share_interval(int(hits), n), n)


def _estimate_count(flags: Sequence[float], _: Type) -> Estimate:
    n = len(flags)
    if not n:
        return _one_pass_estimate(None, None, 0)
    hits = int(sum(flags))
    return _one_pass_estimate(hits, count_interval(hits, n), n)


def _one_pass_estimate(value: float | None, bounds: Interval | None, n: int) -> Estimate:
    """The value and its bounds, or why there are none; the bounds hold the value."""
    if value is None:
        return Estimate(n, None, why=NO_ROW)
    if bounds is not None:
        return Estimate(n, value, min(bounds.low, value), max(bounds.high, value))
    if n == 1:
        return Estimate(n, value, why=why_unbounded(n, 2, "row"))
    return Estimate(n, value, why="its bounds are too large")


STATISTICS = (
    StatisticDefinition(
        "mean", mean, mean_estimator, closed_form=_mean_closed_form, one_pass=_estimate_mean
    ),
    StatisticDefinition(
        "share", share, mean_estimator, closed_form=share_closed_form, one_pass=_estimate_share
    ),
    StatisticDefinition(
        "count", count, total_estimator, closed_form=_count_closed_form, one_pass=_estimate_count
    ),
    StatisticDefinition(
        "unscored",
        unscored_share,
        mean_estimator,
        closed_form=share_closed_form,
        one_pass=_estimate_share,
    ),
)
