"""Arithmetic on weighted values that stays exact for very large and very small ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, compress, pairwise
from operator import mul

from rmg_dsl.stats.cells import Counts


def rescale_to_unit(values: Sequence[float]) -> list[float]:
    """The values moved and stretched to 0..1, so that no square is too large for a float.

    >>> rescale_to_unit([10, 20, 15])
    [0.0, 1.0, 0.5]
    """
    # Half of each value: the whole difference of two large ones may be too large for a float.
    low = min(values, default=0.0) / 2
    high = max(values, default=0.0) / 2
    # Equal values have no range; any divisor maps them all to 0.
    half_range = (high - low) or 1.0
    return [(value / 2 - low) / half_range for value in values]


def subtract_mean(values: Sequence[float], counts: Counts, n: int) -> list[float]:
    """The distance of each value from the mean of all, where `n` is the sum of the counts."""
    centre = math.fsum(map(mul, counts, values)) / n
    return [value - centre for value in values]


def is_constant(values: Sequence[float], counts: Counts) -> bool:
    """Are all values with a count above 0 the same?"""
    present = compress(values, counts)
    first = next(present, None)
    return all(value == first for value in present)


# ── ranks ────────────────────────────────────────────────────────────────────────────────────────


def dense_ranks(values: Sequence[float]) -> list[int]:
    """The place of each value among the distinct values, from 0.

    >>> dense_ranks([5, 2, 5])
    [1, 0, 1]
    """
    distinct = sorted(set(values))
    place = {value: i for i, value in enumerate(distinct)}
    return [place[value] for value in values]


def count_ranks(places: Sequence[int], counts: Counts) -> list[int]:
    """The number of rows at each place."""
    size = max(places, default=-1) + 1
    totals = [0] * size
    for place, times in zip(places, counts, strict=True):
        totals[place] += times
    return totals


def midranks(places: Sequence[int], counts: Counts) -> list[int]:
    """Twice the mean rank of each cell, measured from the middle of all ranks.

    Ties share their mean rank; the ranks of all rows add up to zero.
    """
    ranks = midranks_by_place(count_ranks(places, counts))
    return [ranks[place] for place in places]


def midranks_by_place(totals: Sequence[int]) -> list[int]:
    """`midranks` of each place, given the number of rows there."""
    ends = [0, *accumulate(totals)]
    n = ends[-1]
    # The rows of a place have the ranks from `before` to `after`: twice their mean is the sum.
    return [before + after - n for before, after in pairwise(ends)]
