"""The scale of yes and no, `bool`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rmg_dsl.scales.base import JsonSchema, Scale, ScoreType, Value
from rmg_dsl.scales.reading import read_bool, reject_containers
from rmg_dsl.scales.real import Real


@dataclass(frozen=True, slots=True)
class YesNo(Scale):
    """True or False; written `bool`. It counts as 1 or 0.

    >>> YesNo().worst, YesNo(lower=True).worst
    (False, True)
    """

    lower: bool = False

    def __str__(self) -> str:
        return "bool" + " lower" * self.lower

    @property
    def score_type(self) -> ScoreType:
        return ScoreType("bool", 0, 1, -1 if self.lower else 1)

    @property
    def level_count(self) -> int:
        return 2

    @property
    def levels(self) -> tuple[bool, ...]:
        return (False, True)

    @property
    def offered_scores(self) -> tuple[int, ...]:
        return (0, 1)

    @property
    def worst(self) -> bool:
        return self.lower

    @property
    def mean_scale(self) -> Real:
        return Real(0.0, 1.0, self.lower)

    @property
    def column_kind(self) -> Literal["bool"]:
        return "bool"

    # ── verdicts and scores ──

    def fit(self, value: Value) -> bool | None:
        return value if isinstance(value, bool) else None

    def verdict_at(self, share: float) -> bool:
        return (share >= 0.5) is not self.lower

    # ── what a judge reads and replies ──

    @property
    def verdict_instruction(self) -> str:
        return "The verdict is true for yes, false for no."

    @property
    def _verdict_example(self) -> str:
        return "true or false"

    def answer_options(self) -> tuple[tuple[str, Value], ...]:
        return (("yes", True), ("no", False))

    @property
    def verdict_schema(self) -> JsonSchema:
        return {"type": "boolean"}

    def read_verdict(self, raw: object, criteria_count: int) -> bool:
        reject_containers(raw)
        return read_bool(raw)

    # ── what the checker asks ──

    def accepts_level(self, value: Value) -> bool:
        return isinstance(value, bool)

    def level_help(self, value: Value) -> str:
        return "the levels of a bool are True and False"

    def holds(self, kind: str, low: float, high: float) -> bool:
        return kind in ("bool", "any")

    def pool_problem(self, pool: str) -> tuple[str, str] | None:
        if pool == "median":
            return "bool has no median of its own", "write `pool = majority`"
        return None
