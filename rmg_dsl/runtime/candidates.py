"""What a row brings to a ranking: its group, what is ranked, and what else the question about all of them names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ListwiseRanking, PairwiseRanking, PairwiseScoring, ScoreRanking
from rmg_dsl.plan import RankStep
from rmg_dsl.prompts.template import has_blank_item, is_blank
from rmg_dsl.results import Status
from rmg_dsl.runtime.expressions import ExpressionEvaluator, as_number, name_of, short_repr
from rmg_dsl.runtime.row_state import RankingEntry, RowState, fail


def ranking_entry_of(rank: RankStep, worth: ExpressionEvaluator, state: RowState) -> RankingEntry:
    """Where a row is ranked. Raises NoScore where it has nothing to be ranked by, Waiting where that is still out."""
    group = rank.scoring.group
    key = None if group is None else _group_key(_required_value(group, worth, state))
    match rank.scoring.method:
        case ScoreRanking(score):
            return RankingEntry(key or "", as_number(worth.value(score, state), score), {})
        case ListwiseRanking(among) as judge:
            return _candidate_entry(key, among, judge, worth, state)
        case PairwiseRanking(among, compared):
            return _candidate_entry(key, among, compared, worth, state)


def _candidate_entry(
    key: str | None,
    among: Term,
    prompt: ListwiseRanking | PairwiseScoring,
    worth: ExpressionEvaluator,
    state: RowState,
) -> RankingEntry:
    candidate = _required_value(among, worth, state)
    if key is None and not isinstance(candidate, list):
        fail(
            Status.ERROR,
            f"{name_of(among)} is no list to rank: {short_repr(candidate)}; a `group` ranks rows",
        )
    values = {name: worth.value_or_none(term, state) for name, term in prompt.bindings}
    missing = next(
        (name for name in prompt.needs if name in values and is_blank(values[name])), None
    )
    if missing is not None:
        fail(Status.MISSING_INPUT, f"`{missing}` is null or blank")
    return RankingEntry(_group_key(candidate) if key is None else key, candidate, values)


def _required_value(term: Term, worth: ExpressionEvaluator, state: RowState) -> Any:
    """A value that is there, whole."""
    value = worth.value(term, state)
    if is_blank(value) or has_blank_item(value):
        fail(Status.MISSING_INPUT, f"{name_of(term)} is null or blank")
    return value


def _group_key(value: Any) -> str:
    """What equal values have in common, as text: 1 and "1" are two groups."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def shared_values(seats: list[RankingEntry]) -> Mapping[str, Any]:
    """What a question about all of them names. Raises NoScore where they differ: it would be true of some only."""
    first = seats[0].values
    for seat in seats[1:]:
        other = next((name for name in first if seat.values[name] != first[name]), None)
        if other is not None:
            fail(
                Status.ERROR,
                f"`{other}` is not the same on all rows of the group, and the question is one for all",
            )
    return first
