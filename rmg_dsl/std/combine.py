"""Numbers put together: what `clip`, `round` and `abs` do with the values of a row."""

from __future__ import annotations

import builtins


def clip(number: float, low: float, high: float) -> float:
    """A number held between two bounds.

    >>> clip(7, 1, 5), clip(0.2, 0, 1)
    (5, 0.2)
    """
    return min(max(number, low), high)


def round(number: float, digits: float = 0) -> float:
    """A number rounded to so many digits after the point, halves to the even neighbour as in Python.

    >>> round(2.5), round(0.125, 2)
    (2, 0.12)
    """
    return builtins.round(number, int(digits)) if digits else builtins.round(number)


def abs(number: float) -> float:
    """A number without its sign.

    >>> abs(-2)
    2
    """
    return builtins.abs(number)
