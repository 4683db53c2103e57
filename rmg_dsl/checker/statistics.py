"""Functions over the rows of a run, which stand in `require` and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rmg_dsl.checker.arguments import arguments_of
from rmg_dsl.checker.expressions import UNKNOWN, Expressions, constant_number
from rmg_dsl.checker.raters import Rater, common_type
from rmg_dsl.checker.scope import Scope, Typed
from rmg_dsl.checker.signatures import Function
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir import expr
from rmg_dsl.ir.statistics import LEVELS, WEIGHTS
from rmg_dsl.ir.types import ANY, NUMBER, Type, number
from rmg_dsl.suggest import likely, listed
from rmg_dsl.syntax import nodes

_OF_CONDITIONS = ("share", "count")
_OF_NUMBERS = ("mean", "median", "stdev", "quantile", "pearson", "spearman", "kendall")
_WITHIN = ("mean", "median", "quantile")
_BOUNDS = ("low", "high")
_WORDS: Mapping[str, tuple[str, ...]] = {"weights": WEIGHTS, "level": LEVELS}


def over_rows(
    expressions: Expressions, node: nodes.CallNode, function: Function, scope: Scope
) -> Typed:
    """The type of a function over the rows; its arguments are expressions of one row, or a statistic for bounds."""
    if scope.place != "rows":
        _misplaced(node, function, scope)
        return Typed(UNKNOWN.term, function.result)
    if function.name in _BOUNDS:
        return _bound(expressions, node, function, scope)
    given = _given(node, function, scope)
    if given is None:
        return Typed(expr.Statistic(function.name, ()), _result_of(function, NUMBER))
    found = [_of_a_row(expressions, value, function, scope) for value in given.rows]
    options = _options(expressions, given, scope)
    kind = found[0].type
    if len(found) > 1 and function.name not in _OF_NUMBERS:
        raters = [
            Rater.of(value, each, scope) for value, each in zip(given.rows, found, strict=True)
        ]
        kind = common_type(function.name, str(dict(options).get("level", "")), raters, scope)
    names = tuple(" ".join(scope.text(value).split()) for value in given.rows)
    term = expr.Statistic(function.name, tuple(each.term for each in found), names, options, kind)
    return Typed(term, _result_of(function, kind))


def _misplaced(node: nodes.CallNode, function: Function, scope: Scope) -> None:
    help = f"it stands in a `require`; for the parts of one row there is {_row_twin(function.name)}"
    message = f"`{function.name}` is about all rows of the run, and this is about one"
    scope.report("RMG319", message, node.function.span, help=help)


def _row_twin(name: str) -> str:
    return {
        "mean": "`weighted(a, b)`",
        "share": "`passed(g)`",
        "median": "`weighted`, `min` and `max`",
    }.get(name, "`weighted`, `min`, `max`, `sum`")


def _result_of(function: Function, kind: Type) -> Type:
    """A mean, a median and a quantile stay on the scale of their values."""
    if function.name not in _WITHIN:
        return function.result
    return (
        number(kind.low, kind.high, kind.direction) if kind.kind in ("number", "bool") else NUMBER
    )


def _bound(
    expressions: Expressions, node: nodes.CallNode, function: Function, scope: Scope
) -> Typed:
    """`low` and `high` of a statistic."""
    given = arguments_of(node, function, scope)
    if given is None:
        return Typed(expr.Statistic(function.name, ()), NUMBER)
    value = given["statistic"]
    found = expressions.check(value, scope)
    if found.term == UNKNOWN.term:
        return Typed(UNKNOWN.term, NUMBER)
    if not isinstance(found.term, expr.Statistic) or found.term.function in _BOUNDS:
        help = f"such as `{function.name}(mean(reward))`; of a difference: `{function.name}(mean(a - b))`"
        message = (
            f"`{function.name}` wants a function over the rows, and `{scope.text(value)}` is none"
        )
        scope.report("RMG313", message, value.span, help=help)
        return Typed(UNKNOWN.term, NUMBER)
    kind = NUMBER if found.term.function in _WITHIN else found.type
    return Typed(expr.Statistic(function.name, (found.term,), (scope.text(value),)), kind)


# ── arguments ────────────────────────────────────────────────────────────────────────────────────────────────────


class _Given(NamedTuple):
    """The expressions of a row, and the options by name."""

    rows: list[nodes.Expr]
    options: dict[str, nodes.Expr]


def _given(node: nodes.CallNode, function: Function, scope: Scope) -> _Given | None:
    """Which argument is which; none where the call does not fit the signature."""
    if function.parameters[0].variadic:
        return _several(node, function, scope)
    given = arguments_of(node, function, scope)
    if given is None:
        return None
    values = {p.name: given.get(p.name) or p.default for p in function.parameters}
    known = {name: value for name, value in values.items() if value is not None}
    rows = [known.pop(p.name) for p in function.parameters if p.type == "rows"]
    return _Given(rows, known)


def _several(node: nodes.CallNode, function: Function, scope: Scope) -> _Given | None:
    rows = [argument.value for argument in node.arguments if argument.label is None]
    offered = {
        p.name: p.default for p in function.parameters if not p.variadic and p.default is not None
    }
    named: dict[str, nodes.Expr] = {}
    for argument in node.arguments:
        if argument.label is None:
            continue
        name = argument.label.id if isinstance(argument.label, nodes.NameNode) else ""
        if name not in offered or name in named:
            close = likely(name, offered)
            help = (
                f"did you mean `{close}`?" if close and name not in named else f"write `{function}`"
            )
            scope.report(
                "RMG312",
                f"`{function.name}` has no argument `{name}`",
                argument.label.span,
                help=help,
            )
            return None
        named[name] = argument.value
    if len(rows) < 2:
        message = f"`{function.name}` compares two raters or more"
        scope.report("RMG312", message, node.span, help=f"write `{function.name}(a, b, …)`")
        return None
    return _Given(rows, {**offered, **named})


def _options(
    expressions: Expressions, given: _Given, scope: Scope
) -> tuple[tuple[str, float | str], ...]:
    return tuple(
        (name, _option(expressions, name, value, scope)) for name, value in given.options.items()
    )


def _option(expressions: Expressions, name: str, value: nodes.Expr, scope: Scope) -> float | str:
    return (
        _word(expressions, name, value, scope)
        if name in _WORDS
        else _part(expressions, name, value, scope)
    )


def _word(expressions: Expressions, name: str, value: nodes.Expr, scope: Scope) -> str:
    """An option that is one of a few words, in quotes."""
    offered = _WORDS[name]
    bare = value.id if isinstance(value, nodes.NameNode) else ""
    found = None if bare in offered else expressions.check(value, scope).term
    word = str(found.value) if isinstance(found, expr.Constant) else bare
    if word in offered and not bare:
        return word
    close = word if word in offered else likely(word, offered)
    fixes = [Fix(value.span, f'"{close}"', f'write "{close}"')] if close else []
    help = f'write `{name}="{close or offered[0]}"`'
    scope.report(
        "RMG313",
        f"`{name}` is one of the texts {listed(offered)}",
        value.span,
        help=help,
        fixes=fixes,
    )
    return offered[0]


def _part(expressions: Expressions, name: str, value: nodes.Expr, scope: Scope) -> float:
    """An option that is a share."""
    found = constant_number(expressions.check(value, scope))
    if found is None or not 0 <= found <= 1:
        help = "0.5 is the median, 0.1 the value that a tenth of the rows is below"
        scope.report("RMG313", f"`{name}` is a number from 0 to 1", value.span, help=help)
    return found or 0.0


def _of_a_row(
    expressions: Expressions, value: nodes.Expr, function: Function, scope: Scope
) -> Typed:
    row, name = scope.at("row"), function.name
    if not _may_be_column(function) and not expressions.wants_score(
        value, row, f"`{name}` of {scope.owner}"
    ):
        return UNKNOWN
    found = expressions.check(value, row)
    before = len(scope.book.diagnostics)
    if name in _OF_CONDITIONS and found.type.kind not in ("bool", "any"):
        help = f"write `{name}({scope.text(value)} >= …)` or `{name}(passed({scope.text(value)}))`"
        expressions.wrong_kind(
            "RMG301", value, found.type, f"`{name}` wants a condition", scope, help
        )
    elif name in _OF_NUMBERS and not found.type.is_numeric:
        help = _without_numbers(name) if found.type.kind == "label" else ""
        expressions.wrong_kind("RMG302", value, found.type, f"`{name}` wants numbers", scope, help)
    elif name == "unscored" and not isinstance(found.term, expr.ScoreOf) and found != UNKNOWN:
        scope.report("RMG215", "`unscored` wants a grader or an aggregate", value.span)
    return found if len(scope.book.diagnostics) == before else Typed(found.term, ANY)


def _without_numbers(name: str) -> str:
    if name in ("pearson", "spearman", "kendall"):
        return "words without order have `kappa(…)` and `accuracy(…)`"
    return 'a label has no mean; ask for a share: `share(tone == "kind")`'


def _may_be_column(function: Function) -> bool:
    """Agreement is with people, whose verdicts are columns."""
    return (
        function.parameters[0].variadic
        or len([p for p in function.parameters if p.type == "rows"]) > 1
    )
