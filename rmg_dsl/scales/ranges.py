"""What the two scales of numbers between two bounds share."""

from __future__ import annotations

import math

from rmg_dsl.scales.base import Scale, ScaleProblem, ScoreType


class NumberRange(Scale):
    """Numbers from `low` to `high`, both included. The fields are those of the subclasses."""

    __slots__ = ()

    low: float
    high: float

    @property
    def score_type(self) -> ScoreType:
        return ScoreType("number", self.low, self.high, -1 if self.lower else 1)

    @property
    def worst(self) -> float:
        return self.high if self.lower else self.low

    @property
    def best(self) -> float:
        return self.low if self.lower else self.high

    def holds(self, kind: str, low: float, high: float) -> bool:
        if kind not in ("number", "bool", "any"):
            return False
        # Without both bounds it is only known at run time.
        is_bounded = low > -math.inf and high < math.inf
        return kind == "any" or not is_bounded or (self.low <= low and high <= self.high)

    def _own_problems(self, written: str) -> tuple[ScaleProblem, ...]:
        return self._bound_problems(written)

    def _bound_problems(self, written: str) -> tuple[ScaleProblem, ...]:
        if self.low < self.high:
            return ()
        help = f"write `{self.high}..{self.low}`"
        if not self.lower:
            help += "; ` lower` after it says that less is better"
        message = f"a scale goes from low to high, `{written}` does not"
        return (ScaleProblem("RMG307", message, help),)
