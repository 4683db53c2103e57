"""The scales: which verdicts a judge may give, and the score that each of them stands for. Plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Value: TypeAlias = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Whole:
    """Whole numbers from `low` to `high`, both offered; written `1..5`.

    >>> Whole(1, 5).levels
    (1, 2, 3, 4, 5)
    """

    low: int
    high: int
    lower: bool = False

    @property
    def levels(self) -> tuple[int, ...]:
        return tuple(range(self.low, self.high + 1))

    def __str__(self) -> str:
        return f"{self.low}..{self.high}" + " lower" * self.lower


@dataclass(frozen=True, slots=True)
class Real:
    """Any number from `low` to `high`; written `0.0..1.0`."""

    low: float
    high: float
    lower: bool = False

    def __str__(self) -> str:
        return f"{float(self.low)!r}..{float(self.high)!r}" + " lower" * self.lower


@dataclass(frozen=True, slots=True)
class YesNo:
    """True or False; written `bool`. It counts as 1 or 0."""

    lower: bool = False

    def __str__(self) -> str:
        return "bool" + " lower" * self.lower


@dataclass(frozen=True, slots=True)
class Labels:
    """Words; written `"a" | "b"`, or `("bad"=0 | "ok"=0.5 | "good"=1)` where each one has a value."""

    labels: tuple[str, ...]
    values: tuple[float, ...] | None = None
    lower: bool = False

    def value_of(self, label: str) -> float | str:
        return label if self.values is None else self.values[self.labels.index(label)]

    def __str__(self) -> str:
        if self.values is None:
            return " | ".join(f'"{label}"' for label in self.labels)
        pairs = " | ".join(
            f'"{label}"={value:g}' for label, value in zip(self.labels, self.values, strict=True)
        )
        return f"({pairs})" + " lower" * self.lower


class PointsCriterion(NamedTuple):
    """A criterion of a rubric of points: what it says, and its points, none for a veto."""

    points: float | None
    text: str

    @property
    def points_text(self) -> str:
        return "veto" if self.points is None else f"{self.points:+g}"


@dataclass(frozen=True, slots=True)
class Points:
    """Weighted criteria, each met or not; written `points`."""

    lower: bool = False

    @staticmethod
    def value_of(marks: Sequence[PointsCriterion], met: Sequence[bool]) -> float:
        """The points of the criteria that are met over all the positive ones; with a veto, the worst there can be.

        >>> marks = [PointsCriterion(10, "a"), PointsCriterion(7, "b"), PointsCriterion(5, "c"), PointsCriterion(-8, "d"), PointsCriterion(-6, "e")]
        >>> round(Points.value_of(marks, [True, False, True, True, False]), 6)
        0.318182
        """
        pairs = [(mark.points, is_met) for mark, is_met in zip(marks, met, strict=True)]
        vetoed = any(is_met for points, is_met in pairs if points is None)
        counted = [
            points
            for points, is_met in pairs
            if points is not None and (points < 0 if vetoed else is_met)
        ]
        return math.fsum(counted) / math.fsum(
            points for points, _ in pairs if points is not None and points > 0
        )

    def __str__(self) -> str:
        return "points"


@dataclass(frozen=True, slots=True)
class FreeText:
    """No verdict but a text: what a writer is asked for. No spec writes it, and it is no scale."""

    def __str__(self) -> str:
        return "a text"


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """All of these labels, the best first: what one question about several candidates wants. No spec writes it.

    The score is the labels as text.

    >>> LabelOrder(("A", "B", "C")).value_of(["C", "A", "B"])
    'C > A > B'
    """

    labels: tuple[str, ...]
    lower: bool = False

    @staticmethod
    def value_of(labels: Sequence[str]) -> str:
        return " > ".join(labels)

    @staticmethod
    def labels_in(value: str) -> list[str]:
        """The labels of a score, the best first."""
        return value.split(" > ")

    def __str__(self) -> str:
        return f"an order of {', '.join(self.labels)}"


Scale: TypeAlias = Whole | Real | YesNo | Labels | Points | LabelOrder
