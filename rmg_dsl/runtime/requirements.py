"""Gates: the `require` conditions on a whole run, fed row by row. A gate never passes unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from rmg_dsl.ir.expr import ScoreRef, Statistic, Term, walk_terms
from rmg_dsl.ir.suite import Requirement
from rmg_dsl.plan import LoopOutputStep, Plan
from rmg_dsl.results import Estimate, Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import RowResult
from rmg_dsl.runtime.expressions import as_condition, as_number
from rmg_dsl.runtime.row_state import NoScore, RowState, attempt
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
        statistics = "; ".join(
            f"{name} = {_statistic_text(estimate)}" for name, estimate in self.estimates.items()
        )
        verdict = "holds" if self.holds else "FAILS"
        return (
            f"require {self.text}: {verdict}"
            + (f" ({statistics})" if statistics else "")
            + (f": {self.why}" if self.why else "")
        )


def _statistic_text(estimate: Estimate) -> str:
    """The value, its 95 % bounds, and how many rows it rests on."""
    if estimate.value is None:
        return "none"
    bounds = (
        ""
        if estimate.low is None
        else f", 95 % {_short_number(estimate.low)} – {_short_number(estimate.high)}"
    )
    return f"{_short_number(estimate.value)}{bounds}, n = {estimate.n:,}"


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


class RequirementFailure(NamedTuple):
    """A row on which an expression of a requirement failed; the name is `require` and its text."""

    requirement: str
    outcome: Unscored


@dataclass(slots=True)
class _CollectedInput:
    """The columns of what is read, how many rows need it, and how many of these have a failure.

    `first_failure` is the first one inside the requirement itself, with the index of its row.
    """

    columns: tuple[CompactColumn, ...]
    needed_rows: int = 0
    lost_rows: int = 0
    first_failure: tuple[int, Unscored] | None = None


class RequirementChecker:
    """Collects what the gates of a plan need from each finished row, and judges them at the end."""

    def __init__(self, plan: Plan, evaluator: Evaluator, estimate_of: EstimateOf) -> None:
        self._requirements = plan.requirements
        self._evaluator = evaluator
        self._estimate_of = estimate_of
        self._collected_inputs: dict[_StatisticInput, _CollectedInput] = {}
        self._inputs_by_requirement = [
            (
                requirement_name(requirement),
                [_StatisticInput.of(term) for term in _statistics_in(requirement)],
            )
            for requirement in plan.requirements
        ]
        for _, readings in self._inputs_by_requirement:
            for reading in readings:
                columns = tuple(CompactColumn() for _ in reading.arguments)
                self._collected_inputs.setdefault(reading, _CollectedInput(columns))
        terms = [term for requirement in plan.requirements for term in _statistics_in(requirement)]
        # A failure of these steps stands in `failures` already, under the name of its grader.
        self._reported_steps = {output.scoring for output in plan.outputs} | {
            step.number for step in plan.steps if isinstance(step, LoopOutputStep)
        }
        self._bounded_steps = {
            number
            for term in terms
            if term.spec.input.reading == "unscored"
            for number in _steps_of_unscored(term)
        }

    def add(self, result: RowResult) -> tuple[RequirementFailure, ...]:
        """Take in a finished row; returns the failures of the requirements' own expressions on it.

        Steps that the row never needed count as skipped and are left out.
        """
        if not self._collected_inputs:
            return ()
        state = finished_state(result, self._evaluator)
        own_failures: dict[_StatisticInput, Unscored] = {}
        for reading, collected in self._collected_inputs.items():
            failure = self._collect_input(reading, collected, state)
            if failure is not None:
                own_failures[reading] = failure
        if not own_failures:
            return ()
        return tuple(self._failures_by_requirement(own_failures))

    def _failures_by_requirement(
        self, own_failures: Mapping[_StatisticInput, Unscored]
    ) -> Iterator[RequirementFailure]:
        """The first failure of each requirement on one row."""
        for name, readings in self._inputs_by_requirement:
            first = next((own_failures[r] for r in readings if r in own_failures), None)
            if first is not None:
                yield RequirementFailure(name, first)

    def _collect_input(
        self, reading: _StatisticInput, collected: _CollectedInput, state: RowState
    ) -> Unscored | None:
        """Read one input of a row; returns the failure where the requirement itself failed.

        A row is needed where enough arguments have a value or a failure. A gap in a column and a
        skipped step are neither. A needed row with a failure is lost.
        """
        values = [
            self._read_argument(reading.kind, argument, state) for argument in reading.arguments
        ]
        if sum(value is not None for value in values) < reading.min_present:
            return None
        collected.needed_rows += 1
        failures = [value for value in values if isinstance(value, Failure)]
        if reading.kind == "unscored":
            collected.columns[0].append(bool(failures))
        elif failures:
            collected.lost_rows += any(f.step not in self._bounded_steps for f in failures)
        else:
            for column, value in zip(collected.columns, values, strict=True):
                column.append(value)
        own_failure = next(
            (f.outcome for f in failures if f.step not in self._reported_steps), None
        )
        if own_failure is not None and collected.first_failure is None:
            collected.first_failure = (state.index, own_failure)
        return own_failure

    def _read_argument(self, kind: str, argument: Term, state: RowState) -> Any:
        return read_value(self._evaluator, argument, state, _READERS[kind])

    # ── judging ──

    def requirement_results(self) -> tuple[RequirementResult, ...]:
        return tuple(self._check_requirement(requirement) for requirement in self._requirements)

    def _check_requirement(self, requirement: Requirement) -> RequirementResult:
        estimates = {term: self._estimate_statistic(term) for term in _statistics_in(requirement)}
        shown = {
            _statistic_label(term, estimates): estimate for term, estimate in estimates.items()
        }
        unseen = next((why for term in estimates if (why := self._too_many_unscored(term))), "")
        lacking = next(
            (
                why
                for term in walk_terms(requirement.condition)
                if (why := _undefined_reason(term, estimates))
            ),
            "",
        )
        failed_row = self._first_failure_text(requirement)
        if lacking:
            why = _join_reasons(lacking, unseen, failed_row)
            return RequirementResult(requirement.text, False, shown, why)
        state = RowState(-1, _statistic_values(requirement, estimates))
        holds = attempt(partial(self._evaluator.truth, requirement.condition), state)
        if isinstance(holds, Unscored):
            why = _join_reasons(holds.message, unseen, failed_row)
            return RequirementResult(requirement.text, False, shown, why)
        is_false = ""
        if unseen and not holds:
            is_false = "the condition is false"
        why = _join_reasons(is_false, unseen, failed_row)
        return RequirementResult(requirement.text, holds and not unseen, shown, why)

    def _first_failure_text(self, requirement: Requirement) -> str:
        """The first row on which an expression of the requirement failed, and why it did."""
        inputs = [
            self._collected_inputs[_StatisticInput.of(t)] for t in _statistics_in(requirement)
        ]
        failures = [
            collected.first_failure for collected in inputs if collected.first_failure is not None
        ]
        if not failures:
            return ""
        index, outcome = min(failures, key=lambda failure: failure[0])
        return f"the first failure is on row {index}: {outcome.message}"

    def _estimate_statistic(self, term: Statistic) -> Estimate:
        columns = self._collected_inputs[_StatisticInput.of(term)].columns
        try:
            return self._estimate_of(term, columns)
        except ValueError as error:
            return Estimate(len(columns[0]), None, why=str(error))

    def _too_many_unscored(self, term: Statistic) -> str:
        """Why a statistic cannot be believed: too many of the rows it needs have no score, and no gate bounds them."""
        collected = self._collected_inputs[_StatisticInput.of(term)]
        if (
            not collected.needed_rows
            or collected.lost_rows / collected.needed_rows <= MAX_UNSCORED_SHARE
        ):
            return ""
        return (
            f"{collected.lost_rows} of the {collected.needed_rows} rows it needs have no score, more than {MAX_UNSCORED_SHARE:.0%}; "
            "`require unscored(…) < …` sets another bound"
        )


# ── one row ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Failure:
    """A term that should have a value on a row and has none; `step` is set where a step failed."""

    outcome: Unscored
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
    """A term's value on a finished row: None for a gap, a `Failure` where it should have a value.

    A skipped step and a null or missing column are gaps.
    """

    def read_term(state: RowState) -> Any | Failure | None:
        try:
            value = evaluator.value(term, state)
            return None if value is None else read(value, term)
        except NoScore as error:
            return None if _is_expected_gap(error) else Failure(error.unscored, error.step)

    outcome = attempt(read_term, state)
    return Failure(outcome) if isinstance(outcome, Unscored) else outcome


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


def requirement_name(requirement: Requirement) -> str:
    """What a requirement is called where its failures stand beside those of graders."""
    return f"require {requirement.text}"


def _join_reasons(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def _statistics_in(requirement: Requirement) -> Iterator[Statistic]:
    """The functions over the rows that a gate asks for; of `low` and `high` those whose bounds they are."""
    statistics = (
        term
        for term in walk_terms(requirement.condition)
        if isinstance(term, Statistic) and not term.spec.is_bound
    )
    return iter(dict.fromkeys(statistics))


def _statistic_label(term: Statistic, estimates: Mapping[Statistic, Estimate]) -> str:
    same = [statistic for statistic in estimates if statistic.function == term.function]
    return term.function if len(same) == 1 else f"{term.function} {same.index(term) + 1}"


def _undefined_reason(term: Term, estimates: Mapping[Statistic, Estimate]) -> str:
    """Why a statistic, or a bound of one, is not to be had: no gate can be decided by it."""
    if not isinstance(term, Statistic):
        return ""
    if not term.spec.is_bound:
        return estimates[term].why if estimates[term].value is None else ""
    (inner,) = term.arguments
    estimate = estimates[inner] if isinstance(inner, Statistic) else Estimate(0, None)
    return (
        f"there is no {term.function}: {estimate.why}"
        if estimate.value is not None and estimate.low is None
        else ""
    )


def _statistic_values(
    requirement: Requirement, estimates: Mapping[Statistic, Estimate]
) -> dict[Statistic, float | None]:
    """What each function is worth in the condition."""
    numbers = {term: estimate.value for term, estimate in estimates.items()}
    for term in walk_terms(requirement.condition):
        if isinstance(term, Statistic) and term.spec.is_bound:
            (inner,) = term.arguments
            assert isinstance(inner, Statistic)
            numbers[term] = (
                estimates[inner].low if term.function == "low" else estimates[inner].high
            )
    return numbers


def _steps_of_unscored(term: Statistic) -> Iterator[int]:
    """The steps that `unscored(g)` names."""
    for argument in term.arguments:
        if isinstance(argument, ScoreRef):
            yield argument.scoring
