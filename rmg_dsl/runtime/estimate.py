"""The bill before the run: how many calls the rows need, from what is known without asking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rmg_dsl.plan import Ask
from rmg_dsl.results import Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.rows import NoScore, Row, RowState, Waiting
from rmg_dsl.semantics.terms import Choose, Connect, Default, Passed, Scored, ScoreOf, Term, children, terms_of

_LETTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run can cost: `least` and `most` calls are equal where no judge's answer decides over another call.

    `tokens_in` is an estimate of the prompts of the least calls, at four letters a token.
    """

    rows: int
    least: int
    most: int
    missing: int
    tokens_in: int

    def __str__(self) -> str:
        calls = f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"
        missing = f", {self.missing:,} cells have no input" if self.missing else ""
        plural = "" if self.most == 1 else "s"
        return f"{self.rows:,} rows, {calls} model call{plural}, about {self.tokens_in:,} tokens in{missing}"


def estimate(evaluator: Evaluator, rows: Iterable[Row]) -> Bill:
    """Go through the rows as far as code can decide; calls nobody. Code graders and gates by code make it exact."""
    total = least = most = missing = letters = 0
    for index, row in enumerate(rows):
        total += 1
        state = RowState(index, row)
        enquiries = evaluator.advance(state)
        least += len(enquiries)
        letters += sum(len(enquiry.question.text) for enquiry in enquiries)
        most += sum(step.calls.most for step in possible_asks(evaluator, state))
        most += sum(loop.calls.most for loop in evaluator.plan.loops if loop.number not in state.outcomes)
        missing += sum(
            isinstance(o, Unscored) and o.status is Status.MISSING_INPUT and isinstance(evaluator.steps[n], Ask)
            for n, o in state.outcomes.items()
        )
    return Bill(total, least, most, missing, letters // _LETTERS_PER_TOKEN)


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
