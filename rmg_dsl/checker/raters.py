"""What agreement compares: are the values of raters categories, and do they stand on one scale?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from rmg_dsl.checker.judging import pooled_type
from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import (
    PAIRWISE_SCALE,
    ExpressionScoring,
    JudgeScoring,
    PairwiseScoring,
    PythonScoring,
    Scoring,
)
from rmg_dsl.ir.statistics import NOMINAL_STATISTICS
from rmg_dsl.ir.types import ANY, Type, type_of_scale
from rmg_dsl.syntax import nodes

MEAN_OF_DRAWS = "the mean of several draws"


class Rater(NamedTuple):
    """An argument of an agreement, as it was written and what it is."""

    node: nodes.Expr
    expression: TypedTerm
    type: Type

    @classmethod
    def of(cls, node: nodes.Expr, found: TypedTerm, scope: Scope) -> Rater:
        """The rater that an expression is. A comparison gives one of three decisions, and people may write which."""
        term, kind = found.term, found.type
        if isinstance(term, expr.ScoreRef) and isinstance(
            tuple(scope.state.scorings)[term.scoring], PairwiseScoring
        ):
            kind = replace(kind, scale=PAIRWISE_SCALE)
        return cls(node, found, kind)


def common_type(function: str, level: str, raters: Sequence[Rater], scope: Scope) -> Type:
    """What the values of all raters can be; reports raters whose values this agreement cannot compare."""
    before = len(scope.state.diagnostics)
    check_distinct_raters(raters, scope)
    for rater in raters:
        if function in NOMINAL_STATISTICS or level == "nominal":
            _check_category(function, rater, scope)
        else:
            _check_ordinal(function, level, rater, scope)
    if len(scope.state.diagnostics) == before:
        _check_raters_comparable(function, raters, scope)
    return _widest_type(rater.type for rater in raters)


def check_distinct_raters(raters: Iterable[Rater], scope: Scope) -> None:
    """Nobody is compared with himself: he always agrees."""
    seen: set[object] = set()
    for rater in raters:
        if rater.expression.term in seen and not isinstance(rater.expression.term, expr.Constant):
            text = scope.source_text(rater.node)
            message = f"`{text}` is compared with itself"
            scope.report("RMG342", message, rater.node.span, help="name each rater once")
            return
        seen.add(rater.expression.term)


def _widest_type(kinds: Iterable[Type]) -> Type:
    """The scale that holds the others: that with most labels, or any that is known."""
    known = [kind for kind in kinds if kind.kind != "any"]
    scaled = [kind for kind in known if kind.scale is not None or kind.labels]
    bounded = [kind for kind in known if kind.is_bounded]
    return max(scaled, key=lambda kind: len(kind.labels), default=next(iter(bounded), ANY))


# ── categories ───────────────────────────────────────────────────────────────────────────────────────────────────


def _check_category(function: str, rater: Rater, scope: Scope) -> None:
    why = not_categorical_reason(rater.expression, tuple(scope.state.scorings), scope)
    if why:
        text = scope.source_text(rater.node)
        help = f"`spearman(…)` compares numbers; `round({text})` makes a whole number of one"
        if why == MEAN_OF_DRAWS:
            help = "`pool = median` keeps the draws on their scale; `spearman(…)` compares numbers"
        message = f"`{function}` wants categories, and `{text}` is {why}"
        scope.report("RMG340", message, rater.node.span, help=help)


def _check_ordinal(function: str, level: str, rater: Rater, scope: Scope) -> None:
    if function == "weighted_kappa" and rater.type.is_numeric:
        _check_category(function, rater, scope)
    elif not rater.type.is_numeric:
        text = scope.source_text(rater.node)
        shown = f'{function}(level="{level}")' if level else function
        other = 'level="nominal"' if level else "`kappa(…)`"
        help = f'ask {other}, or give the labels values: `("bad"=0 | "ok"=0.5 | "good"=1)`'
        message = f"`{shown}` wants verdicts in an order, and `{text}` is {rater.type}"
        scope.report("RMG302", message, rater.node.span, help=help)


def not_categorical_reason(found: TypedTerm, scorings: Sequence[Scoring], scope: Scope) -> str:
    """Why the values of an expression are no categories, as far as that is known; nothing where they may be."""
    kind = found.type
    if kind.kind in ("bool", "label", "text", "any"):
        return ""
    if kind.kind != "number":
        return str(kind)
    return _continuous_term_reason(found.term, scorings, scope) or _continuous_scale_reason(kind)


def _continuous_scale_reason(kind: Type) -> str:
    return kind.scale.continuous_reason if kind.scale is not None else ""


def _continuous_term_reason(term: Term, scorings: Sequence[Scoring], scope: Scope) -> str:
    match term:
        case expr.ScoreRef(number):
            return _continuous_scoring_reason(scorings[number], scorings, scope)
        case expr.Aggregate("weighted", parts) if len(parts) > 1:
            return "a weighted mean"
        case expr.Normalize():
            return "mapped to 0..1"
        case expr.BinaryOp(rest=rest) if any(sign == "/" for sign, _ in rest):
            return "a quotient"
        case expr.Call(function):
            functions = scope.state.universe.functions
            result = functions[function].result if function in functions else ANY
            is_share = result.kind == "number" and (result.low, result.high) == (0, 1)
            return f"what `{function}(…)` gives, any number from 0 to 1" if is_share else ""
        case expr.Aggregate() | expr.IfElse() | expr.BinaryOp() | expr.Negate():
            found = (
                _continuous_term_reason(part, scorings, scope) for part in _value_operands(term)
            )
            return next((why for why in found if why), "")
        case _:
            return ""


def _value_operands(term: Term) -> Iterable[Term]:
    """The parts whose values a term can take or count with; a condition only decides."""
    return (term.then, term.otherwise) if isinstance(term, expr.IfElse) else expr.subterms(term)


def _continuous_scoring_reason(scoring: Scoring, scorings: Sequence[Scoring], scope: Scope) -> str:
    match scoring:
        case JudgeScoring():
            of_draws = pooled_type(scoring) != type_of_scale(scoring.scale)
            return (
                MEAN_OF_DRAWS
                if of_draws
                else _continuous_scale_reason(type_of_scale(scoring.scale))
            )
        case PythonScoring(scale=scale):
            return _continuous_scale_reason(type_of_scale(scale))
        case ExpressionScoring(term, scale):
            if scale is not None:
                return _continuous_scale_reason(type_of_scale(scale))
            return _continuous_term_reason(term, scorings, scope)
        case _:
            return ""


# ── one scale ────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_raters_comparable(function: str, raters: Sequence[Rater], scope: Scope) -> None:
    for one, other in combinations(raters, 2):
        why = incomparable_reason(one.type, other.type)
        if why:
            shown = f"`{scope.source_text(one.node)}` is {one.type}, `{scope.source_text(other.node)}` is {other.type}"
            message = f"`{function}` compares verdicts on one scale: {why}"
            help = f"{shown}; `spearman(…)` compares the order of numbers on any scales"
            scope.report("RMG341", message, other.node.span, help=help)
            return


def incomparable_reason(one: Type, other: Type) -> str:
    """Why verdicts of two types can never mean the same; nothing where they can."""
    if "any" in (one.kind, other.kind):
        return ""
    if are_words_and_numbers(one, other):
        return "one gives words, the other numbers"
    if one.labels and other.labels:
        nested = set(one.labels) <= set(other.labels) or set(other.labels) <= set(one.labels)
        return "" if nested else "the labels are other ones"
    if not (one.is_bounded and other.is_bounded) or any(
        k.low == k.high and k.scale is None for k in (one, other)
    ):
        return ""
    if (one.low, one.high) != (other.low, other.high) or _label_values(one) != _label_values(
        other
    ) != () != _label_values(one):
        return "the scales are other ones"
    return "one is better high, the other low" if one.direction * other.direction < 0 else ""


def _label_values(kind: Type) -> tuple[float, ...]:
    return tuple(sorted(kind.scale.word_values.values())) if kind.scale is not None else ()


def are_words_and_numbers(one: Type, other: Type) -> bool:
    """Is one a word and the other a number? A scale that gives its words values has both."""
    words, numbers = ("label", "text"), ("number", "bool")
    for a, b in ((one, other), (other, one)):
        if a.kind in words and b.kind in numbers and not _label_values(b):
            return True
    return False
