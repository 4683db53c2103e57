"""What an expression is worth on a row: each term made into a function of the row, once, by one rule for its kind.

Lazy, and restartable where a question is still out. What can be decided before any row is decided here: names, parts,
signs; what is left to do for a row is to call.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeAlias

from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.prompts.template import has_blank_item, is_blank
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.runtime.row_state import NoScore, RowState, Waiting, fail
from rmg_dsl.scales import Value

Rule: TypeAlias = Callable[[RowState], Any]
"""What a term is worth on a row, None where the data is null; raises NoScore, or Waiting where a question is out."""

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
        # By identity: to look for an equal term would take longer than most terms do. The term is held, so that no
        # other can get its number.
        self._rules: dict[int, tuple[Rule, Term]] = {}

    @abstractmethod
    def outcome(self, number: int, state: RowState) -> Outcome:
        """The outcome of a step, or `Waiting` where a question must be answered first."""

    @abstractmethod
    def named(self, number: int) -> Sequence[str]:
        """The names that a step has in the spec."""

    def rule(self, term: Term) -> Rule:
        """The function of a row that a term stands for, made once."""
        known = self._rules.get(id(term))
        if known is None:
            known = self._rules[id(term)] = _RULES[type(term)](self, term), term
        return known[0]

    def value(self, term: Term, state: RowState) -> Any:
        """What a term is worth on a row; None where the data is null."""
        return self.rule(term)(state)

    def truth(self, term: Term, state: RowState) -> bool:
        return as_condition(self.rule(term)(state), term)

    def score_of(self, number: int, state: RowState) -> Value | list[float]:
        found = state.outcomes.get(number) or self.outcome(number, state)
        return found.value if isinstance(found, Score) else self._propagate(number, found)

    def or_nothing(self, term: Term, state: RowState) -> Any:
        """A field for a prompt: whether one that is missing may be, the template decides."""
        try:
            return self.value(term, state)
        except NoScore as error:
            if error.unscored.status is Status.MISSING_INPUT:
                return None
            raise

    def _propagate(self, number: int, found: Unscored) -> NoReturn:
        """A failure is handed on with its status: never a 0, never a default."""
        names = self.named(number)
        if not names or found.message.startswith("`"):
            raise NoScore(Unscored(found.status, found.message), number)
        why = f": {found.message}" if found.message else ""
        raise NoScore(
            Unscored(
                found.status, f"`{names[0]}` {_STATUS_WORDS.get(found.status, 'has no score')}{why}"
            ),
            number,
        )

    def function(self, name: str) -> Callable[..., Any]:
        """What runs for a function of the language."""
        return self._functions[name]


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────


def as_number(value: Any, term: Term) -> float:
    """A value as a number: True counts as 1, False as 0."""
    if isinstance(value, bool):
        return int(value)
    if is_null(value):
        fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
    if isinstance(value, int | float):
        return value
    return fail(Status.ERROR, f"{name_of(term)} is no number: {short(value)}")


def as_condition(value: Any, term: Term) -> bool:
    """A value as a condition: a bool, and nothing that Python would take for one."""
    if isinstance(value, bool):
        return value
    if is_null(value):
        fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
    return fail(Status.ERROR, f"{name_of(term)} is neither True nor False: {short(value)}")


def is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def has_null(value: Any) -> bool:
    """A list with a null in it: what stands there, nobody knows."""
    return isinstance(value, list) and any(map(is_null, value))


def is_gap(value: Any) -> bool:
    """What no function is called with: a null, or a list that holds one."""
    return type(value) not in _NEVER_NULL and (is_null(value) or has_null(value))


_NEVER_NULL = frozenset({str, bool, int})


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
        case expr.Column(name):
            return f"`{name}`"
        case expr.GetField(base, key):
            return f"{name_of(base)[:-1]}.{key}`" if name_of(base).endswith("`") else f"`.{key}`"
        case expr.Index(base):
            return f"{name_of(base)[:-1]}[…]`" if name_of(base).endswith("`") else "an item"
        case expr.Call(function):
            return f"`{function}(…)`"
        case _:
            return "a value"


# ── one rule for each term ───────────────────────────────────────────────────────────────────────────────────────


def _together(worth: Worth, parts: Sequence[Term]) -> Callable[[RowState], list[Any]]:
    """All of them, asked for together; the first failure counts, once nothing is left to wait for."""
    rules = [worth.rule(part) for part in parts]
    if all(isinstance(part, _ALWAYS_THERE) for part in parts):
        return lambda state: [rule(state) for rule in rules]

    def values(state: RowState) -> list[Any]:
        found: list[Any] = []
        failure: NoScore | None = None
        waiting = False
        for rule in rules:
            try:
                found.append(rule(state))
            except NoScore as error:
                failure = failure or error
            except Waiting:
                waiting = True
        if waiting:
            raise Waiting
        if failure:
            raise failure
        return found

    return values


# What has a value or is null, and never waits.
_ALWAYS_THERE = (expr.Constant, expr.Column)


def _constant(_: Worth, term: expr.Constant) -> Rule:
    value = term.value
    return lambda _: value


def _column(_: Worth, term: expr.Column) -> Rule:
    name = term.name

    def column(state: RowState) -> Any:
        value = state.row.get(name)
        return None if is_null(value) else value

    return column


def _reach(worth: Worth, term: expr.GetField) -> Rule:
    base, key = worth.rule(term.base), term.key

    def reach(state: RowState) -> Any:
        found = base(state)
        if isinstance(found, list):
            return [item.get(key) if isinstance(item, Mapping) else None for item in found]
        return found.get(key) if isinstance(found, Mapping) else None

    return reach


def _at(worth: Worth, term: expr.Index) -> Rule:
    both = _together(worth, (term.base, term.index))

    def at(state: RowState) -> Any:
        base, index = both(state)
        if isinstance(base, Mapping):
            return base.get(index)
        if isinstance(base, list | str) and isinstance(index, int) and not isinstance(index, bool):
            return base[index] if -len(base) <= index < len(base) else None
        return None

    return at


def _apply(worth: Worth, term: expr.Call) -> Rule:
    name, parts = term.function, term.arguments
    run, arguments = worth.function(name), _together(worth, parts)

    def apply(state: RowState) -> Any:
        values = arguments(state)
        for place, value in enumerate(values):
            if type(value) not in _NEVER_NULL and is_gap(value):
                fail(Status.MISSING_INPUT, f"{name_of(parts[place])} is null")
        found = run(*values)
        return found if type(found) in _NEVER_NULL else returned(found, name)

    return apply


def _negative(worth: Worth, term: expr.Negative) -> Rule:
    operand = worth.rule(term.operand)
    return lambda state: -as_number(operand(state), term.operand)


def _chain(worth: Worth, term: expr.BinaryOp) -> Rule:
    parts = (term.first, *(part for _, part in term.rest))
    values, signs = _together(worth, parts), [sign for sign, _ in term.rest]

    def chain(state: RowState) -> float:
        first, *rest = map(as_number, values(state), parts)
        for sign, operand in zip(signs, rest, strict=True):
            first = _operate(sign, first, operand)
        return first

    return chain


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


def _compare(worth: Worth, term: expr.Compare) -> Rule:
    parts = (term.first, *(part for _, part in term.rest))
    values, signs = _together(worth, parts), [sign for sign, _ in term.rest]

    def compare(state: RowState) -> bool:
        found = values(state)
        for value, part in zip(found, parts, strict=True):
            if is_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(part)} is null")
        return all(map(_holds, signs, found, found[1:]))

    return compare


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
    return _KINDS.get(type(value)) or next(
        (name for kind, name in _KINDS.items() if isinstance(value, kind)), type(value).__name__
    )


_KINDS: Mapping[type, str] = {
    int: "number",
    float: "number",
    bool: "number",
    str: "text",
    list: "list",
    Mapping: "object",
}
_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _truth(worth: Worth, term: Term) -> Callable[[RowState], bool]:
    rule = worth.rule(term)
    return lambda state: as_condition(rule(state), term)


def _connect(worth: Worth, term: expr.BoolOp) -> Rule:
    """From left to right, no further than needed."""
    truths, decides = [_truth(worth, part) for part in term.parts], term.word == "or"

    def connect(state: RowState) -> bool:
        return next((decides for truth in truths if truth(state) == decides), not decides)

    return connect


def _inverse(worth: Worth, term: expr.Not) -> Rule:
    truth = _truth(worth, term.operand)
    return lambda state: not truth(state)


def _choose(worth: Worth, term: expr.IfElse) -> Rule:
    truth, then, otherwise = (
        _truth(worth, term.condition),
        worth.rule(term.then),
        worth.rule(term.otherwise),
    )
    return lambda state: then(state) if truth(state) else otherwise(state)


# What never was asked has neither a score nor a failure: nothing may follow from its absence.
_NEVER_ASKED = (Status.SKIPPED, Status.OVER_BUDGET, Status.CANCELLED)


def _score_of(worth: Worth, term: expr.ScoreOf) -> Rule:
    number = term.scoring
    return lambda state: worth.score_of(number, state)


def _scored(worth: Worth, term: expr.Scored) -> Rule:
    def scored(state: RowState) -> bool:
        found = worth.outcome(term.scoring, state)
        if found.status in _NEVER_ASKED:
            worth.score_of(term.scoring, state)
        return isinstance(found, Score)

    return scored


def _passed(worth: Worth, term: expr.Passed) -> Rule:
    truth = _truth(worth, term.condition)

    def passed(state: RowState) -> bool:
        value = worth.score_of(term.scoring, state)
        return truth(with_own(state, {"score": value}))

    return passed


def with_own(state: RowState, words: Mapping[str, Any]) -> RowState:
    """The row for a condition that has words of its own, such as `score`: nothing in the data can be taken for one."""
    row = {**state.row, **{(expr.Own, word): value for word, value in words.items()}}
    return replace(state, row=row)


def _given(worth: Worth, term: expr.Given) -> Rule:
    operand = worth.rule(term.operand)
    return lambda state: _unless_absent(operand, state) is not None


def _default(worth: Worth, term: expr.Default) -> Rule:
    operand, instead = worth.rule(term.operand), worth.rule(term.instead)

    def default(state: RowState) -> Any:
        value = _unless_absent(operand, state)
        return instead(state) if value is None else value

    return default


def _unless_absent(operand: Rule, state: RowState) -> Any:
    """The value; None where it is missing or blank."""
    try:
        value = operand(state)
    except NoScore as error:
        if error.unscored.status is Status.MISSING_INPUT:
            return None
        raise
    return None if is_blank(value) or has_blank_item(value) else value


def _unit(worth: Worth, term: expr.Unit) -> Rule:
    operand, low, span, lower = worth.rule(term.operand), term.low, term.high - term.low, term.lower

    def unit(state: RowState) -> float:
        share = (as_number(operand(state), term.operand) - low) / span
        return 1 - share if lower else share

    return unit


def _fold(worth: Worth, term: expr.Aggregate) -> Rule:
    parts = _parts(worth, term)

    def fold(state: RowState) -> Any:
        found, weights = parts(state)
        if len(term.parts) == 1 and isinstance(found[0], list):
            found, weights = found[0], [1.0] * len(found[0])
        if not found:
            fail(Status.MISSING_INPUT, f"`{term.function}` of an empty list")
        named = term.parts if len(term.parts) == len(found) else [term.parts[0]] * len(found)
        if term.function in ("any", "all"):
            conditions = list(map(as_condition, found, named))
            return any(conditions) if term.function == "any" else all(conditions)
        numbers = list(map(as_number, found, named))
        return (
            _mean(numbers, weights)
            if term.function == "weighted"
            else _FOLDS[term.function](numbers)
        )

    return fold


_FOLDS: Mapping[str, Callable[[list[float]], float]] = {"min": min, "max": max, "sum": math.fsum}


def _parts(
    worth: Worth, term: expr.Aggregate
) -> Callable[[RowState], tuple[list[Any], list[float]]]:
    """The values that count, and their weights: all of them, or with `missing = drop` the scored ones."""
    weights = list(term.weights) or [1.0] * len(term.parts)
    if not term.drop:
        values = _together(worth, term.parts)
        return lambda state: (values(state), weights)
    rules = [(worth.rule(part), part) for part in term.parts]

    def scored(state: RowState) -> tuple[list[Any], list[float]]:
        found = _tried(rules, state)
        kept = [
            (value, weight)
            for value, weight in zip(found, weights, strict=True)
            if not isinstance(value, NoScore)
        ]
        failures = [value for value in found if isinstance(value, NoScore)]
        stopped = [failure for failure in failures if failure.unscored.status in _NEVER_ASKED]
        if stopped or (failures and not any(weight for _, weight in kept)):
            raise (stopped or failures)[0]
        return [value for value, _ in kept], [weight for _, weight in kept]

    return scored


def _tried(rules: Iterable[tuple[Rule, Term]], state: RowState) -> list[Any]:
    """The values of all parts, and in place of one that is missing the reason, once nothing is left to wait for."""
    found: list[Any] = []
    waiting = False
    for rule, part in rules:
        try:
            value = rule(state)
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


def _mean(numbers: Sequence[float], weights: Sequence[float]) -> float:
    """A weighted mean, in the 15 digits that a float can hold for sure, that never leaves the range of its parts."""
    mean = math.fsum(n * w for n, w in zip(numbers, weights, strict=True)) / math.fsum(weights)
    if not math.isfinite(mean):
        fail(Status.ERROR, f"the mean is {mean}, not a number")
    return min(max(float(f"{mean:.15g}"), min(numbers)), max(numbers))


_RULES: Mapping[type, Callable[[Worth, Any], Rule]] = {
    expr.Constant: _constant,
    expr.Column: _column,
    expr.GetField: _reach,
    expr.Index: _at,
    expr.ListExpr: lambda worth, term: _together(worth, term.items),
    expr.Call: _apply,
    expr.Aggregate: _fold,
    expr.Unit: _unit,
    expr.Negative: _negative,
    expr.BinaryOp: _chain,
    expr.Compare: _compare,
    expr.BoolOp: _connect,
    expr.Not: _inverse,
    expr.IfElse: _choose,
    expr.ScoreOf: _score_of,
    expr.Scored: _scored,
    expr.Passed: _passed,
    expr.Own: lambda _, term: lambda state: state.row[expr.Own, term.word],
    expr.Given: _given,
    expr.Default: _default,
    # Of the whole run the "row" holds the statistics, each under the term that asks for it.
    expr.Statistic: lambda _, term: lambda state: state.row[term],
    expr.InLoop: lambda _, term: lambda state: state.row[term],
}
