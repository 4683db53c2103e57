"""Evaluate the steps of one row as far as the answers allow. No I/O, apart from Python functions.

Evaluation is lazy and restartable: it stops at questions without an answer, and goes on when they
have one. A term sends all its questions before it waits, so that the steps that a row takes never
depend on which answer came first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn, assert_never

from rmg_dsl.cells import CellText
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
    plain_argument,
    plain_result,
    short_repr,
    with_condition_words,
)
from rmg_dsl.runtime.refine_loop import RefineLoop
from rmg_dsl.runtime.row_state import (
    Data,
    NoScore,
    Row,
    RowState,
    Waiting,
    attempt,
    fail,
    state_of_enquiry,
)
from rmg_dsl.runtime.user_functions import DEFAULT_SECONDS, UserFunction
from rmg_dsl.scales import Scale, Value


class Evaluator(ExpressionEvaluator):
    """Evaluates the rows of one plan.

    `functions` are the built-in functions and the caller's own; `python` are the functions of
    `python("module:name")` by that text, and `bound` gives one a bound on the seconds of a call.
    """

    def __init__(
        self,
        plan: Plan,
        functions: Mapping[str, Callable[..., Data]],
        python: Mapping[str, Callable[..., Data]] | None = None,
        bound: Callable[[UserFunction, float], UserFunction] = lambda function, _: function,
    ) -> None:
        self.plan = plan
        self.steps: dict[int, Step] = {step.number: step for step in plan.steps}
        super().__init__(functions)
        self._python_functions = python or {}
        self._bound = bound
        self._loops = {
            step.number: RefineLoop(step, self)
            for step in plan.steps
            if isinstance(step, RefineStep)
        }
        self._askers = {step.number: _asker(step) for step in plan.asks}
        self._single_keys = {number: asker.only for number, asker in self._askers.items()}
        self._step_functions = {step.number: self._function_of_step(step) for step in plan.steps}

    def advance(self, state: RowState) -> list[Enquiry]:
        """Go on with a row and return its new enquiries; set `is_done` at its end."""
        before = len(state.enquiries)
        waiting = False
        for root in self.plan.roots:
            # Evaluate every root before waiting: the questions of all of them go out together.
            try:
                self.outcome(root, state)
            except Waiting:
                waiting = True
        state.is_done = not waiting
        return list(state.enquiries.values())[before:]

    def add_answer(self, state: RowState, enquiry: Enquiry, answer: Outcome) -> None:
        """Store the answer to an enquiry; the next `advance` uses it."""
        target = state_of_enquiry(state, enquiry)
        # Where a step has one enquiry only, the answer is its outcome: nothing is left to pool.
        if enquiry.key == self._single_keys.get(enquiry.step):
            target.outcomes[enquiry.step] = answer
        else:
            target.answers.setdefault(enquiry.step, {})[enquiry.key] = answer

    def has_answer(self, state: RowState, enquiry: Enquiry) -> bool:
        """Is the answer to an enquiry there, or its step decided without it?"""
        target = state_of_enquiry(state, enquiry)
        return enquiry.step in target.outcomes or enquiry.key in target.answers.get(
            enquiry.step, ()
        )

    def is_asking(self, state: RowState) -> bool:
        """Does the row wait for the answer to an enquiry of its own?"""
        return not all(self.has_answer(state, enquiry) for enquiry in state.enquiries.values())

    def outcome(self, number: int, state: RowState) -> Outcome:
        """The outcome of a step. Raises `Waiting` where a question must be answered first."""
        previous = state.outcomes.get(number)
        if previous is not None:
            return previous
        outcome = state.outcomes[number] = attempt(self._step_functions[number], state)
        return outcome

    def _function_of_step(self, step: Step) -> Callable[[RowState], Outcome]:
        """The function for the outcome of a step, with all that does not depend on the row."""
        match step:
            case AskStep():
                return partial(self._judge_row, step.number)
            case RefineStep():
                return self._loops[step.number].outcome
            case LoopOutputStep():
                return partial(self._take_loop_output, step)
            case CallPythonStep():
                return self._python_call(step)
            case ComputeStep():
                return self._computation(step)
            case RankStep():
                return partial(self._enter_ranking, step)
            case _:
                assert_never(step)

    def _enter_ranking(self, rank: RankStep, state: RowState) -> NoReturn:
        """Enter the row in the ranking and wait: `RankingGroups` sets the rank later."""
        if state.draft is not None:
            fail(Status.ERROR, "a draft has no rank: it is no row of the data")
        if rank.number not in state.ranking_entries:
            state.ranking_entries[rank.number] = ranking_entry_of(rank, self, state)
        raise Waiting

    def _take_loop_output(self, step: LoopOutputStep, state: RowState) -> Outcome:
        """An output of a loop, once it has ended."""
        self.outcome(step.scoring.loop, state)
        return self._loops[step.scoring.loop].loop_output(step.scoring, state)

    def _judge_row(self, number: int, state: RowState) -> Outcome:
        """The score of the judges. Sends the enquiries that are missing, then raises `Waiting`."""
        asker, only = self._askers[number], self._single_keys[number]
        if isinstance(asker, PairAsker):
            sides = (self.value_or_none(side, state) for side in asker.scoring.sides)
            tie = asker.tie_of_equals(*sides)
            if tie is not None:
                return tie
        if only is not None:
            needed: Sequence[EnquiryKey] = (only,)
        else:
            resolved = asker.resolve(state.answers.get(number, {}), partial(self.holds, state))
            if isinstance(resolved, Score | Unscored):
                return resolved
            needed = resolved
        for key in needed:
            # The step runs again after each answer; it must not send a question twice.
            if (state.draft, number, key) not in state.enquiries:
                question = self.question(partial(asker.question, key), asker.bound, state)
                self.send(Enquiry(number, key, question, *asker.model_for(key), state.draft), state)
        raise Waiting

    @staticmethod
    def send(enquiry: Enquiry, state: RowState) -> None:
        """Note an enquiry: the next `advance` returns it as new."""
        state.enquiries[enquiry.draft, enquiry.step, enquiry.key] = enquiry

    def holds(
        self, state: RowState, condition: Term, condition_words: Mapping[str, Value | None]
    ) -> bool:
        """Does a condition with words of its own, such as `spread`, hold on a row?"""
        return self.truth(condition, with_condition_words(state, condition_words))

    def names_of_step(self, number: int) -> Sequence[str]:
        """The names that a step has in the spec."""
        return self.steps[number].names

    def preview_question(self, number: int, index: int, row: Row) -> Question | Unscored:
        """The question of a step about a row, needed or not; or why there is no question."""
        state = RowState(index, row)
        try:
            outcome = self.outcome(number, state)
        except Waiting:
            for enquiry in state.enquiries.values():
                if enquiry.step == number:
                    return enquiry.question
            return Unscored(Status.SKIPPED, "it waits for another")
        assert isinstance(outcome, Unscored)
        return outcome

    def question(
        self,
        ask: Callable[[Mapping[str, Data]], Question],
        bound: Iterable[tuple[str, Term]],
        state: RowState,
    ) -> Question:
        """The question that `ask` renders from the row's values. Raises NoScore where it cannot."""
        values = {name: self.value_or_none(term, state) for name, term in bound}
        return render_question(partial(ask, values))

    def _python_call(self, step: CallPythonStep) -> Callable[[RowState], Score]:
        scoring = step.scoring
        function = self._bound(
            self._python_functions[scoring.target], scoring.timeout or DEFAULT_SECONDS
        )

        def score(state: RowState) -> Score:
            arguments = {name: self.value(term, state) for name, term in scoring.arguments}
            nulls = (name for name, value in arguments.items() if is_or_has_null(value))
            missing = next(nulls, None)
            if missing is not None:
                fail(Status.MISSING_INPUT, f"`{missing}` is null")
            plain = {name: plain_argument(value) for name, value in arguments.items()}
            result = plain_result(function(**plain), scoring.target)
            return _as_score(result, scoring.scale)

        return score

    def _computation(self, step: ComputeStep) -> Callable[[RowState], Score]:
        value_of, term, scale = self.row_function(step.term), step.term, step.scoring.scale
        may_be_label = scale is not None or _may_be_label(term)

        def score(state: RowState) -> Score:
            value = value_of(state)
            if is_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
            if type(value) is CellText:
                value = _cell_score(value, scale)
            if isinstance(value, str) and not may_be_label:
                fail(
                    Status.ERROR,
                    f"the result is a text and no score: {short_repr(value)}; a scale such as "
                    '`-> "a" | "b"` makes texts labels',
                )
            computed = _as_score(value, scale)
            # An aggregate that is only another name for a grader keeps the grader's label.
            if isinstance(term, expr.ScoreRef):
                source = state.outcomes.get(term.scoring)
                if isinstance(source, Score) and source.label:
                    return replace(computed, label=source.label)
            return computed

        return score


def _asker(step: AskStep) -> Asker:
    name, scoring = name_of_step(step), step.scoring
    if isinstance(scoring, PairwiseScoring):
        return PairAsker(name, scoring)
    return GraderAsker(name, scoring)


def name_of_step(step: Step) -> str:
    """The name under which the questions of a step are sent and logged."""
    if not step.names:
        return f"step {step.number}"
    return step.names[0]


def render_question(question: Callable[[], Question]) -> Question:
    """Render a question. Raises NoScore with the reason where that fails."""
    try:
        return question()
    except MissingInput as missing:
        raise NoScore(
            Unscored(Status.MISSING_INPUT, f"`{missing.name}` is null or blank")
        ) from None
    # `from None`: the traceback of a template shows sandbox code and no line of the spec.
    except TemplateTooBig as error:
        message = str(error) or "the template of the prompt makes or repeats more than a prompt may"
        raise NoScore(Unscored(Status.ERROR, message)) from None
    except BadRubric as error:
        raise NoScore(Unscored(Status.ERROR, str(error))) from None
    except RENDER_FAILURES as error:
        raise NoScore(Unscored(Status.ERROR, f"the prompt cannot be rendered: {error}")) from None


# ── scores ────────────────────────────────────────────────────────────────────────────────────────


def _as_score(value: Data, scale: Scale | None) -> Score:
    """A computed value as a score: finite, of a kind that scores, and on the scale if there is one.

    Raises NoScore for every other value.
    """
    # NaN fails this comparison too; a larger integer could not be averaged as a float.
    if isinstance(value, float | int) and not abs(value) <= sys.float_info.max:
        status = Status.ERROR if scale is None else Status.OFF_SCALE
        fail(status, f"the result is {short_repr(value)}, not a number to use")
    if value is None:
        fail(Status.MISSING_INPUT, "the result is null")
    if type(value) is CellText:
        value = _cell_score(value, scale)
    if not isinstance(value, bool | int | float | str):
        fail(Status.ERROR, f"the result is neither number, bool nor label: {short_repr(value)}")
    if scale is None:
        return Score(value)
    return _fit_to_scale(value, scale)


def _cell_score(cell: CellText, scale: Scale | None) -> Value:
    """A cell as a score: a label where the scale has words, else a number or a bool."""
    if scale is not None and scale.words:
        return str(cell)
    truth = cell.truth
    if truth is not None:
        return truth
    number = cell.number
    return str(cell) if number is None else number


def _may_be_label(term: Term) -> bool:
    """May the value be a label: of a grader, or what a function of the caller says?"""
    match term:
        case expr.IfElse(then, _, otherwise):
            return _may_be_label(then) or _may_be_label(otherwise)
        case expr.WithDefault(operand, fallback):
            return _may_be_label(operand) or _may_be_label(fallback)
        case _:
            return isinstance(term, expr.ScoreRef | expr.Call)


def _fit_to_scale(value: Value, scale: Scale) -> Score:
    # A bool counts as 0 or 1 on a range such as 0.0..1.0; on 1..5 it would be the worst verdict.
    if isinstance(value, bool) and scale.score_type.kind == "number" and scale.is_continuous:
        value = int(value)
    verdict = scale.fit(value)
    if verdict is None:
        fail(Status.OFF_SCALE, f"{short_repr(value)} is not on {scale}")
    return Score(scale.value_of(verdict), None, scale.label_of(verdict))
