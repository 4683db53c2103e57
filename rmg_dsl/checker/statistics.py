"""Calls of statistics over the rows of a run: what each one reads, its options and its result."""

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
from rmg_dsl.ir.statistics import OPTION_WORDS, STATISTIC_INPUTS, StatisticSpec
from rmg_dsl.ir.types import ANY, NUMBER
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes

_ROW_EQUIVALENTS: Mapping[str, str] = {
    "mean": "`weighted(a, b)`",
    "share": "`passed(g)`",
    "median": "`weighted`, `min` and `max`",
}
_ANY_ROW_EQUIVALENT = "`weighted`, `min`, `max`, `sum`"


def check_statistic_call(
    expressions: ExpressionChecker,
    node: nodes.CallNode,
    function: Function,
    spec: StatisticSpec,
    scope: Scope,
) -> TypedTerm:
    """Check a call of a statistic.

    Its arguments are expressions of one row; those of `low` and `high` are a statistic.
    """
    if scope.kind != "rows":
        _report_misplaced_statistic(node, function, scope)
        return TypedTerm(UNKNOWN.term, function.result)
    if spec.is_bound:
        return _check_interval_bound(expressions, node, function, spec, scope)
    arguments = _bind_statistic_arguments(node, function, spec, scope)
    if arguments is None:
        return TypedTerm(expr.Statistic(spec, ()), spec.result_type(NUMBER))
    columns = [_check_row_argument(expressions, value, spec, scope) for value in arguments.rows]
    options = _check_option_arguments(expressions, arguments, scope)
    # The columns of a correlation need no common scale, so the first one stands for its input.
    values = columns[0].type
    if spec.compares_ratings:
        raters = [
            Rater.of(value, column, scope)
            for value, column in zip(arguments.rows, columns, strict=True)
        ]
        values = common_type(spec, str(dict(options).get("level", "")), raters, scope)
    # The text may stand on several lines; a message shows it on one.
    names = tuple(" ".join(scope.source_text(value).split()) for value in arguments.rows)
    terms = tuple(column.term for column in columns)
    return TypedTerm(expr.Statistic(spec, terms, names, options, values), spec.result_type(values))


def _report_misplaced_statistic(node: nodes.CallNode, function: Function, scope: Scope) -> None:
    equivalent = _ROW_EQUIVALENTS.get(function.name, _ANY_ROW_EQUIVALENT)
    scope.report(
        "RMG319",
        f"`{function.name}` is about all rows of the run, and this is about one",
        node.function.span,
        help=f"it stands in a `require`; for the parts of one row there is {equivalent}",
    )


def _check_interval_bound(
    expressions: ExpressionChecker,
    node: nodes.CallNode,
    function: Function,
    spec: StatisticSpec,
    scope: Scope,
) -> TypedTerm:
    """`low` and `high` of a statistic."""
    arguments = bind_arguments(node, function, scope)
    if arguments is None:
        return TypedTerm(expr.Statistic(spec, ()), NUMBER)
    value = arguments["statistic"]
    inner = expressions.check(value, scope)
    # The argument has a report of its own.
    if inner.term == UNKNOWN.term:
        return TypedTerm(UNKNOWN.term, NUMBER)
    if not isinstance(inner.term, expr.Statistic) or inner.term.spec.is_bound:
        _report_no_statistic(value, function, scope)
        return TypedTerm(UNKNOWN.term, NUMBER)
    # A bound of a mean may be computed off the scale of its values.
    kind = NUMBER if inner.term.spec.keeps_scale else inner.type
    bound = expr.Statistic(spec, (inner.term,), (scope.source_text(value),))
    return TypedTerm(bound, kind)


def _report_no_statistic(value: nodes.Expr, function: Function, scope: Scope) -> None:
    name = function.name
    scope.report(
        "RMG313",
        f"`{name}` wants a function over the rows, and `{scope.source_text(value)}` is none",
        value.span,
        help=f"such as `{name}(mean(reward))`; of a difference: `{name}(mean(a - b))`",
    )


# ── arguments ────────────────────────────────────────────────────────────────────────────────────


class _StatisticArguments(NamedTuple):
    """The expressions of a row, and the options by name."""

    rows: list[nodes.Expr]
    options: dict[str, nodes.Expr]


def _bind_statistic_arguments(
    node: nodes.CallNode, function: Function, spec: StatisticSpec, scope: Scope
) -> _StatisticArguments | None:
    """Which argument is which; none where the call does not fit the signature."""
    # Raters have no names, so Python's binding does not fit them.
    if spec.arity is None:
        return _bind_raters(node, function, scope)
    bound = bind_arguments(node, function, scope)
    if bound is None:
        return None
    rows: list[nodes.Expr] = []
    options: dict[str, nodes.Expr] = {}
    for parameter in function.parameters:
        value = bound.get(parameter.name) or parameter.default
        if value is None:
            continue
        if parameter.type in STATISTIC_INPUTS:
            rows.append(value)
        else:
            options[parameter.name] = value
    return _StatisticArguments(rows, options)


def _bind_raters(
    node: nodes.CallNode, function: Function, scope: Scope
) -> _StatisticArguments | None:
    """Arguments without a name are raters, two or more; those with a name are options."""
    rows: list[nodes.Expr] = []
    options = _default_options(function)
    named: dict[str, nodes.Expr] = {}
    for argument in node.arguments:
        if argument.label is None:
            rows.append(argument.value)
            continue
        name = argument.label.id if isinstance(argument.label, nodes.NameNode) else ""
        if name not in options or name in named:
            # An option that is written twice needs no other name.
            repeated = name in named
            _report_unknown_option(argument.label, name, repeated, options, function, scope)
            return None
        named[name] = argument.value
    if len(rows) < 2:
        scope.report(
            "RMG312",
            f"`{function.name}` compares two raters or more",
            node.span,
            help=f"write `{function.name}(a, b, …)`",
        )
        return None
    return _StatisticArguments(rows, {**options, **named})


def _default_options(function: Function) -> dict[str, nodes.Expr]:
    return {p.name: p.default for p in function.parameters if p.default is not None}


def _report_unknown_option(
    label: nodes.Expr,
    name: str,
    repeated: bool,
    options: Mapping[str, nodes.Expr],
    function: Function,
    scope: Scope,
) -> None:
    close = suggest_name(name, options)
    help = f"write `{function}`"
    if close and not repeated:
        help = f"did you mean `{close}`?"
    message = f"`{function.name}` has no argument `{name}`"
    scope.report("RMG312", message, label.span, help=help)


def _check_option_arguments(
    expressions: ExpressionChecker, arguments: _StatisticArguments, scope: Scope
) -> tuple[tuple[str, float | str], ...]:
    return tuple(
        (name, _check_option_argument(expressions, name, value, scope))
        for name, value in arguments.options.items()
    )


def _check_option_argument(
    expressions: ExpressionChecker, name: str, value: nodes.Expr, scope: Scope
) -> float | str:
    if name in OPTION_WORDS:
        return _check_word_option(expressions, name, value, scope)
    return _check_share_option(expressions, name, value, scope)


def _check_word_option(
    expressions: ExpressionChecker, name: str, value: nodes.Expr, scope: Scope
) -> str:
    """An option that is one of a few words, in quotes."""
    words = OPTION_WORDS[name]
    bare = value.id if isinstance(value, nodes.NameNode) else ""
    # A bare word of the option lacks its quotes; as an expression it would be an unknown name.
    term = None if bare in words else expressions.check(value, scope).term
    word = str(term.value) if isinstance(term, expr.Constant) else bare
    if word in words and not bare:
        return word
    close = word if word in words else suggest_name(word, words)
    scope.report(
        "RMG313",
        f"`{name}` is one of the texts {format_names(words)}",
        value.span,
        help=f'write `{name}="{close or words[0]}"`',
        fixes=[Fix(value.span, f'"{close}"', f'write "{close}"')] if close else [],
    )
    # The check goes on with a valid word, so that the raters are checked as well.
    return words[0]


def _check_share_option(
    expressions: ExpressionChecker, name: str, value: nodes.Expr, scope: Scope
) -> float:
    """An option that is a share."""
    share = constant_number(expressions.check(value, scope))
    if share is None or not 0 <= share <= 1:
        help = "0.5 is the median, 0.1 the value that a tenth of the rows is below"
        scope.report("RMG313", f"`{name}` is a number from 0 to 1", value.span, help=help)
    return share or 0.0


# ── columns ──────────────────────────────────────────────────────────────────────────────────────


def _check_row_argument(
    expressions: ExpressionChecker, value: nodes.Expr, spec: StatisticSpec, scope: Scope
) -> TypedTerm:
    """The expression that a statistic reads of each row; of the type `any` where it is wrong."""
    row = scope.with_kind("row")
    # The verdicts of people are columns; a statistic of one column is of scores.
    if not spec.compares_columns:
        use = f"`{spec.name}` of {scope.owner}"
        if not expressions.check_score_name(value, row, use):
            return UNKNOWN
    column = expressions.check(value, row)
    before = len(scope.state.diagnostics)
    match spec.input.needs:
        case "condition":
            _check_condition_column(expressions, value, column, spec, scope)
        case "number":
            _check_number_column(expressions, value, column, spec, scope)
        case "grader":
            _check_grader_column(value, column, spec, scope)
        case _:
            pass  # `common_type` checks ratings, all of them together
    if len(scope.state.diagnostics) == before:
        return column
    return TypedTerm(column.term, ANY)


def _check_condition_column(
    expressions: ExpressionChecker,
    value: nodes.Expr,
    column: TypedTerm,
    spec: StatisticSpec,
    scope: Scope,
) -> None:
    if column.type.kind in ("bool", "any"):
        return
    name, text = spec.name, scope.source_text(value)
    help = f"write `{name}({text} >= …)` or `{name}(passed({text}))`"
    expected = f"`{name}` wants a condition"
    expressions.report_wrong_type("RMG301", value, column.type, expected, scope, help)


def _check_number_column(
    expressions: ExpressionChecker,
    value: nodes.Expr,
    column: TypedTerm,
    spec: StatisticSpec,
    scope: Scope,
) -> None:
    if column.type.is_numeric:
        return
    help = _label_column_help(spec) if column.type.kind == "label" else ""
    expected = f"`{spec.name}` wants numbers"
    expressions.report_wrong_type("RMG302", value, column.type, expected, scope, help)


def _label_column_help(spec: StatisticSpec) -> str:
    if spec.compares_columns:
        return "words without order have `kappa(…)` and `accuracy(…)`"
    return 'a label has no mean; ask for a share: `share(tone == "kind")`'


def _check_grader_column(
    value: nodes.Expr, column: TypedTerm, spec: StatisticSpec, scope: Scope
) -> None:
    if not isinstance(column.term, expr.ScoreRef) and column != UNKNOWN:
        scope.report("RMG215", f"`{spec.name}` wants a grader or an aggregate", value.span)
