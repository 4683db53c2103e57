"""The loop of `refine` on one row: its drafts as rows of their own, graded by the same steps. Restartable, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from rmg_dsl.ir.expr import InLoop, Term
from rmg_dsl.ir.scoring import FromLoop, Refining, Watched, Written, all_watched
from rmg_dsl.judge import Enquiry, Writer, feedback_on
from rmg_dsl.messages import Question
from rmg_dsl.plan import Refine
from rmg_dsl.prompts.template import is_blank
from rmg_dsl.results import Draft, Outcome, Path, Score, Status, Unscored
from rmg_dsl.runtime.refine_rules import Mark, Rules, ending, standing
from rmg_dsl.runtime.row_state import Drafts, NoScore, RowState, Version, Waiting

_DRAFT, _BEST, _FEEDBACK = InLoop("draft"), InLoop("best"), InLoop("feedback")
_FIRST = (0,)
_NOTHING = "(the graders say nothing)"


class Steps(Protocol):
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

    def __init__(self, step: Refine, steps: Steps) -> None:
        self._number = step.number
        self._loop: Refining = step.scoring
        self._steps = steps
        self._rules = Rules(
            self._loop.rounds, self._loop.patience, self._loop.keep_last, self._loop.duel
        )

    def outcome(self, state: RowState) -> Outcome:
        """How many rounds it took, and as the reason how it ended; or what failed. `Waiting` while something is out."""
        drafts = state.drafts.setdefault(self._number, Drafts())
        while not drafts.ending:
            self._go_on(drafts, state)
        self._hold_out(drafts)
        drafts.path = drafts.path or self._path(drafts)
        if drafts.failure is not None:
            return drafts.failure
        return Score(len(drafts.versions) - 1, drafts.ending)

    def _go_on(self, drafts: Drafts, state: RowState) -> None:
        """One step: write a draft, grade it, or end."""
        if len(drafts.marks) < len(drafts.versions):
            drafts.marks.append(self._mark(drafts))
            return
        drafts.ending = ending(self._rules, drafts.marks) or "" if drafts.marks else ""
        if drafts.ending:
            drafts.failure = _said_of_round(len(drafts.marks) - 1, drafts.marks[-1].failure)
            return
        written = self._next(drafts, state) if drafts.versions else self._first(state)
        if isinstance(written, Unscored):
            drafts.ending, drafts.failure = "failed", written
        elif drafts.versions and written.text == drafts.versions[-1].text:
            drafts.ending = "unchanged"
        else:
            drafts.versions.append(written)

    # ── grading ──

    def _mark(self, drafts: Drafts) -> Mark:
        """What the latest draft comes to, once nothing of it is out any more."""
        version = drafts.versions[-1]
        found = self._outcomes(self._watched(drafts), version)
        failed = next(
            (outcome for outcome in found.values() if isinstance(outcome, Unscored)), None
        )
        if failed is not None:
            return Mark(failure=failed)
        try:
            enough = self._loop.until is not None and self._steps.truth(
                self._until(version), version.state
            )
        except NoScore as error:
            return Mark(failure=error.unscored)
        by = _worth(self._loop.by, found) if self._loop.by in found else 0.0
        return Mark(by, tuple(_worth(guard, found) for guard in self._loop.guards), enough)

    def _watched(self, drafts: Drafts) -> list[Watched]:
        """What must be known of the latest draft: of the first one there is nothing to compare it with in a duel."""
        return [*([] if self._is_alone(drafts) else [self._loop.by]), *self._loop.guards]

    def _is_alone(self, drafts: Drafts) -> bool:
        """Is there nothing yet that a draft could be compared with?"""
        return self._loop.duel and len(drafts.versions) == 1

    def _outcomes(self, watched: Iterable[Watched], version: Version) -> dict[Watched, Outcome]:
        """The outcomes of all of these, asked for together; what the writer will hear of is asked for with them."""
        found: dict[Watched, Outcome] = {}
        waiting = False
        for each in watched:
            try:
                found[each] = self._steps.outcome(_number(each, version), version.state)
            except Waiting:
                waiting = True
        waiting = self._until_waits(version) or waiting
        if waiting:
            raise Waiting
        return found

    def _until_waits(self, version: Version) -> bool:
        if self._loop.until is None:
            return False
        try:
            self._steps.truth(self._until(version), version.state)
        except Waiting:
            return True
        except NoScore:
            return False
        return False

    def _until(self, version: Version) -> Term:
        assert self._loop.until is not None
        return self._loop.until[0 if version.as_it_came else 1]

    def _hold_out(self, drafts: Drafts) -> None:
        """The grader that no draft was written for sees the first and the returned one, and no other."""
        held, kept = self._loop.holdout, self._kept(drafts)
        if held is not None and kept is not None:
            waiting = False
            for version in (drafts.versions[0], drafts.versions[kept]):
                try:
                    self._steps.outcome(_number(held, version), version.state)
                except Waiting:
                    waiting = True
            if waiting:
                raise Waiting

    def _kept(self, drafts: Drafts) -> int | None:
        """The place of the draft that is returned; none where not even the first one was graded."""
        if not drafts.marks or drafts.marks[0].failure is not None:
            return None
        return standing(self._rules, drafts.marks).kept

    # ── writing ──

    def _first(self, state: RowState) -> Version | Unscored:
        """The text that the row came with, or one that is written because there is none."""
        current = self._steps.value(self._loop.current, state)
        if isinstance(current, str) and not is_blank(current):
            return Version(current, state, as_it_came=True)
        if not is_blank(current):
            return Unscored(Status.ERROR, f"`{self._loop.name}` is no text")
        if self._loop.draft is None:
            return Unscored(Status.MISSING_INPUT, f"`{self._loop.name}` is null or blank")
        return self._written(self._loop.draft, _FIRST, state, state, 0)

    def _next(self, drafts: Drafts, state: RowState) -> Version | Unscored:
        """A better version of the latest draft, by what is said of that one."""
        latest, place = drafts.versions[-1], len(drafts.versions)
        best = drafts.versions[standing(self._rules, drafts.marks).best].text
        said = self._feedback(drafts)
        seen = {**state.row, _DRAFT: latest.text, _BEST: best, _FEEDBACK: said}
        found: Version | Unscored
        try:
            found = self._written(
                self._loop.improve, (place,), RowState(state.index, seen), state, place
            )
        except NoScore as error:
            found = error.unscored
        if isinstance(found, Unscored):
            return Unscored(
                found.status, f"round {place}: the writer: {found.message}", found.attempts
            )
        found.state.row = {**found.state.row, _BEST: best}
        return found

    def _feedback(self, drafts: Drafts) -> str:
        version = drafts.versions[-1]
        asked = [
            each
            for each in self._loop.feedback
            if each != self._loop.by or not self._is_alone(drafts)
        ]
        found = [
            (each, self._steps.outcome(_number(each, version), version.state)) for each in asked
        ]
        scored = [(each, said) for each, said in found if isinstance(said, Score)]
        return (
            feedback_on(
                [(each.name, str(each.type.scale or each.type), said) for each, said in scored]
            )
            or _NOTHING
        )

    def _written(
        self, written: Written, key: tuple[int, ...], seen: RowState, state: RowState, place: int
    ) -> Version | Unscored:
        """The draft that the writer gave, as a row of its own; `Waiting` while it writes."""
        answer = state.answers.get(self._number, {}).get(key)
        if answer is None:
            if (None, self._number, key) not in state.asked:
                ask = Writer(self._loop.name, written).question
                question = self._steps.question(ask, written.bound, seen)
                self._steps.send(Enquiry(self._number, key, question, self._loop.writer), state)
            raise Waiting
        if isinstance(answer, Unscored):
            return answer
        row = {**state.row, _DRAFT: answer.value}
        return Version(
            str(answer.value),
            RowState(state.index, row, asked=state.asked, draft=(self._number, place)),
        )

    # ── what is left ──

    def left(self, taken: FromLoop, state: RowState) -> Outcome:
        """What the loop leaves behind under one name."""
        drafts, outcome = state.drafts[self._number], state.outcomes[self._number]
        if taken.part == "status":
            return Score(str(outcome.status))
        kept = self._kept(drafts)
        if kept is None:
            assert isinstance(outcome, Unscored)
            return outcome
        if taken.watched is not None:
            version = drafts.versions[0 if taken.part == "before" else kept]
            return version.state.outcomes[_number(taken.watched, version)]
        return Score(
            drafts.versions[kept].text if taken.part == "refined" else len(drafts.versions) - 1
        )

    def _path(self, drafts: Drafts) -> Path:
        refused = standing(self._rules, drafts.marks).refused if drafts.marks else ()
        found = (
            Draft(each.text, self._said(each), place in refused)
            for place, each in enumerate(drafts.versions)
        )
        return Path(tuple(found), self._kept(drafts), drafts.ending)

    def _said(self, version: Version) -> dict[str, Outcome]:
        known = {
            each.name: version.state.outcomes.get(_number(each, version))
            for each in all_watched(self._loop)
        }
        return {name: outcome for name, outcome in known.items() if outcome is not None}


def _number(watched: Watched, version: Version) -> int:
    return watched.first if version.as_it_came else watched.later


def _worth(watched: Watched, found: Mapping[Watched, Outcome]) -> float:
    """A score to compare by: higher is better, whatever the scale says."""
    outcome = found[watched]
    assert isinstance(outcome, Score)
    assert not isinstance(outcome.value, str | list)
    return -outcome.value if watched.type.direction < 0 else outcome.value


def _said_of_round(place: int, failure: Unscored | None) -> Unscored | None:
    """Which round failed; of the first draft there is nothing to add."""
    if failure is None or place == 0:
        return failure
    return Unscored(
        failure.status, f"round {place}: {failure.message}", failure.attempts, failure.trace
    )
