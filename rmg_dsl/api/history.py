"""The history of the loops of a run: every draft of every row, with its scores and reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rmg_dsl.ir.columns import REASON, STATUS
from rmg_dsl.report import RefinedRow
from rmg_dsl.results import Draft, Score

Kind = Literal["integer", "text", "any"]


def history_rows(paths: Iterable[RefinedRow]) -> list[dict[str, Any]]:
    """A row for each draft: where it belongs, its text, whether it is the returned one, what each grader said.

    >>> from rmg_dsl.results import RefinePath
    >>> path = RefinePath((Draft("Hi", {"kind": Score(2, "curt")}), Draft("Hello!", {"kind": Score(5, "warm")})), 1, "until")
    >>> history_rows([RefinedRow(0, "response", path)])[1]["text"]
    'Hello!'
    """
    return [
        _draft_row(each, place, draft)
        for each in paths
        for place, draft in enumerate(each.path.drafts)
    ]


def _draft_row(found: RefinedRow, place: int, draft: Draft) -> dict[str, Any]:
    last = place == len(found.path.drafts) - 1
    cells: dict[str, Any] = {
        "row": found.row_index,
        "field": found.field,
        "round": place,
        "text": draft.text,
        "returned": place == found.path.returned_index,
        "refused": draft.is_rejected,
        "ending": found.path.ending if last else None,
    }
    for name, outcome in draft.outcomes.items():
        cells[name] = outcome.value if isinstance(outcome, Score) else None
        cells[REASON.name_for(name)] = (
            outcome.reason if isinstance(outcome, Score) else outcome.message or None
        )
        cells[STATUS.name_for(name)] = str(outcome.status)
    return cells


def history_columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, Kind]:
    """The columns of a history: those of every loop, then the graders in the order in which they were first seen."""
    kinds: dict[str, Kind] = {"row": "integer", "field": "text", "round": "integer", "text": "text"}
    kinds |= {"returned": "any", "refused": "any", "ending": "text"}
    for row in rows:
        for name in row:
            is_text = name.endswith((REASON.suffix, STATUS.suffix))
            kinds.setdefault(name, "text" if is_text else "any")
    return kinds
