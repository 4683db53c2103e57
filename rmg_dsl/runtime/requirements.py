"""Gates: the `require` conditions on a whole run, fed row by row. A gate never passes unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rmg_dsl.ir.expr import ScoreRef, Statistic, Term, walk_terms
from rmg_dsl.ir.suite import Requirement
from rmg_dsl.plan import Plan
from rmg_dsl.results import Estimate, Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import RowResult
from rmg_dsl.runtime.expressions import as_condition, as_number
from rmg_dsl.runtime.row_state import NoScore, RowState, record_failure
from rmg_dsl.runtime.value_columns import CompactColumn

MAX_UNSCORED_SHARE = 0.05

EstimateOf = Callable[[Statistic, Sequence[Sequence[Any]]], Estimate]
"""What a function over the rows says of the columns of its arguments; ValueError where they cannot be compared."""


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """What became of a gate: whether it holds, the statistics that it saw, and why it fails where that is not plain."""

    text: str
    holds: bool
    estimates: Mapping[str, Estimate]
    why: str = ""

    @property
    def values(self) -> dict[str, float | None]:
        return {name: estimate.value for name, estimate in self.estimates.items()}

    def __str__(self) -> str:
        seen = "; ".join(
            f"{name} = {_statistic_text(estimate)}" for name, estimate in self.estimates.items()
        )
        mark = "holds" if self.holds else "FAILS"
        return (
            f"require {self.text}: {mark}"
            + (f" ({seen})" if seen else "")
            + (f": {self.why}" if self.why else "")
        )


def _statistic_text(found: Estimate) -> str:
    """The value, its 95 % bounds, and how many rows it rests on."""
    if found.value is None:
        return "none"
    bounds = (
        ""
        if found.low is None
        else f", 95 % {_short_number(found.low)} – {_short_number(found.high)}"
    )
    return f"{_short_number(found.value)}{bounds}, n = {found.n:,}"


def _short_number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


class _StatisticInput(NamedTuple):
    """What is kept of each row: terms, read as numbers, conditions or ratings, or only for whether they are there."""

    kind: str
    arguments: tuple[Term, ...]
    min_present: int

    @classmethod
    def of(cls, term: Statistic) -> _StatisticInput:
        spec = term.spec
        return cls(spec.input.reading, term.arguments, spec.min_present(len(term.arguments)))


@dataclass(slots=True)
class _CollectedInput:
    """The columns of what is read, how many rows need it, and of how many of them nobody knows it for a failure."""

    columns: tuple[CompactColumn, ...]
    needed_rows: int = 0
    lost_rows: int = 0


class RequirementChecker:
    """Collects what the gates of a plan need from each finished row, and judges them at the end."""

    def __init__(self, plan: Plan, evaluator: Evaluator, estimate_of: EstimateOf) -> None:
        self._requirements = plan.requirements
        self._evaluator = evaluator
        self._estimate_of = estimate_of
        self._collected_inputs: dict[_StatisticInput, _CollectedInput] = {}
        terms = [term for gate in plan.requirements for term in _statistics_in(gate)]
        for term in terms:
            reading = _StatisticInput.of(term)
            self._collected_inputs.setdefault(
                reading, _CollectedInput(tuple(CompactColumn() for _ in reading.arguments))
            )
        self._bounded_steps = {
            number
            for term in terms
            if term.spec.input.reading == "unscored"
            for number in _steps_of_unscored(term)
        }

    def add(self, result: RowResult) -> None:
        """Take in a finished row; steps that it never needed count as skipped and are left out."""
        if not self._collected_inputs:
            return
        state = finished_state(result, self._evaluator)
        for reading, seen in self._collected_inputs.items():
            self._collect_input(reading, seen, state)

    def _collect_input(
        self, reading: _StatisticInput, seen: _CollectedInput, state: RowState
    ) -> None:
        """A row is needed where enough arguments are there, gaps and skipped ones being none; a failure loses it."""
        found = [
            self._read_argument(reading.kind, argument, state) for argument in reading.arguments
        ]
        if sum(each is not None for each in found) < reading.min_present:
            return
        seen.needed_rows += 1
        failures = [each for each in found if isinstance(each, Failure)]
        if reading.kind == "unscored":
            seen.columns[0].append(bool(failures))
        elif failures:
            seen.lost_rows += any(failure.step not in self._bounded_steps for failure in failures)
        else:
            for column, value in zip(seen.columns, found, strict=True):
                column.append(value)

    def _read_argument(self, kind: str, argument: Term, state: RowState) -> Any:
        return read_value(self._evaluator, argument, state, _READERS[kind])

    # ── judging ──

    def requirement_results(self) -> tuple[RequirementResult, ...]:
        return tuple(self._check_requirement(gate) for gate in self._requirements)

    def _check_requirement(self, gate: Requirement) -> RequirementResult:
        found = {term: self._estimate_statistic(term) for term in _statistics_in(gate)}
        shown = {_statistic_label(term, found): estimate for term, estimate in found.items()}
        unseen = next((why for term in found if (why := self._too_many_unscored(term))), "")
        lacking = next(
            (why for term in walk_terms(gate.condition) if (why := _undefined_reason(term, found))),
            "",
        )
        if lacking:
            return RequirementResult(
                gate.text, False, shown, "; ".join(filter(None, [lacking, unseen]))
            )
        failures: list[Unscored] = []
        holds = False
        with record_failure(failures.append):
            holds = self._evaluator.truth(
                gate.condition, RowState(-1, _statistic_values(gate, found))
            )
        said = [
            failures[0].message if failures else "" if holds else "the condition is false",
            unseen,
        ]
        why = "; ".join(part for part in said if part and (unseen or failures))
        return RequirementResult(gate.text, holds and not unseen, shown, why)

    def _estimate_statistic(self, term: Statistic) -> Estimate:
        columns = self._collected_inputs[_StatisticInput.of(term)].columns
        try:
            return self._estimate_of(term, columns)
        except ValueError as error:
            return Estimate(len(columns[0]), None, why=str(error))

    def _too_many_unscored(self, term: Statistic) -> str:
        """Why a statistic cannot be believed: too many of the rows it needs have no score, and no gate bounds them."""
        seen = self._collected_inputs[_StatisticInput.of(term)]
        if not seen.needed_rows or seen.lost_rows / seen.needed_rows <= MAX_UNSCORED_SHARE:
            return ""
        return (
            f"{seen.lost_rows} of the {seen.needed_rows} rows it needs have no score, more than {MAX_UNSCORED_SHARE:.0%}; "
            "`require unscored(…) < …` sets another bound"
        )


# ── one row ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that should have a value on a row and has none; `step` is the one that failed, if it is a step's."""

    step: int | None = None


def finished_state(result: RowResult, evaluator: Evaluator) -> RowState:
    """A finished row as it can be looked at again: steps that it never needed were skipped."""
    outcomes = dict(result.outcomes)
    for number in evaluator.steps:
        outcomes.setdefault(number, Unscored(Status.SKIPPED))
    return RowState(result.index, result.row, outcomes)


def read_value(
    evaluator: Evaluator, term: Term, state: RowState, read: Callable[[Any, Term], Any]
) -> Any | Failure | None:
    """A term's value on a finished row; None for a skipped step and a gap in a column, a failure for all else."""
    found: Any = Failure()
    with record_failure(lambda _: None):
        try:
            value = evaluator.value(term, state)
            found = None if value is None else read(value, term)
        except NoScore as error:
            found = None if _is_expected_gap(error) else Failure(error.step)
    return found


def as_rating(value: Any, _: Term) -> float | str:
    """A value that raters can give: a number, a bool or a text. Raises TypeError for anything else."""
    if isinstance(value, int | float | str):
        return value if isinstance(value, str) else float(value)
    raise TypeError(f"{type(value).__name__} is no verdict")


_READERS: Mapping[str, Callable[[Any, Term], Any]] = {
    "condition": as_condition,
    "number": lambda value, term: float(as_number(value, term)),
    "rating": as_rating,
    "unscored": lambda value, _: value,
}


def _is_expected_gap(error: NoScore) -> bool:
    status = error.unscored.status
    return status is Status.SKIPPED or (status is Status.MISSING_INPUT and error.step is None)


# ── one gate ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _statistics_in(gate: Requirement) -> Iterator[Statistic]:
    """The functions over the rows that a gate asks for; of `low` and `high` those whose bounds they are."""
    found = (
        term
        for term in walk_terms(gate.condition)
        if isinstance(term, Statistic) and not term.spec.is_bound
    )
    return iter(dict.fromkeys(found))


def _statistic_label(term: Statistic, found: Mapping[Statistic, Estimate]) -> str:
    same = [each for each in found if each.function == term.function]
    return term.function if len(same) == 1 else f"{term.function} {same.index(term) + 1}"


def _undefined_reason(term: Term, found: Mapping[Statistic, Estimate]) -> str:
    """Why a statistic, or a bound of one, is not to be had: no gate can be decided by it."""
    if not isinstance(term, Statistic):
        return ""
    if not term.spec.is_bound:
        return found[term].why if found[term].value is None else ""
    (inner,) = term.arguments
    estimate = found[inner] if isinstance(inner, Statistic) else Estimate(0, None)
    return (
        f"there is no {term.function}: {estimate.why}"
        if estimate.value is not None and estimate.low is None
        else ""
    )


def _statistic_values(
    gate: Requirement, found: Mapping[Statistic, Estimate]
) -> dict[Statistic, float | None]:
    """What each function is worth in the condition."""
    numbers = {term: estimate.value for term, estimate in found.items()}
    for term in walk_terms(gate.condition):
        if isinstance(term, Statistic) and term.spec.is_bound:
            (inner,) = term.arguments
            assert isinstance(inner, Statistic)
            numbers[term] = found[inner].low if term.function == "low" else found[inner].high
    return numbers


def _steps_of_unscored(term: Statistic) -> Iterator[int]:
    """The steps that `unscored(g)` names."""
    for argument in term.arguments:
        if isinstance(argument, ScoreRef):
            yield argument.scoring
