"""Calls of built-in functions: the type of each, by its signature or by a rule of its own."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from rmg_dsl.checker.aggregates import (
    Special,
    any_or_all,
    least_or_greatest,
    scored_part,
    sum_of_parts,
    weighted,
)
from rmg_dsl.checker.arguments import argument_term, arguments_of
from rmg_dsl.checker.expressions import UNKNOWN, Expressions, constant_number
from rmg_dsl.checker.scope import Scope, Typed
from rmg_dsl.checker.signatures import Function
from rmg_dsl.checker.statistics import over_rows
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.types import ANY, BOOL, NUMBER, number
from rmg_dsl.syntax import nodes


def call_function(expressions: Expressions, node: nodes.CallNode, name: str, scope: Scope) -> Typed:
    """The type of a call, by the function's own rule where it has one, else by its signature."""
    functions = scope.book.universe.functions
    if name not in functions:
        return _python_function(expressions, node, name, scope)
    function = functions[name]
    if function.over_rows:
        return over_rows(expressions, node, function, scope)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(expressions, node, scope)
    return _ordinary(expressions, node, function, scope)


def _python_function(
    expressions: Expressions, node: nodes.CallNode, name: str, scope: Scope
) -> Typed:
    """A function of the caller's own: nothing is known of it but its name; its arguments go in order."""
    labelled = next((a for a in node.arguments if a.label is not None), None)
    if labelled is not None:
        scope.report(
            "RMG312", f"`{name}` takes its arguments in order, without names", labelled.span
        )
    return Typed(
        expr.Call(name, tuple(expressions.check(a.value, scope).term for a in node.arguments)), ANY
    )


def _ordinary(
    expressions: Expressions, node: nodes.CallNode, function: Function, scope: Scope
) -> Typed:
    given = arguments_of(node, function, scope)
    if given is None:
        return Typed(UNKNOWN.term, function.result)
    found: list[Term] = []
    for parameter in function.parameters:
        value = given.get(parameter.name) or parameter.default
        assert value is not None
        found.append(argument_term(expressions, value, parameter, function, scope))
    return Typed(expr.Call(function.name, tuple(found)), function.result)


# ── functions with rules of their own ────────────────────────────────────────────────────────────────────────────


def _single(node: nodes.CallNode, name: str, scope: Scope) -> nodes.Expr | None:
    given = arguments_of(node, scope.book.universe.functions[name], scope)
    return next(iter(given.values())) if given else None


def _unit(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:
    unit = number(0, 1, 1)
    operand = _single(node, "unit", scope)
    if operand is None or not expressions.wants_score(operand, scope, f"`unit` of {scope.owner}"):
        return Typed(UNKNOWN.term, unit)
    found = expressions.check(operand, scope)
    if found == UNKNOWN:
        return Typed(UNKNOWN.term, unit)
    if (
        not found.type.bounded
        or found.type.low >= found.type.high
        or found.type.kind not in ("number", "bool")
    ):
        message = f"`unit` needs a score with a lowest and a highest value, and `{scope.text(operand)}` is {found.type}"
        scope.report(
            "RMG313", message, operand.span, help="clip it first, or give the grader a scale"
        )
        return Typed(UNKNOWN.term, unit)
    lower = found.type.direction < 0
    return Typed(expr.Unit(found.term, found.type.low, found.type.high, lower), unit)


def _clip(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:
    given = arguments_of(node, scope.book.universe.functions["clip"], scope)
    if given is None:
        return Typed(UNKNOWN.term, NUMBER)
    parts = [
        scored_part(expressions, given[name], scope, "clip") for name in ("number", "low", "high")
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
    inside = number(
        min(max(kind.low, bounds[0]), bounds[1]),
        max(min(kind.high, bounds[1]), bounds[0]),
        kind.direction,
    )
    return Typed(expr.Call("clip", tuple(p.term for p in parts)), inside)


def _round_or_abs(name: str) -> Special:
    def check(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:
        function = scope.book.universe.functions[name]
        found = _ordinary(expressions, node, function, scope)
        given = arguments_of(node, function, scope) if found.term != UNKNOWN.term else None
        if not given:
            return found
        kind = expressions.check(given["number"], scope).type
        if kind.kind == "any":
            return found
        if name == "round":
            return Typed(
                found.term, number(kind.low, kind.high, kind.direction) if kind.bounded else NUMBER
            )
        low = 0 if kind.low <= 0 <= kind.high else min(abs(kind.low), abs(kind.high))
        return Typed(found.term, number(low, max(abs(kind.low), abs(kind.high))))

    return check


def _scored(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:
    operand = _single(node, "scored", scope)
    found = _wanted_score(expressions, operand, scope, "scored") if operand else None
    return Typed(expr.Scored(found.scoring), BOOL) if found else Typed(UNKNOWN.term, BOOL)


def _wanted_score(
    expressions: Expressions, operand: nodes.Expr, scope: Scope, name: str
) -> expr.ScoreOf | None:
    if not expressions.wants_score(operand, scope, f"`{name}` of {scope.owner}"):
        return None
    found = expressions.check(operand, scope.at("row"))
    if isinstance(found.term, expr.ScoreOf):
        return found.term
    if found != UNKNOWN:
        scope.report("RMG215", f"`{name}` wants a grader or an aggregate", operand.span)
    return None


def _passed(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:
    operand = _single(node, "passed", scope)
    found = _wanted_score(expressions, operand, scope, "passed") if operand else None
    if found is None or operand is None:
        return Typed(UNKNOWN.term, BOOL)
    kind = expressions.check(operand, scope.at("row")).type
    condition = expressions.passing_of(operand, scope)
    if condition is None and kind.kind in ("bool", "any"):
        # The better end passes: what is better not to be, passes where it is not.
        condition = expr.Not(expr.Own()) if kind.direction < 0 else expr.Own()
    if condition is None and not _is_damaged(operand, scope):
        message = f"`{scope.text(operand)}` does not say what passes"
        scope.report(
            "RMG313",
            message,
            operand.span,
            help="give its block a line such as `pass = score >= 4`",
        )
        return Typed(UNKNOWN.term, BOOL)
    if condition is None:
        return Typed(UNKNOWN.term, BOOL)
    return Typed(expr.Passed(found.scoring, condition), BOOL)


def _is_damaged(operand: nodes.Expr, scope: Scope) -> bool:
    """Is it a grader with a line that could not be read, which may be its `pass`?"""
    found = scope.file.find(operand.id) if isinstance(operand, nodes.NameNode) else None
    body = getattr(found.file.declared[found.name], "body", None) if found else None
    return isinstance(body, nodes.Block) and body.damaged


def _given(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:
    operand = _single(node, "given", scope)
    if operand is None:
        return Typed(UNKNOWN.term, BOOL)
    found = expressions.check(operand, scope.allowing_missing())
    if isinstance(found.term, expr.ScoreOf):
        scope.report(
            "RMG218",
            "`given` asks for a field",
            operand.span,
            help=f"of a score ask `scored({scope.text(operand)})`",
        )
    return Typed(expr.Given(found.term), BOOL)


def _default(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:
    given = arguments_of(node, scope.book.universe.functions["default"], scope)
    if given is None:
        return UNKNOWN
    operand = expressions.check(given["field"], scope.allowing_missing())
    instead = expressions.check(given["value"], scope)
    if isinstance(operand.term, expr.ScoreOf):
        help = (
            "a failure is never a default; ask `scored(…)`, or use `missing = drop` in an aggregate"
        )
        scope.report(
            "RMG218", "`default` is for fields, not for scores", given["field"].span, help=help
        )
    return Typed(expr.Default(operand.term, instead.term), ANY)


def _column(expressions: Expressions, node: nodes.CallNode, scope: Scope) -> Typed:  # noqa: ARG001 - one signature for all rules
    name = _single(node, "column", scope)
    if not isinstance(name, nodes.TextNode):
        if name is not None:
            scope.report("RMG313", "`column` wants the column's name in quotes", name.span)
        return UNKNOWN
    scope.book.use_column(name.value, scope.file.source, name.span, scope.optional)
    return Typed(expr.Column(name.value), ANY)


_SPECIAL: Mapping[str, Special] = {
    "weighted": weighted,
    "min": least_or_greatest("min"),
    "max": least_or_greatest("max"),
    "sum": sum_of_parts,
    "any": any_or_all("any"),
    "all": any_or_all("all"),
    "unit": _unit,
    "clip": _clip,
    "round": _round_or_abs("round"),
    "abs": _round_or_abs("abs"),
    "scored": _scored,
    "passed": _passed,
    "given": _given,
    "default": _default,
    "column": _column,
}
