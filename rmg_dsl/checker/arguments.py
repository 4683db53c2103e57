"""Arguments of a call: which parameter each one is bound to, and whether its type fits."""

from __future__ import annotations

from collections.abc import Mapping

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.scope import Scope
from rmg_dsl.checker.signatures import Function, FunctionParameter
from rmg_dsl.diagnostics import Fix
from rmg_dsl.ir.expr import Constant, Term
from rmg_dsl.ir.types import Type
from rmg_dsl.patterns import PATTERN_ERRORS, ambiguity_in, compile_pattern
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes

_TYPE_WORDS: Mapping[str, str] = {
    "text": "a text",
    "number": "a number",
    "bool": "True or False",
    "list": "a list",
}
_TEXT_PARAMETERS = frozenset({"text", "response", "reference", "items", "messages", "value"})
# Without data nothing is known of its columns; these names are common in data sets.
_USUAL_COLUMNS = frozenset({"response", "query", "reference", "context", "answer", "question"})


def bind_arguments(
    node: nodes.CallNode, function: Function, scope: Scope
) -> dict[str, nodes.Expr] | None:
    """Arguments by parameter, bound as in Python; None where they do not fit the signature."""
    bound: dict[str, nodes.Expr] = {}
    names = [p.name for p in function.parameters]
    for position, argument in enumerate(node.arguments):
        if argument.label is None:
            name = names[position] if position < len(names) else ""
        else:
            name = argument.label.id if isinstance(argument.label, nodes.NameNode) else ""
        if name not in names or name in bound:
            _report_bad_argument(argument, function, name, scope)
            return None
        bound[name] = argument.value
    missing = [p.name for p in function.parameters if p.default is None and p.name not in bound]
    if missing:
        message = f"`{function.name}` also wants {format_names(missing)}"
        scope.report("RMG312", message, node.span, help=f"write `{function}`")
        return None
    return bound


def _report_bad_argument(
    argument: nodes.ArgumentNode, function: Function, name: str, scope: Scope
) -> None:
    label = argument.label
    if label is None:
        count = len(function.parameters)
        plural = "" if count == 1 else "s"
        message = f"`{function.name}` takes {count} argument{plural}"
        scope.report("RMG312", message, argument.span, help=f"write `{function}`")
    elif isinstance(label, nodes.NameNode) and name not in {p.name for p in function.parameters}:
        _report_unknown_parameter(label, function, scope)
    else:
        scope.report(
            "RMG312",
            f"`{function.name}` gets this argument twice, or weights where it takes none",
            argument.span,
            help=f"write `{function}`",
        )


def _report_unknown_parameter(label: nodes.NameNode, function: Function, scope: Scope) -> None:
    help = f"write `{function}`"
    fixes: list[Fix] = []
    close = suggest_name(label.id, [p.name for p in function.parameters])
    if close:
        help = f"did you mean `{close}`?"
        fixes = [Fix(label.span, close, f"write `{close}`")]
    message = f"`{function.name}` has no argument `{label.id}`"
    scope.report("RMG312", message, label.span, help=help, fixes=fixes)


def check_argument(
    expressions: ExpressionChecker,
    value: nodes.Expr,
    parameter: FunctionParameter,
    function: Function,
    scope: Scope,
) -> Term:
    """Check the argument of a parameter, and give its term."""
    # A function of a field decides itself what a missing one means.
    if parameter.type == "field":
        return expressions.check(value, scope.allowing_missing()).term
    if isinstance(value, nodes.TextNode) and _is_quoted_column(value, parameter, scope):
        _report_quoted_column(value, scope)
    term, kind = expressions.check(value, scope)
    # A list of references means the best of them.
    is_reference_list = parameter.name == "reference" and kind.kind == "list"
    if not is_reference_list and not _fits_parameter(kind, parameter.type):
        type_words = _TYPE_WORDS.get(parameter.type, parameter.type)
        expected = f"`{function.name}` wants {type_words} for `{parameter.name}`"
        expressions.report_wrong_type("RMG313", value, kind, expected, scope)
    # A constant pattern is compiled now, so that a mistake in it costs no run.
    if parameter.name == "pattern" and isinstance(term, Constant) and isinstance(term.value, str):
        _check_pattern(term.value, value, scope)
    return term


def _is_quoted_column(value: nodes.TextNode, parameter: FunctionParameter, scope: Scope) -> bool:
    """Is this text the name of a column? `words("response")` would always count one word."""
    if parameter.name not in _TEXT_PARAMETERS:
        return False
    name = value.value
    declared = scope.state.root.find(name)
    if declared is not None:
        declaration = declared.declaration
        if isinstance(declaration, nodes.FieldDecl):
            return True
    return name in (scope.state.universe.columns or ()) or name in _USUAL_COLUMNS


def _report_quoted_column(value: nodes.TextNode, scope: Scope) -> None:
    scope.report(
        "RMG313",
        f'"{value.value}" is a text, not the column',
        value.span,
        help=f"a field or column stands bare: `{value.value}`; quotes make it a text",
        fixes=[Fix(value.span, value.value, "remove the quotes")],
        severity="warning",
    )


def _fits_parameter(kind: Type, parameter_type: str) -> bool:
    # What a column holds is known in the run only.
    if kind.kind == "any" or parameter_type == "any":
        return True
    if parameter_type == "number":
        return kind.is_numeric
    if parameter_type == "text":
        return kind.kind in ("text", "label")
    return kind.kind == parameter_type


def _check_pattern(pattern: str, node: nodes.Expr, scope: Scope) -> None:
    try:
        compile_pattern(pattern)
    except PATTERN_ERRORS as error:
        scope.report("RMG321", f"this regular expression cannot be read: {error}", node.span)
        return
    if ambiguity := ambiguity_in(pattern):
        scope.report(
            "RMG321",
            f"this regular expression may not mean what it looks like: {ambiguity}",
            node.span,
            help="write a bracket inside of a set as `\\[`",
            severity="warning",
        )
