"""Requirements: the `require` conditions on a whole run, checked from finished rows.

A requirement never holds without evidence: it fails where its statistics are undefined, and where
too many of the rows that they need have no score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeAlias

from rmg_dsl.ir.expr import BoolOp, Compare, ScoreRef, Statistic, Term, scorings_in, walk_terms
from rmg_dsl.ir.suite import Requirement
from rmg_dsl.plan import LoopOutputStep, Plan
from rmg_dsl.results import Estimate, Outcome, Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import RowResult
from rmg_dsl.runtime.expressions import as_condition, as_number
from rmg_dsl.runtime.row_state import Data, NoScore, RowState, attempt
from rmg_dsl.runtime.value_columns import CompactColumn, CompactValue

MAX_UNSCORED_SHARE = 0.05

EstimateOf = Callable[[Statistic, Sequence[Sequence[CompactValue]]], Estimate]
"""Estimates a statistic from the columns of its arguments; ValueError where they do not compare."""


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """The result of a requirement: does it hold, its statistics, and the reason if one is needed.

    `why` is empty where the statistics alone explain the result. `skipped` says for a statistic how
    many rows skipped what it reads, where there are any.
    """

    text: str
    holds: bool
    estimates: Mapping[str, Estimate]
    why: str = ""
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float | None]:
        """The statistics without their bounds, by name."""
        return {name: estimate.value for name, estimate in self.estimates.items()}

    def __str__(self) -> str:
        statistics = "; ".join(
            f"{name} = {_statistic_text(estimate)}{_skipped_text(self.skipped.get(name, 0))}"
            for name, estimate in self.estimates.items()
        )
        text = f"require {self.text}: " + ("holds" if self.holds else "FAILS")
        if statistics:
            text += f" ({statistics})"
        if self.why:
            text += f": {self.why}"
        return text


def _statistic_text(estimate: Estimate) -> str:
    """The value of a statistic, its 95 % bounds, and the number of its rows."""
    if estimate.value is None:
        return "none"
    text = _short_number(estimate.value)
    if estimate.low is not None:
        text += f", 95 % {_short_number(estimate.low)} – {_short_number(estimate.high)}"
    return f"{text}, n = {estimate.n:,}"


def _skipped_text(rows: int) -> str:
    """How many rows the statistic says nothing about, because they did not need the score."""
    return f", {rows:,} skipped" if rows else ""


def _short_number(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.4g}"


class _StatisticInput(NamedTuple):
    """What the checker collects of each row for a statistic: the terms, and how to read them.

    Statistics with equal inputs share one collection. A row counts where `min_present` of the
    terms have a value.
    """

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
    """The columns of what is read, how many rows need it or skip it, and how many have a failure.

    `first_failure` is the first one inside the requirement itself, with the index of its row.
    """

    columns: tuple[CompactColumn, ...]
    needed_rows: int = 0
    lost_rows: int = 0
    skipped_rows: int = 0
    first_failure: tuple[int, Unscored] | None = None


class RequirementChecker:
    """Collects what the requirements of a plan need from finished rows, then checks them."""

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
            # Equal inputs are collected once, whatever the number of statistics that use them.
            for reading in readings:
                columns = tuple(CompactColumn() for _ in reading.arguments)
                self._collected_inputs.setdefault(reading, _CollectedInput(columns))
        # A failure of these steps stands in `failures` already, under the name of its grader.
        self._reported_steps = {output.scoring for output in plan.outputs} | {
            step.number for step in plan.steps if isinstance(step, LoopOutputStep)
        }
        # `require unscored(g) < …` sets another bound for the step: the 5 % rule leaves it out.
        self._bounded_steps = {
            number
            for requirement in plan.requirements
            for term in _bounded_unscored(requirement.condition)
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
            collected.skipped_rows += _has_skipped(reading.arguments, state)
            return None
        collected.needed_rows += 1
        failures = [value for value in values if isinstance(value, Failure)]
        present = [value for value in values if not isinstance(value, Failure)]
        if reading.kind == "unscored":
            collected.columns[0].append(bool(failures))
        elif failures:
            collected.lost_rows += any(f.step not in self._bounded_steps for f in failures)
        else:
            for column, value in zip(collected.columns, present, strict=True):
                column.append(value)
        own_failure = next(
            (f.outcome for f in failures if f.step not in self._reported_steps), None
        )
        if own_failure is not None and collected.first_failure is None:
            collected.first_failure = (state.index, own_failure)
        return own_failure

    def _read_argument(self, kind: str, argument: Term, state: RowState) -> RowReading:
        return read_value(self._evaluator, argument, state, _READERS[kind])

    # ── the results ──

    def requirement_results(self) -> tuple[RequirementResult, ...]:
        """The result of each requirement, from all rows so far."""
        return tuple(self._check_requirement(requirement) for requirement in self._requirements)

    def _check_requirement(self, requirement: Requirement) -> RequirementResult:
        estimates = {term: self._estimate_statistic(term) for term in _statistics_in(requirement)}
        labelled = {_statistic_label(term, estimates): e for term, e in estimates.items()}
        holds, reason = self._check_condition(requirement, estimates)
        unscored = _first_text(self._too_many_unscored(term) for term in estimates)
        # Where the statistics alone explain the result there is no reason to give.
        if not holds and not reason and unscored:
            reason = "the condition is false"
        why = _join_reasons(reason, unscored, self._first_failure_text(requirement))
        skipped = {
            _statistic_label(term, estimates): self._collected_input(term).skipped_rows
            for term in estimates
        }
        return RequirementResult(requirement.text, holds and not unscored, labelled, why, skipped)

    def _check_condition(
        self, requirement: Requirement, estimates: Mapping[Statistic, Estimate]
    ) -> tuple[bool, str]:
        """Does the condition hold, and the reason where it could not be evaluated."""
        undefined = _first_text(
            _undefined_reason(term, estimates) for term in walk_terms(requirement.condition)
        )
        if undefined:
            return False, undefined
        # There is no row: the statistics stand in the place of its data.
        state = RowState(-1, _statistic_values(requirement, estimates))
        holds = attempt(partial(self._evaluator.truth, requirement.condition), state)
        if isinstance(holds, Unscored):
            return False, holds.message
        return holds, ""

    def _first_failure_text(self, requirement: Requirement) -> str:
        """The first row on which an expression of the requirement failed, and why it did."""
        inputs = map(self._collected_input, _statistics_in(requirement))
        failures = [i.first_failure for i in inputs if i.first_failure is not None]
        if not failures:
            return ""
        index, outcome = min(failures, key=lambda failure: failure[0])
        return f"the first failure is on row {index}: {outcome.message}"

    def _collected_input(self, term: Statistic) -> _CollectedInput:
        return self._collected_inputs[_StatisticInput.of(term)]

    def _estimate_statistic(self, term: Statistic) -> Estimate:
        collected = self._collected_input(term)
        columns = collected.columns
        # Where every row skipped a grader, no score of it is missing.
        is_unneeded = collected.skipped_rows and not collected.needed_rows
        if term.spec.input.reading == "unscored" and is_unneeded:
            return Estimate(0, 0.0, why="no row needs it")
        try:
            return self._estimate_of(term, columns)
        except ValueError as error:
            return Estimate(len(columns[0]), None, why=str(error))

    def _too_many_unscored(self, term: Statistic) -> str:
        """The reason where more than 5 % of the rows that a statistic needs have no score."""
        collected = self._collected_input(term)
        lost, needed = collected.lost_rows, collected.needed_rows
        if not needed or lost / needed <= MAX_UNSCORED_SHARE:
            return ""
        return (
            f"{lost} of the {needed} rows it needs have no score, more than "
            f"{MAX_UNSCORED_SHARE:.0%}; `require unscored(…) < …` sets another bound"
        )


# ── one row ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Failure:
    """A term that should have a value on a row and has none; `step` is set where a step failed."""

    outcome: Unscored
    step: int | None = None


RowReading: TypeAlias = CompactValue | Failure
"""The value of a term on a finished row; None for a gap, a `Failure` where there should be one."""

ReadFunction: TypeAlias = Callable[[Data, Term], CompactValue]
"""Reads the value of a term as a number, a condition or a rating; raises where it is none."""


def finished_state(result: RowResult, evaluator: Evaluator) -> RowState:
    """The state of a finished row, to evaluate more terms on; steps never needed are skipped."""
    # A copy: the result of the row must not change.
    outcomes = dict(result.outcomes)
    for number in evaluator.steps:
        outcomes.setdefault(number, Unscored(Status.SKIPPED))
    return RowState(result.index, result.row, outcomes)


def read_value(evaluator: Evaluator, term: Term, state: RowState, read: ReadFunction) -> RowReading:
    """Evaluate a term on a finished row and read its value.

    A skipped step and a null or missing column are gaps. An exception of any kind is a `Failure`.
    """

    def read_term(state: RowState) -> RowReading:
        try:
            value = evaluator.value(term, state)
            return None if value is None else read(value, term)
        except NoScore as error:
            if _is_expected_gap(error):
                return None
            return Failure(error.unscored, error.step)

    outcome = attempt(read_term, state)
    if isinstance(outcome, Unscored):
        return Failure(outcome)
    return outcome


def as_rating(value: Data, _: Term) -> float | str:
    """A value as a rating: a number, a bool or a text. Raises TypeError for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no verdict")


_READERS: Mapping[str, ReadFunction] = {
    "condition": as_condition,
    "number": lambda value, term: float(as_number(value, term)),
    "rating": as_rating,
    # Only whether there is a value counts here, not what it is.
    "unscored": lambda *_: 1.0,
}


def _is_expected_gap(error: NoScore) -> bool:
    # A missing input of a step is a lost score; of the expression itself it is a gap in the data.
    status = error.unscored.status
    return status is Status.SKIPPED or (status is Status.MISSING_INPUT and error.step is None)


# ── one requirement ───────────────────────────────────────────────────────────────────────────────


def requirement_name(requirement: Requirement) -> str:
    """What a requirement is called where its failures stand beside those of graders."""
    return f"require {requirement.text}"


def _first_text(texts: Iterable[str]) -> str:
    """The first text that is not empty."""
    return next(filter(None, texts), "")


def _join_reasons(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def _statistics_in(requirement: Requirement) -> Iterator[Statistic]:
    """The statistics of a condition, each once; of `low` and `high` the statistic inside."""
    statistics = (
        term
        for term in walk_terms(requirement.condition)
        if isinstance(term, Statistic) and not term.spec.is_bound
    )
    return iter(dict.fromkeys(statistics))


def _statistic_label(term: Statistic, estimates: Mapping[Statistic, Estimate]) -> str:
    """The name of a statistic in the result, with a number where there are several of it."""
    # Two statistics of one name differ in their arguments, which are too long for a label.
    same = [statistic for statistic in estimates if statistic.function == term.function]
    if len(same) == 1:
        return term.function
    return f"{term.function} {same.index(term) + 1}"


def _undefined_reason(term: Term, estimates: Mapping[Statistic, Estimate]) -> str:
    """Why a statistic, or a bound of one, is undefined; empty where it is defined."""
    if not isinstance(term, Statistic):
        return ""
    if not term.spec.is_bound:
        return estimates[term].why if estimates[term].value is None else ""
    (inner,) = term.arguments
    estimate = estimates[inner] if isinstance(inner, Statistic) else Estimate(0, None)
    if estimate.value is None or estimate.low is not None:
        return ""
    return f"there is no {term.function}: {estimate.why}"


def _statistic_values(
    requirement: Requirement, estimates: Mapping[Statistic, Estimate]
) -> dict[Statistic, float | None]:
    """The value of each statistic in the condition, by its term."""
    numbers = {term: estimate.value for term, estimate in estimates.items()}
    for term in walk_terms(requirement.condition):
        if isinstance(term, Statistic) and term.spec.is_bound:
            (inner,) = term.arguments
            assert isinstance(inner, Statistic)
            numbers[term] = (
                estimates[inner].low if term.function == "low" else estimates[inner].high
            )
    return numbers


def _has_skipped(arguments: Iterable[Term], state: RowState) -> bool:
    """Did the row skip a step that the arguments read?"""
    numbers = (number for argument in arguments for number in scorings_in(argument))
    return any(_is_skipped(state.outcomes.get(number)) for number in numbers)


def _is_skipped(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.status is Status.SKIPPED


def _bounded_unscored(condition: Term) -> Iterator[Statistic]:
    """The `unscored(g)` that must be small wherever the condition holds."""
    match condition:
        case BoolOp("and", parts):
            for part in parts:
                yield from _bounded_unscored(part)
        case Compare(first, rest):
            terms = [first, *(part for _, part in rest)]
            for (sign, _), left, right in zip(rest, terms, terms[1:], strict=False):
                if sign in ("<", "<=", "=="):
                    yield from _unscored_in(left)
                if sign in (">", ">=", "=="):
                    yield from _unscored_in(right)


def _unscored_in(term: Term) -> Iterator[Statistic]:
    """The statistic that a term is, itself or as the upper bound of it."""
    if not isinstance(term, Statistic):
        return
    if term.function == "high":
        yield from _unscored_in(term.arguments[0])
    elif term.spec.input.reading == "unscored" and not term.spec.is_bound:
        yield term


def _steps_of_unscored(term: Statistic) -> Iterator[int]:
    """The steps that `unscored(g)` names."""
    for argument in term.arguments:
        if isinstance(argument, ScoreRef):
            yield argument.scoring
