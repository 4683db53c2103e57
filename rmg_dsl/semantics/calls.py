"""Calls of built-in functions: which arguments they take, and what comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import TypeAlias

from rmg_dsl.diagnostics import Fix
from rmg_dsl.semantics import terms
from rmg_dsl.semantics.expressions import Expressions, constant_number
from rmg_dsl.semantics.names import likely, listed
from rmg_dsl.semantics.scope import Scope, Typed
from rmg_dsl.semantics.signatures import Function, Parameter
from rmg_dsl.semantics.spec import Unready
from rmg_dsl.semantics.terms import Constant, Term
from rmg_dsl.semantics.types import ANY, BOOL, NUMBER, Type, alike, directions, folded, number
from rmg_dsl.syntax import nodes

Special: TypeAlias = Callable[[Expressions, nodes.Call, Scope], Typed]

READY_OVER_ROWS = frozenset({"mean", "median", "share", "count", "unscored"})
_UNKNOWN = Typed(Constant(None, "unknown"), ANY)


def call_function(expressions: Expressions, node: nodes.Call, name: str, scope: Scope) -> Typed:
    """The type of a call, by the function's own rule where it has one, else by its signature."""
    functions = scope.book.universe.functions
    if name not in functions:
        return _python_function(expressions, node, name, scope)
    function = functions[name]
    if function.over_rows:
        return _over_rows(expressions, node, function, scope)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(expressions, node, scope)
    return _ordinary(expressions, node, function, scope)


def _python_function(expressions: Expressions, node: nodes.Call, name: str, scope: Scope) -> Typed:
    """A function of the caller's own: nothing is known of it but its name; its arguments go in order."""
    labelled = next((a for a in node.arguments if a.label is not None), None)
    if labelled is not None:
        scope.report("RMG312", f"`{name}` takes its arguments in order, without names", labelled.span)
    return Typed(terms.Apply(name, tuple(expressions.check(a.value, scope).term for a in node.arguments)), ANY)


# ── by signature ─────────────────────────────────────────────────────────────────────────────────────────────────


def _ordinary(expressions: Expressions, node: nodes.Call, function: Function, scope: Scope) -> Typed:
    given = arguments_of(node, function, scope)
    if given is None:
        return Typed(_UNKNOWN.term, function.result)
    found: list[Term] = []
    for parameter in function.parameters:
        value = given.get(parameter.name) or parameter.default
        assert value is not None
        found.append(_argument(expressions, value, parameter, function, scope))
    return Typed(terms.Apply(function.name, tuple(found)), function.result)


def arguments_of(node: nodes.Call, function: Function, scope: Scope) -> dict[str, nodes.Expr] | None:
    """Arguments by parameter, as Python binds them; none where the call does not fit the signature."""
    given: dict[str, nodes.Expr] = {}
    names = [p.name for p in function.parameters]
    for position, argument in enumerate(node.arguments):
        if argument.label is None:
            name = names[position] if position < len(names) else ""
        else:
            name = argument.label.id if isinstance(argument.label, nodes.Name) else ""
        if name not in names or name in given:
            _does_not_fit(argument, function, name, scope)
            return None
        given[name] = argument.value
    missing = [p.name for p in function.parameters if p.default is None and p.name not in given]
    if missing:
        message = f"`{function.name}` also wants {listed(missing)}"
        scope.report("RMG312", message, node.span, help=f"write `{function}`")
        return None
    return given


def _does_not_fit(argument: nodes.Argument, function: Function, name: str, scope: Scope) -> None:
    label = argument.label
    if label is None:
        message = f"`{function.name}` takes {len(function.parameters)} argument{'s' * (len(function.parameters) != 1)}"
        scope.report("RMG312", message, argument.span, help=f"write `{function}`")
    elif isinstance(label, nodes.Name) and name not in {p.name for p in function.parameters}:
        close = likely(label.id, [p.name for p in function.parameters])
        fixes = [Fix(label.span, close, f"write `{close}`")] if close else []
        help = f"did you mean `{close}`?" if close else f"write `{function}`"
        scope.report("RMG312", f"`{function.name}` has no argument `{label.id}`", label.span, help=help, fixes=fixes)
    else:
        scope.report(
            "RMG312",
            f"`{function.name}` gets this argument twice, or weights where it takes none",
            argument.span,
            help=f"write `{function}`",
        )


def _argument(
    expressions: Expressions, value: nodes.Expr, parameter: Parameter, function: Function, scope: Scope
) -> Term:
    if parameter.type == "field":
        return expressions.check(value, scope.allowing_missing()).term
    if _is_quoted_column(value, parameter, scope):
        assert isinstance(value, nodes.Text)
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
    if not _fits(found.type, parameter.type):
        article = {"text": "a text", "number": "a number", "bool": "True or False", "list": "a list"}
        wanted = f"`{function.name}` wants {article.get(parameter.type, parameter.type)} for `{parameter.name}`"
        expressions.wrong_kind("RMG313", value, found.type, wanted, scope)
    if parameter.name == "pattern" and isinstance(found.term, Constant) and isinstance(found.term.value, str):
        _check_pattern(found.term.value, value, scope)
    return found.term


def _is_quoted_column(value: nodes.Expr, parameter: Parameter, scope: Scope) -> bool:
    """`words("response")` counts one word, always: surely the field was meant."""
    if not isinstance(value, nodes.Text) or parameter.name not in (
        "text",
        "response",
        "reference",
        "items",
        "messages",
        "value",
    ):
        return False
    known = scope.book.universe.columns or frozenset()
    root = scope.book.root.find(value.value)
    declared = root is not None and isinstance(root.file.declared[root.name], nodes.FieldDecl)
    return (
        declared
        or value.value in known
        or value.value in ("response", "query", "reference", "context", "answer", "question")
    )


def _fits(kind: Type, wanted: str) -> bool:
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


# ── folds: weighted, min, max, sum, any, all ─────────────────────────────────────────────────────────────────────


def _weighted(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    parts = _parts(expressions, node, scope, "weighted", labels_are_parts=True)
    weights = _weights(expressions, node, scope)
    _check_alike(parts, node, "weighted", scope)
    kind = folded([p.type for p in parts]) if parts else NUMBER
    return Typed(terms.Fold("weighted", tuple(p.term for p in parts), weights, scope.drop), kind)


def _weights(expressions: Expressions, node: nodes.Call, scope: Scope) -> tuple[float, ...]:
    """The weights as written; equal ones where none are."""
    labelled = [a for a in node.arguments if a.label is not None]
    if not labelled:
        return (1.0,) * len(node.arguments)
    bare = next((a for a in node.arguments if a.label is None), None)
    if bare is not None:
        text = scope.text(bare.value)
        scope.report(
            "RMG305",
            f"`{text}` has no weight, and others have",
            bare.span,
            help=f"write `{text}=…`, or no weights at all",
        )
        return (1.0,) * len(node.arguments)
    weights = [_weight(expressions, a, scope) for a in labelled]
    if None in weights:
        return (1.0,) * len(weights)
    known = [w for w in weights if w is not None]
    total = sum(known)
    if total == 0:
        scope.report("RMG305", "all the weights are 0", node.span, help="give at least one part a weight above 0")
    elif abs(total - 1) > 1e-6:
        first, last = labelled[0].value.span, labelled[-1].value.span
        span = type(first)(first.start, last.end) if len(labelled) == 1 else node.span
        scope.report(
            "RMG304",
            f"the weights add up to {total:g}, not to 1",
            span,
            help="they count by their share of the sum; write them so that they add up to 1",
        )
    return tuple(known)


def _weight(expressions: Expressions, argument: nodes.Argument, scope: Scope) -> float | None:
    found = expressions.check(argument.value, scope.at("row"))
    weight = constant_number(found)
    if weight is None:
        help = "`weighted(relevance=0.6, brevity=0.4)`: the part, then its weight"
        scope.report(
            "RMG305",
            f"a weight is a number, and `{scope.text(argument.value)}` is none",
            argument.value.span,
            help=help,
        )
    elif weight < 0:
        scope.report(
            "RMG305",
            "a weight cannot be negative",
            argument.value.span,
            help="to count something against, turn its scale round: `lower`, or `1 - unit(x)`",
        )
        return None
    return weight


def _parts(
    expressions: Expressions, node: nodes.Call, scope: Scope, name: str, labels_are_parts: bool = False
) -> list[Typed]:
    found: list[Typed] = []
    if not node.arguments:
        scope.report("RMG312", f"`{name}` needs at least one part", node.span, help=f"write `{name}(a, b, …)`")
    for argument in node.arguments:
        part = argument.label if labels_are_parts and argument.label is not None else argument.value
        if argument.label is not None and not labels_are_parts:
            scope.report("RMG312", f"`{name}` takes no weights", argument.span, help="only `weighted` does")
        if (
            scope.place != "rows"
            and labels_are_parts
            and not expressions.wants_score(part, scope, f"`{name}` of {scope.owner}")
        ):
            found.append(_UNKNOWN)
            continue
        found.append(_scored_part(expressions, part, scope, name))
    return found


def _scored_part(expressions: Expressions, part: nodes.Expr, scope: Scope, name: str) -> Typed:
    value = expressions.check(part, scope)
    if not value.type.is_numeric and value.type.kind != "list":
        help = 'give the labels values: `("bad"=0 | "good"=1)`' if value.type.kind == "label" else ""
        expressions.wrong_kind("RMG302", part, value.type, f"`{name}` wants scores", scope, help)
        return _UNKNOWN
    return value


def _check_alike(parts: list[Typed], node: nodes.Call, name: str, scope: Scope) -> None:
    kinds = [p.type for p in parts]
    if alike(kinds):
        return
    if len(directions(kinds)) > 1:
        code, message = "RMG325", f"in `{name}` some parts are better high, others low"
    else:
        shown = ", ".join(dict.fromkeys(str(k) for k in kinds if k.kind != "any"))
        code, message = "RMG303", f"the parts of `{name}` stand on unlike scales: {shown}"
    fixes = [fix for fix in (_unit_fix(a, p, scope) for a, p in zip(node.arguments, parts, strict=True)) if fix]
    scope.report(code, message, node.span, help="bring each part to 0..1: `unit(…)`", fixes=fixes)


def _unit_fix(argument: nodes.Argument, part: Typed, scope: Scope) -> Fix | None:
    target = argument.label or argument.value
    if not part.type.bounded or part.type.low == part.type.high or isinstance(part.term, terms.Unit):
        return None
    return Fix(target.span, f"unit({scope.text(target)})", "bring it to 0..1")


def _least_or_greatest(name: str) -> Special:
    def check(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
        parts = _parts(expressions, node, scope, name)
        _check_alike(parts, node, name, scope)
        kind = folded([p.type for p in parts]) if parts else NUMBER
        if parts and all(p.type.kind == "number" for p in parts):
            best = min if name == "min" else max
            kind = replace(kind, low=best(p.type.low for p in parts), high=best(p.type.high for p in parts))
        return Typed(terms.Fold(name, tuple(p.term for p in parts), (), scope.drop), kind)

    return check


def _sum(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    parts = _parts(expressions, node, scope, "sum")
    low, high = (
        (sum(bounds) for bounds in zip(*((p.type.low, p.type.high) for p in parts), strict=True))
        if parts
        else (-inf, inf)
    )
    listy = any(p.type.kind in ("list", "any") for p in parts)
    kind = NUMBER if listy else number(low, high, folded([p.type for p in parts]).direction)
    return Typed(terms.Fold("sum", tuple(p.term for p in parts), (), scope.drop), kind)


def _any_or_all(name: str) -> Special:
    def check(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
        parts = [expressions.condition(a.value, scope) for a in node.arguments]
        labelled = next((a for a in node.arguments if a.label is not None), None)
        if labelled is not None or not parts:
            scope.report("RMG312", f"`{name}` takes conditions, one or more", (labelled or node).span)
        return Typed(terms.Fold(name, tuple(p.term for p in parts), ()), BOOL)

    return check


# ── functions with rules of their own ────────────────────────────────────────────────────────────────────────────


def _single(node: nodes.Call, name: str, scope: Scope) -> nodes.Expr | None:
    given = arguments_of(node, scope.book.universe.functions[name], scope)
    return next(iter(given.values())) if given else None


def _unit(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    unit = number(0, 1, 1)
    operand = _single(node, "unit", scope)
    if operand is None or not expressions.wants_score(operand, scope, f"`unit` of {scope.owner}"):
        return Typed(_UNKNOWN.term, unit)
    found = expressions.check(operand, scope)
    if found == _UNKNOWN:
        return Typed(_UNKNOWN.term, unit)
    if not found.type.bounded or found.type.low >= found.type.high or found.type.kind not in ("number", "bool"):
        message = f"`unit` needs a score with a lowest and a highest value, and `{scope.text(operand)}` is {found.type}"
        scope.report("RMG313", message, operand.span, help="clip it first, or give the grader a scale")
        return Typed(_UNKNOWN.term, unit)
    lower = found.type.direction < 0
    return Typed(terms.Unit(found.term, found.type.low, found.type.high, lower), unit)


def _clip(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    given = arguments_of(node, scope.book.universe.functions["clip"], scope)
    if given is None:
        return Typed(_UNKNOWN.term, NUMBER)
    parts = [_scored_part(expressions, given[name], scope, "clip") for name in ("number", "low", "high")]
    low, high = constant_number(parts[1]), constant_number(parts[2])
    if low is not None and high is not None and low >= high:
        scope.report(
            "RMG313", f"`clip` from {low:g} to {high:g} leaves nothing", node.span, help="the lower bound comes first"
        )
    kind = parts[0].type
    bounds = (-inf if low is None else low, inf if high is None else high)
    inside = number(min(max(kind.low, bounds[0]), bounds[1]), max(min(kind.high, bounds[1]), bounds[0]), kind.direction)
    return Typed(terms.Apply("clip", tuple(p.term for p in parts)), inside)


def _round_or_abs(name: str) -> Special:
    def check(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
        function = scope.book.universe.functions[name]
        found = _ordinary(expressions, node, function, scope)
        given = arguments_of(node, function, scope) if found.term != _UNKNOWN.term else None
        if not given:
            return found
        kind = expressions.check(given["number"], scope).type
        if kind.kind == "any":
            return found
        if name == "round":
            return Typed(found.term, number(kind.low, kind.high, kind.direction) if kind.bounded else NUMBER)
        low = 0 if kind.low <= 0 <= kind.high else min(abs(kind.low), abs(kind.high))
        return Typed(found.term, number(low, max(abs(kind.low), abs(kind.high))))

    return check


def _scored(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    operand = _single(node, "scored", scope)
    found = _wanted_score(expressions, operand, scope, "scored") if operand else None
    return Typed(terms.Scored(found.scoring), BOOL) if found else Typed(_UNKNOWN.term, BOOL)


def _wanted_score(expressions: Expressions, operand: nodes.Expr, scope: Scope, name: str) -> terms.ScoreOf | None:
    if not expressions.wants_score(operand, scope, f"`{name}` of {scope.owner}"):
        return None
    found = expressions.check(operand, scope.at("row"))
    if isinstance(found.term, terms.ScoreOf):
        return found.term
    if found != _UNKNOWN:
        scope.report("RMG215", f"`{name}` wants a grader or an aggregate", operand.span)
    return None


def _passed(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    operand = _single(node, "passed", scope)
    found = _wanted_score(expressions, operand, scope, "passed") if operand else None
    if found is None or operand is None:
        return Typed(_UNKNOWN.term, BOOL)
    kind = expressions.check(operand, scope.at("row")).type
    condition = expressions.passing_of(operand, scope)
    if condition is None and kind.kind in ("bool", "any"):
        condition = terms.Own()
    if condition is None:
        message = f"`{scope.text(operand)}` does not say what passes"
        scope.report("RMG313", message, operand.span, help="give its block a line such as `pass = score >= 4`")
        return Typed(_UNKNOWN.term, BOOL)
    return Typed(terms.Passed(found.scoring, condition), BOOL)


def _given(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    operand = _single(node, "given", scope)
    if operand is None:
        return Typed(_UNKNOWN.term, BOOL)
    found = expressions.check(operand, scope.allowing_missing())
    if isinstance(found.term, terms.ScoreOf):
        scope.report(
            "RMG218", "`given` asks for a field", operand.span, help=f"of a score ask `scored({scope.text(operand)})`"
        )
    return Typed(terms.Given(found.term), BOOL)


def _default(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:
    given = arguments_of(node, scope.book.universe.functions["default"], scope)
    if given is None:
        return _UNKNOWN
    operand = expressions.check(given["field"], scope.allowing_missing())
    instead = expressions.check(given["value"], scope)
    if isinstance(operand.term, terms.ScoreOf):
        help = "a failure is never a default; ask `scored(…)`, or use `missing = drop` in an aggregate"
        scope.report("RMG218", "`default` is for fields, not for scores", given["field"].span, help=help)
    return Typed(terms.Default(operand.term, instead.term), ANY)


def _column(expressions: Expressions, node: nodes.Call, scope: Scope) -> Typed:  # noqa: ARG001 - one signature for all rules
    name = _single(node, "column", scope)
    if not isinstance(name, nodes.Text):
        if name is not None:
            scope.report("RMG313", "`column` wants the column's name in quotes", name.span)
        return _UNKNOWN
    scope.book.use_column(name.value, scope.file.source, name.span, scope.optional)
    return Typed(terms.Column(name.value), ANY)


# ── over the rows ────────────────────────────────────────────────────────────────────────────────────────────────


def _over_rows(expressions: Expressions, node: nodes.Call, function: Function, scope: Scope) -> Typed:
    if scope.place != "rows":
        help = f"it stands in a `require`; for the parts of one row there is {_row_twin(function.name)}"
        assert isinstance(node.function, nodes.Name)
        scope.report(
            "RMG319",
            f"`{function.name}` is about all rows of the run, and this is about one",
            node.function.span,
            help=help,
        )
        return Typed(_UNKNOWN.term, function.result)
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
    if not expressions.wants_score(value, row, f"`{function.name}` of {scope.owner}") and not _may_be_column(function):
        return _UNKNOWN
    found = expressions.check(value, row)
    if function.name in ("share", "count") and found.type.kind not in ("bool", "any"):
        help = f"write `{function.name}({scope.text(value)} >= …)` or `{function.name}(passed({scope.text(value)}))`"
        expressions.wrong_kind("RMG301", value, found.type, f"`{function.name}` wants a condition", scope, help)
    elif function.name in ("mean", "median") and not found.type.is_numeric:
        help = 'a label has no mean; ask for a share: `share(tone == "kind")`' if found.type.kind == "label" else ""
        expressions.wrong_kind("RMG302", value, found.type, f"`{function.name}` wants numbers", scope, help)
    elif function.name == "unscored" and not isinstance(found.term, terms.ScoreOf) and found != _UNKNOWN:
        scope.report("RMG215", "`unscored` wants a grader or an aggregate", value.span)
    return found


def _may_be_column(function: Function) -> bool:
    """Agreement is with people, whose verdicts are columns."""
    return len([p for p in function.parameters if p.type == "rows"]) > 1


_SPECIAL: Mapping[str, Special] = {
    "weighted": _weighted,
    "min": _least_or_greatest("min"),
    "max": _least_or_greatest("max"),
    "sum": _sum,
    "any": _any_or_all("any"),
    "all": _any_or_all("all"),
    "unit": _unit,
    "clip": _clip,
    "round": _round_or_abs("round"),
    "abs": _round_or_abs("abs"),
    "scored": _scored,
    "passed": _passed,
    "given": _given,
    "default": _default,
    "column": _column,
}
