"""Prompts in a spec: each name in a template found among fields, columns and params, each slip told at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.scope import Scope
from rmg_dsl.diagnostics import Fix, Span
from rmg_dsl.ir import expr
from rmg_dsl.ir.expr import Constant, Term
from rmg_dsl.prompts.cache_prefix import MIN_CACHEABLE_LENGTH, RowDataPosition, find_row_data
from rmg_dsl.prompts.template import Variable, has_tags, outline, single_braces
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.strings import UnknownEscape, characters

_FORMAT_BRACES = re.compile(r"\{\{\s*[\"'\n]|[\"'\d\]\}]\s*\}\}|\{\{[^{}]*:[^{}]*\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class CheckedTemplate:
    """A template's text, the values of its names, and which of the row's names it cannot do without."""

    text: str
    bindings: tuple[tuple[str, Term], ...] = ()
    constants: tuple[tuple[str, float | int | bool | str], ...] = ()
    needs: tuple[str, ...] = ()


def check_template(
    node: nodes.TextNode, expressions: ExpressionChecker, scope: Scope, what: str = "the prompt"
) -> CheckedTemplate:
    """Resolve the names of a template; `scope.words` are names that the key itself gives, such as `a` and `b`."""
    outlined = outline(node.value)
    for objection in outlined.problems:
        span = _line_span(node, objection.line)
        if objection.code == "RMG402" and _looks_like_format(node.value):
            _report_format_template(node, scope, what)
        else:
            scope.report(objection.code, objection.message, span, help=objection.help)
    _check_braces(node, outlined.variables, scope, what)
    bound: list[tuple[str, Term]] = []
    constants: list[tuple[str, float | int | bool | str]] = []
    for variable in outlined.variables:
        _bind_variable(variable, node, expressions, scope, what, bound, constants)
    needs = tuple(
        v.name for v in outlined.variables if not v.optional and v.name not in dict(constants)
    )
    if what in ("the prompt", "the system") and not scope.file.is_library:
        _check_prompt_prefix(node, outlined.variables, constants, scope)
    return CheckedTemplate(node.value, tuple(bound), tuple(constants), needs)


def report_unquoted_text(setting: nodes.SettingLine, scope: Scope) -> None:
    """Report a key that wants a text and got something else."""
    help = "`{{ name }}` inside the quotes puts a value in"
    scope.report("RMG111", f"`{setting.key.id}` is a text in quotes", setting.value.span, help=help)


def _bind_variable(
    variable: Variable,
    node: nodes.TextNode,
    expressions: ExpressionChecker,
    scope: Scope,
    what: str,
    bound: list[tuple[str, Term]],
    constants: list[tuple[str, float | int | bool | str]],
) -> None:
    span = name_span(node, variable)
    scope.rebindable_names.add(variable.name)
    place = replace(scope, allows_missing=True) if variable.optional else scope
    term = _template_name_term(variable.name, span, expressions, place, what)
    if term is None:
        return
    if isinstance(term, Constant) and term.value is not None:
        constants.append((variable.name, term.value))
    else:
        bound.append((variable.name, term))


def _template_name_term(
    name: str, span: Span, expressions: ExpressionChecker, scope: Scope, what: str
) -> Term | None:
    if name in scope.local_names:
        return scope.local_names[name].term
    rebound = dict(scope.bindings).get(name)
    if rebound is not None:
        return rebound.term
    root = scope.state.root
    target = scope.file.find(name)
    if target is None or not isinstance(target.file.declarations[target.name], nodes.ParamDecl):
        own = (
            target
            if target and not isinstance(target.file.declarations[target.name], nodes.FieldDecl)
            else None
        )
        target = root.find_field(name) or own
    declared = target.file.declarations[target.name] if target else None
    match declared:
        case nodes.FieldDecl() | nodes.ParamDecl():
            return expressions.check(nodes.NameNode(name, span), scope).term
        case nodes.Broken():
            return None
        case None:
            message = f"unknown name `{name}` in {what} of {scope.owner}"
            expressions.resolve_column(name, span, scope, "RMG401", message)
            return expr.ColumnRef(name)
        case _:
            return _report_unusable_name(name, span, declared, scope, what)


def _report_unusable_name(
    name: str, span: Span, declared: object, scope: Scope, what: str
) -> Term | None:
    """A grader's or model's name in a prompt: a column of that name may be meant, a score never."""
    if scope.state.universe.columns is not None and name in scope.state.universe.columns:
        scope.state.use_column(name, scope.file.source, span, scope.allows_missing)
        return expr.ColumnRef(name)
    kind = nodes.keyword_of(declared)
    help = "a prompt sees fields, columns and params; scores meet in an `aggregate`"
    scope.report(
        "RMG405", f"`{name}` in {what} of {scope.owner} is a {kind}, not a field", span, help=help
    )
    return None


# ── places in a template ─────────────────────────────────────────────────────────────────────────────────────────


def name_span(node: nodes.TextNode, variable: Variable) -> Span:
    """Where a name stands: the template engine knows the line, the name is looked for inside the tags of that line."""
    lines = node.value.split("\n")
    start = sum(len(line) + 1 for line in lines[: variable.line - 1])
    pattern = re.compile(rf"(?<![\w.]){re.escape(variable.name)}(?!\w)")
    for match in pattern.finditer(node.value, start):
        opened = max(
            node.value.rfind("{{", 0, match.start()), node.value.rfind("{%", 0, match.start())
        )
        closed = max(
            node.value.rfind("}}", 0, match.start()), node.value.rfind("%}", 0, match.start())
        )
        if opened > closed:
            return source_span(node, match.start(), match.end())
    return _line_span(node, variable.line)


def source_span(node: nodes.TextNode, start: int, end: int) -> Span:
    """A stretch of a string's meaning as a stretch of the source."""
    try:
        origins = [c.origin for c in characters(node.token)]
    except UnknownEscape:
        return node.span
    if not origins or start >= len(origins):
        return node.span
    first = node.span.start + origins[start]
    last = node.span.start + origins[min(end, len(origins)) - 1] + 1
    return Span(first, max(first + 1, last))


def _line_span(node: nodes.TextNode, line: int) -> Span:
    lines = node.value.split("\n")
    number = min(max(1, line), len(lines))
    start = sum(len(text) + 1 for text in lines[: number - 1])
    text = lines[number - 1]
    indent = len(text) - len(text.lstrip())
    return source_span(node, start + indent, start + max(len(text.rstrip()), indent + 1))


# ── templates of another kind ────────────────────────────────────────────────────────────────────────────────────


def _check_braces(
    node: nodes.TextNode, variables: Iterable[Variable], scope: Scope, what: str
) -> None:
    """`{query}`: a mistake where the prompt has no `{{ }}`, a doubt where the name is known, else text."""
    braces = single_braces(node.value)
    if not braces:
        return
    if _looks_like_format(node.value):
        _report_format_template(node, scope, what)
        return
    known_names = _known_names(scope) | {v.name for v in variables}
    for name, start, end in braces:
        span = source_span(node, start, end)
        fix = Fix(span, f"{{{{ {name} }}}}", f"write `{{{{ {name} }}}}`")
        help = f"a value is put in by two braces: `{{{{ {name} }}}}`"
        if not has_tags(node.value):
            scope.report(
                "RMG403",
                f"`{{{name}}}` is plain text here: nothing is put in",
                span,
                help=help,
                fixes=[fix],
            )
        elif name in known_names:
            message = f"`{{{name}}}` is plain text here, and `{name}` is a field"
            scope.report("RMG403", message, span, help=help, fixes=[fix], severity="warning")


def _looks_like_format(text: str) -> bool:
    """Doubled braces around what is no expression, beside single ones around names: written for `str.format`."""
    return bool(single_braces(text)) and bool(_FORMAT_BRACES.search(text))


def _report_format_template(node: nodes.TextNode, scope: Scope, what: str) -> None:
    name, start, end = (single_braces(node.value) or [("name", 0, 1)])[0]
    span = source_span(node, start, end)
    help = f"write `{{{{ {name} }}}}` for `{{{name}}}`, and single braces for doubled ones"
    if not any(d.code == "RMG406" and d.span == span for d in scope.state.diagnostics):
        scope.report(
            "RMG406", f"{what} of {scope.owner} is written for `str.format`", span, help=help
        )


def _known_names(scope: Scope) -> set[str]:
    columns = scope.state.universe.columns or frozenset()
    root = scope.state.root.declarations.items()
    return (
        {name for name, declared in root if isinstance(declared, nodes.FieldDecl | nodes.ParamDecl)}
        | set(columns)
        | set(scope.state.columns)
    )


def _check_prompt_prefix(
    node: nodes.TextNode,
    variables: Iterable[Variable],
    constants: Sequence[tuple[str, object]],
    scope: Scope,
) -> None:
    """Row data before a long constant part: the provider cannot reuse what it has read of the prompt."""
    row_data = find_row_data(node.value, {v.name for v in variables} - set(dict(constants)))
    if row_data and row_data.constant_after >= MIN_CACHEABLE_LENGTH:
        _report_row_data_first(
            node,
            row_data,
            scope,
            "put the constant part first: providers read it once for all rows",
        )


def _report_row_data_first(
    node: nodes.TextNode, row_data: RowDataPosition, scope: Scope, help: str
) -> None:
    span = source_span(node, row_data.start, row_data.end)
    scope.report("RMG407", "the row's data stands before a long constant part", span, help=help)


def check_system_prefix(
    texts: Mapping[str, nodes.TextNode], templates: Mapping[str, CheckedTemplate], scope: Scope
) -> None:
    """The row's data in `system`: the whole prompt stands behind it."""
    if "system" not in texts or "prompt" not in texts or scope.file.is_library:
        return
    node, names = texts["system"], {name for name, _ in templates["system"].bindings}
    row_data = find_row_data(node.value, names)
    if row_data is None or row_data.constant_after >= MIN_CACHEABLE_LENGTH:
        return
    own = {name for name, _ in templates["prompt"].bindings}
    prompt = find_row_data(texts["prompt"].value, own)
    constant = max(prompt.start, prompt.constant_after) if prompt else len(texts["prompt"].value)
    if constant >= MIN_CACHEABLE_LENGTH:
        help = "put the row's data into the prompt, behind what is constant: `system` is read first"
        _report_row_data_first(node, row_data, scope, help)


def merge_templates(templates: Mapping[str, CheckedTemplate]) -> CheckedTemplate:
    """The names of several templates of one question together."""
    bound = {name: term for t in templates.values() for name, term in t.bindings}
    constants = {name: value for t in templates.values() for name, value in t.constants}
    needs = tuple(dict.fromkeys(name for t in templates.values() for name in t.needs))
    return CheckedTemplate(
        "", tuple(sorted(bound.items())), tuple(sorted(constants.items())), needs
    )
