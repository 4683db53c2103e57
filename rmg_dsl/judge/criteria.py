"""Rubrics of points: the criteria of a grader or of a row, the judge's yes or no to each, and what that comes to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rmg_dsl.ir.scoring import Criterion
from rmg_dsl.prompts.template import MissingInput, fenced, is_blank
from rmg_dsl.results import Score
from rmg_dsl.scales import Mark, Points

ROW_RUBRIC = "rubric of the row"  # a name with blanks: no template can read it
MOST_CRITERIA = 200
_MOST_LETTERS = 1_000_000


class BadRubric(ValueError):
    """The rubric of a row is none; the message says where and why."""


def marks_of(rubric: Sequence[Criterion]) -> tuple[Mark, ...]:
    """The criteria of a rubric that stands in the spec."""
    return tuple(
        Mark(c.level if isinstance(c.level, int | float) else None, c.text) for c in rubric
    )


def marks_in(found: Any) -> tuple[Mark, ...]:
    """The criteria that a row holds: a list of objects with `criterion` and `points`, a number or "veto".

    Raises MissingInput where it, or a part of it, is null or blank, and BadRubric for anything else that is no rubric.

    >>> marks_in([{"criterion": "Names the limit", "points": 5}])
    (Mark(points=5, text='Names the limit'),)
    """
    if is_blank(found):
        raise MissingInput("rubric")
    listing = _parsed(found) if isinstance(found, str) else found
    if not isinstance(listing, list):
        raise BadRubric("the rubric is no list of {criterion, points}")
    if len(listing) > MOST_CRITERIA:
        raise BadRubric(f"the rubric has {len(listing)} criteria, more than {MOST_CRITERIA}")
    marks = tuple(_mark(each, place) for place, each in enumerate(listing, 1))
    if sum(len(mark.text) for mark in marks) > _MOST_LETTERS:
        raise BadRubric("the rubric is larger than any model reads")
    if not any(mark.points is not None and mark.points > 0 for mark in marks):
        raise BadRubric("no criterion of the rubric gives points")
    return marks


def _parsed(text: str) -> Any:
    """A list as a CSV file holds it: as JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _mark(found: Any, place: int) -> Mark:
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
        return Mark(None, text)
    if (
        isinstance(points, bool)
        or not isinstance(points, int | float)
        or not math.isfinite(points)
        or not points
    ):
        raise BadRubric(
            f'criterion {place} of the rubric has no points: a number other than 0, or "veto"'
        )
    return Mark(points, text)


def listed(marks: Sequence[Mark], tag: str = "") -> str:
    """The criteria for a judge, by number and without their points; those of a row stand between fences."""
    texts = (fenced(mark.text, tag) if tag else mark.text for mark in marks)
    return "Criteria:\n" + "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))


def scored(marks: Sequence[Mark], met: Sequence[bool], reasons: Sequence[str]) -> Score:
    """The score, and for each criterion what was said of it.

    >>> marks = [Mark(5, "Names the limit"), Mark(-8, "Promises a refund")]
    >>> print(scored(marks, [True, False], ["30 days", ""]).reason)
    met (+5): Names the limit: 30 days
    not met (-8): Promises a refund
    """
    lines = [
        f"{'met' if is_met else 'not met'} ({mark.shown}): {mark.text}"
        + (f": {reason}" if reason else "")
        for mark, is_met, reason in zip(marks, met, reasons, strict=True)
    ]
    return Score(Points.value_of(marks, met), "\n".join(lines))
