"""Check prompts: resolve each name of a template, and report each mistake at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rmg_dsl.checker.expressions import ExpressionChecker
from rmg_dsl.checker.scope import QualifiedName, Scope
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
    """A template with its names resolved: the row values (`bindings`), the constants, and the
    needed names.
    """

    text: str
    bindings: tuple[tuple[str, Term], ...] = ()
    constants: tuple[tuple[str, float | int | bool | str], ...] = ()
    needs: tuple[str, ...] = ()


def check_template(
    node: nodes.TextNode, expressions: ExpressionChecker, scope: Scope, what: str = "the prompt"
) -> CheckedTemplate:
    """Resolve the names of a template; `scope.local_names` are those of the key, such as `a` and
    `b`.
    """
    facts = outline(node.value)
    for problem in facts.problems:
        span = _line_span(node, problem.line)
        if problem.code == "RMG402" and _looks_like_format(node.value):
            _report_format_template(node, scope, what)
        else:
            scope.report(problem.code, problem.message, span, help=problem.help)
    _check_braces(node, facts.variables, scope, what)
    bound: list[tuple[str, Term]] = []
    constants: list[tuple[str, float | int | bool | str]] = []
    for variable in facts.variables:
        _bind_variable(variable, node, expressions, scope, what, bound, constants)
    needs = tuple(
        v.name for v in facts.variables if not v.optional and v.name not in dict(constants)
    )
    if what in ("the prompt", "the system") and not scope.file.is_library:
        _check_prompt_prefix(node, facts.variables, constants, scope)
    return CheckedTemplate(node.value, tuple(bound), tuple(constants), needs)


def report_unquoted_text(setting: nodes.SettingLine, scope: Scope) -> None:
    """Report a key whose value must be a text in quotes."""
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
    if variable.optional:
        scope = scope.allowing_missing()
    term = _template_name_term(variable.name, span, expressions, scope, what)
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
    target = _find_template_name(name, scope)
    declared = target.declaration if target else None
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


def _find_template_name(name: str, scope: Scope) -> QualifiedName | None:
    """Find a param of this file, a field of the root file, or whatever else has this name."""
    target = scope.file.find(name)
    if target is not None and isinstance(target.declaration, nodes.ParamDecl):
        return target
    # Fields are not imported: a prompt of another file reads the fields of the root file.
    field = scope.state.root.find_field(name)
    if field is not None:
        return field
    if target is not None and isinstance(target.declaration, nodes.FieldDecl):
        return None
    return target


def _report_unusable_name(
    name: str, span: Span, declared: object, scope: Scope, what: str
) -> Term | None:
    """Report a name of a grader or model in a prompt, unless the data has a column of that name."""
    if scope.state.universe.columns is not None and name in scope.state.universe.columns:
        scope.state.use_column(name, scope.file.source, span, scope.allows_missing)
        return expr.ColumnRef(name)
    kind = nodes.keyword_of(declared)
    help = "a prompt sees fields, columns and params; scores meet in an `aggregate`"
    scope.report(
        "RMG405", f"`{name}` in {what} of {scope.owner} is a {kind}, not a field", span, help=help
    )
    return None


# ── spans in a template ───────────────────────────────────────────────────────────────────────────


def name_span(node: nodes.TextNode, variable: Variable) -> Span:
    """Find the span of a name. Jinja gives only the line, so search the tags from there on."""
    start = 0
    for _ in range(variable.line - 1):
        start = node.value.find("\n", start) + 1
    for at in _names_in_tags(node.value).get(variable.name, ()):
        if at >= start:
            return source_span(node, at, at + len(variable.name))
    return _line_span(node, variable.line)


_TAG_OR_NAME = re.compile(r"\{\{|\{%|\}\}|%\}|(?<![\w.])[^\W\d]\w*")


@lru_cache(maxsize=8)
def _names_in_tags(text: str) -> Mapping[str, Sequence[int]]:
    """Where each name stands in the tags of a template; one walk serves all of its names."""
    places: dict[str, list[int]] = {}
    is_inside = False
    for match in _TAG_OR_NAME.finditer(text):
        if match[0] in ("{{", "{%"):
            is_inside = True
        elif match[0] in ("}}", "%}"):
            is_inside = False
        elif is_inside:
            places.setdefault(match[0], []).append(match.start())
    return places


def source_span(node: nodes.TextNode, start: int, end: int) -> Span:
    """Map a range of a string's value to its span in the source."""
    try:
        origins = _origins_of(node.token)
    except UnknownEscape:
        return node.span
    if not origins or start >= len(origins):
        return node.span
    first = node.span.start + origins[start]
    last = node.span.start + origins[min(end, len(origins)) - 1] + 1
    return Span(first, max(first + 1, last))


@lru_cache(maxsize=8)
def _origins_of(token: str) -> Sequence[int]:
    """For each character of a string's value its place in the token."""
    return [character.origin for character in characters(token)]


def _line_span(node: nodes.TextNode, line: int) -> Span:
    lines = node.value.split("\n")
    number = min(max(1, line), len(lines))
    start = sum(len(text) + 1 for text in lines[: number - 1])
    text = lines[number - 1]
    indent = len(text) - len(text.lstrip())
    return source_span(node, start + indent, start + max(len(text.rstrip()), indent + 1))


# ── templates for `str.format` ────────────────────────────────────────────────────────────────────


def _check_braces(
    node: nodes.TextNode, variables: Iterable[Variable], scope: Scope, what: str
) -> None:
    """Report `{query}`: an error if the prompt has no tags, a warning if the name is known, else
    nothing.
    """
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
    """Has the text single braces around names, and doubled braces around something that is no
    name?
    """
    return bool(single_braces(text)) and bool(_FORMAT_BRACES.search(text))


def _report_format_template(node: nodes.TextNode, scope: Scope, what: str) -> None:
    braces = single_braces(node.value) or [("name", 0, 1)]
    name, start, end = braces[0]
    span = source_span(node, start, end)
    help = f"write `{{{{ {name} }}}}` for `{{{name}}}`, and single braces for doubled ones"
    if not any(d.code == "RMG406" and d.span == span for d in scope.state.diagnostics):
        scope.report(
            "RMG406", f"{what} of {scope.owner} is written for `str.format`", span, help=help
        )


def _known_names(scope: Scope) -> set[str]:
    columns = scope.state.universe.columns or frozenset()
    root = scope.state.root.declarations.items()
    declared_names = {
        name for name, declared in root if isinstance(declared, nodes.FieldDecl | nodes.ParamDecl)
    }
    return declared_names | set(columns) | set(scope.state.columns)


def _check_prompt_prefix(
    node: nodes.TextNode,
    variables: Iterable[Variable],
    constants: Sequence[tuple[str, object]],
    scope: Scope,
) -> None:
    """Report row data before a long constant part, which the provider then cannot cache."""
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
    """Report row data in `system`: the whole prompt comes after it, so no constant part can be
    cached.
    """
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
    """Merge the names of all templates of one question."""
    bound = {name: term for t in templates.values() for name, term in t.bindings}
    constants = {name: value for t in templates.values() for name, value in t.constants}
    needs = tuple(dict.fromkeys(name for t in templates.values() for name in t.needs))
    return CheckedTemplate(
        "", tuple(sorted(bound.items())), tuple(sorted(constants.items())), needs
    )
