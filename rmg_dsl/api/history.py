"""The history of `refine`: every draft of every row, with its scores and reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from rmg_dsl.ir.columns import REASON, STATUS
from rmg_dsl.report import RefinedRow
from rmg_dsl.results import Draft, Score

Kind = Literal["integer", "text", "any"]


def history_rows(paths: Iterable[RefinedRow]) -> list[dict[str, object]]:
    """One row per draft: its place, its text, whether it is the result, and its scores.

    >>> from rmg_dsl.results import RefinePath
    >>> curt, warm = Draft("Hi", {"kind": Score(2, "curt")}), Draft("Hello", {"kind": Score(5)})
    >>> path = RefinePath((curt, warm), 1, "until")
    >>> history_rows([RefinedRow(0, "response", path)])[1]["text"]
    'Hello'
    """
    rows: list[dict[str, object]] = []
    for refined in paths:
        for place, draft in enumerate(refined.path.drafts):
            rows.append(_draft_row(refined, place, draft))
    return rows


def _draft_row(refined: RefinedRow, place: int, draft: Draft) -> dict[str, object]:
    is_last = place == len(refined.path.drafts) - 1
    cells: dict[str, object] = {
        "row": refined.row_index,
        "field": refined.field,
        "round": place,
        "text": draft.text,
        "returned": place == refined.path.returned_index,
        "refused": draft.is_rejected,
        "ending": refined.path.ending if is_last else None,
    }
    for name, outcome in draft.outcomes.items():
        cells[name] = outcome.value if isinstance(outcome, Score) else None
        cells[REASON.name_for(name)] = (
            outcome.reason if isinstance(outcome, Score) else outcome.message or None
        )
        cells[STATUS.name_for(name)] = str(outcome.status)
    return cells


def history_columns(rows: Iterable[Mapping[str, object]]) -> dict[str, Kind]:
    """The columns of a history with their kinds: the fixed ones, then those of the graders."""
    kinds: dict[str, Kind] = {"row": "integer", "field": "text", "round": "integer", "text": "text"}
    kinds |= {"returned": "any", "refused": "any", "ending": "text"}
    for row in rows:
        for name in row:
            is_text = name.endswith((REASON.suffix, STATUS.suffix))
            kinds.setdefault(name, "text" if is_text else "any")
    return kinds
