"""The scale of weighted criteria, `points`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rmg_dsl.scales.base import JsonSchema, Scale, ScoreType, object_schema
from rmg_dsl.scales.reading import CriterionAnswer, DuplicateKeys, NoVerdict, read_bool


class PointsCriterion(NamedTuple):
    """A criterion of a rubric of points: its points, None for a veto, and its text."""

    points: float | None
    text: str

    @property
    def points_text(self) -> str:
        return "veto" if self.points is None else f"{self.points:+g}"


@dataclass(frozen=True, slots=True)
class Points(Scale):
    """Weighted criteria, each met or not; written `points`.

    The score is a share: 1 where all positive criteria are met and no negative one, and below 0
    where more is lost than won.
    """

    lower: bool = False

    def __str__(self) -> str:
        return "points"

    @staticmethod
    def score_of(criteria: Sequence[PointsCriterion], met: Sequence[bool]) -> float:
        """The points of the criteria that are met, over the sum of all positive points.

        >>> criteria = [PointsCriterion(10, "a"), PointsCriterion(-4, "b")]
        >>> Points.score_of(criteria, [True, False]), Points.score_of(criteria, [True, True])
        (1.0, 0.6)

        A veto that is met gives the worst score that there is: all negative points, no positive
        ones.
        """
        pairs = [(mark.points, is_met) for mark, is_met in zip(criteria, met, strict=True)]
        is_vetoed = any(is_met for points, is_met in pairs if points is None)
        weights = [(points, is_met) for points, is_met in pairs if points is not None]
        positive = math.fsum(points for points, _ in weights if points > 0)
        if is_vetoed:
            return math.fsum(points for points, _ in weights if points < 0) / positive
        return math.fsum(points for points, is_met in weights if is_met) / positive

    @property
    def score_type(self) -> ScoreType:
        return ScoreType("number", high=1, direction=1)

    @property
    def has_criteria(self) -> bool:
        return True

    @property
    def continuous_reason(self) -> str:
        return "a share of points"

    @property
    def mean_floor(self) -> float:
        # One row may be below 0. The mean of all rows is cut there, and the summary says so.
        return 0.0

    @property
    def column_kind(self) -> Literal["number"]:
        return "number"

    # ── what a judge reads and replies ──

    @property
    def verdict_instruction(self) -> str:
        return (
            "For each criterion the verdict is true if it is met, false if not: "
            "whether what it describes is there, be it good or bad. Look at each of them by itself."
        )

    @property
    def reply_instruction(self) -> str:
        return (
            "Reply with one JSON object and nothing else, "
            "an entry for each criterion by its number, the reason first: "
            '{"verdict": {"1": {"reason": "one sentence", "met": true or false}, "2": …}}'
        )

    def reply_properties(self, criteria_count: int) -> dict[str, JsonSchema]:
        entry = object_schema({"reason": {"type": "string"}, "met": {"type": "boolean"}})
        entries = {str(number): entry for number in range(1, criteria_count + 1)}
        return {"verdict": object_schema(entries)}

    def read_verdict(self, raw: object, criteria_count: int) -> tuple[CriterionAnswer, ...]:
        return tuple(_criterion_answers(raw, criteria_count))

    # ── what the checker asks ──

    @property
    def _takes_lower(self) -> bool:
        return False


def _criterion_answers(raw: object, criteria_count: int) -> Iterator[CriterionAnswer]:
    """The answer to each criterion, all of them by their numbers and nothing else."""
    if isinstance(raw, DuplicateKeys) or not isinstance(raw, dict):
        raise NoVerdict("the verdict has no entry for each criterion")
    numbers = [str(number) for number in range(1, criteria_count + 1)]
    for number in numbers:
        if number not in raw:
            raise NoVerdict(f"criterion {number} has no verdict")
    if len(raw) > criteria_count:
        counts = f"{len(raw)} entries, and there are {criteria_count} criteria"
        raise NoVerdict(f"the verdict has {counts}")
    for number in numbers:
        yield _criterion_answer(raw[number], number)


def _criterion_answer(entry: object, number: str) -> CriterionAnswer:
    if isinstance(entry, DuplicateKeys) or (isinstance(entry, dict) and "met" not in entry):
        raise NoVerdict(f"criterion {number} does not say whether it is met")
    if not isinstance(entry, dict):
        return CriterionAnswer(read_bool(entry), "")
    is_met, reason = read_bool(entry["met"]), entry.get("reason")
    return CriterionAnswer(is_met, " ".join(reason.split()) if isinstance(reason, str) else "")
