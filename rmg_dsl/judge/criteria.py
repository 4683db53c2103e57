"""Rubrics of points: the criteria of a grader or of a row, the judge's yes or no to each, and what that comes to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rmg_dsl.ir.scoring import RubricLine
from rmg_dsl.prompts.template import MissingInput, fence_value, is_blank
from rmg_dsl.results import Score
from rmg_dsl.scales import Points, PointsCriterion

ROW_RUBRIC = "rubric of the row"  # a name with blanks: no template can read it
MAX_CRITERIA = 200
_MAX_RUBRIC_CHARS = 1_000_000


class BadRubric(ValueError):
    """The rubric of a row is none; the message says where and why."""


def spec_criteria(rubric: Sequence[RubricLine]) -> tuple[PointsCriterion, ...]:
    """The criteria of a rubric that stands in the spec."""
    return tuple(
        PointsCriterion(c.level if isinstance(c.level, int | float) else None, c.text)
        for c in rubric
    )


def row_criteria(found: Any) -> tuple[PointsCriterion, ...]:
    """The criteria that a row holds: a list of objects with `criterion` and `points`, a number or "veto".

    Raises MissingInput where it, or a part of it, is null or blank, and BadRubric for anything else that is no rubric.

    >>> row_criteria([{"criterion": "Names the limit", "points": 5}])
    (PointsCriterion(points=5, text='Names the limit'),)
    """
    if is_blank(found):
        raise MissingInput("rubric")
    listing = _parse_rubric_json(found) if isinstance(found, str) else found
    if not isinstance(listing, list):
        raise BadRubric("the rubric is no list of {criterion, points}")
    if len(listing) > MAX_CRITERIA:
        raise BadRubric(f"the rubric has {len(listing)} criteria, more than {MAX_CRITERIA}")
    marks = tuple(_row_criterion(each, place) for place, each in enumerate(listing, 1))
    if sum(len(mark.text) for mark in marks) > _MAX_RUBRIC_CHARS:
        raise BadRubric("the rubric is larger than any model reads")
    if not any(mark.points is not None and mark.points > 0 for mark in marks):
        raise BadRubric("no criterion of the rubric gives points")
    return marks


def _parse_rubric_json(text: str) -> Any:
    """A list as a CSV file holds it: as JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _row_criterion(found: Any, place: int) -> PointsCriterion:
    for key in ("criterion", "points") if isinstance(found, Mapping) else ():
        if is_blank(found.get(key)):
            raise MissingInput(f"rubric[{place - 1}].{key}")
    text, points = (
        (found.get("criterion"), found.get("points"))
        if isinstance(found, Mapping)
        else (None, None)
    )
    if not isinstance(text, str):
        raise BadRubric(
            f"criterion {place} of the rubric is no object with `criterion` and `points`"
        )
    if points == "veto":
        return PointsCriterion(None, text)
    if (
        isinstance(points, bool)
        or not isinstance(points, int | float)
        or not math.isfinite(points)
        or not points
    ):
        raise BadRubric(
            f'criterion {place} of the rubric has no points: a number other than 0, or "veto"'
        )
    return PointsCriterion(points, text)


def numbered_criteria(marks: Sequence[PointsCriterion], tag: str = "") -> str:
    """The criteria for a judge, by number and without their points; those of a row stand between fences."""
    texts = (fence_value(mark.text, tag) if tag else mark.text for mark in marks)
    return "Criteria:\n" + "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))


def score_criteria(
    marks: Sequence[PointsCriterion], met: Sequence[bool], reasons: Sequence[str]
) -> Score:
    """The score, and for each criterion what was said of it.

    >>> marks = [PointsCriterion(5, "Names the limit"), PointsCriterion(-8, "Promises a refund")]
    >>> print(score_criteria(marks, [True, False], ["30 days", ""]).reason)
    met (+5): Names the limit: 30 days
    not met (-8): Promises a refund
    """
    lines = [
        f"{'met' if is_met else 'not met'} ({mark.points_text}): {mark.text}"
        + (f": {reason}" if reason else "")
        for mark, is_met, reason in zip(marks, met, reasons, strict=True)
    ]
    return Score(Points.value_of(marks, met), "\n".join(lines))
