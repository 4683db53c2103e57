"""Before the run: which questions the rows need, from what is known without asking."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from rmg_dsl.ir.expr import BoolOp, Default, IfElse, Passed, Scored, ScoreOf, Term, children
from rmg_dsl.ir.scoring import ModelUse, terms_of
from rmg_dsl.plan import Ask, Rank, Refine
from rmg_dsl.results import Status, Unscored
from rmg_dsl.runtime.cost_estimate import Bill, Quote, Reckoning
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.rankings import Group, Groups, calls_for, grouped
from rmg_dsl.runtime.row_state import NoScore, Row, RowState, Waiting


def estimate(evaluator: Evaluator, rows: Iterable[Row], quotes: Mapping[ModelUse, Quote]) -> Bill:
    """Go through the rows as far as code and the cache can decide; calls nobody.

    Code graders, gates by code and replies in the cache make it exact.
    """
    reckoning = Reckoning(quotes)
    ranked: list[RowState] = []
    total = missing = 0
    for index, row in enumerate(rows):
        total += 1
        state = RowState(index, row)
        _go_on(evaluator, state, reckoning)
        if evaluator.plan.ranks:
            ranked.append(state)
        else:
            missing += _finish(evaluator, state, reckoning)
    _rank(evaluator, ranked, reckoning)
    return reckoning.bill(total, missing + _without_input(evaluator, ranked))


def _finish(evaluator: Evaluator, state: RowState, reckoning: Reckoning) -> int:
    """Add what the row may yet come to; returns how many of its cells have no input."""
    if not state.done:
        _add_possible(evaluator, state, reckoning)
    return _without_input(evaluator, [state])


def _without_input(evaluator: Evaluator, states: Iterable[RowState]) -> int:
    return sum(
        isinstance(o, Unscored)
        and o.status is Status.MISSING_INPUT
        and isinstance(evaluator.steps[n], Ask | Rank)
        for state in states
        for n, o in state.outcomes.items()
    )


def _go_on(evaluator: Evaluator, state: RowState, reckoning: Reckoning) -> None:
    """As far as the row gets by what the cache answers."""
    enquiries = evaluator.advance(state)
    while enquiries:
        answered = False
        for enquiry in enquiries:
            answer = reckoning.answer(enquiry)
            if answer is not None:
                evaluator.take(state, enquiry, answer)
                answered = True
        enquiries = evaluator.advance(state) if answered else []


def _rank(evaluator: Evaluator, states: Sequence[RowState], reckoning: Reckoning) -> None:
    """The groups as far as the cache answers for them, and what each of them may yet ask."""
    groups = Groups(evaluator, at_once=len(states) + 1)
    todo: deque[RowState | Group] = deque(
        group for state in states for group in groups.arrive(state)
    )
    todo += groups.close(len(states))
    while todo:
        each = todo.popleft()
        if isinstance(each, Group):
            _go_on_together(groups, each, reckoning)
            todo += groups.freed_by(each)
        else:
            _go_on(evaluator, each, reckoning)
            todo += groups.arrive(each)
    for state in states:
        _finish(evaluator, state, reckoning)
    for group in groups.open:
        reckoning.further(
            group.rank, calls_for(group.rank, len(group.candidates)) - len(group.asked)
        )
    for group in _possible_groups(evaluator, states, groups):
        first = groups.begin(group)
        for enquiry in first:
            reckoning.possible(enquiry)
        if first:
            reckoning.further(group.rank, calls_for(group.rank, len(group.candidates)) - len(first))


def _go_on_together(groups: Groups, group: Group, reckoning: Reckoning) -> None:
    new = groups.advance(group)
    while new:
        known = [
            (enquiry, answer)
            for enquiry in new
            if (answer := reckoning.answer(enquiry)) is not None
        ]
        for enquiry, answer in known:
            group.take(enquiry, answer)
        new = groups.advance(group) if known else []


def _possible_groups(
    evaluator: Evaluator, states: Sequence[RowState], groups: Groups
) -> list[Group]:
    """The groups of rows that may come to be ranked, and do not yet wait for it."""
    begun = {(group.rank.number, member.index) for group in groups.open for member in group.members}
    found: list[Group] = []
    for rank in (rank for rank in evaluator.plan.ranks if rank.models):
        free = (s for s in states if rank.number in s.seats and rank.number not in s.outcomes)
        found += grouped(rank, [state for state in free if (rank.number, state.index) not in begun])
    return found


def _add_possible(evaluator: Evaluator, state: RowState, reckoning: Reckoning) -> None:
    """What the row may come to ask beside what it is sure to."""
    sure = len(state.asked)
    steps = [step for step in possible_steps(evaluator, state) if isinstance(step, Ask)]
    for enquiry in list(state.asked.values())[sure:]:
        reckoning.possible(enquiry)
    known = Counter(enquiry.step for enquiry in state.asked.values())
    for step in steps:
        reckoning.further(step, step.calls.most - known[step.number])
    for loop in (each for each in evaluator.plan.loops if each.number not in state.outcomes):
        for number, most in loop.asked:
            asking = evaluator.steps[number]
            assert isinstance(asking, Ask | Refine)
            reckoning.further(asking, most - known[number])


def possible_steps(evaluator: Evaluator, state: RowState) -> list[Ask | Rank]:
    """What this row may still be asked about or ranked by, whatever the judges say.

    Conditions that code decides are followed.
    """
    found: list[Ask | Rank] = []
    seen: set[int] = set()
    todo: list[Term] = [ScoreOf(root) for root in evaluator.plan.roots]
    while todo:
        term = todo.pop()
        if isinstance(term, ScoreOf | Scored | Passed):
            number = term.scoring
            if number in seen:
                continue
            seen.add(number)
            step = evaluator.steps[number]
            if isinstance(step, Rank) and number in state.outcomes:
                continue
            if (
                isinstance(step, Ask | Rank)
                and number not in state.outcomes
                and _has_input(evaluator, number, state)
            ):
                found.append(step)
            todo += terms_of(step.scoring)
        else:
            todo += _followed(evaluator, term, state)
    return found


def _has_input(evaluator: Evaluator, number: int, state: RowState) -> bool:
    """Could the question be asked at all? A row without the grader's input costs nothing."""
    try:
        evaluator.outcome(number, state)
    except Waiting:
        return True
    return False


def _followed(evaluator: Evaluator, term: Term, state: RowState) -> list[Term]:
    """The parts of a term that evaluation can reach."""
    if isinstance(term, IfElse):
        known = _known_truth(evaluator, term.condition, state)
        if known is None:
            return [term.condition, term.then, term.otherwise]
        return [term.condition, term.then if known else term.otherwise]
    if isinstance(term, BoolOp):
        reached: list[Term] = []
        for part in term.parts:
            reached.append(part)
            if _known_truth(evaluator, part, state) == (term.word == "or"):
                break
        return reached
    if isinstance(term, Default):
        return [term.operand, term.instead]
    return list(children(term))


def _known_truth(evaluator: Evaluator, condition: Term, state: RowState) -> bool | None:
    try:
        return evaluator.truth(condition, state)
    except (Waiting, NoScore):
        return None
