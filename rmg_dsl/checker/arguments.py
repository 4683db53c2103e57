"""Arguments of a call: which parameter each one is for, and whether it fits."""

from __future__ import annotations

import re

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.scope import Scope
from rmg_dsl.checker.signatures import Function, FunctionParameter
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir.expr import Constant, Term
from rmg_dsl.ir.types import Type
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes


def bind_arguments(
    node: nodes.CallNode, function: Function, scope: Scope
) -> dict[str, nodes.Expr] | None:
    """Arguments by parameter, as Python binds them; none where the call does not fit the signature."""
    given: dict[str, nodes.Expr] = {}
    names = [p.name for p in function.parameters]
    for position, argument in enumerate(node.arguments):
        if argument.label is None:
            name = names[position] if position < len(names) else ""
        else:
            name = argument.label.id if isinstance(argument.label, nodes.NameNode) else ""
        if name not in names or name in given:
            _report_bad_argument(argument, function, name, scope)
            return None
        given[name] = argument.value
    missing = [p.name for p in function.parameters if p.default is None and p.name not in given]
    if missing:
        message = f"`{function.name}` also wants {format_names(missing)}"
        scope.report("RMG312", message, node.span, help=f"write `{function}`")
        return None
    return given


def _report_bad_argument(
    argument: nodes.ArgumentNode, function: Function, name: str, scope: Scope
) -> None:
    label = argument.label
    if label is None:
        message = f"`{function.name}` takes {len(function.parameters)} argument{'s' * (len(function.parameters) != 1)}"
        scope.report("RMG312", message, argument.span, help=f"write `{function}`")
    elif isinstance(label, nodes.NameNode) and name not in {p.name for p in function.parameters}:
        close = suggest_name(label.id, [p.name for p in function.parameters])
        fixes = [Fix(label.span, close, f"write `{close}`")] if close else []
        help = f"did you mean `{close}`?" if close else f"write `{function}`"
        scope.report(
            "RMG312",
            f"`{function.name}` has no argument `{label.id}`",
            label.span,
            help=help,
            fixes=fixes,
        )
    else:
        scope.report(
            "RMG312",
            f"`{function.name}` gets this argument twice, or weights where it takes none",
            argument.span,
            help=f"write `{function}`",
        )


def check_argument(
    expressions: ExpressionChecker,
    value: nodes.Expr,
    parameter: FunctionParameter,
    function: Function,
    scope: Scope,
) -> Term:
    if parameter.type == "field":
        return expressions.check(value, scope.allowing_missing()).term
    if _is_quoted_column(value, parameter, scope):
        assert isinstance(value, nodes.TextNode)
        help = f"a field or column stands bare: `{value.value}`; quotes make it a text"
        scope.report(
            "RMG313",
            f'"{value.value}" is a text, not the column',
            value.span,
            help=help,
            fixes=[Fix(value.span, value.value, "remove the quotes")],
            severity="warning",
        )
    found = expressions.check(value, scope)
    if not _fits_parameter(found.type, parameter.type):
        article = {
            "text": "a text",
            "number": "a number",
            "bool": "True or False",
            "list": "a list",
        }
        wanted = f"`{function.name}` wants {article.get(parameter.type, parameter.type)} for `{parameter.name}`"
        expressions.report_wrong_type("RMG313", value, found.type, wanted, scope)
    if (
        parameter.name == "pattern"
        and isinstance(found.term, Constant)
        and isinstance(found.term.value, str)
    ):
        _check_pattern(found.term.value, value, scope)
    return found.term


def _is_quoted_column(value: nodes.Expr, parameter: FunctionParameter, scope: Scope) -> bool:
    """`words("response")` counts one word, always: surely the field was meant."""
    if not isinstance(value, nodes.TextNode) or parameter.name not in (
        "text",
        "response",
        "reference",
        "items",
        "messages",
        "value",
    ):
        return False
    known = scope.state.universe.columns or frozenset()
    root = scope.state.root.find(value.value)
    declared = root is not None and isinstance(root.declaration, nodes.FieldDecl)
    return (
        declared
        or value.value in known
        or value.value in ("response", "query", "reference", "context", "answer", "question")
    )


def _fits_parameter(kind: Type, wanted: str) -> bool:
    if kind.kind == "any" or wanted == "any":
        return True
    if wanted == "number":
        return kind.is_numeric
    if wanted == "text":
        return kind.kind in ("text", "label")
    return kind.kind == wanted


def _check_pattern(pattern: str, node: nodes.Expr, scope: Scope) -> None:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        scope.report("RMG321", f"this regular expression cannot be read: {error}", node.span)
