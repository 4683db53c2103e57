"""Gates: the `require` conditions on a whole run, fed row by row. A gate never passes unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rmg_dsl.ir.expr import ScoreOf, Statistic, Term, walk
from rmg_dsl.ir.suite import Gate
from rmg_dsl.plan import Plan
from rmg_dsl.results import Estimate, Status, Unscored
from rmg_dsl.runtime.evaluate import Evaluator
from rmg_dsl.runtime.executor import RowResult
from rmg_dsl.runtime.expressions import as_condition, as_number
from rmg_dsl.runtime.row_state import NoScore, RowState, caught
from rmg_dsl.runtime.value_columns import Collected

MOST_UNSCORED = 0.05

_CONDITIONS = ("share", "count")
_RATINGS = ("accuracy", "kappa", "weighted_kappa", "alpha", "fleiss")
_BOUNDS = ("low", "high")

EstimateOf = Callable[[Statistic, Sequence[Sequence[Any]]], Estimate]
"""What a function over the rows says of the columns of its arguments; ValueError where they cannot be compared."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a gate: whether it holds, the statistics that it saw, and why it fails where that is not plain."""

    text: str
    holds: bool
    seen: Mapping[str, Estimate]
    why: str = ""

    @property
    def values(self) -> dict[str, float | None]:
        return {name: estimate.value for name, estimate in self.seen.items()}

    def __str__(self) -> str:
        seen = "; ".join(f"{name} = {_shown(estimate)}" for name, estimate in self.seen.items())
        mark = "holds" if self.holds else "FAILS"
        return (
            f"require {self.text}: {mark}"
            + (f" ({seen})" if seen else "")
            + (f": {self.why}" if self.why else "")
        )


def _shown(found: Estimate) -> str:
    """The value, its 95 % bounds, and how many rows it rests on."""
    if found.value is None:
        return "none"
    bounds = "" if found.low is None else f", 95 % {_number(found.low)} – {_number(found.high)}"
    return f"{_number(found.value)}{bounds}, n = {found.n:,}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


class _Reading(NamedTuple):
    """What is kept of each row: terms, read as numbers, conditions or ratings, or only for whether they are there."""

    kind: str
    arguments: tuple[Term, ...]
    fewest: int

    @classmethod
    def of(cls, term: Statistic) -> _Reading:
        if term.function in _CONDITIONS:
            kind = "condition"
        elif term.function in _RATINGS:
            kind = "rating"
        else:
            kind = "unscored" if term.function == "unscored" else "number"
        # Alpha goes on with what the raters have given, if they are two; all others need every one of them.
        fewest = min(2, len(term.arguments)) if term.function == "alpha" else len(term.arguments)
        return cls(kind, term.arguments, fewest)


@dataclass(slots=True)
class _Seen:
    """The columns of what is read, how many rows need it, and of how many of them nobody knows it for a failure."""

    columns: tuple[Collected, ...]
    needed: int = 0
    lost: int = 0


class Gates:
    """Collects what the gates of a plan need from each finished row, and judges them at the end."""

    def __init__(self, plan: Plan, evaluator: Evaluator, estimate_of: EstimateOf) -> None:
        self._gates = plan.gates
        self._evaluator = evaluator
        self._estimate_of = estimate_of
        self._seen: dict[_Reading, _Seen] = {}
        terms = [term for gate in plan.gates for term in _statistics_in(gate)]
        for term in terms:
            reading = _Reading.of(term)
            self._seen.setdefault(reading, _Seen(tuple(Collected() for _ in reading.arguments)))
        self._bounded = {n for term in terms if term.function == "unscored" for n in _direct(term)}

    def add(self, result: RowResult) -> None:
        """Take in a finished row; steps that it never needed count as skipped and are left out."""
        if not self._seen:
            return
        state = state_of(result, self._evaluator)
        for reading, seen in self._seen.items():
            self._take(reading, seen, state)

    def _take(self, reading: _Reading, seen: _Seen, state: RowState) -> None:
        """A row is needed where enough arguments are there, gaps and skipped ones being none; a failure loses it."""
        found = [self._read(reading.kind, argument, state) for argument in reading.arguments]
        if sum(each is not None for each in found) < reading.fewest:
            return
        seen.needed += 1
        failures = [each for each in found if isinstance(each, Failure)]
        if reading.kind == "unscored":
            seen.columns[0].append(bool(failures))
        elif failures:
            seen.lost += any(failure.step not in self._bounded for failure in failures)
        else:
            for column, value in zip(seen.columns, found, strict=True):
                column.append(value)

    def _read(self, kind: str, argument: Term, state: RowState) -> Any:
        return read_value(self._evaluator, argument, state, _READERS[kind])

    # ── judging ──

    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(self._judge(gate) for gate in self._gates)

    def _judge(self, gate: Gate) -> Verdict:
        found = {term: self._estimate(term) for term in _statistics_in(gate)}
        shown = {_name(term, found): estimate for term, estimate in found.items()}
        unseen = next((why for term in found if (why := self._unseen(term))), "")
        lacking = next((why for term in walk(gate.condition) if (why := _lacking(term, found))), "")
        if lacking:
            return Verdict(gate.text, False, shown, "; ".join(filter(None, [lacking, unseen])))
        failures: list[Unscored] = []
        holds = False
        with caught(failures.append):
            holds = self._evaluator.truth(gate.condition, RowState(-1, _numbers(gate, found)))
        said = [
            failures[0].message if failures else "" if holds else "the condition is false",
            unseen,
        ]
        why = "; ".join(part for part in said if part and (unseen or failures))
        return Verdict(gate.text, holds and not unseen, shown, why)

    def _estimate(self, term: Statistic) -> Estimate:
        columns = self._seen[_Reading.of(term)].columns
        try:
            return self._estimate_of(term, columns)
        except ValueError as error:
            return Estimate(len(columns[0]), None, why=str(error))

    def _unseen(self, term: Statistic) -> str:
        """Why a statistic cannot be believed: too many of the rows it needs have no score, and no gate bounds them."""
        seen = self._seen[_Reading.of(term)]
        if not seen.needed or seen.lost / seen.needed <= MOST_UNSCORED:
            return ""
        return (
            f"{seen.lost} of the {seen.needed} rows it needs have no score, more than {MOST_UNSCORED:.0%}; "
            "`require unscored(…) < …` sets another bound"
        )


# ── one row ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that should have a value on a row and has none; `step` is the one that failed, if it is a step's."""

    step: int | None = None


def state_of(result: RowResult, evaluator: Evaluator) -> RowState:
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
    with caught(lambda _: None):
        try:
            value = evaluator.value(term, state)
            found = None if value is None else read(value, term)
        except NoScore as error:
            found = None if _is_gap(error) else Failure(error.step)
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


def _is_gap(error: NoScore) -> bool:
    status = error.unscored.status
    return status is Status.SKIPPED or (status is Status.MISSING_INPUT and error.step is None)


# ── one gate ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _statistics_in(gate: Gate) -> Iterator[Statistic]:
    """The functions over the rows that a gate asks for; of `low` and `high` those whose bounds they are."""
    found = (
        term
        for term in walk(gate.condition)
        if isinstance(term, Statistic) and term.function not in _BOUNDS
    )
    return iter(dict.fromkeys(found))


def _name(term: Statistic, found: Mapping[Statistic, Estimate]) -> str:
    same = [each for each in found if each.function == term.function]
    return term.function if len(same) == 1 else f"{term.function} {same.index(term) + 1}"


def _lacking(term: Term, found: Mapping[Statistic, Estimate]) -> str:
    """Why a statistic, or a bound of one, is not to be had: no gate can be decided by it."""
    if not isinstance(term, Statistic):
        return ""
    if term.function not in _BOUNDS:
        return found[term].why if found[term].value is None else ""
    (inner,) = term.arguments
    estimate = found[inner] if isinstance(inner, Statistic) else Estimate(0, None)
    return (
        f"there is no {term.function}: {estimate.why}"
        if estimate.value is not None and estimate.low is None
        else ""
    )


def _numbers(gate: Gate, found: Mapping[Statistic, Estimate]) -> dict[Statistic, float | None]:
    """What each function is worth in the condition."""
    numbers = {term: estimate.value for term, estimate in found.items()}
    for term in walk(gate.condition):
        if isinstance(term, Statistic) and term.function in _BOUNDS:
            (inner,) = term.arguments
            assert isinstance(inner, Statistic)
            numbers[term] = found[inner].low if term.function == "low" else found[inner].high
    return numbers


def _direct(term: Statistic) -> Iterator[int]:
    """The steps that `unscored(g)` names."""
    for argument in term.arguments:
        if isinstance(argument, ScoreOf):
            yield argument.scoring
