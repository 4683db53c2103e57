"""Arithmetic on the values of a row: `clip`, `round` and `abs`."""

from __future__ import annotations

import builtins


def clip(number: float, low: float, high: float) -> float:
    """Limit a number to the range from `low` to `high`.

    >>> clip(7, 1, 5), clip(0.2, 0, 1)
    (5, 0.2)
    """
    return min(max(number, low), high)


def round(number: float, digits: float = 0) -> float:
    """Round a number to digits after the point, halves to the even neighbour as in Python.

    >>> round(2.5), round(0.125, 2)
    (2, 0.12)
    """
    # Without digits Python returns an int.
    if not digits:
        return builtins.round(number)
    return builtins.round(number, int(digits))


def abs(number: float) -> float:
    """Return a number without its sign.

    >>> abs(-2)
    2
    """
    return builtins.abs(number)
