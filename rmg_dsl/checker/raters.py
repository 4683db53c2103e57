"""What agreement compares: are the values of raters categories, and do they stand on one scale?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from rmg_dsl.checker.judging import drawn_type
from rmg_dsl.checker.scope import Scope, Typed
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import PAIR, Compared, Computed, FromPython, Judged, Scoring
from rmg_dsl.ir.statistics import NOMINAL
from rmg_dsl.ir.types import ANY, Type, of_scale
from rmg_dsl.scales import Labels, Points, Real
from rmg_dsl.syntax import nodes

OF_DRAWS = "the mean of several draws"


class Rater(NamedTuple):
    """An argument of an agreement, as it was written and what it is."""

    node: nodes.Expr
    found: Typed
    type: Type

    @classmethod
    def of(cls, node: nodes.Expr, found: Typed, scope: Scope) -> Rater:
        """The rater that an expression is. A comparison gives one of three decisions, and people may write which."""
        term, kind = found.term, found.type
        if isinstance(term, expr.ScoreOf) and isinstance(
            tuple(scope.book.scorings)[term.scoring], Compared
        ):
            kind = replace(kind, scale=PAIR)
        return cls(node, found, kind)


def common_type(function: str, level: str, raters: Sequence[Rater], scope: Scope) -> Type:
    """What the values of all raters can be; reports raters whose values this agreement cannot compare."""
    before = len(scope.book.diagnostics)
    check_once(raters, scope)
    for rater in raters:
        if function in NOMINAL or level == "nominal":
            _check_category(function, rater, scope)
        else:
            _check_order(function, level, rater, scope)
    if len(scope.book.diagnostics) == before:
        _check_alike(function, raters, scope)
    return _widest(rater.type for rater in raters)


def check_once(raters: Iterable[Rater], scope: Scope) -> None:
    """Nobody is compared with himself: he always agrees."""
    seen: set[object] = set()
    for rater in raters:
        if rater.found.term in seen and not isinstance(rater.found.term, expr.Constant):
            text = scope.text(rater.node)
            message = f"`{text}` is compared with itself"
            scope.report("RMG342", message, rater.node.span, help="name each rater once")
            return
        seen.add(rater.found.term)


def _widest(kinds: Iterable[Type]) -> Type:
    """The scale that holds the others: that with most labels, or any that is known."""
    known = [kind for kind in kinds if kind.kind != "any"]
    scaled = [kind for kind in known if kind.scale is not None or kind.labels]
    bounded = [kind for kind in known if kind.bounded]
    return max(scaled, key=lambda kind: len(kind.labels), default=next(iter(bounded), ANY))


# ── categories ───────────────────────────────────────────────────────────────────────────────────────────────────


def _check_category(function: str, rater: Rater, scope: Scope) -> None:
    why = why_no_category(rater.found, tuple(scope.book.scorings), scope)
    if why:
        text = scope.text(rater.node)
        help = f"`spearman(…)` compares numbers; `round({text})` makes a whole number of one"
        if why == OF_DRAWS:
            help = "`pool = median` keeps the draws on their scale; `spearman(…)` compares numbers"
        message = f"`{function}` wants categories, and `{text}` is {why}"
        scope.report("RMG340", message, rater.node.span, help=help)


def _check_order(function: str, level: str, rater: Rater, scope: Scope) -> None:
    if function == "weighted_kappa" and rater.type.is_numeric:
        _check_category(function, rater, scope)
    elif not rater.type.is_numeric:
        text = scope.text(rater.node)
        shown = f'{function}(level="{level}")' if level else function
        other = 'level="nominal"' if level else "`kappa(…)`"
        help = f'ask {other}, or give the labels values: `("bad"=0 | "ok"=0.5 | "good"=1)`'
        message = f"`{shown}` wants verdicts in an order, and `{text}` is {rater.type}"
        scope.report("RMG302", message, rater.node.span, help=help)


def why_no_category(found: Typed, scorings: Sequence[Scoring], scope: Scope) -> str:
    """Why the values of an expression are no categories, as far as that is known; nothing where they may be."""
    kind = found.type
    if kind.kind in ("bool", "label", "text", "any"):
        return ""
    if kind.kind != "number":
        return str(kind)
    return _why_of_term(found.term, scorings, scope) or _why_of_scale(kind)


def _why_of_scale(kind: Type) -> str:
    if isinstance(kind.scale, Real | Points):
        return (
            f"any number on `{kind.scale}`" if isinstance(kind.scale, Real) else "a share of points"
        )
    return ""


def _why_of_term(term: Term, scorings: Sequence[Scoring], scope: Scope) -> str:
    match term:
        case expr.ScoreOf(number):
            return _why_of_scoring(scorings[number], scorings, scope)
        case expr.Aggregate("weighted", parts) if len(parts) > 1:
            return "a weighted mean"
        case expr.Unit():
            return "mapped to 0..1"
        case expr.BinaryOp(rest=rest) if any(sign == "/" for sign, _ in rest):
            return "a quotient"
        case expr.Call(function):
            functions = scope.book.universe.functions
            result = functions[function].result if function in functions else ANY
            is_share = result.kind == "number" and (result.low, result.high) == (0, 1)
            return f"what `{function}(…)` gives, any number from 0 to 1" if is_share else ""
        case expr.Aggregate() | expr.IfElse() | expr.BinaryOp() | expr.Negative():
            found = (_why_of_term(part, scorings, scope) for part in _valued(term))
            return next((why for why in found if why), "")
        case _:
            return ""


def _valued(term: Term) -> Iterable[Term]:
    """The parts whose values a term can take or count with; a condition only decides."""
    return (term.then, term.otherwise) if isinstance(term, expr.IfElse) else expr.children(term)


def _why_of_scoring(scoring: Scoring, scorings: Sequence[Scoring], scope: Scope) -> str:
    match scoring:
        case Judged():
            of_draws = drawn_type(scoring) != of_scale(scoring.scale)
            return OF_DRAWS if of_draws else _why_of_scale(of_scale(scoring.scale))
        case FromPython(scale=scale):
            return _why_of_scale(of_scale(scale))
        case Computed(term, scale):
            if scale is not None:
                return _why_of_scale(of_scale(scale))
            return _why_of_term(term, scorings, scope)
        case _:
            return ""


# ── one scale ────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_alike(function: str, raters: Sequence[Rater], scope: Scope) -> None:
    for one, other in combinations(raters, 2):
        why = why_unlike(one.type, other.type)
        if why:
            shown = f"`{scope.text(one.node)}` is {one.type}, `{scope.text(other.node)}` is {other.type}"
            message = f"`{function}` compares verdicts on one scale: {why}"
            help = f"{shown}; `spearman(…)` compares the order of numbers on any scales"
            scope.report("RMG341", message, other.node.span, help=help)
            return


def why_unlike(one: Type, other: Type) -> str:
    """Why verdicts of two types can never mean the same; nothing where they can."""
    if "any" in (one.kind, other.kind):
        return ""
    if are_words_and_numbers(one, other):
        return "one gives words, the other numbers"
    if one.labels and other.labels:
        nested = set(one.labels) <= set(other.labels) or set(other.labels) <= set(one.labels)
        return "" if nested else "the labels are other ones"
    if not (one.bounded and other.bounded) or any(
        k.low == k.high and k.scale is None for k in (one, other)
    ):
        return ""
    if (one.low, one.high) != (other.low, other.high) or _values(one) != _values(
        other
    ) != () != _values(one):
        return "the scales are other ones"
    return "one is better high, the other low" if one.direction * other.direction < 0 else ""


def _values(kind: Type) -> tuple[float, ...]:
    return tuple(sorted(kind.scale.values or ())) if isinstance(kind.scale, Labels) else ()


def are_words_and_numbers(one: Type, other: Type) -> bool:
    """Is one a word and the other a number? A scale that gives its words values has both."""
    words, numbers = ("label", "text"), ("number", "bool")
    for a, b in ((one, other), (other, one)):
        if a.kind in words and b.kind in numbers and not isinstance(b.scale, Labels):
            return True
    return False
