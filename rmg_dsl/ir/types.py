"""The inferred type of an expression: its kind, bounds and direction. No spec writes a type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from rmg_dsl.scales import Scale

Kind = Literal["number", "bool", "label", "text", "list", "none", "any"]


@dataclass(frozen=True, slots=True)
class Type:
    """A kind with what is known of the values: the bounds of numbers, the labels, the direction.

    `direction` is 1 where higher is better, -1 where lower is better, 0 where neither is known.
    `is_stretched`: the bounds are those of a conditional whose branches stand on unlike scales.
    """

    kind: Kind
    low: float = -inf
    high: float = inf
    direction: int = 0
    labels: tuple[str, ...] = ()
    scale: Scale | None = None
    is_stretched: bool = False

    @property
    def is_constant(self) -> bool:
        """Is it one number that is known before the run?"""
        return self.low == self.high

    @property
    def is_numeric(self) -> bool:
        """May it be used as a number? A bool counts as 0 or 1; a column may hold numbers."""
        return self.kind in ("number", "bool", "any")

    @property
    def is_bounded(self) -> bool:
        """Are both bounds known?"""
        return self.low > -inf and self.high < inf

    def __str__(self) -> str:
        if self.kind == "number" and self.is_bounded:
            return f"{self.low:g}..{self.high:g}" + " lower" * (self.direction < 0)
        if self.kind == "label":
            return " | ".join(f'"{label}"' for label in self.labels) or "a label"
        return {"any": "a value of a column", "none": "None", "list": "a list"}.get(
            self.kind, f"a {self.kind}"
        )


# The types without bounds, and a bool, where True is the better end.
ANY = Type("any")
TEXT = Type("text")
LIST = Type("list")
NONE_TYPE = Type("none")
NUMBER = Type("number")
BOOL = Type("bool", 0, 1, 1)


def number_type(low: float, high: float, direction: int = 0) -> Type:
    """The type of numbers with these bounds."""
    return Type("number", low, high, direction)


def type_of_scale(scale: Scale) -> Type:
    """The type of a score on this scale.

    >>> from rmg_dsl.scales import Whole
    >>> str(type_of_scale(Whole(1, 5, lower=True)))
    '1..5 lower'
    """
    kind, low, high, direction, labels = scale.score_type
    return Type(kind, low, high, direction, labels, scale)


def union_type(left: Type, right: Type) -> Type:
    """The type of a value of either type, as of the branches of a conditional."""
    # A column counts as numeric too, but with one the union is not known to be a number.
    if left.is_numeric and right.is_numeric and "any" not in (left.kind, right.kind):
        kind: Kind = "bool" if left.kind == right.kind == "bool" else "number"
        low, high = min(left.low, right.low), max(left.high, right.high)
        # A score whose scale does not reach the ends of the whole is beside something off it.
        stretched = any(
            part.is_stretched or (part.direction and (part.low, part.high) != (low, high))
            for part in (left, right)
        )
        direction = _common_direction((left, right))
        return Type(kind, low, high, direction, is_stretched=bool(stretched))
    if left.kind == right.kind == "label":
        return Type("label", labels=tuple(dict.fromkeys(left.labels + right.labels)))
    if left.kind != right.kind:
        return ANY
    return replace(left, scale=None)


def directions(parts: Iterable[Type]) -> set[int]:
    """The directions of types, without 0."""
    return {part.direction for part in parts} - {0}


def _common_direction(parts: Iterable[Type]) -> int:
    known_directions = directions(parts)
    if len(known_directions) != 1:
        return 0
    return known_directions.pop()


def share_one_scale(parts: Iterable[Type]) -> bool:
    """Are these on one scale: with the same bounds, and not in opposite directions?

    A constant fits where it lies inside the bounds. A column, and what is computed from one, fits
    everywhere: its bounds are not known before the run.
    """
    bounded = [
        part for part in parts if part.kind != "any" and (part.low, part.high) != (-inf, inf)
    ]
    scales = {(part.low, part.high) for part in bounded if part.low < part.high or part.scale}
    # Constants are no scale of their own; where all parts are constants everything fits.
    if len(scales) > 1 or len(directions(bounded)) > 1:
        return False
    low, high = next(iter(scales), (-inf, inf))
    return all(low <= part.low and part.high <= high for part in bounded)


def aggregate_type(parts: list[Type]) -> Type:
    """The type of a mean, a minimum or a maximum of parts: it stays on their scale."""
    typed = [part for part in parts if part.kind != "any"]
    # One part of unknown bounds makes the bounds of the whole unknown; the direction stays.
    if not typed or len(typed) < len(parts):
        return replace(NUMBER, direction=_common_direction(typed))
    low, high = min(p.low for p in typed), max(p.high for p in typed)
    return Type("number", low, high, _common_direction(typed))


def negation_type(operand: Type) -> Type:
    """The type of `-x`: the bounds change places. It has no direction: the author turned it."""
    return Type("number", -operand.high, -operand.low)


def arithmetic_type(operator: str, left: Type, right: Type) -> Type:
    """The type of `+ - * /` by interval arithmetic, with the direction where it is certain."""
    if "any" in (left.kind, right.kind):
        return NUMBER
    direction = _arithmetic_direction(operator, left, right)
    if operator == "+":
        return Type("number", left.low + right.low, left.high + right.high, direction)
    if operator == "-":
        return Type("number", left.low - right.high, left.high - right.low, direction)
    # A divisor near 0 makes a quotient of any size.
    if operator == "/" and right.low <= 0 <= right.high:
        return NUMBER
    # A product or a quotient of intervals has its bounds where the operands have theirs.
    corners = [
        _corner_value(operator, a, b)
        for a in (left.low, left.high)
        for b in (right.low, right.high)
    ]
    return Type("number", min(corners), max(corners), direction)


def _corner_value(operator: str, a: float, b: float) -> float:
    if operator == "/":
        return a / b if abs(b) != inf else 0.0
    # 0 times infinity is NaN in Python; as a bound it is 0.
    return 0.0 if 0 in (a, b) else a * b


def _arithmetic_direction(operator: str, left: Type, right: Type) -> int:
    """The direction of `left operator right`; 0 where the author puts a score as it shall count.

    A score keeps its direction beside a constant that is added, and times a positive one; two
    scores keep a direction that both have in their sum. `c - x` and all else have none: a direction
    would let `unit` turn it round once more.
    """
    if operator == "+" and left.direction == right.direction:
        return left.direction
    score, constant = left, right
    if operator in ("+", "*") and left.is_constant:
        score, constant = right, left
    is_kept = constant.low > 0 if operator in ("*", "/") else True
    if constant.is_constant and not constant.direction and is_kept:
        return score.direction
    return 0


def comparison_result(operator: str, left: Type, right: Type) -> bool | None:
    """The only possible result of a comparison by the bounds; None where it depends on the row."""
    if not (left.is_numeric and right.is_numeric) or "any" in (left.kind, right.kind):
        return None
    less, at_most = left.high < right.low, left.high <= right.low
    greater, at_least = left.low > right.high, left.low >= right.high
    # For each operator: when it always holds, and when it never does.
    table = {
        "<": (less, at_least),
        "<=": (at_most, greater),
        ">": (greater, at_most),
        ">=": (at_least, less),
        "==": (False, less or greater),
        "!=": (less or greater, False),
    }
    always, never = table.get(operator, (False, False))
    if always:
        return True
    return False if never else None
