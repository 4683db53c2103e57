"""The scale of any number between two bounds, `0.0..1.0`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rmg_dsl.scales.base import JsonSchema, Value, is_number
from rmg_dsl.scales.ranges import NumberRange
from rmg_dsl.scales.reading import read_number


@dataclass(frozen=True, slots=True)
class Real(NumberRange):
    """Any number from `low` to `high`; written `0.0..1.0`.

    >>> Real(0.0, 1.0).fit(0.25), Real(0.0, 1.0).fit(2)
    (0.25, None)
    """

    low: float
    high: float
    lower: bool = False

    def __str__(self) -> str:
        return f"{float(self.low)!r}..{float(self.high)!r}" + " lower" * self.lower

    @property
    def continuous_reason(self) -> str:
        return f"any number on `{self}`"

    @property
    def column_kind(self) -> Literal["number"]:
        return "number"

    # ── verdicts and scores ──

    def fit(self, value: Value) -> float | None:
        if is_number(value) and self.low <= value <= self.high:
            return float(value)
        return None

    def verdict_at(self, share: float) -> float:
        distance = share * (self.high - self.low)
        value = self.high - distance if self.lower else self.low + distance
        # Rounding to four digits may leave the scale by a hair.
        return min(max(round(value, 4), self.low), self.high)

    # ── what a judge reads and replies ──

    @property
    def verdict_instruction(self) -> str:
        bounds = f"from {self.low:g} to {self.high:g}"
        return f"The verdict is a number {bounds}; {self.best:g} is the best."

    @property
    def _verdict_example(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    @property
    def verdict_schema(self) -> JsonSchema:
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def read_verdict(self, raw: object, criteria_count: int) -> float:
        number = read_number(raw, self.low, self.high, self)
        return float(number) + 0.0  # adding zero removes the minus of a negative zero

    # ── what the checker asks ──

    def low_to_high(self) -> Real:
        if self.low <= self.high:
            return self
        return Real(self.high, self.low, self.lower)

    def accepts_level(self, value: Value) -> bool:
        return is_number(value) and self.low <= value <= self.high
