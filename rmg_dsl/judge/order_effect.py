"""Which of two is better: from how much each order prefers the first, to one decision. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import assert_never

from rmg_dsl.ir.scoring import DecisionRule
from rmg_dsl.results import Habit

_TIE_TOLERANCE = 1e-9  # closer to the middle than this is the middle: 0.7 and 0.3 have a mean of 0.49999999999999994


@dataclass(frozen=True, slots=True)
class Decision:
    """A comparison: `value` is 1 for the first, 0 for the second, 0.5 for neither.

    `p` is the mean over the orders of how much the first is preferred. `flagged` says whether the orders disagree,
    and is none where only one was asked; `habit` is then none too.
    """

    value: float
    p: float
    flagged: bool | None = None
    habit: Habit | None = None


def decide_preference(decide: DecisionRule, orders: Sequence[float]) -> Decision:
    """The decision of one order or two: each number says how much it prefers the first of `compare`, from 0 to 1.

    >>> decide_preference("average", [0.9, 0.35])
    Decision(value=1.0, p=0.625, flagged=True, habit='first')
    >>> decide_preference("agree", [0.9, 0.35]).value
    0.5
    """
    sides = [side_of(p) for p in orders]
    p = fsum(orders) / len(orders)
    value = _decision_value(decide, sides, p)
    if len(orders) == 1:
        return Decision(value, p)
    return Decision(value, p, len(set(sides)) > 1, _habit(sides))


def side_of(p: float) -> float:
    """Which one a probability prefers: 1, 0 or, in the middle, 0.5.

    >>> side_of(0.51), side_of(0.5), side_of(0.2)
    (1.0, 0.5, 0.0)
    """
    return 0.5 if abs(p - 0.5) < _TIE_TOLERANCE else float(p > 0.5)


def _decision_value(decide: DecisionRule, sides: Sequence[float], p: float) -> float:
    match decide:
        case "agree":
            return sides[0] if len(set(sides)) == 1 else 0.5
        case "average":
            return side_of(p)
        case "sum_sign":
            return side_of(sum(sides) / len(sides))
        case "first_only":
            return sides[0]
        case _:
            assert_never(decide)


def _habit(sides: Sequence[float]) -> Habit:
    """In the other order the second is shown first: who prefers the first there, prefers what is shown second."""
    match tuple(sides):
        case (one, other) if one == other:
            return "consistent"
        case (1.0, 0.0):
            return "first"
        case (0.0, 1.0):
            return "second"
        case _:
            return "undecided"
