"""What an expression is worth on a row: one rule for each term. Lazy, and restartable where a question is still out."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.runtime.rows import NoScore, RowState, Waiting, fail
from rmg_dsl.scales import Value
from rmg_dsl.semantics import terms
from rmg_dsl.semantics.templates import has_blank_item, is_blank
from rmg_dsl.semantics.terms import Term

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


class Worth(ABC):
    """Values of terms; `functions` run the calls of built-ins, what a step has come to the subclass knows."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions

    @abstractmethod
    def outcome(self, number: int, state: RowState) -> Outcome:
        """The outcome of a step, or `Waiting` where a question must be answered first."""

    @abstractmethod
    def named(self, number: int) -> Sequence[str]:
        """The names that a step has in the spec."""

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
        if is_null(value):
            fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
        if isinstance(value, int | float):
            return value
        return fail(Status.ERROR, f"{name_of(term)} is no number: {short(value)}")

    def truth(self, term: Term, state: RowState) -> bool:
        return self.condition(self.value(term, state), term)

    def condition(self, value: Any, term: Term) -> bool:
        """A value as a condition: a bool, and nothing that Python would take for one."""
        if is_null(value):
            fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
        if isinstance(value, bool):
            return value
        return fail(Status.ERROR, f"{name_of(term)} is neither True nor False: {short(value)}")

    def score_of(self, number: int, state: RowState) -> Value:
        found = self.outcome(number, state)
        if isinstance(found, Score):
            return found.value
        return self._propagate(number, found)

    def _propagate(self, number: int, found: Unscored) -> NoReturn:
        """A failure is handed on with its status: never a 0, never a default."""
        names = self.named(number)
        if not names or found.message.startswith("`"):
            raise NoScore(Unscored(found.status, found.message), number)
        why = f": {found.message}" if found.message else ""
        raise NoScore(
            Unscored(found.status, f"`{names[0]}` {_STATUS_WORDS.get(found.status, 'has no score')}{why}"), number
        )

    def apply(self, function: str, arguments: Sequence[Any], parts: Sequence[Term]) -> Any:
        for value, part in zip(arguments, parts, strict=True):
            if is_null(value) or has_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(part)} is null")
        return returned(self._functions[function](*arguments), function)


def is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def has_null(value: Any) -> bool:
    """A list with a null in it: what stands there, nobody knows."""
    return isinstance(value, list) and any(map(is_null, value))


def returned(value: Any, function: str) -> Any:
    """What a function gave, as plain Python: numpy's scalars are numbers and bools too. NaN is no result."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and value != value:
        fail(Status.ERROR, f"`{function}(…)` gave NaN, not a number")
    return value


def short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def name_of(term: Term) -> str:
    match term:
        case terms.Column(name):
            return f"`{name}`"
        case terms.Reach(base, key):
            return f"{name_of(base)[:-1]}.{key}`" if name_of(base).endswith("`") else f"`.{key}`"
        case terms.At(base):
            return f"{name_of(base)[:-1]}[…]`" if name_of(base).endswith("`") else "an item"
        case terms.Apply(function):
            return f"`{function}(…)`"
        case _:
            return "a value"


# ── one rule for each term ───────────────────────────────────────────────────────────────────────────────────────


def _column(_: Worth, term: terms.Column, state: RowState) -> Any:
    value = state.row.get(term.name)
    return None if is_null(value) else value


def _reach(worth: Worth, term: terms.Reach, state: RowState) -> Any:
    base = worth.value(term.base, state)
    if isinstance(base, list):
        return [item.get(term.key) if isinstance(item, Mapping) else None for item in base]
    return base.get(term.key) if isinstance(base, Mapping) else None


def _at(worth: Worth, term: terms.At, state: RowState) -> Any:
    base, index = worth.values((term.base, term.index), state)
    if isinstance(base, Mapping):
        return base.get(index)
    if isinstance(base, list | str) and isinstance(index, int) and not isinstance(index, bool):
        return base[index] if -len(base) <= index < len(base) else None
    return None


def _apply(worth: Worth, term: terms.Apply, state: RowState) -> Any:
    return worth.apply(term.function, worth.values(term.arguments, state), term.arguments)


def _negative(worth: Worth, term: terms.Negative, state: RowState) -> Any:
    return -worth.number(worth.value(term.operand, state), term.operand)


def _chain(worth: Worth, term: terms.Chain, state: RowState) -> Any:
    parts = (term.first, *(part for _, part in term.rest))
    first, *rest = (worth.number(v, p) for v, p in zip(worth.values(parts, state), parts, strict=True))
    for (sign, _), operand in zip(term.rest, rest, strict=True):
        first = _operate(sign, first, operand)
    return first


def _operate(sign: str, one: float, other: float) -> float:
    if sign == "/" and not other:
        fail(Status.ERROR, "a division by zero")
    found = _ARITHMETIC[sign](one, other)
    if not math.isfinite(found):
        fail(Status.ERROR, f"{short(one)} {sign} {short(other)} is {found}, not a number")
    return found


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _compare(worth: Worth, term: terms.Compare, state: RowState) -> bool:
    parts = (term.first, *(part for _, part in term.rest))
    values = worth.values(parts, state)
    for value, part in zip(values, parts, strict=True):
        if is_null(value):
            fail(Status.MISSING_INPUT, f"{name_of(part)} is null")
    return all(_holds(sign, one, other) for (sign, _), one, other in zip(term.rest, values, values[1:], strict=False))


def _holds(sign: str, one: Any, other: Any) -> bool:
    """Values of one kind are compared; a text beside a number is a mistake in the row, not a difference."""
    if sign in ("in", "not in"):
        return _is_in(one, other) == (sign == "in")
    kind = _kind(one)
    if kind != _kind(other) or (sign not in ("==", "!=") and kind not in ("number", "text")):
        fail(Status.ERROR, f"`{sign}` cannot compare {short(one)} with {short(other)}")
    return bool(_ORDER[sign](one, other))


def _is_in(one: Any, other: Any) -> bool:
    if isinstance(other, list):
        if any(_kind(item) == _kind(one) and item == one for item in other):
            return True
        if has_null(other):
            fail(Status.MISSING_INPUT, "an item of a list is null")
        if not other or any(_kind(item) == _kind(one) for item in other):
            return False
    elif isinstance(other, str | Mapping) and isinstance(one, str):
        return one in other
    return fail(Status.ERROR, f"`in` cannot look for {short(one)} in {short(other)}")


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


def _connect(worth: Worth, term: terms.Connect, state: RowState) -> bool:
    """From left to right, no further than needed."""
    for part in term.parts:
        if worth.truth(part, state) == (term.word == "or"):
            return term.word == "or"
    return term.word == "and"


def _choose(worth: Worth, term: terms.Choose, state: RowState) -> Any:
    return worth.value(term.then if worth.truth(term.condition, state) else term.otherwise, state)


# What never was asked has neither a score nor a failure: nothing may follow from its absence.
_NEVER_ASKED = (Status.SKIPPED, Status.OVER_BUDGET, Status.CANCELLED)


def _scored(worth: Worth, term: terms.Scored, state: RowState) -> bool:
    found = worth.outcome(term.scoring, state)
    if found.status in _NEVER_ASKED:
        worth.score_of(term.scoring, state)
    return isinstance(found, Score)


def _passed(worth: Worth, term: terms.Passed, state: RowState) -> bool:
    value = worth.score_of(term.scoring, state)
    inner = RowState(state.index, {**state.row, terms.Own: value}, state.outcomes, state.asked)
    return worth.truth(term.condition, inner)


def _own(_: Worth, __: terms.Own, state: RowState) -> Any:
    return state.row[terms.Own]


def _given(worth: Worth, term: terms.Given, state: RowState) -> bool:
    return not _is_absent(worth, term.operand, state)


def _default(worth: Worth, term: terms.Default, state: RowState) -> Any:
    if _is_absent(worth, term.operand, state):
        return worth.value(term.instead, state)
    return worth.value(term.operand, state)


def _is_absent(worth: Worth, operand: Term, state: RowState) -> bool:
    try:
        value = worth.value(operand, state)
    except NoScore as error:
        if error.unscored.status is Status.MISSING_INPUT:
            return True
        raise
    return is_blank(value) or has_blank_item(value)


def _unit(worth: Worth, term: terms.Unit, state: RowState) -> float:
    value = worth.number(worth.value(term.operand, state), term.operand)
    share = (value - term.low) / (term.high - term.low)
    return 1 - share if term.lower else share


def _fold(worth: Worth, term: terms.Fold, state: RowState) -> Any:
    found, weights = _parts(worth, term, state)
    if len(term.parts) == 1 and isinstance(found[0], list):
        found, weights = found[0], [1.0] * len(found[0])
    if not found:
        fail(Status.MISSING_INPUT, f"`{term.function}` of an empty list")
    if term.function in ("any", "all"):
        conditions = [worth.condition(v, p) for v, p in zip(found, _cycled(term.parts, len(found)), strict=True)]
        return any(conditions) if term.function == "any" else all(conditions)
    numbers = [worth.number(v, p) for v, p in zip(found, _cycled(term.parts, len(found)), strict=True)]
    if term.function == "weighted":
        return _mean(numbers, weights)
    return _FOLDS[term.function](numbers)


_FOLDS: Mapping[str, Callable[[list[float]], float]] = {"min": min, "max": max, "sum": math.fsum}


def _parts(worth: Worth, term: terms.Fold, state: RowState) -> tuple[list[Any], list[float]]:
    """The values that count, and their weights: all of them, or with `missing = drop` the scored ones."""
    weights = list(term.weights) or [1.0] * len(term.parts)
    if not term.drop:
        return worth.values(term.parts, state), weights
    found = _tried(worth, term.parts, state)
    kept = [(value, weight) for value, weight in zip(found, weights, strict=True) if not isinstance(value, NoScore)]
    failures = [value for value in found if isinstance(value, NoScore)]
    stopped = [failure for failure in failures if failure.unscored.status in _NEVER_ASKED]
    if stopped or (failures and not any(weight for _, weight in kept)):
        raise (stopped or failures)[0]
    return [value for value, _ in kept], [weight for _, weight in kept]


def _tried(worth: Worth, parts: Iterable[Term], state: RowState) -> list[Any]:
    """The values of all parts, and in place of one that is missing the reason, once nothing is left to wait for."""
    found: list[Any] = []
    waiting = False
    for part in parts:
        try:
            value = worth.value(part, state)
            if is_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(part)} is null")
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
        fail(Status.ERROR, f"the mean is {mean}, not a number")
    return min(max(float(f"{mean:.15g}"), min(numbers)), max(numbers))


_RULES: Mapping[type, Callable[[Worth, Any, RowState], Any]] = {
    terms.Constant: lambda _, term, __: term.value,
    terms.Column: _column,
    terms.Reach: _reach,
    terms.At: _at,
    terms.Many: lambda worth, term, state: worth.values(term.items, state),
    terms.Apply: _apply,
    terms.Fold: _fold,
    terms.Unit: _unit,
    terms.Negative: _negative,
    terms.Chain: _chain,
    terms.Compare: _compare,
    terms.Connect: _connect,
    terms.Inverse: lambda worth, term, state: not worth.truth(term.operand, state),
    terms.Choose: _choose,
    terms.ScoreOf: lambda worth, term, state: worth.score_of(term.scoring, state),
    terms.Scored: _scored,
    terms.Passed: _passed,
    terms.Own: _own,
    terms.Given: _given,
    terms.Default: _default,
    # Of the whole run the "row" holds the statistics, each under the term that asks for it.
    terms.OverRows: lambda _, term, state: state.row[term],
}
