"""Statistics over the rows of a run: each takes values without gaps and gives none where there is nothing to say."""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Collection, Sequence
from typing import NamedTuple

Z95 = 1.959963984540054


class Interval(NamedTuple):
    low: float
    high: float


def mean(values: Collection[float]) -> float | None:
    """The mean; True counts as 1, False as 0.

    >>> mean([1, 2, 6]), mean([])
    (3.0, None)
    """
    if not values:
        return None
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


def median(values: Sequence[float]) -> float | None:
    """The middle value, or the mean of the two in the middle.

    >>> median([1, 5, 2]), median([1, 2])
    (2, 1.5)
    """
    return plain.median(values) if values else None


def share(values: Sequence[bool]) -> float | None:
    """The share that is true.

    >>> share([True, False, True, True])
    0.75
    """
    return sum(values) / len(values) if values else None


def count(values: Sequence[bool]) -> int:
    """How many are true."""
    return sum(values)


def mean_interval(values: Collection[float]) -> Interval | None:
    """The 95 % bounds of a mean: normal, from the spread of the values; none for fewer than two.

    >>> low, high = mean_interval([1, 2, 3, 4, 5])
    >>> round(low, 3), round(high, 3)
    (1.614, 4.386)
    """
    centre = mean(values)
    if centre is None or len(values) < 2:
        return None
    try:
        half = Z95 * math.sqrt(
            math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1) / len(values)
        )
    except OverflowError:
        return None
    return Interval(centre - half, centre + half)


def share_interval(hits: int, n: int) -> Interval | None:
    """The 95 % bounds of a share by Wilson's formula, which stays inside 0..1 (Wilson 1927).

    >>> low, high = share_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if not n:
        return None
    z2 = Z95 * Z95
    centre = (hits + z2 / 2) / (n + z2)
    half = Z95 / (n + z2) * math.sqrt(hits * (n - hits) / n + z2 / 4)
    return Interval(
        max(0.0, centre - half) if hits else 0.0, min(1.0, centre + half) if hits < n else 1.0
    )
