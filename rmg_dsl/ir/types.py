"""What an expression can be worth: its kind, its interval, its direction.

Inferred, never written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from rmg_dsl.scales import Scale

Kind = Literal["number", "bool", "label", "text", "list", "none", "any"]


@dataclass(frozen=True, slots=True)
class Type:
    """A kind with what is known of the values: bounds of numbers, offered labels, and which end is
    the better one.

    `direction` is 1 where higher is better, -1 where lower is, 0 where nobody said.
    """

    kind: Kind
    low: float = -inf
    high: float = inf
    direction: int = 0
    labels: tuple[str, ...] = ()
    scale: Scale | None = None

    @property
    def is_numeric(self) -> bool:
        """May it stand where a number is wanted? A bool counts as 0 or 1; of a column nobody knows
        before the run.
        """
        return self.kind in ("number", "bool", "any")

    @property
    def is_bounded(self) -> bool:
        return self.low > -inf and self.high < inf

    def __str__(self) -> str:
        if self.kind == "number" and self.is_bounded:
            return f"{self.low:g}..{self.high:g}" + " lower" * (self.direction < 0)
        if self.kind == "label":
            return " | ".join(f'"{label}"' for label in self.labels) or "a label"
        return {"any": "a value of a column", "none": "None", "list": "a list"}.get(
            self.kind, f"a {self.kind}"
        )


ANY = Type("any")
TEXT = Type("text")
LIST = Type("list")
NONE_TYPE = Type("none")
NUMBER = Type("number")
BOOL = Type("bool", 0, 1, 1)


def number_type(low: float, high: float, direction: int = 0) -> Type:
    return Type("number", low, high, direction)


def type_of_scale(scale: Scale) -> Type:
    """The type of a score on this scale.

    >>> from rmg_dsl.scales import Whole
    >>> str(type_of_scale(Whole(1, 5, lower=True)))
    '1..5 lower'
    """
    kind, low, high, direction, labels = scale.score_type
    return Type(kind, low, high, direction, labels, scale)


def union_type(one: Type, other: Type) -> Type:
    """What may be one or the other, as the branches of a conditional."""
    if one.is_numeric and other.is_numeric and "any" not in (one.kind, other.kind):
        kind: Kind = "bool" if one.kind == other.kind == "bool" else "number"
        low, high = min(one.low, other.low), max(one.high, other.high)
        return Type(kind, low, high, _common_direction((one, other)))
    if one.kind == other.kind == "label":
        return Type("label", labels=tuple(dict.fromkeys(one.labels + other.labels)))
    return replace(one, scale=None) if one.kind == other.kind else ANY


def directions(parts: Iterable[Type]) -> set[int]:
    return {part.direction for part in parts} - {0}


def _common_direction(parts: Iterable[Type]) -> int:
    signs = directions(parts)
    return signs.pop() if len(signs) == 1 else 0


def share_one_scale(parts: Iterable[Type]) -> bool:
    """Do these stand on one scale: the same bounds, no opposite directions? Constants fit where
    they lie inside.

    Of a column, and of what is computed from one, nobody knows the bounds: it may stand anywhere.
    """
    ranged = [part for part in parts if part.kind != "any" and (part.low, part.high) != (-inf, inf)]
    scales = {(part.low, part.high) for part in ranged if part.low < part.high or part.scale}
    if len(scales) > 1 or len(directions(ranged)) > 1:
        return False
    low, high = next(iter(scales), (-inf, inf))
    return all(low <= part.low and part.high <= high for part in ranged)


def aggregate_type(parts: list[Type]) -> Type:
    """The type of a mean, a least or a greatest of parts: it stays on their scale."""
    typed = [part for part in parts if part.kind != "any"]
    if not typed or len(typed) < len(parts):
        return replace(NUMBER, direction=_common_direction(typed))
    low, high = min(p.low for p in typed), max(p.high for p in typed)
    return Type("number", low, high, _common_direction(typed))


def negation_type(operand: Type) -> Type:
    return Type("number", -operand.high, -operand.low, -operand.direction)


def arithmetic_type(operator: str, one: Type, other: Type) -> Type:
    """Interval arithmetic for `+ - * /`; the direction survives where it is sure."""
    if "any" in (one.kind, other.kind):
        return NUMBER
    if operator == "-":
        return arithmetic_type("+", one, negation_type(other))
    if operator == "+":
        signs = directions((one, other))
        return Type(
            "number",
            one.low + other.low,
            one.high + other.high,
            signs.pop() if len(signs) == 1 else 0,
        )
    if operator == "/" and other.low <= 0 <= other.high:
        return NUMBER
    corners = [
        _corner_value(operator, a, b) for a in (one.low, one.high) for b in (other.low, other.high)
    ]
    return Type("number", min(corners), max(corners), _scaled_direction(one, other))


def _corner_value(operator: str, a: float, b: float) -> float:
    if operator == "/":
        return a / b if abs(b) != inf else 0.0
    return 0.0 if 0 in (a, b) else a * b


def _scaled_direction(one: Type, other: Type) -> int:
    """A score times a constant keeps its direction, or turns round with a negative one."""
    if one.direction and other.direction:
        return 0
    constant = other if one.direction else one
    sign = 1 if constant.low > 0 else -1 if constant.high < 0 else 0
    return (one.direction or other.direction) * sign


def comparison_result(operator: str, one: Type, other: Type) -> bool | None:
    """What a comparison of two intervals must give, or none where it depends on the row."""
    if not (one.is_numeric and other.is_numeric) or "any" in (one.kind, other.kind):
        return None
    less, more = one.high < other.low, one.low > other.high
    touching = (one.high <= other.low, one.low >= other.high)
    table = {
        "<": (less, touching[1]),
        "<=": (touching[0], more),
        ">": (more, touching[0]),
        ">=": (touching[1], less),
        "==": (False, less or more),
        "!=": (less or more, False),
    }
    always, never = table.get(operator, (False, False))
    return True if always else False if never else None
