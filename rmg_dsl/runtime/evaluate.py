"""One row, as far as it can go: what is known is computed, what must be asked is named. Pure, but for Python functions.

Evaluation is lazy and restartable: it stops at questions without an answer, and goes on when they have one. All that a
term needs is asked for before it waits, so that which steps a row takes never depends on which answer came first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn, assert_never

from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import PairwiseScoring
from rmg_dsl.judge import Asker, BadRubric, Enquiry, EnquiryKey, GraderAsker, PairAsker
from rmg_dsl.messages import Question
from rmg_dsl.plan import (
    AskStep,
    CallPythonStep,
    ComputeStep,
    LoopOutputStep,
    Plan,
    RankStep,
    RefineStep,
    Step,
)
from rmg_dsl.prompts.template import RENDER_FAILURES, MissingInput, TemplateTooBig
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.runtime.candidates import ranking_entry_of
from rmg_dsl.runtime.expressions import (
    ExpressionEvaluator,
    is_null,
    is_or_has_null,
    name_of,
    plain_result,
    short_repr,
    with_condition_words,
)
from rmg_dsl.runtime.refine_loop import RefineLoop
from rmg_dsl.runtime.row_state import (
    NoScore,
    Row,
    RowState,
    Waiting,
    attempt,
    fail,
    state_of_enquiry,
)
from rmg_dsl.scales import Scale, Value


class Evaluator(ExpressionEvaluator):
    """Evaluates the rows of one plan; `functions` run the calls of built-ins and of the caller's own."""

    def __init__(
        self,
        plan: Plan,
        functions: Mapping[str, Callable[..., Any]],
        python: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.plan = plan
        self.steps: dict[int, Step] = {step.number: step for step in plan.steps}
        super().__init__(functions)
        self._python_functions = python or {}
        self._loops = {
            step.number: RefineLoop(step, self)
            for step in plan.steps
            if isinstance(step, RefineStep)
        }
        self._askers = {step.number: _asker(step) for step in plan.asks}
        self._single_keys = {number: asker.only for number, asker in self._askers.items()}
        self._step_functions = {step.number: self._function_of_step(step) for step in plan.steps}

    def advance(self, state: RowState) -> list[Enquiry]:
        """Go on with a row; returns the enquiries that are new, and marks the row as done when nothing is left."""
        before = len(state.enquiries)
        waiting = False
        for root in self.plan.roots:
            try:
                self.outcome(root, state)
            except Waiting:
                waiting = True
        state.is_done = not waiting
        return list(state.enquiries.values())[before:]

    def add_answer(self, state: RowState, enquiry: Enquiry, answer: Outcome) -> None:
        """Hand an answer back to the step that wanted it; what it comes to, the next `advance` finds out."""
        home = state_of_enquiry(state, enquiry)
        if enquiry.key == self._single_keys.get(enquiry.step):
            home.outcomes[enquiry.step] = answer
        else:
            home.answers.setdefault(enquiry.step, {})[enquiry.key] = answer

    def has_answer(self, state: RowState, enquiry: Enquiry) -> bool:
        home = state_of_enquiry(state, enquiry)
        return enquiry.step in home.outcomes or enquiry.key in home.answers.get(enquiry.step, ())

    def is_asking(self, state: RowState) -> bool:
        """Is an answer of the row's own still out?"""
        return not all(self.has_answer(state, enquiry) for enquiry in state.enquiries.values())

    def outcome(self, number: int, state: RowState) -> Outcome:
        """The outcome of a step, or `Waiting` where a question must be answered first."""
        known = state.outcomes.get(number)
        if known is not None:
            return known
        found = state.outcomes[number] = attempt(self._step_functions[number], state)
        return found

    def _function_of_step(self, step: Step) -> Callable[[RowState], Outcome]:
        """What is done for a step on each row, with all that can be settled before any row."""
        match step:
            case AskStep():
                return partial(self._judge_row, step.number)
            case RefineStep():
                return self._loops[step.number].outcome
            case LoopOutputStep():
                return partial(self._take_loop_output, step)
            case CallPythonStep():
                return partial(self._call_python, step)
            case ComputeStep():
                return self._computation(step)
            case RankStep():
                return partial(self._enter_ranking, step)
            case _:
                assert_never(step)

    def _enter_ranking(self, rank: RankStep, state: RowState) -> NoReturn:
        """Wait for the others: where all of them have come so far, the ranks are handed to the row from outside."""
        if state.draft is not None:
            fail(Status.ERROR, "a draft has no rank: it is no row of the data")
        if rank.number not in state.ranking_entries:
            state.ranking_entries[rank.number] = ranking_entry_of(rank, self, state)
        raise Waiting

    def _take_loop_output(self, step: LoopOutputStep, state: RowState) -> Outcome:
        """What a loop leaves behind, once it has ended."""
        self.outcome(step.scoring.loop, state)
        return self._loops[step.scoring.loop].loop_output(step.scoring, state)

    def _judge_row(self, number: int, state: RowState) -> Outcome:
        """What the judges come to, or `Waiting`, once all that they are to be asked is on its way."""
        asker, only = self._askers[number], self._single_keys[number]
        if only is not None:
            needed: Sequence[EnquiryKey] = (only,)
        else:
            found = asker.resolve(state.answers.get(number, {}), partial(self.holds, state))
            if isinstance(found, Score | Unscored):
                return found
            needed = found
        for key in needed:
            if (state.draft, number, key) not in state.enquiries:
                question = self.question(partial(asker.question, key), asker.bound, state)
                self.send(Enquiry(number, key, question, *asker.model_for(key), state.draft), state)
        raise Waiting

    @staticmethod
    def send(enquiry: Enquiry, state: RowState) -> None:
        """Put an enquiry on its way."""
        state.enquiries[enquiry.draft, enquiry.step, enquiry.key] = enquiry

    def holds(self, state: RowState, condition: Term, own: Mapping[str, Value | None]) -> bool:
        """Whether a condition with words of its own holds on a row."""
        return self.truth(condition, with_condition_words(state, own))

    def names_of_step(self, number: int) -> Sequence[str]:
        return self.steps[number].names

    def preview_question(self, number: int, index: int, row: Row) -> Question | Unscored:
        """The question of a step about a row, whether or not the row would need it, or why it cannot be asked."""
        state = RowState(index, row)
        try:
            outcome = self.outcome(number, state)
        except Waiting:
            first = next(
                (enquiry for enquiry in state.enquiries.values() if enquiry.step == number), None
            )
            return first.question if first else Unscored(Status.SKIPPED, "it waits for another")
        assert isinstance(outcome, Unscored)
        return outcome

    def question(
        self,
        ask: Callable[[Mapping[str, Any]], Question],
        bound: Iterable[tuple[str, Term]],
        state: RowState,
    ) -> Question:
        """What `ask` makes of the row's values; raises NoScore where it cannot be asked."""
        return render_question(
            partial(ask, {name: self.value_or_none(term, state) for name, term in bound})
        )

    def _call_python(self, step: CallPythonStep, state: RowState) -> Score:
        arguments = {name: self.value(term, state) for name, term in step.scoring.arguments}
        missing = next((name for name, value in arguments.items() if is_or_has_null(value)), None)
        if missing is not None:
            fail(Status.MISSING_INPUT, f"`{missing}` is null")
        target = step.scoring.target
        return _as_score(
            plain_result(self._python_functions[target](**arguments), target), step.scoring.scale
        )

    def _computation(self, step: ComputeStep) -> Callable[[RowState], Score]:
        rule, term, scale = self.row_function(step.term), step.term, step.scoring.scale

        def score(state: RowState) -> Score:
            value = rule(state)
            if is_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
            found = _as_score(value, scale)
            # An aggregate that is nothing but a grader keeps the word that was chosen.
            read = state.outcomes.get(term.scoring) if isinstance(term, expr.ScoreRef) else None
            return (
                replace(found, label=read.label)
                if isinstance(read, Score) and read.label
                else found
            )

        return score


def _asker(step: AskStep) -> Asker:
    name, scoring = name_of_step(step), step.scoring
    return (
        PairAsker(name, scoring)
        if isinstance(scoring, PairwiseScoring)
        else GraderAsker(name, scoring)
    )


def name_of_step(step: Step) -> str:
    """What the questions of a step are asked for."""
    return step.names[0] if step.names else f"step {step.number}"


def render_question(question: Callable[[], Question]) -> Question:
    """A question, or NoScore with the reason why it cannot be asked."""
    try:
        return question()
    except MissingInput as missing:
        raise NoScore(
            Unscored(Status.MISSING_INPUT, f"`{missing.name}` is null or blank")
        ) from None
    except TemplateTooBig:
        raise NoScore(Unscored(Status.ERROR, "the prompt is larger than any model reads")) from None
    except BadRubric as error:
        raise NoScore(Unscored(Status.ERROR, str(error))) from None
    except RENDER_FAILURES as error:
        raise NoScore(Unscored(Status.ERROR, f"the prompt cannot be rendered: {error}")) from None


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _as_score(value: Any, scale: Scale | None) -> Score:
    """A computed value as a score: finite, of a kind that scores, and on the scale where one was written."""
    # NaN is not within any bounds; an integer beyond them has no mean.
    if isinstance(value, float | int) and not abs(value) <= sys.float_info.max:
        fail(
            Status.ERROR if scale is None else Status.OFF_SCALE,
            f"the result is {short_repr(value)}, not a number to use",
        )
    if value is None:
        fail(Status.MISSING_INPUT, "the result is null")
    if not isinstance(value, bool | int | float | str):
        fail(Status.ERROR, f"the result is neither number, bool nor label: {short_repr(value)}")
    return Score(value) if scale is None else _fit_to_scale(value, scale)


def _fit_to_scale(value: Value, scale: Scale) -> Score:
    verdict = scale.fit(value)
    if verdict is None:
        fail(Status.OFF_SCALE, f"{short_repr(value)} is not on {scale}")
    return Score(scale.value_of(verdict), None, scale.label_of(verdict))
