"""Checks of raters: are their verdicts categories, in an order, and on one scale?"""

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
from rmg_dsl.ir.statistics import StatisticSpec
from rmg_dsl.ir.types import ANY, Type, type_of_scale
from rmg_dsl.syntax import nodes

MEAN_OF_DRAWS = "the mean of several draws"


class Rater(NamedTuple):
    """An argument of an agreement: as it was written, its term, and the type of its verdicts."""

    node: nodes.Expr
    expression: TypedTerm
    type: Type

    @classmethod
    def of(cls, node: nodes.Expr, expression: TypedTerm, scope: Scope) -> Rater:
        """The rater that an expression is.

        A comparison gives one of three decisions, and people may write the decision as a word.
        """
        term, kind = expression
        if isinstance(term, expr.ScoreRef):
            scoring = tuple(scope.state.scorings)[term.scoring]
            if isinstance(scoring, PairwiseScoring):
                kind = replace(kind, scale=PAIRWISE_SCALE)
        return cls(node, expression, kind)


def common_type(spec: StatisticSpec, level: str, raters: Sequence[Rater], scope: Scope) -> Type:
    """The type of all verdicts; reports verdicts that this agreement cannot compare."""
    before = len(scope.state.diagnostics)
    check_distinct_raters(raters, scope)
    needs = spec.needs(level)
    for rater in raters:
        if needs == "category":
            _check_category(spec, rater, scope)
        elif not rater.type.is_numeric:
            _report_no_order(spec, level, rater, scope)
        elif needs == "ordered_category":
            _check_category(spec, rater, scope)
    # A rater of the wrong kind cannot be on the scale of the others: one report suffices.
    if len(scope.state.diagnostics) == before:
        _check_raters_comparable(spec, raters, scope)
    return _widest_type(rater.type for rater in raters)


def check_distinct_raters(raters: Iterable[Rater], scope: Scope) -> None:
    """Report a rater that is compared with itself: such a pair always agrees."""
    checked: set[Term] = set()
    for rater in raters:
        term = rater.expression.term
        if term in checked and not isinstance(term, expr.Constant):
            message = f"`{scope.source_text(rater.node)}` is compared with itself"
            scope.report("RMG342", message, rater.node.span, help="name each rater once")
            return
        checked.add(term)


def _widest_type(kinds: Iterable[Type]) -> Type:
    """The scale that holds the others: the one with most labels, or the first one with bounds."""
    typed = [kind for kind in kinds if kind.kind != "any"]
    scaled = [kind for kind in typed if kind.scale is not None or kind.labels]
    if scaled:
        return max(scaled, key=lambda kind: len(kind.labels))
    return next((kind for kind in typed if kind.is_bounded), ANY)


# ── categories ───────────────────────────────────────────────────────────────────────────────────


def _check_category(spec: StatisticSpec, rater: Rater, scope: Scope) -> None:
    why = not_categorical_reason(rater.expression, tuple(scope.state.scorings), scope)
    if not why:
        return
    text = scope.source_text(rater.node)
    help = f"`spearman(…)` compares numbers; `round({text})` makes a whole number of one"
    if why == MEAN_OF_DRAWS:
        help = "`pool = median` keeps the draws on their scale; `spearman(…)` compares numbers"
    message = f"`{spec.name}` wants categories, and `{text}` is {why}"
    scope.report("RMG340", message, rater.node.span, help=help)


def _report_no_order(spec: StatisticSpec, level: str, rater: Rater, scope: Scope) -> None:
    call, other = spec.name, "`kappa(…)`"
    if level:
        call, other = f'{spec.name}(level="{level}")', 'level="nominal"'
    scope.report(
        "RMG302",
        f"`{call}` wants verdicts in an order, and {typed_text(rater, scope)}",
        rater.node.span,
        help=f'ask {other}, or give the labels values: `("bad"=0 | "ok"=0.5 | "good"=1)`',
    )


def not_categorical_reason(expression: TypedTerm, scorings: Sequence[Scoring], scope: Scope) -> str:
    """Why the values of an expression are no categories; an empty text where they may be."""
    kind = expression.type
    if kind.kind in ("bool", "label", "text", "any"):
        return ""
    if kind.kind != "number":
        return str(kind)
    return _continuous_term_reason(expression.term, scorings, scope) or _continuous_scale_reason(
        kind
    )


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
            return _share_function_reason(function, scope)
        case expr.Aggregate() | expr.IfElse() | expr.BinaryOp() | expr.Negate():
            operands = _value_operands(term)
            reasons = (_continuous_term_reason(part, scorings, scope) for part in operands)
            return next(filter(None, reasons), "")
        case _:
            return ""


def _share_function_reason(name: str, scope: Scope) -> str:
    function = scope.state.universe.functions.get(name)
    if function is None:
        return ""
    result = function.result
    if result.kind != "number" or (result.low, result.high) != (0, 1):
        return ""
    return f"what `{name}(…)` gives, any number from 0 to 1"


def _value_operands(term: Term) -> Iterable[Term]:
    """The parts whose values a term can take or count with; a condition only decides."""
    if isinstance(term, expr.IfElse):
        return (term.then, term.otherwise)
    return expr.subterms(term)


def _continuous_scoring_reason(scoring: Scoring, scorings: Sequence[Scoring], scope: Scope) -> str:
    match scoring:
        case JudgeScoring():
            kind = type_of_scale(scoring.scale)
            if pooled_type(scoring) != kind:
                return MEAN_OF_DRAWS
            return _continuous_scale_reason(kind)
        case PythonScoring(scale=scale):
            return _continuous_scale_reason(type_of_scale(scale))
        case ExpressionScoring(term, scale):
            if scale is not None:
                return _continuous_scale_reason(type_of_scale(scale))
            return _continuous_term_reason(term, scorings, scope)
        case _:
            return ""


# ── one scale ────────────────────────────────────────────────────────────────────────────────────


def _check_raters_comparable(spec: StatisticSpec, raters: Sequence[Rater], scope: Scope) -> None:
    for one, other in combinations(raters, 2):
        why = incomparable_reason(one.type, other.type)
        if why:
            types = f"{typed_text(one, scope)}, {typed_text(other, scope)}"
            message = f"`{spec.name}` compares verdicts on one scale: {why}"
            help = f"{types}; `spearman(…)` compares the order of numbers on any scales"
            scope.report("RMG341", message, other.node.span, help=help)
            return


def typed_text(rater: Rater, scope: Scope) -> str:
    """A rater and the type of its verdicts, for a message."""
    return f"`{scope.source_text(rater.node)}` is {rater.type}"


def incomparable_reason(one: Type, other: Type) -> str:
    """Why verdicts of two types can never mean the same; an empty text where they can."""
    if "any" in (one.kind, other.kind):
        return ""
    if are_words_and_numbers(one, other):
        return "one gives words, the other numbers"
    if one.labels and other.labels:
        # People may use only some labels of the judge, or have some more.
        nested = set(one.labels) <= set(other.labels) or set(other.labels) <= set(one.labels)
        return "" if nested else "the labels are other ones"
    if not _has_fixed_scale(one) or not _has_fixed_scale(other):
        return ""
    if (one.low, one.high) != (other.low, other.high) or _have_other_values(one, other):
        return "the scales are other ones"
    # A score without a direction fits either one.
    if one.direction * other.direction < 0:
        return "one is better high, the other low"
    return ""


def _has_fixed_scale(kind: Type) -> bool:
    """Are both ends known? A constant has no scale of its own: it fits any."""
    is_constant = kind.low == kind.high and kind.scale is None
    return kind.is_bounded and not is_constant


def _have_other_values(one: Type, other: Type) -> bool:
    """Do two scales of valued words have different values?"""
    values, others = _label_values(one), _label_values(other)
    return bool(values) and bool(others) and values != others


def _label_values(kind: Type) -> tuple[float, ...]:
    return tuple(sorted(kind.scale.word_values.values())) if kind.scale is not None else ()


def are_words_and_numbers(one: Type, other: Type) -> bool:
    """Is one a word and the other a number? A scale that gives its words values has both."""
    words, numbers = ("label", "text"), ("number", "bool")
    for a, b in ((one, other), (other, one)):
        if a.kind in words and b.kind in numbers and not _label_values(b):
            return True
    return False
