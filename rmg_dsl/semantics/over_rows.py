"""Functions over the rows of a run, which stand in `require` and nowhere else."""

from __future__ import annotations

from rmg_dsl.semantics import terms
from rmg_dsl.semantics.arguments import arguments_of
from rmg_dsl.semantics.expressions import UNKNOWN, Expressions
from rmg_dsl.semantics.scope import Scope, Typed
from rmg_dsl.semantics.signatures import Function, Parameter
from rmg_dsl.semantics.spec import Unready
from rmg_dsl.semantics.types import NUMBER, Type, number
from rmg_dsl.syntax import nodes

READY_OVER_ROWS = frozenset({"mean", "median", "share", "count", "unscored"})


def over_rows(expressions: Expressions, node: nodes.Call, function: Function, scope: Scope) -> Typed:
    if scope.place != "rows":
        help = f"it stands in a `require`; for the parts of one row there is {_row_twin(function.name)}"
        assert isinstance(node.function, nodes.Name)
        scope.report(
            "RMG319",
            f"`{function.name}` is about all rows of the run, and this is about one",
            node.function.span,
            help=help,
        )
        return Typed(UNKNOWN.term, function.result)
    if function.name not in READY_OVER_ROWS:
        scope.book.unready.append(_unready(function, node, scope))
    found = _row_arguments(expressions, node, function, scope)
    kind = (
        found[0].type
        if function.result == NUMBER and function.parameters[0].type == "rows" and found
        else function.result
    )
    if function.name not in ("mean", "median", "quantile"):
        kind = function.result
    return Typed(terms.OverRows(function.name, tuple(f.term for f in found)), _mean_type(kind))


def _unready(function: Function, node: nodes.Call, scope: Scope) -> Unready:
    return Unready(f"`{function.name}(…)` over the rows", scope.file.source, node.span)


def _mean_type(kind: Type) -> Type:
    return number(kind.low, kind.high, kind.direction) if kind.kind in ("number", "bool") else NUMBER


def _row_twin(name: str) -> str:
    return {"mean": "`weighted(a, b)`", "share": "`passed(g)`", "median": "`weighted`, `min` and `max`"}.get(
        name, "`weighted`, `min`, `max`, `sum`"
    )


def _row_arguments(expressions: Expressions, node: nodes.Call, function: Function, scope: Scope) -> list[Typed]:
    if function.parameters[0].variadic:
        return [expressions.check(a.value, scope.at("row")) for a in node.arguments if a.label is None]
    given = arguments_of(node, function, scope)
    if given is None:
        return []
    found = []
    for parameter in function.parameters:
        value = given.get(parameter.name) or parameter.default
        assert value is not None
        found.append(_row_argument(expressions, value, parameter, function, scope))
    return found


def _row_argument(
    expressions: Expressions, value: nodes.Expr, parameter: Parameter, function: Function, scope: Scope
) -> Typed:
    if parameter.type != "rows":
        return expressions.check(value, scope)
    row = scope.at("row")
    if not _may_be_column(function) and not expressions.wants_score(value, row, f"`{function.name}` of {scope.owner}"):
        return UNKNOWN
    found = expressions.check(value, row)
    if function.name in ("share", "count") and found.type.kind not in ("bool", "any"):
        help = f"write `{function.name}({scope.text(value)} >= …)` or `{function.name}(passed({scope.text(value)}))`"
        expressions.wrong_kind("RMG301", value, found.type, f"`{function.name}` wants a condition", scope, help)
    elif function.name in ("mean", "median") and not found.type.is_numeric:
        help = 'a label has no mean; ask for a share: `share(tone == "kind")`' if found.type.kind == "label" else ""
        expressions.wrong_kind("RMG302", value, found.type, f"`{function.name}` wants numbers", scope, help)
    elif function.name == "unscored" and not isinstance(found.term, terms.ScoreOf) and found != UNKNOWN:
        scope.report("RMG215", "`unscored` wants a grader or an aggregate", value.span)
    return found


def _may_be_column(function: Function) -> bool:
    """Agreement is with people, whose verdicts are columns."""
    return len([p for p in function.parameters if p.type == "rows"]) > 1
