"""The scale of whole numbers, `1..5`."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from rmg_dsl.scales.base import JsonSchema, ScaleProblem, Value, is_number, round_half_up
from rmg_dsl.scales.ranges import NumberRange
from rmg_dsl.scales.reading import OffScale, read_number
from rmg_dsl.scales.real import Real

MAX_ENUM_LEVELS = 101
"""A schema lists at most this many levels; providers reject longer lists, and get a range."""

MAX_WHOLE_WIDTH = 1000
"""The largest distance between the bounds of a scale that a spec may write."""


@dataclass(frozen=True, slots=True)
class Whole(NumberRange):
    """Whole numbers from `low` to `high`, both offered; written `1..5`.

    >>> Whole(1, 5).levels
    (1, 2, 3, 4, 5)
    """

    low: int
    high: int
    lower: bool = False

    def __str__(self) -> str:
        return f"{self.low}..{self.high}" + " lower" * self.lower

    @property
    def level_count(self) -> int:
        return self.high - self.low + 1

    @property
    def levels(self) -> tuple[int, ...]:
        return tuple(range(self.low, self.high + 1))

    @property
    def offered_scores(self) -> tuple[int, ...] | None:
        if self.level_count > MAX_WHOLE_WIDTH:
            return None
        return self.levels

    @property
    def mean_scale(self) -> Real:
        return Real(float(self.low), float(self.high), self.lower)

    @property
    def column_kind(self) -> Literal["integer"]:
        return "integer"

    # ── verdicts and scores ──

    def fit(self, value: Value) -> int | None:
        if is_number(value) and self._offers(value):
            return int(value)
        return None

    def verdict_at(self, share: float) -> int:
        step = round_half_up(share * (self.high - self.low))
        return self.high - step if self.lower else self.low + step

    # ── what a judge reads and replies ──

    @property
    def verdict_instruction(self) -> str:
        bounds = f"from {self.low:g} to {self.high:g}"
        return f"The verdict is a whole number {bounds}; {self.best:g} is the best."

    @property
    def word_instruction(self) -> str:
        # The words are digits or letters: they do not say which end is the better one.
        return self.verdict_instruction

    @property
    def _verdict_example(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def answer_options(self) -> tuple[tuple[str, Value], ...]:
        if self.low >= 0 and self.high <= 9:
            return tuple((str(level), level) for level in self.levels)
        return tuple(zip(ascii_uppercase, self.levels, strict=False))

    @property
    def verdict_schema(self) -> JsonSchema:
        if self.level_count <= MAX_ENUM_LEVELS:
            return {"type": "integer", "enum": [*self.levels]}
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def read_verdict(self, raw: object, criteria_count: int) -> int:
        number = read_number(raw, self.low, self.high, self)
        if number != int(number):
            raise OffScale(f"the verdict {number} is no whole number on {self}")
        return int(number)

    # ── what the checker asks ──

    def low_to_high(self) -> Whole:
        if self.low <= self.high:
            return self
        return Whole(self.high, self.low, self.lower)

    def _own_problems(self, written: str) -> tuple[ScaleProblem, ...]:
        if (self.low, self.high) == (0, 1):
            fixes = (("bool", "yes or no"), ("0.0..1.0", "any number between"))
            help = "write `bool` for yes or no, `0.0..1.0` for numbers between"
            return (ScaleProblem("RMG308", "`0..1` offers only 0 and 1", help, fixes),)
        if self.high - self.low > MAX_WHOLE_WIDTH:
            help = "write it with points, `0.0..1000.0`, for any number between"
            message = "a scale of more than 1,000 whole levels"
            return (ScaleProblem("RMG307", message, help),)
        return self._bound_problems(written)

    def accepts_level(self, value: Value) -> bool:
        return is_number(value) and self._offers(value)

    def _offers(self, value: float) -> bool:
        return self.low <= value <= self.high and value == int(value)
