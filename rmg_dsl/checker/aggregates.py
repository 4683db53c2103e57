"""Calls that make one score of several: `weighted min max sum any all`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import TypeAlias

from rmg_dsl.checker.directions import report_negative_weight
from rmg_dsl.checker.expressions import UNKNOWN, ExpressionChecker, constant_number
from rmg_dsl.checker.factors import check_no_factors, factor_help
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
    """`weighted(a=0.6, b=0.4)`: the labels are the parts, the values their weights."""
    parts = _check_parts(expressions, node, scope, "weighted", labels_are_parts=True)
    before = len(scope.state.diagnostics)
    check_no_factors(node, parts, scope)
    weights = _check_weights(expressions, node, parts, scope)
    _check_duplicate_parts(node, scope)
    # Wrong weights hide which parts were meant; scales are checked when the weights are right.
    if len(scope.state.diagnostics) == before:
        _check_part_scales(parts, node, "weighted", scope)
    terms = tuple(p.term for p in parts)
    term = expr.Aggregate("weighted", terms, weights, scope.drops_missing)
    return TypedTerm(term, _aggregate_type(parts))


def _check_duplicate_parts(node: nodes.CallNode, scope: Scope) -> None:
    """Report a part with two weights: most likely one of them was meant for another part."""
    meanings: list[object] = []
    for label in (argument.label for argument in node.arguments if argument.label is not None):
        # Compared by meaning: white space and brackets make no other part.
        meaning = nodes.node_meaning(label)
        if meaning in meanings:
            message = f"`{scope.source_text(label)}` is weighed twice"
            help = "was another part meant? if not, add up the weights"
            scope.report("RMG305", message, label.span, help=help)
            return
        meanings.append(meaning)


def _check_weights(
    expressions: ExpressionChecker,
    node: nodes.CallNode,
    parts: Sequence[TypedTerm],
    scope: Scope,
) -> tuple[float, ...]:
    """The weights as written; equal ones where there are none, and where one is wrong."""
    equal_weights = (1.0,) * len(node.arguments)
    labelled = [a for a in node.arguments if a.label is not None]
    if not labelled:
        return equal_weights
    bare = next((a for a in node.arguments if a.label is None), None)
    if bare is not None:
        text = scope.source_text(bare.value)
        scope.report(
            "RMG305",
            f"`{text}` has no weight, and others have",
            bare.span,
            help=f"write `{text}=…`, or no weights at all",
        )
        return equal_weights
    checked = [
        _check_weight(expressions, argument, part, scope)
        for argument, part in zip(labelled, parts, strict=True)
    ]
    weights = tuple(weight for weight in checked if weight is not None)
    # A wrong weight has its own report; a sum without it would be another, misleading one.
    if len(weights) < len(checked):
        return equal_weights
    _check_weight_sum(weights, labelled, node, scope)
    return weights


def _check_weight_sum(
    weights: Sequence[float],
    labelled: Sequence[nodes.ArgumentNode],
    node: nodes.CallNode,
    scope: Scope,
) -> None:
    total = sum(weights)
    if total == 0:
        scope.report(
            "RMG305",
            "all the weights are 0",
            node.span,
            help="give at least one part a weight above 0",
        )
    # Whole numbers are shares, as 3 to 1. The tolerance allows for the rounding of floats.
    elif abs(total - 1) > 1e-6 and any(weight % 1 for weight in weights):
        scope.report(
            "RMG304",
            f"the weights add up to {total:g}, not to 1",
            labelled[0].value.span if len(labelled) == 1 else node.span,
            help="they count by their share of the sum; write them so that they add up to 1",
        )


def _check_weight(
    expressions: ExpressionChecker, argument: nodes.ArgumentNode, part: TypedTerm, scope: Scope
) -> float | None:
    """The weight of a part; None, and a report, where it is no number of 0 or more."""
    weight = constant_number(expressions.check(argument.value, scope.with_kind("row")))
    if weight is None:
        scope.report(
            "RMG305",
            f"a weight is a number, and `{scope.source_text(argument.value)}` is none",
            argument.value.span,
            help="`weighted(relevance=0.6, brevity=0.4)`: the part, then its weight",
        )
    elif weight < 0:
        report_negative_weight(argument.label or argument.value, part, argument.value, scope)
        return None
    return weight


def _check_parts(
    expressions: ExpressionChecker,
    node: nodes.CallNode,
    scope: Scope,
    name: str,
    labels_are_parts: bool = False,
) -> list[TypedTerm]:
    if not node.arguments:
        message, help = f"`{name}` needs at least one part", f"write `{name}(a, b, …)`"
        scope.report("RMG312", message, node.span, help=help)
    if labels_are_parts:
        return [_check_weighted_part(expressions, a, scope, name) for a in node.arguments]
    parts: list[TypedTerm] = []
    for argument in node.arguments:
        if argument.label is not None:
            message = f"`{name}` takes no weights"
            scope.report("RMG312", message, argument.span, help="only `weighted` does")
        parts.append(check_score_part(expressions, argument.value, scope, name))
    return parts


def _check_weighted_part(
    expressions: ExpressionChecker, argument: nodes.ArgumentNode, scope: Scope, name: str
) -> TypedTerm:
    """A part of `weighted`: the label, or the value where there are no weights."""
    part = argument.value if argument.label is None else argument.label
    use = f"`{name}` of {scope.owner}"
    # A part in a `require` may be any statistic; elsewhere it names a score.
    if scope.kind != "rows" and not expressions.check_score_name(part, scope, use):
        return UNKNOWN
    return check_score_part(expressions, part, scope, name)


def check_score_part(
    expressions: ExpressionChecker, part: nodes.Expr, scope: Scope, name: str
) -> TypedTerm:
    """Check one part of a call: a number, or a list of numbers."""
    value = expressions.check(part, scope)
    kind = value.type
    if kind.is_numeric or kind.kind == "list":
        return value
    help = ""
    if kind.kind == "label":
        help = 'give the labels values: `("bad"=0 | "good"=1)`'
    expressions.report_wrong_type("RMG302", part, kind, f"`{name}` wants scores", scope, help)
    return UNKNOWN


def _check_part_scales(
    parts: list[TypedTerm], node: nodes.CallNode, name: str, scope: Scope
) -> None:
    kinds = [p.type for p in parts]
    if share_one_scale(kinds):
        _warn_unknown_ranges(parts, node, name, scope)
        return
    # Opposite directions get a message of their own: their ranges may be equal.
    if len(directions(kinds)) > 1:
        code, message = "RMG325", f"in `{name}` some parts are better high, others low"
    else:
        scales = ", ".join(dict.fromkeys(str(k) for k in kinds if k.kind != "any"))
        code, message = "RMG303", f"the parts of `{name}` stand on unlike scales: {scales}"
    help = factor_help(node, parts, scope)
    fixes: list[Fix | None] = []
    if not help:
        help = "bring each part to 0..1: `unit(…)`"
        fixes = [_unit_fix(a, p, scope) for a, p in zip(node.arguments, parts, strict=True)]
    scope.report(
        code, message, node.span, help=help, fixes=[fix for fix in fixes if fix is not None]
    )


def _warn_unknown_ranges(
    parts: list[TypedTerm], node: nodes.CallNode, name: str, scope: Scope
) -> None:
    """Warn of a column beside a score: its values may lie anywhere, and then drown the score."""
    scored = next((p.type for p in parts if p.type.is_bounded and not p.type.is_constant), None)
    if scored is None:
        return
    for argument, part in zip(node.arguments, parts, strict=True):
        if part.term == UNKNOWN.term or (part.type.low, part.type.high) != (-inf, inf):
            continue
        target = argument.label or argument.value
        text = scope.source_text(target)
        low, high = f"{scored.low:g}", f"{scored.high:g}"
        scope.report(
            "RMG303",
            f"nothing is known of the range of `{text}`, and `{name}` takes it beside {scored}",
            target.span,
            help=f"give it the range: `grader NAME -> {low}..{high} = {text}`, "
            f"or `clip({text}, {low}, {high})`",
            severity="warning",
        )


def _aggregate_type(parts: list[TypedTerm]) -> Type:
    # After a mistake in a part nothing is known of the whole: this avoids a second report.
    if any(part.term == UNKNOWN.term for part in parts):
        return ANY
    if not parts:
        return NUMBER
    return aggregate_type([part.type for part in parts])


def _unit_fix(argument: nodes.ArgumentNode, part: TypedTerm, scope: Scope) -> Fix | None:
    """The fix that brings a part to 0..1; None where it has no scale, or is there already."""
    target = argument.label or argument.value
    # A constant fits any scale it lies on; `unit` has no scale to map it from.
    is_unit = (part.type.low, part.type.high) == (0, 1) and part.type.direction >= 0
    if not part.type.is_bounded or part.type.is_constant or is_unit:
        return None
    return Fix(target.span, f"unit({scope.source_text(target)})", "bring it to 0..1")


def min_or_max_checker(name: str) -> CallChecker:
    """The checker of `min` or `max`, whose parts must stand on one scale."""

    def check(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
        parts = _check_parts(expressions, node, scope, name)
        _check_part_scales(parts, node, name, scope)
        kind = _aggregate_type(parts)
        if parts and all(p.type.kind == "number" for p in parts):
            # The least of several numbers is never above the lowest of their upper ends.
            choose = min if name == "min" else max
            low = choose(p.type.low for p in parts)
            kind = replace(kind, low=low, high=choose(p.type.high for p in parts))
        terms = tuple(p.term for p in parts)
        return TypedTerm(expr.Aggregate(name, terms, (), scope.drops_missing), kind)

    return check


def check_sum_call(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
    """`sum(a, b)`: the parts may stand on any scales."""
    parts = _check_parts(expressions, node, scope, "sum")
    terms = tuple(p.term for p in parts)
    term = expr.Aggregate("sum", terms, (), scope.drops_missing)
    return TypedTerm(term, _sum_type([p.type for p in parts]))


def _sum_type(kinds: list[Type]) -> Type:
    """The type of a sum; of a list or a column the number of its parts is not known."""
    # A list may have any number of values, and so may a column.
    if any(kind.kind in ("list", "any") for kind in kinds):
        return NUMBER
    direction = aggregate_type(kinds).direction
    if not kinds:
        return number_type(-inf, inf, direction)
    low, high = sum(kind.low for kind in kinds), sum(kind.high for kind in kinds)
    return number_type(low, high, direction)


def any_or_all_checker(name: str) -> CallChecker:
    """The checker of `any` or `all`, whose parts are conditions."""

    def check(expressions: ExpressionChecker, node: nodes.CallNode, scope: Scope) -> TypedTerm:
        parts = [expressions.check_condition(a.value, scope) for a in node.arguments]
        labelled = next((a for a in node.arguments if a.label is not None), None)
        if labelled is not None or not parts:
            message = f"`{name}` takes conditions, one or more"
            scope.report("RMG312", message, (labelled or node).span)
        return TypedTerm(expr.Aggregate(name, tuple(p.term for p in parts), ()), BOOL)

    return check
