"""Several scores as one: `weighted min max sum any all`, whose parts must stand on one scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import TypeAlias

from rmg_dsl.checker.expressions import UNKNOWN, ExpressionChecker, constant_number
from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir import expr
from rmg_dsl.ir.types import (
    ANY,
    BOOL,
    NUMBER,
    Type,
    aggregate_type,
    directions,
    number_type,
    share_one_scale,
)
from rmg_dsl.syntax import nodes

CallChecker: TypeAlias = Callable[[ExpressionChecker, nodes.CallNode, Scope], TypedTerm]


def check_weighted_call(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> TypedTerm:
    parts = _check_parts(expressions, node, scope, "weighted", labels_are_parts=True)
    before = len(scope.state.diagnostics)
    weights = _check_weights(expressions, node, scope)
    _check_duplicate_parts(node, scope)
    if len(scope.state.diagnostics) == before:
        _check_part_scales(parts, node, "weighted", scope)
    kind = _aggregate_type(parts)
    return TypedTerm(
        expr.Aggregate("weighted", tuple(p.term for p in parts), weights, scope.drops_missing), kind
    )


def _check_duplicate_parts(node: nodes.CallNode, scope: Scope) -> None:
    """A part that stands twice is a slip of the pen: surely another one was meant."""
    seen: list[object] = []
    for label in (argument.label for argument in node.arguments if argument.label is not None):
        if nodes.node_meaning(label) in seen:
            help = "was another part meant? if not, add up the weights"
            scope.report(
                "RMG305", f"`{scope.source_text(label)}` is weighed twice", label.span, help=help
            )
            return
        seen.append(nodes.node_meaning(label))


def _check_weights(
    expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope
) -> tuple[float, ...]:
    """The weights as written; equal ones where none are."""
    labelled = [a for a in node.arguments if a.label is not None]
    if not labelled:
        return (1.0,) * len(node.arguments)
    bare = next((a for a in node.arguments if a.label is None), None)
    if bare is not None:
        text = scope.source_text(bare.value)
        scope.report(
            "RMG305",
            f"`{text}` has no weight, and others have",
            bare.span,
            help=f"write `{text}=…`, or no weights at all",
        )
        return (1.0,) * len(node.arguments)
    weights = [_check_weight(expressions, a, scope) for a in labelled]
    if None in weights:
        return (1.0,) * len(weights)
    known = [w for w in weights if w is not None]
    total = sum(known)
    if total == 0:
        scope.report(
            "RMG305",
            "all the weights are 0",
            node.span,
            help="give at least one part a weight above 0",
        )
    elif abs(total - 1) > 1e-6:
        first, last = labelled[0].value.span, labelled[-1].value.span
        span = type(first)(first.start, last.end) if len(labelled) == 1 else node.span
        scope.report(
            "RMG304",
            f"the weights add up to {total:g}, not to 1",
            span,
            help="they count by their share of the sum; write them so that they add up to 1",
        )
    return tuple(known)


def _check_weight(
    expressions: ExpressionChecker, argument: nodes.ArgumentNode, scope: Scope
) -> float | None:
    found = expressions.check(argument.value, scope.with_kind("row"))
    weight = constant_number(found)
    if weight is None:
        help = "`weighted(relevance=0.6, brevity=0.4)`: the part, then its weight"
        scope.report(
            "RMG305",
            f"a weight is a number, and `{scope.source_text(argument.value)}` is none",
            argument.value.span,
            help=help,
        )
    elif weight < 0:
        scope.report(
            "RMG305",
            "a weight cannot be negative",
            argument.value.span,
            help="to count something against, turn its scale round: `lower`, or `1 - unit(x)`",
        )
        return None
    return weight


def _check_parts(
    expressions: ExpressionChecker,
    node: nodes.CallNode,
    scope: Scope,
    name: str,
    labels_are_parts: bool = False,
) -> list[TypedTerm]:
    found: list[TypedTerm] = []
    if not node.arguments:
        scope.report(
            "RMG312",
            f"`{name}` needs at least one part",
            node.span,
            help=f"write `{name}(a, b, …)`",
        )
    for argument in node.arguments:
        part = argument.label if labels_are_parts and argument.label is not None else argument.value
        if argument.label is not None and not labels_are_parts:
            scope.report(
                "RMG312", f"`{name}` takes no weights", argument.span, help="only `weighted` does"
            )
        if (
            scope.kind != "rows"
            and labels_are_parts
            and not expressions.check_score_name(part, scope, f"`{name}` of {scope.owner}")
        ):
            found.append(UNKNOWN)
            continue
        found.append(check_score_part(expressions, part, scope, name))
    return found


def check_score_part(
    expressions: ExpressionChecker, part: nodes.Expr, scope: Scope, name: str
) -> TypedTerm:
    value = expressions.check(part, scope)
    if not value.type.is_numeric and value.type.kind != "list":
        help = (
            'give the labels values: `("bad"=0 | "good"=1)`' if value.type.kind == "label" else ""
        )
        expressions.report_wrong_type(
            "RMG302", part, value.type, f"`{name}` wants scores", scope, help
        )
        return UNKNOWN
    return value


def _check_part_scales(
    parts: list[TypedTerm], node: nodes.CallNode, name: str, scope: Scope
) -> None:
    kinds = [p.type for p in parts]
    if share_one_scale(kinds):
        return
    if len(directions(kinds)) > 1:
        code, message = "RMG325", f"in `{name}` some parts are better high, others low"
    else:
        shown = ", ".join(dict.fromkeys(str(k) for k in kinds if k.kind != "any"))
        code, message = "RMG303", f"the parts of `{name}` stand on unlike scales: {shown}"
    fixes = [
        fix
        for fix in (_unit_fix(a, p, scope) for a, p in zip(node.arguments, parts, strict=True))
        if fix
    ]
    scope.report(code, message, node.span, help="bring each part to 0..1: `unit(…)`", fixes=fixes)


def _aggregate_type(parts: list[TypedTerm]) -> Type:
    """Of a part that is itself a mistake nothing is known, and so nothing of the whole."""
    if any(part.term == UNKNOWN.term for part in parts):
        return ANY
    return aggregate_type([part.type for part in parts]) if parts else NUMBER


def _unit_fix(argument: nodes.ArgumentNode, part: TypedTerm, scope: Scope) -> Fix | None:
    target = argument.label or argument.value
    if (
        not part.type.is_bounded
        or part.type.low == part.type.high
        or isinstance(part.term, expr.Normalize)
    ):
        return None
    return Fix(target.span, f"unit({scope.source_text(target)})", "bring it to 0..1")


def min_or_max_checker(name: str) -> CallChecker:
    def check(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
        parts = _check_parts(expressions, node, scope, name)
        _check_part_scales(parts, node, name, scope)
        kind = _aggregate_type(parts)
        if parts and all(p.type.kind == "number" for p in parts):
            best = min if name == "min" else max
            kind = replace(
                kind, low=best(p.type.low for p in parts), high=best(p.type.high for p in parts)
            )
        return TypedTerm(
            expr.Aggregate(name, tuple(p.term for p in parts), (), scope.drops_missing), kind
        )

    return check


def check_sum_call(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
    parts = _check_parts(expressions, node, scope, "sum")
    low, high = (
        (sum(bounds) for bounds in zip(*((p.type.low, p.type.high) for p in parts), strict=True))
        if parts
        else (-inf, inf)
    )
    listy = any(p.type.kind in ("list", "any") for p in parts)
    kind = (
        NUMBER
        if listy
        else number_type(low, high, aggregate_type([p.type for p in parts]).direction)
    )
    return TypedTerm(
        expr.Aggregate("sum", tuple(p.term for p in parts), (), scope.drops_missing), kind
    )


def any_or_all_checker(name: str) -> CallChecker:
    def check(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
        parts = [expressions.check_condition(a.value, scope) for a in node.arguments]
        labelled = next((a for a in node.arguments if a.label is not None), None)
        if labelled is not None or not parts:
            scope.report(
                "RMG312", f"`{name}` takes conditions, one or more", (labelled or node).span
            )
        return TypedTerm(expr.Aggregate(name, tuple(p.term for p in parts), ()), BOOL)

    return check
