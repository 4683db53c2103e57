"""Compile each expression to a function `RowState -> value`, once per plan.

There is one compile function for each kind of term. Names, parts and operators are resolved at
compile time, so that a row costs only calls. Evaluation is lazy. Where a question has no answer
yet it raises `Waiting`, and starts again later.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn, TypeAlias

from rmg_dsl.cells import CellText, unpack_cell
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.prompts.template import has_blank_item, is_blank
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.runtime.row_state import Data, NoScore, RowState, Waiting, fail
from rmg_dsl.scales import Value

RowFunction: TypeAlias = Callable[[RowState], Data]
"""Gives the value of a term on a row, None where the data is null; raises NoScore or Waiting."""


class ExpressionEvaluator(ABC):
    """Evaluates terms on rows; the subclass gives the outcomes of steps.

    `functions` are the built-in functions and the caller's own, by name.
    """

    def __init__(self, functions: Mapping[str, Callable[..., Data]]) -> None:
        self._functions = functions
        # By identity: the lookup of an equal term would take longer than most terms do. The entry
        # holds the term, so that no other term can get the same id.
        self._row_functions: dict[int, tuple[RowFunction, Term]] = {}

    @abstractmethod
    def outcome(self, number: int, state: RowState) -> Outcome:
        """The outcome of a step, or `Waiting` where a question must be answered first."""

    @abstractmethod
    def names_of_step(self, number: int) -> Sequence[str]:
        """The names that a step has in the spec."""

    def row_function(self, term: Term) -> RowFunction:
        """The function of a term, compiled at its first use."""
        compiled = self._row_functions.get(id(term))
        if compiled is None:
            compiled = (_COMPILERS[type(term)](self, term), term)
            self._row_functions[id(term)] = compiled
        return compiled[0]

    def value(self, term: Term, state: RowState) -> Data:
        """The value of a term on a row; None where the data is null."""
        return self.row_function(term)(state)

    def truth(self, term: Term, state: RowState) -> bool:
        """The value of a condition on a row. Raises NoScore where it is null or no bool."""
        return as_condition(self.row_function(term)(state), term)

    def score_of(self, number: int, state: RowState) -> Value | list[float]:
        """The score of a step on a row. Raises NoScore with the status of the step."""
        outcome = state.outcomes.get(number) or self.outcome(number, state)
        if isinstance(outcome, Score):
            return outcome.value
        return self._raise_failure(number, outcome)

    def value_or_none(self, term: Term, state: RowState) -> Data:
        """The value for a prompt, None where it is missing: the template decides if it may be."""
        try:
            return self.value(term, state)
        except NoScore as error:
            if error.unscored.status is Status.MISSING_INPUT:
                return None
            raise

    def _raise_failure(self, number: int, outcome: Unscored) -> NoReturn:
        """Hand on the failure of a step with its status: never a 0, never a default."""
        names = self.names_of_step(number)
        # A message that begins with a quoted name says already which step failed.
        if not names or outcome.message.startswith("`"):
            raise NoScore(Unscored(outcome.status, outcome.message), number)
        why = f": {outcome.message}" if outcome.message else ""
        message = f"`{names[0]}` {outcome.status.phrase}{why}"
        raise NoScore(Unscored(outcome.status, message), number)

    def function(self, name: str) -> Callable[..., Data]:
        """The implementation of a function of the language."""
        return self._functions[name]


# ── values ────────────────────────────────────────────────────────────────────────────────────────


def as_number(value: Data, term: Term) -> float:
    """A value as a number: True counts as 1, False as 0."""
    if isinstance(value, bool):
        return int(value)
    if is_null(value):
        fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
    if isinstance(value, int | float):
        return value
    if type(value) is CellText:
        number = value.number if value.truth is None else int(value.truth)
        if number is not None:
            return number
    return fail(Status.ERROR, f"{name_of(term)} is no number: {short_repr(value)}")


def as_condition(value: Data, term: Term) -> bool:
    """A value as a condition: a bool, and nothing that Python would take for one."""
    if isinstance(value, bool):
        return value
    if is_null(value):
        fail(Status.MISSING_INPUT, f"{name_of(term)} is null")
    if type(value) is CellText and value.truth is not None:
        return value.truth
    return fail(Status.ERROR, f"{name_of(term)} is neither True nor False: {short_repr(value)}")


def is_null(value: Data) -> bool:
    """Is it None or NaN? NaN is how tables say that a number is missing."""
    return value is None or (isinstance(value, float) and value != value)


def has_null(value: Data) -> bool:
    """Is it a list with a null in it?"""
    return isinstance(value, list) and any(map(is_null, value))


def is_or_has_null(value: Data) -> bool:
    """Is it a null, or a list with one? No function is called with such a value."""
    return type(value) not in _NEVER_NULL and (is_null(value) or has_null(value))


# A test by type first: most values are of these types, and the full test costs two calls.
_NEVER_NULL = frozenset({str, bool, int, CellText})


def plain_result(value: Data, function: str) -> Data:
    """The result of a function as plain Python. Raises NoScore for NaN."""
    # Numpy's scalars are numbers and bools too; its module tells them without an import.
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, float) and value != value:
        fail(Status.ERROR, f"`{function}(…)` gave NaN, not a number")
    return value


def plain_argument(value: Data) -> Data:
    """An argument for a function of the caller: a cell that writes a number is that number."""
    return value.plain if type(value) is CellText else value


def short_repr(value: Data) -> str:
    """A value in a message: one line of at most 80 characters."""
    text = " ".join(repr(value).split())
    if len(text) <= 80:
        return text
    return text[:79] + "…"


def name_of(term: Term) -> str:
    """What a message calls a term: its column with the path into it, or its function."""
    match term:
        case expr.ColumnRef(name):
            return f"`{name}`"
        case expr.GetField(base, key):
            return _path_name(base, f".{key}") or f"`.{key}`"
        case expr.Index(base):
            return _path_name(base, "[…]") or "an item"
        case expr.Call(function):
            return f"`{function}(…)`"
        case _:
            return "a value"


def _path_name(base: Term, step: str) -> str:
    """The name of a part of a named term, nothing where the term has no name."""
    name = name_of(base)
    if not name.endswith("`"):
        return ""
    return f"{name[:-1]}{step}`"


# ── one compile function for each kind of term ────────────────────────────────────────────────────


def _compile_all(
    evaluator: ExpressionEvaluator, parts: Sequence[Term]
) -> Callable[[RowState], list[Data]]:
    """One function for the values of all parts; it raises the first failure of them.

    It evaluates every part before it raises anything: then the questions of all parts go out
    together, and which failure is raised does not depend on which answer came first.
    """
    functions = [evaluator.row_function(part) for part in parts]
    if all(isinstance(part, _NEVER_WAITING) for part in parts):
        return lambda state: [function(state) for function in functions]

    def values(state: RowState) -> list[Data]:
        results: list[Data] = []
        failure: NoScore | None = None
        waiting = False
        for function in functions:
            try:
                results.append(function(state))
            except NoScore as error:
                failure = failure or error
            except Waiting:
                waiting = True
        if waiting:
            raise Waiting
        if failure:
            raise failure
        return results

    return values


# Constants and columns never raise: without the `try` of the general case a row is faster.
_NEVER_WAITING = (expr.Constant, expr.ColumnRef)


def _compile_constant(_: ExpressionEvaluator, term: expr.Constant) -> RowFunction:
    value = term.value
    return lambda _: value


def _compile_column(_: ExpressionEvaluator, term: expr.ColumnRef) -> RowFunction:
    name = term.name

    def column(state: RowState) -> Data:
        # NaN becomes None, so that no other function has to test for both.
        value = state.row.get(name)
        return None if is_null(value) else value

    return column


def _compile_get_field(evaluator: ExpressionEvaluator, term: expr.GetField) -> RowFunction:
    base, key = evaluator.row_function(term.base), term.key

    def get_field(state: RowState) -> Data:
        value = unpack_cell(base(state))
        if isinstance(value, list):
            return [item.get(key) if isinstance(item, Mapping) else None for item in value]
        return value.get(key) if isinstance(value, Mapping) else None

    return get_field


def _compile_index(evaluator: ExpressionEvaluator, term: expr.Index) -> RowFunction:
    both = _compile_all(evaluator, (term.base, term.index))

    def get_item(state: RowState) -> Data:
        base, index = both(state)
        base = unpack_cell(base)
        if isinstance(base, Mapping):
            return base.get(index)
        if type(index) is CellText:
            index = index.plain
        if isinstance(base, str):
            fail(
                Status.ERROR, f"{name_of(term.base)} is a text and has no items: {short_repr(base)}"
            )
        # Out of range is null, as a key that an object lacks. True is no index, though an int.
        if isinstance(base, list) and isinstance(index, int) and not isinstance(index, bool):
            return base[index] if -len(base) <= index < len(base) else None
        return None

    return get_item


def _compile_call(evaluator: ExpressionEvaluator, term: expr.Call) -> RowFunction:
    name, parts = term.function, term.arguments
    run, arguments = evaluator.function(name), _compile_all(evaluator, parts)

    def evaluate_call(state: RowState) -> Data:
        values = arguments(state)
        for place, value in enumerate(values):
            if type(value) not in _NEVER_NULL and is_or_has_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(parts[place])} is null")
        result = run(*values)
        return result if type(result) in _NEVER_NULL else plain_result(result, name)

    return evaluate_call


def _compile_negative(evaluator: ExpressionEvaluator, term: expr.Negate) -> RowFunction:
    operand = evaluator.row_function(term.operand)
    return lambda state: -as_number(operand(state), term.operand)


def _compile_binary_op(evaluator: ExpressionEvaluator, term: expr.BinaryOp) -> RowFunction:
    parts = (term.first, *(part for _, part in term.rest))
    values, signs = _compile_all(evaluator, parts), [sign for sign, _ in term.rest]

    def calculate(state: RowState) -> float:
        first, *rest = map(as_number, values(state), parts)
        for sign, operand in zip(signs, rest, strict=True):
            first = _apply_operator(sign, first, operand)
        return first

    return calculate


def _apply_operator(sign: str, left: float, right: float) -> float:
    if sign == "/" and not right:
        fail(Status.ERROR, "a division by zero")
    result = _ARITHMETIC_OPERATORS[sign](left, right)
    # An overflow would turn comparisons true or false without a word.
    if not math.isfinite(result):
        fail(
            Status.ERROR, f"{short_repr(left)} {sign} {short_repr(right)} is {result}, not a number"
        )
    return result


_ARITHMETIC_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _compile_compare(evaluator: ExpressionEvaluator, term: expr.Compare) -> RowFunction:
    parts = (term.first, *(part for _, part in term.rest))
    values, signs = _compile_all(evaluator, parts), [sign for sign, _ in term.rest]

    def compare(state: RowState) -> bool:
        operands = values(state)
        # All operands are tested first: `a < null < c` has no result, even where `a < b` is false.
        for value, part in zip(operands, parts, strict=True):
            if is_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(part)} is null")
        return all(map(_comparison_holds, signs, operands, operands[1:]))

    return compare


def _comparison_holds(sign: str, left: Data, right: Data) -> bool:
    """Compare two values of one kind. A text beside a number is an error, not a difference."""
    if sign in ("in", "not in"):
        return _is_in(left, right) == (sign == "in")
    left, right = _comparable(left, right), _comparable(right, left)
    kind = _value_kind(left)
    if kind != _value_kind(right) or (sign not in ("==", "!=") and kind not in ("number", "text")):
        fail(Status.ERROR, f"`{sign}` cannot compare {short_repr(left)} with {short_repr(right)}")
    return bool(_COMPARISON_OPERATORS[sign](left, right))


def _comparable(value: Data, other: Data) -> Data:
    """A cell as what the other side is: a number beside a number, a bool beside a bool."""
    if type(value) is not CellText:
        return value
    if isinstance(other, bool):
        return value if value.truth is None else value.truth
    if isinstance(other, int | float):
        return value if value.number is None else value.number
    # Two cells that both write numbers are compared as numbers: 4 and 4.00 are equal.
    if type(other) is CellText and other.number is not None and value.number is not None:
        return value.number
    return value


def _is_in(value: Data, container: Data) -> bool:
    """Is the value an item of a list, or a part of a text? 1 and "1" are different items."""
    container = unpack_cell(container)
    if isinstance(container, list):
        if container and type(value) is CellText:
            value = _comparable(value, container[0])
        kind = _value_kind(value)
        if any(_value_kind(item) == kind and item == value for item in container):
            return True
        if has_null(container):
            fail(Status.MISSING_INPUT, "an item of a list is null")
        if not container or any(_value_kind(item) == kind for item in container):
            return False
    elif isinstance(container, str | Mapping) and isinstance(value, str):
        return value in container
    message = f"`in` cannot look for {short_repr(value)} in {short_repr(container)}"
    return fail(Status.ERROR, message)


def _value_kind(value: Data) -> str:
    """The kind by which values are compared; numbers and bools are of one kind."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    # A user's function may give subclasses, and mappings of any type.
    for base, name in _KINDS.items():
        if isinstance(value, base):
            return name
    return type(value).__name__


_KINDS: Mapping[type, str] = {
    int: "number",
    float: "number",
    bool: "number",
    str: "text",
    CellText: "text",
    list: "list",
    Mapping: "object",
}
_COMPARISON_OPERATORS: Mapping[str, Callable[[Data, Data], Data]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compile_condition(evaluator: ExpressionEvaluator, term: Term) -> Callable[[RowState], bool]:
    value_of = evaluator.row_function(term)
    return lambda state: as_condition(value_of(state), term)


def _compile_bool_op(evaluator: ExpressionEvaluator, term: expr.BoolOp) -> RowFunction:
    """Evaluate the parts from left to right, no further than needed."""
    conditions = [_compile_condition(evaluator, part) for part in term.parts]
    # A true part decides an `or`, a false part an `and`.
    deciding = term.operator == "or"

    def combine_conditions(state: RowState) -> bool:
        for condition in conditions:
            if condition(state) == deciding:
                return deciding
        return not deciding

    return combine_conditions


def _compile_not(evaluator: ExpressionEvaluator, term: expr.Not) -> RowFunction:
    truth = _compile_condition(evaluator, term.operand)
    return lambda state: not truth(state)


def _compile_if_else(evaluator: ExpressionEvaluator, term: expr.IfElse) -> RowFunction:
    truth = _compile_condition(evaluator, term.condition)
    then = evaluator.row_function(term.then)
    otherwise = evaluator.row_function(term.otherwise)
    return lambda state: then(state) if truth(state) else otherwise(state)


def _compile_score_of(evaluator: ExpressionEvaluator, term: expr.ScoreRef) -> RowFunction:
    number = term.scoring
    return lambda state: evaluator.score_of(number, state)


def _compile_word_of(evaluator: ExpressionEvaluator, term: expr.WordOf) -> RowFunction:
    """The word beside a score; where there is none, as in `pass`, the word of that value."""
    operand, by_value = term.operand, {value: word for word, value in reversed(term.words)}
    value_of = evaluator.row_function(operand)

    def word_of(state: RowState) -> Data:
        value = value_of(state)
        if isinstance(operand, expr.ScoreRef):
            outcome = evaluator.outcome(operand.scoring, state)
            if isinstance(outcome, Score) and outcome.label is not None:
                return outcome.label
        if value not in by_value:
            fail(Status.ERROR, f"no word has the value {short_repr(value)}")
        return by_value[value]

    return word_of


def _compile_has_score(evaluator: ExpressionEvaluator, term: expr.HasScore) -> RowFunction:
    def has_score(state: RowState) -> bool:
        outcome = evaluator.outcome(term.scoring, state)
        # A step that did not run has neither a score nor a failure: nothing follows from that.
        if outcome.status.was_not_run:
            evaluator.score_of(term.scoring, state)
        return isinstance(outcome, Score)

    return has_score


def _compile_has_passed(evaluator: ExpressionEvaluator, term: expr.HasPassed) -> RowFunction:
    truth = _compile_condition(evaluator, term.condition)

    def has_passed(state: RowState) -> bool:
        value = evaluator.score_of(term.scoring, state)
        return truth(with_condition_words(state, {"score": value}))

    return has_passed


def with_condition_words(state: RowState, words: Mapping[str, Data]) -> RowState:
    """The row for a condition that has words of its own, such as `score`."""
    # No column has a pair as its name, so no column can hide a word or be taken for one.
    own_words = {(expr.OwnScore, word): value for word, value in words.items()}
    return replace(state, row={**state.row, **own_words})


def _compile_is_present(evaluator: ExpressionEvaluator, term: expr.IsPresent) -> RowFunction:
    operand = evaluator.row_function(term.operand)
    return lambda state: _present_value(operand, state) is not None


def _compile_default(evaluator: ExpressionEvaluator, term: expr.WithDefault) -> RowFunction:
    operand, fallback = evaluator.row_function(term.operand), evaluator.row_function(term.fallback)

    def value_or_default(state: RowState) -> Data:
        value = _present_value(operand, state)
        if value is None:
            return fallback(state)
        return value

    return value_or_default


def _present_value(operand: RowFunction, state: RowState) -> Data:
    """The value of a term; None where it is missing or blank."""
    try:
        value = operand(state)
    except NoScore as error:
        if error.unscored.status is Status.MISSING_INPUT:
            return None
        raise
    if is_blank(value) or has_blank_item(value):
        return None
    return value


def _compile_unit(evaluator: ExpressionEvaluator, term: expr.Normalize) -> RowFunction:
    operand = evaluator.row_function(term.operand)
    low, span, lower = term.low, term.high - term.low, term.lower

    def unit_value(state: RowState) -> float:
        share = (as_number(operand(state), term.operand) - low) / span
        return 1 - share if lower else share

    return unit_value


def _compile_aggregate(evaluator: ExpressionEvaluator, term: expr.Aggregate) -> RowFunction:
    parts = _compile_weighted_parts(evaluator, term)

    def aggregate_parts(state: RowState) -> Data:
        values, weights = parts(state)
        terms: Sequence[Term] = term.parts
        if len(terms) == 1:
            values = [unpack_cell(values[0])]
        # A single part that is a list is aggregated over its items.
        if len(terms) == 1 and isinstance(values[0], list):
            values, weights = values[0], [1.0] * len(values[0])
        if not values:
            fail(Status.MISSING_INPUT, f"`{term.function}` of an empty list")
        # With `missing = drop` parts are left out too: a message then names the first part.
        if len(terms) != len(values):
            terms = [terms[0]] * len(values)
        if term.function in _CONDITION_FUNCTIONS:
            conditions = list(map(as_condition, values, terms))
            return _CONDITION_FUNCTIONS[term.function](conditions)
        numbers = list(map(as_number, values, terms))
        if term.function == "weighted":
            return _aggregate_mean(numbers, weights)
        return _AGGREGATE_FUNCTIONS[term.function](numbers)

    return aggregate_parts


_CONDITION_FUNCTIONS: Mapping[str, Callable[[list[bool]], bool]] = {"any": any, "all": all}


_AGGREGATE_FUNCTIONS: Mapping[str, Callable[[list[float]], float]] = {
    "min": min,
    "max": max,
    "sum": math.fsum,
}


def _compile_weighted_parts(
    evaluator: ExpressionEvaluator, term: expr.Aggregate
) -> Callable[[RowState], tuple[list[Data], list[float]]]:
    """One function for the values and weights: all, or with `missing = drop` the scored ones."""
    weights = list(term.weights) or [1.0] * len(term.parts)
    if not term.drop:
        values = _compile_all(evaluator, term.parts)
        return lambda state: (values(state), weights)
    functions = [(evaluator.row_function(part), part) for part in term.parts]

    def parts_with_score(state: RowState) -> tuple[list[Data], list[float]]:
        results = _try_all(functions, state)
        scored = [
            (value, weight)
            for value, weight in zip(results, weights, strict=True)
            if not isinstance(value, NoScore)
        ]
        failures = [value for value in results if isinstance(value, NoScore)]
        not_run = [failure for failure in failures if failure.unscored.status.was_not_run]
        # What did not run may yet get a score: to leave it out would make the aggregate depend on
        # how far the run came. Where no part with a weight has a score, there is no mean.
        if not_run or (failures and not any(weight for _, weight in scored)):
            raise (not_run or failures)[0]
        return [value for value, _ in scored], [weight for _, weight in scored]

    return parts_with_score


def _try_all(functions: Iterable[tuple[RowFunction, Term]], state: RowState) -> list[Data]:
    """The values of all parts; for a part without a value the exception that says why.

    Like `_compile_all` it evaluates every part before it raises `Waiting`.
    """
    results: list[Data] = []
    waiting = False
    for function, part in functions:
        try:
            value = function(state)
            if is_null(value):
                fail(Status.MISSING_INPUT, f"{name_of(part)} is null")
            results.append(value)
        except NoScore as error:
            results.append(error)
        except Waiting:
            waiting = True
    if waiting:
        raise Waiting
    return results


def _aggregate_mean(numbers: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean, rounded to 15 digits and kept within the range of its parts."""
    # Rounding errors must neither show nor carry a mean over the bounds of its scale.
    mean = math.fsum(n * w for n, w in zip(numbers, weights, strict=True)) / math.fsum(weights)
    if not math.isfinite(mean):
        fail(Status.ERROR, f"the mean is {mean}, not a number")
    return min(max(float(f"{mean:.15g}"), min(numbers)), max(numbers))


_COMPILERS: Mapping[type, Callable[[ExpressionEvaluator, Data], RowFunction]] = {
    expr.Constant: _compile_constant,
    expr.ColumnRef: _compile_column,
    expr.GetField: _compile_get_field,
    expr.Index: _compile_index,
    expr.ListExpr: lambda evaluator, term: _compile_all(evaluator, term.items),
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
    expr.WordOf: _compile_word_of,
    expr.HasScore: _compile_has_score,
    expr.HasPassed: _compile_has_passed,
    expr.OwnScore: lambda _, term: lambda state: state.row[expr.OwnScore, term.attribute],
    expr.IsPresent: _compile_is_present,
    expr.WithDefault: _compile_default,
    # A requirement is evaluated on a "row" that holds the statistics, each under its term.
    expr.Statistic: lambda _, term: lambda state: state.row[term],
    expr.LoopVariable: lambda _, term: lambda state: state.row[term],
}
