"""The template sandbox: what a template may call, and limits on its size and running time.

A spec may come from a stranger, and a row may be hostile. A template can therefore only branch,
loop over values of the row, and print. Printed row values stand between fences that the row cannot
close.
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

from rmg_dsl.cells import CellText
from rmg_dsl.prompts.fencing import Absent, could_be_tag, has_blank_item, is_blank, value_to_text
from rmg_dsl.prompts.media import is_media

# Some 2.5 million tokens: the largest windows are a little smaller.
MAX_RENDERED_CHARS = 10_000_000
# The most that a template may make itself, beyond the values of the row.
_MAX_MADE_CHARS = 1_000_000
MAX_ITERATIONS = 100_000
MAX_WORK = 1_000_000_000
_MAX_INTEGER_BITS = 4_096
_MAX_ROUND_DIGITS = 20
_MAX_JSON_INDENT = 8

FILTERS = frozenset(
    "abs capitalize count d default first float int join last length list lower max min replace "
    "reverse round select selectattr rejectattr reject map sort string sum title tojson trim "
    "truncate unique upper wordcount".split()
)
METHODS = frozenset(
    "items keys values get upper lower strip lstrip rstrip split splitlines startswith "
    "endswith".split()
)
LOOP_ATTRIBUTES = frozenset(
    "index index0 revindex revindex0 first last length depth depth0 previtem nextitem".split()
)
# These names contain a blank, so no template can read, call or replace them.
TAG_KEY, BUDGET_KEY = "fence tag", "render budget"
_NONE_FILTER = "to miss"
_UNPACK_FILTER = "to unpack"
_FENCE_FILTER, _UNFENCED_FILTER, _LOOP_FILTER, _WEIGH_FILTER, _REQUIRE_FILTER, _CONCAT_FILTER = (
    "to fence",
    "to bare",
    "to count",
    "to weigh",
    "to need",
    "to join",
)


class MissingInput(Exception):
    """A needed value is null, blank or absent; `name` is its name in the template."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def prompt_size_text() -> str:
    """Why a prompt is not sent."""
    return f"the prompt has more than {MAX_RENDERED_CHARS:,} characters, the most that is sent"


class TemplateTooBig(Exception):
    """The prompt exceeds a size or work limit. Rendering stops as soon as it does."""


class FenceCollision(Exception):
    """A printed value contains its own fence tag, so another tag is needed."""


class Missing(Undefined, Absent):
    """An absent value: a template may test it or give a default, but not print it or compute with
    it.
    """

    __slots__ = ()

    @property
    def raw(self) -> object:
        if self._undefined_obj is missing:
            return None
        return self._undefined_obj

    def __iter__(self) -> Iterator[object]:
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
    "str repr len eq ne contains add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv "
    "mod "
    "rmod pow rpow lt le gt ge float int complex index round abs neg pos reversed call format"
).split():
    setattr(Missing, f"__{_operation}__", _raise_missing_input)


class RowList(list[object]):
    """A list of the row; as text it is JSON."""

    def __str__(self) -> str:
        return _container_text(self)


class RowObject(dict[str, object]):
    """An object of the row; as text it is JSON."""

    def __str__(self) -> str:
        return _container_text(self)


def _container_text(value: object) -> str:
    if has_blank_item(value):
        raise MissingInput("an item")
    return value_to_text(value)


def guard_value(value: object, name: str) -> object:
    """Replace null and blank values, at any depth, by `Missing`, so that a template cannot print
    them.
    """
    if is_blank(value):
        return Missing(obj=value, name=name)
    if type(value) is CellText:
        plain = value.plain
        # A text stays a cell: it may hold a list or an object as JSON.
        return value if isinstance(plain, str) else plain
    if isinstance(value, list | tuple):
        return RowList(guard_value(item, "an item") for item in value)
    if isinstance(value, Mapping):
        return RowObject((key, guard_value(item, str(key))) for key, item in value.items())
    return value


# ── limits ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Budget:
    """The work of one rendering so far.

    One operation may read as many characters as `weight`, the values of the row, or as
    `largest_result`, the largest value that the template made itself.
    """

    weight: int = 0
    largest_result: int = 0
    iterations: int = 0
    work: int = 0
    cached_weights: dict[int, tuple[object, int]] = field(default_factory=dict)

    def check_size(self, size: int) -> None:
        """Raise TemplateTooBig for a value larger than a prompt and larger than the row's own
        values.
        """
        if size > _MAX_MADE_CHARS + self.weight:
            raise TemplateTooBig
        self.largest_result = max(self.largest_result, size)

    def spend(self, operations: int, rounds: int = 1) -> None:
        """Count loop rounds and work; raise TemplateTooBig over the limit."""
        self.iterations += rounds
        self.work += operations * max(self.weight, self.largest_result)
        if self.iterations > MAX_ITERATIONS or self.work > MAX_WORK:
            raise TemplateTooBig

    def weigh(self, value: object) -> int:
        """Count the characters and items of a value.

        A part that occurs twice counts twice but is walked once.

        >>> Budget().weigh({"a": ["bc", 1]})
        8
        """
        if isinstance(value, str):
            return 1 + len(value)
        if not isinstance(value, list | tuple | Mapping) or isinstance(value, Undefined):
            return 1
        cached = self.cached_weights.get(id(value))
        if cached is None:
            parts = [*value, *value.values()] if isinstance(value, Mapping) else value
            # The value is stored with its weight, so that no other object gets its id.
            cached = self.cached_weights[id(value)] = (value, 1 + sum(map(self.weigh, parts)))
        return cached[1]


def _budget_of(context: Context) -> Budget:
    return cast(Budget, context.parent[BUDGET_KEY])


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja sandbox with bounded growth, in which null is `Missing` at any depth."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self) -> None:
        # Jinja's constant folding takes exponential time on a long chain of operators.
        super().__init__(
            undefined=Missing, autoescape=False, keep_trailing_newline=True, optimized=False
        )
        # Jinja's own globals (`range`, `lipsum` …) are functions that a prompt does not need.
        self.globals.clear()
        self.filters = {name: self.filters[name] for name in FILTERS} | _OWN_FILTERS
        # In a prompt `x is none` asks for any missing value, also for a blank one.
        self.tests = {**self.tests, "none": is_blank}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key of an object, an allowed method, or an attribute of `loop`; no other Python
        attribute.
        """
        obj = _unpack_container(obj)
        if isinstance(obj, Mapping):
            return self.getitem(obj, attribute)
        if isinstance(obj, LoopContext) and attribute in LOOP_ATTRIBUTES:
            return super().getattr(obj, attribute)
        if attribute in METHODS:
            return _callable_only(super().getattr(obj, attribute))
        return Missing(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        obj = _unpack_container(obj)
        if not isinstance(obj, Mapping) and isinstance(argument, str):
            return Missing(name=argument)
        if isinstance(obj, str) and not isinstance(argument, slice):
            raise TypeError("a text has no items: only a list has")
        if isinstance(obj, Mapping) and argument not in obj and argument in METHODS:
            return _callable_only(super().getattr(obj, argument))
        return self._blank_as_missing(super().getitem(obj, argument), argument)

    def _blank_as_missing(self, value: object, name: object) -> object:
        if is_blank(value) and not isinstance(value, Missing):
            return Missing(name=str(name))
        return value

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        # Both can make a huge value from two small ones.
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"`{operator}` is not for prompts")
        if operator == "*":
            _budget_of(context).check_size(_product_size(left, right))
        if operator == "+":
            _budget_of(context).check_size(_length(left) + _length(right))
        return super().call_binop(context, operator, left, right)


def _unpack_container(value: Any) -> Any:
    """A list or object of the row where a cell holds one as JSON."""
    if type(value) is not CellText:
        return value
    container = value.container
    return value if container is None else guard_value(container, "an item")


class Method:
    """A method of a value, which a template can only call: its text would hold an address."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._function(*args, **kwargs)

    def __str__(self) -> str:
        raise TypeError("a method cannot be printed: call it, as in `.upper()`")

    __repr__ = __str__


def _callable_only(value: object) -> object:
    if isinstance(value, Undefined) or not callable(value):
        return value
    return Method(value)


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 1


def _product_size(left: object, right: object) -> int:
    """The length of a repeated text or list; 1 for a product of numbers, unless its digits exceed
    the limit.
    """
    if isinstance(left, str | list | tuple) and isinstance(right, int):
        return _length(left) * max(1, right)
    if isinstance(right, str | list | tuple) and isinstance(left, int):
        return _length(right) * max(1, left)
    bits = sum(side.bit_length() for side in (left, right) if isinstance(side, int))
    if bits > _MAX_INTEGER_BITS:
        raise TemplateTooBig
    return 1


def parse_template(text: str) -> tuple[Sandbox, nodes.Template]:
    """Parse a template; returns its tree and the sandbox to compile it in.

    Raises TemplateSyntaxError.
    """
    environment = Sandbox()
    return environment, cast(nodes.Template, NoneTestRewriter().visit(environment.parse(text)))


# ── filters around the parts of a template ────────────────────────────────────────────────────────


def fence_value(value: object, tag: str) -> str:
    """Write a row value as the judge sees it: numbers bare; text, lists and objects as JSON between
    fences. An image or a sound raises TypeError.
    """
    if is_media(value):
        raise TypeError(
            "the value is an image, a sound or a PDF, and a prompt prints text: give a field with "
            "its text or a description"
        )
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


def print_unfenced(value: object) -> str:
    """Write a value of the spec itself, without a fence. None raises MissingInput."""
    if value is None or isinstance(value, Undefined) or has_blank_item(value):
        raise MissingInput("a value")
    if isinstance(value, bool | int | float):
        return str(value)
    return value_to_text(_printable(value))


def _printable(value: object) -> object:
    if not isinstance(value, str | int | float | list | tuple | Mapping | Undefined | None):
        raise TypeError(f"a {type(value).__name__} cannot be printed")
    return value


@pass_context
def _fence_filter(context: Context, value: object, may_be_blank: bool = False) -> str:
    concrete = _materialize(context, value)
    if may_be_blank and isinstance(concrete, str) and not concrete.strip():
        return ""
    return fence_value(concrete, context.parent[TAG_KEY])


def _materialize(context: Context, value: Any) -> object:
    """Turn iterators and dict views into lists, so that the value can be read twice; refuse methods
    and the like.
    """
    if isinstance(value, LoopContext):
        raise TypeError("a loop cannot be printed")
    if isinstance(value, Iterator) or type(value) in _VIEW_TYPES:
        value = list(_count_iterations(context, value, 0))
    # A container can be shared many times inside itself, so its text may be far larger than it is.
    if isinstance(value, list | tuple | Mapping):
        _budget_of(context).check_size(_budget_of(context).weigh(value))
    return _printable(value)


_VIEW_TYPES: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


@pass_context
def _unfenced_filter(context: Context, value: object) -> str:
    return print_unfenced(_materialize(context, value))


@pass_context
def _loop_filter(
    context: Context, items: Any, operations: int, may_be_missing: bool
) -> Iterable[object]:
    """Bound the items of a loop. The limit on rounds is shared by all loops of one prompt."""
    if isinstance(items, Undefined) and may_be_missing:
        return iter(())
    return _count_iterations(context, _items_of(items), operations)


def _items_of(value: Any) -> Any:
    """What a loop or a filter walks over: a text is no list of letters."""
    items = _unpack_container(value)
    if isinstance(items, str):
        raise TypeError("a text is no list: only a list has items")
    return items


def _count_iterations(
    context: Context, items: Iterable[object], operations: int
) -> Iterator[object]:
    budget = _budget_of(context)
    for item in items:
        budget.spend(operations)
        if is_blank(item) and not isinstance(item, Missing):
            yield guard_value(item, "an item")
        else:
            yield item


@pass_context
def _weigh_filter(context: Context, value: object) -> object:
    """Weigh the value of a `set`: nested lists would otherwise grow without bound."""
    budget = _budget_of(context)
    weight = budget.weigh(value)
    budget.check_size(weight)
    budget.weight = max(budget.weight, weight)
    return value


def _none_filter(_: object) -> Missing:
    """The literal `none` of a template: a missing value, which cannot be printed."""
    return Missing(name="none")


def _require_filter(value: object) -> object:
    """Refuse a missing left side of `in`, because Python would search for it as it is."""
    if isinstance(value, Undefined):
        _raise_missing_input(value)
    return value


# ── filters with bounded output ───────────────────────────────────────────────────────────────────


def _attribute_of_items(context: Context, items: Any, attribute: object) -> Any:
    """The items themselves, or one attribute of each where a filter names it."""
    items = _items_of(items)
    if attribute is None:
        return items
    return JINJA_FILTERS["map"](context, items, attribute=attribute)


@pass_context
def _join_filter(context: Context, value: object, d: str = "", attribute: object = None) -> str:
    items = _attribute_of_items(context, value, attribute)
    texts: list[str] = []
    size = 0
    for item in _count_iterations(context, items, 0):
        texts.append(str(_materialize(context, item)))
        size += len(texts[-1]) + len(str(d))
        _budget_of(context).check_size(size)
    return str(d).join(texts)


@pass_context
def _concat_filter(context: Context, parts: list[object]) -> str:
    """Join the parts of `a ~ b`. Jinja itself would also join missing values."""
    texts: list[str] = []
    for part in parts:
        # The rewriter cannot see a None that an expression computes.
        if part is None:
            raise MissingInput("a value")
        texts.append(str(_materialize(context, part)))
        _budget_of(context).check_size(sum(map(len, texts)))
    return "".join(texts)


@pass_context
def _replace_filter(
    context: Context, s: object, old: object, new: object, count: int | None = None
) -> str:
    parts = (s, old, new)
    text, pattern, replacement = (str(_materialize(context, part)) for part in parts)
    # The size of the result is known before the text is made.
    times = text.count(pattern)
    if count is not None and count >= 0:
        times = min(times, count)
    _budget_of(context).check_size(len(text) + times * (len(replacement) - len(pattern)))
    return text.replace(pattern, replacement, times)


@pass_context
def _sum_filter(
    context: Context, iterable: object, attribute: object = None, start: float = 0
) -> float:
    # Python's `sum` would also concatenate lists, without any limit.
    if not isinstance(start, int | float):
        raise TypeError("`sum` is for numbers")
    items = _attribute_of_items(context, iterable, attribute)
    return sum(cast(Iterator[float], _count_iterations(context, items, 0)), start)


def _round_filter(value: Any, precision: int = 0, method: str = "common") -> Any:
    if abs(precision) > _MAX_ROUND_DIGITS:
        raise ValueError(f"`round` knows {_MAX_ROUND_DIGITS} digits")
    return JINJA_FILTERS["round"](value, precision, method)


@pass_context
def _tojson_filter(context: Context, value: object, indent: int | None = None) -> str:
    concrete = _materialize(context, value)
    if isinstance(concrete, Undefined):
        _raise_missing_input(concrete)
    if isinstance(concrete, str):
        return json.dumps(concrete, ensure_ascii=False)
    compact = value_to_text(concrete)
    if indent is None or isinstance(concrete, int | float | None):
        return compact
    # `value_to_text` also writes `Missing` items, which json.dumps does not know.
    spaces = min(max(indent, 0), _MAX_JSON_INDENT)
    return json.dumps(json.loads(compact), ensure_ascii=False, indent=spaces)


def _text_filter(name: str) -> Callable[..., Any]:
    """A filter of Jinja over a text. It makes text of any value, also of a generator or a loop,
    whose text would hold an address.
    """

    @pass_context
    def apply_filter(context: Context, value: object, *args: Any, **kwargs: Any) -> Any:
        concrete = _materialize(context, value)
        if type(concrete) is list:
            concrete = RowList(concrete)
        text = concrete if isinstance(concrete, str) else str(concrete)
        if name == "truncate":
            return JINJA_FILTERS[name](context.environment, text, *args, **kwargs)
        return JINJA_FILTERS[name](text, *args, **kwargs)

    return apply_filter


def _item_filter(name: str) -> Callable[..., Any]:
    """A filter of Jinja over the items of a list. It gets no text, which would be its letters."""
    original = JINJA_FILTERS[name]

    @pass_context
    def apply_filter(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        return original(context.environment, _items_of(value), *args, **kwargs)

    return apply_filter


def _length_filter(value: Any) -> int:
    # What has no length is an error of the row.
    return len(_unpack_container(value))


def _counting_filter(name: str) -> Callable[..., Any]:
    """A filter of Jinja over items, in which each item counts as a round of a loop."""

    @pass_context
    def apply_filter(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        items = _count_iterations(context, _items_of(value), 1)
        return JINJA_FILTERS[name](context, items, *args, **kwargs)

    return apply_filter


_OWN_FILTERS: dict[str, Callable[..., Any]] = {
    _FENCE_FILTER: _fence_filter,
    _UNFENCED_FILTER: _unfenced_filter,
    _LOOP_FILTER: _loop_filter,
    _WEIGH_FILTER: _weigh_filter,
    _REQUIRE_FILTER: _require_filter,
    _CONCAT_FILTER: _concat_filter,
    _NONE_FILTER: _none_filter,
    _UNPACK_FILTER: _unpack_container,
    "join": _join_filter,
    "replace": _replace_filter,
    "sum": _sum_filter,
    "round": _round_filter,
    "tojson": _tojson_filter,
    **{name: _item_filter(name) for name in "first last max min sort unique".split()},
    "list": lambda value: list(_items_of(value)),
    "length": _length_filter,
    "count": _length_filter,
    **{
        name: _text_filter(name)
        for name in "string upper lower capitalize title trim truncate wordcount".split()
    },
    **{
        name: _counting_filter(name)
        for name in ("map", "select", "reject", "selectattr", "rejectattr")
    },
}


# ── tree rewriting ────────────────────────────────────────────────────────────────────────────────

_OPERATIONS = (nodes.Filter, nodes.Test, nodes.Call, nodes.Compare, nodes.BinExpr, nodes.Concat)


def operations_in(tree: nodes.Node) -> int:
    """Estimate how often a part of a template reads a whole value.

    Calls such as `split` count ten times.
    """
    expressions = [tree, *tree.find_all(nodes.Expr)]
    calls = sum(isinstance(node, nodes.Call) for node in expressions)
    operations = sum(isinstance(node, _OPERATIONS) for node in expressions)
    return operations + 9 * calls


def names_in(node: nodes.Node) -> frozenset[str]:
    """The names that an expression reads or a target sets."""
    names = {name.name for name in node.find_all(nodes.Name)}
    # `find_all` leaves out the node itself.
    if isinstance(node, nodes.Name):
        names.add(node.name)
    return frozenset(names)


class NoneTestRewriter(NodeTransformer):
    """Rewrites `x == none` as the test `x is none`."""

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
        if node.ops[0].op == "eq":
            return test
        return nodes.Not(test, lineno=node.lineno)


class BoundsRewriter(NodeTransformer):
    """Adds the fence filter to every printed row value, and the limit filters to loops, `set` and
    `~`.
    """

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
        parts = [*node.body]
        if node.test:
            parts.append(node.test)
        operations = sum(map(operations_in, parts))
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
        if node.value is None:
            return _filter_node(node, _NONE_FILTER)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        """Visit all but literal arguments: a literal None selects the default of a filter."""
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
            node.ops[0].expr = _filter_node(node.ops[0].expr, _UNPACK_FILTER)
        return node


def _filter_node(node: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, [*arguments], [], None, None, lineno=node.lineno)


def may_be_blank(node: nodes.Node | None) -> bool:
    """Does the author allow an empty text here, as in `x | default("")`?"""
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
