"""Build the entry of a row in a ranking: its group, its candidate, the values for the question."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rmg_dsl.cells import unpack_cell
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ListwiseRanking, PairwiseRanking, PairwiseScoring, ScoreRanking
from rmg_dsl.plan import RankStep
from rmg_dsl.prompts.template import has_blank_item, is_blank
from rmg_dsl.results import Status
from rmg_dsl.runtime.expressions import ExpressionEvaluator, as_number, name_of, short_repr
from rmg_dsl.runtime.row_state import Data, RankingEntry, RowState, fail


def ranking_entry_of(
    rank: RankStep, evaluator: ExpressionEvaluator, state: RowState
) -> RankingEntry:
    """The entry of a row. Raises NoScore where it has no candidate, or Waiting."""
    group = rank.scoring.group
    key = None
    if group is not None:
        key = _group_key(_required_value(group, evaluator, state))
    match rank.scoring.method:
        case ScoreRanking(score):
            return RankingEntry(key or "", as_number(evaluator.value(score, state), score), {})
        case ListwiseRanking(among) as judge:
            return _candidate_entry(key, among, judge, evaluator, state)
        case PairwiseRanking(among, comparison):
            return _candidate_entry(key, among, comparison, evaluator, state)


def _candidate_entry(
    key: str | None,
    among: Term,
    prompt: ListwiseRanking | PairwiseScoring,
    evaluator: ExpressionEvaluator,
    state: RowState,
) -> RankingEntry:
    candidate = unpack_cell(_required_value(among, evaluator, state))
    if key is None and not isinstance(candidate, list):
        fail(
            Status.ERROR,
            f"{name_of(among)} is no list to rank: {short_repr(candidate)}; a `group` ranks rows",
        )
    # One question is rendered for the whole group: each entry keeps its values until then.
    values = {name: evaluator.value_or_none(term, state) for name, term in prompt.bindings}
    missing = next(
        (name for name in prompt.needs if name in values and is_blank(values[name])), None
    )
    if missing is not None:
        fail(Status.MISSING_INPUT, f"`{missing}` is null or blank")
    return RankingEntry(_group_key(candidate) if key is None else key, candidate, values)


def _required_value(term: Term, evaluator: ExpressionEvaluator, state: RowState) -> Data:
    """The value of a term. Raises NoScore where it, or an item of it, is null or blank."""
    value = evaluator.value(term, state)
    if is_blank(value) or has_blank_item(value):
        fail(Status.MISSING_INPUT, f"{name_of(term)} is null or blank")
    return value


def _group_key(value: Data) -> str:
    """A text that is the same for equal values only: 1 and 1.0 are one group, 1 and "1" two."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def shared_values(entries: list[RankingEntry]) -> Mapping[str, Data]:
    """The values of a question about all entries. Raises NoScore where one of them differs."""
    first = entries[0].values
    for entry in entries[1:]:
        different = next((name for name in first if entry.values[name] != first[name]), None)
        if different is not None:
            message = f"`{different}` is not the same on all rows of the group"
            fail(Status.ERROR, f"{message}, and the question is one for all")
    return first
