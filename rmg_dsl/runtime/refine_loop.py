"""The loop of `refine` on one row. Each draft is a row of its own, graded by the steps of the plan.

Like all evaluation the loop is restartable and does no I/O: `refine_rules` says what comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from rmg_dsl.ir.expr import LoopVariable, Term
from rmg_dsl.ir.scoring import (
    LoopGrader,
    LoopOutputScoring,
    RefineScoring,
    WriterPrompt,
    all_loop_graders,
)
from rmg_dsl.judge import DraftWriter, Enquiry, feedback_on
from rmg_dsl.messages import Question
from rmg_dsl.plan import RefineStep
from rmg_dsl.prompts.template import is_blank
from rmg_dsl.results import Draft, Outcome, RefinePath, Score, Status, Unscored
from rmg_dsl.runtime.refine_rules import DraftGrade, LoopRules, compare_drafts, loop_ending
from rmg_dsl.runtime.row_state import Data, Drafts, NoScore, RowState, Version, Waiting

_DRAFT, _BEST, _FEEDBACK = LoopVariable("draft"), LoopVariable("best"), LoopVariable("feedback")
_FIRST_DRAFT_KEY = (0,)
_NO_FEEDBACK = "(the graders say nothing)"


class StepEvaluator(Protocol):
    """What a loop uses of the evaluator of its plan."""

    def outcome(self, number: int, state: RowState) -> Outcome: ...

    def value(self, term: Term, state: RowState) -> Data: ...

    def truth(self, term: Term, state: RowState) -> bool: ...

    def question(
        self,
        ask: Callable[[Mapping[str, Data]], Question],
        bound: Iterable[tuple[str, Term]],
        state: RowState,
    ) -> Question: ...

    def send(self, enquiry: Enquiry, state: RowState) -> None: ...


class RefineLoop:
    """One `refine` of a plan, for all rows: the progress of a row is in its state."""

    def __init__(self, step: RefineStep, steps: StepEvaluator) -> None:
        self._step_number = step.number
        self._refining: RefineScoring = step.scoring
        self._evaluator = steps
        self._loop_rules = LoopRules(
            self._refining.rounds,
            self._refining.patience,
            self._refining.keep_last,
            self._refining.is_pairwise,
        )

    def outcome(self, state: RowState) -> Outcome:
        """The number of rounds, with the ending as the reason; or the failure. Raises `Waiting`."""
        drafts = state.drafts.setdefault(self._step_number, Drafts())
        while not drafts.ending:
            self._advance_loop(drafts, state)
        # The loop ends before the holdout runs: no draft may be written for the holdout.
        self._run_holdout(drafts)
        drafts.path = drafts.path or self._refine_path(drafts)
        if drafts.failure is not None:
            return drafts.failure
        return Score(len(drafts.versions) - 1, drafts.ending)

    def _advance_loop(self, drafts: Drafts, state: RowState) -> None:
        """Do one step: grade the latest draft, or end the loop, or write the next draft."""
        if len(drafts.grades) < len(drafts.versions):
            drafts.grades.append(self._grade_latest(drafts))
            return
        if drafts.grades:
            drafts.ending = loop_ending(self._loop_rules, drafts.grades) or ""
        if drafts.ending:
            drafts.failure = _with_round_number(len(drafts.grades) - 1, drafts.grades[-1].failure)
            return
        if drafts.versions:
            written = self._next_version(drafts, state)
        else:
            written = self._first_version(state)
        if isinstance(written, Unscored):
            drafts.ending, drafts.failure = "failed", written
        # The writer sees the same text and feedback again: another round would change nothing.
        elif drafts.versions and written.text == drafts.versions[-1].text:
            drafts.ending = "unchanged"
        else:
            drafts.versions.append(written)

    # ── grading ──

    def _grade_latest(self, drafts: Drafts) -> DraftGrade:
        """The grade of the latest draft. Raises `Waiting` until all its outcomes are there."""
        version = drafts.versions[-1]
        outcomes = self._grader_outcomes(self._required_graders(drafts), version)
        for outcome in outcomes.values():
            if isinstance(outcome, Unscored):
                return DraftGrade(failure=outcome)
        is_until_met = False
        if self._refining.until is not None:
            try:
                is_until_met = self._evaluator.truth(self._until_condition(version), version.state)
            except NoScore as error:
                return DraftGrade(failure=error.unscored)
        score = 0.0
        if self._refining.by in outcomes:
            score = _directed_score(self._refining.by, outcomes)
        guard_scores = tuple(_directed_score(guard, outcomes) for guard in self._refining.guards)
        return DraftGrade(score, guard_scores, is_until_met)

    def _required_graders(self, drafts: Drafts) -> list[LoopGrader]:
        """The graders that grade the latest draft."""
        if self._has_no_rival(drafts):
            return list(self._refining.guards)
        return [self._refining.by, *self._refining.guards]

    def _has_no_rival(self, drafts: Drafts) -> bool:
        """Is it the first draft of a pairwise `by`, with no draft before it to compare?"""
        return self._refining.is_pairwise and len(drafts.versions) == 1

    def _grader_outcomes(
        self, graders: Iterable[LoopGrader], version: Version
    ) -> dict[LoopGrader, Outcome]:
        """The outcomes of graders on a draft. Sends all their questions, then raises `Waiting`."""
        outcomes: dict[LoopGrader, Outcome] = {}
        waiting = False
        for grader in graders:
            number = _grader_step_number(grader, version)
            try:
                outcomes[grader] = self._evaluator.outcome(number, version.state)
            except Waiting:
                waiting = True
        # `until` may read other graders: their questions go out with these.
        waiting = self._is_until_pending(version) or waiting
        if waiting:
            raise Waiting
        return outcomes

    def _is_until_pending(self, version: Version) -> bool:
        """Does the condition `until` wait for an answer?"""
        if self._refining.until is None:
            return False
        try:
            self._evaluator.truth(self._until_condition(version), version.state)
        except Waiting:
            return True
        except NoScore:
            return False
        return False

    def _until_condition(self, version: Version) -> Term:
        assert self._refining.until is not None
        return self._refining.until[0 if version.is_original else 1]

    def _run_holdout(self, drafts: Drafts) -> None:
        """Grade the first and the returned draft by the holdout, which sees no other draft."""
        holdout, returned = self._refining.holdout, self._returned_index(drafts)
        if holdout is None or returned is None:
            return
        waiting = False
        for version in (drafts.versions[0], drafts.versions[returned]):
            try:
                self._evaluator.outcome(_grader_step_number(holdout, version), version.state)
            except Waiting:
                waiting = True
        if waiting:
            raise Waiting

    def _returned_index(self, drafts: Drafts) -> int | None:
        """The index of the returned draft; None where the first draft has no grade."""
        if not drafts.grades or drafts.grades[0].failure is not None:
            return None
        return compare_drafts(self._loop_rules, drafts.grades).returned_index

    # ── writing ──

    def _first_version(self, state: RowState) -> Version | Unscored:
        """The text of the row, or one that `draft` writes where the row has none."""
        current = self._evaluator.value(self._refining.current, state)
        if isinstance(current, str) and not is_blank(current):
            return Version(current, state, is_original=True)
        # `draft` fills a gap only: a value that is no text is a mistake in the data.
        if not is_blank(current):
            return Unscored(Status.ERROR, f"`{self._refining.name}` is no text")
        if self._refining.draft is None:
            return Unscored(Status.MISSING_INPUT, f"`{self._refining.name}` is null or blank")
        return self._write_draft(self._refining.draft, _FIRST_DRAFT_KEY, state, state, 0)

    def _next_version(self, drafts: Drafts, state: RowState) -> Version | Unscored:
        """The next draft, written from the latest one and the feedback on it."""
        latest, place = drafts.versions[-1], len(drafts.versions)
        best = drafts.versions[compare_drafts(self._loop_rules, drafts.grades).best_index].text
        feedback = self._feedback_text(drafts)
        writer_row = {**state.row, _DRAFT: latest.text, _BEST: best, _FEEDBACK: feedback}
        writer_state = RowState(state.index, writer_row)
        written: Version | Unscored
        try:
            written = self._write_draft(
                self._refining.improve, (place,), writer_state, state, place
            )
        except NoScore as error:
            written = error.unscored
        if isinstance(written, Unscored):
            message = f"round {place}: the writer: {written.message}"
            return Unscored(written.status, message, written.attempts)
        # A pairwise `by` compares the draft with the best one before it.
        written.state.row = {**written.state.row, _BEST: best}
        return written

    def _feedback_text(self, drafts: Drafts) -> str:
        """The scores and reasons of the latest draft, as the writer gets them."""
        version = drafts.versions[-1]
        remarks: list[tuple[str, str, Score]] = []
        for grader in self._refining.feedback:
            if grader == self._refining.by and self._has_no_rival(drafts):
                continue
            number = _grader_step_number(grader, version)
            outcome = self._evaluator.outcome(number, version.state)
            if isinstance(outcome, Score):
                remarks.append((grader.name, str(grader.type.scale or grader.type), outcome))
        return feedback_on(remarks) or _NO_FEEDBACK

    def _write_draft(
        self,
        prompt: WriterPrompt,
        key: tuple[int, ...],
        writer_state: RowState,
        state: RowState,
        place: int,
    ) -> Version | Unscored:
        """The draft of the writer, as a row of its own. Sends the question and raises `Waiting`."""
        answer = state.answers.get(self._step_number, {}).get(key)
        if answer is None:
            if (None, self._step_number, key) not in state.enquiries:
                ask = DraftWriter(self._refining.name, prompt).question
                question = self._evaluator.question(ask, prompt.bindings, writer_state)
                enquiry = Enquiry(self._step_number, key, question, self._refining.writer)
                self._evaluator.send(enquiry, state)
            raise Waiting
        if isinstance(answer, Unscored):
            return answer
        row = {**state.row, _DRAFT: answer.value}
        # The draft shares the enquiries of its row: the executor knows rows only.
        draft = (self._step_number, place)
        draft_state = RowState(state.index, row, enquiries=state.enquiries, draft=draft)
        return Version(str(answer.value), draft_state)

    # ── outputs ──

    def loop_output(self, output: LoopOutputScoring, state: RowState) -> Outcome:
        """One output of the loop: its status, its text, its rounds, a score before or after it."""
        drafts, outcome = state.drafts[self._step_number], state.outcomes[self._step_number]
        if output.part == "status":
            return Score(str(outcome.status))
        returned = self._returned_index(drafts)
        if returned is None:
            assert isinstance(outcome, Unscored)
            return outcome
        if output.grader is not None:
            version = drafts.versions[0 if output.part == "before" else returned]
            return version.state.outcomes[_grader_step_number(output.grader, version)]
        if output.part == "refined":
            return Score(drafts.versions[returned].text)
        return Score(len(drafts.versions) - 1)

    def _refine_path(self, drafts: Drafts) -> RefinePath:
        """The drafts of the row with their outcomes, for `result.history` and the reports."""
        refused: tuple[int, ...] = ()
        if drafts.grades:
            refused = compare_drafts(self._loop_rules, drafts.grades).refused_indexes
        drafts_of_path = (
            Draft(version.text, self._outcomes_by_grader(version), place in refused)
            for place, version in enumerate(drafts.versions)
        )
        return RefinePath(tuple(drafts_of_path), self._returned_index(drafts), drafts.ending)

    def _outcomes_by_grader(self, version: Version) -> dict[str, Outcome]:
        outcomes = {
            grader.name: version.state.outcomes.get(_grader_step_number(grader, version))
            for grader in all_loop_graders(self._refining)
        }
        return {name: outcome for name, outcome in outcomes.items() if outcome is not None}


def _grader_step_number(grader: LoopGrader, version: Version) -> int:
    """The step that grades a version: the text of the row is graded by the steps of the row."""
    if version.is_original:
        return grader.row_scoring
    return grader.draft_scoring


def _directed_score(grader: LoopGrader, outcomes: Mapping[LoopGrader, Outcome]) -> float:
    """The score of a grader, negated where lower is better: higher always is the better one."""
    outcome = outcomes[grader]
    assert isinstance(outcome, Score)
    assert not isinstance(outcome.value, str | list)
    return -outcome.value if grader.type.direction < 0 else outcome.value


def _with_round_number(place: int, failure: Unscored | None) -> Unscored | None:
    """The failure with the number of its round in the message, except for the first draft."""
    if failure is None or place == 0:
        return failure
    message = f"round {place}: {failure.message}"
    return Unscored(failure.status, message, failure.attempts, failure.trace)
