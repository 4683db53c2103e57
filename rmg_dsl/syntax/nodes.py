"""The tree of a spec as it was written: frozen nodes, each with its exact span. Nothing is resolved here.

Module ── Declaration ── Block ── Setting | Rubric
              │                      │
              └──────────── Expr ────┘
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from rmg_dsl.diagnostics import Source, Span

# ── Expressions ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Name:
    id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    value: int | float
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A string: `value` is what it means, `token` how it is written, quotes and prefix included."""

    value: str
    token: str
    span: Span


@dataclass(frozen=True, slots=True)
class Truth:
    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Nothing:
    span: Span


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Attribute:
    base: Expr
    key: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Item:
    base: Expr
    index: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: with a `label` before its `=` it is a keyword (a name) or a weighted part (any expression)."""

    value: Expr
    label: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    function: Expr
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Sign:
    sign: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`first` and what follows it, of one precedence, from left to right: flat, so that a long sum is not deep."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Comparison:
    """`a < b <= c`: chained as in Python."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Logic:
    word: str
    parts: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class IfElse:
    then: Expr
    condition: Expr
    otherwise: Expr
    span: Span


Expr: TypeAlias = (
    Name
    | Number
    | Text
    | Truth
    | Nothing
    | ListOf
    | Attribute
    | Item
    | Call
    | Sign
    | Arithmetic
    | Comparison
    | Logic
    | Not
    | IfElse
)

# ── Scales ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Range:
    low: Number
    high: Number
    span: Span


@dataclass(frozen=True, slots=True)
class BoolScale:
    span: Span


@dataclass(frozen=True, slots=True)
class PointsScale:
    span: Span


@dataclass(frozen=True, slots=True)
class LabelScale:
    labels: tuple[Text, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ValueScale:
    pairs: tuple[tuple[Text, Number], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ScaleNode:
    kind: Range | BoolScale | PointsScale | LabelScale | ValueScale
    lower: bool
    span: Span


# ── Blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Setting:
    key: Name
    value: Expr
    when: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Criterion:
    """A line of a rubric: `level` is what stands before the colon, `points` of a signed number its sign and size."""

    level: Number | Text | Truth | Name
    signed: bool
    text: Text
    span: Span


@dataclass(frozen=True, slots=True)
class Rubric:
    """The lines of a `rubric:`, or the expression of a `rubric = FIELD`."""

    criteria: tuple[Criterion, ...]
    source: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """The indented lines; `damaged` when some of them could not be read, so that nothing is called missing."""

    lines: tuple[Setting | Rubric, ...]
    span: Span
    damaged: bool = False

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(line for line in self.lines if isinstance(line, Setting))

    @property
    def rubric(self) -> Rubric | None:
        return next((line for line in self.lines if isinstance(line, Rubric)), None)


# ── Declarations ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Edition:
    number: int
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    name: Name
    alias: Name | None
    span: Span

    @property
    def local(self) -> Name:
        return self.alias or self.name


@dataclass(frozen=True, slots=True)
class Import:
    path: Text
    names: tuple[Imported, ...]
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Param:
    name: Name
    value: Number | Text | Truth
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class ModelDecl:
    name: Name
    value: Expr
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class FieldDecl:
    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Fields:
    fields: tuple[FieldDecl, ...]
    span: Span
    doc: str = ""
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Grader:
    name: Name
    scale: ScaleNode | None
    body: Expr | Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Pairwise:
    name: Name
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    name: Name
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    name: Name
    body: Expr | Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Refine:
    name: Name
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Require:
    condition: Expr
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Validate:
    name: Name
    columns: tuple[Expr, ...]
    body: Block | None
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: Name
    type: Name
    default: Number | Text | Truth | Nothing | None
    variadic: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Internal:
    """What Python implements; only the standard library's own files may declare one."""

    name: Name
    parameters: tuple[Parameter, ...]
    result: Name | ScaleNode
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """A declaration that could not be read: its names stay known, so that their uses are not called mistakes."""

    names: tuple[str, ...]
    span: Span
    doc: str = ""


Declaration: TypeAlias = (
    Import
    | Param
    | ModelDecl
    | Fields
    | Grader
    | Pairwise
    | Ranking
    | Aggregate
    | Refine
    | Require
    | Validate
    | Internal
    | Broken
)


@dataclass(frozen=True, slots=True)
class Comment:
    """A `#` comment: `alone` when nothing stands before it on its line; a doc line starts with `##`."""

    text: str
    alone: bool
    span: Span

    @property
    def is_doc(self) -> bool:
        return self.alone and self.text.startswith("##")


@dataclass(frozen=True, slots=True)
class Module:
    source: Source
    edition: Edition | None
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...] = ()
    doc: str = field(default="")


def children(node: object) -> Iterator[object]:
    """The nodes right below one, in the order in which they were written."""
    for f in fields(node):  # type: ignore[arg-type] # every node is a dataclass
        yield from _nodes_in(getattr(node, f.name))


def _nodes_in(value: object) -> Iterator[object]:
    if isinstance(value, tuple) and not isinstance(value, Span):
        for item in value:
            yield from _nodes_in(item)
    elif hasattr(value, "span"):
        yield value


def walk(node: object) -> Iterator[object]:
    """A node and all below it, depth first."""
    yield node
    for child in children(node):
        yield from walk(child)


def meaning(node: object) -> object:
    """A node without its places: two texts mean the same when this is equal.

    >>> from rmg_dsl.syntax import parse
    >>> meaning(parse("param a=1").module) == meaning(parse("param  a = 1  # one").module)
    True
    """
    if isinstance(node, Span | Source | Comment):
        return None
    if isinstance(node, tuple):
        return tuple(meaning(item) for item in node if not isinstance(item, Comment))
    if isinstance(node, Text):
        return ("Text", node.value)
    if hasattr(node, "__dataclass_fields__"):
        return (type(node).__name__, *(meaning(getattr(node, f.name)) for f in fields(node)))  # type: ignore[arg-type] # as above
    return (type(node).__name__, node)
