"""Prompts: what a template names, what it may do, and how it is rendered for a row.

>>> Prompt("Q: {{ query }}").render({"query": "Why?"}, "data")
'Q: <data>Why?</data>'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes

from rmg_dsl.prompts.fencing import (
    fence_for,
    has_blank_item,
    is_blank,
    next_fence,
    normalize_text,
    value_to_text,
)
from rmg_dsl.prompts.sandbox import (
    BUDGET_KEY,
    FILTERS,
    MAX_RENDERED_CHARS,
    METHODS,
    TAG_KEY,
    BoundsRewriter,
    Budget,
    FenceCollision,
    MissingInput,
    Sandbox,
    TemplateTooBig,
    fence_value,
    guard_value,
    names_in,
    operations_in,
    parse_template,
    print_unfenced,
)

__all__ = [
    "RENDER_FAILURES",
    "FenceCollision",
    "MissingInput",
    "Outline",
    "Prompt",
    "TemplateProblem",
    "TemplateTooBig",
    "Variable",
    "fence_for",
    "fence_value",
    "has_blank_item",
    "has_tags",
    "is_blank",
    "next_fence",
    "normalize_text",
    "outline",
    "single_braces",
    "value_to_text",
]

MAX_REPETITIONS = 10_000

_ALLOWED_STATEMENTS = (nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign)
_JINJA_NAMES = frozenset({"self", "caller", "varargs", "kwargs"})
_NAME_TAKING_FILTERS = frozenset({"map", "select", "reject", "selectattr", "rejectattr"})
_SINGLE_BRACE = re.compile(
    r"(?<!\{)\{([^\W\d]\w*)(?:[.\[][^{}\n]*)?(?:![rsa])?(?::[^{}\n]*)?\}(?!\})"
)

RENDER_FAILURES = (
    MissingInput,
    TemplateTooBig,
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    RecursionError,
    MemoryError,
    SyntaxError,
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A name a template reads from outside, its line (from 1), and whether every use allows it to be missing."""

    name: str
    line: int
    optional: bool


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """Something a template may not do, or that cannot be read: a code of the table, a sentence and a line."""

    code: str
    message: str
    line: int
    help: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """What can be known of a template without a row."""

    variables: tuple[Variable, ...]
    problems: tuple[TemplateProblem, ...]


def single_braces(text: str) -> list[tuple[str, int, int]]:
    """The `{name}` of a text that is written for `str.format`: name, start and end.

    >>> single_braces("Q: {query} {{ answer }}")
    [('query', 3, 10)]
    """
    return [(m.group(1), m.start(), m.end()) for m in _SINGLE_BRACE.finditer(text)]


def has_tags(text: str) -> bool:
    return "{{" in text or "{%" in text


@lru_cache(maxsize=512)
def outline(text: str) -> Outline:
    """Read a template for the checker.

    >>> [(v.name, v.optional) for v in outline("{{ a }}{% if b %}{{ b }}{% endif %}").variables]
    [('a', False), ('b', True)]
    """
    try:
        _, tree = parse_template(text)
        objections = tuple(_template_problems(tree))
        if not objections:
            _compile_renderer(text, ())
        return Outline(tuple(_outside_variables(tree)), objections)
    except TemplateSyntaxError as error:
        return Outline(
            (),
            (
                TemplateProblem(
                    "RMG402", f"this template cannot be read: {error.message}", error.lineno
                ),
            ),
        )
    except (RecursionError, OverflowError, ValueError, SyntaxError, MemoryError):
        return Outline(
            (), (TemplateProblem("RMG402", "this template is nested too deeply to be read", 1),)
        )


# ── what a template reads ────────────────────────────────────────────────────────────────────────────────────────

_Names = frozenset[str]


def _outside_variables(tree: nodes.Template) -> Iterator[Variable]:
    """Each name once, at its first use; optional only if every use is."""
    reader = _VariableReader({})
    reader.read(tree, frozenset(), frozenset())
    for name, found in reader.uses.items():
        yield Variable(name, found[0][0], all(optional for _, optional in found))


@dataclass(frozen=True, slots=True)
class _VariableReader:
    """Walks a template in reading order; `uses` are the lines of each name, and whether it may be missing there."""

    uses: dict[str, list[tuple[int, bool]]]

    def read(self, node: nodes.Node, guarded: _Names, local: _Names) -> _Names:
        """Returns the local names, to which `set` adds for what follows."""
        match node:
            case nodes.Name(ctx="load"):
                if node.name not in local:
                    self.uses.setdefault(node.name, []).append((node.lineno, node.name in guarded))
            case nodes.If():
                return self._read_if(node, guarded, local)
            case nodes.For():
                self._read_for(node, guarded, local)
            case nodes.Assign():
                self.read(node.node, guarded, local)
                return local | names_in(node.target)
            case nodes.Expr():
                self._read_expression(node, guarded, local)
            case _:
                return self._read_all(node.iter_child_nodes(), guarded, local)
        return local

    def _read_all(self, found: Iterable[nodes.Node], guarded: _Names, local: _Names) -> _Names:
        for node in found:
            local = self.read(node, guarded, local)
        return local

    def _read_expression(self, node: nodes.Expr, guarded: _Names, local: _Names) -> None:
        match node:
            case nodes.CondExpr():
                self.read(node.test, guarded | _tested_names(node.test), local)
                self.read(node.expr1, guarded | _present_names(node.test, True), local)
                if node.expr2:
                    self.read(node.expr2, guarded | _present_names(node.test, False), local)
            case nodes.And() | nodes.Or():
                self.read(node.left, guarded | _tested_names(node.left), local)
                self.read(
                    node.right,
                    guarded | _present_names(node.left, isinstance(node, nodes.And)),
                    local,
                )
            case (
                nodes.Filter(name="default" | "d")
                | nodes.Test(name="defined" | "undefined" | "none")
            ):
                inside = guarded | _tested_names(node.node) if node.node else guarded
                self._read_all(node.iter_child_nodes(), inside, local)
            case _:
                self._read_all(node.iter_child_nodes(), guarded, local)

    def _read_if(self, node: nodes.If, guarded: _Names, local: _Names) -> _Names:
        """A `set` in a branch holds after it too."""
        self.read(node.test, guarded | _tested_names(node.test), local)
        then = self._read_all(node.body, guarded | _present_names(node.test, True), local)
        other = self._read_all(
            [*node.elif_, *node.else_], guarded | _present_names(node.test, False), local
        )
        return then | other

    def _read_for(self, node: nodes.For, guarded: _Names, local: _Names) -> None:
        """What an `else` follows may be missing: that is what it is for."""
        self.read(node.iter, guarded | _tested_names(node.iter) if node.else_ else guarded, local)
        inside = local | names_in(node.target) | {"loop"}
        if node.test:
            self.read(node.test, guarded | _tested_names(node.test), inside)
        sure = guarded | _present_names(node.test, True) if node.test else guarded
        self._read_all(node.body, sure, inside)
        self._read_all(node.else_, guarded, local)


def _tested_names(test: nodes.Node) -> _Names:
    """The names that a condition only asks about: it holds or not where they are missing."""
    match test:
        case nodes.Name():
            return frozenset({test.name})
        case nodes.Getattr() | nodes.Getitem() | nodes.Not():
            return _tested_names(test.node)
        case nodes.And() | nodes.Or():
            return _tested_names(test.left) | _tested_names(test.right)
        case nodes.Test(name="defined" | "undefined" | "none"):
            return _tested_names(test.node)
        case _:
            return frozenset()


def _present_names(test: nodes.Node, truth: bool) -> _Names:
    """The names that are there where a condition is true, or where it is false."""
    match test:
        case nodes.Name():
            return frozenset({test.name}) if truth else frozenset()
        case nodes.Getattr() | nodes.Getitem():
            return _present_names(test.node, truth)
        case nodes.Not():
            return _present_names(test.node, not truth)
        case nodes.And() | nodes.Or():
            one, other = _present_names(test.left, truth), _present_names(test.right, truth)
            return one | other if isinstance(test, nodes.And) == truth else one & other
        case nodes.Test(name="defined" | "undefined" | "none" as name):
            return _tested_names(test.node) if (name == "defined") == truth else frozenset()
        case _:
            return frozenset()


# ── what a template may do ───────────────────────────────────────────────────────────────────────────────────────


def _template_problems(tree: nodes.Template) -> Iterator[TemplateProblem]:
    for node in tree.find_all(nodes.Node):
        found = (
            _statement_problem(node) if isinstance(node, nodes.Stmt) else _expression_problem(node)
        )
        if found is not None:
            message, help = found
            yield TemplateProblem(
                "RMG408" if isinstance(node, nodes.Mul) else "RMG404", message, node.lineno, help
            )


def _statement_problem(node: nodes.Stmt) -> tuple[str, str] | None:
    if isinstance(node, _ALLOWED_STATEMENTS):
        return None
    return (
        f"`{type(node).__name__.lower()}` is not for prompts",
        "a prompt has if, for, set, comments and {{ … }}",
    )


def _expression_problem(node: nodes.Node) -> tuple[str, str] | None:
    """What is wrong with a part of an expression, and what to write instead."""
    match node:
        case nodes.Filter() if node.name not in FILTERS:
            help = "among the filters for prompts: default join length lower replace round tojson trim truncate upper"
            return f"the filter `{node.name}` is not for prompts", help
        case nodes.Test() if node.name not in TESTS:
            return (
                f"the test `{node.name}` is not for prompts",
                "such as `is defined`, `is none`, `is string`",
            )
        case nodes.Filter() if node.name in _NAME_TAKING_FILTERS:
            return _unknown_name_problem(node)
        case nodes.Call() if not (
            isinstance(node.node, nodes.Getattr) and node.node.attr in METHODS
        ):
            return "this call is not for prompts", "compute it in a `fields:` line"
        case nodes.Getattr() if node.attr.startswith("_"):
            return f"`.{node.attr}` is not for prompts", ""
        case nodes.Name() if node.name in _JINJA_NAMES:
            return (
                f"`{node.name}` is a word of the template language",
                'give it another name: fields: text = column("…")',
            )
        case nodes.NSRef():
            return "`set` gives a value to a name, not to a part of it", ""
        case nodes.Mul() if _is_large_repetition(node):
            return (
                "this repetition is larger than a prompt can be",
                f"a prompt ends at {MAX_RENDERED_CHARS:,} characters",
            )
        case nodes.Pow():
            return "`**` is not for prompts", "compute it in a `fields:` line"
        case _:
            return None


TESTS = frozenset(Sandbox().tests)


def _unknown_name_problem(node: nodes.Filter) -> tuple[str, str] | None:
    """`map("upper")` names a filter, `select("string")` a test: those must be for prompts too."""
    place = 1 if node.name.endswith("attr") else 0
    named = node.args[place] if len(node.args) > place else None
    known = FILTERS if node.name == "map" else TESTS
    if not isinstance(named, nodes.Const) or named.value in known:
        return None
    return f"`{node.name}` knows no `{named.value}`", ""


def _is_large_repetition(node: nodes.Mul) -> bool:
    constants = [side.value for side in (node.left, node.right) if isinstance(side, nodes.Const)]
    return any(isinstance(c, int) and c > MAX_REPETITIONS for c in constants) and not all(
        isinstance(c, int | float) for c in constants
    )


# ── rendering ────────────────────────────────────────────────────────────────────────────────────────────────────

_Renderer = Callable[[Mapping[str, Any], Mapping[str, Any], str], Iterator[str]]
"""From values of the row, the spec's own values and a tag to the pieces of a prompt."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template ready to be rendered for many rows; `constants` are the spec's own values, which need no fence."""

    text: str
    constants: tuple[tuple[str, Any], ...] = ()

    def render(self, values: Mapping[str, Any], tag: str) -> str:
        """The prompt of one row. Values come in as data only.

        Raises MissingInput where one is needed and not there, FenceTaken where what is printed holds the tag,
        TemplateTooBig, or one of RENDER_FAILURES.
        """
        constants = dict(self.constants)
        pieces: list[str] = []
        size = 0
        for piece in _compile_renderer(self.text, tuple(constants))(values, constants, tag):
            size += len(piece)
            if size > MAX_RENDERED_CHARS:
                raise TemplateTooBig
            pieces.append(piece)
        return "".join(pieces)


@lru_cache(maxsize=256)
def _compile_renderer(text: str, constants: tuple[str, ...]) -> _Renderer:
    environment, tree = parse_template(text)
    parts = _plain_parts(tree)
    if parts is not None:
        return _direct_renderer(parts)
    operations = operations_in(tree)
    BoundsRewriter(frozenset(constants) - _assigned_names(tree)).visit(tree)
    return _jinja_renderer(environment.from_string(tree), operations)


def _jinja_renderer(template: Template, operations: int) -> _Renderer:
    def render(values: Mapping[str, Any], constants: Mapping[str, Any], tag: str) -> Iterator[str]:
        present = {name: guard_value(value, name) for name, value in values.items()}
        budget = Budget()
        budget.weight = sum(map(budget.weigh, present.values()))
        budget.spend(operations, rounds=0)
        return template.generate({**present, **constants, TAG_KEY: tag, BUDGET_KEY: budget})

    return render


def _plain_parts(tree: nodes.Template) -> list[nodes.TemplateData | nodes.Name] | None:
    """The parts of a template that does nothing but print texts and names: most prompts are such."""
    statements = [node.nodes for node in tree.body if isinstance(node, nodes.Output)]
    parts = [part for parts in statements for part in parts]
    plain = [part for part in parts if isinstance(part, nodes.TemplateData) or _is_plain_name(part)]
    return plain if len(statements) == len(tree.body) and len(plain) == len(parts) else None


def _is_plain_name(part: nodes.Expr) -> TypeGuard[nodes.Name]:
    return isinstance(part, nodes.Name) and part.name not in _JINJA_NAMES


def _direct_renderer(parts: list[nodes.TemplateData | nodes.Name]) -> _Renderer:
    """Without the engine, which takes ten times as long: what is printed goes through the same two functions."""
    steps = [
        (part.data, None) if isinstance(part, nodes.TemplateData) else ("", part.name)
        for part in parts
    ]

    def render(values: Mapping[str, Any], constants: Mapping[str, Any], tag: str) -> Iterator[str]:
        for text, name in steps:
            if name is None:
                yield text
            elif name in constants:
                yield print_unfenced(constants[name])
            else:
                yield fence_value(guard_value(values.get(name), name), tag)

    return render


def _assigned_names(tree: nodes.Template) -> frozenset[str]:
    """The names that the template itself gives to something: they are the spec's own values no longer."""
    targets = [node.target for node in tree.find_all(nodes.Assign)] + [
        node.target for node in tree.find_all(nodes.For)
    ]
    return frozenset(name for target in targets for name in names_in(target))
