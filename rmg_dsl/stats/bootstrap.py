"""Bootstrap intervals, for statistics that no formula fits: bias-corrected and accelerated."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from random import Random
from statistics import NormalDist

from rmg_dsl.stats.cells import Group, Sample
from rmg_dsl.stats.intervals import Interval
from rmg_dsl.stats.jackknife import (
    MIN_SAMPLE_UNITS,
    TOLERANCE,
    leave_one_out,
    weighted_mean,
    weighted_variance,
)

RESAMPLES = 2000
MAX_UNDEFINED_SHARE = 0.05  # of the resamples: where more are undefined, the rows say too little
TAIL = 0.025
NORMAL = NormalDist()


def bootstrap_interval(sample: Sample, groups: Sequence[Group], seed: int) -> Interval | None:
    """The BCa interval of a statistic (Efron, "Better bootstrap confidence intervals", 1987).

    Plain percentiles where the correction is undefined. None for fewer than `MIN_SAMPLE_UNITS`
    groups, where over 5 % of the resamples are undefined, and where no resample changes the value.
    """
    if len(groups) < MIN_SAMPLE_UNITS or sample.value is None:
        return None
    resampled = _resampled_values(sample, groups, Random(seed))
    draws = sorted(value for value in resampled if value is not None)
    too_few = len(draws) < (1 - MAX_UNDEFINED_SHARE) * RESAMPLES
    if too_few or draws[-1] - draws[0] < TOLERANCE:
        return None
    below = _share_below(draws, sample.value)
    low_tail, high_tail = _bca_tails(sample, groups, below)
    low = _interpolate_quantile(draws, low_tail)
    high = _interpolate_quantile(draws, high_tail)
    return Interval(low, high)


def _resampled_values(
    sample: Sample, groups: Sequence[Group], random: Random
) -> Iterator[float | None]:
    for _ in range(RESAMPLES):
        # A resample is a new count for each cell; the rows are never copied.
        counts = [0] * len(sample.table.cells)
        drawn = random.choices(groups, k=len(groups))
        for cell in chain.from_iterable(drawn):
            counts[cell] += 1
        yield sample.measure(counts)


def _share_below(draws: Sequence[float], value: float) -> float:
    """The share of sorted draws below a value; equal ones count half."""
    # Rounding must not move an equal value to one side.
    below = bisect_left(draws, value - TOLERANCE)
    not_above = bisect_right(draws, value + TOLERANCE)
    return (below + not_above) / 2 / len(draws)


def _bca_tails(sample: Sample, groups: Sequence[Group], below: float) -> tuple[float, float]:
    """The shares of the draws at the two ends of the interval."""
    # No draw, or every draw, lies below the value: the bias has no finite size.
    if not 0 < below < 1:
        return TAIL, 1 - TAIL
    left_out = leave_one_out(sample.table, groups, sample.measure)
    defined = [(value, times) for value, times in left_out if value is not None]
    shift = NORMAL.inv_cdf(below)
    skew = _acceleration(defined, len(groups))
    low = _bca_tail(TAIL, shift, skew)
    high = _bca_tail(1 - TAIL, shift, skew)
    return low, high


def _bca_tail(tail: float, shift: float, skew: float) -> float:
    """A share of the draws, corrected for the bias and the skewness of the statistic."""
    z = shift + NORMAL.inv_cdf(tail)
    # The correction has a pole there; beyond it the tails would change sides.
    if skew * z >= 1:
        return tail
    return NORMAL.cdf(shift + z / (1 - skew * z))


def _acceleration(left_out: Sequence[tuple[float, int]], groups: int) -> float:
    """A sixth of the skewness of the values with one group left out, for a number of groups."""
    # Undefined without any one group: no skewness can be measured.
    if not left_out:
        return 0.0
    variance = weighted_variance(left_out)
    if variance < TOLERANCE * TOLERANCE:
        return 0.0
    n = sum(times for _, times in left_out)
    centre = weighted_mean(left_out)
    # From the mean to the value: without a group of high rows the value is low.
    cubes = math.fsum(times * (centre - value) ** 3 for value, times in left_out) / n
    return cubes / (6 * variance * math.sqrt(variance * groups))


def _interpolate_quantile(draws: Sequence[float], share: float) -> float:
    """The quantile of sorted draws, by linear interpolation."""
    at = share * (len(draws) - 1)
    place = math.floor(at)
    low = draws[place]
    high = draws[math.ceil(at)]
    return low + (high - low) * (at - place)
