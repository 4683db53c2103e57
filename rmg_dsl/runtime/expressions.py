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

RowFunction: TypeAlias = Callable[[RowState], Any]
"""What a term is worth on a row, None where the data is null; raises NoScore, or Waiting where a question is out."""


class ExpressionEvaluator(ABC):
    """Values of terms; `functions` run the calls of built-ins, what a step has come to the subclass knows."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        # By identity: to look for an equal term would take longer than most terms do. The term is held, so that no
        # other can get its number.
        self._row_functions: dict[int, tuple[RowFunction, Term]] = {}

    @abstractmethod
    def outcome(self, number: int, state: RowState) -> Outcome:
        """The outcome of a step, or `Waiting` where a question must be answered first."""

    @abstractmethod
    def names_of_step(self, number: int) -> Sequence[str]:
        """The names that a step has in the spec."""

    def row_function(self, term: Term) -> RowFunction:
        """The function of a row that a term stands for, made once."""
        known = self._row_functions.get(id(term))
        if known is None:
            known = self._row_functions[id(term)] = _COMPILERS[type(term)](self, term), term
        return known[0]

    def value(self, term: Term, state: RowState) -> Any:
        """What a term is worth on a row; None where the data is null."""
        return self.row_function(term)(state)

    def truth(self, term: Term, state: RowState) -> bool:
        return as_condition(self.row_function(term)(state), term)

    def score_of(self, number: int, state: RowState) -> Value | list[float]:
        found = state.outcomes.get(number) or self.outcome(number, state)
        return found.value if isinstance(found, Score) else self._raise_failure(number, found)

    def value_or_none(self, term: Term, state: RowState) -> Any:
        """A field for a prompt: whether one that is missing may be, the template decides."""
        try:
            return self.value(term, state)
        except NoScore as error:
            if error.unscored.status is Status.MISSING_INPUT:
                return None
            raise

    def _raise_failure(self, number: int, found: Unscored) -> NoReturn:
        """A failure is handed on with its status: never a 0, never a default."""
        names = self.names_of_step(number)
        if not names or found.message.startswith("`"):
            raise NoScore(Unscored(found.status, found.message), number)
        why = f": {found.message}" if found.message else ""
        message = f"`{names[0]}` {found.status.phrase}{why}"
        raise NoScore(Unscored(found.status, message), number)

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
    return fail(Status.ERROR, f"{name_of(term)} is no number: {short_repr(value)}")


def as_condition(value: Any, term: Term) -> bool:
    """A value as a condition: a bool, and nothing that Python would take for one."""
    if isinstance(value, bool):
        return value
    if is_null(value):
        fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
    return fail(Status.ERROR, f"{name_of(term)} is neither True nor False: {short_repr(value)}")


def is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def has_null(value: Any) -> bool:
    """A list with a null in it: what stands there, nobody knows."""
    return isinstance(value, list) and any(map(is_null, value))


def is_or_has_null(value: Any) -> bool:
    """What no function is called with: a null, or a list that holds one."""
    return type(value) not in _NEVER_NULL and (is_null(value) or has_null(value))


_NEVER_NULL = frozenset({str, bool, int})


def plain_result(value: Any, function: str) -> Any:
    """What a function gave, as plain Python: numpy's scalars are numbers and bools too. NaN is no result."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and value != value:
        fail(Status.ERROR, f"`{function}(…)` gave NaN, not a number")
    return value


def short_repr(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def name_of(term: Term) -> str:
    match term:
        case expr.ColumnRef(name):
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


def _compile_all(
    worth: ExpressionEvaluator, parts: Sequence[Term]
) -> Callable[[RowState], list[Any]]:
    """All of them, asked for together; the first failure counts, once nothing is left to wait for."""
    rules = [worth.row_function(part) for part in parts]
    if all(isinstance(part, _NEVER_WAITING) for part in parts):
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
_NEVER_WAITING = (expr.Constant, expr.ColumnRef)


def _compile_constant(_: ExpressionEvaluator, term: expr.Constant) -> RowFunction:
    value = term.value
    return lambda _: value


def _compile_column(_: ExpressionEvaluator, term: expr.ColumnRef) -> RowFunction:
    name = term.name

    def column(state: RowState) -> Any:
        value = state.row.get(name)
        return None if is_null(value) else value

    return column


def _compile_get_field(worth: ExpressionEvaluator, term: expr.GetField) -> RowFunction:
    base, key = worth.row_function(term.base), term.key

    def get_field(state: RowState) -> Any:
        found = base(state)
        if isinstance(found, list):
            return [item.get(key) if isinstance(item, Mapping) else None for item in found]
        return found.get(key) if isinstance(found, Mapping) else None

    return get_field


def _compile_index(worth: ExpressionEvaluator, term: expr.Index) -> RowFunction:
    both = _compile_all(worth, (term.base, term.index))

    def get_item(state: RowState) -> Any:
        base, index = both(state)
        if isinstance(base, Mapping):
            return base.get(index)
        if isinstance(base, list | str) and isinstance(index, int) and not isinstance(index, bool):
            return base[index] if -len(base) <= index < len(base) else None
        return None

    return get_item


def _compile_call(worth: ExpressionEvaluator, term: expr.Call) -> RowFunction:
    name, parts = term.function, term.arguments
    run, arguments = worth.function(name), _compile_all(worth, parts)

    def evaluate_call(state: RowState) -> Any:
        values = arguments(state)
        for place, value in enumerate(values):
            if type(value) not in _NEVER_NULL and is_or_has_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(parts[place])} is null")
        found = run(*values)
        return found if type(found) in _NEVER_NULL else plain_result(found, name)

    return evaluate_call


def _compile_negative(worth: ExpressionEvaluator, term: expr.Negate) -> RowFunction:
    operand = worth.row_function(term.operand)
    return lambda state: -as_number(operand(state), term.operand)


def _compile_binary_op(worth: ExpressionEvaluator, term: expr.BinaryOp) -> RowFunction:
    parts = (term.first, *(part for _, part in term.rest))
    values, signs = _compile_all(worth, parts), [sign for sign, _ in term.rest]

    def calculate(state: RowState) -> float:
        first, *rest = map(as_number, values(state), parts)
        for sign, operand in zip(signs, rest, strict=True):
            first = _apply_operator(sign, first, operand)
        return first

    return calculate


def _apply_operator(sign: str, one: float, other: float) -> float:
    if sign == "/" and not other:
        fail(Status.ERROR, "a division by zero")
    found = _ARITHMETIC_OPERATORS[sign](one, other)
    if not math.isfinite(found):
        fail(Status.ERROR, f"{short_repr(one)} {sign} {short_repr(other)} is {found}, not a number")
    return found


_ARITHMETIC_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _compile_compare(worth: ExpressionEvaluator, term: expr.Compare) -> RowFunction:
    parts = (term.first, *(part for _, part in term.rest))
    values, signs = _compile_all(worth, parts), [sign for sign, _ in term.rest]

    def compare(state: RowState) -> bool:
        found = values(state)
        for value, part in zip(found, parts, strict=True):
            if is_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(part)} is null")
        return all(map(_comparison_holds, signs, found, found[1:]))

    return compare


def _comparison_holds(sign: str, one: Any, other: Any) -> bool:
    """Values of one kind are compared; a text beside a number is a mistake in the row, not a difference."""
    if sign in ("in", "not in"):
        return _is_in(one, other) == (sign == "in")
    kind = _value_kind(one)
    if kind != _value_kind(other) or (sign not in ("==", "!=") and kind not in ("number", "text")):
        fail(Status.ERROR, f"`{sign}` cannot compare {short_repr(one)} with {short_repr(other)}")
    return bool(_COMPARISON_OPERATORS[sign](one, other))


def _is_in(one: Any, other: Any) -> bool:
    if isinstance(other, list):
        if any(_value_kind(item) == _value_kind(one) and item == one for item in other):
            return True
        if has_null(other):
            fail(Status.MISSING_INPUT, "an item of a list is null")
        if not other or any(_value_kind(item) == _value_kind(one) for item in other):
            return False
    elif isinstance(other, str | Mapping) and isinstance(one, str):
        return one in other
    return fail(Status.ERROR, f"`in` cannot look for {short_repr(one)} in {short_repr(other)}")


def _value_kind(value: Any) -> str:
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
_COMPARISON_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compile_condition(worth: ExpressionEvaluator, term: Term) -> Callable[[RowState], bool]:
    rule = worth.row_function(term)
    return lambda state: as_condition(rule(state), term)


def _compile_bool_op(worth: ExpressionEvaluator, term: expr.BoolOp) -> RowFunction:
    """From left to right, no further than needed."""
    truths, decides = (
        [_compile_condition(worth, part) for part in term.parts],
        term.operator == "or",
    )

    def combine_conditions(state: RowState) -> bool:
        return next((decides for truth in truths if truth(state) == decides), not decides)

    return combine_conditions


def _compile_not(worth: ExpressionEvaluator, term: expr.Not) -> RowFunction:
    truth = _compile_condition(worth, term.operand)
    return lambda state: not truth(state)


def _compile_if_else(worth: ExpressionEvaluator, term: expr.IfElse) -> RowFunction:
    truth, then, otherwise = (
        _compile_condition(worth, term.condition),
        worth.row_function(term.then),
        worth.row_function(term.otherwise),
    )
    return lambda state: then(state) if truth(state) else otherwise(state)


def _compile_score_of(worth: ExpressionEvaluator, term: expr.ScoreRef) -> RowFunction:
    number = term.scoring
    return lambda state: worth.score_of(number, state)


def _compile_has_score(worth: ExpressionEvaluator, term: expr.HasScore) -> RowFunction:
    def has_score(state: RowState) -> bool:
        found = worth.outcome(term.scoring, state)
        # A step that did not run has neither a score nor a failure: nothing follows from that.
        if found.status.was_not_run:
            worth.score_of(term.scoring, state)
        return isinstance(found, Score)

    return has_score


def _compile_has_passed(worth: ExpressionEvaluator, term: expr.HasPassed) -> RowFunction:
    truth = _compile_condition(worth, term.condition)

    def has_passed(state: RowState) -> bool:
        value = worth.score_of(term.scoring, state)
        return truth(with_condition_words(state, {"score": value}))

    return has_passed


def with_condition_words(state: RowState, words: Mapping[str, Any]) -> RowState:
    """The row for a condition that has words of its own, such as `score`: nothing in the data can be taken for one."""
    row = {**state.row, **{(expr.OwnScore, word): value for word, value in words.items()}}
    return replace(state, row=row)


def _compile_is_present(worth: ExpressionEvaluator, term: expr.IsPresent) -> RowFunction:
    operand = worth.row_function(term.operand)
    return lambda state: _present_value(operand, state) is not None


def _compile_default(worth: ExpressionEvaluator, term: expr.WithDefault) -> RowFunction:
    operand, instead = worth.row_function(term.operand), worth.row_function(term.fallback)

    def value_or_default(state: RowState) -> Any:
        value = _present_value(operand, state)
        return instead(state) if value is None else value

    return value_or_default


def _present_value(operand: RowFunction, state: RowState) -> Any:
    """The value; None where it is missing or blank."""
    try:
        value = operand(state)
    except NoScore as error:
        if error.unscored.status is Status.MISSING_INPUT:
            return None
        raise
    return None if is_blank(value) or has_blank_item(value) else value


def _compile_unit(worth: ExpressionEvaluator, term: expr.Normalize) -> RowFunction:
    operand, low, span, lower = (
        worth.row_function(term.operand),
        term.low,
        term.high - term.low,
        term.lower,
    )

    def unit_value(state: RowState) -> float:
        share = (as_number(operand(state), term.operand) - low) / span
        return 1 - share if lower else share

    return unit_value


def _compile_aggregate(worth: ExpressionEvaluator, term: expr.Aggregate) -> RowFunction:
    parts = _compile_weighted_parts(worth, term)

    def aggregate_parts(state: RowState) -> Any:
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
            _aggregate_mean(numbers, weights)
            if term.function == "weighted"
            else _AGGREGATE_FUNCTIONS[term.function](numbers)
        )

    return aggregate_parts


_AGGREGATE_FUNCTIONS: Mapping[str, Callable[[list[float]], float]] = {
    "min": min,
    "max": max,
    "sum": math.fsum,
}


def _compile_weighted_parts(
    worth: ExpressionEvaluator, term: expr.Aggregate
) -> Callable[[RowState], tuple[list[Any], list[float]]]:
    """The values that count, and their weights: all of them, or with `missing = drop` the scored ones."""
    weights = list(term.weights) or [1.0] * len(term.parts)
    if not term.drop:
        values = _compile_all(worth, term.parts)
        return lambda state: (values(state), weights)
    rules = [(worth.row_function(part), part) for part in term.parts]

    def parts_with_score(state: RowState) -> tuple[list[Any], list[float]]:
        found = _try_all(rules, state)
        kept = [
            (value, weight)
            for value, weight in zip(found, weights, strict=True)
            if not isinstance(value, NoScore)
        ]
        failures = [value for value in found if isinstance(value, NoScore)]
        stopped = [failure for failure in failures if failure.unscored.status.was_not_run]
        if stopped or (failures and not any(weight for _, weight in kept)):
            raise (stopped or failures)[0]
        return [value for value, _ in kept], [weight for _, weight in kept]

    return parts_with_score


def _try_all(rules: Iterable[tuple[RowFunction, Term]], state: RowState) -> list[Any]:
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


def _aggregate_mean(numbers: Sequence[float], weights: Sequence[float]) -> float:
    """A weighted mean, in the 15 digits that a float can hold for sure, that never leaves the range of its parts."""
    mean = math.fsum(n * w for n, w in zip(numbers, weights, strict=True)) / math.fsum(weights)
    if not math.isfinite(mean):
        fail(Status.ERROR, f"the mean is {mean}, not a number")
    return min(max(float(f"{mean:.15g}"), min(numbers)), max(numbers))


_COMPILERS: Mapping[type, Callable[[ExpressionEvaluator, Any], RowFunction]] = {
    expr.Constant: _compile_constant,
    expr.ColumnRef: _compile_column,
    expr.GetField: _compile_get_field,
    expr.Index: _compile_index,
    expr.ListExpr: lambda worth, term: _compile_all(worth, term.items),
    expr.Call: _compile_call,
    expr.Aggregate: _compile_aggregate,
    expr.Normalize: _compile_unit,
    expr.Negate: _compile_negative,
    expr.BinaryOp: _compile_binary_op,
    expr.Compare: _compile_compare,
    expr.BoolOp: _compile_bool_op,
    expr.Not: _compile_not,
    expr.IfElse: _compile_if_else,
    expr.ScoreRef: _compile_score_of,
    expr.HasScore: _compile_has_score,
    expr.HasPassed: _compile_has_passed,
    expr.OwnScore: lambda _, term: lambda state: state.row[expr.OwnScore, term.attribute],
    expr.IsPresent: _compile_is_present,
    expr.WithDefault: _compile_default,
    # Of the whole run the "row" holds the statistics, each under the term that asks for it.
    expr.Statistic: lambda _, term: lambda state: state.row[term],
    expr.LoopVariable: lambda _, term: lambda state: state.row[term],
}
