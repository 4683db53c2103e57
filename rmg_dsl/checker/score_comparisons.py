"""Comparisons of scores that are more than a number: words with values, and rankings."""

from __future__ import annotations

from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.diagnostics import Span
from rmg_dsl.ir import expr
from rmg_dsl.ir.scoring import RankingScoring
from rmg_dsl.ir.types import Type
from rmg_dsl.syntax import nodes


def compares_words(left: TypedTerm, container: nodes.Expr) -> bool:
    """Does `in` look for the word of a score on words with values, and not for its value?"""
    scale = left.type.scale
    if scale is None or not scale.word_values:
        return False
    if not isinstance(container, nodes.ListNode):
        return True
    return any(isinstance(item, nodes.TextNode) for item in container.items)


def word_of_score(score: TypedTerm) -> TypedTerm:
    """The word of a score on words with values."""
    assert score.type.scale is not None
    values = score.type.scale.word_values
    term = expr.WordOf(score.term, tuple(values.items()))
    return TypedTerm(term, Type("label", labels=tuple(values)))


def warn_best_by_score(
    sign: str, left: TypedTerm, right: TypedTerm, span: Span, scope: Scope
) -> None:
    """Warn of `best == 1` on a ranking: rows that tie for the best score below 1."""
    for ranked, constant in ((left, right), (right, left)):
        if _is_ranking(ranked, scope) and _singles_out_one(sign, constant, ranked is left):
            _report_best_by_score(scope.file.source.text[span.start : span.end], span, scope)
            return


def _is_ranking(typed: TypedTerm, scope: Scope) -> bool:
    if not isinstance(typed.term, expr.ScoreRef):
        return False
    return isinstance(scope.state.scoring(typed.term.scoring), RankingScoring)


def _singles_out_one(sign: str, constant: TypedTerm, is_right: bool) -> bool:
    """Does the comparison say whether a score from 0 to 1 is 1?"""
    if sign in ("in", "not in"):
        items = constant.term.items if isinstance(constant.term, expr.ListExpr) else ()
        return is_right and any(_is_one(item) for item in items)
    signs = ("==", "!=", ">=", "<") if is_right else ("==", "!=", "<=", ">")
    return sign in signs and _is_one(constant.term)


def _is_one(term: expr.Term) -> bool:
    return isinstance(term, expr.Constant) and term.value == 1 and term.kind != "bool"


def _report_best_by_score(text: str, span: Span, scope: Scope) -> None:
    scope.report(
        "RMG332",
        f"`{' '.join(text.split())}` is false where the best rows tie: they score below 1",
        span,
        help="the rank is 1 for each of the best: in the result `NAME_rank == 1`; "
        "`> 0.5` asks for the better half",
    )
