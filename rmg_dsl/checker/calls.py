"""Calls of built-in functions: the type of each, by its signature or by a rule of its own."""

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
from rmg_dsl.ir.types import ANY, BOOL, NUMBER, number_type
from rmg_dsl.syntax import nodes


def check_function_call(
    expressions: ExpressionChecker, node: nodes.CallNode, name: str, scope: Scope
) -> TypedTerm:
    """The type of a call, by the function's own rule where it has one, else by its signature."""
    functions = scope.state.universe.functions
    if name not in functions:
        return _check_python_call(expressions, node, name, scope)
    function = functions[name]
    if function.statistic is not None:
        return check_statistic_call(expressions, node, function, function.statistic, scope)
    special = _CALL_CHECKERS.get(name)
    if special is not None:
        return special(expressions, node, scope)
    return _check_by_signature(expressions, node, function, scope)


def _check_python_call(
    expressions: ExpressionChecker, node: nodes.CallNode, name: str, scope: Scope
) -> TypedTerm:
    """A function of the caller's own: nothing is known of it but its name; its arguments go in order."""
    labelled = next((a for a in node.arguments if a.label is not None), None)
    if labelled is not None:
        scope.report(
            "RMG312", f"`{name}` takes its arguments in order, without names", labelled.span
        )
    return TypedTerm(
        expr.Call(name, tuple(expressions.check(a.value, scope).term for a in node.arguments)), ANY
    )


def _check_by_signature(
    expressions: ExpressionChecker, node: nodes.CallNode, function: Function, scope: Scope
) -> TypedTerm:
    given = bind_arguments(node, function, scope)
    if given is None:
        return TypedTerm(UNKNOWN.term, function.result)
    found: list[Term] = []
    for parameter in function.parameters:
        value = given.get(parameter.name) or parameter.default
        assert value is not None
        found.append(check_argument(expressions, value, parameter, function, scope))
    return TypedTerm(expr.Call(function.name, tuple(found)), function.result)


# ── functions with rules of their own ────────────────────────────────────────────────────────────────────────────


def _single_argument(node: nodes.CallNode, name: str, scope: Scope) -> nodes.Expr | None:
    given = bind_arguments(node, scope.state.universe.functions[name], scope)
    return next(iter(given.values())) if given else None


def _check_unit_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    unit = number_type(0, 1, 1)
    operand = _single_argument(node, "unit", scope)
    if operand is None or not expressions.check_score_name(
        operand, scope, f"`unit` of {scope.owner}"
    ):
        return TypedTerm(UNKNOWN.term, unit)
    found = expressions.check(operand, scope)
    if found == UNKNOWN:
        return TypedTerm(UNKNOWN.term, unit)
    if (
        not found.type.is_bounded
        or found.type.low >= found.type.high
        or found.type.kind not in ("number", "bool")
    ):
        message = f"`unit` needs a score with a lowest and a highest value, and `{scope.source_text(operand)}` is {found.type}"
        scope.report(
            "RMG313", message, operand.span, help="clip it first, or give the grader a scale"
        )
        return TypedTerm(UNKNOWN.term, unit)
    lower = found.type.direction < 0
    return TypedTerm(expr.Normalize(found.term, found.type.low, found.type.high, lower), unit)


def _check_clip_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    given = bind_arguments(node, scope.state.universe.functions["clip"], scope)
    if given is None:
        return TypedTerm(UNKNOWN.term, NUMBER)
    parts = [
        check_score_part(expressions, given[name], scope, "clip")
        for name in ("number", "low", "high")
    ]
    low, high = constant_number(parts[1]), constant_number(parts[2])
    if low is not None and high is not None and low >= high:
        scope.report(
            "RMG313",
            f"`clip` from {low:g} to {high:g} leaves nothing",
            node.span,
            help="the lower bound comes first",
        )
    kind = parts[0].type
    bounds = (-inf if low is None else low, inf if high is None else high)
    inside = number_type(
        min(max(kind.low, bounds[0]), bounds[1]),
        max(min(kind.high, bounds[1]), bounds[0]),
        kind.direction,
    )
    return TypedTerm(expr.Call("clip", tuple(p.term for p in parts)), inside)


def _round_or_abs_checker(name: str) -> CallChecker:
    def check(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
        function = scope.state.universe.functions[name]
        found = _check_by_signature(expressions, node, function, scope)
        given = bind_arguments(node, function, scope) if found.term != UNKNOWN.term else None
        if not given:
            return found
        kind = expressions.check(given["number"], scope).type
        if kind.kind == "any":
            return found
        if name == "round":
            return TypedTerm(
                found.term,
                number_type(kind.low, kind.high, kind.direction) if kind.is_bounded else NUMBER,
            )
        low = 0 if kind.low <= 0 <= kind.high else min(abs(kind.low), abs(kind.high))
        return TypedTerm(found.term, number_type(low, max(abs(kind.low), abs(kind.high))))

    return check


def _check_scored_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    operand = _single_argument(node, "scored", scope)
    found = _check_score_operand(expressions, operand, scope, "scored") if operand else None
    return TypedTerm(expr.HasScore(found.scoring), BOOL) if found else TypedTerm(UNKNOWN.term, BOOL)


def _check_score_operand(
    expressions: ExpressionChecker, operand: nodes.Expr, scope: Scope, name: str
) -> expr.ScoreRef | None:
    if not expressions.check_score_name(operand, scope, f"`{name}` of {scope.owner}"):
        return None
    found = expressions.check(operand, scope.with_kind("row"))
    if isinstance(found.term, expr.ScoreRef):
        return found.term
    if found != UNKNOWN:
        scope.report("RMG215", f"`{name}` wants a grader or an aggregate", operand.span)
    return None


def _check_passed_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    operand = _single_argument(node, "passed", scope)
    found = _check_score_operand(expressions, operand, scope, "passed") if operand else None
    if found is None or operand is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    kind = expressions.check(operand, scope.with_kind("row")).type
    condition = expressions.passing_condition(operand, scope)
    if condition is None and kind.kind in ("bool", "any"):
        # The better end passes: what is better not to be, passes where it is not.
        condition = expr.Not(expr.OwnScore()) if kind.direction < 0 else expr.OwnScore()
    if condition is None and not _is_damaged(operand, scope):
        message = f"`{scope.source_text(operand)}` does not say what passes"
        scope.report(
            "RMG313",
            message,
            operand.span,
            help="give its block a line such as `pass = score >= 4`",
        )
        return TypedTerm(UNKNOWN.term, BOOL)
    if condition is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    return TypedTerm(expr.HasPassed(found.scoring, condition), BOOL)


def _is_damaged(operand: nodes.Expr, scope: Scope) -> bool:
    """Is it a grader with a line that could not be read, which may be its `pass`?"""
    found = scope.file.find(operand.id) if isinstance(operand, nodes.NameNode) else None
    body = getattr(found.declaration, "body", None) if found else None
    return isinstance(body, nodes.Block) and body.damaged


def _check_given_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    operand = _single_argument(node, "given", scope)
    if operand is None:
        return TypedTerm(UNKNOWN.term, BOOL)
    found = expressions.check(operand, scope.allowing_missing())
    if isinstance(found.term, expr.ScoreRef):
        scope.report(
            "RMG218",
            "`given` asks for a field",
            operand.span,
            help=f"of a score ask `scored({scope.source_text(operand)})`",
        )
    return TypedTerm(expr.IsPresent(found.term), BOOL)


def _check_default_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    given = bind_arguments(node, scope.state.universe.functions["default"], scope)
    if given is None:
        return UNKNOWN
    operand = expressions.check(given["field"], scope.allowing_missing())
    instead = expressions.check(given["value"], scope)
    if isinstance(operand.term, expr.ScoreRef):
        help = (
            "a failure is never a default; ask `scored(…)`, or use `missing = drop` in an aggregate"
        )
        scope.report(
            "RMG218", "`default` is for fields, not for scores", given["field"].span, help=help
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
