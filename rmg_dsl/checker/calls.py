"""Calls of functions: the type of each, by its signature or by a rule of its own."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from rmg_dsl.checker.aggregates import (
    CallChecker,
    any_or_all_checker,
    check_score_part,
    check_sum_call,
    check_weighted_call,
    min_or_max_checker,
)
from rmg_dsl.checker.arguments import bind_arguments, check_argument
from rmg_dsl.checker.expressions import UNKNOWN, ExpressionChecker, constant_number
from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.checker.signatures import Function
from rmg_dsl.checker.statistics import check_statistic_call
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.types import ANY, BOOL, NUMBER, Type, number_type
from rmg_dsl.syntax import nodes


def check_function_call(
    expressions: ExpressionChecker, node: nodes.CallNode, name: str, scope: Scope
) -> TypedTerm:
    """Check a call by the rule of the function, where it has one, else by its signature."""
    functions = scope.state.universe.functions
    if name not in functions:
        return _check_python_call(expressions, node, name, scope)
    function = functions[name]
    # A statistic comes first: its arguments are read in another scope than those of a row.
    if function.statistic is not None:
        return check_statistic_call(expressions, node, function, function.statistic, scope)
    special = _CALL_CHECKERS.get(name)
    if special is not None:
        return special(expressions, node, scope)
    return _check_by_signature(expressions, node, function, scope)


def _check_python_call(
    expressions: ExpressionChecker, node: nodes.CallNode, name: str, scope: Scope
) -> TypedTerm:
    """A Python function of the user: only its name is known, so its arguments have no names."""
    # The names of its parameters are not known before the run.
    labelled = next((a for a in node.arguments if a.label is not None), None)
    if labelled is not None:
        message = f"`{name}` takes its arguments in order, without names"
        scope.report("RMG312", message, labelled.span)
    arguments = tuple(expressions.check(a.value, scope).term for a in node.arguments)
    return TypedTerm(expr.Call(name, arguments), ANY)


def _check_by_signature(
    expressions: ExpressionChecker, node: nodes.CallNode, function: Function, scope: Scope
) -> TypedTerm:
    bound = bind_arguments(node, function, scope)
    if bound is None:
        return TypedTerm(UNKNOWN.term, function.result)
    arguments: list[Term] = []
    for parameter in function.parameters:
        value = bound.get(parameter.name) or parameter.default
        # `bind_arguments` has reported every parameter without an argument and a default.
        assert value is not None
        arguments.append(check_argument(expressions, value, parameter, function, scope))
    return TypedTerm(expr.Call(function.name, tuple(arguments)), function.result)


# ── functions with rules of their own ────────────────────────────────────────────────────────────


def _single_argument(node: nodes.CallNode, name: str, scope: Scope) -> nodes.Expr | None:
    bound = bind_arguments(node, scope.state.universe.functions[name], scope)
    if not bound:
        return None
    return next(iter(bound.values()))


def _check_unit_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    unit = number_type(0, 1, 1)
    operand = _single_argument(node, "unit", scope)
    use = f"`unit` of {scope.owner}"
    if operand is None or not expressions.check_score_name(operand, scope, use):
        return TypedTerm(UNKNOWN.term, unit)
    score = expressions.check(operand, scope)
    if score == UNKNOWN:
        return TypedTerm(UNKNOWN.term, unit)
    kind = score.type
    # Without two ends that differ there is nothing to map to 0 and 1.
    is_number = kind.kind in ("number", "bool")
    if not is_number or not kind.is_bounded or kind.low >= kind.high:
        text = scope.source_text(operand)
        scope.report(
            "RMG313",
            f"`unit` needs a score with a lowest and a highest value, and `{text}` is {kind}",
            operand.span,
            help="clip it first, or give the grader a scale",
        )
        return TypedTerm(UNKNOWN.term, unit)
    if kind.is_stretched:
        _warn_stretched_unit(operand, kind, scope)
    return TypedTerm(expr.Normalize(score.term, kind.low, kind.high, kind.direction < 0), unit)


def _warn_stretched_unit(operand: nodes.Expr, kind: Type, scope: Scope) -> None:
    """Warn of `unit(a if c else 0)`: with the 0 the worst score of 1..5 is mapped to 0.2."""
    text, help = scope.source_text(operand), "write `unit(…)` of the score alone, in its branch"
    if isinstance(operand, nodes.IfElseNode):
        parts = (operand.then, operand.condition, operand.otherwise)
        then, condition, otherwise = map(scope.source_text, parts)
        help = f"write `unit(…)` of the score alone: `unit({then}) if {condition} else {otherwise}`"
    scope.report(
        "RMG303",
        f"a branch of `{text}` lies off the scale of the other, and `unit` maps from {kind}",
        operand.span,
        help=help,
        severity="warning",
    )


def _check_clip_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    bound = bind_arguments(node, scope.state.universe.functions["clip"], scope)
    if bound is None:
        return TypedTerm(UNKNOWN.term, NUMBER)
    values = [bound[name] for name in ("number", "low", "high")]
    parts = [check_score_part(expressions, value, scope, "clip") for value in values]
    # Bounds may be computed from the row; only constants can be compared before the run.
    low, high = constant_number(parts[1]), constant_number(parts[2])
    if low is not None and high is not None and low >= high:
        scope.report(
            "RMG313",
            f"`clip` from {low:g} to {high:g} leaves nothing",
            node.span,
            help="the lower bound comes first",
        )
    clipped = _clipped_type(parts[0].type, low, high)
    return TypedTerm(expr.Call("clip", tuple(p.term for p in parts)), clipped)


def _clipped_type(kind: Type, low: float | None, high: float | None) -> Type:
    """The range of a number between two bounds; None is a bound that only the run knows."""
    least = -inf if low is None else low
    most = inf if high is None else high
    # Each end stays between the bounds, also where the whole range lies outside of them.
    clipped_low = min(max(kind.low, least), most)
    clipped_high = max(min(kind.high, most), least)
    return number_type(clipped_low, clipped_high, kind.direction)


def _round_or_abs_checker(name: str) -> CallChecker:
    def check(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
        function = scope.state.universe.functions[name]
        call = _check_by_signature(expressions, node, function, scope)
        if call.term == UNKNOWN.term:
            return call
        bound = bind_arguments(node, function, scope)
        if not bound:
            return call
        kind = expressions.check(bound["number"], scope).type
        if kind.kind == "any":
            return call
        result = _rounded_type(kind) if name == "round" else _absolute_type(kind)
        return TypedTerm(call.term, result)

    return check


def _rounded_type(kind: Type) -> Type:
    if not kind.is_bounded:
        return NUMBER
    return number_type(kind.low, kind.high, kind.direction)


def _absolute_type(kind: Type) -> Type:
    ends = (abs(kind.low), abs(kind.high))
    # A range that holds 0 is folded there, so its least size is 0.
    low = 0 if kind.low <= 0 <= kind.high else min(ends)
    return number_type(low, max(ends))


def _check_scored_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    operand = _single_argument(node, "scored", scope)
    if operand is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    score = _check_score_operand(expressions, operand, scope, "scored")
    if score is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    return TypedTerm(expr.HasScore(score.scoring), BOOL)


def _check_score_operand(
    expressions: ExpressionChecker, operand: nodes.Expr, scope: Scope, name: str
) -> expr.ScoreRef | None:
    if not expressions.check_score_name(operand, scope, f"`{name}` of {scope.owner}"):
        return None
    score = expressions.check(operand, scope.with_kind("row"))
    if isinstance(score.term, expr.ScoreRef):
        return score.term
    if score != UNKNOWN:
        scope.report("RMG215", f"`{name}` wants a grader or an aggregate", operand.span)
    return None


def _check_passed_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    operand = _single_argument(node, "passed", scope)
    if operand is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    score = _check_score_operand(expressions, operand, scope, "passed")
    if score is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    kind = expressions.check(operand, scope.with_kind("row")).type
    condition = expressions.passing_condition(operand, scope)
    if condition is None and kind.kind in ("bool", "any"):
        # A bool passes at its better end, which is False for a `lower` scale.
        condition = expr.Not(expr.OwnScore()) if kind.direction < 0 else expr.OwnScore()
    if condition is None:
        _report_no_pass(operand, scope)
        return TypedTerm(UNKNOWN.term, BOOL)
    return TypedTerm(expr.HasPassed(score.scoring, condition), BOOL)


def _report_no_pass(operand: nodes.Expr, scope: Scope) -> None:
    # The line that could not be read is reported already.
    if _is_damaged(operand, scope):
        return
    scope.report(
        "RMG313",
        f"`{scope.source_text(operand)}` does not say what passes",
        operand.span,
        help="give its block a line such as `pass = score >= 4`",
    )


def _is_damaged(operand: nodes.Expr, scope: Scope) -> bool:
    """Does the grader have a line that could not be read, which may be its `pass`?"""
    if not isinstance(operand, nodes.NameNode):
        return False
    name = scope.file.find(operand.id)
    if name is None:
        return False
    body = getattr(name.declaration, "body", None)
    return isinstance(body, nodes.Block) and body.damaged


def _check_given_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    operand = _single_argument(node, "given", scope)
    if operand is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    # A field that may be missing is an error elsewhere; here that is the question.
    term = expressions.check(operand, scope.allowing_missing()).term
    if isinstance(term, expr.ScoreRef):
        scope.report(
            "RMG218",
            "`given` asks for a field",
            operand.span,
            help=f"of a score ask `scored({scope.source_text(operand)})`",
        )
    return TypedTerm(expr.IsPresent(term), BOOL)


def _check_default_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    bound = bind_arguments(node, scope.state.universe.functions["default"], scope)
    if bound is None:
        return UNKNOWN
    # Only the field may be missing: the value in its place may not.
    operand = expressions.check(bound["field"], scope.allowing_missing())
    instead = expressions.check(bound["value"], scope)
    if isinstance(operand.term, expr.ScoreRef):
        scope.report(
            "RMG218",
            "`default` is for fields, not for scores",
            bound["field"].span,
            help="a failure is never a default; "
            "ask `scored(…)`, or use `missing = drop` in an aggregate",
        )
    return TypedTerm(expr.WithDefault(operand.term, instead.term), ANY)


def _check_column_call(
    expressions: ExpressionChecker,  # noqa: ARG001 - every call checker has these parameters
    node: nodes.CallNode,
    scope: Scope,
) -> TypedTerm:
    name = _single_argument(node, "column", scope)
    if not isinstance(name, nodes.TextNode):
        if name is not None:
            scope.report("RMG313", "`column` wants the column's name in quotes", name.span)
        return UNKNOWN
    # A column is used by its name, so that the data can be checked for it before the run.
    scope.state.use_column(name.value, scope.file.source, name.span, scope.allows_missing)
    return TypedTerm(expr.ColumnRef(name.value), ANY)


_CALL_CHECKERS: Mapping[str, CallChecker] = {
    "weighted": check_weighted_call,
    "min": min_or_max_checker("min"),
    "max": min_or_max_checker("max"),
    "sum": check_sum_call,
    "any": any_or_all_checker("any"),
    "all": any_or_all_checker("all"),
    "unit": _check_unit_call,
    "clip": _check_clip_call,
    "round": _round_or_abs_checker("round"),
    "abs": _round_or_abs_checker("abs"),
    "scored": _check_scored_call,
    "passed": _check_passed_call,
    "given": _check_given_call,
    "default": _check_default_call,
    "column": _check_column_call,
}
