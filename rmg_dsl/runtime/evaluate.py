"""One row, as far as it can go: what is known is computed, what must be asked is named. Pure, but for Python functions.

Evaluation is lazy and restartable: it stops at questions without an answer, and goes on when they have one. All that a
term needs is asked for before it waits, so that which steps a row takes never depends on which answer came first.
"""

from __future__ import annotations

import math
import operator
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias, assert_never

from rmg_dsl.errors import CallError
from rmg_dsl.judge import Asker
from rmg_dsl.messages import Question
from rmg_dsl.plan import Ask, CallPython, Compute, Plan, Step
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.scales import Labels, Points, Real, Scale, Value, Whole, YesNo
from rmg_dsl.semantics import terms
from rmg_dsl.semantics.templates import RENDER_FAILURES, MissingInput, TemplateTooBig, has_blank_item, is_blank
from rmg_dsl.semantics.terms import Term

Row: TypeAlias = Mapping[Any, Any]
_STATUS_WORDS = {
    Status.MISSING_INPUT: "has no input",
    Status.SKIPPED: "was skipped",
    Status.UNPARSED: "has no verdict",
    Status.OFF_SCALE: "is off its scale",
    Status.REFUSED: "was refused",
    Status.ERROR: "failed",
    Status.OVER_BUDGET: "was over the budget",
    Status.CANCELLED: "was cancelled",
}


class Waiting(Exception):
    """A question of this row has no answer yet."""


class NoScore(Exception):
    """There is no value, and this is why; `step` is the one that has none, where it is a step's and not a column's."""

    def __init__(self, unscored: Unscored, step: int | None = None) -> None:
        super().__init__(unscored.message)
        self.unscored = unscored
        self.step = step


@dataclass(slots=True)
class RowState:
    """What is known of one row: outcomes by step, and the questions that are out."""

    index: int
    row: Row
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    asked: dict[int, Question] = field(default_factory=dict)
    done: bool = False


@contextmanager
def caught(record: Callable[[Unscored], None]) -> Iterator[None]:
    """The one blanket handler: whatever goes wrong in a step of a row becomes that step's outcome, trace and all."""
    try:
        yield
    except NoScore as error:
        record(error.unscored)
    except CallError as error:
        status = Status.REFUSED if error.refused else Status.ERROR
        code = f"HTTP {error.status_code}: " if error.status_code else ""
        record(Unscored(status, f"{code}{error}", error.attempts))
    except Waiting:
        raise
    except (Exception, SystemExit) as error:  # a failing row never takes the others with it
        message = f"{type(error).__name__}: {error}".strip().rstrip(":")
        record(Unscored(Status.ERROR, message[:500], trace=traceback.format_exc()))


class Evaluator:
    """Evaluates the rows of one plan; `functions` run the calls of built-ins and of the caller's own."""

    def __init__(
        self,
        plan: Plan,
        functions: Mapping[str, Callable[..., Any]],
        python: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.plan = plan
        self.steps: dict[int, Step] = {step.number: step for step in plan.steps}
        self._functions = functions
        self._python = python or {}
        self._askers = {step.number: Asker(_grader(step), step.scoring) for step in plan.asks}

    def advance(self, state: RowState) -> list[tuple[int, Question]]:
        """Go on with a row; returns the questions that are new, and marks the row as done when nothing is left."""
        before = len(state.asked)
        waiting = False
        for root in self.plan.roots:
            try:
                self.outcome(root, state)
            except Waiting:
                waiting = True
        state.done = not waiting
        return list(state.asked.items())[before:]

    def outcome(self, number: int, state: RowState) -> Outcome:
        """The outcome of a step, or `Waiting` where a question must be answered first."""
        known = state.outcomes.get(number)
        if known is not None:
            return known
        if number in state.asked:
            raise Waiting
        step = self.steps[number]
        with caught(lambda unscored: state.outcomes.__setitem__(number, unscored)):
            if isinstance(step, Ask):
                state.asked[number] = self._question(step, state)
                raise Waiting
            state.outcomes[number] = self._scored(step, state)
        return state.outcomes[number]

    def ask(self, number: int, index: int, row: Row) -> Question | Unscored:
        """The question of a step about a row, whether or not the row would need it, or why it cannot be asked."""
        state = RowState(index, row)
        try:
            outcome = self.outcome(number, state)
        except Waiting:
            return state.asked[number] if number in state.asked else Unscored(Status.SKIPPED, "it waits for another")
        assert isinstance(outcome, Unscored)
        return outcome

    def _question(self, step: Ask, state: RowState) -> Question:
        try:
            values = {name: self._or_nothing(term, state) for name, term in step.scoring.bound}
            return self._askers[step.number].question(values)
        except MissingInput as missing:
            raise NoScore(Unscored(Status.MISSING_INPUT, f"`{missing.name}` is null or blank")) from None
        except TemplateTooBig:
            raise NoScore(Unscored(Status.ERROR, "the prompt is larger than any model reads")) from None
        except RENDER_FAILURES as error:
            raise NoScore(Unscored(Status.ERROR, f"the prompt cannot be rendered: {error}")) from None

    def _or_nothing(self, term: Term, state: RowState) -> Any:
        """A field for a prompt: whether one that is missing may be, the template decides."""
        try:
            return self.value(term, state)
        except NoScore as error:
            if error.unscored.status is Status.MISSING_INPUT:
                return None
            raise

    def _scored(self, step: Compute | CallPython, state: RowState) -> Score:
        if isinstance(step, CallPython):
            arguments = {name: self.value(term, state) for name, term in step.scoring.arguments}
            missing = next((name for name, value in arguments.items() if _is_null(value) or _has_null(value)), None)
            if missing is not None:
                _fail(Status.MISSING_INPUT, f"`{missing}` is null")
            target = step.scoring.target
            return _as_score(_returned(self._python[target](**arguments), target), step.scoring.scale)
        value = self.value(step.term, state)
        if _is_null(value):
            _fail(Status.MISSING_INPUT, f"{_named(step.term)} is null")
        label = self._label_of(step.term, state)
        score = _as_score(value, step.scoring.scale)
        return Score(score.value, score.reason, label or score.label)

    def _label_of(self, term: Term, state: RowState) -> str | None:
        """An aggregate that is nothing but a grader keeps the word that was chosen."""
        found = state.outcomes.get(term.scoring) if isinstance(term, terms.ScoreOf) else None
        return found.label if isinstance(found, Score) else None

    # ── terms ──

    def value(self, term: Term, state: RowState) -> Any:
        """What a term is worth on a row; None where the data is null."""
        return _RULES[type(term)](self, term, state)

    def values(self, parts: Iterable[Term], state: RowState) -> list[Any]:
        """All of them, asked for together; the first failure counts, once nothing is left to wait for."""
        found: list[Any] = []
        failure: NoScore | None = None
        waiting = False
        for part in parts:
            try:
                found.append(self.value(part, state))
            except NoScore as error:
                failure = failure or error
            except Waiting:
                waiting = True
        if waiting:
            raise Waiting
        if failure:
            raise failure
        return found

    def number(self, value: Any, term: Term) -> float:
        """A value as a number: True counts as 1, False as 0."""
        if isinstance(value, bool):
            return int(value)
        if _is_null(value):
            _fail(Status.MISSING_INPUT, f"{_named(term)} is null")
        if isinstance(value, int | float):
            return value
        return _fail(Status.ERROR, f"{_named(term)} is no number: {_short(value)}")

    def truth(self, term: Term, state: RowState) -> bool:
        return self.condition(self.value(term, state), term)

    def condition(self, value: Any, term: Term) -> bool:
        """A value as a condition: a bool, and nothing that Python would take for one."""
        if _is_null(value):
            _fail(Status.MISSING_INPUT, f"{_named(term)} is null")
        if isinstance(value, bool):
            return value
        return _fail(Status.ERROR, f"{_named(term)} is neither True nor False: {_short(value)}")

    def score_of(self, number: int, state: RowState) -> Value:
        found = self.outcome(number, state)
        if isinstance(found, Score):
            return found.value
        return self._propagate(number, found)

    def _propagate(self, number: int, found: Unscored) -> NoReturn:
        """A failure is handed on with its status: never a 0, never a default."""
        names = self.steps[number].names
        if not names or found.message.startswith("`"):
            raise NoScore(Unscored(found.status, found.message), number)
        why = f": {found.message}" if found.message else ""
        raise NoScore(
            Unscored(found.status, f"`{names[0]}` {_STATUS_WORDS.get(found.status, 'has no score')}{why}"), number
        )

    def apply(self, function: str, arguments: Sequence[Any], parts: Sequence[Term]) -> Any:
        for value, part in zip(arguments, parts, strict=True):
            if _is_null(value) or _has_null(value):
                _fail(Status.MISSING_INPUT, f"{_named(part)} is null")
        return _returned(self._functions[function](*arguments), function)


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _has_null(value: Any) -> bool:
    """A list with a null in it: what stands there, nobody knows."""
    return isinstance(value, list) and any(map(_is_null, value))


def _returned(value: Any, function: str) -> Any:
    """What a function gave, as plain Python: numpy's scalars are numbers and bools too. NaN is no result."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and value != value:
        _fail(Status.ERROR, f"`{function}(…)` gave NaN, not a number")
    return value


def _grader(step: Ask) -> str:
    return step.names[0] if step.names else f"step {step.number}"


def _fail(status: Status, message: str) -> NoReturn:
    raise NoScore(Unscored(status, message))


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def _named(term: Term) -> str:
    match term:
        case terms.Column(name):
            return f"`{name}`"
        case terms.Reach(base, key):
            return f"{_named(base)[:-1]}.{key}`" if _named(base).endswith("`") else f"`.{key}`"
        case terms.At(base):
            return f"{_named(base)[:-1]}[…]`" if _named(base).endswith("`") else "an item"
        case terms.Apply(function):
            return f"`{function}(…)`"
        case _:
            return "a value"


# ── scores ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _as_score(value: Any, scale: Scale | None) -> Score:
    """A computed value as a score: finite, of a kind that scores, and on the scale where one was written."""
    if isinstance(value, float) and not math.isfinite(value):
        _fail(Status.ERROR if scale is None else Status.OFF_SCALE, f"the result is {value}, not a number")
    if value is None:
        _fail(Status.MISSING_INPUT, "the result is null")
    if not isinstance(value, bool | int | float | str):
        _fail(Status.ERROR, f"the result is neither number, bool nor label: {_short(value)}")
    return Score(value) if scale is None else _fitted(value, scale)


def _fitted(value: Value, scale: Scale) -> Score:
    number = not isinstance(value, bool | str)
    match scale:
        case Whole(low, high) if number and low <= value <= high and value == int(value):  # type: ignore[operator] # a number
            return Score(int(value))
        case Real(low, high) if number and low <= value <= high:  # type: ignore[operator] # a number
            return Score(float(value))
        case YesNo() if isinstance(value, bool):
            return Score(value)
        case Labels(labels) if isinstance(value, str) and value in labels:
            return Score(scale.value_of(value), None, value if scale.values else None)
        case Whole() | Real() | YesNo() | Labels() | Points():
            _fail(Status.OFF_SCALE, f"{_short(value)} is not on {scale}")
        case _:
            assert_never(scale)


# ── one rule for each term ───────────────────────────────────────────────────────────────────────────────────────


def _column(_: Evaluator, term: terms.Column, state: RowState) -> Any:
    value = state.row.get(term.name)
    return None if _is_null(value) else value


def _reach(evaluator: Evaluator, term: terms.Reach, state: RowState) -> Any:
    base = evaluator.value(term.base, state)
    if isinstance(base, list):
        return [item.get(term.key) if isinstance(item, Mapping) else None for item in base]
    return base.get(term.key) if isinstance(base, Mapping) else None


def _at(evaluator: Evaluator, term: terms.At, state: RowState) -> Any:
    base, index = evaluator.values((term.base, term.index), state)
    if isinstance(base, Mapping):
        return base.get(index)
    if isinstance(base, list | str) and isinstance(index, int) and not isinstance(index, bool):
        return base[index] if -len(base) <= index < len(base) else None
    return None


def _apply(evaluator: Evaluator, term: terms.Apply, state: RowState) -> Any:
    return evaluator.apply(term.function, evaluator.values(term.arguments, state), term.arguments)


def _negative(evaluator: Evaluator, term: terms.Negative, state: RowState) -> Any:
    return -evaluator.number(evaluator.value(term.operand, state), term.operand)


def _chain(evaluator: Evaluator, term: terms.Chain, state: RowState) -> Any:
    parts = (term.first, *(part for _, part in term.rest))
    first, *rest = (evaluator.number(v, p) for v, p in zip(evaluator.values(parts, state), parts, strict=True))
    for (sign, _), operand in zip(term.rest, rest, strict=True):
        first = _operate(sign, first, operand)
    return first


def _operate(sign: str, one: float, other: float) -> float:
    if sign == "/" and not other:
        _fail(Status.ERROR, "a division by zero")
    found = _ARITHMETIC[sign](one, other)
    if not math.isfinite(found):
        _fail(Status.ERROR, f"{_short(one)} {sign} {_short(other)} is {found}, not a number")
    return found


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _compare(evaluator: Evaluator, term: terms.Compare, state: RowState) -> bool:
    parts = (term.first, *(part for _, part in term.rest))
    values = evaluator.values(parts, state)
    for value, part in zip(values, parts, strict=True):
        if _is_null(value):
            _fail(Status.MISSING_INPUT, f"{_named(part)} is null")
    return all(_holds(sign, one, other) for (sign, _), one, other in zip(term.rest, values, values[1:], strict=False))


def _holds(sign: str, one: Any, other: Any) -> bool:
    """Values of one kind are compared; a text beside a number is a mistake in the row, not a difference."""
    if sign in ("in", "not in"):
        return _is_in(one, other) == (sign == "in")
    kind = _kind(one)
    if kind != _kind(other) or (sign not in ("==", "!=") and kind not in ("number", "text")):
        _fail(Status.ERROR, f"`{sign}` cannot compare {_short(one)} with {_short(other)}")
    return bool(_ORDER[sign](one, other))


def _is_in(one: Any, other: Any) -> bool:
    if isinstance(other, list):
        if any(_kind(item) == _kind(one) and item == one for item in other):
            return True
        if _has_null(other):
            _fail(Status.MISSING_INPUT, "an item of a list is null")
        if not other or any(_kind(item) == _kind(one) for item in other):
            return False
    elif isinstance(other, str | Mapping) and isinstance(one, str):
        return one in other
    return _fail(Status.ERROR, f"`in` cannot look for {_short(one)} in {_short(other)}")


def _kind(value: Any) -> str:
    """Numbers and bools are of one kind, since a bool counts as 0 or 1."""
    kinds = {int | float: "number", str: "text", list: "list", Mapping: "object"}
    return next((name for types, name in kinds.items() if isinstance(value, types)), type(value).__name__)


_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _connect(evaluator: Evaluator, term: terms.Connect, state: RowState) -> bool:
    """From left to right, no further than needed."""
    for part in term.parts:
        if evaluator.truth(part, state) == (term.word == "or"):
            return term.word == "or"
    return term.word == "and"


def _choose(evaluator: Evaluator, term: terms.Choose, state: RowState) -> Any:
    return evaluator.value(term.then if evaluator.truth(term.condition, state) else term.otherwise, state)


# What never was asked has neither a score nor a failure: nothing may follow from its absence.
_NEVER_ASKED = (Status.SKIPPED, Status.OVER_BUDGET, Status.CANCELLED)


def _scored(evaluator: Evaluator, term: terms.Scored, state: RowState) -> bool:
    found = evaluator.outcome(term.scoring, state)
    if found.status in _NEVER_ASKED:
        evaluator.score_of(term.scoring, state)
    return isinstance(found, Score)


def _passed(evaluator: Evaluator, term: terms.Passed, state: RowState) -> bool:
    value = evaluator.score_of(term.scoring, state)
    inner = RowState(state.index, {**state.row, terms.Own: value}, state.outcomes, state.asked)
    return evaluator.truth(term.condition, inner)


def _own(_: Evaluator, __: terms.Own, state: RowState) -> Any:
    return state.row[terms.Own]


def _given(evaluator: Evaluator, term: terms.Given, state: RowState) -> bool:
    return not _is_absent(evaluator, term.operand, state)


def _default(evaluator: Evaluator, term: terms.Default, state: RowState) -> Any:
    if _is_absent(evaluator, term.operand, state):
        return evaluator.value(term.instead, state)
    return evaluator.value(term.operand, state)


def _is_absent(evaluator: Evaluator, operand: Term, state: RowState) -> bool:
    try:
        value = evaluator.value(operand, state)
    except NoScore as error:
        if error.unscored.status is Status.MISSING_INPUT:
            return True
        raise
    return is_blank(value) or has_blank_item(value)


def _unit(evaluator: Evaluator, term: terms.Unit, state: RowState) -> float:
    value = evaluator.number(evaluator.value(term.operand, state), term.operand)
    share = (value - term.low) / (term.high - term.low)
    return 1 - share if term.lower else share


def _fold(evaluator: Evaluator, term: terms.Fold, state: RowState) -> Any:
    found, weights = _parts(evaluator, term, state)
    if len(term.parts) == 1 and isinstance(found[0], list):
        found, weights = found[0], [1.0] * len(found[0])
    if not found:
        _fail(Status.MISSING_INPUT, f"`{term.function}` of an empty list")
    if term.function in ("any", "all"):
        conditions = [evaluator.condition(v, p) for v, p in zip(found, _cycled(term.parts, len(found)), strict=True)]
        return any(conditions) if term.function == "any" else all(conditions)
    numbers = [evaluator.number(v, p) for v, p in zip(found, _cycled(term.parts, len(found)), strict=True)]
    if term.function == "weighted":
        return _mean(numbers, weights)
    return _FOLDS[term.function](numbers)


_FOLDS: Mapping[str, Callable[[list[float]], float]] = {"min": min, "max": max, "sum": math.fsum}


def _parts(evaluator: Evaluator, term: terms.Fold, state: RowState) -> tuple[list[Any], list[float]]:
    """The values that count, and their weights: all of them, or with `missing = drop` the scored ones."""
    weights = list(term.weights) or [1.0] * len(term.parts)
    if not term.drop:
        return evaluator.values(term.parts, state), weights
    found = _tried(evaluator, term.parts, state)
    kept = [(value, weight) for value, weight in zip(found, weights, strict=True) if not isinstance(value, NoScore)]
    failures = [value for value in found if isinstance(value, NoScore)]
    stopped = [failure for failure in failures if failure.unscored.status in _NEVER_ASKED]
    if stopped or (failures and not any(weight for _, weight in kept)):
        raise (stopped or failures)[0]
    return [value for value, _ in kept], [weight for _, weight in kept]


def _tried(evaluator: Evaluator, parts: Iterable[Term], state: RowState) -> list[Any]:
    """The values of all parts, and in place of one that is missing the reason, once nothing is left to wait for."""
    found: list[Any] = []
    waiting = False
    for part in parts:
        try:
            value = evaluator.value(part, state)
            if _is_null(value):
                _fail(Status.MISSING_INPUT, f"{_named(part)} is null")
            found.append(value)
        except NoScore as error:
            found.append(error)
        except Waiting:
            waiting = True
    if waiting:
        raise Waiting
    return found


def _cycled(parts: Sequence[Term], count: int) -> list[Term]:
    return list(parts) if len(parts) == count else [parts[0]] * count


def _mean(numbers: Sequence[float], weights: Sequence[float]) -> float:
    """A weighted mean, in the 15 digits that a float can hold for sure, that never leaves the range of its parts."""
    mean = math.fsum(n * w for n, w in zip(numbers, weights, strict=True)) / math.fsum(weights)
    if not math.isfinite(mean):
        _fail(Status.ERROR, f"the mean is {mean}, not a number")
    return min(max(float(f"{mean:.15g}"), min(numbers)), max(numbers))


_RULES: Mapping[type, Callable[[Evaluator, Any, RowState], Any]] = {
    terms.Constant: lambda _, term, __: term.value,
    terms.Column: _column,
    terms.Reach: _reach,
    terms.At: _at,
    terms.Many: lambda evaluator, term, state: evaluator.values(term.items, state),
    terms.Apply: _apply,
    terms.Fold: _fold,
    terms.Unit: _unit,
    terms.Negative: _negative,
    terms.Chain: _chain,
    terms.Compare: _compare,
    terms.Connect: _connect,
    terms.Inverse: lambda evaluator, term, state: not evaluator.truth(term.operand, state),
    terms.Choose: _choose,
    terms.ScoreOf: lambda evaluator, term, state: evaluator.score_of(term.scoring, state),
    terms.Scored: _scored,
    terms.Passed: _passed,
    terms.Own: _own,
    terms.Given: _given,
    terms.Default: _default,
    # Of the whole run the "row" holds the statistics, each under the term that asks for it.
    terms.OverRows: lambda _, term, state: state.row[term],
}
