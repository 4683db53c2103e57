"""The loop of `refine` on one row: its drafts as rows of their own, graded by the same steps. Restartable, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

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
from rmg_dsl.runtime.row_state import Drafts, NoScore, RowState, Version, Waiting

_DRAFT, _BEST, _FEEDBACK = LoopVariable("draft"), LoopVariable("best"), LoopVariable("feedback")
_FIRST_DRAFT_KEY = (0,)
_NO_FEEDBACK = "(the graders say nothing)"


class StepEvaluator(Protocol):
    """What a loop needs of the evaluator of its plan."""

    def outcome(self, number: int, state: RowState) -> Outcome: ...

    def value(self, term: Term, state: RowState) -> Any: ...

    def truth(self, term: Term, state: RowState) -> bool: ...

    def question(
        self,
        ask: Callable[[Mapping[str, Any]], Question],
        bound: Iterable[tuple[str, Term]],
        state: RowState,
    ) -> Question: ...

    def send(self, enquiry: Enquiry, state: RowState) -> None: ...


class RefineLoop:
    """One `refine` of a plan, for any row; what a row has come to is in its state."""

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
        """How many rounds it took, and as the reason how it ended; or what failed. `Waiting` while something is out."""
        drafts = state.drafts.setdefault(self._step_number, Drafts())
        while not drafts.ending:
            self._advance_loop(drafts, state)
        self._run_holdout(drafts)
        drafts.path = drafts.path or self._refine_path(drafts)
        if drafts.failure is not None:
            return drafts.failure
        return Score(len(drafts.versions) - 1, drafts.ending)

    def _advance_loop(self, drafts: Drafts, state: RowState) -> None:
        """One step: write a draft, grade it, or end."""
        if len(drafts.grades) < len(drafts.versions):
            drafts.grades.append(self._grade_latest(drafts))
            return
        drafts.ending = loop_ending(self._loop_rules, drafts.grades) or "" if drafts.grades else ""
        if drafts.ending:
            drafts.failure = _with_round_number(len(drafts.grades) - 1, drafts.grades[-1].failure)
            return
        written = (
            self._next_version(drafts, state) if drafts.versions else self._first_version(state)
        )
        if isinstance(written, Unscored):
            drafts.ending, drafts.failure = "failed", written
        elif drafts.versions and written.text == drafts.versions[-1].text:
            drafts.ending = "unchanged"
        else:
            drafts.versions.append(written)

    # ── grading ──

    def _grade_latest(self, drafts: Drafts) -> DraftGrade:
        """What the latest draft comes to, once nothing of it is out any more."""
        version = drafts.versions[-1]
        outcomes = self._grader_outcomes(self._required_graders(drafts), version)
        failed = next(
            (outcome for outcome in outcomes.values() if isinstance(outcome, Unscored)), None
        )
        if failed is not None:
            return DraftGrade(failure=failed)
        try:
            is_until_met = self._refining.until is not None and self._evaluator.truth(
                self._until_condition(version), version.state
            )
        except NoScore as error:
            return DraftGrade(failure=error.unscored)
        by = _directed_score(self._refining.by, outcomes) if self._refining.by in outcomes else 0.0
        return DraftGrade(
            by,
            tuple(_directed_score(guard, outcomes) for guard in self._refining.guards),
            is_until_met,
        )

    def _required_graders(self, drafts: Drafts) -> list[LoopGrader]:
        """What must be known of the latest draft: of the first one there is nothing to compare it with in a duel."""
        return [
            *([] if self._has_no_rival(drafts) else [self._refining.by]),
            *self._refining.guards,
        ]

    def _has_no_rival(self, drafts: Drafts) -> bool:
        """Is there nothing yet that a draft could be compared with?"""
        return self._refining.is_pairwise and len(drafts.versions) == 1

    def _grader_outcomes(
        self, graders: Iterable[LoopGrader], version: Version
    ) -> dict[LoopGrader, Outcome]:
        """The outcomes of all of these, asked for together; what the writer will hear of is asked for with them."""
        outcomes: dict[LoopGrader, Outcome] = {}
        waiting = False
        for grader in graders:
            try:
                outcomes[grader] = self._evaluator.outcome(
                    _grader_step_number(grader, version), version.state
                )
            except Waiting:
                waiting = True
        waiting = self._is_until_pending(version) or waiting
        if waiting:
            raise Waiting
        return outcomes

    def _is_until_pending(self, version: Version) -> bool:
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
        """The grader that no draft was written for sees the first and the returned one, and no other."""
        holdout, returned = self._refining.holdout, self._returned_index(drafts)
        if holdout is not None and returned is not None:
            waiting = False
            for version in (drafts.versions[0], drafts.versions[returned]):
                try:
                    self._evaluator.outcome(_grader_step_number(holdout, version), version.state)
                except Waiting:
                    waiting = True
            if waiting:
                raise Waiting

    def _returned_index(self, drafts: Drafts) -> int | None:
        """The place of the draft that is returned; none where not even the first one was graded."""
        if not drafts.grades or drafts.grades[0].failure is not None:
            return None
        return compare_drafts(self._loop_rules, drafts.grades).returned_index

    # ── writing ──

    def _first_version(self, state: RowState) -> Version | Unscored:
        """The text that the row came with, or one that is written because there is none."""
        current = self._evaluator.value(self._refining.current, state)
        if isinstance(current, str) and not is_blank(current):
            return Version(current, state, is_original=True)
        if not is_blank(current):
            return Unscored(Status.ERROR, f"`{self._refining.name}` is no text")
        if self._refining.draft is None:
            return Unscored(Status.MISSING_INPUT, f"`{self._refining.name}` is null or blank")
        return self._write_draft(self._refining.draft, _FIRST_DRAFT_KEY, state, state, 0)

    def _next_version(self, drafts: Drafts, state: RowState) -> Version | Unscored:
        """A better version of the latest draft, by what is said of that one."""
        latest, place = drafts.versions[-1], len(drafts.versions)
        best = drafts.versions[compare_drafts(self._loop_rules, drafts.grades).best_index].text
        feedback = self._feedback_text(drafts)
        writer_row = {**state.row, _DRAFT: latest.text, _BEST: best, _FEEDBACK: feedback}
        written: Version | Unscored
        try:
            written = self._write_draft(
                self._refining.improve, (place,), RowState(state.index, writer_row), state, place
            )
        except NoScore as error:
            written = error.unscored
        if isinstance(written, Unscored):
            return Unscored(
                written.status, f"round {place}: the writer: {written.message}", written.attempts
            )
        written.state.row = {**written.state.row, _BEST: best}
        return written

    def _feedback_text(self, drafts: Drafts) -> str:
        version = drafts.versions[-1]
        graders = [
            grader
            for grader in self._refining.feedback
            if grader != self._refining.by or not self._has_no_rival(drafts)
        ]
        outcomes = [
            (grader, self._evaluator.outcome(_grader_step_number(grader, version), version.state))
            for grader in graders
        ]
        scored = [(grader, outcome) for grader, outcome in outcomes if isinstance(outcome, Score)]
        return (
            feedback_on(
                [
                    (grader.name, str(grader.type.scale or grader.type), outcome)
                    for grader, outcome in scored
                ]
            )
            or _NO_FEEDBACK
        )

    def _write_draft(
        self,
        prompt: WriterPrompt,
        key: tuple[int, ...],
        writer_state: RowState,
        state: RowState,
        place: int,
    ) -> Version | Unscored:
        """The draft that the writer gave, as a row of its own; `Waiting` while it writes."""
        answer = state.answers.get(self._step_number, {}).get(key)
        if answer is None:
            if (None, self._step_number, key) not in state.enquiries:
                ask = DraftWriter(self._refining.name, prompt).question
                question = self._evaluator.question(ask, prompt.bindings, writer_state)
                self._evaluator.send(
                    Enquiry(self._step_number, key, question, self._refining.writer), state
                )
            raise Waiting
        if isinstance(answer, Unscored):
            return answer
        row = {**state.row, _DRAFT: answer.value}
        return Version(
            str(answer.value),
            RowState(state.index, row, enquiries=state.enquiries, draft=(self._step_number, place)),
        )

    # ── what is left ──

    def loop_output(self, output: LoopOutputScoring, state: RowState) -> Outcome:
        """What the loop leaves behind under one name."""
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
        return Score(
            drafts.versions[returned].text if output.part == "refined" else len(drafts.versions) - 1
        )

    def _refine_path(self, drafts: Drafts) -> RefinePath:
        refused = (
            compare_drafts(self._loop_rules, drafts.grades).refused_indexes if drafts.grades else ()
        )
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
    return grader.row_scoring if version.is_original else grader.draft_scoring


def _directed_score(grader: LoopGrader, outcomes: Mapping[LoopGrader, Outcome]) -> float:
    """A score to compare by: higher is better, whatever the scale says."""
    outcome = outcomes[grader]
    assert isinstance(outcome, Score)
    assert not isinstance(outcome.value, str | list)
    return -outcome.value if grader.type.direction < 0 else outcome.value


def _with_round_number(place: int, failure: Unscored | None) -> Unscored | None:
    """Which round failed; of the first draft there is nothing to add."""
    if failure is None or place == 0:
        return failure
    return Unscored(
        failure.status, f"round {place}: {failure.message}", failure.attempts, failure.trace
    )
