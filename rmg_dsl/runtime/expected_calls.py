"""Estimate the questions of a run before it starts, from code and the reply cache alone."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from rmg_dsl.ir.expr import (
    BoolOp,
    HasPassed,
    HasScore,
    IfElse,
    ScoreRef,
    Term,
    WithDefault,
    subterms,
)
from rmg_dsl.ir.scoring import ModelUse, scoring_terms
from rmg_dsl.plan import AskStep, RankStep, RefineStep
from rmg_dsl.results import Status, Unscored
from rmg_dsl.runtime.cost_estimate import CostEstimate, CostEstimator, ModelQuote
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.rankings import RankingGroup, RankingGroups, form_groups, max_ranking_calls
from rmg_dsl.runtime.row_state import NoScore, Row, RowState, Waiting


def estimate(
    evaluator: Evaluator, rows: Iterable[Row], quotes: Mapping[ModelUse, ModelQuote]
) -> CostEstimate:
    """Estimate the cost of a run without a call: evaluate all rows as far as code and cache allow.

    The estimate is exact where only code and cached replies decide which questions a row needs.
    """
    estimator = CostEstimator(quotes)
    ranked: list[RowState] = []
    total = missing = 0
    for index, row in enumerate(rows):
        total += 1
        state = RowState(index, row)
        _advance_from_cache(evaluator, state, estimator)
        # A row with a rank can only be finished when all rows of its group are known.
        if evaluator.plan.ranks:
            ranked.append(state)
        else:
            missing += _finish_row(evaluator, state, estimator)
    _estimate_rankings(evaluator, ranked, estimator)
    return estimator.cost_estimate(total, missing + _count_missing_input(evaluator, ranked))


def _finish_row(evaluator: Evaluator, state: RowState, estimator: CostEstimator) -> int:
    """Count what the row may yet ask; returns how many of its cells have no input."""
    if not state.is_done:
        _add_possible_enquiries(evaluator, state, estimator)
    return _count_missing_input(evaluator, [state])


def _count_missing_input(evaluator: Evaluator, states: Iterable[RowState]) -> int:
    return sum(
        isinstance(o, Unscored)
        and o.status is Status.MISSING_INPUT
        and isinstance(evaluator.steps[n], AskStep | RankStep)
        for state in states
        for n, o in state.outcomes.items()
    )


def _advance_from_cache(evaluator: Evaluator, state: RowState, estimator: CostEstimator) -> None:
    """Go on with a row as long as the cache answers its enquiries."""
    enquiries = evaluator.advance(state)
    while enquiries:
        answered = False
        for enquiry in enquiries:
            answer = estimator.add_certain(enquiry)
            if answer is not None:
                evaluator.add_answer(state, enquiry, answer)
                answered = True
        enquiries = evaluator.advance(state) if answered else []


def _estimate_rankings(
    evaluator: Evaluator, states: Sequence[RowState], estimator: CostEstimator
) -> None:
    """Go on with all groups as long as the cache answers, then count what each may yet ask."""
    groups = RankingGroups(evaluator, at_once=len(states) + 1)
    pending: deque[RowState | RankingGroup] = deque(
        group for state in states for group in groups.add_row(state)
    )
    pending += groups.close_rows(len(states))
    while pending:
        subject = pending.popleft()
        if isinstance(subject, RankingGroup):
            _advance_group_from_cache(groups, subject, estimator)
            pending += groups.unblocked_by(subject)
        else:
            _advance_from_cache(evaluator, subject, estimator)
            pending += groups.add_row(subject)
    for state in states:
        _finish_row(evaluator, state, estimator)
    for group in groups.open_groups:
        estimator.add_extra_calls(
            group.rank, max_ranking_calls(group.rank, len(group.candidates)) - len(group.enquiries)
        )
    for group in _possible_groups(evaluator, states, groups):
        first = groups.open_group(group)
        for enquiry in first:
            estimator.add_possible(enquiry)
        if first:
            estimator.add_extra_calls(
                group.rank, max_ranking_calls(group.rank, len(group.candidates)) - len(first)
            )


def _advance_group_from_cache(
    groups: RankingGroups, group: RankingGroup, estimator: CostEstimator
) -> None:
    new = groups.advance_group(group)
    while new:
        answers = [
            (enquiry, answer)
            for enquiry in new
            if (answer := estimator.add_certain(enquiry)) is not None
        ]
        for enquiry, answer in answers:
            group.add_answer(enquiry, answer)
        new = groups.advance_group(group) if answers else []


def _possible_groups(
    evaluator: Evaluator, states: Sequence[RowState], groups: RankingGroups
) -> list[RankingGroup]:
    """The groups of rows that wait for a rank and whose group is not open yet."""
    open_members = {
        (group.rank.number, member.index)
        for group in groups.open_groups
        for member in group.members
    }
    possible: list[RankingGroup] = []
    for rank in (rank for rank in evaluator.plan.ranks if rank.models):
        unranked = (
            s for s in states if rank.number in s.ranking_entries and rank.number not in s.outcomes
        )
        possible += form_groups(
            rank, [state for state in unranked if (rank.number, state.index) not in open_members]
        )
    return possible


def _add_possible_enquiries(
    evaluator: Evaluator, state: RowState, estimator: CostEstimator
) -> None:
    """Count the enquiries and calls that the row may make beyond those that are certain."""
    certain_count = len(state.enquiries)
    steps = [step for step in possible_steps(evaluator, state) if isinstance(step, AskStep)]
    for enquiry in list(state.enquiries.values())[certain_count:]:
        estimator.add_possible(enquiry)
    known_calls = Counter(enquiry.step for enquiry in state.enquiries.values())
    for step in steps:
        estimator.add_extra_calls(step, step.calls.most - known_calls[step.number])
    for loop in (
        loop_step for loop_step in evaluator.plan.loops if loop_step.number not in state.outcomes
    ):
        for number, most in loop.calls_by_step:
            step_of_loop = evaluator.steps[number]
            assert isinstance(step_of_loop, AskStep | RefineStep)
            estimator.add_extra_calls(step_of_loop, most - known_calls[number])


def possible_steps(evaluator: Evaluator, state: RowState) -> list[AskStep | RankStep]:
    """The steps that a row may still ask or rank by, whatever the judges say.

    A branch that code rules out is left out.
    """
    possible: list[AskStep | RankStep] = []
    visited: set[int] = set()
    pending: list[Term] = [ScoreRef(root) for root in evaluator.plan.roots]
    while pending:
        term = pending.pop()
        if isinstance(term, ScoreRef | HasScore | HasPassed):
            number = term.scoring
            if number in visited:
                continue
            visited.add(number)
            step = evaluator.steps[number]
            # A rank that is there needs none of its parts any more.
            if isinstance(step, RankStep) and number in state.outcomes:
                continue
            if (
                isinstance(step, AskStep | RankStep)
                and number not in state.outcomes
                and _has_input(evaluator, number, state)
            ):
                possible.append(step)
            pending += scoring_terms(step.scoring)
        else:
            pending += _reachable_parts(evaluator, term, state)
    return possible


def _has_input(evaluator: Evaluator, number: int, state: RowState) -> bool:
    """Can the question of a step be rendered? A row without its input costs nothing."""
    try:
        evaluator.outcome(number, state)
    except Waiting:
        return True
    return False


def _reachable_parts(evaluator: Evaluator, term: Term, state: RowState) -> list[Term]:
    """The parts of a term that evaluation can reach."""
    if isinstance(term, IfElse):
        holds = _known_truth(evaluator, term.condition, state)
        if holds is None:
            return [term.condition, term.then, term.otherwise]
        return [term.condition, term.then if holds else term.otherwise]
    if isinstance(term, BoolOp):
        reached: list[Term] = []
        for part in term.parts:
            reached.append(part)
            if _known_truth(evaluator, part, state) == (term.operator == "or"):
                break
        return reached
    # The fallback is reached only where the operand is missing, which an answer can decide.
    if isinstance(term, WithDefault):
        return [term.operand, term.fallback]
    return list(subterms(term))


def _known_truth(evaluator: Evaluator, condition: Term, state: RowState) -> bool | None:
    """The value of a condition; None where an answer or an input is missing."""
    try:
        return evaluator.truth(condition, state)
    except (Waiting, NoScore):
        return None
