"""Before the run: which questions the rows need, from what is known without asking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from rmg_dsl.plan import Ask, Refine
from rmg_dsl.results import Status, Unscored
from rmg_dsl.runtime.bill import Bill, Quote, Reckoning
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.rows import NoScore, Row, RowState, Waiting
from rmg_dsl.semantics.terms import (
    Choose,
    Connect,
    Default,
    ModelUse,
    Passed,
    Scored,
    ScoreOf,
    Term,
    children,
    terms_of,
)


def estimate(evaluator: Evaluator, rows: Iterable[Row], quotes: Mapping[ModelUse, Quote]) -> Bill:
    """Go through the rows as far as code and the cache can decide; calls nobody.

    Code graders, gates by code and replies in the cache make it exact.
    """
    reckoning = Reckoning(quotes)
    total = missing = 0
    for index, row in enumerate(rows):
        total += 1
        state = RowState(index, row)
        _go_on(evaluator, state, reckoning)
        if not state.done:
            _add_possible(evaluator, state, reckoning)
        missing += sum(
            isinstance(o, Unscored) and o.status is Status.MISSING_INPUT and isinstance(evaluator.steps[n], Ask)
            for n, o in state.outcomes.items()
        )
    return reckoning.bill(total, missing)


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


def _add_possible(evaluator: Evaluator, state: RowState, reckoning: Reckoning) -> None:
    """What the row may come to ask beside what it is sure to."""
    sure = len(state.asked)
    steps = possible_asks(evaluator, state)
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


def possible_asks(evaluator: Evaluator, state: RowState) -> list[Ask]:
    """The asks that this row may still come to, whatever the judges say; conditions that code decides are followed."""
    found: list[Ask] = []
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
            if isinstance(step, Ask) and number not in state.outcomes and _has_input(evaluator, number, state):
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
    if isinstance(term, Choose):
        known = _known_truth(evaluator, term.condition, state)
        if known is None:
            return [term.condition, term.then, term.otherwise]
        return [term.condition, term.then if known else term.otherwise]
    if isinstance(term, Connect):
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
