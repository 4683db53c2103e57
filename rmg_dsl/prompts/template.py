"""Prompt templates: the names they read, their allowed constructs, and rendering.

>>> Prompt("Q: {{ query }}").render({"query": "Why?"}, "data")
'Q: <data>Why?</data>'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

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
    prompt_size_text,
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
    """A name that a template reads from outside; `optional` if every use allows it to be missing.

    Lines count from 1.
    """

    name: str
    line: int
    optional: bool


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """A forbidden construct or a syntax error: its diagnostic code, a sentence, and its line from
    1.
    """

    code: str
    message: str
    line: int
    help: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """The static facts about a template: its variables and its problems."""

    variables: tuple[Variable, ...]
    problems: tuple[TemplateProblem, ...]


def single_braces(text: str) -> list[tuple[str, int, int]]:
    """Find each `{name}` of a text written for `str.format`: its name, start and end.

    >>> single_braces("Q: {query} {{ answer }}")
    [('query', 3, 10)]
    """
    return [(m.group(1), m.start(), m.end()) for m in _SINGLE_BRACE.finditer(text)]


def has_tags(text: str) -> bool:
    """Does the text contain a Jinja tag?"""
    return "{{" in text or "{%" in text


@lru_cache(maxsize=512)
def outline(text: str) -> Outline:
    """Analyse a template for the checker.

    >>> [(v.name, v.optional) for v in outline("{{ a }}{% if b %}{{ b }}{% endif %}").variables]
    [('a', False), ('b', True)]
    """
    try:
        # Parsing, checking and compiling here finds every error before the first row.
        _, tree = parse_template(text)
        problems = tuple(_template_problems(tree))
        # A forbidden construct may not compile, and its own message is the better one.
        if not problems:
            _compile_renderer(text, ())
        return Outline(tuple(_outside_variables(tree)), problems)
    except TemplateSyntaxError as error:
        message = f"this template cannot be read: {error.message}"
        return Outline((), (TemplateProblem("RMG402", message, error.lineno),))
    except (RecursionError, OverflowError, ValueError, SyntaxError, MemoryError):
        message = "this template is nested too deeply to be read"
        return Outline((), (TemplateProblem("RMG402", message, 1),))


# ── variables ─────────────────────────────────────────────────────────────────────────────────────

_Names = frozenset[str]


def _outside_variables(tree: nodes.Template) -> Iterator[Variable]:
    """Each outside name once, at its first use; optional only if every use is."""
    reader = _VariableReader({})
    reader.read(tree, frozenset(), frozenset())
    for name, uses in reader.uses.items():
        first_line, _ = uses[0]
        yield Variable(name, first_line, all(optional for _, optional in uses))


@dataclass(frozen=True, slots=True)
class _VariableReader:
    """Collects the uses of outside names in reading order: for each name its lines, and if it may
    be missing there.

    `guarded` names were tested by a condition around the use; `local` names are set by the template
    itself.
    """

    uses: dict[str, list[tuple[int, bool]]]

    def read(self, node: nodes.Node, guarded: _Names, local: _Names) -> _Names:
        """Read a node; returns the local names after it, because `set` adds names for what
        follows.
        """
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

    def _read_all(self, several: Iterable[nodes.Node], guarded: _Names, local: _Names) -> _Names:
        for node in several:
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
                if node.node:
                    guarded = guarded | _tested_names(node.node)
                self._read_all(node.iter_child_nodes(), guarded, local)
            case _:
                self._read_all(node.iter_child_nodes(), guarded, local)

    def _read_if(self, node: nodes.If, guarded: _Names, local: _Names) -> _Names:
        """Names that a branch sets stay set after the `if`, as in Jinja."""
        self.read(node.test, guarded | _tested_names(node.test), local)
        then = self._read_all(node.body, guarded | _present_names(node.test, True), local)
        other = self._read_all(
            [*node.elif_, *node.else_], guarded | _present_names(node.test, False), local
        )
        return then | other

    def _read_for(self, node: nodes.For, guarded: _Names, local: _Names) -> None:
        """A loop with an `else` may run over a missing list: the `else` is rendered then."""
        iterated_guarded = guarded
        if node.else_:
            iterated_guarded = guarded | _tested_names(node.iter)
        self.read(node.iter, iterated_guarded, local)
        inside = local | names_in(node.target) | {"loop"}
        if node.test:
            self.read(node.test, guarded | _tested_names(node.test), inside)
        body_guarded = guarded
        if node.test:
            body_guarded = guarded | _present_names(node.test, True)
        self._read_all(node.body, body_guarded, inside)
        self._read_all(node.else_, guarded, local)


def _tested_names(test: nodes.Node) -> _Names:
    """The names that a condition only tests: a missing one makes it false, not an error."""
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
    """The names that are present if the condition has this truth value."""
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


# ── forbidden constructs ──────────────────────────────────────────────────────────────────────────


def _template_problems(tree: nodes.Template) -> Iterator[TemplateProblem]:
    called = {id(call.node) for call in tree.find_all(nodes.Call)}
    for node in tree.find_all(nodes.Node):
        if isinstance(node, nodes.Stmt):
            problem = _statement_problem(node)
        elif _is_method(node) and id(node) not in called:
            problem = _uncalled_method_problem(node)
        else:
            problem = _expression_problem(node)
        if problem is not None:
            message, help = problem
            # Only a repetition is a matter of size; everything else is not part of the prompt
            # language.
            code = "RMG408" if isinstance(node, nodes.Mul) else "RMG404"
            yield TemplateProblem(code, message, _line_of(node), help)


def _line_of(node: nodes.Node) -> int:
    """The line of a node, from 1; Jinja knows none for some, such as `autoescape`."""
    lines = (part.lineno for part in (node, *node.find_all(nodes.Node)))
    return next((line for line in lines if line), 1)


def _is_method(node: nodes.Node) -> TypeGuard[nodes.Getattr]:
    # An object of a row often has a key `items`, `keys` or `values`.
    if not isinstance(node, nodes.Getattr):
        return False
    return node.attr in METHODS and node.attr not in ("items", "keys", "values")


def _uncalled_method_problem(node: nodes.Getattr) -> tuple[str, str]:
    """A method that is not called has no text that stays the same from run to run."""
    key = node.attr
    return f"`.{key}` is a method, and is not called", f'write `.{key}()`; a key is `["{key}"]`'


def _statement_problem(node: nodes.Stmt) -> tuple[str, str] | None:
    if isinstance(node, _ALLOWED_STATEMENTS):
        return None
    return (
        f"`{type(node).__name__.lower()}` is not for prompts",
        "a prompt has if, for, set, comments and {{ … }}",
    )


def _expression_problem(node: nodes.Node) -> tuple[str, str] | None:
    """The message and the help for a part of an expression that prompts may not use."""
    match node:
        case nodes.Filter() if node.name not in FILTERS:
            help = (
                "among the filters for prompts: default join length lower replace round tojson "
                "trim "
                "truncate upper"
            )
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
    """Check the filter that `map("upper")` names, or the test that `select("string")` names."""
    # `selectattr("key", "test")` names its test second.
    index = 1 if node.name.endswith("attr") else 0
    if len(node.args) <= index:
        return None
    argument = node.args[index]
    allowed = FILTERS if node.name == "map" else TESTS
    if not isinstance(argument, nodes.Const) or argument.value in allowed:
        return None
    return f"`{node.name}` knows no `{argument.value}`", ""


def _is_large_repetition(node: nodes.Mul) -> bool:
    """Is this a text or a list times a number over the limit? A product of numbers is none."""
    constants = [side.value for side in (node.left, node.right) if isinstance(side, nodes.Const)]
    if all(isinstance(constant, int | float) for constant in constants):
        return False
    return any(isinstance(c, int) and c > MAX_REPETITIONS for c in constants)


# ── rendering ─────────────────────────────────────────────────────────────────────────────────────

_Renderer = Callable[[Mapping[str, object], Mapping[str, object], str], Iterator[str]]
"""Takes the values of the row, the constants of the spec and a tag; yields the pieces of the
prompt.
"""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template to render for many rows; `constants` are values of the spec itself, which need no
    fence.
    """

    text: str
    constants: tuple[tuple[str, object], ...] = ()

    def render(self, values: Mapping[str, object], tag: str) -> str:
        """Render the prompt of one row. Values are data and never template text.

        Raises MissingInput if a needed value is missing, FenceCollision if a printed value contains
        the tag, TemplateTooBig, or one of RENDER_FAILURES.
        """
        constants = dict(self.constants)
        pieces: list[str] = []
        size = 0
        for piece in _compile_renderer(self.text, tuple(constants))(values, constants, tag):
            # Counted while the pieces come, so that an endless loop cannot fill the memory.
            size += len(piece)
            if size > MAX_RENDERED_CHARS:
                raise TemplateTooBig(prompt_size_text())
            pieces.append(piece)
        return "".join(pieces)


@lru_cache(maxsize=256)
def _compile_renderer(text: str, constants: tuple[str, ...]) -> _Renderer:
    environment, tree = parse_template(text)
    parts = _plain_parts(tree)
    if parts is not None:
        return _direct_renderer(parts)
    operations = operations_in(tree)
    # A name that the template assigns is data of the row from then on, even if a param has it too.
    BoundsRewriter(frozenset(constants) - _assigned_names(tree)).visit(tree)
    return _jinja_renderer(environment.from_string(tree), operations)


def _jinja_renderer(template: Template, operations: int) -> _Renderer:
    def render(
        values: Mapping[str, object], constants: Mapping[str, object], tag: str
    ) -> Iterator[str]:
        present = {name: guard_value(value, name) for name, value in values.items()}
        budget = Budget()
        # The work that is allowed grows with the row: a long text may be looked at as a whole.
        budget.weight = sum(map(budget.weigh, present.values()))
        budget.spend(operations, rounds=0)
        return template.generate({**present, **constants, TAG_KEY: tag, BUDGET_KEY: budget})

    return render


def _plain_parts(tree: nodes.Template) -> list[nodes.TemplateData | nodes.Name] | None:
    """The parts of a template that only prints texts and names; None for any other.

    Most prompts are plain.
    """
    statements = [node.nodes for node in tree.body if isinstance(node, nodes.Output)]
    parts = [part for parts in statements for part in parts]
    plain = [part for part in parts if isinstance(part, nodes.TemplateData) or _is_plain_name(part)]
    if len(statements) < len(tree.body) or len(plain) < len(parts):
        return None
    return plain


def _is_plain_name(part: nodes.Expr) -> TypeGuard[nodes.Name]:
    return isinstance(part, nodes.Name) and part.name not in _JINJA_NAMES


def _direct_renderer(parts: list[nodes.TemplateData | nodes.Name]) -> _Renderer:
    """Render without Jinja, which takes ten times as long.

    Values go through the same two functions.
    """

    def render(
        values: Mapping[str, object], constants: Mapping[str, object], tag: str
    ) -> Iterator[str]:
        for part in parts:
            if isinstance(part, nodes.TemplateData):
                yield part.data
            elif part.name in constants:
                yield print_unfenced(constants[part.name])
            else:
                yield fence_value(guard_value(values.get(part.name), part.name), tag)

    return render


def _assigned_names(tree: nodes.Template) -> frozenset[str]:
    """The names that the template assigns itself: they hide constants of the spec."""
    targets: list[nodes.Node] = [node.target for node in tree.find_all(nodes.Assign)]
    targets += [node.target for node in tree.find_all(nodes.For)]
    return frozenset(name for target in targets for name in names_in(target))
