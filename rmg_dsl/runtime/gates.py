"""Gates: the `require` conditions on a whole run, fed row by row. A gate never passes unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rmg_dsl.plan import Plan
from rmg_dsl.results import Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import RowResult
from rmg_dsl.runtime.rows import NoScore, RowState, caught
from rmg_dsl.runtime.worth import as_condition, as_number
from rmg_dsl.semantics import Gate
from rmg_dsl.semantics.terms import OverRows, ScoreOf, walk

MOST_UNSCORED = 0.05

_OF_CONDITIONS = ("share", "count")

Statistic = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a gate: whether it holds, the values it saw, and why it fails where that is not plain."""

    text: str
    holds: bool
    values: Mapping[str, float | None]
    why: str = ""

    def __str__(self) -> str:
        seen = ", ".join(f"{name} = {_shown(value)}" for name, value in self.values.items())
        mark = "holds" if self.holds else "FAILS"
        return f"require {self.text}: {mark}" + (f" ({seen})" if seen else "") + (f": {self.why}" if self.why else "")


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


@dataclass(slots=True)
class _Seen:
    """The values of one statistic's argument, and for the rows that needed one and have none the step that failed."""

    values: list[Any] = field(default_factory=list)
    failed: list[int | None] = field(default_factory=list)


class Gates:
    """Collects what the gates of a plan need from each finished row, and judges them at the end."""

    def __init__(self, plan: Plan, evaluator: Evaluator, statistics: Mapping[str, Statistic]) -> None:
        self._gates = plan.gates
        self._evaluator = evaluator
        self._statistics = statistics
        self._seen: dict[OverRows, _Seen] = {t: _Seen() for gate in plan.gates for t in _statistics_in(gate)}
        self._bounded = {n for t in self._seen if t.function == "unscored" for n in _direct(t)}

    def add(self, result: RowResult) -> None:
        """Take in a finished row; steps that it never needed count as skipped and are left out."""
        if not self._seen:
            return
        outcomes = dict(result.outcomes)
        for number in self._evaluator.steps:
            outcomes.setdefault(number, Unscored(Status.SKIPPED))
        state = RowState(result.index, result.row, outcomes)
        for term, seen in self._seen.items():
            self._take(term, seen, state)

    def _take(self, term: OverRows, seen: _Seen, state: RowState) -> None:
        """A skipped row and a gap in a column are left out; all else without a value is a row that has failed."""
        with caught(lambda _: seen.failed.append(None)):
            try:
                value = self._value(term, state)
            except NoScore as error:
                if not _is_gap(error):
                    seen.failed.append(error.step)
                return
            seen.values += [] if value is None else [value]

    def _value(self, term: OverRows, state: RowState) -> Any:
        """What a statistic is about, of the kind that it can count with."""
        argument = term.arguments[0]
        value = self._evaluator.value(argument, state)
        if value is None or term.function == "unscored":
            return value
        if term.function in _OF_CONDITIONS:
            return as_condition(value, argument)
        return as_number(value, argument)

    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(self._judge(gate) for gate in self._gates)

    def _judge(self, gate: Gate) -> Verdict:
        terms = list(_statistics_in(gate))
        numbers = {term: self._statistic(term) for term in terms}
        shown = {self._name(term, gate): value for term, value in numbers.items()}
        empty = next((term for term, value in numbers.items() if value is None), None)
        if empty is not None:
            return Verdict(gate.text, False, shown, "no row has a value for it")
        failures: list[Unscored] = []
        holds = False
        with caught(failures.append):
            holds = self._evaluator.truth(gate.condition, RowState(-1, numbers))
        unseen = next((why for term in terms if (why := self._unseen(term))), "")
        said = [failures[0].message if failures else "" if holds else "the condition is false", unseen]
        return Verdict(
            gate.text, holds and not unseen, shown, "; ".join(part for part in said if part and (unseen or failures))
        )

    def _statistic(self, term: OverRows) -> float | None:
        seen = self._seen[term]
        if term.function == "unscored":
            needed = len(seen.values) + len(seen.failed)
            return len(seen.failed) / needed if needed else None
        value: float | None = self._statistics[term.function](seen.values) if seen.values else None
        return value

    def _unseen(self, term: OverRows) -> str:
        """Why a statistic cannot be believed: too many of the rows it needs have no score, and no gate bounds them."""
        seen = self._seen[term]
        lost = sum(step not in self._bounded for step in seen.failed)
        needed = len(seen.values) + len(seen.failed)
        if term.function == "unscored" or not needed or lost / needed <= MOST_UNSCORED:
            return ""
        return (
            f"{lost} of the {needed} rows it needs have no score, more than {MOST_UNSCORED:.0%}; "
            "`require unscored(…) < …` sets another bound"
        )

    @staticmethod
    def _name(term: OverRows, gate: Gate) -> str:
        terms = list(_statistics_in(gate))
        same = [t for t in terms if t.function == term.function]
        return term.function if len(same) == 1 else f"{term.function} {same.index(term) + 1}"


def _is_gap(error: NoScore) -> bool:
    status = error.unscored.status
    return status is Status.SKIPPED or (status is Status.MISSING_INPUT and error.step is None)


def _statistics_in(gate: Gate) -> Iterator[OverRows]:
    seen: dict[OverRows, None] = {}
    for term in walk(gate.condition):
        if isinstance(term, OverRows):
            seen.setdefault(term)
    return iter(seen)


def _direct(term: OverRows) -> Iterator[int]:
    """The steps that `unscored(g)` names."""
    for argument in term.arguments:
        if isinstance(argument, ScoreOf):
            yield argument.scoring
