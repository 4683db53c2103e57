"""Where templates are rendered: what they may call, and bounds on all that could grow or take for ever.

The templates of a spec may come from a stranger and the values from a hostile row. So a template can only branch, loop
over what the row gives, and print; what it prints of the row stands between fences that the row cannot close.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

from jinja2 import nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from rmg_dsl.prompts.fencing import Absent, could_be_tag, has_blank_item, is_blank, value_to_text

MAX_RENDERED_CHARS = 1_000_000
MAX_ITERATIONS = 100_000
MAX_WORK = 1_000_000_000
_MAX_INTEGER_BITS = 4_096
_MAX_ROUND_DIGITS = 20
_MAX_JSON_INDENT = 8

FILTERS = frozenset(
    "abs capitalize count d default first float int join last length list lower max min replace reverse round select "
    "selectattr rejectattr reject map sort string sum title tojson trim truncate unique upper wordcount".split()
)
METHODS = frozenset(
    "items keys values get upper lower strip lstrip rstrip split splitlines startswith endswith".split()
)
LOOP_ATTRIBUTES = frozenset(
    "index index0 revindex revindex0 first last length depth depth0 previtem nextitem".split()
)
# Names with a blank: nothing in a template can read, call or replace them.
TAG_KEY, BUDGET_KEY = "fence tag", "render budget"
_NONE_FILTER = "to miss"
_FENCE_FILTER, _UNFENCED_FILTER, _LOOP_FILTER, _WEIGH_FILTER, _REQUIRE_FILTER, _CONCAT_FILTER = (
    "to fence",
    "to bare",
    "to count",
    "to weigh",
    "to need",
    "to join",
)


class MissingInput(Exception):
    """A value that the prompt needs is null, blank or not there; `name` is what the template calls it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class TemplateTooBig(Exception):
    """A prompt that grows beyond what any model reads; it is stopped while it grows."""


class FenceCollision(Exception):
    """What is printed holds the very tag that should fence it off: another one is needed."""


class Missing(Undefined, Absent):
    """A value that is not there: it may be tested and defaulted, never printed or computed with."""

    __slots__ = ()

    @property
    def raw(self) -> Any:
        return None if self._undefined_obj is missing else self._undefined_obj

    def __iter__(self) -> Iterator[Any]:
        _raise_missing_input(self)

    def __getattr__(self, name: str) -> Any:
        if name[:2] == "__":
            raise AttributeError(name)
        return self

    def __getitem__(self, name: object) -> Any:
        return self

    def __hash__(self) -> int:
        return id(type(self))


def _raise_missing_input(value: Undefined, *_: object) -> NoReturn:
    raise MissingInput(str(value._undefined_name or "a value"))


for _operation in (
    "str repr len eq ne contains add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow "
    "lt le gt ge float int complex index round abs neg pos reversed call format"
).split():
    setattr(Missing, f"__{_operation}__", _raise_missing_input)


class RowList(list[Any]):
    """A list of the row, which is JSON wherever it becomes text."""

    def __str__(self) -> str:
        return _container_text(self)


class RowObject(dict[str, Any]):
    """An object of the row, which is JSON wherever it becomes text."""

    def __str__(self) -> str:
        return _container_text(self)


def _container_text(value: Any) -> str:
    if has_blank_item(value):
        raise MissingInput("an item")
    return value_to_text(value)


def guard_value(value: Any, name: str) -> Any:
    """A value of the row as a template sees it: whatever is null or blank in it, however deep, is `Missing`."""
    if is_blank(value):
        return Missing(obj=value, name=name)
    if isinstance(value, list | tuple):
        return RowList(guard_value(item, "an item") for item in value)
    if isinstance(value, Mapping):
        return RowObject((key, guard_value(item, str(key))) for key, item in value.items())
    return value


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Budget:
    """What one rendering may still do; `weight` is about how many characters one operation may have to look at."""

    weight: int = 0
    iterations: int = 0
    work: int = 0
    cached_weights: dict[int, tuple[object, int]] = field(default_factory=dict)

    def check_size(self, size: int) -> None:
        """Raises TemplateTooBig for a value that is larger than a prompt and larger than what the row brought."""
        if size > MAX_RENDERED_CHARS + self.weight:
            raise TemplateTooBig

    def spend(self, operations: int, rounds: int = 1) -> None:
        self.iterations += rounds
        self.work += operations * self.weight
        if self.iterations > MAX_ITERATIONS or self.work > MAX_WORK:
            raise TemplateTooBig

    def weigh(self, value: Any) -> int:
        """How many characters and items a value has. A part that is used twice counts twice, and is counted once.

        >>> Budget().weigh({"a": ["bc", 1]})
        8
        """
        if isinstance(value, str):
            return 1 + len(value)
        if not isinstance(value, list | tuple | Mapping) or isinstance(value, Undefined):
            return 1
        held = self.cached_weights.get(id(value))
        if held is None:
            parts = [*value, *value.values()] if isinstance(value, Mapping) else value
            held = self.cached_weights[id(value)] = (value, 1 + sum(map(self.weigh, parts)))
        return held[1]


def _budget_of(context: Context) -> Budget:
    return cast(Budget, context.parent[BUDGET_KEY])


class Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which nothing grows without bound and null is `Missing` however deep it lies."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self) -> None:
        # Unoptimized: Jinja's folding of constants takes for ever on a long chain of operators.
        super().__init__(
            undefined=Missing, autoescape=False, keep_trailing_newline=True, optimized=False
        )
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in FILTERS} | _OWN_FILTERS
        self.tests = {**self.tests, "none": is_blank}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key of an object, one of the methods, or what `loop` knows; nothing else that Python would give."""
        if isinstance(obj, Mapping):
            return self.getitem(obj, attribute)
        if attribute in METHODS or (isinstance(obj, LoopContext) and attribute in LOOP_ATTRIBUTES):
            return super().getattr(obj, attribute)
        return Missing(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if not isinstance(obj, Mapping) and isinstance(argument, str):
            return Missing(name=argument)
        if isinstance(obj, Mapping) and argument not in obj and argument in METHODS:
            return super().getattr(obj, argument)
        return self._blank_as_missing(super().getitem(obj, argument), argument)

    def _blank_as_missing(self, value: Any, name: object) -> Any:
        return (
            Missing(name=str(name)) if is_blank(value) and not isinstance(value, Missing) else value
        )

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"`{operator}` is not for prompts")
        if operator == "*":
            _budget_of(context).check_size(_product_size(left, right))
        if operator == "+":
            _budget_of(context).check_size(_length(left) + _length(right))
        return super().call_binop(context, operator, left, right)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 1


def _product_size(left: Any, right: Any) -> int:
    """How large a product is: a text or list as often as the number says; of numbers only giants count."""
    if isinstance(left, str | list | tuple) and isinstance(right, int):
        return _length(left) * max(1, right)
    if isinstance(right, str | list | tuple) and isinstance(left, int):
        return _length(right) * max(1, left)
    bits = sum(side.bit_length() for side in (left, right) if isinstance(side, int))
    if bits > _MAX_INTEGER_BITS:
        raise TemplateTooBig
    return 1


def parse_template(text: str) -> tuple[Sandbox, nodes.Template]:
    """A template as a tree, and the sandbox that it can be made ready in. Raises what Jinja's parser does."""
    environment = Sandbox()
    return environment, cast(nodes.Template, NoneTestRewriter().visit(environment.parse(text)))


# ── what is put around the parts of a template ───────────────────────────────────────────────────────────────────


def fence_value(value: Any, tag: str) -> str:
    """A value of the row as the judge sees it: numbers bare, text between fences, lists and objects as JSON."""
    if isinstance(value, str) and value.strip():
        text = value
    elif isinstance(value, Undefined):
        _raise_missing_input(value)
    elif is_blank(value) or has_blank_item(value):
        raise MissingInput("a value")
    elif isinstance(value, bool | int | float):
        return str(value)
    else:
        text = value_to_text(_printable(value))
    if could_be_tag(text, tag):
        raise FenceCollision
    return f"<{tag}>{text}</{tag}>"


def print_unfenced(value: Any) -> str:
    """One of the spec's own values as it is printed: as it is, but never None."""
    if value is None or isinstance(value, Undefined) or has_blank_item(value):
        raise MissingInput("a value")
    return str(value) if isinstance(value, bool | int | float) else value_to_text(_printable(value))


def _printable(value: Any) -> Any:
    if not isinstance(value, str | int | float | list | tuple | Mapping | Undefined | None):
        raise TypeError(f"a {type(value).__name__} cannot be printed")
    return value


@pass_context
def _fence_filter(context: Context, value: Any, may_be_blank: bool = False) -> str:
    settled = _materialize(context, value)
    if may_be_blank and isinstance(settled, str) and not settled.strip():
        return ""
    return fence_value(settled, context.parent[TAG_KEY])


def _materialize(context: Context, value: Any) -> Any:
    """A value that can be looked at twice: what is made on demand becomes a list; a method or such is no value."""
    if isinstance(value, LoopContext):
        raise TypeError("a loop cannot be printed")
    if isinstance(value, Iterator) or type(value) in _VIEW_TYPES:
        value = list(_count_iterations(context, value, 0))
    if isinstance(value, list | tuple | Mapping):
        _budget_of(context).check_size(_budget_of(context).weigh(value))
    return _printable(value)


_VIEW_TYPES: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


@pass_context
def _unfenced_filter(context: Context, value: Any) -> str:
    return print_unfenced(_materialize(context, value))


@pass_context
def _loop_filter(
    context: Context, items: Any, operations: int, may_be_missing: bool
) -> Iterable[Any]:
    """What a loop runs over; all the loops of one prompt together have so many rounds."""
    if isinstance(items, Undefined) and may_be_missing:
        return iter(())
    return _count_iterations(context, items, operations)


def _count_iterations(context: Context, items: Iterable[Any], operations: int) -> Iterator[Any]:
    budget = _budget_of(context)
    for item in items:
        budget.spend(operations)
        yield (
            guard_value(item, "an item")
            if is_blank(item) and not isinstance(item, Missing)
            else item
        )


@pass_context
def _weigh_filter(context: Context, value: Any) -> Any:
    """What a `set` names: lists of lists of lists would else grow beyond all bounds."""
    budget = _budget_of(context)
    weight = budget.weigh(value)
    budget.check_size(weight)
    budget.weight = max(budget.weight, weight)
    return value


def _none_filter(_: object) -> Missing:
    """What `none` is, written in a template: nothing that could be printed."""
    return Missing(name="none")


def _require_filter(value: Any) -> Any:
    """The left side of `in`, which Python would hand to a text as it is."""
    if isinstance(value, Undefined):
        _raise_missing_input(value)
    return value


# ── filters that could grow ──────────────────────────────────────────────────────────────────────────────────────


@pass_context
def _join_filter(context: Context, value: Any, d: str = "", attribute: Any = None) -> str:
    items = (
        JINJA_FILTERS["map"](context, value, attribute=attribute)
        if attribute is not None
        else value
    )
    texts: list[str] = []
    size = 0
    for item in _count_iterations(context, items, 0):
        texts.append(str(item))
        size += len(texts[-1]) + len(str(d))
        _budget_of(context).check_size(size)
    return str(d).join(texts)


@pass_context
def _concat_filter(context: Context, parts: list[Any]) -> str:
    """`a ~ b`, which Jinja itself would put together whatever it is."""
    texts: list[str] = []
    for part in parts:
        if part is None:
            raise MissingInput("a value")
        texts.append(str(_materialize(context, part)))
        _budget_of(context).check_size(sum(map(len, texts)))
    return "".join(texts)


@pass_context
def _replace_filter(context: Context, s: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = str(s), str(old), str(new)
    times = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    _budget_of(context).check_size(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, times)


@pass_context
def _sum_filter(context: Context, iterable: Any, attribute: Any = None, start: float = 0) -> float:
    if not isinstance(start, int | float):
        raise TypeError("`sum` is for numbers")
    items = (
        JINJA_FILTERS["map"](context, iterable, attribute=attribute)
        if attribute is not None
        else iterable
    )
    return sum(_count_iterations(context, items, 0), start)


def _round_filter(value: Any, precision: int = 0, method: str = "common") -> Any:
    if abs(precision) > _MAX_ROUND_DIGITS:
        raise ValueError(f"`round` knows {_MAX_ROUND_DIGITS} digits")
    return JINJA_FILTERS["round"](value, precision, method)


@pass_context
def _tojson_filter(context: Context, value: Any, indent: int | None = None) -> str:
    settled = _materialize(context, value)
    if isinstance(settled, Undefined):
        _raise_missing_input(settled)
    if indent is None or isinstance(settled, str | int | float | None):
        return (
            json.dumps(settled, ensure_ascii=False)
            if isinstance(settled, str)
            else value_to_text(settled)
        )
    return json.dumps(
        json.loads(value_to_text(settled)),
        ensure_ascii=False,
        indent=min(max(indent, 0), _MAX_JSON_INDENT),
    )


def _counting_filter(name: str) -> Callable[..., Any]:
    """A filter of Jinja's that goes through items, each of which counts as a round."""

    @pass_context
    def apply_filter(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        return JINJA_FILTERS[name](context, _count_iterations(context, value, 1), *args, **kwargs)

    return apply_filter


_OWN_FILTERS: dict[str, Callable[..., Any]] = {
    _FENCE_FILTER: _fence_filter,
    _UNFENCED_FILTER: _unfenced_filter,
    _LOOP_FILTER: _loop_filter,
    _WEIGH_FILTER: _weigh_filter,
    _REQUIRE_FILTER: _require_filter,
    _CONCAT_FILTER: _concat_filter,
    _NONE_FILTER: _none_filter,
    "join": _join_filter,
    "replace": _replace_filter,
    "sum": _sum_filter,
    "round": _round_filter,
    "tojson": _tojson_filter,
    **{
        name: _counting_filter(name)
        for name in ("map", "select", "reject", "selectattr", "rejectattr")
    },
}


# ── the template's tree ──────────────────────────────────────────────────────────────────────────────────────────

_OPERATIONS = (nodes.Filter, nodes.Test, nodes.Call, nodes.Compare, nodes.BinExpr, nodes.Concat)


def operations_in(tree: nodes.Node) -> int:
    """How many times a part of a template may look at a whole value; what makes many small ones of it counts more."""
    found = [tree, *tree.find_all(nodes.Expr)]
    return sum(
        10 if isinstance(node, nodes.Call) else isinstance(node, _OPERATIONS) for node in found
    )


def names_in(node: nodes.Node) -> frozenset[str]:
    """The names that an expression reads or a target sets."""
    found = {name.name for name in node.find_all(nodes.Name)}
    return frozenset(found | ({node.name} if isinstance(node, nodes.Name) else set()))


class NoneTestRewriter(NodeTransformer):
    """Writes `x == none` as the test that it means."""

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        if len(node.ops) != 1 or node.ops[0].op not in ("eq", "ne"):
            return node
        sides = [node.expr, node.ops[0].expr]
        values = [
            side for side in sides if not (isinstance(side, nodes.Const) and side.value is None)
        ]
        if len(values) != 1:
            return node
        test = nodes.Test(values[0], "none", [], [], None, None, lineno=node.lineno)
        return test if node.ops[0].op == "eq" else nodes.Not(test, lineno=node.lineno)


class BoundsRewriter(NodeTransformer):
    """Puts every printed value of the row through the fence, and bounds on every loop, `set` and `~`."""

    def __init__(self, constants: frozenset[str]) -> None:
        self._constants = constants

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        printed = [self._fence_output(part) for part in node.nodes]
        node.nodes = [
            part if isinstance(part, nodes.TemplateData) else self._visit_inside(part)
            for part in printed
        ]
        return node

    def _fence_output(self, part: nodes.Expr) -> nodes.Expr:
        if isinstance(part, nodes.TemplateData):
            return part
        if names_in(part) <= self._constants:
            return _filter_node(part, _UNFENCED_FILTER)
        return _filter_node(part, _FENCE_FILTER, nodes.Const(may_be_blank(part)))

    def _visit_inside(self, wrapped: nodes.Expr) -> nodes.Expr:
        return cast(nodes.Expr, self.generic_visit(wrapped))

    def visit_For(self, node: nodes.For) -> nodes.Node:
        operations = sum(
            operations_in(part) for part in (*node.body, *([node.test] if node.test else []))
        )
        self.generic_visit(node)
        node.iter = _filter_node(
            node.iter, _LOOP_FILTER, nodes.Const(operations), nodes.Const(bool(node.else_))
        )
        return node

    def visit_Assign(self, node: nodes.Assign) -> nodes.Node:
        self.generic_visit(node)
        node.node = _filter_node(node.node, _WEIGH_FILTER)
        return node

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        return _filter_node(node, _NONE_FILTER) if node.value is None else node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        """Arguments of a filter may be None, which says that the default is meant."""
        if node.node is not None:
            node.node = self.visit(node.node)
        node.args = [
            part if isinstance(part, nodes.Const) else self.visit(part) for part in node.args
        ]
        node.kwargs = [
            part if isinstance(part.value, nodes.Const) else self.visit(part)
            for part in node.kwargs
        ]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filter_node(nodes.List(node.nodes, lineno=node.lineno), _CONCAT_FILTER)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        if node.ops and node.ops[0].op in ("in", "notin"):
            node.expr = _filter_node(node.expr, _REQUIRE_FILTER)
        return node


def _filter_node(node: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, [*arguments], [], None, None, lineno=node.lineno)


def may_be_blank(node: nodes.Node | None) -> bool:
    """Has the author written down that this may be an empty text, as in `x | default("")`?"""
    match node:
        case nodes.Const(value=str() as text):
            return not text.strip()
        case nodes.CondExpr():
            return may_be_blank(node.expr1) or may_be_blank(node.expr2)
        case nodes.Or() | nodes.And():
            return may_be_blank(node.right)
        case nodes.Filter(name="default" | "d"):
            return any(may_be_blank(argument) for argument in node.args)
        case _:
            return False
