"""Functions over the rows of a run, which stand in `require` and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rmg_dsl.checker.arguments import bind_arguments
from rmg_dsl.checker.expressions import UNKNOWN, ExpressionChecker, constant_number
from rmg_dsl.checker.raters import Rater, common_type
from rmg_dsl.checker.scope import Scope, TypedTerm
from rmg_dsl.checker.signatures import Function
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir import expr
from rmg_dsl.ir.statistics import KAPPA_WEIGHTS, MEASUREMENT_LEVELS
from rmg_dsl.ir.types import ANY, NUMBER, Type, number_type
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes

_TAKES_CONDITIONS = ("share", "count")
_TAKES_NUMBERS = ("mean", "median", "stdev", "quantile", "pearson", "spearman", "kendall")
_SAME_SCALE_STATISTICS = ("mean", "median", "quantile")
_INTERVAL_BOUNDS = ("low", "high")
_WORD_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "weights": KAPPA_WEIGHTS,
    "level": MEASUREMENT_LEVELS,
}


def check_statistic_call(
    expressions: ExpressionChecker, node: nodes.CallNode, function: Function, scope: Scope
) -> TypedTerm:
    """The type of a function over the rows; its arguments are expressions of one row, or a statistic for bounds."""
    if scope.kind != "rows":
        _report_misplaced_statistic(node, function, scope)
        return TypedTerm(UNKNOWN.term, function.result)
    if function.name in _INTERVAL_BOUNDS:
        return _check_interval_bound(expressions, node, function, scope)
    given = _bind_statistic_arguments(node, function, scope)
    if given is None:
        return TypedTerm(expr.Statistic(function.name, ()), _statistic_type(function, NUMBER))
    found = [_check_row_argument(expressions, value, function, scope) for value in given.rows]
    options = _check_option_arguments(expressions, given, scope)
    kind = found[0].type
    if len(found) > 1 and function.name not in _TAKES_NUMBERS:
        raters = [
            Rater.of(value, each, scope) for value, each in zip(given.rows, found, strict=True)
        ]
        kind = common_type(function.name, str(dict(options).get("level", "")), raters, scope)
    names = tuple(" ".join(scope.source_text(value).split()) for value in given.rows)
    term = expr.Statistic(function.name, tuple(each.term for each in found), names, options, kind)
    return TypedTerm(term, _statistic_type(function, kind))


def _report_misplaced_statistic(node: nodes.CallNode, function: Function, scope: Scope) -> None:
    help = f"it stands in a `require`; for the parts of one row there is {_row_equivalent(function.name)}"
    message = f"`{function.name}` is about all rows of the run, and this is about one"
    scope.report("RMG319", message, node.function.span, help=help)


def _row_equivalent(name: str) -> str:
    return {
        "mean": "`weighted(a, b)`",
        "share": "`passed(g)`",
        "median": "`weighted`, `min` and `max`",
    }.get(name, "`weighted`, `min`, `max`, `sum`")


def _statistic_type(function: Function, kind: Type) -> Type:
    """A mean, a median and a quantile stay on the scale of their values."""
    if function.name not in _SAME_SCALE_STATISTICS:
        return function.result
    return (
        number_type(kind.low, kind.high, kind.direction)
        if kind.kind in ("number", "bool")
        else NUMBER
    )


def _check_interval_bound(
    expressions: ExpressionChecker, node: nodes.CallNode, function: Function, scope: Scope
) -> TypedTerm:
    """`low` and `high` of a statistic."""
    given = bind_arguments(node, function, scope)
    if given is None:
        return TypedTerm(expr.Statistic(function.name, ()), NUMBER)
    value = given["statistic"]
    found = expressions.check(value, scope)
    if found.term == UNKNOWN.term:
        return TypedTerm(UNKNOWN.term, NUMBER)
    if not isinstance(found.term, expr.Statistic) or found.term.function in _INTERVAL_BOUNDS:
        help = f"such as `{function.name}(mean(reward))`; of a difference: `{function.name}(mean(a - b))`"
        message = f"`{function.name}` wants a function over the rows, and `{scope.source_text(value)}` is none"
        scope.report("RMG313", message, value.span, help=help)
        return TypedTerm(UNKNOWN.term, NUMBER)
    kind = NUMBER if found.term.function in _SAME_SCALE_STATISTICS else found.type
    return TypedTerm(
        expr.Statistic(function.name, (found.term,), (scope.source_text(value),)), kind
    )


# ── arguments ────────────────────────────────────────────────────────────────────────────────────────────────────


class _StatisticArguments(NamedTuple):
    """The expressions of a row, and the options by name."""

    rows: list[nodes.Expr]
    options: dict[str, nodes.Expr]


def _bind_statistic_arguments(
    node: nodes.CallNode, function: Function, scope: Scope
) -> _StatisticArguments | None:
    """Which argument is which; none where the call does not fit the signature."""
    if function.parameters[0].is_variadic:
        return _bind_raters(node, function, scope)
    given = bind_arguments(node, function, scope)
    if given is None:
        return None
    values = {p.name: given.get(p.name) or p.default for p in function.parameters}
    known = {name: value for name, value in values.items() if value is not None}
    rows = [known.pop(p.name) for p in function.parameters if p.type == "rows"]
    return _StatisticArguments(rows, known)


def _bind_raters(
    node: nodes.CallNode, function: Function, scope: Scope
) -> _StatisticArguments | None:
    rows = [argument.value for argument in node.arguments if argument.label is None]
    offered = {
        p.name: p.default
        for p in function.parameters
        if not p.is_variadic and p.default is not None
    }
    named: dict[str, nodes.Expr] = {}
    for argument in node.arguments:
        if argument.label is None:
            continue
        name = argument.label.id if isinstance(argument.label, nodes.NameNode) else ""
        if name not in offered or name in named:
            close = suggest_name(name, offered)
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
    return _StatisticArguments(rows, {**offered, **named})


def _check_option_arguments(
    expressions: ExpressionChecker, given: _StatisticArguments, scope: Scope
) -> tuple[tuple[str, float | str], ...]:
    return tuple(
        (name, _check_option_argument(expressions, name, value, scope))
        for name, value in given.options.items()
    )


def _check_option_argument(
    expressions: ExpressionChecker, name: str, value: nodes.Expr, scope: Scope
) -> float | str:
    return (
        _check_word_option(expressions, name, value, scope)
        if name in _WORD_OPTIONS
        else _check_share_option(expressions, name, value, scope)
    )


def _check_word_option(
    expressions: ExpressionChecker, name: str, value: nodes.Expr, scope: Scope
) -> str:
    """An option that is one of a few words, in quotes."""
    offered = _WORD_OPTIONS[name]
    bare = value.id if isinstance(value, nodes.NameNode) else ""
    found = None if bare in offered else expressions.check(value, scope).term
    word = str(found.value) if isinstance(found, expr.Constant) else bare
    if word in offered and not bare:
        return word
    close = word if word in offered else suggest_name(word, offered)
    fixes = [Fix(value.span, f'"{close}"', f'write "{close}"')] if close else []
    help = f'write `{name}="{close or offered[0]}"`'
    scope.report(
        "RMG313",
        f"`{name}` is one of the texts {format_names(offered)}",
        value.span,
        help=help,
        fixes=fixes,
    )
    return offered[0]


def _check_share_option(
    expressions: ExpressionChecker, name: str, value: nodes.Expr, scope: Scope
) -> float:
    """An option that is a share."""
    found = constant_number(expressions.check(value, scope))
    if found is None or not 0 <= found <= 1:
        help = "0.5 is the median, 0.1 the value that a tenth of the rows is below"
        scope.report("RMG313", f"`{name}` is a number from 0 to 1", value.span, help=help)
    return found or 0.0


def _check_row_argument(
    expressions: ExpressionChecker, value: nodes.Expr, function: Function, scope: Scope
) -> TypedTerm:
    row, name = scope.with_kind("row"), function.name
    if not _can_take_columns(function) and not expressions.check_score_name(
        value, row, f"`{name}` of {scope.owner}"
    ):
        return UNKNOWN
    found = expressions.check(value, row)
    before = len(scope.state.diagnostics)
    if name in _TAKES_CONDITIONS and found.type.kind not in ("bool", "any"):
        help = f"write `{name}({scope.source_text(value)} >= …)` or `{name}(passed({scope.source_text(value)}))`"
        expressions.report_wrong_type(
            "RMG301", value, found.type, f"`{name}` wants a condition", scope, help
        )
    elif name in _TAKES_NUMBERS and not found.type.is_numeric:
        help = _label_statistic_help(name) if found.type.kind == "label" else ""
        expressions.report_wrong_type(
            "RMG302", value, found.type, f"`{name}` wants numbers", scope, help
        )
    elif name == "unscored" and not isinstance(found.term, expr.ScoreRef) and found != UNKNOWN:
        scope.report("RMG215", "`unscored` wants a grader or an aggregate", value.span)
    return found if len(scope.state.diagnostics) == before else TypedTerm(found.term, ANY)


def _label_statistic_help(name: str) -> str:
    if name in ("pearson", "spearman", "kendall"):
        return "words without order have `kappa(…)` and `accuracy(…)`"
    return 'a label has no mean; ask for a share: `share(tone == "kind")`'


def _can_take_columns(function: Function) -> bool:
    """Agreement is with people, whose verdicts are columns."""
    return (
        function.parameters[0].is_variadic
        or len([p for p in function.parameters if p.type == "rows"]) > 1
    )
