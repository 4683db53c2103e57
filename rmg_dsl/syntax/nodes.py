"""The tree of a spec as it was written: frozen nodes, each with its exact span. Nothing is resolved here.

Module ── Declaration ── Block ── Setting | Rubric
              │                      │
              └──────────── Expr ────┘

Nodes have no equality of their own: two are compared by `meaning`, without their places. (A class with less generated
code is also made in half the time, and every start of `rmg` makes all of them.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from rmg_dsl.diagnostics import Source, Span

# ── Expressions ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Name:
    """A name, where it is declared or used."""

    id: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number:
    """A number; whole ones are ints."""

    value: int | float
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text:
    """A string: `value` is what it means, `token` how it is written, quotes and prefix included."""

    value: str
    token: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Truth:
    """`True` or `False`."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Nothing:
    """`None`."""

    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListOf:
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Attribute:
    """`base.key`."""

    base: Expr
    key: Name
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Item:
    """`base[index]`."""

    base: Expr
    index: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Argument:
    """One argument: with a `label` before its `=` it is a keyword (a name) or a weighted part (any expression)."""

    value: Expr
    label: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call:
    """`function(arguments)`."""

    function: Expr
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sign:
    """`-x` or `+x`."""

    sign: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Arithmetic:
    """`first` and what follows it, of one precedence, from left to right: flat, so that a long sum is not deep."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison:
    """`a < b <= c`: chained as in Python."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Logic:
    """`a and b and c`, or the same with `or`."""

    word: str
    parts: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Not:
    """`not x`."""

    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IfElse:
    """`then if condition else otherwise`."""

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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Range:
    """`1..5`."""

    low: Number
    high: Number
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BoolScale:
    """`bool`."""

    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PointsScale:
    """`points`."""

    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelScale:
    """`"a" | "b"`."""

    labels: tuple[Text, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ValueScale:
    """`("a"=0 | "b"=1)`."""

    pairs: tuple[tuple[Text, Number], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScaleNode:
    """A scale as it was written, and whether `lower` stands behind it."""

    kind: Range | BoolScale | PointsScale | LabelScale | ValueScale
    lower: bool
    span: Span


# ── Blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Setting:
    """`key = value`, and of `escalate` its `when`."""

    key: Name
    value: Expr
    when: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Criterion:
    """A line of a rubric: `level` is what stands before the colon, `points` of a signed number its sign and size."""

    level: Number | Text | Truth | Name
    signed: bool
    text: Text
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rubric:
    """The lines of a `rubric:`, or the expression of a `rubric = FIELD`."""

    criteria: tuple[Criterion, ...]
    source: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Edition:
    """`rmg 1`."""

    number: int
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Imported:
    """One name of an import: `a`, or `a as b`."""

    name: Name
    alias: Name | None
    span: Span

    @property
    def local(self) -> Name:
        return self.alias or self.name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Import:
    """`from "file.rmg" import a, b as c`."""

    path: Text
    names: tuple[Imported, ...]
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Param:
    """`param NAME = literal`."""

    name: Name
    value: Number | Text | Truth
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ModelDecl:
    """`model NAME = llm(…)`."""

    name: Name
    value: Expr
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FieldDecl:
    """A line of `fields:`."""

    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fields:
    """`fields:` with its lines."""

    fields: tuple[FieldDecl, ...]
    span: Span
    doc: str = ""
    damaged: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Grader:
    """`grader NAME -> SCALE = …`, or its block."""

    name: Name
    scale: ScaleNode | None
    body: Expr | Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pairwise:
    """`pairwise NAME:`."""

    name: Name
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ranking:
    """`ranking NAME:`."""

    name: Name
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aggregate:
    """`aggregate NAME = …`, or its block."""

    name: Name
    body: Expr | Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Refine:
    """`refine FIELD:`."""

    name: Name
    body: Block
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Require:
    """`require CONDITION`."""

    condition: Expr
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Validate:
    """`validate NAME against COLUMN, …`."""

    name: Name
    columns: tuple[Expr, ...]
    body: Block | None
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parameter:
    """A parameter of an `internal` function."""

    name: Name
    type: Name
    default: Number | Text | Truth | Nothing | None
    variadic: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Internal:
    """What Python implements; only the standard library's own files may declare one."""

    name: Name
    parameters: tuple[Parameter, ...]
    result: Name | ScaleNode
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comment:
    """A `#` comment: `alone` when nothing stands before it on its line; a doc line starts with `##`."""

    text: str
    alone: bool
    span: Span

    @property
    def is_doc(self) -> bool:
        return self.alone and self.text.startswith("##")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Module:
    """A whole spec."""

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
