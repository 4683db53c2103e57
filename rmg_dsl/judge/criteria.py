"""Rubrics of points: the criteria of a grader or of a row, and the score of the judge's answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from rmg_dsl.ir.scoring import RubricLine
from rmg_dsl.prompts.template import MissingInput, fence_value, is_blank
from rmg_dsl.results import Score
from rmg_dsl.scales import CriterionAnswer, Points, PointsCriterion

ROW_RUBRIC = "rubric of the row"  # a name with blanks: no template can read it
MAX_CRITERIA = 200
_MAX_RUBRIC_CHARS = 1_000_000


class BadRubric(ValueError):
    """The rubric of a row is malformed; the message says where and why."""


def spec_criteria(rubric: Sequence[RubricLine]) -> tuple[PointsCriterion, ...]:
    """The criteria of a rubric that is written in the spec."""
    return tuple(PointsCriterion(_level_points(line), line.text) for line in rubric)


def _level_points(line: RubricLine) -> float | None:
    return line.level if isinstance(line.level, int | float) else None


def row_criteria(rubric: object) -> tuple[PointsCriterion, ...]:
    """The criteria in a value of the row.

    >>> row_criteria([{"criterion": "Names the limit", "points": 5}])
    (PointsCriterion(points=5, text='Names the limit'),)

    The value is a list of objects with `criterion` and `points`, a number or "veto", or that list
    as JSON text. Raises MissingInput where it, or a part of it, is null or blank, and BadRubric for
    anything else that is not a rubric.
    """
    if is_blank(rubric):
        raise MissingInput("rubric")
    entries = _parse_rubric_json(rubric) if isinstance(rubric, str) else rubric
    if not isinstance(entries, list):
        raise BadRubric("the rubric is no list of {criterion, points}")
    if len(entries) > MAX_CRITERIA:
        raise BadRubric(f"the rubric has {len(entries)} criteria, more than {MAX_CRITERIA}")
    criteria = tuple(_row_criterion(entry, place) for place, entry in enumerate(entries, 1))
    _check_criteria(criteria)
    return criteria


def _parse_rubric_json(text: str) -> object:
    # A CSV file holds a list as JSON text.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _check_criteria(criteria: Sequence[PointsCriterion]) -> None:
    if sum(len(criterion.text) for criterion in criteria) > _MAX_RUBRIC_CHARS:
        raise BadRubric(f"the rubric has more than {_MAX_RUBRIC_CHARS:,} characters")
    weights = [criterion.points for criterion in criteria if criterion.points is not None]
    # The score is a share of the positive points: without any there is nothing to divide by.
    if not any(points > 0 for points in weights):
        raise BadRubric("no criterion of the rubric gives points")


def _row_criterion(entry: object, place: int) -> PointsCriterion:
    fields = entry if isinstance(entry, Mapping) else {}
    if isinstance(entry, Mapping):
        for key in ("criterion", "points"):
            if is_blank(fields.get(key)):
                raise MissingInput(f"rubric[{place - 1}].{key}")
    text = fields.get("criterion")
    if not isinstance(text, str):
        message = "of the rubric is no object with `criterion` and `points`"
        raise BadRubric(f"criterion {place} {message}")
    return PointsCriterion(_row_points(fields.get("points"), place), text)


def _row_points(points: object, place: int) -> float | None:
    if points == "veto":
        return None
    number = points if isinstance(points, int | float) else 0
    # A bool is an int in Python, and True would count as one point.
    if isinstance(number, bool) or not math.isfinite(number) or not number:
        message = 'of the rubric has no points: a number other than 0, or "veto"'
        raise BadRubric(f"criterion {place} {message}")
    return number


def numbered_criteria(criteria: Sequence[PointsCriterion], tag: str = "") -> str:
    """The criteria for a judge, by number and without points.

    >>> print(numbered_criteria([PointsCriterion(5, "Names the limit")]))
    Criteria:
    1. Names the limit

    Criteria of a row are data: `tag` puts each of them between fences.
    """
    texts = [fence_value(c.text, tag) if tag else c.text for c in criteria]
    return "Criteria:\n" + "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))


def score_criteria(
    criteria: Sequence[PointsCriterion], answers: Sequence[CriterionAnswer]
) -> Score:
    """The score, with the answer to each criterion as its reason.

    >>> criteria = [PointsCriterion(5, "Names the limit"), PointsCriterion(-8, "Promises a refund")]
    >>> answers = [CriterionAnswer(True, "30 days"), CriterionAnswer(False, "")]
    >>> print(score_criteria(criteria, answers).reason)
    met (+5): Names the limit: 30 days
    not met (-8): Promises a refund
    """
    lines = [_answer_line(*pair) for pair in zip(criteria, answers, strict=True)]
    met = [answer.is_met for answer in answers]
    return Score(Points.score_of(criteria, met), "\n".join(lines))


def _answer_line(criterion: PointsCriterion, answer: CriterionAnswer) -> str:
    outcome = "met" if answer.is_met else "not met"
    line = f"{outcome} ({criterion.points_text}): {criterion.text}"
    return f"{line}: {answer.reason}" if answer.reason else line
