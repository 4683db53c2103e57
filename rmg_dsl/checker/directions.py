"""Scores that `unit` has turned round already: what would turn them back is reported."""

from __future__ import annotations

from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ExpressionScoring
from rmg_dsl.ir.types import Type
from rmg_dsl.syntax import nodes


def is_turned_round(term: Term, scope: Scope) -> bool:
    """Is it `unit(x)` of a `lower` score, by whatever name, perhaps times a constant?"""
    match term:
        case expr.Normalize(lower=lower):
            return lower
        case expr.ScoreRef(number):
            scoring = scope.state.scoring(number)
            if not isinstance(scoring, ExpressionScoring):
                return False
            return is_turned_round(scoring.term, scope)
        case expr.BinaryOp(first, rest) if all(sign in ("*", "/") for sign, _ in rest):
            parts = [first, *(part for _, part in rest)]
            scores = [part for part in parts if not isinstance(part, expr.Constant)]
            return len(scores) == 1 and is_turned_round(scores[0], scope)
        case _:
            return False


def warn_turned_back(
    sign: str, before: Type | None, node: nodes.Expr, part: TypedTerm, scope: Scope
) -> None:
    """Warn of `c - unit(x)`, `-unit(x)` and `-2 * unit(x)` where x is better low."""
    if sign == "-" and not (before is None or before.is_constant):
        # A difference of two scores turns nothing round.
        return
    if sign == "*" and not (before is not None and before.is_constant and before.high < 0):
        return
    if sign == "/" or not is_turned_round(part.term, scope):
        return
    text = scope.source_text(node)
    scope.report(
        "RMG331",
        f"`{text}` is turned round already: 1 is its best end",
        node.span,
        help=f"write `{text}` alone; `lower` and `unit` have turned it round",
    )


def report_negative_weight(
    target: nodes.Expr, part: TypedTerm, weight: nodes.Expr, scope: Scope
) -> None:
    """Report a weight below 0, with the way out that counts the part against the others."""
    text = scope.source_text(target)
    fixes: list[Fix] = []
    if is_turned_round(part.term, scope):
        help = "already turned round: write a positive weight"
        if isinstance(weight, nodes.SignNode):
            positive = scope.source_text(weight.operand)
            fixes = [Fix(weight.span, positive, f"write `{positive}`")]
    elif part.type.direction < 0:
        help = f"`unit({text})` turns it round: bring each part to 0..1, with positive weights"
    else:
        is_unit = isinstance(part.term, expr.Normalize) or (part.type.low, part.type.high) == (0, 1)
        inner = text if is_unit else f"unit({text})"
        help = (
            f"what counts against has a positive weight as `1 - {inner}`; "
            "or its scale ends with `lower`, and `unit(…)` turns it round"
        )
    message = f"`{text}` has a weight below 0"
    scope.report("RMG305", message, weight.span, help=help, fixes=fixes)
