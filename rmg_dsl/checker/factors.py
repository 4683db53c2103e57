"""Factors of the parts of a mean: a factor is no weight, and `unit` would take it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rmg_dsl.checker.directions import report_negative_weight
from rmg_dsl.checker.expressions import constant_number
from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ExpressionScoring
from rmg_dsl.ir.types import ANY
from rmg_dsl.syntax import nodes


class _Factored(NamedTuple):
    """A product of one score and constants: the score, its term, the constants as a weight."""

    score: nodes.Expr
    term: Term
    weight: str


def check_no_factors(node: nodes.CallNode, parts: Sequence[TypedTerm], scope: Scope) -> None:
    """Report each part such as `0.9*unit(a)`: `weighted` is a mean, and would lose the 0.9."""
    for argument, part in zip(node.arguments, parts, strict=True):
        target = argument.label or argument.value
        factored = _factored_part(target, part.term, scope)
        if factored is not None and not _is_rescaling(argument, target, part):
            _report_factor(argument, target, factored, part, scope)


def _is_rescaling(argument: nodes.ArgumentNode, target: nodes.Expr, part: TypedTerm) -> bool:
    """Does it bring a score to a scale that ends at 1, as `x / 100` of 0..100?"""
    divides = isinstance(target, nodes.ArithmeticNode) and target.rest[-1][0] == "/"
    return part.type.high == 1 and (divides or argument.label is not None)


def _report_factor(
    argument: nodes.ArgumentNode,
    target: nodes.Expr,
    factored: _Factored,
    part: TypedTerm,
    scope: Scope,
) -> None:
    if part.type.low < 0:
        score = TypedTerm(factored.term, part.type)
        report_negative_weight(factored.score, score, target, scope)
        return
    weight = factored.weight
    if argument.label is not None:
        weight = f"{weight}*{_operand_text(argument.value, scope)}"
    written = f"{scope.source_text(factored.score)}={weight}"
    scope.report(
        "RMG305",
        f"`{scope.source_text(target)}` has a factor, which is no weight",
        target.span,
        help=f"a weight stands behind its part: `{written}`",
        fixes=[Fix(argument.span, written, f"write `{written}`")],
    )


def _factored_part(target: nodes.Expr, term: Term, scope: Scope) -> _Factored | None:
    """The score and the factor of a product of one score and constants; None for all else."""
    if not isinstance(target, nodes.ArithmeticNode) or not isinstance(term, expr.BinaryOp):
        return None
    if not _is_product(term):
        return None
    operands = [("*", target.first), *target.rest]
    terms = [term.first, *(part for _, part in term.rest)]
    pairs = list(zip(operands, terms, strict=True))
    scores = [(sign, node, part) for (sign, node), part in pairs if not _is_constant(part)]
    if len(scores) != 1 or scores[0][0] == "/":
        return None
    constants = [operand for operand, part in pairs if _is_constant(part)]
    return _Factored(scores[0][1], scores[0][2], _weight_text(constants, scope))


def _is_product(term: expr.BinaryOp) -> bool:
    return all(sign in ("*", "/") for sign, _ in term.rest)


def _is_constant(term: Term) -> bool:
    return constant_number(TypedTerm(term, ANY)) is not None


def _weight_text(constants: Sequence[tuple[str, nodes.Expr]], scope: Scope) -> str:
    """Constants as one weight: `0.5`, `1/3`, `0.5*w`."""
    (sign, first), *rest = constants
    text = _operand_text(first, scope)
    if sign == "/":
        text = f"1/{text}"
    return text + "".join(f"{sign}{_operand_text(node, scope)}" for sign, node in rest)


def _operand_text(node: nodes.Expr, scope: Scope) -> str:
    text = scope.source_text(node)
    return f"({text})" if isinstance(node, nodes.ArithmeticNode | nodes.SignNode) else text


def factor_help(node: nodes.CallNode, parts: Sequence[TypedTerm], scope: Scope) -> str:
    """The way out where a part has a factor, which `unit` would take out; empty without one."""
    for argument, part in zip(node.arguments, parts, strict=True):
        if _has_factor(part.term, scope):
            text = scope.source_text(argument.label or argument.value)
            return (
                f"`unit(…)` would take the factor of `{text}` out; a range of its own keeps it: "
                f"`grader NAME -> 0.0..1.0 = {text}`"
            )
    return ""


def _has_factor(term: Term, scope: Scope) -> bool:
    """Is it a score times a constant, by whatever name?"""
    if isinstance(term, expr.ScoreRef):
        scoring = scope.state.scoring(term.scoring)
        return (
            isinstance(scoring, ExpressionScoring)
            and scoring.scale is None
            and _has_factor(scoring.term, scope)
        )
    if not isinstance(term, expr.BinaryOp) or not _is_product(term):
        return False
    constants = [_is_constant(part) for part in (term.first, *(part for _, part in term.rest))]
    return constants.count(False) == 1
